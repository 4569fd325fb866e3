"""Record which of hundreds of symbols leave the range of their first half hour, and when."""

from datetime import timedelta
from typing import Any

import numpy as np

from tapeloom import SessionData

RANGE = timedelta(minutes=30)


class OpeningRange:
    """One row per symbol, side and session: the close that broke out, and the edge of the range."""

    def on_session_start(self, session: SessionData) -> None:
        """Find the series of all symbols once; they are read together every minute."""
        self.symbols = sorted(session.get_active_symbols())
        self.group = session.group(self.symbols)
        self.waiting = {side: np.full(len(self.symbols), True) for side in (1, -1)}
        self.edges: dict[int, Any] = {}

    def on_batch(self, session: SessionData, batch: Any) -> None:
        """Compare all newest closes with the ranges, once these are known."""
        assert session.start_time is not None
        range_end = session.start_time + RANGE
        if batch.time <= range_end:
            return
        if not self.edges:
            highs = session.matrix("high", self.symbols, end=range_end)
            lows = session.matrix("low", self.symbols, end=range_end)
            # A symbol without a bar in its first half hour has no range: NaN, which no close is beyond.
            self.edges = {1: np.fmax.reduce(highs), -1: np.fmin.reduce(lows)}
        close = self.group.latest()["close"]
        for side, edge in self.edges.items():
            broken = self.waiting[side] & (side * close > side * edge)
            self.waiting[side] &= ~broken
            for at in np.flatnonzero(broken):
                session.record(
                    self.symbols[at],
                    side="up" if side > 0 else "down",
                    price=close[at],
                    edge=edge[at],
                )
