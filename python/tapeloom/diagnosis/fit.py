"""How well stamps fit a session table: how many bars the sessions expect, and how many lie in trading hours.

Knows no reading: it counts the same stamps under many shifts at once, without moving a single one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tapeloom._core import SessionTable

__all__ = ["Fit", "Sessions"]

# Real bars share one remainder, or a few; stamps of trades have any, and fit no grid whatever the shift.
_MOST_REMAINDERS = 64


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """How stamps fit under each of k shifts; arrays of shape (k,).

    ``hits`` counts the expected bars that are there, ``due`` all expected bars of the sessions that have one of them,
    ``within`` the stamps in trading hours, pre-market and post-market included.
    """

    hits: NDArray[np.int64]
    due: NDArray[np.int64]
    within: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Sessions:
    """The sessions around some stamps and the bars they expect, as runs of equally spaced starts.

    A run holds ``first, first + step, ...`` below ``end``; ``sizes`` are their numbers, ``offsets`` tell where the runs
    of each session begin.
    """

    step: int
    firsts: NDArray[np.int64]
    ends: NDArray[np.int64]
    sizes: NDArray[np.int64]
    offsets: NDArray[np.int64]
    opens: NDArray[np.int64]
    closes: NDArray[np.int64]
    begins: NDArray[np.int64]
    """Starts of pre-market trading; the open where there is none."""
    finishes: NDArray[np.int64]
    """Ends of post-market trading; the close where there is none."""

    @classmethod
    def around(
        cls, table: SessionTable, step: int, first: int, last: int, *, reach: int
    ) -> Sessions:
        """Return the sessions within ``reach`` ns of ``[first, last]``."""
        low = int(table.post_closes.searchsorted(first - reach))
        high = int(table.pre_opens.searchsorted(last + reach, side="right"))
        return cls.between(table, step, low, max(low, high))

    @classmethod
    def between(cls, table: SessionTable, step: int, first: int, last: int) -> Sessions:
        """Return the sessions at positions ``[first, last)`` with bars of ``step`` ns, counted from the open."""
        return _sessions(table, step, first, last)

    @property
    def due(self) -> NDArray[np.int64]:
        """How many bars each session expects, shape (sessions,)."""
        if not len(self.opens):
            return np.zeros(0, np.int64)
        return np.add.reduceat(self.sizes, self.offsets)

    def fit(self, stamps: NDArray[np.int64], shifts: NDArray[np.int64]) -> Fit:
        """Return how stamps (rising, without repeats, ns UTC) fit under each shift (ns), shape (k,)."""
        if not len(self.opens) or not len(stamps):
            none = np.zeros(len(shifts), np.int64)
            return Fit(none, none.copy(), none.copy())
        parts = _by_remainder(stamps, self.step)
        # All that is counted of the same stamps is counted at once.
        alone = parts[0][1] is stamps
        hours = (self.begins, self.finishes)
        runs = (self.firsts, self.ends)
        within, *counted = _between(
            stamps, (hours, runs) if alone else (hours,), shifts
        )
        found = np.zeros((len(self.firsts), len(shifts)), np.int64)
        for remainder, of_one in parts:
            moved = (remainder + shifts) % self.step
            on_grid = (self.firsts % self.step)[:, None] == moved
            (there,) = counted if alone else _between(of_one, (runs,), shifts)
            found += there * on_grid
        # Without breaks each session is one run.
        is_whole = len(self.offsets) == len(self.firsts)
        by_session = found if is_whole else np.add.reduceat(found, self.offsets)
        return Fit(
            hits=found.sum(axis=0),
            due=np.where(by_session > 0, self.due[:, None], 0).sum(axis=0),
            within=within.sum(axis=0),
        )


# The symbols of a market are looked at one after the other, and lie in the same sessions. Of many sessions an answer is large.
@lru_cache(maxsize=1)
def _sessions(table: SessionTable, step: int, first: int, last: int) -> Sessions:
    kept = slice(first, last)
    offsets = table.segment_offsets[first : last + 1]
    segments = slice(int(offsets[0]), int(offsets[-1]))
    starts, ends = table.segment_starts[segments], table.segment_ends[segments]
    opens = table.opens[kept]
    origins = np.repeat(opens, np.diff(offsets))
    # A bar that begins in a break and reaches trading is expected, and one that spans the break only once.
    numbers = (starts - origins) // step
    behind = -((origins - ends) // step)
    again = np.flatnonzero(origins[1:] == origins[:-1]) + 1
    numbers[again] = np.maximum(numbers[again], behind[again - 1])
    return Sessions(
        step=step,
        firsts=origins + numbers * step,
        ends=ends,
        sizes=behind - numbers,
        offsets=offsets[:-1] - offsets[0],
        opens=opens,
        closes=table.closes[kept],
        begins=table.pre_opens[kept],
        finishes=table.post_closes[kept],
    )


def _by_remainder(
    stamps: NDArray[np.int64], step: int
) -> list[tuple[int, NDArray[np.int64]]]:
    """The stamps by their remainder; of many the most frequent ones."""
    remainders = stamps % step
    if (remainders == remainders[0]).all():
        return [(int(remainders[0]), stamps)]
    values, counts = np.unique(remainders, return_counts=True)
    most = values[np.argsort(-counts, kind="stable")[:_MOST_REMAINDERS]]
    return [(int(value), stamps[remainders == value]) for value in most]


def _between(
    stamps: NDArray[np.int64],
    ranges: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]],
    shifts: NDArray[np.int64],
) -> list[NDArray[np.int64]]:
    """How many shifted stamps lie in each ``[start, end)`` of some ranges, each of shape (ranges, shifts)."""
    bounds = [bound for pair in ranges for bound in pair]
    before = _before(stamps, np.concatenate(bounds), shifts)
    found, first = [], 0
    for starts, ends in ranges:
        middle, last = first + len(starts), first + len(starts) + len(ends)
        found.append(before[middle:last] - before[first:middle])
        first = last
    return found


def _before(
    stamps: NDArray[np.int64], bounds: NDArray[np.int64], shifts: NDArray[np.int64]
) -> NDArray[np.int64]:
    """How many shifted stamps lie before each bound, shape (bounds, shifts)."""
    # The bounds are moved the other way: there are far fewer of them.
    before = np.empty((len(bounds), len(shifts)), np.int64)
    for at, steps in _lookups(bounds.tobytes(), shifts.tobytes()):
        if steps is None:
            before[at] = stamps.searchsorted(bounds[at][:, None] - shifts)
        else:
            before[at] = stamps.searchsorted(steps.instants).take(steps.places)
    return before


class _Steps(NamedTuple):
    """Instants that some bounds fall on under all shifts, rising; ``places``: on which, of shape (bounds, shifts)."""

    instants: NDArray[np.int64]
    places: NDArray[np.int64]


# The symbols of a market are looked at one after the other, and lie in the same sessions. Of many sessions an answer is large.
@lru_cache(maxsize=1)
def _lookups(
    bounds_bytes: bytes, shifts_bytes: bytes
) -> list[tuple[NDArray[np.intp] | slice, _Steps | None]]:
    """Which bounds are looked up together, and the instants that they share; ``None`` where hardly two share one.

    Bounds and shifts are given as the bytes of int64. Shifts are whole steps of one length apart, and so are most bounds.
    The bounds of one remainder then fall on the same few instants again and again, under one shift or another, and each
    instant is looked up once.
    """
    bounds = np.frombuffer(bounds_bytes, np.int64)
    shifts = np.frombuffer(shifts_bytes, np.int64)
    apart = int(np.gcd.reduce(shifts - shifts[0]))
    if not apart:
        return [(slice(None), None)]
    found: list[tuple[NDArray[np.intp] | slice, _Steps | None]] = []
    remainders = (bounds - shifts[0]) % apart
    different = np.unique(remainders).tolist()
    for remainder in different:
        at = np.flatnonzero(remainders == remainder)
        earliest = int(bounds[at].min() - shifts.max())
        latest = int(bounds[at].max() - shifts.min())
        number = (latest - earliest) // apart + 1
        steps = None
        if number <= len(shifts) * len(at):
            instants = earliest + apart * np.arange(number)
            steps = _Steps(instants, (bounds[at][:, None] - shifts - earliest) // apart)
        found.append((slice(None) if len(different) == 1 else at, steps))
    return found
