"""Tells which sessions are stored as a whole: by the bars that each should have, not by there being some."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tapeloom._core import Bars, Interval, missing_runs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tapeloom._core import SessionTable

__all__ = ["whole_sessions", "without"]

_COLUMNS = ("ts", "open", "high", "low", "close", "volume", "flags")
_DAY = Interval("1d")


def whole_sessions(
    bars: Bars,
    sessions: Sequence[int],
    table: SessionTable,
    *,
    no_trade: str = "gap",
) -> set[int]:
    """Return those of some sessions of which no bar of regular hours is missing.

    Parameters
    ----------
    bars
        What is stored, sorted; bars of other sessions do not matter.
    sessions
        Positions in the table, rising.
    table
        The sessions.
    no_trade
        ``"gap"`` misses each bar; ``"expected"`` does not miss those between two bars of a session.

    Notes
    -----
    A bar of several sessions or of weeks belongs to all of them; one is enough there.
    """
    if not len(bars) or not sessions:
        return set()
    wanted = set(sessions)
    if Interval(bars.interval) > _DAY:
        return wanted.intersection(table.session_of(bars.ts).tolist())
    first, last = sessions[0], sessions[-1] + 1
    start, end = int(table.span_starts[first]), int(table.span_ends[last - 1])
    rows = bars.between(start, end)
    runs, _ = missing_runs([rows], table, first=first, last=last)
    begins = np.ascontiguousarray(runs["start"], dtype=np.int64)
    of_run = table.session_of(begins)
    if no_trade == "expected":
        of_run = of_run[~_are_between(rows.ts, begins, of_run, table)]
    return wanted.difference(of_run.tolist())


def without(bars: Bars, others: Bars, table: SessionTable) -> Bars:
    """Return the bars whose start none of the others has."""
    is_other = np.isin(bars.ts, others.ts)
    if not is_other.any():
        return bars
    columns = {name: getattr(bars, name)[~is_other] for name in _COLUMNS}
    return Bars.from_columns(
        bars.symbol, bars.interval, **columns, zone=table.zone, table=table
    )


def _are_between(
    ts: NDArray[np.int64],
    runs: NDArray[np.int64],
    of_run: NDArray[np.int64],
    table: SessionTable,
) -> NDArray[np.bool_]:
    """Whether runs of missing bars, by their starts, lie between two bars of regular hours of their session."""
    of_row = table.session_of(ts)
    is_regular = (ts >= table.opens[of_row]) & (ts < table.closes[of_row])
    ts, of_row = ts[is_regular], of_row[is_regular]
    # Behind the last bar before the run comes the first one after it.
    after = ts.searchsorted(runs)
    padded = np.concatenate(([-1], of_row, [-1]))
    found: NDArray[np.bool_] = (padded[after] == of_run) & (padded[after + 1] == of_run)
    return found
