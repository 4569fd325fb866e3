"""Bars that come one by one, as ``BarData`` or as any object with their attributes: columns for each symbol."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tapeloom._core import Interval
from tapeloom.bars import BarData, normalise_symbol
from tapeloom.columns.values import flag_bytes, floats, instants
from tapeloom.errors import ArgumentError, ArgumentTypeError
from tapeloom.timestamps import to_ns

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import tzinfo

    import numpy.typing as npt

__all__ = ["FIELDS", "SymbolRows", "is_bar_like", "read_rows", "rows_of"]

FIELDS = ("open", "high", "low", "close", "volume")
_TIMES = ("ts", "timestamp")
_ABSENT = object()


class SymbolRows(NamedTuple):
    """The rows of one symbol as columns."""

    symbol: str
    columns: dict[str, npt.NDArray[Any]]
    interval: Interval | None
    """``None`` where the rows do not say."""


def rows_of(data: object) -> list[object] | None:
    """Return the items of a sequence or iterator; ``None`` for what is a frame, a dict or one value."""
    if isinstance(data, (str, bytes, bytearray)):
        return None
    # Sequences that have columns are read by them.
    if hasattr(data, "__arrow_c_stream__") or hasattr(data, "columns"):
        return None
    return list(data) if isinstance(data, (Sequence, Iterator)) else None


def is_bar_like(item: object) -> bool:
    """Whether an item has the time and the prices of a bar."""
    if isinstance(item, BarData):
        return True
    return any(hasattr(item, t) for t in _TIMES) and hasattr(item, "close")


def read_rows(
    rows: Sequence[object],
    *,
    symbol: str | None,
    zone: tzinfo,
    interval: Interval | None,
    source: str,
) -> list[SymbolRows]:
    """Return the columns of each symbol, in order of first appearance; rows keep their order.

    Parameters
    ----------
    rows
        ``BarData``, or objects with ``ts`` or ``timestamp`` and ``open high low close volume``. ``symbol``,
        ``interval`` and ``flags`` of theirs are read where they have them.
    symbol
        Whose rows these are, normalised; needed where they do not say.
    zone
        Where naive times are wall time.
    interval
        Length that the bars must have; of objects that do not say, their length.

    Raises
    ------
    ArgumentTypeError
        If an item lacks an attribute, or one is of a type that cannot be read.
    ArgumentError
        If a symbol is not the given one or has bars of several lengths.
    TimestampError
        If a time is missing, out of range, in another unit, or does not exist in ``zone``.
    """
    groups: dict[str, list[int]] = {}
    for at, row in enumerate(rows):
        groups.setdefault(_symbol_of(row, at, symbol, source), []).append(at)
    found = []
    for name, places in groups.items():
        group = [rows[at] for at in places]
        bars = [row for row in group if isinstance(row, BarData)]
        if len(bars) == len(group):
            columns = _bar_columns(bars, zone)
        else:
            columns = _object_columns(group, places, zone, source)
        found.append(
            SymbolRows(name, columns, _one_length(name, group, interval, source))
        )
    return found


def _symbol_of(row: object, at: int, symbol: str | None, source: str) -> str:
    own = row.symbol if isinstance(row, BarData) else getattr(row, "symbol", None)
    if own is not None and not isinstance(row, BarData):
        own = normalise_symbol(own)
    if own is None and symbol is None:
        missing = _missing(row, at, source)
        if missing is not None:
            raise missing
        text = f"{source}: item {at} has no attribute 'symbol' and no symbol= was given; give one of them"
        raise ArgumentError(text, row=at)
    if symbol is not None and own not in (None, symbol):
        text = f"{source}: bar {at} is of {own}, not of {symbol!r}"
        raise ArgumentError(text, symbol=symbol, row=at)
    return own or symbol or ""


def _one_length(
    name: str, group: Iterable[object], interval: Interval | None, source: str
) -> Interval | None:
    said = (getattr(row, "interval", None) for row in group)
    lengths = {Interval(each) for each in set(said) if each is not None}
    if len(lengths) > 1 or (interval is not None and lengths - {interval}):
        found = ", ".join(each.text for each in sorted(lengths))
        asked = (
            "" if interval is None else f", but interval {interval.text!r} was given"
        )
        text = f"{source}: the bars of {name} are {found}{asked}; one symbol has one interval"
        raise ArgumentError(text, symbol=name)
    return lengths.pop() if lengths else interval


def _bar_columns(bars: Sequence[BarData], zone: tzinfo) -> dict[str, npt.NDArray[Any]]:
    columns: dict[str, npt.NDArray[Any]] = {
        "ts": np.array([_start(bar, zone) for bar in bars], np.int64)
    }
    for field in FIELDS:
        columns[field] = np.array([getattr(bar, field) for bar in bars], np.float64)
    columns["flags"] = np.array([bar.flags for bar in bars], np.uint8)
    return columns


def _start(bar: BarData, zone: tzinfo) -> int:
    at = bar.timestamp
    # An aware datetime has lost what lies below a microsecond.
    return to_ns(at, zone) if getattr(at, "tzinfo", None) is None else bar.ts


def _object_columns(
    rows: Sequence[object], places: Sequence[int], zone: tzinfo, source: str
) -> dict[str, npt.NDArray[Any]]:
    for at, row in zip(places, rows, strict=True):
        missing = _missing(row, at, source)
        if missing is not None:
            raise missing
    times = [_start(r, zone) if isinstance(r, BarData) else _time_of(r) for r in rows]
    columns: dict[str, npt.NDArray[Any]] = {
        "ts": instants(_objects(times), zone=zone, name=f"{source}: attribute 'ts'")
    }
    for field in FIELDS:
        values = _objects([getattr(row, field) for row in rows])
        columns[field] = floats(values, name=f"{source}: attribute {field!r}")
    # None is what a row of a database has where nothing was said.
    flags = [getattr(row, "flags", None) or 0 for row in rows]
    columns["flags"] = flag_bytes(flags, name=f"{source}: attribute 'flags'")
    return columns


def _objects(values: Sequence[object]) -> npt.NDArray[np.object_]:
    """Return an array of the objects themselves, which the reader of a column names by row if they are wrong."""
    array = np.empty(len(values), object)
    array[:] = values
    return array


def _time_of(row: object) -> object:
    found = getattr(row, "ts", None)
    return getattr(row, "timestamp", found) if found is None else found


def _missing(row: object, at: int, source: str) -> ArgumentTypeError | None:
    """Return the error of an item that lacks what a bar has."""
    if isinstance(row, BarData):
        return None
    absent = [f for f in FIELDS if getattr(row, f, _ABSENT) is _ABSENT]
    if all(getattr(row, t, _ABSENT) is _ABSENT for t in _TIMES):
        absent.insert(0, "ts")
    if not absent:
        return None
    kind = type(row).__name__
    hint = "; give a dict of columns" if isinstance(row, dict) else ""
    text = (
        f"{source}: item {at} ({kind}) has no attribute {absent[0]!r}; each must be a BarData or have "
        f"ts or timestamp, {', '.join(FIELDS[:-1])} and volume{hint}"
    )
    return ArgumentTypeError(text, row=at, expected=absent[0])
