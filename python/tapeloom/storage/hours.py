"""Which bars start in the hours that are asked for, each by the hours of its own date."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from tapeloom._core import Interval
from tapeloom.errors import ArgumentError, did_you_mean

if TYPE_CHECKING:
    import numpy.typing as npt

    from tapeloom._core import Bars, SessionTable

__all__ = ["Hours", "check_hours", "within_hours"]

Hours: TypeAlias = Literal["regular", "extended", "all"]
"""Regular hours, those with pre- and post-market trading, or all."""

HOURS = ("regular", "extended", "all")


def check_hours(hours: str) -> None:
    """Raise ArgumentError for another word."""
    if hours not in HOURS:
        text = f"hours is {hours!r}; it must be one of {', '.join(map(repr, HOURS))}{did_you_mean(str(hours), HOURS)}"
        raise ArgumentError(text, got=hours)


def within_hours(bars: Bars, table: SessionTable, hours: str) -> Bars:
    """Return the bars that start in the hours; those of days and weeks all."""
    if hours == "all" or not len(bars) or Interval(bars.interval).ns is None:
        return bars
    kept = _in_hours(bars.ts, table, extended=hours == "extended")
    return bars if kept.all() else bars.drop_rows(np.flatnonzero(~kept).tolist())


def _in_hours(
    ts: npt.NDArray[np.int64], table: SessionTable, *, extended: bool
) -> npt.NDArray[np.bool_]:
    starts = table.pre_opens if extended else table.segment_starts
    ends = table.post_closes if extended else table.segment_ends
    if not len(starts):
        return np.zeros(len(ts), np.bool_)
    at = np.searchsorted(starts, ts, side="right") - 1
    return (at >= 0) & (ts < ends[np.maximum(at, 0)])
