"""Runs live sessions on a thread of its own: takes what the feed pushes, waits for what is due, goes on after a failed disk.

What a session does is in ``live_player.py`` and ``live_session.py``; this file holds the thread, the queue and the public face.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from typing import TYPE_CHECKING, Any

from tapeloom.bars import normalise_symbol
from tapeloom.errors import JournalError, StateError
from tapeloom.live.absences import Absences
from tapeloom.live.backoff import Backoff
from tapeloom.live.event_queue import CAPACITY, EventQueue
from tapeloom.live.inlet import Inlet
from tapeloom.live.live_health import LiveHealth, LiveState, SymbolState
from tapeloom.live.live_parts import LiveParts
from tapeloom.live.live_player import Stage
from tapeloom.live.market_clock import speed_of
from tapeloom.session.control import SLICE_SECONDS, RunControl, wait_for
from tapeloom.session.flow import flow, flow_error, flow_warning
from tapeloom.session.hand_off import AnalysisSide
from tapeloom.session.metrics import PerformanceMetrics
from tapeloom.session.own_process import OwnProcess
from tapeloom.session.source_notes import source_warnings
from tapeloom.session.symbol_changes import Change, SymbolChanges
from tapeloom.statuses import ConnectionEvent
from tapeloom.words import counted

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Sequence

    from tapeloom.actions import Actions
    from tapeloom.calendars.time_manager import TimeManager
    from tapeloom.config.session_config import SessionConfig
    from tapeloom.config.stream_plan import StreamPlan
    from tapeloom.history_source import HistorySource
    from tapeloom.live.feed import Feed, FeedEvent
    from tapeloom.live.journal import SessionJournal
    from tapeloom.live.journal_files import JournalFiles
    from tapeloom.live.journal_header import Patience
    from tapeloom.live.live_player import Timing
    from tapeloom.live.recovery import JournalReport
    from tapeloom.session.analysis_engine import AnalysisEngine
    from tapeloom.session.asked_indicator import AskedIndicator
    from tapeloom.session.result import RunWarning, SessionReport
    from tapeloom.storage.bar_source import BarSource

__all__ = ["LiveCoordinator"]

_log = logging.getLogger("tapeloom.live")

_SECOND = 1_000_000_000
#: Events taken at once: as many as one commit of the journal takes.
_MOST_AT_ONCE = 1_000
_TELL_SECONDS = 1.0
#: Who says that a feed has ended.
_SOURCE = "feed"


class LiveCoordinator:
    """Runs the sessions of a feed until it is stopped, or for so many sessions.

    Parameters
    ----------
    config
        The configuration: indicators, when a symbol is late, what is done about gaps.
    journal
        Writes the session; its ``session_data`` is the store.
    files
        What becomes of the journal at the end of a session.
    source
        Bars of earlier days.
    plan
        What is streamed, derived and kept as history.
    feed
        Where bars come from.
    history_source
        Whom to ask for what the feed did not bring; ``None``: gaps are recorded, not filled.
    time_manager
        Clock and calendar; its mode is ``"live"``.
    engine
        The analyses.
    patience, gap_grace
        As of :class:`LiveSession`.
    timing, sessions
        As of :class:`LivePlayer`.
    plan_of
        Makes the plan of a symbol that joins, of its name and its streams.
    actions
        Splits, by which history is restated.
    asked_indicators
        Indicators that are added to the real-time ones.
    capacity
        How many events may wait.
    """

    def __init__(
        self,
        config: SessionConfig,
        journal: SessionJournal,
        files: JournalFiles,
        source: BarSource,
        plan: StreamPlan,
        *,
        feed: Feed,
        history_source: HistorySource | None,
        time_manager: TimeManager,
        engine: AnalysisEngine,
        patience: Patience,
        gap_grace: int,
        timing: Timing | None = None,
        sessions: int | None = None,
        plan_of: Callable[[str, Sequence[str] | None], StreamPlan] | None = None,
        actions: Actions | None = None,
        asked_indicators: Sequence[AskedIndicator] = (),
        capacity: int = CAPACITY,
    ) -> None:
        self._source = source
        self._clock = time_manager.clock
        self._speed = speed_of(self._clock)
        self._absences = Absences(self._clock)
        self._journal = journal
        self._files = files
        self._feed = feed
        self._channels = _channels(plan, feed)
        self._plan_of = plan_of
        self.metrics = PerformanceMetrics()
        self.control = RunControl()
        self._process = OwnProcess()
        self._inbox = EventQueue(capacity)
        self._inlet = Inlet(feed, self._inbox)
        self._analyses = AnalysisSide()
        self._parts = LiveParts.of(
            config,
            journal,
            files,
            source,
            plan,
            history_source=history_source,
            stream_source=feed,
            time_manager=time_manager,
            engine=engine,
            patience=patience,
            gap_grace=gap_grace,
            timing=timing,
            sessions=sessions,
            actions=actions,
            asked_indicators=asked_indicators,
            metrics=self.metrics,
            call=self._analyses.run,
            wake=self._inbox.wake,
            # Tries are spaced by the seconds of the session's clock, which nobody sets.
            now=lambda: time.monotonic() * self._speed,
            on_end=self._keep,
        )
        parts = self._parts
        self.tally, self.quality = parts.tally, parts.quality
        self.indicators = parts.indicators
        self._session, self._player = parts.session, parts.player
        self._changes = SymbolChanges(symbol.symbol for symbol in plan.symbols)
        self._thread: threading.Thread | None = None
        self._runner: int | None = None
        self._is_begun = False
        self._finished = threading.Event()
        self._is_over = threading.Event()
        self._is_degraded = self._is_feed_over = False
        self._latest, self._is_set_back = 0, False
        self._reopen_at = 0.0
        self._backoff = Backoff()
        self._told_at = float("-inf")
        #: What ended the run before its time.
        self.error: BaseException | None = None
        #: Who is told how the session is doing, about once a second: called with a ``LiveHealth``.
        self.progress: Callable[..., object] | None = None

    # What a run is asked

    @property
    def is_running(self) -> bool:
        """Whether a call of ``run`` or a thread of ``start`` is at work."""
        return self._is_begun and not self.is_finished

    @property
    def is_finished(self) -> bool:
        """Whether the run is over: its sessions have ended, it was stopped, or it failed."""
        return self._finished.is_set()

    @property
    def is_over(self) -> bool:
        """Whether nobody needs to wait for the run: it is finished, or left behind in a call that does not return."""
        return self._is_over.is_set()

    @property
    def stopped_early(self) -> bool:
        """Whether the run ended before the end of its sessions."""
        return self.is_finished and not self._player.is_over

    @property
    def overruns(self) -> int:
        """How often the feed gave its connection up because its events were not taken in time."""
        return self._inlet.overruns

    @property
    def lag_seconds(self) -> float:
        """How long after it was known the newest bar was taken."""
        return self._session.lag / _SECOND

    @property
    def catching_up(self) -> frozenset[str]:
        """Symbols that are late: their bars are stored, their analysis calls wait."""
        return self._parts.lag.catching_up

    @property
    def stage(self) -> Stage:
        """How far the session is."""
        return self._player.stage

    @property
    def recovery(self) -> JournalReport | None:
        """What was found in the journal that the run goes on with; ``None`` if it began a new one."""
        return self._journal.recovery

    @property
    def aside(self) -> list[tuple[FeedEvent, str]]:
        """The newest 1,000 events that nothing could be done with, each with the reason, in order of arrival.

        Bars that break a rule are among them: they are counted as rejected and end no run. Messages that could not be
        read too.
        """
        return list(self._session.sorter.aside)

    def is_mine(self) -> bool:
        """Return whether the calling thread is one of the run's, or is inside a batch of it."""
        return self._runner == threading.get_ident() or self._analyses.is_mine

    def source_warnings(self) -> list[RunWarning]:
        """Return what the source of history had to say about its files."""
        return source_warnings(self._source.notes)

    def health(self) -> LiveHealth:
        """Return how the session is doing, symbol by symbol; from any thread. O(symbols)."""
        now = self._clock.now_ns()
        session = self._session
        symbols = session.symbols(now)
        filler = self.quality.filler
        bounds = {
            "events": (len(self._inbox), self._inbox.capacity),
            **({} if filler is None else filler.bounds),
        }
        journal = self._journal.health()
        bounds["journal"] = (journal["queue"], journal["queue_bound"])
        bounds["owed"] = (session.owed, _MOST_AT_ONCE)
        bounds["aside"] = _fill_of(session.sorter.aside)
        bounds["fills"] = _fill_of(session.sentences)
        counts = {name: session.sorter.counts[name] for name in _COUNTS}
        counts["overruns"] = self.overruns
        return LiveHealth(
            state=self._state_of({health.state for health in symbols.values()}),
            clock=now,
            session_date=self._player.session_date,
            symbols=symbols,
            is_connected=session.is_connected,
            outages=session.outages,
            feed=self._inlet.health(),
            journal=journal,
            bounds=bounds,
            counts=counts,
            lag_seconds=self.lag_seconds,
            fills=tuple(session.sentences),
        )

    def _state_of(self, states: set[SymbolState]) -> LiveState:
        if self._is_degraded:
            return LiveState.DEGRADED
        if self.is_finished or self._player.is_over:
            return LiveState.CLOSED
        if self._player.is_warming:
            return LiveState.WARMING
        if self.stage in (Stage.NIGHT, Stage.WAITING):
            return LiveState.WAITING
        worst = ("STALE", "GAP", "FILLING")
        found = next((word for word in worst if SymbolState(word) in states), "LIVE")
        return LiveState(found)

    # The run

    def run(self) -> None:
        """Run on threads of its own and wait for the end; Ctrl-C stops it.

        Raises
        ------
        StateError
            If the run is at work already, or over.
        FeedError
            If the feed refuses credentials or subscription.
        AnalysisError, GapError
            What ended the run; the store holds everything up to then.
        """
        try:
            self.start()
            self.wait()
        except BaseException:
            self.stop()
            raise

    def start(self) -> None:
        """Connect, and run on the thread ``tapeloom-coordinator``; the analyses get one of their own.

        Raises
        ------
        StateError
            If the run is at work already, or over.
        """
        self._process.require("run")
        if self._is_begun:
            text = (
                "the run is at work already, or over; a new one needs a new coordinator"
            )
            raise StateError(text)
        self._is_begun = True
        self.metrics.start_backtest()
        self._analyses.begin_thread()
        self._thread = threading.Thread(
            target=self._drive, name="tapeloom-coordinator", daemon=True
        )
        self._thread.start()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the run is over, and raise what ended it before its time; see ``SessionCoordinator.wait``."""
        self._process.require("run")
        if self.is_mine():
            text = "wait() was called from inside the run, which has to end first"
            raise StateError(text)
        if not self._waited(self._is_over, timeout):
            return False
        if self.error is not None:
            raise self.error
        return True

    def pause(self) -> None:
        """Raise ``StateError``: the market does not wait."""
        text = "a live run cannot be paused: the market does not wait; stop() ends it, and it goes on where the journal ends"
        raise StateError(text)

    def resume(self) -> None:
        """Raise ``StateError``, as ``pause``."""
        self.pause()

    def stop(self, timeout: float | None = 10.0) -> bool:
        """End the run after the present batch, from any state and thread. The journal stays, and is gone on with.

        Returns
        -------
        bool
            Whether everything has ended within ``timeout`` seconds.
        """
        self._process.require("run")
        self.control.stop()
        self._inbox.wake()
        if self.is_finished:
            return True
        if self.is_mine():
            return False
        if not self._is_begun:
            self._is_begun = True
            self._finish()
            return True
        if self._waited(self._finished, timeout):
            return True
        where = (
            "its analysis does not return" if self._analyses.is_calling else "it loads"
        )
        text = f"the run did not end within {timeout} s: {where}"
        self._fail(StateError(text))
        self._is_over.set()
        self._analyses.close(0)
        return False

    def leave(self, timeout: float) -> None:
        """Wait a moment for the threads, because the process ends."""
        if self._thread is not None:
            self._thread.join(timeout)

    def _waited(self, event: threading.Event, timeout: float | None) -> bool:
        if not wait_for(event, timeout):
            return False
        if self._thread is not None and self.is_finished:
            self._thread.join()
        return True

    # Symbols that come and go

    def add_symbol(self, symbol: str, *, streams: Sequence[str] | None = None) -> None:
        """Stream one more symbol: its history is loaded, its bars so far are fetched, then it streams.

        Raises
        ------
        ArgumentError
            If it streams already.
        StateError
            If the run is over, or nobody can plan for it.
        """
        name = normalise_symbol(symbol)
        self._changes.require_new(name)
        self._require_unfinished("add_symbol")
        if self._plan_of is None:
            text = "this run was not told how to plan for a symbol that joins"
            raise StateError(text)
        plan = self._plan_of(name, streams)

        def add() -> None:
            self._parts.add(plan)
            self._follow_symbols()
            flow("3.a", "Symbol %s added", name, symbol=name)

        self._changes.ask(Change(name, True, add))
        self._inbox.wake()

    def remove_symbol(self, symbol: str) -> None:
        """Stop streaming a symbol: its data go.

        Raises
        ------
        UnknownSymbolError
            If it does not stream.
        """
        name = normalise_symbol(symbol)
        self._changes.require_known(name)
        self._require_unfinished("remove_symbol")

        def remove() -> None:
            self._parts.remove(name)
            self._follow_symbols()
            flow("3.a", "Symbol %s removed", name, symbol=name)

        self._changes.ask(Change(name, False, remove))
        self._inbox.wake()

    def _follow_symbols(self) -> None:
        self._player.follow_symbols(self._now())
        self._feed.connect(self._journal.session_data._symbols, self._channels)

    # On the thread

    def _drive(self) -> None:
        try:
            self._runner = threading.get_ident()
            self._player.find(self._now())
            # Subscribed first: no bar falls between what is fetched and what streams.
            self._inlet.open(self._journal.session_data._symbols, self._channels)
            names = counted(len(self._journal.session_data._symbols), "symbol")
            flow("3", "Started - live, %s", names)
            # Loading history may take a while.
            self._tell_progress()
            while not self.control.is_stopping and not self._player.is_over:
                self._turn()
        except BaseException as error:
            self._fail(error)
        finally:
            self._finish()
            self._runner = None

    def _turn(self) -> None:
        if self._journal.state == "running":
            # Before anything is taken from the queue: what fails here has nothing to lose. At night, when the journal of
            # the day is closed, they wait for the next.
            self._guarded(self._make_changes)
        now = self._now()
        timeout = self._seconds_until(self._player.next_due(now), now)
        takes = self._player.takes_events and not self._is_degraded
        most = _MOST_AT_ONCE if takes else 0
        self._inbox.wait(timeout, most=most)
        events = self._inbox.take(most)
        if self._is_degraded and not self._reopened():
            self._tell_progress()
            return
        if self._inbox.is_closed and not len(self._inbox) and not self._is_feed_over:
            # It ended without an error, as a recording does: nothing more comes, and that is an outage.
            self._is_feed_over = True
            events.append(ConnectionEvent(self._now(), False, _SOURCE))
        now = self._now()
        for since, until in self._absences.take():
            text = "the machine slept, or its clock was set forward by %.1f s: what came meanwhile is asked for"
            flow_warning("3.b", text, (until - since) / _SECOND)
            self._player.note_absence(since, until)
        self._guarded(lambda: self._player.advance(events, now))
        self._tell_progress()

    def _now(self) -> int:
        """The clock of the session: where the wall clock is set back, it stands still until that is made up for."""
        now = self._clock.now_ns()
        if now < self._latest - _SECOND and not self._is_set_back:
            seconds = (self._latest - now) / _SECOND
            text = "the wall clock was set back by %.1f s; the session's clock stands still until then"
            flow_warning("3.b", text, seconds)
        self._is_set_back = now < self._latest
        self._latest = max(now, self._latest)
        return self._latest

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
        with contextlib.ExitStack() as stack:
            stack.callback(self._finished.set)
            stack.callback(self._is_over.set)
            stack.callback(self._quietly, self._journal.close)
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

    def _quietly(self, close: Callable[[], object]) -> None:
        try:
            close()
        except BaseException as error:
            self._fail(error)

    def _require_unfinished(self, method: str) -> None:
        self._process.require("run")
        if self.is_finished:
            text = f"the run is over; {method}() has nothing to change"
            raise StateError(text)


_COUNTS = (
    "events",
    "bars",
    "corrections",
    "reports",
    "quotes",
    "ticks",
    "refused",
    "not_subscribed",
    "other_interval",
    "outside_hours",
    "malformed",
    "unknown",
)


def _fill_of(kept: deque[Any]) -> tuple[int, int]:
    """How many are kept, and of how many at most."""
    assert kept.maxlen is not None
    return len(kept), kept.maxlen


def _channels(plan: StreamPlan, feed: Feed) -> list[str]:
    """What to ask the feed for: bars with their corrections and statuses where it has them, and what the plan streams."""
    wanted = {"bars", "updated_bars", "statuses"}
    streamed = {s.stream for p in plan.symbols for s in p.streams}
    wanted |= streamed & {"quotes"}
    return [channel for channel in feed.channels if channel in wanted]
