"""Symbols that fall behind a running clock: their bars are stored, their analysis calls wait until they have caught up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tapeloom.session.batches import ChosenBatch
from tapeloom.timestamps import to_ns

if TYPE_CHECKING:
    from tapeloom._core import BarData, Batch
    from tapeloom.session_data import SessionData

__all__ = ["Lag"]

_NS = 1_000_000_000


class Lag:
    """Measures how late the bars of each symbol are, and keeps back the calls of those that are too late.

    Parameters
    ----------
    threshold_seconds
        Above it a symbol is catching up; below half of it, it is normal again. Seconds of the market's clock.
    check_interval
        Bars of a symbol between two looks; its first bar of a session is one.
    """

    def __init__(self, threshold_seconds: float, check_interval: int) -> None:
        self._threshold = int(threshold_seconds * _NS)
        self._every = check_interval
        self._waiting: dict[str, list[tuple[BarData, str]]] = {}
        #: How late the newest batch was, and the latest of all, seconds of the market's clock.
        self.seconds = self.worst_seconds = 0.0

    @property
    def catching_up(self) -> frozenset[str]:
        """Symbols whose analysis calls wait."""
        return frozenset(self._waiting)

    def sift(
        self, batch: Batch, clock: int, *, earliest: int | None = None
    ) -> Batch | ChosenBatch | None:
        """Return what the analyses are to be told now, the bars that waited of who has caught up among it.

        Parameters
        ----------
        batch
            The bars of an instant, in the store already.
        clock
            Where the market's clock stands, ns UTC.
        earliest
            When the first bar of the batch was known, ns UTC, where bars arrive as they will; each is measured then. By
            default all were known at the instant of the batch.
        """
        lag = max(0, clock - (batch.ts if earliest is None else earliest))
        self.seconds = lag / _NS
        self.worst_seconds = max(self.worst_seconds, self.seconds)
        # As long as nobody is late, no bar is looked at.
        if not self._waiting and lag <= self._threshold:
            return batch
        chosen: list[tuple[BarData, str]] = []
        for bar, kind in batch.changes():
            # What comes late by itself says nothing about who is told of it.
            if kind == "new" and self._is_time_to_look(batch, bar):
                if earliest is not None:
                    lag = clock - to_ns(bar.available_at, batch.session.timezone)
                if lag > self._threshold:
                    self._waiting.setdefault(bar.symbol, [])
                elif 2 * lag < self._threshold:
                    chosen += self._waiting.pop(bar.symbol, ())
            waiting = self._waiting.get(bar.symbol)
            (chosen if waiting is None else waiting).append((bar, kind))
        return ChosenBatch(batch, chosen) if chosen else None

    def hold(self, batch: ChosenBatch) -> ChosenBatch | None:
        """Return what of bars that say nothing about who is late is told now; the others wait behind what waits already."""
        if not self._waiting:
            return batch
        chosen: list[tuple[BarData, str]] = []
        for bar, kind in batch.changes():
            self._waiting.get(bar.symbol, chosen).append((bar, kind))
        return ChosenBatch(batch.batch, chosen) if chosen else None

    def flush(self, batch: Batch) -> ChosenBatch | None:
        """Return what still waits, at the end of a session or run: nothing is dropped."""
        chosen = [change for waiting in self._waiting.values() for change in waiting]
        self._waiting.clear()
        return ChosenBatch(batch, chosen) if chosen else None

    def remove(self, symbol: str) -> None:
        """Forget a symbol."""
        self._waiting.pop(symbol, None)

    def _is_time_to_look(self, batch: Batch, bar: BarData) -> bool:
        store: SessionData = batch.session
        if bar.interval != store._intervals(bar.symbol)[0]:
            return False
        # The store has counted the bars already, so nobody counts them again.
        return (store.get_bar_count(bar.symbol) - 1) % self._every == 0
