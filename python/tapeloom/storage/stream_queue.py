"""One queue: sorted columns and a cursor. Rows become objects when they are taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from tapeloom._core import BarData, Bars
from tapeloom.quotes import Quote, TickData

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from tapeloom.storage.event_files import Events

__all__ = ["BarItems", "EventItems", "Item", "StreamQueue"]

Item: TypeAlias = BarData | TickData | Quote
"""What a queue delivers."""

_Range: TypeAlias = "tuple[int | None, int | None]"


@dataclass(frozen=True, slots=True, eq=False)
class BarItems:
    """Bars of one series, and when each becomes known, int64 nanoseconds UTC."""

    bars: Bars
    known: npt.NDArray[np.int64]

    #: Of bars that start together only one counts.
    repeat = False

    @property
    def starts(self) -> npt.NDArray[np.int64]:
        """The keys, rising."""
        return self.bars.ts

    def rows(self, start: int, end: int) -> Sequence[Item]:
        """Return some rows as values."""
        return self.bars[start:end].to_list()

    def kept(self, wanted: npt.NDArray[np.bool_]) -> BarItems:
        """Return some rows; bool of shape (n,)."""
        if wanted.all():
            return self
        bars = self.bars.drop_rows(np.flatnonzero(~wanted).tolist())
        return BarItems(bars, self.known[wanted])

    def followed_by(self, other: BarItems) -> BarItems:
        """Return both, in order of their starts."""
        known = np.concatenate([self.known, other.known])
        bars = Bars.concat([self.bars, other.bars])
        if not bars.is_sorted():
            order = np.argsort(bars.ts, kind="stable")
            bars, known = bars.sorted(), known[order]
        return BarItems(bars, known)


@dataclass(frozen=True, slots=True, eq=False)
class EventItems:
    """Trades or quotes of one symbol, known at their own time."""

    events: Events[Any]

    #: Several may happen at one instant.
    repeat = True

    @property
    def known(self) -> npt.NDArray[np.int64]:
        """When each becomes known."""
        return self.events.ts

    starts = known

    def rows(self, start: int, end: int) -> Sequence[Item]:
        """Return some rows as values."""
        found: list[Item] = self.events.rows(start, end).to_list()
        return found

    def kept(self, wanted: npt.NDArray[np.bool_]) -> EventItems:
        """Return some rows; bool of shape (n,)."""
        return self if wanted.all() else EventItems(self.events.kept(wanted))

    def followed_by(self, other: EventItems) -> EventItems:
        """Return both, in order of their times."""
        return EventItems(self.events.followed_by(other.events))


class StreamQueue:
    """Items of one series in order, and how many were taken."""

    def __init__(self) -> None:
        self._items: Any = None
        # Ranges of starts that are loaded, apart and rising.
        self._covered: list[tuple[int, int]] = []
        self.position = 0
        self.consumed = 0

    def __len__(self) -> int:
        return 0 if self._items is None else len(self._items.known) - self.position

    @property
    def waiting(self) -> npt.NDArray[np.int64]:
        """When each waiting item becomes known, int64 nanoseconds UTC, rising."""
        known: npt.NDArray[np.int64] = self._items.known
        return known[self.position :]

    @property
    def head(self) -> int:
        """When the first becomes known."""
        return int(self._items.known[self.position])

    @property
    def newest(self) -> int:
        """When the last becomes known."""
        return int(self._items.known[-1])

    def add(
        self, items: BarItems | EventItems, covered: _Range | None
    ) -> tuple[npt.NDArray[np.int64], int]:
        """Add items without those that are there; return the starts of the added and the number of repeats."""
        starts = items.starts
        new = np.ones(len(starts), np.bool_)
        for first, end in self._covered:
            new[slice(*np.searchsorted(starts, [first, end]))] = False
        if not items.repeat:
            # Of those that start together the last counts.
            new[:-1] &= starts[1:] != starts[:-1]
            if len(self):
                new &= ~np.isin(starts, self._items.starts[self.position :])
        added: Any = items.kept(new)
        if covered is not None:
            self._cover(covered)
        if len(added.known):
            if len(self):
                rest = np.arange(len(self._items.known)) >= self.position
                self._items = self._items.kept(rest).followed_by(added)
            else:
                self._items = added
            self.position = 0
        return starts[new], int(len(starts) - new.sum())

    def bars(self, count: int) -> Bars | None:
        """Return the first few as columns, if they are bars; they stay."""
        if not isinstance(self._items, BarItems):
            return None
        return self._items.bars[self.position : self.position + count]

    def take(self) -> Item:
        """Take the first."""
        (item,) = self.take_many(1)
        return item

    def take_many(self, count: int) -> Sequence[Item]:
        """Take the first few."""
        if not count:
            return ()
        start = self.position
        rows: Sequence[Item] = self._items.rows(start, start + count)
        self.position += count
        self.consumed += count
        return rows

    def _cover(self, given: _Range) -> None:
        bounds = np.iinfo(np.int64)
        first = bounds.min if given[0] is None else given[0]
        end = bounds.max if given[1] is None else given[1]
        kept = []
        for low, high in self._covered:
            if high < first or low > end:
                kept.append((low, high))
            else:
                first, end = min(first, low), max(end, high)
        if first < end:
            kept.append((first, end))
        self._covered = sorted(kept)
