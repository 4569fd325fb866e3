"""What reading a source went on without, told apart by series: a source notes it by symbol."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tapeloom.checking.looked import INVALID_SKIPPED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tapeloom.storage.bar_source import BarSource

__all__ = ["NotesOfSeries"]


class NotesOfSeries:
    """What reading a source went on without, as it grows."""

    def __init__(self, source: BarSource, wanted: Iterable[tuple[str, str]]) -> None:
        self._source = source
        series = Counter(symbol for symbol, _ in wanted)
        # All notes are looked through each time, so only where they tell which series of a symbol they are of.
        self._several = {symbol for symbol, number in series.items() if number > 1}
        self._rest: dict[str, Counter[str]] | None = None
        self.first_invalid: dict[str, str] = {}
        """What is said of the first row left out, by symbol; known when all is read."""
        self._seen: Counter[tuple[str, str]] = Counter()

    def new_of(self, symbol: str) -> Counter[str]:
        """Return how many rows of each kind came up since it was asked last, for a symbol with several series."""
        if symbol not in self._several:
            return Counter()
        now: Counter[tuple[str, str]] = Counter()
        for note in self._source.notes:
            if note.symbol == symbol:
                now[note.kind, symbol] += note.count
        found = Counter(
            {kind: n - self._seen[kind, name] for (kind, name), n in now.items()}
        )
        self._seen |= now
        return found

    def rest_of(self, symbol: str) -> Counter[str]:
        """Return the same for a symbol with one series, when all is read."""
        if self._rest is None:
            self._rest = {}
            for note in self._source.notes:
                if note.kind == INVALID_SKIPPED:
                    self.first_invalid.setdefault(note.symbol, note.text)
                of_one = self._rest.setdefault(note.symbol, Counter())
                of_one[note.kind] += note.count
        return (
            Counter() if symbol in self._several else self._rest.get(symbol, Counter())
        )
