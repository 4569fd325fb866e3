"""The present or last run of a manager: what it is, its parts, what it leaves behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tapeloom.errors import StateError
from tapeloom.session.own_process import OwnProcess
from tapeloom.storage.data_manager import DataManager
from tapeloom.system.live_wiring import LiveRun
from tapeloom.system.wiring import Run

if TYPE_CHECKING:
    from datetime import date, tzinfo

    from tapeloom.calendars.time_manager import TimeManager
    from tapeloom.config.stream_plan import StreamPlan
    from tapeloom.live.live_coordinator import LiveCoordinator
    from tapeloom.live.live_health import LiveHealth
    from tapeloom.session.coordinator import SessionCoordinator
    from tapeloom.session.metrics import PerformanceMetrics
    from tapeloom.session.result import RunResult
    from tapeloom.session_data import SessionData

__all__ = ["PresentRun"]


class PresentRun:
    """The part of ``SystemManager`` that answers for its run. What needs one is a ``StateError`` before the first start."""

    def __init__(self) -> None:
        self._run: Run | LiveRun | None = None
        self._process = OwnProcess()

    @property
    def mode(self) -> Literal["backtest", "live"] | None:
        """``"backtest"`` or ``"live"``; ``None`` before the first start."""
        return None if self._run is None else self._run.config.mode

    @property
    def timezone(self) -> tzinfo | None:
        """Zone of the exchange; ``None`` before the first start."""
        return None if self._run is None else self._run.session_data.timezone

    @property
    def exchange_group(self) -> str | None:
        """Exchange group of the configuration; ``None`` before the first start."""
        return None if self._run is None else self._run.config.exchange_group

    @property
    def backtest_start_date(self) -> date | None:
        """First date of the window; ``None`` before the first start."""
        window = None if self._run is None else self._run.config.backtest_config
        return None if window is None else window.start_date

    @property
    def backtest_end_date(self) -> date | None:
        """Last date of the window; ``None`` before the first start."""
        window = None if self._run is None else self._run.config.backtest_config
        return None if window is None else window.end_date

    # Parts

    @property
    def session_data(self) -> SessionData:
        """The store of the present or last run."""
        return self._present.session_data

    @property
    def plan(self) -> StreamPlan:
        """What the present or last run streams."""
        return self._present.plan

    @property
    def metrics(self) -> PerformanceMetrics:
        """Times of the present or last run."""
        return self._present.coordinator.metrics

    def get_time_manager(self) -> TimeManager:
        """Return clock and calendar of the present or last run."""
        return self._present.time_manager

    def get_data_manager(self) -> DataManager:
        """Return the storage of the present or last run."""
        source = self._present.source
        if not isinstance(source, DataManager):
            text = "the run reads bars from memory; it has no data manager"
            raise StateError(text)
        return source

    def get_session_coordinator(self) -> SessionCoordinator:
        """Return the coordinator of the present or last run.

        Raises
        ------
        StateError
            If the run is live, or there is none.
        """
        run = self._present
        if isinstance(run, LiveRun):
            text = "the run is live; get_live_coordinator() returns its coordinator"
            raise StateError(text)
        return run.coordinator

    def get_live_coordinator(self) -> LiveCoordinator:
        """Return the coordinator of the present or last live run.

        Raises
        ------
        StateError
            If the run is a backtest, or there is none.
        """
        run = self._present
        if not isinstance(run, LiveRun):
            text = "the run is a backtest; get_session_coordinator() returns its coordinator"
            raise StateError(text)
        return run.coordinator

    def health(self) -> LiveHealth:
        """Return how the present or last live run is doing, symbol by symbol; from any thread.

        Raises
        ------
        StateError
            If the run is a backtest, or there is none.
        """
        return self.get_live_coordinator().health()

    def result(self) -> RunResult:
        """Return what the present or last run leaves behind so far."""
        return self._present.result()

    # Inside

    @property
    def _present(self) -> Run | LiveRun:
        self._process.require("manager")
        if self._run is None:
            text = "there is no run yet; start() makes one"
            raise StateError(text)
        return self._run
