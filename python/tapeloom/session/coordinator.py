"""Runs the sessions of a window: at once, by the clock, or step by step; from any thread paused, resumed, stopped.

It wires a run's parts and says who may ask for what when. When the next batch is due is decided in ``driver.py``; what a
session does, phase by phase, is in ``player.py``.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from tapeloom.actions import Actions
from tapeloom.bars import normalise_symbol
from tapeloom.errors import ConfigError, StateError
from tapeloom.session.added import plan_of
from tapeloom.session.control import RunControl, wait_for
from tapeloom.session.data_processor import DataProcessor
from tapeloom.session.driver import Driver
from tapeloom.session.flow import flow, flow_warning
from tapeloom.session.hand_off import AnalysisSide
from tapeloom.session.lag import Lag
from tapeloom.session.metrics import PerformanceMetrics
from tapeloom.session.own_process import OwnProcess, interrupt
from tapeloom.session.pacing import Pace
from tapeloom.session.player import SessionPlayer
from tapeloom.session.progress import ProgressReporter
from tapeloom.session.quality_manager import DataQualityManager
from tapeloom.session.realtime_indicators import RealtimeIndicators
from tapeloom.session.result_folder import SymbolsOfRun, sessions_kept
from tapeloom.session.roster import Roster
from tapeloom.session.source_notes import source_warnings
from tapeloom.session.symbol_changes import Change, SymbolChanges
from tapeloom.session.tally import Tally
from tapeloom.timestamps import to_ns

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from tapeloom._core import Batch
    from tapeloom.calendars.time_manager import TimeManager
    from tapeloom.config.session_config import SessionConfig
    from tapeloom.config.stream_plan import StreamPlan
    from tapeloom.session.analysis_engine import AnalysisEngine
    from tapeloom.session.asked_indicator import AskedIndicator
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
        The real-time indicators; those of the configuration if not given.
    quality
        Who watches what is missing; made from the configuration if not given.
    metrics
        Takes the times of the run; new ones if not given.
    actions
        Splits, by which history is restated.
    results
        Keeps what each session leaves behind; sessions that it holds already are not run again.
    asked_indicators
        Indicators that are added to the real-time ones.
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
        asked_indicators: Sequence[AskedIndicator] = (),
    ) -> None:
        window, data = config.backtest_config, config.session_data_config
        if window is None:
            text = "backtest_config is missing; give start_date and end_date"
            raise ConfigError(text)
        self._config = config
        self._session_data = session_data
        self._source = source
        self._engine = engine
        self._time_manager = time_manager
        self._table = time_manager.calendar.table
        self._sessions = sessions
        self._results = results
        self._recorded = 0
        self.tally = Tally()
        self.metrics = PerformanceMetrics() if metrics is None else metrics
        self.control = RunControl()
        self._process = OwnProcess()
        self._symbols = SymbolsOfRun()
        done = self._restore(sessions, plan)
        extended = data.bars.extended_hours != "off"
        pace: Pace | None = None
        self._lag: Lag | None = None
        if window.speed_multiplier > 0:
            pace, streaming = Pace(window.speed_multiplier), data.streaming
            self._lag = Lag(
                streaming.catchup_threshold_seconds, streaming.catchup_check_interval
            )
        self._is_paced = pace is not None
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
        first = min(done, len(sessions) - 1)
        self._roster.add(plan, at=first)
        self._take_up_symbols(first)
        self.indicators = (
            RealtimeIndicators(
                session_data,
                data.indicators,
                extended=data.bars.extended_hours == "full",
            )
            if indicators is None
            else indicators
        )
        for asked in asked_indicators:
            asked.add_to(self.indicators)
        self._analyses = AnalysisSide()
        processor = DataProcessor(
            engine,
            indicators=self.indicators,
            quality=self.quality,
            metrics=self.metrics,
            call=self._analyses.run,
            lag=self._lag,
            market_ns=None if pace is None else pace.reached_ns,
        )
        self._player = SessionPlayer(
            session_data,
            self._roster,
            processor,
            indicators=self.indicators,
            time_manager=time_manager,
            engine=engine,
            sessions=sessions,
            done=done,
            tally=self.tally,
            metrics=self.metrics,
            call=self._analyses.run,
            extended=extended,
            on_end=self._keep,
        )
        self._progress = ProgressReporter(
            self._table,
            sessions,
            time_manager,
            speed=window.speed_multiplier,
            extended=extended,
        )
        self._bars, self._streaming_seconds, self._reported = 0, 0.0, 0
        self._changes = SymbolChanges(self._roster.symbols)
        self._driver = Driver(
            self._player,
            self.control,
            self._changes,
            self._analyses,
            pace=pace,
            time_manager=time_manager,
            metrics=self.metrics,
            tell_progress=self._tell_progress,
        )
        self._thread: threading.Thread | None = None
        self._is_running = False
        # A resumed run has them from the run before.
        for warning in plan.warnings if not done else ():
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
        return self._is_running and not self.is_finished

    @property
    def is_finished(self) -> bool:
        """Whether the run is over: played to its end, stopped or failed."""
        return self._driver.is_finished

    @property
    def is_over(self) -> bool:
        """Whether nobody needs to wait for the run: it is finished, or left behind in a call that does not return."""
        return self._driver.is_over.is_set()

    @property
    def stopped_early(self) -> bool:
        """Whether the run ended before the end of its window."""
        return self.is_finished and not self._player.is_over

    @property
    def error(self) -> BaseException | None:
        """What ended the run before its time; ``None`` if nothing did."""
        return self._driver.error

    @property
    def overruns(self) -> int:
        """Batches that were due, by the clock, before the one before them was acknowledged."""
        return self._driver.overruns

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
        return self._driver.is_mine

    def source_warnings(self) -> list[RunWarning]:
        """Return what the source had to say about its files, one entry per kind and text."""
        return source_warnings(self._source.notes)

    # The whole window

    def run(self) -> None:
        """Play the window to its end: on the caller's thread, or by the clock on threads of its own.

        A run that is over stays as it is.

        Raises
        ------
        StateError
            If the run is at work already.
        AnalysisError
            If an analysis raises; the store holds everything up to that instant.
        """
        self._require_idle("run")
        if not self.is_finished:
            if self._is_paced:
                self._run_on_threads()
            else:
                self._run_here()
        if self.error is not None:
            raise self.error

    def _run_on_threads(self) -> None:
        try:
            self.start()
            self.wait()
        except BaseException:
            self.stop()
            raise

    def _run_here(self) -> None:
        try:
            self._is_running = True
            self._driver.drive()
        except BaseException as error:
            self._driver.end(error)
            raise

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
        # Whoever forgets to stop it can still leave the program.
        thread = threading.Thread(
            target=self._driver.drive, name="tapeloom-coordinator", daemon=True
        )
        try:
            if self._is_paced:
                self._analyses.begin_thread()
            self._thread, self._is_running = thread, True
            thread.start()
        except BaseException as error:
            if not thread.is_alive():
                self._thread = None
                self._driver.end(error)
            raise

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the run is over, and raise what ended it before its time.

        Returns
        -------
        bool
            Whether it is over; false after ``timeout`` seconds.

        Raises
        ------
        StateError
            From inside a batch, which has to end first.
        """
        self._process.require("run")
        if self.is_mine():
            text = "wait() was called from inside the run, which has to end first"
            raise StateError(text)
        if not self._waited(self._driver.is_over, timeout):
            return False
        if self.error is not None:
            raise self.error
        return True

    def _waited(self, event: threading.Event, timeout: float | None) -> bool:
        """Wait for an event and, where the run is over, for its thread; return whether it came within the timeout."""
        if not wait_for(event, timeout):
            return False
        thread = self._thread
        if thread is not None and self.is_finished:
            # It has nothing left to do but to end.
            thread.join()
        return True

    def pause(self) -> None:
        """Let the run wait after the present batch.

        Raises
        ------
        StateError
            If it is not at work, or paused already.
        """
        if not self.is_running:
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
            Whether everything has ended. An analysis that does not return is left behind on its thread, and the run has
            failed; from inside a batch the batch is played to its end first.
        """
        self._process.require("run")
        self.control.stop()
        if self.is_finished:
            return True
        if self.is_mine():
            return False
        if self._is_running:
            if self._waited(self._driver.finished, timeout):
                return True
        elif self._driver.finish_here(timeout):
            return True
        self._driver.leave_behind(timeout)
        flow_warning("3", "left behind after %s s", timeout)
        return False

    def leave(self, timeout: float) -> None:
        """Break off a call that does not return, because the process ends, and wait a moment for it."""
        for thread in (self._analyses.thread, self._thread):
            if thread is not None and not self.is_finished:
                interrupt(thread)
                thread.join(timeout)

    # A part of it

    def step(self) -> Batch | None:
        """Play one batch and return it, after the analyses have seen it; ``None`` when the run is over.

        Raises
        ------
        StateError
            If the run is at work and not paused, or this is called from inside a batch.
        """
        self._require_by_hand("step")
        return self._driver.step()

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
        self._require_by_hand("run_until")
        self._driver.run_until(until)

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
        analysis calls; then it streams. Asked for from inside a batch, or while another thread plays one, that happens
        after the batch, and data that cannot be read end the run then.

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
        self._changes.require_new(name)
        self._require_unfinished("add_symbol")
        plan = self._plan_of(name, streams)

        def add() -> None:
            self._player.add_symbol(name, plan)
            self._symbols.add(name, streams)
            flow("3.a", "Symbol %s added", name, symbol=name)

        self._driver.change(Change(name, True, add))

    def remove_symbol(self, symbol: str) -> None:
        """Stop streaming a symbol, from between two batches on: its queue and its data go.

        What was read before stays as it is; handles on the symbol say that it was removed.

        Raises
        ------
        UnknownSymbolError
            If it does not stream.
        """
        name = normalise_symbol(symbol)
        self._changes.require_known(name)
        self._require_unfinished("remove_symbol")

        def remove() -> None:
            self._player.remove_symbol(name)
            self._symbols.remove(name)
            flow("3.a", "Symbol %s removed", name, symbol=name)

        self._driver.change(Change(name, False, remove))

    def _plan_of(self, name: str, streams: Sequence[str] | None) -> StreamPlan:
        return plan_of(
            name,
            streams,
            self._config,
            self._source,
            time_manager=self._time_manager,
            start=int(self._table.span_starts[self._sessions[0]]),
            end=int(self._table.span_ends[self._sessions[-1]]),
        )

    # Inside

    def _tell_progress(self) -> None:
        if self._progress.call is None:
            return
        sessions = self.tally.sessions
        if len(sessions) > self._reported:
            # Those of a window of years are not added up again for every batch.
            new = sessions[self._reported :]
            self._reported = len(sessions)
            self._bars += sum(report.bars for report in new)
            self._streaming_seconds += sum(report.seconds for report in new)
        player = self._player
        seconds = self._streaming_seconds + player.seconds
        self._progress.tell(
            player.done,
            self._bars + player.bars,
            seconds,
            lag_seconds=self.lag_seconds,
            is_paused=self.control.is_paused,
        )

    def _restore(self, sessions: Sequence[int], plan: StreamPlan) -> int:
        """Take over the sessions that an earlier run has done; return how many."""
        if self._results is None:
            return 0
        done = self._results.done(self._table, sessions)
        count = sessions_kept(done, self._table, sessions, plan)
        records = self._session_data.records
        for session in done[:count]:
            self.tally.restore(session.report, session.symbols, session.warnings)
            self._symbols = session.changed
            for ts, symbol, values in session.rows:
                records.add(ts, symbol, **values)
        self._recorded = len(records)
        return count

    def _take_up_symbols(self, first: int) -> None:
        """Let the symbols come and go that came and went in the sessions that an earlier run has done."""
        for name in self._symbols.removed:
            if name in self._roster.symbols:
                self._session_data.remove_symbol(name)
                self._roster.remove(name)
                self.tally.remove_symbol(name)
        for name, streams in self._symbols.added.items():
            self._roster.add(self._plan_of(name, streams), at=first)

    def _keep(self, report: SessionReport) -> None:
        if self._results is not None:
            records = self._session_data.records
            self._results.put(
                report,
                self.tally.last,
                records.since(self._recorded),
                self._symbols,
                self.tally.warnings,
            )
            self._recorded = len(records)

    def _require_by_hand(self, method: str) -> None:
        """Raise StateError unless a part of the run may be played by the calling thread."""
        self._process.require("run")
        if self.is_finished:
            return
        if self.is_mine():
            text = f"{method} was called from inside a batch; it plays the next one, which has to wait"
            raise StateError(text)
        if self.is_running and not (self.control.is_paused or self.control.is_stopping):
            text = f"the run is at work; pause it before {method}()"
            raise StateError(text)

    def _require_idle(self, method: str) -> None:
        self._process.require("run")
        if self.is_running or self._driver.wheel.is_held:
            text = f"the run is at work already; {method}() starts one that is not"
            raise StateError(text)

    def _require_unfinished(self, method: str) -> None:
        self._process.require("run")
        if self.is_finished:
            text = f"the run is over; {method}() has nothing to change"
            raise StateError(text)
