"""``SessionJournal``: what changes a session is on disk before the session changes, and survives any crash."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any, Self, TypeVar

from tapeloom._core import BarData, Interval, Journal, SimulatedDisk
from tapeloom.bars import normalise_symbol
from tapeloom.calendars.clock import LiveClock
from tapeloom.calendars.days import to_day
from tapeloom.errors import (
    ArgumentError,
    ArgumentTypeError,
    JournalError,
    StateError,
    TapeloomError,
    TimestampError,
)
from tapeloom.ingest import IngestCounts, IngestReport
from tapeloom.live.journal_header import (
    CLEARED,
    STATES,
    WHILE_LIVE,
    Header,
    Kind,
    Offer,
    Patience,
)
from tapeloom.live.journal_remains import is_anything_of, remove, withdraw
from tapeloom.live.turns import Interrupts, Turns
from tapeloom.session_data import SessionData
from tapeloom.session_data.life_cycle import require_flag
from tapeloom.statuses import ConnectionEvent, TradingStatus
from tapeloom.timestamps import to_ns

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence
    from datetime import date
    from types import TracebackType

    from tapeloom._core import Batch, Live
    from tapeloom.calendars.clock import Clock
    from tapeloom.calendars.time_manager import TimeManager
    from tapeloom.ingest import Outcome
    from tapeloom.intervals import IntervalLike
    from tapeloom.live.recovery import JournalReport
    from tapeloom.symbol_session_data import SymbolSessionData

__all__ = ["MODES", "SessionJournal", "SimulatedDisk", "owner", "sequel"]

_log = logging.getLogger("tapeloom.journal")

T = TypeVar("T")

#: When what arrives may be read: after the disk has it, at once, or without a disk.
MODES = ("strict", "relaxed", "off")
_ALARM_SECONDS = 0.25
#: What changes more than a running live session can bear.
_IDLE = {Kind.SESSION_START, Kind.SESSION_END, Kind.REMOVE, Kind.CLEAR}


def owner() -> str:
    """Return who this process is, for those who find its journal open."""
    return f"process {os.getpid()} on {socket.gethostname()}"


def sequel(path: Path, number: int) -> Path:
    """Return the path of the n-th file of a journal: the first one has the plain name."""
    return path if number == 0 else path.with_name(f"{path.name}.{number}")


class SessionJournal:
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
        ``durable_seq`` has reached is on disk. ``"off"``: nothing is written.
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

    _journal: Journal | None

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

    def _prepare(
        self,
        path: str | os.PathLike[str],
        session_data: SessionData,
        mode: str,
        clock: Clock | None,
        stall_seconds: float,
        allow_network_fs: bool,
    ) -> None:
        if mode not in MODES:
            text = f"mode is {mode!r}; it must be 'strict', 'relaxed' or 'off'"
            raise ArgumentError(text, got=mode)
        if not stall_seconds > 0:
            text = f"stall_seconds is {stall_seconds}; it must be above 0, such as 10"
            raise ArgumentError(text, got=stall_seconds)
        self.path = Path(path)
        """The newest file of the journal."""
        self.session_data = session_data
        """The session; read it, and write it through the journal only."""
        self.mode = mode
        """``"strict"``, ``"relaxed"`` or ``"off"``."""
        self.recovery: JournalReport | None = None
        """What was found, where the journal was resumed."""
        self._first = self.path
        self._files = 1
        self._clock: Clock = LiveClock() if clock is None else clock
        self._stall = float(stall_seconds)
        self._allow_network_fs = require_flag(allow_network_fs, "allow_network_fs")
        self._journal = None
        self._is_closed = False
        self._symbols: dict[str, int] = {}
        # How far the clock came by steps without bars since the last record.
        self._ticked: int | None = None
        # Taken to put records in order; the session changes in that order, told by tickets.
        self._order = RLock()
        self._turns = Turns()

    def _know(self, patience: Patience | None, config: Mapping[str, Any]) -> None:
        if patience is not None and not isinstance(patience, Patience):
            text = f"patience is {type(patience).__name__}; it must be a Patience"
            raise ArgumentTypeError(text, got=patience)
        if not isinstance(config, Mapping):
            text = f"config is {type(config).__name__}; it must be a mapping such as a dict"
            raise ArgumentTypeError(text, got=config)
        self.patience = patience
        """That of the live session whose steps are written; ``None`` where none are."""
        self.config = dict(config)
        """What the session was configured with; empty where nothing was said."""
        _ = Header.of(self.session_data, patience, config).text()

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
            journal._journal = found.resume()
        return journal

    @property
    def state(self) -> str:
        """``"running"``; ``"degraded"`` once the disk failed: nothing is written, the session stays readable; ``"closed"``."""
        if self._is_closed:
            return "closed"
        failed = self._journal is not None and self._journal.stopped is not None
        return "degraded" if failed else "running"

    @property
    def durable_seq(self) -> int:
        """Number of the last record that is on disk; 0 without a journal."""
        return 0 if self._journal is None else self._journal.durable_seq

    @property
    def last_seq(self) -> int:
        """Number of the last record; 0 without a journal."""
        return 0 if self._journal is None else self._journal.last_seq

    def health(self) -> dict[str, Any]:
        """Return state, cause, numbers, and how full the queue is, of how much."""
        waiting, bound = (0, 0) if self._journal is None else self._journal.fill
        return {
            "mode": self.mode,
            "state": self.state,
            "cause": None if self._journal is None else self._journal.stopped,
            "path": str(self.path),
            "last_seq": self.last_seq,
            "durable_seq": self.durable_seq,
            "queue": waiting,
            "queue_bound": bound,
        }

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

        Returns
        -------
        list
            What became of each; the error of one that the session refused.

        Raises
        ------
        ArgumentError
            If one is no bar, or of another symbol; nothing is written then.
        """
        kind = Kind.CORRECTION if is_correction else Kind.BAR
        given = [self._resolved(symbol, bar) for symbol, bar in bars]

        if not given:
            return []

        def put(journal: Journal) -> int:
            numbered = [(self._number(journal, name), bar) for name, bar in given]
            return journal.put_each(
                numbered,
                kind=int(kind),
                arrival=self._clock.now_ns(),
                extra=self._offer(Offer.BAR),
                timeout=self._stall,
            )

        def apply() -> list[Outcome | Exception]:
            return [self._offered(name, bar) for name, bar in given]

        return self._write(put, apply)

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

        def put(journal: Journal) -> int:
            self._require_mine(live)
            seq = journal.put_step(
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
            return seq

        return self._write(put, lambda: live.step(bars, clock), is_step=True)

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

    def flush(self) -> None:
        """Wait until everything so far is on disk; ``JournalError`` if it never will be."""
        if self._journal is not None:
            self._wait(self._journal, self._journal.last_seq)

    def reopen(self, path: str | os.PathLike[str] | None = None) -> Path:
        """Go on in a new file after the disk failed; what was readable and not yet on disk is written first.

        Parameters
        ----------
        path
            The new file; by default the name of the first with the next number, beside it, where recovering finds it.

        Returns
        -------
        Path
            The new file. ``recover`` takes all files of a journal, those in other folders by name.

        Raises
        ------
        StateError
            If nothing failed.
        JournalError
            If the new file cannot be written; the session stays degraded.
        """
        with self._order:
            broken = self._journal
            if broken is None or self.state != "degraded":
                text = f"the journal is {self.state}; only a degraded one is reopened"
                raise StateError(text, got=self.state)
            # What is on disk is still on its way into the session.
            self._turns.begin_anew()
            # One that could not be begun keeps its number.
            number, self._files = self._files, self._files + 1
            wanted = sequel(self._first, number) if path is None else Path(path)
            at, previous = broken.durable
            opened = self._begin(wanted, last_seq=at, previous_hash=previous)
            if self.mode == "relaxed":
                broken.copy_waiting(opened, self._stall)
            self._wait(opened, opened.last_seq)
            self._journal, self.path = opened, wanted
        _log.warning("the journal goes on in %s", wanted)
        return wanted

    def turn_to(self, path: str | os.PathLike[str]) -> None:
        """Close this file and go on in another: that of the next session, before it is started.

        It begins with the symbols that the session keeps. Bars so far are not in it: they are history by then, and come
        from where history comes from.

        Raises
        ------
        JournalError
            If the file cannot be begun; nothing can be written until it is.
        """
        self.close()
        with self._order:
            self.path = self._first = Path(path)
            self._files = 1
            if self.mode != "off":
                self._journal = self._begin_anew(self.path)
            self._turns.begin_anew()
            self._is_closed = False

    def close(self) -> None:
        """Write what waits and close the file; again: nothing. ``JournalError`` if it had failed."""
        with self._order:
            if self._is_closed:
                return
            self._is_closed = True
            if self._journal is None:
                return
            if self._journal.stopped is None:
                self._put_clock(self._journal)
            self._journal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.close()
        except JournalError:
            # What went wrong first is what the caller should see.
            if kind is None:
                raise

    def __repr__(self) -> str:
        return f"SessionJournal({str(self.path)!r}, {self.mode}, {self.state}, {self.durable_seq} of {self.last_seq} on disk)"

    def _begin_anew(self, path: Path) -> Journal:
        """Begin the first file of a journal with the symbols that the session keeps; where that fails nothing is left."""
        # Whatever was there is somebody else's, and refused.
        is_ours = self._disk is None and not is_anything_of(path)
        opened: Journal | None = None
        try:
            opened = self._begin(path)
            for name in self.session_data._symbols:
                base, *derived = self.session_data._intervals(name)
                self._event(
                    opened,
                    Kind.REGISTER,
                    symbol=self._number(opened, name),
                    interval=base,
                    text=" ".join(derived),
                )
            self._wait(opened, opened.last_seq)
        except BaseException:
            if opened is not None:
                with suppress(JournalError):
                    opened.close()
                if is_ours:
                    remove(path)
            elif is_ours:
                allowed = self._allow_network_fs
                withdraw(path, owner=owner(), allow_network_fs=allowed)
            raise
        return opened

    def _begin(
        self, path: Path, *, last_seq: int = 0, previous_hash: bytes | None = None
    ) -> Journal:
        """Begin a file: its header, and the symbols that have numbers already."""
        header = Header.of(self.session_data, self.patience, self.config).text()
        opened = Journal(
            path,
            owner=owner(),
            allow_network_fs=self._allow_network_fs,
            last_seq=last_seq,
            previous_hash=previous_hash,
            disk=self._disk,
        )
        try:
            self._event(opened, Kind.HEADER, text=header)
            for name, number in self._symbols.items():
                self._event(opened, Kind.SYMBOL, symbol=number, text=name)
            self._wait(opened, opened.last_seq)
        except BaseException:
            with suppress(JournalError):
                opened.close()
            raise
        return opened

    def _write(
        self,
        put: Callable[[Journal], int],
        apply: Callable[[], T],
        *,
        is_step: bool = False,
    ) -> T:
        """Put records, then change the session: in the same order whatever the threads."""
        journal: Journal | None = None
        ticket: int | None = None
        is_under_way = False
        try:
            with self._order:
                journal = self._require_open()
                if journal is None:
                    return apply()
                is_under_way = True
                if not is_step:
                    self._put_clock(journal)
                seq = put(journal)
                if self.mode == "relaxed":
                    is_under_way = False
                    return apply()
                ticket = self._turns.take()
            # Others may put theirs meanwhile: they become one commit.
            interrupts = Interrupts()
            interrupts.hold(lambda: self._wait(journal, seq))
            interrupts.hold(lambda: self._turns.wait_for(ticket))
            is_under_way = False
            try:
                return apply()
            finally:
                self._turns.serve(ticket)
                interrupts.let_go()
        except TapeloomError:
            self._turns.leave(ticket)
            raise
        except BaseException:
            self._turns.leave(ticket)
            if is_under_way and journal is not None:
                # On its way to disk and not in the session: from here on the two would tell different days.
                journal.stop("a write was interrupted between disk and session")
                self._turns.end()
            raise

    def _require_open(self) -> Journal | None:
        if self._is_closed:
            text = f"the journal {self.path} is closed; nothing was changed"
            raise StateError(text)
        return self._journal

    def _wait(self, journal: Journal, seq: int) -> None:
        """Wait for the disk; warn when it is slow, and give up on it when it is stalled."""
        if journal.wait_durable(seq, min(_ALARM_SECONDS, self._stall)):
            return
        _log.warning("the disk has not taken record %d for %g s", seq, _ALARM_SECONDS)
        if journal.wait_durable(seq, max(0.0, self._stall - _ALARM_SECONDS)):
            return
        journal.stop(f"the disk has not taken record {seq} for {self._stall:g} s")
        # Either it came in at the very last moment, or this raises.
        journal.wait_durable(seq, 0.0)

    def _event(self, to: Journal, kind: Kind, **fields: Any) -> int:
        if kind in _IDLE and self.session_data._is_coordinated:
            # The session would refuse it, and recovering, through which nobody runs, would not.
            text = "a live session runs through this store; close it first"
            raise StateError(text)
        return to.put_event(
            int(kind), arrival=self._clock.now_ns(), timeout=self._stall, **fields
        )

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

    def _put_clock(self, to: Journal) -> None:
        """Say how far the clock came by steps without bars."""
        if self._ticked is not None:
            self._event(to, Kind.CLOCK, ts=self._ticked)
            self._ticked = None

    def _offer(self, offer: Offer) -> int:
        return offer + (WHILE_LIVE if self.session_data._is_coordinated else 0)

    def _number(self, to: Journal, name: str) -> int:
        """The number of a symbol, which is told in a record before the first that uses it."""
        number = self._symbols.get(name)
        if number is None:
            number = len(self._symbols) + 1
            self._event(to, Kind.SYMBOL, symbol=number, text=name)
            self._symbols[name] = number
        return number

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

    def _offered(self, name: str, bar: BarData) -> Outcome | Exception:
        try:
            return self.session_data.add_bar(name, bar)
        except ArgumentError as error:
            return error
