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
    from collections.abc import Iterable

    from numpy.typing import NDArray

__all__ = ["MOST_KEPT", "NewestQuotes", "SessionQuotes"]

#: Quotes, and ticks, that are kept of each symbol.
MOST_KEPT = 10_000

_Row = TypeVar("_Row", TickData, Quote)


class _Tail(Generic[_Row]):
    """The newest rows of one symbol in order of time; equal times in order of arrival.

    Rows later than the clock are kept apart: until the clock has reached them, they push out no earlier ones.
    """

    __slots__ = (
        "_ahead_dropped",
        "_dropped",
        "_lock",
        "_rows",
        "_times",
        "epoch",
        "is_ahead",
    )

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Up to twice as many as are shown of either kind, so that the old ones go many at a time.
        self._rows: list[_Row] = []
        self._times: NDArray[np.int64] | None = None
        # The newest row that went, and the oldest and newest of those that went before the clock had reached them.
        self._dropped: int | None = None
        self._ahead_dropped: tuple[int, int] | None = None
        #: The store's epoch when the last one arrived.
        self.epoch = 0
        #: Whether one arrived that could not be read yet.
        self.is_ahead = False

    def add(self, row: _Row, epoch: int, clock: int | None, *, is_ahead: bool) -> None:
        """Put a row in its place."""
        with self._lock:
            rows = self._rows
            if not rows or row.ts >= rows[-1].ts:
                rows.append(row)
            else:
                rows.insert(self._end(row.ts), row)
            if len(rows) > 2 * MOST_KEPT:
                self._drop(0 if clock is None else self._end(clock))
            self._times = None
            self.epoch = epoch
            self.is_ahead |= is_ahead

    def _drop(self, known: int) -> None:
        """Let the oldest go where there are too many: of the first rows, which are known, or of the others."""
        rows, ahead = self._rows, len(self._rows) - known
        if ahead > 2 * MOST_KEPT:
            first, last = rows[known].ts, rows[-MOST_KEPT - 1].ts
            low, high = self._ahead_dropped or (first, last)
            self._ahead_dropped = min(low, first), max(high, last)
            del rows[known:-MOST_KEPT]
        if known > 2 * MOST_KEPT:
            newest = rows[known - MOST_KEPT - 1].ts
            dropped = self._dropped
            # A late row may be older than those that went before it.
            self._dropped = newest if dropped is None else max(dropped, newest)
            del rows[: known - MOST_KEPT]

    def newest(self, n: int, until: int | None = None) -> list[_Row]:
        """Return the newest n rows up to an instant, oldest first."""
        with self._lock:
            end = self._end(until)
            return self._rows[max(0, end - n) : end]

    def times(self, until: int | None = None) -> NDArray[np.int64]:
        """Return the instants of the newest rows up to an instant, rising, int64 ns."""
        with self._lock:
            if self._times is None:
                self._times = np.array([row.ts for row in self._rows], np.int64)
                self._times.flags.writeable = False
            end = self._end(until)
            return self._times[max(0, end - MOST_KEPT) : end]

    def whole_since(self, until: int | None = None) -> int | None:
        """Return the instant from which on every row up to another is kept, ns; ``None`` without a row."""
        with self._lock:
            end = self._end(until)
            gone = [] if self._dropped is None else [self._dropped]
            if end > MOST_KEPT:
                gone.append(self._rows[end - MOST_KEPT - 1].ts)
            if self._ahead_dropped is not None:
                first, last = self._ahead_dropped
                if until is None or first <= until:
                    gone.append(last if until is None else min(last, until))
            if gone:
                return max(gone) + 1
            return self._rows[0].ts if end else None

    def _end(self, until: int | None) -> int:
        """How many rows lie at or before an instant."""
        if until is None:
            return len(self._rows)
        return bisect_right(self._rows, until, key=lambda row: row.ts)


class NewestQuotes:
    """What a store keeps of quotes and ticks, by canonical symbol; ``until`` leaves out what is later than an instant, ns."""

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

    def add(
        self, row: TickData | Quote, epoch: int, clock: int | None, *, is_ahead: bool
    ) -> None:
        """Keep a resolved tick or quote; ``is_ahead`` says that it cannot be read yet."""
        if isinstance(row, Quote):
            quotes = self._quotes.setdefault(row.symbol, _Tail())
            quotes.add(row, epoch, clock, is_ahead=is_ahead)
        else:
            ticks = self._ticks.setdefault(row.symbol, _Tail())
            ticks.add(row, epoch, clock, is_ahead=is_ahead)

    def ticks(self, symbol: str, n: int, until: int | None = None) -> list[TickData]:
        """Return the newest n ticks, oldest first."""
        tail = self._ticks.get(symbol)
        return [] if tail is None else tail.newest(min(n, MOST_KEPT), until)

    def quotes(self, symbol: str, n: int, until: int | None = None) -> list[Quote]:
        """Return the newest n quotes, oldest first."""
        tail = self._quotes.get(symbol)
        return [] if tail is None else tail.newest(min(n, MOST_KEPT), until)

    def tick_times(self, symbol: str, until: int | None = None) -> NDArray[np.int64]:
        """Return the instants of the ticks that are kept, rising, int64 ns; made once for all reads between two ticks."""
        tail = self._ticks.get(symbol)
        return np.empty(0, np.int64) if tail is None else tail.times(until)

    def ticks_since(self, symbol: str, until: int | None = None) -> int | None:
        """Return the instant from which on every tick is kept, ns; ``None`` without a tick. Later ones change nothing."""
        tail = self._ticks.get(symbol)
        return None if tail is None else tail.whole_since(until)

    def may_have_come_since(self, symbol: str, epoch: int) -> bool:
        """Return whether a quote or tick came, or became known, at an epoch or after it; in doubt it did."""
        tails = (self._ticks.get(symbol), self._quotes.get(symbol))
        return any(t is not None and (t.is_ahead or t.epoch >= epoch) for t in tails)


class SessionQuotes(SessionReading):
    """What keeps and reads quotes and ticks.

    They move no clock. While the session is active (``is_active``), its clock is that of a replay, and no read shows a
    quote or tick later than it. A session that is fed by hand has no other time than what it was fed: there they are known
    when they are appended. A new session begins without any.
    """

    _newest: NewestQuotes

    def _begin(self) -> None:
        super()._begin()
        self._newest = NewestQuotes()
        self._parts.append(self._newest)
        self._quoted_by_bars: frozenset[str] = frozenset()

    def append_quote(self, symbol: str, quote: Quote) -> None:
        """Keep a quote of a symbol, which is registered if need be; the newest 10,000 by time stay.

        A late one is put in its place, and never becomes the latest. Of those later than the clock the newest 10,000 stay
        beside them. A naive time is wall time of the exchange.

        Raises
        ------
        ArgumentError
            For a quote of another symbol; ``ArgumentTypeError`` for what is no :class:`Quote`.
        """
        if not isinstance(quote, Quote):
            raise _wrong_type("quote", quote, "Quote")
        self._keep(symbol, quote)

    def append_tick(self, symbol: str, tick: TickData) -> None:
        """Keep a tick of a symbol; rules and errors are those of :meth:`append_quote`."""
        if not isinstance(tick, TickData):
            raise _wrong_type("tick", tick, "TickData")
        self._keep(symbol, tick)

    def _keep(self, symbol: str, row: TickData | Quote) -> None:
        name = normalise_symbol(symbol)
        if row.symbol != name:
            what = "quote" if isinstance(row, Quote) else "tick"
            text = f"a {what} of {row.symbol} cannot be added to {name}"
            raise ArgumentError(text, symbol=name, got=row.symbol)
        resolved = row.resolved(self.timezone)
        if not self._intervals(name):
            self._register([(name, None, [])])
        until = self._quotes_until
        is_ahead = until is not None and resolved.ts > until
        self._newest.add(resolved, self.epoch, self._clock, is_ahead=is_ahead)

    def make_quotes_from_bars(self, symbols: Iterable[str]) -> None:
        """Answer :meth:`get_latest_quote` of these symbols from the newest bar of the session while no quote is kept.

        Bid and ask are its close, the time is its end, the source ``"bar"``.
        """
        self._quoted_by_bars = frozenset(map(normalise_symbol, symbols))

    def _quote_from_bar(self, name: str) -> Quote | None:
        bar = self.get_latest_bar(name) if name in self._quoted_by_bars else None
        # Nobody quotes a price below zero.
        if bar is None or bar.close < 0:
            return None
        return Quote(name, bar.end, bar.close, bar.close, source="bar")

    @property
    def _quotes_until(self) -> int | None:
        """The instant after which quotes and ticks are not known yet, ``None`` where each is known at once."""
        return self._clock if self.is_active else None

    def get_latest_quote(self, symbol: str) -> Quote | None:
        """Return the quote with the greatest time, ``None`` without one; in an active session none after its clock.

        O(1), while active O(log n).
        """
        found = self._resolve(symbol, None)
        until = self._quotes_until
        if found is None:
            return None
        newest = self._newest.quotes(found[0], 1, until)
        return newest[0] if newest else self._quote_from_bar(found[0])

    def get_quotes(self, symbol: str, n: int) -> Quotes:
        """Return the newest n quotes, oldest first; fewer if fewer are kept. O(n), a snapshot.

        In an active session they end at its clock.

        Raises
        ------
        ArgumentError
            If ``n`` is below 0; ``ArgumentTypeError`` if it is no integer.
        """
        wanted, until = _count(n), self._quotes_until
        found = self._resolve(symbol, None)
        rows = [] if found is None else self._newest.quotes(found[0], wanted, until)
        return Quotes(normalise_symbol(symbol), rows, self.timezone)

    def get_ticks(self, symbol: str, n: int) -> Ticks:
        """Return the newest n ticks, oldest first; as :meth:`get_quotes`."""
        wanted, until = _count(n), self._quotes_until
        found = self._resolve(symbol, None)
        rows = [] if found is None else self._newest.ticks(found[0], wanted, until)
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
