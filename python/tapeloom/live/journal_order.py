"""In which order records are put and the session changes, and the wait for the disk between the two. Into which file is elsewhere."""

from __future__ import annotations

import logging
from functools import partial
from threading import RLock
from typing import TYPE_CHECKING, Any, TypeVar

from tapeloom.calendars.clock import LiveClock
from tapeloom.errors import StateError, TapeloomError
from tapeloom.live.journal_header import Kind
from tapeloom.live.turns import Interrupts, Ticket, Turns
from tapeloom.live.write import Write, done

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tapeloom._core import Journal
    from tapeloom.calendars.clock import Clock
    from tapeloom.session_data import SessionData

__all__ = ["JournalOrder"]

_log = logging.getLogger("tapeloom.journal")

T = TypeVar("T")

_ALARM_SECONDS = 0.25
#: What changes more than a running live session can bear.
_IDLE = {Kind.SESSION_START, Kind.SESSION_END, Kind.REMOVE, Kind.CLEAR}


class JournalOrder:
    """Puts records and changes the session, in the same order whatever the threads."""

    path: Path
    _journal: Journal | None

    def _prepare_order(
        self,
        session_data: SessionData,
        mode: str,
        clock: Clock | None,
        stall_seconds: float,
    ) -> None:
        self.session_data = session_data
        """The session; read it, and write it through the journal only."""
        self.mode = mode
        """``"strict"``, ``"relaxed"`` or ``"off"``."""
        self._clock: Clock = LiveClock() if clock is None else clock
        self._stall = float(stall_seconds)
        self._journal = None
        self._is_closed = False
        self._symbols: dict[str, int] = {}
        # How far the clock came by steps without bars since the last record.
        self._ticked: int | None = None
        # Taken to put records in order; the session changes in that order, told by tickets.
        self._order = RLock()
        self._turns = Turns()

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

    def _put_clock(self, to: Journal) -> None:
        """Say how far the clock came by steps without bars."""
        if self._ticked is not None:
            self._event(to, Kind.CLOCK, ts=self._ticked)
            self._ticked = None

    def _number(self, to: Journal, name: str) -> int:
        """The number of a symbol, which is told in a record before the first that uses it."""
        number = self._symbols.get(name)
        if number is None:
            number = len(self._symbols) + 1
            self._event(to, Kind.SYMBOL, symbol=number, text=name)
            self._symbols[name] = number
        return number
