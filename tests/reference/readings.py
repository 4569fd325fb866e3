"""How stamps fit some days under a shift, one stamp after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tests.reference.gaps import expected_starts

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from tests.reference.schedule import TradingDay

__all__ = ["Fit", "fit"]


class Fit(NamedTuple):
    """Expected bars that are there; those of the days that have one; stamps in trading hours."""

    hits: int
    due: int
    within: int


def fit(
    days: Sequence[TradingDay],
    trading: Sequence[tuple[int, int]],
    stamps: Collection[int],
    interval: int,
    shift: int,
) -> Fit:
    """Hold shifted stamps against the grid of each day, and against ``trading``, its hours with those around them."""
    moved = {ts + shift for ts in stamps}
    hits = due = 0
    for day in days:
        grid = expected_starts(day, interval)
        found = sum(1 for ts in grid if ts in moved)
        hits += found
        due += len(grid) if found else 0
    within = sum(1 for ts in moved if any(start <= ts < end for start, end in trading))
    return Fit(hits, due, within)
