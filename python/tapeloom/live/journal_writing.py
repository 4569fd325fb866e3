"""How a journal of a session is written: order, waiting for the disk, files that follow each other. What is written is elsewhere."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any, Self, TypeVar

from tapeloom._core import Journal
from tapeloom.calendars.clock import LiveClock
from tapeloom.errors import (
    ArgumentError,
    ArgumentTypeError,
    JournalError,
    StateError,
    TapeloomError,
)
from tapeloom.live.journal_header import (
    WHILE_LIVE,
    Header,
    Kind,
    Offer,
    Patience,
)
from tapeloom.live.journal_remains import is_anything_of, remove, withdraw
from tapeloom.live.turns import Interrupts, Ticket, Turns
from tapeloom.live.write import Write, done
from tapeloom.session_data import SessionData
from tapeloom.session_data.life_cycle import require_flag

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from tapeloom._core import Live, SimulatedDisk
    from tapeloom.calendars.clock import Clock
    from tapeloom.live.recovery import JournalReport

__all__ = ["LINGER_SECONDS", "MODES", "JournalWriting", "owner", "sequel"]

_log = logging.getLogger("tapeloom.journal")

T = TypeVar("T")

#: When what arrives may be read: after the disk has it, at once, or without a disk.
MODES = ("strict", "relaxed", "off")
_ALARM_SECONDS = 0.25
#: How long records lie before they are committed, where nobody waits for them: together they take one sync of the disk.
LINGER_SECONDS = {"strict": 0.0, "relaxed": 0.005}
#: What changes more than a running live session can bear.
_IDLE = {Kind.SESSION_START, Kind.SESSION_END, Kind.REMOVE, Kind.CLEAR}


def owner() -> str:
    """Return who this process is, for those who find its journal open."""
    return f"process {os.getpid()} on {socket.gethostname()}"


def sequel(path: Path, number: int) -> Path:
    """Return the path of the n-th file of a journal: the first one has the plain name."""
    return path if number == 0 else path.with_name(f"{path.name}.{number}")


class JournalWriting:
    """The file, or files, that a session is written to, and the order in which records and the session change."""

    _journal: Journal | None
    _disk: SimulatedDisk | None

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

    @property
    def state(self) -> str:
        """``"running"``; ``"degraded"`` once the disk failed: nothing is written, the session stays readable; ``"closed"``."""
        if self._is_closed:
            return "closed"
        failed = self._journal is not None and self._journal.stopped is not None
        return "degraded" if failed else "running"

    @property
    def takes_at_once(self) -> bool:
        """Whether a step is written without waiting for what was written before it, or for room in the queue."""
        if self._is_closed:
            return False
        if self._journal is None:
            return True
        waiting, bound = self._journal.fill
        has_room = not waiting if self.mode == "strict" else 2 * waiting < bound
        return has_room and self._journal.stopped is None

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
            wanted = sequel(self._first, self._files) if path is None else Path(path)
            is_ours = self._disk is None and not is_anything_of(wanted)
            at, previous = broken.durable
            try:
                opened = self._begin(wanted, last_seq=at, previous_hash=previous)
            except BaseException:
                if is_ours:
                    allowed = self._allow_network_fs
                    withdraw(wanted, owner=owner(), allow_network_fs=allowed)
                # What is left of it keeps its number.
                if path is None and self._is_there(wanted):
                    self._files += 1
                raise
            # Recovering finds files whose numbers follow each other.
            self._files += path is None
            if self.mode == "relaxed":
                broken.copy_waiting(opened, self._stall)
            self._wait(opened, opened.last_seq)
            self._journal, self.path = opened, wanted
        _log.warning("the journal goes on in %s", wanted)
        return wanted

    def _is_there(self, path: Path) -> bool:
        if self._disk is None:
            return is_anything_of(path)
        return path in self._disk.paths

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
            linger_seconds=LINGER_SECONDS[self.mode],
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
        check: Callable[[], None] | None = None,
    ) -> T:
        """Put records, then change the session: in the same order whatever the threads.

        What ``check`` raises is raised before anything is put, and with nothing between it and what is put.
        """

        def put_all(journal: Journal) -> int:
            self._put_clock(journal)
            return put(journal)

        return self._begin_write(put_all, apply, check=check).finish()

    def _begin_write(
        self,
        put: Callable[[Journal], int],
        apply: Callable[[], T],
        *,
        seconds: float | None = None,
        check: Callable[[], None] | None = None,
    ) -> Write[T]:
        """As ``_write``, without the records of the clock, but wait no longer than so many seconds for the disk, if given.

        Whoever begins a write has to finish it, on whichever thread: those that are begun later wait for it.
        """
        journal: Journal | None = None
        ticket: Ticket | None = None
        is_under_way = False
        try:
            with self._order:
                journal = self._require_open()
                if check is not None:
                    check()
                if journal is None:
                    return done(apply())
                is_under_way = True
                seq = put(journal)
                if self.mode == "relaxed":
                    found = apply()
                    is_under_way = False
                    return done(found)
                ticket = self._turns.take(partial(self._end_in_between, journal))
            interrupts = Interrupts()
            finish = partial(
                self._finish_write, journal, seq, ticket, apply, interrupts
            )
            if seconds is None or self._may_finish(
                journal, seq, ticket, seconds, interrupts
            ):
                return done(finish())
            return Write(False, finish)
        except TapeloomError:
            if ticket is not None:
                ticket.leave()
            raise
        except BaseException:
            if ticket is not None:
                ticket.lose()
            elif is_under_way and journal is not None:
                self._end_in_between(journal)
            raise

    def _may_finish(
        self,
        journal: Journal,
        seq: int,
        ticket: Ticket,
        seconds: float,
        interrupts: Interrupts,
    ) -> bool:
        """Whether the disk has a record within so many seconds, and nobody is before this ticket then."""
        is_durable = False

        def wait() -> None:
            nonlocal is_durable
            is_durable = journal.wait_durable(seq, seconds)

        interrupts.hold(wait)
        # An interrupt is for this thread: it comes as soon as the write is finished, however long that takes.
        return interrupts.are_held or (is_durable and self._turns.is_turn_of(ticket))

    def _finish_write(
        self,
        journal: Journal,
        seq: int,
        ticket: Ticket,
        apply: Callable[[], T],
        interrupts: Interrupts,
    ) -> T:
        """Change the session, once what was put is on disk; others may put theirs meanwhile: they become one commit."""
        try:
            interrupts.hold(lambda: self._wait(journal, seq))
            interrupts.hold(lambda: self._turns.wait_for(ticket))
            try:
                found = apply()
            except TapeloomError:
                # Refused by the session, as it will be where this is read again.
                ticket.serve()
                interrupts.let_go()
                raise
            ticket.serve()
            interrupts.let_go()
            return found
        except TapeloomError:
            ticket.leave()
            raise
        except BaseException:
            ticket.lose()
            raise

    def _end_in_between(self, journal: Journal) -> None:
        """On its way to disk and not in the session: from here on the two would tell different days."""
        journal.stop("a write was interrupted between disk and session")
        self._turns.end()

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
