"""Stored bars beside a live run: there may be none yet, and the run itself adds to them at the end of each day."""

from __future__ import annotations

from glob import has_magic
from typing import TYPE_CHECKING, TypeVar

from tapeloom._core import Interval
from tapeloom.bars import no_bars
from tapeloom.errors import MissingDataError
from tapeloom.storage.layout import BARS

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import tzinfo

    from tapeloom._core import Bars
    from tapeloom.intervals import IntervalLike
    from tapeloom.storage.bar_source import DataNote
    from tapeloom.storage.data_manager import DataManager

__all__ = ["StoredHistory"]

_T = TypeVar("_T")

_NO_FOLDER = -1


class StoredHistory:
    """A ``BarSource`` over a storage root that need not be there.

    That nothing is stored is found out once, not once a symbol, and holds until the folder changes.

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
        # How the folder looked when nothing was stored in it.
        self._empty_as: int | None = None

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
        return self._unless_empty(self._manager.get_symbols, [])

    def get_intervals(self, symbol: str) -> list[str]:
        """Return the stored intervals of a symbol as canonical text, finest first."""
        return self._unless_empty(lambda: self._manager.get_intervals(symbol), [])

    def get_range(self, symbol: str, interval: IntervalLike) -> tuple[int, int] | None:
        """Return the start of the first and of the last bar, ns UTC; ``None`` if there is none."""
        return self._unless_empty(
            lambda: self._manager.get_range(symbol, interval), None
        )

    def get_ranges(self, symbol: str, interval: IntervalLike) -> list[tuple[int, int]]:
        """Return the same for each file."""
        return self._unless_empty(
            lambda: self._manager.get_ranges(symbol, interval), []
        )

    def read(
        self, symbol: str, interval: IntervalLike, start: int | None, end: int | None
    ) -> Bars:
        """Return the bars that start in ``[start, end)``, ns UTC; see ``BarSource``."""
        found = self._unless_empty(
            lambda: self._manager.read(symbol, interval, start, end), None
        )
        if found is None:
            return no_bars(symbol, Interval(interval), self._zone)
        return found

    def _unless_empty(self, ask: Callable[[], _T], otherwise: _T) -> _T:
        """Ask the storage, unless it is known to hold nothing."""
        # Before it is asked: what comes meanwhile is looked for again.
        looks = self._looks()
        if looks is not None and looks == self._empty_as:
            return otherwise
        try:
            found = ask()
        except MissingDataError:
            self._empty_as = looks
            return otherwise
        self._empty_as = None
        return found

    def _looks(self) -> int | None:
        """When the folder last changed; ``None`` where that does not tell whether bars have come."""
        root = self._manager.local_root
        if root is None or (root / BARS).exists():
            return None
        try:
            return root.stat().st_mtime_ns
        except OSError:
            # A pattern may match a file at any time.
            return None if has_magic(str(root)) else _NO_FOLDER
