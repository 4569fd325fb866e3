"""A choice of the bars of a batch, told like a batch: of the symbols that are not late, or of one that has caught up."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from tapeloom._core import BarData, Batch
    from tapeloom.session_data import SessionData

__all__ = ["ChosenBatch"]


class ChosenBatch:
    """Some changes, in order, at the instant of a batch.

    Parameters
    ----------
    batch
        The batch whose instant and epoch it has.
    chosen
        Bars and kinds (``"new"``, ``"late"``, ``"corrected"``) in the order in which they are told.
    """

    def __init__(self, batch: Batch, chosen: list[tuple[BarData, str]]) -> None:
        #: The batch whose instant it has.
        self.batch = batch
        self._chosen = chosen
        #: The bar being delivered; ``None`` while none is.
        self.delivered: BarData | None = None

    @property
    def ts(self) -> int:
        """Instant, ns UTC."""
        return self.batch.ts

    @property
    def time(self) -> datetime:
        """Instant, aware, in the exchange's zone."""
        return self.batch.time

    @property
    def epoch(self) -> int:
        """Epoch that holds everything known at the instant."""
        return self.batch.epoch

    @property
    def session(self) -> SessionData:
        """The store."""
        found: SessionData = self.batch.session
        return found

    @property
    def bars(self) -> list[BarData]:
        """The bars."""
        return [bar for bar, _ in self._chosen]

    @property
    def has_updates(self) -> bool:
        """Whether a bar is late or corrected."""
        return any(kind != "new" for _, kind in self._chosen)

    def changes(self) -> list[tuple[BarData, str]]:
        """Return the bars, each with its kind."""
        return list(self._chosen)

    def each(
        self, call: Callable[[SessionData, BarData], object], session: SessionData
    ) -> None:
        """Call ``call(session, bar)`` for each new bar."""
        for bar, kind in self._chosen:
            if kind == "new":
                self.delivered = bar
                call(session, bar)
        self.delivered = None

    def __len__(self) -> int:
        return len(self._chosen)

    def __repr__(self) -> str:
        return f"ChosenBatch({self.time.isoformat(' ')}, {len(self)} bars)"
