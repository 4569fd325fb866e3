"""What people write by hand where they have no library for it: the peers of merge and store."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from benches.python.workload import Columns
    from numpy.typing import NDArray

__all__ = ["Bar", "DequeSession", "MirroredRing", "rows_of", "sorted_by_numpy"]

CAPACITY = 512


@dataclass(slots=True)
class Bar:
    """One bar."""

    symbol: str
    ts: int
    open: float
    high: float
    low: float
    close: float
    volume: float


def rows_of(columns: Columns) -> list[tuple[Any, ...]]:
    """Return ``(ts, open, high, low, close, volume)`` of each bar, plain numbers."""
    names = ("ts", "open", "high", "low", "close", "volume")
    return list(zip(*(columns[name].tolist() for name in names), strict=True))


def sorted_by_numpy(joined: Columns) -> tuple[NDArray[Any], ...]:
    """Return ``source, ts, open, high, low, close, volume`` in order of time; equal stamps keep their order."""
    order = np.argsort(joined["ts"], kind="stable")
    names = ("source", "ts", "open", "high", "low", "close", "volume")
    return tuple(joined[name][order] for name in names)


class DequeSession:
    """The newest bars of each symbol in a deque, all behind one lock."""

    def __init__(self, symbols: Iterable[str], capacity: int = CAPACITY) -> None:
        self._lock = threading.RLock()
        self._bars: dict[str, deque[Bar]] = {
            symbol: deque(maxlen=capacity) for symbol in symbols
        }

    @classmethod
    def filled(cls, several: Mapping[str, Columns]) -> DequeSession:
        session = cls(several)
        for symbol, columns in several.items():
            for row in rows_of(columns):
                session.append(symbol, Bar(symbol, *row))
        return session

    def clear(self) -> None:
        for bars in self._bars.values():
            bars.clear()

    def append(self, symbol: str, bar: Bar) -> None:
        with self._lock:
            self._bars[symbol].append(bar)

    def latest(self, symbol: str) -> Bar | None:
        with self._lock:
            bars = self._bars.get(symbol)
            return bars[-1] if bars else None

    def last(self, symbol: str, count: int) -> list[Bar]:
        with self._lock:
            return list(self._bars[symbol])[-count:]

    def last_by_position(self, symbol: str, count: int) -> list[Bar]:
        with self._lock:
            bars = self._bars[symbol]
            return list(itertools.islice(bars, max(0, len(bars) - count), None))

    def latest_of(self, symbols: Iterable[str]) -> dict[str, Bar]:
        with self._lock:
            bars = self._bars
            return {symbol: bars[symbol][-1] for symbol in symbols if bars[symbol]}


class MirroredRing:
    """Columns in NumPy rings. Every value is written twice, so that the newest n always lie in one piece."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._count = 0
        self._columns = [
            np.zeros(2 * capacity, dtype) for dtype in (np.int64, *[np.float64] * 5)
        ]
        self._close = self._columns[4]

    @classmethod
    def filled(cls, columns: Columns) -> MirroredRing:
        ring = cls()
        for row in rows_of(columns):
            ring.append(row)
        return ring

    def append(self, row: tuple[Any, ...]) -> None:
        at = self._count % self._capacity
        mirror = at + self._capacity
        for column, value in zip(self._columns, row, strict=True):
            column[at] = value
            column[mirror] = value
        self._count += 1

    def closes(self, count: int) -> NDArray[np.float64]:
        """The newest closes, at most as many as there are."""
        end = (self._count - 1) % self._capacity + 1 + self._capacity
        return self._close[end - count : end]
