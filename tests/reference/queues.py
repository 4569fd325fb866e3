"""Queues as lists: what is loaded of each series, and the merge as one sort."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["KINDS", "Entry", "Queues"]

KINDS = ("quote", "tick", "bar")


@dataclass(frozen=True, slots=True)
class Entry:
    """One item: its series, its start, and when it becomes known."""

    kind: str
    interval: int
    symbol: str
    start: int
    known: int


@dataclass
class Queues:
    """Series by (kind, interval in nanoseconds, symbol), each a list of waiting entries."""

    configured: Sequence[str] = ()
    waiting: dict[tuple[str, int, str], list[Entry]] = field(default_factory=dict)
    #: Starts that were loaded as part of a range.
    covered: dict[tuple[str, int, str], list[tuple[int, int]]] = field(
        default_factory=dict
    )

    def load(
        self, key: tuple[str, int, str], entries: Sequence[Entry], start: int, end: int
    ) -> tuple[int, int]:
        """Load the entries of a series that start in ``[start, end)``; return how many were new and how many were not."""
        ranges = self.covered.setdefault(key, [])
        offered = [entry for entry in entries if start <= entry.start < end]
        new = [
            entry
            for entry in offered
            if not any(low <= entry.start < high for low, high in ranges)
        ]
        ranges.append((start, end))
        queue = self.waiting.setdefault(key, [])
        queue.extend(new)
        queue.sort(key=lambda entry: entry.start)
        return len(new), len(offered) - len(new)

    def consume(self, key: tuple[str, int, str]) -> Entry | None:
        """Take the head of a series."""
        queue = self.waiting.get(key, [])
        return queue.pop(0) if queue else None

    def consume_until(self, ts: int) -> list[Entry]:
        """Take all that are known at an instant, in order."""
        places = {symbol: at for at, symbol in enumerate(self.configured)}

        def rank(entry: Entry) -> tuple[object, ...]:
            place = places.get(entry.symbol, len(places))
            kind = KINDS.index(entry.kind)
            return entry.known, kind, entry.interval, place, entry.symbol

        taken = [e for queue in self.waiting.values() for e in queue if e.known <= ts]
        for queue in self.waiting.values():
            queue[:] = [entry for entry in queue if entry.known > ts]
        return sorted(taken, key=rank)

    def next(self) -> int | None:
        """Return when the earliest of all becomes known."""
        return min((q[0].known for q in self.waiting.values() if q), default=None)
