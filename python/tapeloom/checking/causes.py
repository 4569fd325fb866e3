"""Why bars of loaded series are missing, by what the series themselves show, for all runs at once.

The rules and sentences are those of ``tapeloom.gap.causes``, as far as loaded bars can be evidence: a series that ends
before its session does, and bars that nobody has.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tapeloom.gap.gaps import Cause, Gap
from tapeloom.gap.times import Times
from tapeloom.timestamps import from_ns

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from tapeloom._core import SessionTable
    from tapeloom.checking.counts import SeriesCounts

__all__ = ["Causes", "gaps_of", "judged"]

# So many symbols without a bar are no coincidence.
_FEWEST_SYMBOLS = 3


@dataclass(frozen=True, slots=True, eq=False)
class Causes:
    """What is known of each missing run of a series; arrays of shape (runs,).

    ``sessions`` are positions in the table. ``truncated`` runs reach from the last bar of their session to its end,
    ``without`` counts the symbols that all lack the run, 0 where one has a bar or they are too few to tell.
    """

    sessions: NDArray[np.int64]
    truncated: NDArray[np.bool_]
    without: NDArray[np.int64]

    def numbers(self) -> dict[Cause, int]:
        """Return how many runs have each cause, without those that none has."""
        cut = int(self.truncated.sum())
        hole = int(((self.without > 0) & ~self.truncated).sum())
        found = {
            Cause.TRUNCATED: cut,
            Cause.VENDOR_HOLE: hole,
            Cause.UNKNOWN: len(self.truncated) - cut - hole,
        }
        return {cause: number for cause, number in found.items() if number}


def judged(series: Sequence[SeriesCounts], table: SessionTable) -> list[Causes]:
    """Return the causes of the runs of all series of one interval."""
    sessions = [
        table.opens.searchsorted(one.run_starts, side="right") - 1 for one in series
    ]
    without = _all_lack(series, sessions, len(table))
    found = []
    for one, at, number in zip(series, sessions, without, strict=True):
        tails = one.tails[at - one.first]
        truncated = (tails > 0) & (one.run_starts >= tails)
        found.append(Causes(at, truncated, number))
    return found


def _all_lack(
    series: Sequence[SeriesCounts],
    sessions: Sequence[NDArray[np.int64]],
    length: int,
) -> list[NDArray[np.int64]]:
    """How many symbols lack each run, where all do that have bars that day and they are enough; else 0."""
    with_bars = np.zeros(length, np.int64)
    for one in series:
        with_bars[one.first : one.last] += one.bars > 0
    starts, ends, at = [np.empty(0, np.int64)], [np.empty(0, np.int64)], []
    for one, of_one in zip(series, sessions, strict=True):
        # Without a bar of that day a symbol says nothing: perhaps nobody asked for it.
        known = one.bars[of_one - one.first] > 0
        starts.append(one.run_starts[known])
        ends.append(one.run_ends[known])
        at.append(known)
    begun, ended = np.concatenate(starts), np.concatenate(ends)
    # Between two edges nothing changes, so each piece of time is lacked by one number of symbols.
    edges = np.unique(np.concatenate([begun, ended]))
    change = np.zeros(len(edges) + 1, np.int64)
    np.add.at(change, edges.searchsorted(begun), 1)
    np.add.at(change, edges.searchsorted(ended), -1)
    lacking = np.cumsum(change)
    found = []
    for one, of_one, known in zip(series, sessions, at, strict=True):
        everybody = with_bars[of_one]
        lowest = _lowest(lacking, edges, one, known)
        is_hole = known & (everybody >= _FEWEST_SYMBOLS) & (lowest == everybody)
        found.append(np.where(is_hole, everybody, 0))
    return found


def _lowest(
    lacking: NDArray[np.int64],
    edges: NDArray[np.int64],
    one: SeriesCounts,
    known: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """The smallest number of symbols that lack a piece of each run."""
    lowest = np.zeros(len(known), np.int64)
    if not known.any():
        return lowest
    first = edges.searchsorted(one.run_starts[known])
    last = edges.searchsorted(one.run_ends[known])
    # Runs of one series do not overlap: pairs of bounds rise, and every second piece is between two runs.
    pairs = np.column_stack([first, last]).ravel()
    lowest[known] = np.minimum.reduceat(lacking, pairs)[::2]
    return lowest


def gaps_of(
    symbol: str,
    interval: str,
    counts: SeriesCounts,
    causes: Causes,
    table: SessionTable,
) -> Iterator[Gap]:
    """Yield the runs of a series as gaps, oldest first."""
    columns = (
        counts.run_starts,
        counts.run_ends,
        counts.run_bars,
        causes.sessions,
        causes.truncated,
        causes.without,
    )
    for start, end, number, at, cut, without in zip(
        *(column.tolist() for column in columns), strict=True
    ):
        times = Times(table.zone, int(table.span_starts[at]), int(table.span_ends[at]))
        cause, said = Cause.UNKNOWN, ""
        if cut:
            tail, close = int(counts.tails[at - counts.first]), int(table.closes[at])
            cause = Cause.TRUNCATED
            said = f"the last bar ends at {times.at(tail)}, none came up to the close at {times.at(close)}"
        elif without:
            cause = Cause.VENDOR_HOLE
            said = f"all {without} symbols with bars that day lack {times.span(start, end)}"
        elif not counts.bars[at - counts.first]:
            said = "there is no bar of the whole session"
        first, last = (from_ns(ns, table.zone) for ns in (start, end))
        yield Gap(symbol, interval, first, last, number, cause, said)
