"""Which bars of a session the feed has corrected: what else is said of them is older."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tapeloom._core import BarData
    from tapeloom.session_data import SessionData

__all__ = ["CorrectedBars"]

_Key: TypeAlias = "tuple[str, int]"

#: Before the first instant.
_NEVER = -(2**63)
_key: Callable[[BarData], _Key] = attrgetter("symbol", "ts")
_values = attrgetter("open", "high", "low", "close", "volume")


class CorrectedBars:
    """Symbol and start of each corrected bar of the session, from when its correction came."""

    def __init__(self) -> None:
        #: Those that the session took, and those on their way into it.
        self.keys: set[_Key] = set()
        #: None of them starts later, ns UTC.
        self.newest = _NEVER
        self._on_their_way: set[_Key] = set()

    def note(self, correction: BarData) -> None:
        """A correction came, and goes into the session."""
        key = _key(correction)
        if key not in self.keys:
            self.keys.add(key)
            self.newest = max(self.newest, correction.ts)
            self._on_their_way.add(key)

    def holds(self, bar: BarData) -> bool:
        """Whether a bar has been corrected."""
        return _key(bar) in self.keys

    def holds_none_of(self, bars: Sequence[BarData]) -> bool:
        """Whether none of some bars has been corrected."""
        return self.keys.isdisjoint(map(_key, bars))

    def settle(self, session_data: SessionData, corrections: Iterable[BarData]) -> None:
        """Forget those on their way that the session did not take, now that it was offered these."""
        for bar in corrections:
            if _key(bar) in self._on_their_way and _is_stored(session_data, bar):
                self._on_their_way.discard(_key(bar))
        self.keys -= self._on_their_way
        self._on_their_way.clear()

    def begin(self, session_data: SessionData, corrections: Sequence[BarData]) -> None:
        """Know only those of a session that begins, or goes on: it was offered these corrections before."""
        self.keys.clear()
        self.newest = _NEVER
        self._on_their_way.clear()
        names = frozenset(session_data._symbols)
        kept = [bar for bar in corrections if bar.symbol in names]
        for bar in kept:
            self.note(bar)
        self.settle(session_data, kept)

    def forget(self, symbol: str) -> None:
        """Forget the bars of a symbol."""
        gone = {key for key in self.keys if key[0] == symbol}
        self.keys -= gone
        self._on_their_way -= gone


def _is_stored(session_data: SessionData, bar: BarData) -> bool:
    """Whether a session has a bar with the same values."""
    rows = session_data.get_bars(bar.symbol)
    at = int(rows.ts.searchsorted(bar.ts))
    if at == len(rows):
        return False
    found = rows[at]
    return found.ts == bar.ts and bool(_values(found) == _values(bar))
