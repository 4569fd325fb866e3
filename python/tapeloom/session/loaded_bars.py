"""What history takes of bars as they are stored: regular hours, one row of each key, starts on the grid."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tapeloom._core import Bars, Interval
from tapeloom.errors import DuplicateBarError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tapeloom._core import SessionTable

__all__ = ["on_grid", "one_of_each", "regular_hours"]

_ONE_DAY = Interval("1d")


def regular_hours(bars: Bars, table: SessionTable, sessions: Iterable[int]) -> Bars:
    """Return the bars that start in regular hours of some sessions, sharing memory; the bars must be sorted."""
    parts = [
        bars.between(*stretch)
        for index in sessions
        for stretch in table.segments(index)
    ]
    return Bars.concat(parts) if parts else bars[:0]


def one_of_each(bars: Bars, on_duplicate: str) -> Bars:
    """Return one row of each key, as the store would keep it."""
    same, other = bars.count_duplicates()
    if not same + other:
        return bars
    if other and on_duplicate == "error":
        text = (
            f"{bars.symbol} {bars.interval} history holds {other} bars that came twice with different values and "
            "on_duplicate is 'error'; use 'replace' or 'ignore'"
        )
        raise DuplicateBarError(text, symbol=bars.symbol, interval=bars.interval)
    repeats = np.flatnonzero(np.diff(bars.ts) == 0)
    return bars.drop_rows(
        (repeats if on_duplicate != "ignore" else repeats + 1).tolist()
    )


def on_grid(bars: Bars, table: SessionTable, sessions: range) -> Bars:
    """Return the bars that start where the store would have one; those of more than a day have no grid."""
    if Interval(bars.interval) > _ONE_DAY or not len(bars):
        return bars
    # Bars of minutes and hours that are stored may be counted from another anchor than the run's.
    grids = [table.grid(index, bars.interval) for index in sessions]
    off = np.flatnonzero(~np.isin(bars.ts, np.concatenate(grids)))
    return bars.drop_rows(off.tolist()) if off.size else bars
