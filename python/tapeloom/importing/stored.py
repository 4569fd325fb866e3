"""What a store holds beside the bars of an import: read once for several sources that come in order of time."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tapeloom.errors import MissingDataError, TapeloomError

if TYPE_CHECKING:
    from tapeloom._core import Bars
    from tapeloom.importing.store import BarStore

    Key = tuple[str, str]

__all__ = ["Stored"]

_DAY = 86_400 * 10**9
# How many times as far as was asked for is read, once a series was asked for before: a source that holds a day is
# followed by that of the next one.
_AHEAD = 10
# Bars that are kept for sources to come.
_MOST_KEPT = 2**21


class _Piece(NamedTuple):
    """The stored bars of one series that start in ``[start, end)``, ns UTC."""

    start: int
    end: int
    bars: Bars


class Stored:
    """The stored bars of an import, until something is written."""

    def __init__(self, store: BarStore) -> None:
        self._store = store
        # Where bars of a series are stored; looked up once between two writes.
        self._spans: dict[Key, list[tuple[int, int]]] = {}
        self._pieces: dict[Key, _Piece] = {}
        self._asked: set[Key] = set()
        self._kept = 0

    def within(self, key: Key, first: int, last: int) -> Bars | None:
        """Return the stored bars of a series that start in ``[first, last]``, ns UTC; ``None`` where none can be.

        Raises
        ------
        DataError
            If what is stored cannot be read.
        """
        if key not in self._spans:
            self._spans[key] = self._ranges(key)
        if not any(start <= last and end >= first for start, end in self._spans[key]):
            return None
        piece = self._pieces.get(key)
        if piece is None or not piece.start <= first <= last < piece.end:
            piece = self._read(key, first, last)
        return piece.bars.between(first, last + 1)

    def forget(self) -> None:
        """Forget what is stored, since it changes now."""
        self._spans.clear()
        self._pieces.clear()
        self._kept = 0

    def _read(self, key: Key, first: int, last: int) -> _Piece:
        self._drop(key)
        if key in self._asked and self._kept < _MOST_KEPT:
            farthest = max(end for _, end in self._spans[key])
            ahead = last + _AHEAD * max(last - first, _DAY)
            end = max(last, min(ahead, farthest)) + 1
            try:
                piece = _Piece(first, end, self._store.read(*key, first, end))
            except TapeloomError:
                # A fault behind what was asked for is none of it.
                pass
            else:
                self._pieces[key] = piece
                self._kept += len(piece.bars)
                return piece
        self._asked.add(key)
        return _Piece(first, last + 1, self._store.read(*key, first, last + 1))

    def _drop(self, key: Key) -> None:
        piece = self._pieces.pop(key, None)
        if piece is not None:
            self._kept -= len(piece.bars)

    def _ranges(self, key: Key) -> list[tuple[int, int]]:
        try:
            return self._store.get_ranges(*key)
        except MissingDataError:
            # The store begins with what is written now.
            return []
