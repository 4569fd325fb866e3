"""What one series has and lacks, session by session. Counts are read off the order of the stamps, never row by row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tapeloom._core import Interval, missing_runs
from tapeloom.diagnosis.fit import Sessions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tapeloom._core import Bars, SessionTable

__all__ = ["SeriesCounts", "count", "has_grid", "sessions_of"]

_LONGEST = Interval("1d")


@dataclass(frozen=True, slots=True, eq=False)
class SeriesCounts:
    """Counts of one series over sessions ``[first, last)`` of a table; arrays of shape (sessions,), rows unless said.

    ``expected``, ``present`` and ``missing`` count bars of regular hours. Of rows, ``before_open`` and ``at_or_after_close``
    lie outside those on the session's date, ``in_break`` in a break, ``off_grid`` between two expected starts.
    ``duplicates`` counts rows whose start was there before. ``zero_volume`` counts rows of regular hours.
    """

    first: int
    last: int
    bars: NDArray[np.int64]
    expected: NDArray[np.int64]
    present: NDArray[np.int64]
    before_open: NDArray[np.int64]
    at_or_after_close: NDArray[np.int64]
    in_break: NDArray[np.int64]
    off_grid: NDArray[np.int64]
    duplicates: NDArray[np.int64]
    zero_volume: NDArray[np.int64]
    tails: NDArray[np.int64]
    """End of the last row of each session, ns UTC; 0 without one."""
    no_session: int
    """Rows that belong to no session's date, such as those of a holiday."""
    outside_trading: int
    """Rows outside pre-market, regular and post-market hours of their date; 0 where the calendar knows regular hours only."""
    run_starts: NDArray[np.int64]
    run_ends: NDArray[np.int64]
    run_bars: NDArray[np.int64]
    """The missing runs, oldest first; a break or a night separates two."""

    @property
    def missing(self) -> NDArray[np.int64]:
        """Expected bars that did not come."""
        return self.expected - self.present

    @property
    def is_empty(self) -> NDArray[np.bool_]:
        """Which sessions expect bars and have no row at all."""
        found: NDArray[np.bool_] = (self.bars == 0) & (self.expected > 0)
        return found


def has_grid(interval: str) -> bool:
    """Return whether a session expects bars of an interval; those of weeks and several days have none to miss."""
    return Interval(interval) <= _LONGEST


def sessions_of(table: SessionTable, bars: Bars) -> tuple[int, int]:
    """Return the positions ``[first, last)`` of the sessions from the first bar to the last; the bars are sorted."""
    if not len(bars):
        return 0, 0
    first = int(table.span_ends.searchsorted(bars.ts[0], side="right"))
    last = int(table.span_starts.searchsorted(bars.ts[-1], side="right"))
    return first, max(first, last)


def count(bars: Bars, table: SessionTable, first: int, last: int) -> SeriesCounts:
    """Count sorted bars of one series over sessions ``[first, last)``."""
    ts, kept = bars.ts, slice(first, last)
    opens, closes = table.opens[kept], table.closes[kept]
    begins, finishes = table.span_starts[kept], table.span_ends[kept]
    before, at_open, at_close, behind = (
        ts.searchsorted(edge) for edge in (begins, opens, closes, finishes)
    )
    rows = behind - before
    again = ts[1:][ts[1:] == ts[:-1]]
    missing, runs = _missing(bars, table, first, last)
    due, on_grid, distinct = _regular(bars, table, first, last, again)
    present = due - missing if has_grid(bars.interval) else due
    held = bars.ts[np.flatnonzero(bars.volume == 0)]
    return SeriesCounts(
        first=first,
        last=last,
        bars=rows,
        expected=due,
        present=present,
        before_open=at_open - before,
        at_or_after_close=behind - at_close,
        in_break=np.maximum(at_close - at_open - on_grid, 0),
        off_grid=np.maximum(distinct - present, 0),
        duplicates=_within(again, begins, finishes),
        zero_volume=_within(held, opens, closes),
        tails=_tails(bars, table, before, behind),
        no_session=len(ts) - int(rows.sum()),
        outside_trading=_outside_trading(ts, table, kept, int(rows.sum())),
        run_starts=runs["start"],
        run_ends=runs["end"],
        run_bars=runs["bars"],
    )


def _missing(
    bars: Bars, table: SessionTable, first: int, last: int
) -> tuple[NDArray[np.int64], dict[str, NDArray[np.int64]]]:
    """Missing bars of each session, and the runs they form."""
    number = last - first
    if not has_grid(bars.interval) or not number:
        none = np.empty(0, np.int64)
        return np.zeros(number, np.int64), {"start": none, "end": none, "bars": none}
    found, _ = missing_runs([bars], table, first=first, last=last)
    runs = {name: found[name].astype(np.int64) for name in ("start", "end", "bars")}
    at = table.opens[first:last].searchsorted(runs["start"], side="right") - 1
    missing = np.bincount(at, weights=runs["bars"], minlength=number)
    return missing.astype(np.int64), runs


def _regular(
    bars: Bars,
    table: SessionTable,
    first: int,
    last: int,
    again: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Expected bars of each session; its rows in the runs of its grid; the same without repeats."""
    ts, number = bars.ts, last - first
    if not has_grid(bars.interval) or not number:
        zeros = np.zeros(number, np.int64)
        opens, closes = table.opens[first:last], table.closes[first:last]
        return zeros, _within(ts, opens, closes), zeros
    step = Interval(bars.interval).ns
    if step is None:
        # One bar a session, anywhere in it; where it should start is the open.
        starts, ends = table.opens[first:last], table.closes[first:last]
        due, offsets = np.ones(number, np.int64), np.arange(number)
    else:
        sessions = Sessions.between(table, step, first, last)
        starts, ends = sessions.firsts, sessions.ends
        due, offsets = sessions.due, sessions.offsets
    rows = np.add.reduceat(_within(ts, starts, ends), offsets)
    repeats = np.add.reduceat(_within(again, starts, ends), offsets)
    return due, rows, rows - repeats


def _within(
    stamps: NDArray[np.int64], starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> NDArray[np.int64]:
    """How many sorted stamps lie in each ``[start, end)``."""
    found: NDArray[np.int64] = stamps.searchsorted(ends) - stamps.searchsorted(starts)
    return found


def _tails(
    bars: Bars,
    table: SessionTable,
    before: NDArray[np.int64],
    behind: NDArray[np.int64],
) -> NDArray[np.int64]:
    tails = np.zeros(len(before), np.int64)
    has_bars = behind > before
    newest = bars.ts[behind[has_bars] - 1]
    tails[has_bars] = table.known_at(newest, bars.interval)
    return tails


def _outside_trading(
    ts: NDArray[np.int64], table: SessionTable, kept: slice, rows: int
) -> int:
    starts, ends = table.pre_opens[kept], table.post_closes[kept]
    if not (starts < table.opens[kept]).any():
        return 0
    return rows - int(_within(ts, starts, ends).sum())
