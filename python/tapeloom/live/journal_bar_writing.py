"""The bars of a session on disk before the session has them: one, many, a batch, those of a step of a live session."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from tapeloom._core import BarData, Journal
from tapeloom.bars import normalise_symbol
from tapeloom.errors import (
    ArgumentError,
    ArgumentTypeError,
    StateError,
    TimestampError,
    UnknownSymbolError,
)
from tapeloom.ingest import IngestCounts, IngestReport
from tapeloom.live.journal_commands import JournalCommands
from tapeloom.live.journal_header import WHILE_LIVE, Kind, Offer
from tapeloom.live.write import Write, done
from tapeloom.timestamps import to_ns

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from tapeloom._core import Batch, Live
    from tapeloom.ingest import Outcome
    from tapeloom.intervals import IntervalLike

__all__ = ["BarWriting"]

T = TypeVar("T")


class BarWriting(JournalCommands):
    """Writes bars: they go to disk first, then into the session."""

    def add_bar(
        self, symbol: str, bar: BarData, *, is_correction: bool = False
    ) -> Outcome:
        """As ``SessionData.add_bar``, on disk first.

        Parameters
        ----------
        is_correction
            Whether the feed says that the bar replaces one; kept in the journal. What becomes of it the session decides.
        """
        (outcome,) = self.add_bars([(symbol, bar)], is_correction=is_correction)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def add_bars(
        self, bars: Iterable[tuple[str, BarData]], *, is_correction: bool = False
    ) -> list[Outcome | Exception]:
        """Offer bars of any symbols one after another, on disk together first: one wait for many bars.

        Bars of symbols that are kept already are visible all at once.

        Returns
        -------
        list
            What became of each; the error of one that the session refused.

        Raises
        ------
        ArgumentError
            If one is no bar, or of another symbol; nothing is written then.
        CapacityError
            If they are of more new symbols than ``max_symbols`` leaves room for; nothing is written or added then.
        """
        kind = Kind.CORRECTION if is_correction else Kind.BAR
        given = list(bars)
        if not Journal.are_resolved(given):
            given = [self._resolved(symbol, bar) for symbol, bar in given]
        if not given:
            return []

        def put(journal: Journal) -> int:
            put_each = partial(
                journal.put_each,
                given,
                kind=int(kind),
                arrival=self._clock.now_ns(),
                extra=self._offer(Offer.BAR),
                numbers=self._symbols,
                timeout=self._stall,
            )
            try:
                return put_each()
            except UnknownSymbolError:
                for name, _ in given:
                    self._number(journal, name)
                return put_each()

        return self._write(
            put,
            lambda: self._offered_each(given),
            check=lambda: self._require_room(given),
        )

    def add_bars_batch(
        self,
        symbol: str,
        bars: object,
        interval: IntervalLike | None = None,
        *,
        on_invalid: str | None = None,
    ) -> IngestReport:
        """As ``SessionData.add_bars_batch``, on disk first; no bars at all are nothing to write."""
        offers = {
            None: Offer.BATCH,
            "error": Offer.BATCH_ERROR,
            "skip": Offer.BATCH_SKIP,
        }
        if on_invalid not in offers:
            text = f"on_invalid is {on_invalid!r}; it must be 'error' or 'skip'"
            raise ArgumentError(text, got=on_invalid)
        name = normalise_symbol(symbol)
        batch = self.session_data._read_bars(name, bars, interval)
        if batch is None or not len(batch):
            self.register_symbol(name, base_interval=interval)
            return IngestReport(name, IngestCounts())
        return self._write(
            lambda to: to.put_bars(
                batch,
                kind=int(Kind.BAR),
                arrival=self._clock.now_ns(),
                symbol=self._number(to, name),
                extra=self._offer(offers[on_invalid]),
                timeout=self._stall,
            ),
            lambda: self.session_data.add_bars_batch(
                name, batch, on_invalid=on_invalid
            ),
        )

    def step(
        self,
        live: Live,
        bars: Sequence[BarData],
        clock: int,
        *,
        corrections: Collection[int] = (),
    ) -> tuple[Batch, list[tuple[int, str]]]:
        """As ``Live.step``, the bars on disk first.

        Parameters
        ----------
        live
            The running session over ``session_data``.
        bars
            Base bars of registered symbols in order of arrival. Without any only the clock moves, and nothing is written:
            the next record brings it along.
        clock
            ns UTC.
        corrections
            Positions of bars that the feed sent again with other values; kept in the journal.

        Returns
        -------
        tuple
            What changed, and position and reason of each bar that was refused.

        Raises
        ------
        UnknownSymbolError
            For a bar of a symbol that nobody registered through the journal; nothing is written then.
        ArgumentError
            For a bar of another interval or without an instant, a position that is none, or a ``live`` over another
            session or with another patience; nothing is written then.
        StateError
            If the journal was begun without ``patience``; nothing is written then.
        JournalError
            If the disk failed, now or before.
        """
        return self.begin_step(live, bars, clock, corrections=corrections).finish()

    def begin_step(
        self,
        live: Live,
        bars: Sequence[BarData],
        clock: int,
        *,
        corrections: Collection[int] = (),
        seconds: float | None = None,
    ) -> Write[tuple[Batch, list[tuple[int, str]]]]:
        """As :meth:`step`, but wait no longer than so many seconds for the disk, if given; the write has to be finished."""
        if self.mode == "strict":

            def put(journal: Journal) -> int:
                return self._put_step(journal.put_step, live, bars, clock, corrections)

            return self._begin_write(
                put, lambda: live.step(bars, clock), seconds=seconds
            )
        # Nobody waits for the disk: in one call, in which nothing comes between the records and the change.
        with self._order:
            journal = self._require_open()
            if journal is None:
                found = live.step(bars, clock)
            else:
                put_and_step = journal.put_and_step
                found = self._put_step(put_and_step, live, bars, clock, corrections)
        return done(found)

    def _put_step(
        self,
        put: Callable[..., T],
        live: Live,
        bars: Sequence[BarData],
        clock: int,
        corrections: Collection[int],
    ) -> T:
        self._require_mine(live)
        found = put(
            live,
            bars,
            clock,
            corrections=list(corrections),
            ticked=self._ticked,
            numbers=self._symbols,
            timeout=self._stall,
        )
        ticked = clock if self._ticked is None else max(clock, self._ticked)
        self._ticked = None if bars else ticked
        return found

    def _resolved(self, symbol: str, bar: object) -> tuple[str, BarData]:
        """A bar of a symbol with its instant; nothing is changed."""
        # As a rule the bar says all of it already.
        if isinstance(bar, BarData) and bar.symbol == symbol:
            with suppress(TimestampError):
                _ = bar.ts
                return symbol, bar
        name = normalise_symbol(symbol)
        if not isinstance(bar, BarData):
            text = f"bar is {type(bar).__name__}; it must be a BarData"
            raise ArgumentTypeError(text)
        if normalise_symbol(bar.symbol) != name:
            text = f"a bar of {bar.symbol} cannot be added to {name}"
            raise ArgumentError(text, symbol=name, got=bar.symbol)
        try:
            ts = bar.ts
        except TimestampError:
            # Wall time of the exchange.
            ts = to_ns(bar.timestamp, self.session_data.timezone)
        values = (bar.open, bar.high, bar.low, bar.close, bar.volume)
        return name, BarData(name, ts, *values, bar.interval, bar.flags)

    def _require_room(self, given: list[tuple[str, BarData]]) -> None:
        """Refuse bars of more symbols than the session may keep, as it would itself, but before they are on disk."""
        kept, limit = self.session_data._symbol_room
        # Whatever is on its way into the session has a number; without a journal nothing has, and nothing is on its way.
        known = kept if self._journal is None else len(self._symbols)
        if known + len(given) <= limit:
            return
        names = list(dict.fromkeys(name for name, _ in given))
        if self._journal is not None:
            new = sum(name not in self._symbols for name in names)
            if known + new <= limit:
                return
            # Some that have a number may not be kept: what is on its way decides.
            self._turns.wait_for_all()
        self.session_data._require_room(names)

    def _offered_each(
        self, given: list[tuple[str, BarData]]
    ) -> list[Outcome | Exception]:
        """Offer bars one after another; those of series that are kept are visible all at once."""
        found: list[Outcome | Exception] = []
        while len(found) < len(given):
            found += self.session_data._add_each(given, len(found))
            if len(found) < len(given):
                found.append(self._offered(*given[len(found)]))
        return found

    def _offered(self, name: str, bar: BarData) -> Outcome | Exception:
        try:
            return self.session_data.add_bar(name, bar)
        except ArgumentError as error:
            return error

    def _require_mine(self, live: Live) -> None:
        """What recovering could not take again is not written."""
        patience = self.patience
        if patience is None:
            text = "the journal was begun without patience, which its steps need; give SessionJournal(patience=...)"
            raise StateError(text)
        if live.grace != patience.grace_ns or live.tolerance != patience.tolerance_ns:
            text = f"live waits {live.grace} ns and believes {live.tolerance} ns; the journal was begun with {patience}"
            raise ArgumentError(text, got=live)
        if live.session is not self.session_data:
            text = "live takes the bars of another session than the journal"
            raise ArgumentError(text, got=live)

    def _offer(self, offer: Offer) -> int:
        return offer + (WHILE_LIVE if self.session_data._is_coordinated else 0)
