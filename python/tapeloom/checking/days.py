"""What the days of a series tell: jumps that look like splits, and daily bars beside the aggregate of finer ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tapeloom._core import Interval, resample
from tapeloom.actions import split_jumps
from tapeloom.calendars.days import to_day
from tapeloom.checking.rows import Finding, SplitHint
from tapeloom.diagnosis import wall_times
from tapeloom.timestamps import NS_PER_DAY

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from datetime import date

    from numpy.typing import NDArray

    from tapeloom._core import Bars, SessionTable

__all__ = ["beside_days", "days_of", "split_hints", "starts_at_midnight"]

_FIELDS = ("open", "high", "low", "close", "volume")
# Prices are compared as they were rounded when they were written.
_NEAR = 1e-6


def days_of(bars: Bars, table: SessionTable) -> Bars | None:
    """Return the daily bars of a series: itself, or the aggregate of its regular hours; ``None`` above a day."""
    if bars.interval == "1d":
        return bars
    if Interval(bars.interval).ns is None:
        return None
    ((days,),) = resample([bars], ["1d"], table, threads=1)
    return days


def split_hints(
    days: Bars, table: SessionTable, explained: Collection[tuple[str, date]]
) -> Iterator[SplitHint]:
    """Yield the nights over which prices move as in a split and that no known action explains."""
    sessions = set(table.session_of(days.ts).tolist())
    for jump in split_jumps(days, table):
        at = table.index_of(to_day(jump.session_date))
        # Over months without a bar a price may go anywhere.
        is_night = at is not None and at - 1 in sessions
        if is_night and (jump.symbol, jump.session_date) not in explained:
            after, before = (int(number) for number in jump.like.split(":"))
            yield SplitHint(
                jump.symbol,
                jump.session_date,
                before / after,
                after / before,
                jump.ratio,
                jump.like,
            )


def beside_days(
    days: Bars, finer: Iterable[tuple[str, Bars]], table: SessionTable
) -> Iterator[Finding]:
    """Yield how stored daily bars differ from those made of finer series: each from the first that has its session.

    ``finer`` are intervals with the days made of them, finest first.
    """
    left = np.arange(len(days))
    for base, made in finer:
        sessions = table.session_of(days.ts[left])
        at, other = _shared(sessions, table.session_of(made.ts))
        yield from _differences(days, made, base, left[at], other)
        left = np.delete(left, at)


def _differences(
    days: Bars,
    made: Bars,
    base: str,
    at: NDArray[np.intp],
    other: NDArray[np.intp],
) -> Iterator[Finding]:
    differ = {
        name: int(
            (~_is_near(getattr(days, name)[at], getattr(made, name)[other])).sum()
        )
        for name in _FIELDS
    }
    differing = {name: number for name, number in differ.items() if number}
    if differing:
        named = ", ".join(f"{name} in {number:,}" for name, number in differing.items())
        text = f"daily bars differ from the aggregate of {base} bars in {len(at):,} sessions: {named}"
        text += " (auctions and extended hours count in many daily bars)"
        number = max(differing.values())
        yield Finding(days.symbol, "1d", "daily", False, number, text)


def starts_at_midnight(days: Bars, table: SessionTable) -> int:
    """Return how many daily bars start at midnight of the exchange or of UTC, where no session opens."""
    ts = days.ts
    wall = wall_times(ts, table.zone)
    at_open = np.isin(ts, table.opens)
    at_midnight = (wall % NS_PER_DAY == 0) | (ts % NS_PER_DAY == 0)
    return int((at_midnight & ~at_open).sum())


def _shared(
    sessions: NDArray[np.int64], others: NDArray[np.int64]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows of both sides that belong to one session."""
    _, at, other = np.intersect1d(sessions, others, return_indices=True)
    known = sessions[at] >= 0
    return at[known], other[known]


def _is_near(
    first: NDArray[np.float64], second: NDArray[np.float64]
) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = np.isclose(first, second, rtol=_NEAR, atol=0.0)
    return found
