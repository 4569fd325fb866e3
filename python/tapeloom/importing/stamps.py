"""Reads the times of a foreign table as nanoseconds: text of many forms, dates beside times, integers of any unit."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import tzinfo
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, available_timezones

import numpy as np

from tapeloom.calendars.days import to_day
from tapeloom.errors import ArgumentError, TimestampUnitError
from tapeloom.importing.findings import Proposal
from tapeloom.importing.options import TIME_UNITS
from tapeloom.importing.text_times import parse_times
from tapeloom.timestamps import NS_PER_DAY, check_unit

if TYPE_CHECKING:
    import numpy.typing as npt
    import pyarrow as pa

    from tapeloom.importing.findings import Findings
    from tapeloom.importing.options import ReadOptions
    from tapeloom.importing.tables import ForeignTable

__all__ = ["Stamps", "read_stamps"]

MS_PER_DAY = 86_400_000
UNIT_OF_WORD = {"seconds": "s", "milliseconds": "ms", "microseconds": "us"}
UTC_NAMES = ("UTC", "Etc/UTC", "GMT", "Z", "+00:00")
NAMED_ZONE = re.compile(r"^(.*\d)\s+([A-Za-z]+/[A-Za-z_/]+|UTC|GMT)$")


@dataclass(frozen=True, slots=True)
class Stamps:
    """Times as read.

    ``ns`` int64, shape (n,): nanoseconds UTC, or, if ``naive``, of a wall clock, as if it stood in UTC. ``valid`` is
    false where there is no time. ``zone`` is the one the file names for its wall clock. ``claims_utc``: the file says that
    it is UTC, as opposed to an offset that is another one.
    """

    ns: npt.NDArray[np.int64]
    valid: npt.NDArray[np.bool_]
    naive: bool
    zone: tzinfo | None = None
    claims_utc: bool = True


def read_stamps(
    table: ForeignTable, options: ReadOptions, findings: Findings
) -> Stamps:
    """Return the times of a table.

    Raises
    ------
    ArgumentError
        If their form is not known, or two forms fit.
    TimestampUnitError
        If integers are in no known unit.
    """
    columns = table.columns
    if "ts" not in columns:
        column = (
            _joined(columns["date"], columns["time"])
            if "time" in columns
            else columns["date"]
        )
    else:
        column = columns["ts"]
    found = _read(column, table, options, findings)
    return replace(found, naive=False) if table.utc and found.naive else found


def _read(
    column: pa.ChunkedArray,
    table: ForeignTable,
    options: ReadOptions,
    findings: Findings,
) -> Stamps:
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return _typed(column, table.name)
    if pa.types.is_integer(kind):
        return _integers(column, table, options, findings)
    if pa.types.is_floating(kind):
        return _integers(_whole(column, table.name), table, options, findings)
    if (
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
    ):
        return _texts(column.cast(pa.string()), table, options, findings)
    if pa.types.is_null(kind):
        rows = len(column)
        return Stamps(np.zeros(rows, np.int64), np.zeros(rows, np.bool_), True)
    text = (
        f"{table.name}: the times are {kind}; they must be timestamps, text or integers"
    )
    raise ArgumentError(text, got=str(kind))


def _typed(column: pa.ChunkedArray, name: str) -> Stamps:
    import pyarrow as pa

    naive = pa.types.is_date(column.type) or column.type.tz is None
    wanted = pa.timestamp("ns", None if naive else "UTC")
    try:
        ns = column if column.type == wanted else column.cast(wanted)
    except pa.ArrowInvalid as error:
        text = f"{name}: holds times outside the years 1677 to 2262"
        raise ArgumentError(text) from error
    in_utc = naive or column.type.tz in UTC_NAMES
    return _of(ns, naive, claims_utc=in_utc)


def _of(
    column: pa.ChunkedArray,
    naive: bool,
    zone: tzinfo | None = None,
    *,
    claims_utc: bool = True,
) -> Stamps:
    """Return a column of timestamps in nanoseconds."""
    import pyarrow as pa

    if not column.null_count:
        # The same numbers under another name.
        ns, valid = column.to_numpy().view(np.int64), np.ones(len(column), np.bool_)
    else:
        ns = column.cast(pa.int64()).fill_null(0).to_numpy()
        valid = column.is_valid().to_numpy()
    return Stamps(ns, valid, naive, zone, claims_utc)


def _texts(
    column: pa.ChunkedArray,
    table: ForeignTable,
    options: ReadOptions,
    findings: Findings,
) -> Stamps:
    import pyarrow as pa
    import pyarrow.compute as pc

    column = pc.utf8_trim_whitespace(column)
    first = next((v.as_py() for v in column if v.is_valid), None)
    if first is None:
        return _of(column.cast(pa.timestamp("ns")), True)
    if options.time_format is None and _is_integer(first):
        try:
            return _integers(column.cast(pa.int64()), table, options, findings)
        except pa.ArrowInvalid:
            pass
    zone, stated = None, NAMED_ZONE.match(first)
    if stated and stated[2] in available_timezones():
        # Nothing is said where rows name different zones: those do not parse below.
        column = pc.replace_substring_regex(
            column, pattern=rf"\s+{re.escape(stated[2])}$", replacement=""
        )
        zone = ZoneInfo(stated[2])
    parsed = parse_times(column, name=table.name, time_format=options.time_format)
    in_utc = parsed.type.tz is None or bool(re.search(r"(Z|[+-]00:?00)$", first))
    return _of(parsed, parsed.type.tz is None, zone, claims_utc=in_utc)


def _is_integer(text: str) -> bool:
    return bool(re.fullmatch(r"-?\d+", text))


def _whole(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    import pyarrow as pa

    try:
        return column.cast(pa.int64())
    except pa.ArrowInvalid as error:
        text = f"{name}: the times are fractions of numbers; give integers since 1970, or text"
        raise ArgumentError(text) from error


def _integers(
    column: pa.ChunkedArray,
    table: ForeignTable,
    options: ReadOptions,
    findings: Findings,
) -> Stamps:
    import pyarrow as pa

    name = table.name
    valid = column.is_valid().to_numpy()
    try:
        raw = column.cast(pa.int64()).fill_null(0).to_numpy()
    except pa.ArrowInvalid as error:
        text = f"{name}: the times hold integers above 2**63; give nanoseconds since 1970-01-01 UTC"
        raise ArgumentError(text) from error
    kept = raw[valid]
    if not kept.size:
        return Stamps(raw, valid, True)
    low, high = int(kept.min()), int(kept.max())
    if options.time_unit is None:
        if low >= 0 and high < MS_PER_DAY and table.hints.day is not None:
            findings.add(
                "times_told",
                f"times are milliseconds of the day in the file's name, {table.hints.day}",
            )
            day = to_day(table.hints.day) * NS_PER_DAY
            return Stamps(raw * 10**6 + day, valid, True)
        if _are_dates(low, high):
            parsed = parse_times(column.cast(pa.string()), name=name, time_format=None)
            return _of(parsed, True)
    unit = options.time_unit or _unit(low, high, table, findings)
    factor = TIME_UNITS[unit]
    if max(abs(low), abs(high)) > (2**63 - 1) // factor:
        text = f"{name}: times in {unit} lie outside the years 1677 to 2262"
        raise ArgumentError(text, got=high)
    return Stamps(raw * factor, valid, False)


def _are_dates(low: int, high: int) -> bool:
    """Whether integers are dates such as 20250702, perhaps with a time of day: 20250702093000."""
    return any(1900 * f <= low and high < 2101 * f for f in (10**4, 10**8, 10**10))


def _unit(low: int, high: int, table: ForeignTable, findings: Findings) -> str:
    try:
        check_unit(low, high, name="ts")
    except TimestampUnitError as error:
        facts: dict[str, Any] = error.facts
        unit = UNIT_OF_WORD[facts["unit"]]
        found = Proposal(
            "time_unit",
            f"the integers of the times, such as {low}, look like {facts['unit']} since 1970",
            option="time_unit",
            value=unit,
        )
        findings.propose(found)
        return unit
    if low < 631_152_000 * 10**9:
        text = (
            f"{table.name}: the integers of the times, such as {low}, are no unit of time since 1970 in which they lie "
            "in 1990 to 2100; name the date in the file, or give time_unit="
        )
        raise TimestampUnitError(text, got=low)
    return "ns"


def _joined(date: pa.ChunkedArray, time: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return dates and times of day as one column of texts, or of timestamps where they are typed."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_time(time.type) and (
        pa.types.is_date(date.type) or pa.types.is_timestamp(date.type)
    ):
        day = date.cast(pa.timestamp("ns")).cast(pa.int64())
        within = time.cast(pa.time64("ns")).cast(pa.int64())
        return pc.add(day, within).cast(pa.timestamp("ns"))
    days, times = (
        date.cast(pa.string()),
        pc.utf8_trim_whitespace(time.cast(pa.string())),
    )
    first = next((v.as_py() for v in times if v.is_valid), "")
    if first.isdigit():
        longest = pc.max(pc.utf8_length(times)).as_py()
        width = 4 if longest <= 4 else 6
        times = pc.utf8_lpad(times, width=width, padding="0")
        if width == 4:
            times = pc.binary_join_element_wise(times, pa.scalar("00"), "")
    return pc.binary_join_element_wise(days, times, " ")
