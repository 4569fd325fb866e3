"""How much trading lies between two instants, breaks, nights and holidays left out."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from tapeloom._core import SessionTable
from tapeloom.errors import ArgumentError, did_you_mean

__all__ = ["TradingTimeUnit", "trading_time"]

TradingTimeUnit: TypeAlias = Literal["seconds", "minutes", "days", "weeks"]
"""A day is a whole session, however short; a week is all sessions from a Monday to the next."""

_NS = {"seconds": 1e9, "minutes": 60e9}


def trading_time(
    table: SessionTable, start: int, end: int, unit: TradingTimeUnit
) -> float:
    """Return the regular time in ``[start, end)``, nanoseconds UTC, in a unit.

    Part of a session counts as that part of a day: the regular time of it that lies inside, over the whole.

    Raises
    ------
    ArgumentError
        For an unknown unit.
    """
    units = get_args(TradingTimeUnit)
    if unit not in units:
        near = did_you_mean(str(unit), units)
        text = f"unit is {unit!r}; it must be one of {', '.join(units)}{near}"
        raise ArgumentError(text, got=unit)
    first = int(np.searchsorted(table.closes, start, side="right"))
    last = int(np.searchsorted(table.opens, end, side="left"))
    if first >= last:
        return 0.0
    rows = slice(first, last)
    inside = _regular(table, rows, start, end)
    if unit in _NS:
        return float(inside.sum()) / _NS[unit]
    whole = _regular(table, rows, int(table.opens[first]), int(table.closes[last - 1]))
    share = inside / whole
    if unit == "days":
        return float(share.sum())
    # Day 4, 1970-01-05, was a Monday.
    weeks = (table.dates.astype(np.int64) - 4) // 7
    sessions = np.searchsorted(weeks, weeks[rows] + 1) - np.searchsorted(
        weeks, weeks[rows]
    )
    return float((share / sessions).sum())


def _regular(
    table: SessionTable, rows: slice, start: int, end: int
) -> NDArray[np.int64]:
    """Regular nanoseconds of each session that lie in ``[start, end)``."""
    offsets = table.segment_offsets[rows.start : rows.stop + 1]
    stretches = slice(int(offsets[0]), int(offsets[-1]))
    starts = np.maximum(table.segment_starts[stretches], start)
    ends = np.minimum(table.segment_ends[stretches], end)
    lengths: NDArray[np.int64] = np.add.reduceat(
        np.maximum(ends - starts, 0), offsets[:-1] - offsets[0]
    )
    return lengths
