"""``SessionJournal``: what changes a session is on disk before the session changes, and survives any crash."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from tapeloom._core import BarData, Interval, Journal, SimulatedDisk
from tapeloom.bars import normalise_symbol
from tapeloom.calendars.days import to_day
from tapeloom.errors import (
    ArgumentError,
    ArgumentTypeError,
    StateError,
    TimestampError,
    UnknownSymbolError,
)
from tapeloom.ingest import IngestCounts, IngestReport
from tapeloom.live.journal_header import (
    CLEARED,
    STATES,
    WHILE_LIVE,
    Kind,
    Offer,
    Patience,
)
from tapeloom.live.journal_writing import LINGER_SECONDS, JournalWriting
from tapeloom.live.write import Write, done
from tapeloom.session_data import SessionData
from tapeloom.session_data.life_cycle import require_flag
from tapeloom.statuses import ConnectionEvent, TradingStatus
from tapeloom.timestamps import to_ns

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence
    from datetime import date

    from tapeloom._core import Batch, Live
    from tapeloom.calendars.clock import Clock
    from tapeloom.calendars.time_manager import TimeManager
    from tapeloom.ingest import Outcome
    from tapeloom.intervals import IntervalLike
    from tapeloom.symbol_session_data import SymbolSessionData

__all__ = ["SessionJournal", "SimulatedDisk"]

T = TypeVar("T")


class SessionJournal(JournalWriting):
    """Writes a session: each change goes to disk first, then into the session, then the call returns.

    Any number of threads may write. The order of the records is the order in which the session changed, so that
    :func:`tapeloom.live.recovery.recover` ends with the same ``state_hash()``. Reading goes to ``session_data``. Whoever
    changes the session past the journal loses that change in a crash.

    Parameters
    ----------
    path
        File to begin; nothing that is there is replaced. :meth:`resume` goes on with one.
    session_data
        The session, without symbols, bars or a session date yet.
    mode
        ``"strict"``: a change is visible, and the call returns, when it is on disk. ``"relaxed"``: at once; what
        ``durable_seq`` has reached is on disk, as a rule all but the last milliseconds. ``"off"``: nothing is written.
    clock
        Where times of arrival come from; the wall clock by default.
    stall_seconds
        How long to wait for the disk before giving up on it.
    allow_network_fs
        Whether the file may lie on a network file system, whose syncs and locks cannot be relied on.
    patience
        That of the live session whose steps are written; kept in the file, for recovering takes them as they were taken.
    config
        What the session is configured with, as JSON would have it, without secrets; kept in the file.
    disk
        Where the file lies in a simulation.

    Raises
    ------
    JournalError
        If the file cannot be begun; ``AlreadyOpenError`` if somebody writes it.
    StateError
        If the session holds something that the journal would not know.
    ArgumentError
        For an unknown mode, a time that is not above 0, or a configuration that is no JSON.

    Examples
    --------
    >>> import tempfile
    >>> from tapeloom import BarData, SessionData
    >>> from tapeloom.live.journal import SessionJournal
    >>> from tapeloom.live.recovery import recover
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = folder.name + "/day.journal"
    >>> with SessionJournal(path, SessionData(), allow_network_fs=True) as journal:
    ...     journal.add_bar("AAPL", BarData("AAPL", 1_751_463_000_000_000_000, 10, 11, 9, 10.5, 100))
    <Outcome.ACCEPTED: 'accepted'>
    >>> recover(path, allow_network_fs=True).state_hash() == journal.session_data.state_hash()
    True
    >>> folder.cleanup()
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        session_data: SessionData,
        *,
        mode: str = "strict",
        clock: Clock | None = None,
        stall_seconds: float = 10.0,
        allow_network_fs: bool = False,
        patience: Patience | None = None,
        config: Mapping[str, Any] | None = None,
        disk: SimulatedDisk | None = None,
    ) -> None:
        if not isinstance(session_data, SessionData):
            text = f"session_data is {type(session_data).__name__}; it must be a SessionData"
            raise ArgumentTypeError(text, got=session_data)
        if session_data._symbols or session_data.current_session_date is not None:
            text = "the session has symbols or a date already, which the journal would not know; begin with an empty one, or resume()"
            raise StateError(text)
        self._prepare(path, session_data, mode, clock, stall_seconds, allow_network_fs)
        self._disk = disk
        self._know(patience, {} if config is None else config)
        if mode != "off":
            self._journal = self._begin_anew(self.path)

    @classmethod
    def resume(
        cls,
        path: str | os.PathLike[str],
        *,
        mode: str = "strict",
        clock: Clock | None = None,
        stall_seconds: float = 10.0,
        allow_network_fs: bool = False,
        time_manager: TimeManager | None = None,
        disk: SimulatedDisk | None = None,
    ) -> Self:
        """Recover a journal and go on writing it; ``session_data`` and ``recovery`` are what was recovered.

        Nobody takes steps in the session then: whoever goes on opens a ``Live`` with the ``patience`` that was kept.

        Parameters
        ----------
        path
            The first file of the journal.
        time_manager
            Calendar of the session, where it has corrections of its own.
        disk
            Where the file lies in a simulation.

        Raises
        ------
        JournalError
            If a record is damaged; ``JournalTruncatedError`` if acknowledged ones are missing, ``AlreadyOpenError`` if
            somebody writes it. ``tapeloom journal salvage`` keeps what can be read.
        """
        from tapeloom.live.recovery import Recovery

        if mode == "off":
            text = "mode is 'off'; a journal that is resumed is written, 'strict' or 'relaxed'"
            raise ArgumentError(text, got=mode)
        with Recovery(
            Path(path),
            time_manager=time_manager,
            allow_network_fs=allow_network_fs,
            disk=disk,
        ) as found:
            session, report = found.replay()
            journal = cls.__new__(cls)
            journal._prepare(
                path, session, mode, clock, stall_seconds, allow_network_fs
            )
            journal._disk = disk
            journal._know(found.patience, found.config)
            journal.recovery = report
            journal._symbols = {
                name: number
                for number, name in enumerate(found.names)
                if name is not None
            }
            journal._files = len(found.files)
            journal.path = found.paths[-1]
            journal._journal = found.resume(linger_seconds=LINGER_SECONDS[mode])
        return journal

    def start_new_session(self, session_date: date, *, roll: bool = False) -> None:
        """As ``SessionData.start_new_session``, on disk first."""
        require_flag(roll, "roll")
        wanted = self.session_data._date_of(session_date)
        self._write(
            lambda to: self._event(
                to, Kind.SESSION_START, flags=int(roll), ts=to_day(wanted)
            ),
            lambda: self.session_data.start_new_session(wanted, roll=roll),
        )

    def end_session(self) -> None:
        """As ``SessionData.end_session``, on disk first."""
        self._write(
            lambda to: self._event(to, Kind.SESSION_END), self.session_data.end_session
        )

    def register_symbol(
        self,
        symbol: str,
        *,
        base_interval: IntervalLike | None = None,
        derived: Iterable[IntervalLike] = (),
    ) -> SymbolSessionData:
        """As ``SessionData.register_symbol``, on disk first."""
        name = normalise_symbol(symbol)
        if isinstance(derived, str):
            text = f"derived is {derived!r}; give a list such as ['5m']"
            raise ArgumentTypeError(text, got=derived)
        base = None if base_interval is None else Interval(base_interval)
        wanted = [Interval(interval) for interval in derived]
        return self._write(
            lambda to: self._event(
                to,
                Kind.REGISTER,
                symbol=self._number(to, name),
                interval=base,
                text=" ".join(map(str, wanted)),
            ),
            lambda: self.session_data.register_symbol(
                name, base_interval=base, derived=wanted
            ),
        )

    def register_symbols(
        self, symbols: Sequence[tuple[str, IntervalLike, Sequence[IntervalLike]]]
    ) -> None:
        """Register many symbols, each with its base and its derived intervals: one wait for the disk, one epoch.

        Raises
        ------
        SeriesConflictError, IntervalError
            As of ``register_symbol``, for the first that is refused; the others are registered.
        """
        wanted = [
            (
                normalise_symbol(name),
                Interval(base),
                [Interval(each) for each in derived],
            )
            for name, base, derived in symbols
        ]
        if not wanted:
            return

        def put(to: Journal) -> int:
            seq = 0
            for name, base, derived in wanted:
                seq = self._event(
                    to,
                    Kind.REGISTER,
                    symbol=self._number(to, name),
                    interval=base,
                    text=" ".join(map(str, derived)),
                )
            return seq

        self._write(put, lambda: self.session_data.register_symbols(wanted))

    def remove_symbol(self, symbol: str) -> None:
        """As ``SessionData.remove_symbol``, on disk first."""
        name = normalise_symbol(symbol)
        self._write(
            lambda to: self._event(to, Kind.REMOVE, symbol=self._number(to, name)),
            lambda: self.session_data.remove_symbol(name),
        )

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

    def append_status(self, symbol: str | None, status: TradingStatus) -> None:
        """As ``SessionData.append_status``, on disk first."""
        if not isinstance(status, TradingStatus):
            text = f"status is {type(status).__name__}; it must be a TradingStatus"
            raise ArgumentTypeError(text, got=status)
        name = None if symbol is None else normalise_symbol(symbol)
        ts = to_ns(status.timestamp, self.session_data.timezone)
        self._write(
            lambda to: self._event(
                to,
                Kind.STATUS,
                symbol=0 if name is None else self._number(to, name),
                flags=STATES.index(status.state),
                ts=ts,
                text=status.reason,
            ),
            lambda: self.session_data.append_status(name, status),
        )

    def append_connection(self, event: ConnectionEvent) -> None:
        """As ``SessionData.append_connection``, on disk first."""
        if not isinstance(event, ConnectionEvent):
            text = f"event is {type(event).__name__}; it must be a ConnectionEvent"
            raise ArgumentTypeError(text, got=event)
        ts = to_ns(event.timestamp, self.session_data.timezone)
        self._write(
            lambda to: self._event(
                to, Kind.CONNECTION, flags=int(event.is_up), ts=ts, text=event.source
            ),
            lambda: self.session_data.append_connection(event),
        )

    def clear(self, what: str) -> None:
        """Clear the bars of ``"session"`` or ``"history"``, or ``"all"``, as the methods of that name; on disk first."""
        if what not in CLEARED:
            text = f"what is {what!r}; it must be 'session', 'history' or 'all'"
            raise ArgumentError(text, got=what)
        session = self.session_data
        clear = {
            "session": session.clear_session_bars,
            "history": session.clear_historical_bars,
            "all": session.clear_all,
        }[what]
        self._write(
            lambda to: self._event(to, Kind.CLEAR, flags=CLEARED.index(what)), clear
        )

    def __repr__(self) -> str:
        return f"SessionJournal({str(self.path)!r}, {self.mode}, {self.state}, {self.durable_seq} of {self.last_seq} on disk)"

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
