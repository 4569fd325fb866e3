"""How a user wants foreign files to be read: the options of an import and of a mount, checked."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import timedelta, tzinfo
from math import inf
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from tapeloom._core import Interval
from tapeloom.bars import normalise_symbol
from tapeloom.errors import ArgumentError, ArgumentTypeError, did_you_mean

if TYPE_CHECKING:
    from tapeloom.intervals import IntervalLike

__all__ = ["TIME_UNITS", "ReadOptions", "duration_text", "read_options"]

LABELS = ("start", "end")
TIME_UNITS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
NS = {"d": 86_400 * 10**9, "h": 3_600 * 10**9, "m": 60 * 10**9, "s": 10**9}
# More than a day is no mistake of zones.
LONGEST_SHIFT = 26 * NS["h"]


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What the files cannot say themselves; ``None`` is not given.

    ``columns`` are our names to theirs, a ``None`` among them a column that is not there; or, for files without a header,
    the names of all columns in order.
    """

    symbol: str | None = None
    interval: Interval | None = None
    zone: tzinfo | None = None
    label: Literal["start", "end"] | None = None
    columns: Mapping[str, str | None] | tuple[str, ...] | None = None
    shift_ns: int | None = None
    time_unit: str | None = None
    time_format: str | None = None
    ambiguous: str | None = None
    price_scale: float | None = None
    members: str | None = None

    def as_given(self) -> dict[str, object]:
        """Return what was given, in values that JSON knows."""
        given = {f.name: getattr(self, f.name) for f in fields(self)}
        return {n: _plain(v) for n, v in given.items() if v is not None}


def read_options(
    *,
    symbol: str | None = None,
    interval: IntervalLike | None = None,
    zone: str | tzinfo | None = None,
    label: str | None = None,
    columns: Mapping[str, str | None] | Sequence[str] | None = None,
    shift: str | timedelta | None = None,
    time_unit: str | None = None,
    time_format: str | None = None,
    ambiguous: str | None = None,
    price_scale: float | None = None,
    members: str | None = None,
) -> ReadOptions:
    """Check the options of an import or mount.

    Raises
    ------
    ArgumentError
        If one breaks its rule.
    """
    return ReadOptions(
        symbol=None if symbol is None else normalise_symbol(symbol),
        interval=None if interval is None else Interval(interval),
        zone=None if zone is None else _zone(zone),
        label=_word("label", label, LABELS),  # type: ignore[arg-type]
        columns=_columns(columns),
        shift_ns=None if shift is None else _shift(shift),
        time_unit=_word("time_unit", time_unit, tuple(TIME_UNITS)),
        time_format=_text("time_format", time_format),
        ambiguous=_word("ambiguous", ambiguous, ("first", "second", "infer")),
        price_scale=None if price_scale is None else _scale(price_scale),
        members=_text("members", members),
    )


def duration_text(ns: int) -> str:
    """Return a length of time as ``shift=`` takes it, such as ``"-4h"`` or ``"1h30m"``."""
    sign, rest = ("-" if ns < 0 else ""), abs(ns)
    parts = []
    for unit in ("h", "m", "s"):
        count, rest = divmod(rest, NS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return sign + ("".join(parts) or "0s")


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    return value if isinstance(value, str | int | float | tuple) else str(value)


def _word(name: str, value: str | None, known: tuple[str, ...]) -> str | None:
    if value is None or value in known:
        return value
    text = f"{name} is {value!r}; it must be one of {', '.join(map(repr, known))}{did_you_mean(str(value), known)}"
    raise ArgumentError(text, got=value, expected=known)


def _text(name: str, value: str | None) -> str | None:
    if value is None or (isinstance(value, str) and value.strip()):
        return value
    text = f"{name} is {value!r}; it must be text that is not blank, or None"
    raise ArgumentTypeError(text, got=value)


def _zone(zone: str | tzinfo) -> tzinfo:
    if isinstance(zone, tzinfo):
        return zone
    try:
        return ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError) as error:
        near = did_you_mean(str(zone), available_timezones())
        text = f"zone is {zone!r}; it must be the name of a time zone, such as 'America/New_York'{near}"
        raise ArgumentError(text, got=zone) from error


def _columns(
    columns: Mapping[str, str | None] | Sequence[str] | None,
) -> Mapping[str, str | None] | tuple[str, ...] | None:
    from tapeloom.importing.column_names import ROLES

    if columns is None:
        return None
    if isinstance(columns, str) or not isinstance(columns, Mapping | Sequence):
        text = (
            f"columns is {columns!r}; give a dict from our names to those of the file, such as {{'ts': 'Zeit'}}, "
            "or, for files without a header, the list of all names in order"
        )
        raise ArgumentTypeError(text, got=columns)
    if not isinstance(columns, Mapping):
        return tuple(str(name) for name in columns)
    for name in columns:
        if name not in ROLES:
            text = f"columns names {name!r}; our columns are {', '.join(ROLES)}{did_you_mean(str(name), ROLES)}"
            raise ArgumentError(text, got=name)
        _check_theirs(name, columns)
    return dict(columns)


def _check_theirs(name: str, columns: Mapping[str, str | None]) -> None:
    """Raise an error for a name that is none, or that stands for two of our columns."""
    from tapeloom.importing.column_names import PRICES

    theirs = columns[name]
    if theirs is None and name in (*PRICES, "ts"):
        text = f"columns says that {name!r} is not there; a bar has it: name its column"
        raise ArgumentError(text, got=name)
    if theirs is not None and not isinstance(theirs, str):
        text = f"columns has {theirs!r} for {name!r}; give the name of a column, or None where there is none"
        raise ArgumentTypeError(text, got=theirs)
    same = [ours for ours, other in columns.items() if other == theirs]
    if theirs is not None and len(same) > 1:
        text = f"columns has {theirs!r} for {' and '.join(map(repr, same))}; a column is one of ours"
        raise ArgumentError(text, got=theirs)


def _shift(shift: str | timedelta) -> int:
    if isinstance(shift, timedelta):
        ns = round(shift / timedelta(microseconds=1)) * 1_000
    else:
        ns = _parsed_shift(shift)
    if abs(ns) > LONGEST_SHIFT:
        text = f"shift is {shift!r}; it must not be above 26 hours"
        raise ArgumentError(text, got=shift)
    return ns


def _parsed_shift(shift: str) -> int:
    found = (
        re.fullmatch(
            r"\s*([+-]?)((?:\d+(?:\.\d+)?[hms])+)\s*", shift.replace(" ", "").lower()
        )
        if isinstance(shift, str)
        else None
    )
    if found is None:
        text = f"shift is {shift!r}; give a length of time such as '-4h', '90m' or a timedelta"
        raise ArgumentError(text, got=shift)
    total = sum(
        round(float(count) * NS[unit])
        for count, unit in re.findall(r"([\d.]+)([hms])", found[2])
    )
    return -total if found[1] == "-" else total


def _scale(scale: float) -> float:
    if (
        isinstance(scale, bool)
        or not isinstance(scale, int | float)
        or not 0 < scale < inf
    ):
        text = f"price_scale is {scale!r}; it must be a number above 0, by which stored prices are divided, such as 10_000"
        raise ArgumentError(text, got=scale)
    return scale
