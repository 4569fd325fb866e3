"""What a session and history take of bars as they are stored: their hours, one row of each key, starts on the grid."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tapeloom._core import Interval
from tapeloom.errors import DuplicateBarError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from tapeloom._core import Bars, SessionTable

__all__ = ["bars_in", "hours_of", "on_grid", "one_of_each", "stretches_of"]

_ONE_DAY = Interval("1d")


def hours_of(
    table: SessionTable, index: int, *, extended: bool
) -> list[tuple[int, int]]:
    """Return the stretches ``[start, end)`` (ns) whose bars belong to a session, without its breaks.

    Regular hours; with ``extended`` those of pre- and post-market too.
    """
    hours = table.segments(index)
    if extended:
        hours[0] = int(table.pre_opens[index]), hours[0][1]
        hours[-1] = hours[-1][0], int(table.post_closes[index])
    return hours


def bars_in(
    bars: Bars, table: SessionTable, sessions: Iterable[int], *, extended: bool = False
) -> Bars:
    """Return the bars that start in the hours of some sessions, sharing memory; the bars must be sorted."""
    return bars.within(stretches_of(table, sessions, extended=extended))


def stretches_of(
    table: SessionTable, sessions: Iterable[int], *, extended: bool
) -> list[tuple[int, int]]:
    """Return ``hours_of`` of some sessions in order of time, for ``Bars.within``."""
    return [
        stretch
        for index in sessions
        for stretch in hours_of(table, index, extended=extended)
    ]


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


def on_grid(
    bars: Bars, table: SessionTable, sessions: range, *, extended: bool
) -> Bars:
    """Return the bars that start where the store would have one; those of more than a day have no grid."""
    if Interval(bars.interval) > _ONE_DAY or not len(bars):
        return bars
    # Bars of minutes and hours that are stored may be counted from another anchor than the run's.
    grids = [
        _starts(table, index, bars.interval, extended=extended) for index in sessions
    ]
    off = np.flatnonzero(~np.isin(bars.ts, np.concatenate(grids)))
    return bars.drop_rows(off.tolist()) if off.size else bars


def _starts(
    table: SessionTable, index: int, interval: str, *, extended: bool
) -> NDArray[np.int64]:
    """Starts of the bars of a session; those of pre- and post-market are counted from its start and from the close."""
    regular, length = table.grid(index, interval), Interval(interval).ns
    if not extended or length is None:
        return regular
    pre = np.arange(table.pre_opens[index], table.opens[index], length)
    post = np.arange(table.closes[index], table.post_closes[index], length)
    return np.concatenate([pre, regular, post])
