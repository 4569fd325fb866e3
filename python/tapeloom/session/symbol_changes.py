"""Symbols that are to come and go: asked for at any time from any thread, made between two batches."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tapeloom.errors import ArgumentError, UnknownSymbolError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Change", "SymbolChanges"]


@dataclass(eq=False, slots=True)
class Change:
    """One symbol that is to come or to go, and how that is done."""

    symbol: str
    is_added: bool
    make: Callable[[], None]


class SymbolChanges:
    """What was asked for and is not made yet, in order; and which symbols there will be then.

    Parameters
    ----------
    symbols
        The symbols of the run.
    """

    def __init__(self, symbols: Iterable[str]) -> None:
        # Entered again where a signal handler asks for a change.
        self._lock = threading.RLock()
        self._names = dict.fromkeys(symbols)
        self._waiting: deque[Change] = deque()

    def require_new(self, symbol: str) -> None:
        """Raise ArgumentError if a symbol streams already, or will."""
        with self._lock:
            if symbol in self._names:
                text = f"symbol {symbol} streams already"
                raise ArgumentError(text, symbol=symbol)

    def require_known(self, symbol: str) -> None:
        """Raise UnknownSymbolError if a symbol does not stream, or will not."""
        with self._lock:
            if symbol not in self._names:
                text = f"symbol {symbol} does not stream and cannot be removed"
                text += did_you_mean(symbol, self._names)
                raise UnknownSymbolError(text, symbol=symbol)

    def ask(self, change: Change) -> None:
        """Ask for a change, which is made after those asked for before it.

        Raises
        ------
        ArgumentError, UnknownSymbolError
            If it does not fit those.
        """
        with self._lock:
            if change.is_added:
                self.require_new(change.symbol)
                self._names[change.symbol] = None
            else:
                self.require_known(change.symbol)
                del self._names[change.symbol]
            self._waiting.append(change)

    @property
    def first(self) -> Change | None:
        """The next change to make, which stays asked for; ``None`` if there is none."""
        with self._lock:
            return self._waiting[0] if self._waiting else None

    def take(self) -> Change | None:
        """Return the next change to make; ``None`` if nothing is asked for."""
        with self._lock:
            return self._waiting.popleft() if self._waiting else None

    def failed(self, change: Change) -> None:
        """Note that a symbol did not come."""
        with self._lock:
            if change.is_added:
                self._names.pop(change.symbol, None)

    def __bool__(self) -> bool:
        return bool(self._waiting)
