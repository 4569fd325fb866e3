"""The newest quotes and ticks of each symbol."""

from __future__ import annotations

import threading
from bisect import bisect_right
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

from tapeloom.bars import normalise_symbol
from tapeloom.errors import ArgumentError, ArgumentTypeError
from tapeloom.quotes import Quote, Quotes, TickData, Ticks
from tapeloom.session_data.reading import SessionReading

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["MOST_KEPT", "NewestQuotes", "SessionQuotes"]

#: Quotes, and ticks, that are kept of each symbol.
MOST_KEPT = 10_000

_Row = TypeVar("_Row", TickData, Quote)


class _Tail(Generic[_Row]):
    """The newest rows of one symbol in order of time; equal times in order of arrival."""

    __slots__ = ("_dropped", "_lock", "_rows", "epoch")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Up to twice as many as are shown, so that the old ones go many at a time.
        self._rows: list[_Row] = []
        self._dropped: int | None = None
        #: The store's epoch when the last one arrived.
        self.epoch = 0

    def add(self, row: _Row, epoch: int) -> None:
        """Put a row in its place."""
        with self._lock:
            rows = self._rows
            if not rows or row.ts >= rows[-1].ts:
                rows.append(row)
            else:
                rows.insert(bisect_right(rows, row.ts, key=lambda kept: kept.ts), row)
            if len(rows) > 2 * MOST_KEPT:
                self._dropped = self._newest_dropped()
                del rows[:-MOST_KEPT]
            self.epoch = epoch

    def newest(self, n: int) -> list[_Row]:
        """Return the newest n rows, oldest first; one step, so that readers take no lock."""
        return self._rows[-n:] if n else []

    def whole_since(self) -> int | None:
        """Return the instant from which on no row was dropped, ns; ``None`` without a row."""
        with self._lock:
            dropped = self._newest_dropped()
            if dropped is not None:
                return dropped + 1
            return self._rows[0].ts if self._rows else None

    def _newest_dropped(self) -> int | None:
        """The newest row that is not shown any more; a late one may be older than those that went before."""
        if len(self._rows) <= MOST_KEPT:
            return self._dropped
        hidden = self._rows[-MOST_KEPT - 1].ts
        return hidden if self._dropped is None else max(hidden, self._dropped)


class NewestQuotes:
    """What a store keeps of quotes and ticks, by canonical symbol."""

    def __init__(self) -> None:
        self._ticks: dict[str, _Tail[TickData]] = {}
        self._quotes: dict[str, _Tail[Quote]] = {}

    def start_session(self) -> None:
        """Forget all of them: they belong to the session that ends."""
        self._ticks, self._quotes = {}, {}

    clear = start_session

    def remove(self, symbol: str) -> None:
        """Forget a symbol."""
        self._ticks.pop(symbol, None)
        self._quotes.pop(symbol, None)

    def add_tick(self, tick: TickData, epoch: int) -> None:
        """Keep a resolved tick."""
        self._ticks.setdefault(tick.symbol, _Tail()).add(tick, epoch)

    def add_quote(self, quote: Quote, epoch: int) -> None:
        """Keep a resolved quote."""
        self._quotes.setdefault(quote.symbol, _Tail()).add(quote, epoch)

    def ticks(self, symbol: str, n: int) -> list[TickData]:
        """Return the newest n ticks, oldest first."""
        tail = self._ticks.get(symbol)
        return [] if tail is None else tail.newest(min(n, MOST_KEPT))

    def quotes(self, symbol: str, n: int) -> list[Quote]:
        """Return the newest n quotes, oldest first."""
        tail = self._quotes.get(symbol)
        return [] if tail is None else tail.newest(min(n, MOST_KEPT))

    def tick_times(self, symbol: str) -> NDArray[np.int64]:
        """Return the instants of the ticks that are kept, rising, int64 ns."""
        times = [tick.ts for tick in self.ticks(symbol, MOST_KEPT)]
        return np.array(times, dtype=np.int64)

    def quote_times(self, symbol: str) -> NDArray[np.int64]:
        """Return the instants of the quotes that are kept, rising, int64 ns."""
        times = [quote.ts for quote in self.quotes(symbol, MOST_KEPT)]
        return np.array(times, dtype=np.int64)

    def ticks_since(self, symbol: str) -> int | None:
        """Return the instant from which on every tick is kept, ns; ``None`` without a tick."""
        tail = self._ticks.get(symbol)
        return None if tail is None else tail.whole_since()

    def arrived_since(self, symbol: str, epoch: int) -> bool:
        """Return whether a quote or tick came at an epoch or after it."""
        tails = (self._ticks.get(symbol), self._quotes.get(symbol))
        return any(tail is not None and tail.epoch >= epoch for tail in tails)


class SessionQuotes(SessionReading):
    """What keeps and reads quotes and ticks.

    They are known when they are appended: feed them in step with the clock. A new session begins without any.
    """

    _newest: NewestQuotes

    def _begin(self) -> None:
        super()._begin()
        self._newest = NewestQuotes()
        self._parts.append(self._newest)

    def append_quote(self, symbol: str, quote: Quote) -> None:
        """Keep a quote of a symbol, which is registered if need be; the newest 10,000 by time stay.

        A late one is put in its place, and never becomes the latest. A naive time is wall time of the exchange.

        Raises
        ------
        ArgumentError
            For a quote of another symbol; ``ArgumentTypeError`` for what is no :class:`Quote`.
        """
        if not isinstance(quote, Quote):
            raise _wrong_type("quote", quote, "Quote")
        self._newest.add_quote(self._admitted(symbol, quote), self.epoch)

    def append_tick(self, symbol: str, tick: TickData) -> None:
        """Keep a tick of a symbol; rules and errors are those of :meth:`append_quote`."""
        if not isinstance(tick, TickData):
            raise _wrong_type("tick", tick, "TickData")
        self._newest.add_tick(self._admitted(symbol, tick), self.epoch)

    def _admitted(self, symbol: str, row: _Row) -> _Row:
        name = normalise_symbol(symbol)
        if row.symbol != name:
            what = "quote" if isinstance(row, Quote) else "tick"
            text = f"a {what} of {row.symbol} cannot be added to {name}"
            raise ArgumentError(text, symbol=name, got=row.symbol)
        resolved = row.resolved(self.timezone)
        if not self._intervals(name):
            self._register(name, None, [])
        return resolved

    def get_latest_quote(self, symbol: str) -> Quote | None:
        """Return the quote with the greatest time, ``None`` without one. O(1)."""
        found = self._resolve(symbol, None)
        newest = [] if found is None else self._newest.quotes(found[0], 1)
        return newest[0] if newest else None

    def get_quotes(self, symbol: str, n: int) -> Quotes:
        """Return the newest n quotes, oldest first; fewer if fewer are kept. O(n), a snapshot.

        Raises
        ------
        ArgumentError
            If ``n`` is below 0; ``ArgumentTypeError`` if it is no integer.
        """
        wanted = _count(n)
        found = self._resolve(symbol, None)
        rows = [] if found is None else self._newest.quotes(found[0], wanted)
        return Quotes(normalise_symbol(symbol), rows, self.timezone)

    def get_ticks(self, symbol: str, n: int) -> Ticks:
        """Return the newest n ticks, oldest first; as :meth:`get_quotes`."""
        wanted = _count(n)
        found = self._resolve(symbol, None)
        rows = [] if found is None else self._newest.ticks(found[0], wanted)
        return Ticks(normalise_symbol(symbol), rows, self.timezone)


def _count(n: object) -> int:
    if isinstance(n, bool) or not isinstance(n, int | np.integer):
        text = f"n is {n!r} ({type(n).__name__}); give an integer of 0 or more"
        raise ArgumentTypeError(text, got=n)
    if n < 0:
        raise ArgumentError(f"n is {n}; it must be 0 or more", got=n)
    return int(n)


def _wrong_type(name: str, value: object, wanted: str) -> ArgumentTypeError:
    text = f"{name} is {type(value).__name__}; it must be a {wanted}"
    return ArgumentTypeError(text, got=value)
