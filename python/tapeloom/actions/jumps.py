"""Prices that jump from one session to the next as far as a split would move them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tapeloom.calendars.days import from_day

if TYPE_CHECKING:
    from datetime import date

    from numpy.typing import NDArray

    from tapeloom._core import Bars, SessionTable

__all__ = ["Jump", "are_ordinary", "split_jumps"]

#: Shares after for shares before, as splits have them; reverse splits are the same the other way round.
_SPLITS = (*range(2, 11), 12, 15, 20, 25, 30, 40, 50, 75, 100, 1.5, 2.5)
#: How far the open may lie from the price that a split alone would give.
_NEAR = 0.05
#: A night moves a price by less, the other way round too.
_LARGE = 1.4


class Jump(NamedTuple):
    """An open that lies from the close before as far as a split would move it."""

    symbol: str
    session_date: date
    ratio: float
    """Open by the close of the session before."""
    like: str
    """The split it is like, such as ``"7:1"``: shares after for shares before."""


def split_jumps(bars: Bars, table: SessionTable) -> list[Jump]:
    """Return where a session opens as far from the close before it as a split would move the price.

    Parameters
    ----------
    bars
        Bars of one symbol in order of time; those of regular hours say most.
    table
        Says to which session a bar belongs.

    Returns
    -------
    list of Jump
        Oldest first. A fall by half over a night looks the same as a 2:1 split: these are hints.
    """
    found = []
    # Most rows are ruled out by their ratio alone, before anyone asks for their session.
    for row in bars.find_jumps(_LARGE):
        with np.errstate(divide="ignore"):
            ratio = float(bars.open[row] / bars.close[row - 1])
        one, other = (table.session_of(int(bars.ts[k])) for k in (row - 1, row))
        like = _like_split(ratio)
        if one is None or other is None or one == other or like is None:
            continue
        when = from_day(int(table.dates[other]))
        found.append(Jump(bars.symbol, when, ratio, like))
    return found


def are_ordinary(
    closes: NDArray[np.float64], opens: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Return whether each open lies too near to the close before it for any split; not where one of them is NaN."""
    with np.errstate(over="ignore"):
        return (closes <= opens * _LARGE) & (opens <= closes * _LARGE)


def _like_split(ratio: float) -> str | None:
    if not math.isfinite(ratio) or ratio <= 0:
        return None
    shares = max(ratio, 1 / ratio)
    near = min(_SPLITS, key=lambda number: abs(shares / number - 1))
    if abs(shares / near - 1) > _NEAR:
        return None
    after, before = (near, 1) if near == int(near) else (int(2 * near), 2)
    if ratio > 1:
        after, before = before, after
    return f"{after:g}:{before:g}"
