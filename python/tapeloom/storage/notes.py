"""What reading found and went on without: dropped rows, rows out of order, an interval told from the data, lost checksums."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = [
    "HISTORY_NOT_LOADED",
    "INTERVAL_TOLD",
    "INVALID_SKIPPED",
    "REWRITTEN",
    "UNSORTED",
    "DataNote",
    "Notes",
]

INVALID_SKIPPED = "invalid_skipped"
UNSORTED = "unsorted"
INTERVAL_TOLD = "interval_told"
REWRITTEN = "rewritten"
HISTORY_NOT_LOADED = "history_not_loaded"


@dataclass(frozen=True, slots=True)
class DataNote:
    """One finding in one symbol of one source.

    ``kind`` is ``"invalid_skipped"``, ``"unsorted"``, ``"interval_told"`` or ``"rewritten"``; ``count`` rows are concerned;
    ``source`` is a file, or what frames were called, and ``first_row`` the first of the rows in it, counted from 0. Of the
    kind ``"history_not_loaded"`` are sessions that a source of history did not answer for.
    """

    kind: str
    symbol: str
    source: str
    count: int
    text: str
    first_row: int


class Notes:
    """Collects findings. A row that is read twice is counted once."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._texts: dict[tuple[str, str, str], str] = {}
        self._rows: dict[tuple[str, str, str], npt.NDArray[np.int64]] = {}

    def add(
        self,
        kind: str,
        symbol: str,
        *,
        source: str,
        text: str,
        rows: npt.NDArray[np.int64],
    ) -> None:
        """Note that some rows of a source, counted from 0, are concerned."""
        if not rows.size:
            return
        key = (kind, symbol, source)
        with self._lock:
            known = self._rows.get(key)
            self._texts.setdefault(key, text)
            self._rows[key] = rows if known is None else np.union1d(known, rows)

    def all(self) -> list[DataNote]:
        """Return the notes by kind, symbol and source: threads that read side by side come up with them in any order."""
        with self._lock:
            return [
                DataNote(*key, len(rows), self._texts[key], int(rows.min()))
                for key, rows in sorted(self._rows.items(), key=lambda item: item[0])
            ]
