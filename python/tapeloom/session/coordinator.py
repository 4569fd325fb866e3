"""Runs the sessions of a window: at once, by the clock, or step by step; from any thread paused, resumed, stopped.

It says who may ask for what when. A run's parts are put together in ``run_parts.py``; when the next batch is due is
decided in ``driver.py``; what a session does, phase by phase, is in ``player.py``.
"""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING

from tapeloom.bars import normalise_symbol
from tapeloom.errors import StateError
from tapeloom.session.flow import flow, flow_warning
from tapeloom.session.own_process import OwnProcess, interrupt
from tapeloom.session.run_parts import RunParts
from tapeloom.session.source_notes import source_warnings
from tapeloom.session.symbol_changes import Change
from tapeloom.timestamps import to_ns
from tapeloom.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from tapeloom._core import Batch
    from tapeloom.actions import Actions
    from tapeloom.calendars.time_manager import TimeManager
    from tapeloom.config.session_config import SessionConfig
    from tapeloom.config.stream_plan import StreamPlan
    from tapeloom.session.analysis_engine import AnalysisEngine
    from tapeloom.session.asked_indicator import AskedIndicator
    from tapeloom.session.metrics import PerformanceMetrics
    from tapeloom.session.quality_manager import DataQualityManager
    from tapeloom.session.realtime_indicators import RealtimeIndicators
    from tapeloom.session.result import RunWarning
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
        parts = RunParts(
            config,
            session_data,
            source,
            plan,
            time_manager=time_manager,
            engine=engine,
            sessions=sessions,
            indicators=indicators,
            quality=quality,
            metrics=metrics,
            actions=actions,
            results=results,
            asked_indicators=asked_indicators,
        )
        self._parts = parts
        self._session_data = session_data
        self._source = source
        self._time_manager = time_manager
        self._process = OwnProcess()
        self._driver, self._analyses = parts.driver, parts.analyses
        self.tally, self.metrics = parts.tally, parts.metrics
        self.control, self.quality = parts.control, parts.quality
        self.indicators = parts.indicators
        self._thread: threading.Thread | None = None
        self._is_running = False

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
        return self.is_finished and not self._parts.player.is_over

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
        return self._parts.lag_seconds

    @property
    def catching_up(self) -> frozenset[str]:
        """Symbols that are late: their bars are stored, their analysis calls wait."""
        lag = self._parts.lag
        return frozenset() if lag is None else lag.catching_up

    @property
    def progress(self) -> Callable[..., object] | None:
        """Who is told how far the run is, about ten times a second."""
        return self._parts.progress.call

    @progress.setter
    def progress(self, call: Callable[..., object] | None) -> None:
        self._parts.progress.call = call

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
            if self._parts.pace is not None:
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
            if self._parts.pace is not None:
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
        if not wait_for(event.wait, timeout):
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
        self._parts.changes.require_new(name)
        self._require_unfinished("add_symbol")
        plan = self._parts.plan_of(name, streams)
        add = partial(self._parts.add_symbol, name, plan, streams)
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
        self._parts.changes.require_known(name)
        self._require_unfinished("remove_symbol")
        remove = partial(self._parts.remove_symbol, name)
        self._driver.change(Change(name, False, remove))

    # Inside

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
