"""The thread of a live run: takes what the feed pushes, waits for what is due, goes on after a failed disk.

What a session does is in ``live_player.py`` and ``live_session.py``; what a run is asked is in ``live_coordinator.py``.
"""

from __future__ import annotations

import contextlib
import threading
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from tapeloom.errors import JournalError
from tapeloom.live.absences import Absences
from tapeloom.live.backoff import Backoff
from tapeloom.live.fast_lane import FastLane
from tapeloom.live.market_clock import speed_of
from tapeloom.live.steady_clock import SteadyClock
from tapeloom.session.control import RunControl
from tapeloom.session.flow import flow, flow_error, flow_warning
from tapeloom.session.hand_off import AnalysisSide
from tapeloom.session.metrics import PerformanceMetrics
from tapeloom.statuses import ConnectionEvent
from tapeloom.waiting import SLICE_SECONDS
from tapeloom.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tapeloom.calendars.clock import Clock
    from tapeloom.live.event_queue import EventQueue
    from tapeloom.live.inlet import Inlet
    from tapeloom.live.journal import SessionJournal
    from tapeloom.live.journal_files import JournalFiles
    from tapeloom.live.live_health import LiveHealth
    from tapeloom.live.live_parts import LiveParts
    from tapeloom.session.result import SessionReport
    from tapeloom.session.symbol_changes import SymbolChanges

__all__ = ["MOST_AT_ONCE", "LiveThread"]

_SECOND = 1_000_000_000
MOST_AT_ONCE = 1_000
"""Events taken at once: as many as one commit of the journal takes."""
_TELL_SECONDS = 1.0
#: Who says that a feed has ended.
_SOURCE = "feed"


class LiveThread(ABC):
    """What ``LiveCoordinator`` does on its thread."""

    _channels: Sequence[str]

    def _prepare(
        self, clock: Clock, journal: SessionJournal, files: JournalFiles
    ) -> None:
        self._clock = clock
        self._speed = speed_of(clock)
        self._absences = Absences(clock)
        self._journal = journal
        self._files = files
        self.metrics = PerformanceMetrics()
        self.control = RunControl()
        self._analyses = AnalysisSide()
        self._thread: threading.Thread | None = None
        self._runner: int | None = None
        self._finished = threading.Event()
        self._is_over = threading.Event()
        self._is_degraded = self._is_feed_over = False
        self._reopen_at = 0.0
        # What the run last waited for, until it has advanced.
        self._due: int | None = None
        self._backoff = Backoff()
        self._told_at = float("-inf")
        self.error: BaseException | None = None
        """What ended the run before its time."""
        self.progress: Callable[..., object] | None = None
        """Who is told how the session is doing, about once a second: called with a ``LiveHealth``."""

    def _connect(
        self,
        inbox: EventQueue,
        inlet: Inlet,
        parts: LiveParts,
        changes: SymbolChanges,
    ) -> None:
        self._inbox, self._inlet = inbox, inlet
        self._parts, self._changes = parts, changes
        self._player = parts.player
        self._steady = SteadyClock(self._clock)
        self._lane = FastLane(
            inbox,
            self._journal,
            parts.player,
            clock=self._steady,
            control=self.control,
        )

    @property
    def is_finished(self) -> bool:
        """Whether the run is over: its sessions have ended, it was stopped, or it failed."""
        return self._finished.is_set()

    @property
    def is_over(self) -> bool:
        """Whether nobody needs to wait for the run: it is finished, or left behind in a call that does not return."""
        return self._is_over.is_set()

    @abstractmethod
    def health(self) -> LiveHealth:
        """Return how the session is doing."""

    def _drive(self) -> None:
        try:
            self._runner = threading.get_ident()
            self._player.find(self._steady.now())
            # Subscribed first: no bar falls between what is fetched and what streams.
            self._inlet.open(self._journal.session_data._symbols, self._channels)
            names = counted(len(self._journal.session_data._symbols), "symbol")
            flow("3", "Started - live, %s", names)
            # Loading history may take a while.
            self._tell_progress()
            self._inbox.lane = self._lane.take
            while not self.control.is_stopping and not self._player.is_over:
                self._turn()
        except BaseException as error:
            self._fail(error)
        finally:
            self._finish()
            self._runner = None

    def _turn(self) -> None:
        with self._lane as lane:
            timeout = self._seconds_until_due()
            most, steps = self._most, lane.steps
        found = self._inbox.wait(timeout, most=most)
        # Where bars came by the lane meanwhile, the clock of the session has moved along with them.
        if found or lane.steps == steps or not lane.is_open(self._clock.now_ns()):
            with lane:
                self._advance()
        self._tell_progress()

    def _seconds_until_due(self) -> float:
        """Do what comes between two turns; return for how many seconds there is nothing else to do."""
        self._guarded(self._lane.finish)
        if self._journal.state == "running":
            # Before anything is taken from the queue: what fails here has nothing to lose. At night, when the journal of
            # the day is closed, they wait for the next.
            self._guarded(self._make_changes)
        if len(self._inbox) and self._most:
            # It is taken at once, and what is due with it.
            return 0.0
        now = self._steady.now()
        if self._due is not None and self._due <= now and not self._is_degraded:
            # It became due since the last look, while bars came by the lane: nothing more comes by it until that is done.
            return 0.0
        self._due = self._player.next_due(now)
        if self._player.takes_at_once and not self._is_degraded:
            self._lane.open(self._due)
        return self._seconds_until(self._due, now)

    def _advance(self) -> None:
        self._guarded(self._lane.finish)
        events = self._inbox.take(self._most)
        if self._is_degraded and not self._reopened():
            return
        if self._inbox.is_closed and not len(self._inbox) and not self._is_feed_over:
            # It ended without an error, as a recording does: nothing more comes, and that is an outage.
            self._is_feed_over = True
            events.append(ConnectionEvent(self._steady.now(), False, _SOURCE))
        now = self._steady.now()
        self._due = None
        self._note_absences()
        self._guarded(lambda: self._player.advance(events, now))

    def _note_absences(self) -> None:
        """Keep as evidence when nobody could listen, as far as the clock has seen it."""
        for since, until in self._absences.take():
            text = "the machine slept, or its clock was set forward by %.1f s: what came meanwhile is asked for"
            flow_warning("3.b", text, (until - since) / _SECOND)
            self._player.note_absence(since, until)

    @property
    def _most(self) -> int:
        takes = self._player.takes_events and not self._is_degraded
        return MOST_AT_ONCE if takes else 0

    def _seconds_until(self, due: int | None, now: int) -> float:
        """How long to wait, in seconds of ours; not longer than a slice, since the wall clock may be set."""
        if self._is_degraded:
            return max(0.0, min(SLICE_SECONDS, self._reopen_at - time.monotonic()))
        if due is None:
            return SLICE_SECONDS
        left = max(0, due - now) / _SECOND / self._speed
        return min(SLICE_SECONDS, left)

    def _guarded(self, work: Callable[[], object]) -> None:
        """Do something that is written to the journal, and that is done again once a journal that failed goes on."""
        try:
            work()
        except JournalError as error:
            if self._journal.state == "running":
                raise
            self._degrade(error)

    def _make_changes(self) -> None:
        while (change := self._changes.first) is not None:
            try:
                change.make()
            except JournalError:
                # Asked for still: nothing of it has happened.
                raise
            except BaseException:
                self._changes.take()
                self._changes.failed(change)
                raise
            self._changes.take()

    def _degrade(self, error: JournalError) -> None:
        """Take nothing more until the journal can be written again; what came waits, and the feed with it."""
        self._is_degraded = True
        self._reopen_at = time.monotonic() + self._backoff.next()
        flow_error("3.b", "the journal cannot be written: %s", error)

    def _reopened(self) -> bool:
        if time.monotonic() < self._reopen_at:
            return False
        if self._journal.state == "closed":
            # That of the next session could not be begun, which is tried again as a whole.
            self._is_degraded = False
            return True
        try:
            path = self._journal.reopen()
        except (JournalError, OSError) as error:
            self._reopen_at = time.monotonic() + self._backoff.next()
            flow_warning("3.b", "the journal still cannot be written: %s", error)
            return False
        self._is_degraded = False
        self._backoff.reset()
        flow_warning("3.b", "the journal goes on in %s", path)
        return True

    def _keep(self, report: SessionReport) -> None:
        self._parts.past.finish()
        stored = self._files.keep(self._journal)
        if stored is not None:
            flow("3.b.2.PHASE_6", "Stored %s", counted(stored, "bar"))

    def _tell_progress(self) -> None:
        if self.progress is None:
            return
        now = time.monotonic()
        if now - self._told_at >= _TELL_SECONDS:
            self._told_at = now
            self.progress(self.health())

    def _fail(self, error: BaseException) -> None:
        if self.error is None:
            self.error = error
            flow_error("3", "%s: %s", type(error).__name__, error)

    def _finish(self) -> None:
        """Let go of everything, whatever fails on the way."""
        with self._lane:
            # Whatever ended the run: the records of a step that was begun are on their way to disk.
            self._quietly(lambda: self._guarded(self._lane.finish))
            # Whoever still brings bars finds it closed from here on.
            self._inbox.lane = None
        with contextlib.ExitStack() as stack:
            # The last of these comes first: whoever has waited finds the run finished.
            stack.callback(self._is_over.set)
            stack.callback(self._finished.set)
            stack.callback(self._quietly, self._close_journal)
            stack.callback(self._quietly, self._parts.processor.close)
            stack.callback(self._quietly, self._player.close)
            stack.callback(
                self._quietly,
                lambda: self._analyses.close(0 if self.is_over else None),
            )
            stack.callback(self._quietly, self._inlet.close)
            if self._thread is not None:
                stack.callback(self._quietly, self.metrics.end_backtest)
        flow("3", "Complete - %s", counted(self._player.done, "session"))

    def _close_journal(self) -> None:
        """Close it; what a relaxed one could not write goes on in a next file, as it would if the run went on."""
        journal = self._journal
        try:
            try:
                if journal.mode == "relaxed" and journal.state != "closed":
                    self._write_what_waits()
            finally:
                journal.close()
        except (JournalError, OSError) as error:
            waiting = journal.last_seq - journal.durable_seq
            if waiting:
                text = f"{journal.path}: the last {counted(waiting, 'record')} are not on disk, and lost: {error}"
                raise JournalError(text, path=journal.path) from error
            # The next run finds every record; it is only not known to be whole without being read.
            flow_warning("3.b", "the journal could not be closed: %s", error)

    def _write_what_waits(self) -> None:
        try:
            self._journal.flush()
        except JournalError as error:
            flow_error("3.b", "the journal cannot be written: %s", error)
            flow_warning("3.b", "the journal ends in %s", self._journal.reopen())

    def _quietly(self, close: Callable[[], object]) -> None:
        try:
            close()
        except BaseException as error:
            self._fail(error)
