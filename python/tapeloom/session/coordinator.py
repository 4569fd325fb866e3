"""Runs the sessions of a window: at once, by the clock, or step by step; from any thread paused, resumed, stopped.

It decides when the next batch is due and who may ask for it. What a session does, phase by phase, is in ``player.py``.
"""

from __future__ import annotations

import threading
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tapeloom.actions import Actions
from tapeloom.bars import normalise_symbol
from tapeloom.errors import (
    ArgumentError,
    ClockError,
    StateError,
    UnknownSymbolError,
    did_you_mean,
)
from tapeloom.session.added import plan_of
from tapeloom.session.control import SLICE_SECONDS, RunControl
from tapeloom.session.data_processor import DataProcessor
from tapeloom.session.flow import flow, flow_error, flow_warning
from tapeloom.session.hand_off import EDGE, AnalysisThread
from tapeloom.session.lag import Lag
from tapeloom.session.metrics import PerformanceMetrics
from tapeloom.session.own_process import OwnProcess
from tapeloom.session.pacing import Pace
from tapeloom.session.player import SessionPlayer
from tapeloom.session.progress import ProgressReporter
from tapeloom.session.quality_manager import DataQualityManager
from tapeloom.session.realtime_indicators import RealtimeIndicators
from tapeloom.session.roster import Roster
from tapeloom.session.source_notes import source_warnings
from tapeloom.session.tally import Tally
from tapeloom.timestamps import from_ns, to_ns

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from tapeloom._core import Batch
    from tapeloom.calendars.time_manager import TimeManager
    from tapeloom.config.session_config import SessionConfig
    from tapeloom.config.stream_plan import StreamPlan
    from tapeloom.session.analysis_engine import AnalysisEngine
    from tapeloom.session.result import RunWarning, SessionReport
    from tapeloom.session.result_folder import ResultFolder
    from tapeloom.session_data import SessionData
    from tapeloom.storage.bar_source import BarSource
    from tapeloom.timestamps import TimestampLike

__all__ = ["SessionCoordinator"]


class SessionCoordinator:
    """Runs the sessions of a window over one store.

    ``run`` plays the whole window on the caller's thread; ``start`` does so on a thread of its own; ``step`` and
    ``run_until`` play a part of it. They may be mixed; the result is the same.

    Parameters
    ----------
    config
        The configuration of the run: its speed, its indicators, when a symbol is late.
    session_data
        The store to stream into.
    source
        Where bars come from.
    plan
        What is streamed, derived and loaded as history.
    time_manager
        Clock and calendar.
    engine
        The analyses to call.
    sessions
        Positions of the window's sessions in the session table, rising.
    indicators
        Real-time indicators beside those of the configuration.
    quality
        Who watches what is missing; made from the configuration if not given.
    metrics
        Takes the times of the run; new ones if not given.
    actions
        Splits, by which history is restated.
    results
        Keeps what each session leaves behind; sessions that it holds already are not run again.
    """

    def __init__(
        self,
        config: SessionConfig,
        session_data: SessionData,
        source: BarSource,
        plan: StreamPlan,
        *,
        time_manager: TimeManager,
        engine: AnalysisEngine,
        sessions: Sequence[int],
        indicators: RealtimeIndicators | None = None,
        quality: DataQualityManager | None = None,
        metrics: PerformanceMetrics | None = None,
        actions: Actions | None = None,
        results: ResultFolder | None = None,
    ) -> None:
        window, data = config.backtest_config, config.session_data_config
        assert window is not None
        self._config = config
        self._session_data = session_data
        self._source = source
        self._plan = plan
        self._time_manager = time_manager
        self._engine = engine
        self._table = time_manager.calendar.table
        self.tally = Tally()
        self._results = results
        self._recorded = 0
        done = self._restore(sessions)
        self._sessions = sessions
        self._bars, self._streaming_seconds, self._reported = 0, 0.0, 0
        self.metrics = PerformanceMetrics() if metrics is None else metrics
        self.control = RunControl()
        self._process = OwnProcess()
        extended = data.bars.extended_hours != "off"
        speed = window.speed_multiplier
        self._pace = Pace(speed) if speed > 0 else None
        self._lag: Lag | None = None
        if self._pace is not None:
            streaming = data.streaming
            self._lag = Lag(
                streaming.catchup_threshold_seconds, streaming.catchup_check_interval
            )
        self.quality = (
            DataQualityManager(
                session_data,
                enable_session_quality=data.gap_filler.enable_session_quality,
                on_gap=data.bars.on_gap,
                time_manager=time_manager,
            )
            if quality is None
            else quality
        )
        self._roster = Roster(
            session_data,
            source,
            time_manager=time_manager,
            sessions=sessions,
            tally=self.tally,
            prefetch_sessions=window.prefetch_days,
            indicators=data.historical.indicators,
            actions=Actions() if actions is None else actions,
            universe=config.universe,
            extended=extended,
        )
        self._roster.add(plan, at=min(done, len(sessions) - 1))
        self.indicators = (
            RealtimeIndicators(
                session_data,
                data.indicators,
                extended=data.bars.extended_hours == "full",
            )
            if indicators is None
            else indicators
        )
        self._processor = DataProcessor(
            engine,
            indicators=self.indicators,
            quality=self.quality,
            metrics=self.metrics,
            call=self._call_analysis,
            lag=self._lag,
            market_ns=None if self._pace is None else self._pace.market_ns,
        )
        self._player = SessionPlayer(
            session_data,
            self._roster,
            self._processor,
            indicators=self.indicators,
            time_manager=time_manager,
            engine=engine,
            sessions=sessions,
            done=done,
            tally=self.tally,
            metrics=self.metrics,
            call=self._call_analysis,
            extended=extended,
            on_end=self._keep,
        )
        self._progress = ProgressReporter(
            self._table, sessions, time_manager, speed=speed, extended=extended
        )
        # Held by whoever plays a batch. Not one that its holder can take again: changes asked for during a batch wait.
        self._driving = threading.Lock()
        self._driver: int | None = None
        self._changes: deque[Callable[[], None]] = deque()
        self._thread: threading.Thread | None = None
        self._analysis_thread: AnalysisThread | None = None
        self._is_running = False
        self._is_finished = threading.Event()
        self._wakes: list[str] | None = None
        #: Batches that were due, by the clock, before the one before them was acknowledged.
        self.overruns = 0
        #: What ended the run before its time.
        self.error: BaseException | None = None
        for warning in plan.warnings:
            self.tally.warn(
                warning.kind,
                warning.text,
                count=len(warning.symbols),
                symbols=warning.symbols,
            )

    # What a run is asked

    @property
    def is_running(self) -> bool:
        """Whether a call of ``run`` or a thread of ``start`` is at work, paused or not."""
        return self._is_running

    @property
    def is_finished(self) -> bool:
        """Whether the run is over: played to its end, stopped or failed."""
        return self._is_finished.is_set()

    @property
    def stopped_early(self) -> bool:
        """Whether the run ended before the end of its window."""
        return self.is_finished and not self._player.is_over

    @property
    def lag_seconds(self) -> float:
        """How late the newest batch was, seconds of the market's clock; 0 where no clock runs."""
        return 0.0 if self._lag is None else self._lag.seconds

    @property
    def catching_up(self) -> frozenset[str]:
        """Symbols that are late: their bars are stored, their analysis calls wait."""
        return frozenset() if self._lag is None else self._lag.catching_up

    @property
    def progress(self) -> Callable[..., object] | None:
        """Who is told how far the run is, about ten times a second."""
        return self._progress.call

    @progress.setter
    def progress(self, call: Callable[..., object] | None) -> None:
        self._progress.call = call

    def is_mine(self) -> bool:
        """Return whether the calling thread is one of the run's, or is inside a batch of it."""
        mine, analysis = threading.get_ident(), self._analysis_thread
        return mine in (
            self._driver,
            self._thread and self._thread.ident,
            analysis and analysis.ident,
        )

    def source_warnings(self) -> list[RunWarning]:
        """Return what the source had to say about its files, one entry per kind and text."""
        return source_warnings(self._source.notes)

    # The whole window

    def run(self) -> None:
        """Play the window to its end: on the caller's thread, or by the clock on threads of its own.

        Raises
        ------
        StateError
            If the run is at work already.
        AnalysisError
            If an analysis raises; the store holds everything up to that instant.
        """
        if self._pace is not None:
            self.start()
            try:
                self.wait()
            except BaseException:
                self.stop()
                raise
            return
        self._require_idle("run")
        self._is_running = True
        self._drive()
        if self.error is not None:
            raise self.error

    def start(self) -> None:
        """Play the window on the thread ``tapeloom-coordinator``; by the clock, analyses get a thread of their own.

        Raises
        ------
        StateError
            If the run is at work already, or over.
        """
        self._require_idle("start")
        if self.is_finished:
            text = "the run is over; a new one needs a new coordinator"
            raise StateError(text)
        self._is_running = True
        if self._pace is not None:
            self._analysis_thread = AnalysisThread()
        # Whoever forgets to stop it can still leave the program.
        self._thread = threading.Thread(
            target=self._drive, name="tapeloom-coordinator", daemon=True
        )
        self._thread.start()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the run is over, and raise what ended it before its time.

        Returns
        -------
        bool
            Whether it is over; false after ``timeout`` seconds.
        """
        if not self._is_finished.wait(timeout):
            return False
        if self.error is not None:
            raise self.error
        return True

    def pause(self) -> None:
        """Let the run wait after the present batch.

        Raises
        ------
        StateError
            If it is not at work, or paused already.
        """
        if not self._is_running:
            text = "the run is not at work; there is nothing to pause"
            raise StateError(text)
        self.control.pause()
        flow("3.a", "Paused")

    def resume(self) -> None:
        """Let a paused run go on; by the clock, from where its clock stands.

        Raises
        ------
        StateError
            If it is not paused.
        """
        self.control.resume()
        flow("3.a", "Resumed")

    def stop(self, timeout: float | None = 10.0) -> bool:
        """End the run after the present batch, from any state and thread. Doing so twice changes nothing.

        Parameters
        ----------
        timeout
            Seconds to wait for threads; ``None`` waits as long as it takes.

        Returns
        -------
        bool
            Whether everything has ended. An analysis that does not return is left behind on its thread.
        """
        self._process.require("run")
        self.control.stop()
        thread, analysis = self._thread, self._analysis_thread
        if self.is_mine():
            # From inside a batch: it is played to its end first.
            return False
        if thread is None:
            if self._driving.acquire(timeout=-1 if timeout is None else timeout):
                try:
                    self._finish()
                finally:
                    self._driving.release()
            return self.is_finished
        thread.join(timeout)
        if thread.is_alive():
            if analysis is not None:
                analysis.close(0)
            flow_warning("3", "an analysis did not return within %s s", timeout)
        return not thread.is_alive()

    # A part of it

    def step(self) -> Batch | None:
        """Play one batch and return it, after the analyses have seen it; ``None`` when the run is over.

        Raises
        ------
        StateError
            If the run is at work and not paused, or this is called from inside a batch.
        """
        with self._exclusive("step"):
            while self._is_ready():
                batch = self._player.advance(wanted=None, until=None)
                self._tell_progress()
                if batch is not None:
                    return batch
            return None

    def run_until(self, ts: TimestampLike) -> None:
        """Play every batch that is known by an instant, then set the clock to it; across sessions if need be.

        Raises
        ------
        ClockError
            If the clock stands behind the instant already.
        StateError
            As of ``step``.
        """
        until = to_ns(ts, self._session_data.timezone, name="ts")
        with self._exclusive("run_until"):
            if self.is_finished:
                return
            self._player.open()
            now = self._time_manager.clock.now_ns()
            if until < now:
                zone = self._session_data.timezone
                asked, stands = from_ns(until, zone), from_ns(now, zone)
                text = f"ts is {asked}, before the clock at {stands}, which only moves forward"
                raise ClockError(text, got=asked, expected=stands)
            while self._is_begun_by(until) and self._is_ready():
                self._player.advance(wanted=self._wakes, until=until)
                self._tell_progress()
                if self._player.has_reached(until):
                    break
            if not self._player.is_streaming:
                self._player.call_alerts(until)
            self._time_manager.stand_at(until)

    def batches(self) -> Generator[Batch]:
        """Play the window and yield every batch after the analyses have seen it.

        Who stops iterating ends the run after the current batch.
        """
        try:
            while (batch := self.step()) is not None:
                yield batch
        finally:
            self.stop()

    # Symbols that come and go

    def add_symbol(self, symbol: str, *, streams: Sequence[str] | None = None) -> None:
        """Stream one more symbol, from between two batches to the end of the run.

        It gets the history and indicators of a configured symbol. Its bars up to the clock are stored at once, without
        analysis calls; then it streams.

        Parameters
        ----------
        streams
            As in the configuration, whose streams it has if not given.

        Raises
        ------
        PlanError
            If nothing stored serves it.
        ArgumentError
            If it streams already.
        """
        name = normalise_symbol(symbol)
        if name in self._roster.symbols:
            text = f"symbol {name} streams already"
            raise ArgumentError(text, symbol=name)
        self._require_unfinished("add_symbol")
        plan = plan_of(
            name,
            streams,
            self._config,
            self._source,
            start=int(self._table.span_starts[self._sessions[0]]),
            end=int(self._table.span_ends[self._sessions[-1]]),
        )
        self._change(lambda: self._player.add_symbol(name, plan))
        flow("3.a", "Symbol %s added", name, symbol=name)

    def remove_symbol(self, symbol: str) -> None:
        """Stop streaming a symbol, from between two batches on: its queue and its data go.

        What was read before stays as it is; handles on the symbol say that it was removed.

        Raises
        ------
        UnknownSymbolError
            If it does not stream.
        """
        name = normalise_symbol(symbol)
        if name not in self._roster.symbols:
            text = f"symbol {name} does not stream and cannot be removed"
            text += did_you_mean(name, self._roster.symbols)
            raise UnknownSymbolError(text, symbol=name)
        self._require_unfinished("remove_symbol")
        self._change(lambda: self._player.remove_symbol(name))
        flow("3.a", "Symbol %s removed", name, symbol=name)

    def _change(self, change: Callable[[], None]) -> None:
        """Make a change between two batches: now if none is being played, or else after it."""
        self._process.require("run")
        self._changes.append(change)
        if self._driving.acquire(False):
            try:
                self._apply_changes()
            finally:
                self._driving.release()
        self.control.wake()

    def _apply_changes(self) -> None:
        while self._changes:
            self._changes.popleft()()

    # Inside

    def _drive(self) -> None:
        """Play on until the run is over, stopped or failed."""
        try:
            while self._goes_on():
                with self._at_the_wheel():
                    if not self._is_ready():
                        break
                    if self._pace is None:
                        self._play_on()
                        continue
                    due = self._play_what_is_due(self._pace)
                if due is not None:
                    deadline = self._pace.deadline(due)
                    slice_end = self._pace.now() + SLICE_SECONDS
                    self.control.sleep_until(min(deadline, slice_end))
                if self.control.is_paused:
                    self._pace.seen_at(None)
        except BaseException as error:
            self._fail(error)
        finally:
            with self._at_the_wheel():
                self._finish()
            self._is_running = False

    def _goes_on(self) -> bool:
        """Wait while the run is paused, and say so; return whether it goes on."""
        if self.control.is_paused:
            with self._at_the_wheel():
                self._tell_progress()
        return self.control.wait_while_paused()

    def _play_on(self) -> None:
        """Play to the end of the session, or until somebody wants something else between two batches."""
        player, control, changes = self._player, self.control, self._changes
        while True:
            player.advance(wanted=self._wakes, until=None)
            self._tell_progress()
            if changes or control.is_interrupted or not player.is_streaming:
                return

    def _play_what_is_due(self, pace: Pace) -> int | None:
        """Play what the clock has reached; return the next instant at which something is due if that is later."""
        now = self._time_manager.clock.now_ns()
        if not pace.stands_at(now):
            # A session began, or the run was paused or stepped: nights and pauses take no time of the market.
            pace.start(now)
        due = self._player.next_ns()
        market = pace.market_ns()
        if market < due:
            now = max(now, market)
            self._time_manager.stand_at(now)
        else:
            self._player.advance(wanted=self._wakes, until=market)
            now = self._time_manager.clock.now_ns()
            if self._player.is_streaming and self._player.next_ns() <= pace.market_ns():
                self.overruns += 1
                self.metrics.record_backpressure(EDGE)
        pace.seen_at(now)
        self._tell_progress()
        return due if market < due else None

    def _is_ready(self) -> bool:
        """Make the changes that were asked for, begin the next session where none runs; return whether one does."""
        if self.is_finished or self.control.is_stopping:
            self._finish()
            return False
        self._player.open()
        self._apply_changes()
        if not self._player.is_streaming:
            if self._player.is_over:
                self._player.settle()
                self._finish()
                return False
            self._player.begin()
            self._wakes = self._processor.wakes_for
        return True

    def _is_begun_by(self, until: int) -> bool:
        return self._player.is_streaming or (
            not self._player.is_over and self._player.start_ns <= until
        )

    def _call_analysis(self, call: Callable[[], object]) -> None:
        thread = self._analysis_thread
        if thread is None:
            call()
        else:
            thread.run(call)

    def _tell_progress(self) -> None:
        if self._progress.call is None:
            return
        sessions = self.tally.sessions
        if len(sessions) > self._reported:
            # Those of a window of years are not added up again for every batch.
            self._reported = len(sessions)
            self._bars = sum(report.bars for report in sessions)
            self._streaming_seconds = sum(report.seconds for report in sessions)
        player = self._player
        seconds = self._streaming_seconds + player.seconds
        self._progress.tell(
            player.done,
            self._bars + player.bars,
            seconds,
            lag_seconds=self.lag_seconds,
            is_paused=self.control.is_paused,
        )

    @contextmanager
    def _at_the_wheel(self) -> Iterator[None]:
        with self._driving:
            self._driver = threading.get_ident()
            try:
                yield
            finally:
                self._driver = None

    @contextmanager
    def _exclusive(self, method: str) -> Iterator[None]:
        """Let one call play a part of the run."""
        self._process.require("run")
        if self.is_mine():
            text = f"{method} was called from inside a batch; it plays the next one, which has to wait"
            raise StateError(text)
        if self._is_running and not self.control.is_paused:
            text = f"the run is at work; pause it before {method}()"
            raise StateError(text)
        with self._at_the_wheel():
            try:
                yield
            except ClockError:
                # Refused before anything was played.
                raise
            except BaseException as error:
                self._fail(error)
                self._finish()
                raise

    def _restore(self, sessions: Sequence[int]) -> int:
        """Take over the sessions that an earlier run has done; return how many."""
        done = (
            [] if self._results is None else self._results.done(self._table, sessions)
        )
        records = self._session_data.records
        for session in done:
            self.tally.restore(session.report, session.symbols)
            for ts, symbol, values in session.rows:
                records.add(ts, symbol, **values)
        self._recorded = len(records)
        return len(done)

    def _keep(self, report: SessionReport) -> None:
        if self._results is not None:
            records = self._session_data.records
            self._results.put(report, self.tally.last, records.since(self._recorded))
            self._recorded = len(records)

    def _fail(self, error: BaseException) -> None:
        if self.error is None:
            self.error = error
            flow_error("3", "%s: %s", type(error).__name__, error)

    def _finish(self) -> None:
        """Let go of everything. Doing so twice changes nothing."""
        if self._is_finished.is_set():
            return
        self._player.close()
        if self._analysis_thread is not None:
            self._analysis_thread.close()
        self._is_finished.set()
        done, total = self._player.done, len(self._sessions)
        flow("3", "Complete - %d of %d sessions", done, total)

    def _require_idle(self, method: str) -> None:
        self._process.require("run")
        if self._is_running or self._driver is not None:
            text = f"the run is at work already; {method}() starts one that is not"
            raise StateError(text)

    def _require_unfinished(self, method: str) -> None:
        if self.is_finished:
            text = f"the run is over; {method}() has nothing to change"
            raise StateError(text)
