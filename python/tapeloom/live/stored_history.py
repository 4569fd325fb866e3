"""Stored bars beside a live run: there may be none yet, and the run itself adds to them at the end of each day."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tapeloom._core import Interval
from tapeloom.errors import MissingDataError
from tapeloom.storage.bar_source import no_bars

if TYPE_CHECKING:
    from datetime import tzinfo

    from tapeloom._core import Bars
    from tapeloom.intervals import IntervalLike
    from tapeloom.storage.bar_source import DataNote
    from tapeloom.storage.data_manager import DataManager

__all__ = ["StoredHistory"]


class StoredHistory:
    """A ``BarSource`` over a storage root that need not be there.

    Parameters
    ----------
    manager
        The storage. While it has no file, nothing is known; files that cannot be read raise, as always.
    zone
        Zone of the exchange.
    """

    def __init__(self, manager: DataManager, zone: tzinfo) -> None:
        self._manager = manager
        self._zone = zone

    @property
    def is_empty(self) -> bool:
        """Whether nothing is stored at present."""
        return not self.get_symbols()

    @property
    def notes(self) -> list[DataNote]:
        """What reading found so far and went on without."""
        return self._manager.notes

    def get_symbols(self) -> list[str]:
        """Return the stored symbols, sorted."""
        try:
            return self._manager.get_symbols()
        except MissingDataError:
            return []

    def get_intervals(self, symbol: str) -> list[str]:
        """Return the stored intervals of a symbol as canonical text, finest first."""
        try:
            return self._manager.get_intervals(symbol)
        except MissingDataError:
            return []

    def get_range(self, symbol: str, interval: IntervalLike) -> tuple[int, int] | None:
        """Return the start of the first and of the last bar, ns UTC; ``None`` if there is none."""
        try:
            return self._manager.get_range(symbol, interval)
        except MissingDataError:
            return None

    def get_ranges(self, symbol: str, interval: IntervalLike) -> list[tuple[int, int]]:
        """Return the same for each file."""
        try:
            return self._manager.get_ranges(symbol, interval)
        except MissingDataError:
            return []

    def read(
        self, symbol: str, interval: IntervalLike, start: int | None, end: int | None
    ) -> Bars:
        """Return the bars that start in ``[start, end)``, ns UTC; see ``BarSource``."""
        try:
            return self._manager.read(symbol, interval, start, end)
        except MissingDataError:
            return no_bars(symbol, Interval(interval), self._zone)
