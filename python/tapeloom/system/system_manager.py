"""Starts, watches and ends runs: the state machine around a coordinator. It holds no bars and loads no queues."""

from __future__ import annotations

import threading
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from tapeloom.default_session import install_session_data
from tapeloom.errors import ArgumentError, StateError
from tapeloom.session.analysis_engine import AnalysisEngine
from tapeloom.session.asked_indicator import AskedIndicator
from tapeloom.session.flow import flow, flow_error
from tapeloom.system.at_exit import stop_at_exit
from tapeloom.system.live_wiring import LiveRun
from tapeloom.system.present_run import PresentRun
from tapeloom.system.run_builder import RunBuilder
from tapeloom.system.system_info import info_of
from tapeloom.system.wiring import Run, config_of
from tapeloom.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from types import TracebackType

    from tapeloom.calendars.time_manager import TimeManager
    from tapeloom.config.session_config import SessionConfig
    from tapeloom.history_source import HistorySource
    from tapeloom.intervals import IntervalLike
    from tapeloom.live.data_api import DataApi
    from tapeloom.live.live_player import Timing
    from tapeloom.storage.bar_source import BarSource

__all__ = ["SystemManager", "SystemState", "get_system_manager"]

_Wired = TypeVar("_Wired", Run, LiveRun, "Run | LiveRun")


class SystemState(StrEnum):
    """Where a manager stands. ``FAILED`` and ``STOPPED`` can start again."""

    STOPPED = "STOPPED"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    STOPPING = "STOPPING"
    FAILED = "FAILED"


class SystemManager(PresentRun):
    """Runs one configuration at a time; a context manager that stops on leaving.

    Parameters
    ----------
    data
        Storage root: a folder, a flat folder, one file, or a pattern.
    time_manager
        Calendar and clock to use; one of the configuration's exchange group is made for each run if not given.
    actions
        Splits: an ``Actions``, a table or its path; ``actions.csv`` or ``actions.parquet`` in ``data`` if not given.
    history_source
        Who is asked for missing bars where the configuration says ``on_gap: "fill"``, and in live.
    data_api
        Where live data come from, in place of what the configuration names: a feed of one's own.
    out
        Folder for what each session leaves behind.
    resume
        Whether sessions that ``out`` holds already are not run again.

    Examples
    --------
    >>> from tapeloom import SystemManager
    >>> manager = SystemManager("bars")
    >>> manager.state
    <SystemState.STOPPED: 'STOPPED'>
    """

    def __init__(
        self,
        data: str | Path = "data",
        *,
        time_manager: TimeManager | None = None,
        actions: object | None = None,
        history_source: HistorySource | None = None,
        data_api: DataApi | None = None,
        out: str | Path | None = None,
        resume: bool = False,
    ) -> None:
        super().__init__()
        self._builder = RunBuilder(
            data,
            time_manager=time_manager,
            actions=actions,
            history_source=history_source,
            data_api=data_api,
            out=out,
            resume=resume,
        )
        # Entered again where a signal handler stops the manager it interrupted.
        self._changed = threading.Condition(threading.RLock())
        # Who wires a run at present, and whether it was told to stop before it runs.
        self._starter: int | None = None
        self._is_start_given_up = False
        self._error: BaseException | None = None
        self._indicators: dict[str, AskedIndicator] = {}
        self._engine = AnalysisEngine(self)
        #: Who is told how far a run is, about ten times a second.
        self.progress: Callable[..., object] | None = None

    def attach(self, engine: AnalysisEngine) -> None:
        """Let an engine's analyses take part in the runs from the next on, in place of those of the engine before.

        Raises
        ------
        StateError
            While a run is at work.
        """
        self._require("attach", SystemState.STOPPED, SystemState.FAILED)
        self._engine = engine

    @property
    def engine(self) -> AnalysisEngine:
        """The analyses of the runs: ``manager.engine.add(analyse)``."""
        return self._engine

    def add_indicator(
        self,
        name: str,
        indicator: object,
        *,
        symbols: str | Iterable[str] = "all",
        interval: IntervalLike | None = None,
        warmup: bool = True,
    ) -> None:
        """Have a real-time indicator follow the runs from the next on, beside those of their configurations.

        Parameters
        ----------
        name, indicator, symbols, interval, warmup
            As of ``RealtimeIndicators.add``: a class or function, or the type of a built-in kind.

        Raises
        ------
        ArgumentError
            For what breaks its rule, or a name that was added before.
        """
        asked = AskedIndicator.of(
            name, indicator, symbols=symbols, interval=interval, warmup=warmup
        )
        if asked.name in self._indicators:
            text = f"name is {asked.name!r}, which is added already; choose another, such as '{asked.name}_2'"
            raise ArgumentError(text, got=name)
        self._indicators[asked.name] = asked

    # State

    @property
    def state(self) -> SystemState:
        """Where the manager stands."""
        self._process.require("manager")
        if self._starter is not None:
            return SystemState.STARTING
        run = self._run
        if self._error is not None:
            return SystemState.FAILED
        if run is None:
            return SystemState.STOPPED
        coordinator = run.coordinator
        if coordinator.is_over:
            return (
                SystemState.STOPPED if coordinator.error is None else SystemState.FAILED
            )
        if coordinator.control.is_stopping or coordinator.error is not None:
            return SystemState.STOPPING
        return (
            SystemState.PAUSED if coordinator.control.is_paused else SystemState.RUNNING
        )

    @property
    def error(self) -> BaseException | None:
        """What made the last start or run fail; ``None`` if nothing did."""
        run = self._run
        if self._error is None and run is not None:
            return run.coordinator.error
        return self._error

    # Life

    def start(self, config: SessionConfig | Mapping[str, object] | str | Path) -> None:
        """Validate, wire and start a run. All or nothing: a failure undoes everything.

        Parameters
        ----------
        config
            A configuration, a dict of the same form, or the path of its JSON file.

        Raises
        ------
        StateError
            From any state but ``STOPPED`` and ``FAILED``.
        TapeloomError
            What made the start fail; the state is ``FAILED`` then.
        """
        if (
            self._prepared(lambda: self._wired(config_of(config)), begin=True)
            is not None
        ):
            flow("2", "Complete - running")

    def prepare(
        self,
        config: SessionConfig | Mapping[str, object] | str | Path,
        *,
        source: BarSource | None = None,
        started: float | None = None,
    ) -> Run:
        """Validate and wire a run without starting it: for who steps through it or plays it on their own thread.

        Parameters
        ----------
        config
            As in ``start``.
        source
            Where bars come from, in place of the storage root.
        started
            When the work began, by ``time.perf_counter``.

        Raises
        ------
        StateError
            From any state but ``STOPPED`` and ``FAILED``; if the manager is stopped meanwhile.
        """
        return self._wired_alone(
            lambda: self._builder.backtest(
                config_of(config), *self._asked, source=source, started=started
            )
        )

    def prepare_live(
        self,
        config: SessionConfig | Mapping[str, object] | str | Path,
        *,
        timing: Timing | None = None,
        started: float | None = None,
    ) -> LiveRun:
        """Validate and wire a live run without starting it: for who runs it on their own thread.

        Parameters
        ----------
        config
            As in ``start``; its mode is ``"live"``.
        timing
            When a session does what; see ``tapeloom.live.live_player.Timing``.
        started
            When the work began, by ``time.perf_counter``.

        Raises
        ------
        StateError
            As of ``prepare``; if the configuration is of a backtest.
        """
        return self._wired_alone(
            lambda: self._builder.live(
                config_of(config), *self._asked, timing=timing, started=started
            )
        )

    def _wired(self, config: SessionConfig) -> Run | LiveRun:
        if config.mode == "live":
            return self._builder.live(config, *self._asked)
        return self._builder.backtest(config, *self._asked)

    @property
    def _asked(self) -> tuple[AnalysisEngine, Collection[AskedIndicator]]:
        """What the user wants to be told, and followed."""
        return self._engine, self._indicators.values()

    def _wired_alone(self, wire_run: Callable[[], _Wired]) -> _Wired:
        run = self._prepared(wire_run)
        if run is None:
            text = (
                "the manager was stopped before the run was wired; call prepare() again"
            )
            raise StateError(text)
        return run

    def _prepared(
        self, wire_run: Callable[[], _Wired], *, begin: bool = False
    ) -> _Wired | None:
        """Return a run that is wired, and begun if asked to; ``None`` if the manager was stopped meanwhile."""
        with self._changed:
            self._require("start", SystemState.STOPPED, SystemState.FAILED)
            self._starter = threading.get_ident()
            self._is_start_given_up = False
            self._error = None
        try:
            run = wire_run()
            with self._changed:
                if self._is_start_given_up:
                    self._run = None
                    # Of a live run the journal is open by now.
                    run.coordinator.stop(0)
                    return None
                run.coordinator.progress = self.progress
                stop_at_exit(self)
                if begin:
                    run.coordinator.start()
                    flow("2.h", "Complete - coordinator started")
                install_session_data(run.session_data)
                self._run = run
                return run
        except BaseException as error:
            self._error, self._run = error, None
            flow_error("2", "%s: %s", type(error).__name__, error)
            raise
        finally:
            with self._changed:
                self._starter = None
                self._changed.notify_all()

    def stop(self, timeout: float | None = 10.0) -> None:
        """End the run after the present batch, from any state. Doing so twice changes nothing.

        Parameters
        ----------
        timeout
            Seconds after which it returns, whatever an analysis does; one that does not return leaves the state
            ``FAILED``.
        """
        self._process.require("manager")
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            if self._starter is not None:
                # It is given up as soon as its parts are wired.
                self._is_start_given_up = True
                if self._starter == threading.get_ident():
                    return
                self._wait_for_starter(timeout)
            run = self._run
        if run is None or self._error is not None:
            return
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        if isinstance(run, LiveRun):
            run.give_up_history()
        run.coordinator.stop(left)

    def pause(self) -> None:
        """Let the run wait after the present batch.

        Raises
        ------
        StateError
            From any state but ``RUNNING``; in live, as the market does not wait.
        """
        self._require("pause", SystemState.RUNNING)
        self._present.coordinator.pause()

    def resume(self) -> None:
        """Let a paused run go on.

        Raises
        ------
        StateError
            From any state but ``PAUSED``; in live.
        """
        if not isinstance(self._run, LiveRun):
            self._require("resume", SystemState.PAUSED)
        self._present.coordinator.resume()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the run is over, and raise what made it fail.

        Returns
        -------
        bool
            Whether it is over; false after ``timeout`` seconds.
        """
        self._process.require("manager")
        with self._changed:
            if self._starter == threading.get_ident():
                text = "wait() was called from inside start()"
                raise StateError(text)
            if not self._wait_for_starter(timeout):
                return False
        if self._error is not None:
            raise self._error
        return self._run is None or self._run.coordinator.wait(timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def leave(self, seconds: float) -> None:
        """Stop because the process ends, and wait that long for the threads; a process forked off has none."""
        if not self._process.is_here:
            return
        self.stop(0.75 * seconds)
        if self._run is not None:
            self._run.coordinator.leave(0.1 * seconds)

    def _wait_for_starter(self, timeout: float | None) -> bool:
        """Wait until nobody is inside ``start``; return whether that came in time. Whoever calls holds the lock."""
        return wait_for(
            lambda seconds: self._changed.wait_for(
                lambda: self._starter is None, seconds
            ),
            timeout,
        )

    def system_info(
        self, complete: bool = False, *, since_epoch: int | None = None
    ) -> dict[str, Any]:
        """Return the state as dicts, lists, texts and numbers, ready for JSON.

        Parameters
        ----------
        complete
            Whether configuration, plan and everything in the store are part of it.
        since_epoch
            Only what changed in the store after an epoch, as a former answer named it.
        """
        found: dict[str, Any] = {"state": str(self.state), "error": _text(self.error)}
        if self._run is not None:
            found |= info_of(self._run, complete=complete, since_epoch=since_epoch)
        return found

    # Inside

    def _require(self, method: str, *states: SystemState) -> None:
        state = self.state
        if state not in states:
            wanted = " or ".join(states)
            text = f"{method}() needs the state {wanted}; the manager is {state}"
            raise StateError(text, got=state)


_default: SystemManager | None = None
_default_lock = threading.Lock()


def get_system_manager() -> SystemManager:
    """Return the process-wide manager, made on first use over the folder ``data``."""
    global _default
    with _default_lock:
        if _default is None:
            _default = SystemManager()
        return _default


def _text(error: BaseException | None) -> str | None:
    return None if error is None else f"{type(error).__name__}: {error}"
