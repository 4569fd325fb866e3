"""The base bars of the coming sessions: loaded a block of sessions at a time, cut to regular hours.

Memory holds one block, however many sessions the window has.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tapeloom._core import Bars

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tapeloom._core import SessionTable
    from tapeloom.storage.bar_source import BarSource

__all__ = ["SessionQueue", "SessionQueues"]

#: Bytes of one bar in memory: six columns of eight and the flags.
_BAR_BYTES = 49
#: What one read may bring into memory.
_BLOCK_BYTES = 256 * 2**20


@dataclass(frozen=True, slots=True)
class SessionQueue:
    """One symbol's base bars of one session: regular hours only, and how many bars lay outside them."""

    symbol: str
    bars: Bars
    out_of_session: int


class SessionQueues:
    """Loads the queues of one session after another.

    Parameters
    ----------
    source
        Where the bars come from.
    table
        The session table.
    bases
        Base interval by symbol, in configured order.
    sessions
        Positions of the window's sessions in the table, rising.
    prefetch_sessions
        Sessions to load at once; ``None`` means as many as fit 256 MiB.
    """

    def __init__(
        self,
        source: BarSource,
        table: SessionTable,
        bases: Mapping[str, str],
        *,
        sessions: Sequence[int],
        prefetch_sessions: int | None = None,
    ) -> None:
        self._source = source
        self._table = table
        self._bases = bases
        self._sessions = sessions
        self._prefetch = prefetch_sessions
        self._block: dict[str, Bars] = {}
        self._block_end = -1
        self.load_seconds = 0.0
        #: Bars of the loaded block that belong to no session date, by symbol: weekends, holidays.
        self.between_sessions: dict[str, int] = {}

    def load(self, at: int) -> list[SessionQueue]:
        """Return the queues of the window's session number ``at``, one per symbol, in configured order."""
        started = time.perf_counter()
        if at >= self._block_end:
            self._load_block(at)
        index = self._sessions[at]
        queues = [self._cut(symbol, index) for symbol in self._bases]
        self.load_seconds = time.perf_counter() - started
        return queues

    def _load_block(self, at: int) -> None:
        # The old block goes before the new one comes, or both would be in memory.
        self._block.clear()
        first = self._sessions[at]
        rows = sum(len(self._table.grid(first, base)) for base in self._bases.values())
        fitting = max(1, _BLOCK_BYTES // max(1, rows * _BAR_BYTES))
        self._block_end = min(len(self._sessions), at + (self._prefetch or fitting))
        start = int(self._table.span_starts[first])
        last = self._sessions[self._block_end - 1]
        end = int(self._table.span_ends[last])
        self.between_sessions = {}
        for symbol, base in self._bases.items():
            bars = self._source.read(symbol, base, start, end)
            self._block[symbol] = bars
            inside = sum(
                len(bars.between(int(spans[0]), int(spans[1])))
                for spans in zip(
                    self._table.span_starts[first : last + 1],
                    self._table.span_ends[first : last + 1],
                    strict=True,
                )
            )
            if len(bars) > inside:
                self.between_sessions[symbol] = len(bars) - inside

    def _cut(self, symbol: str, index: int) -> SessionQueue:
        table = self._table
        span = self._block[symbol].between(
            int(table.span_starts[index]), int(table.span_ends[index])
        )
        stretches = [span.between(start, end) for start, end in table.segments(index)]
        bars = stretches[0] if len(stretches) == 1 else Bars.concat(stretches)
        return SessionQueue(symbol, bars, _starts(span) - _starts(bars))


def _starts(bars: Bars) -> int:
    """Number of different starts: a bar that comes twice is one bar."""
    return 1 + int(np.count_nonzero(np.diff(bars.ts))) if len(bars) else 0
