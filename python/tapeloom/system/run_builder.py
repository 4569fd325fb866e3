"""What runs are made from, and the making of them: the configuration decides which kind it becomes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tapeloom.actions import Actions
from tapeloom.errors import ArgumentError, StateError
from tapeloom.session.flow import flow
from tapeloom.session.result_folder import ResultFolder
from tapeloom.storage.data_manager import DataManager
from tapeloom.system.live_wiring import LiveRun, live_surroundings, wire_live
from tapeloom.system.wiring import Run, data_manager_for, simulated, wire

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from tapeloom.calendars.time_manager import TimeManager
    from tapeloom.config.session_config import SessionConfig
    from tapeloom.history_source import HistorySource
    from tapeloom.live.data_api import DataApi
    from tapeloom.live.live_player import Timing
    from tapeloom.session.analysis_engine import AnalysisEngine
    from tapeloom.session.asked_indicator import AskedIndicator
    from tapeloom.storage.bar_source import BarSource

__all__ = ["RunBuilder"]


class RunBuilder:
    """Wires runs from what a manager was given. It starts none.

    Parameters
    ----------
    data, time_manager, actions, history_source, data_api, out, resume
        As of ``SystemManager``.
    """

    def __init__(
        self,
        data: str | Path,
        *,
        time_manager: TimeManager | None,
        actions: object | None,
        history_source: HistorySource | None,
        data_api: DataApi | None,
        out: str | Path | None,
        resume: bool,
    ) -> None:
        self._data = data
        self._time_manager = time_manager
        self._given_actions = actions
        self._history_source = history_source
        self._data_api = data_api
        self._out = out
        self._resume = resume

    def backtest(
        self,
        config: SessionConfig,
        engine: AnalysisEngine,
        indicators: Collection[AskedIndicator],
        *,
        source: BarSource | None = None,
        started: float | None = None,
    ) -> Run:
        """Wire a backtest; its bars come from ``source``, if given, in place of the storage root.

        Raises
        ------
        StateError
            If the configuration is of a live run.
        """
        if config.mode == "live":
            text = "config is of a live run; prepare_live() wires it, start() starts either"
            raise StateError(text)
        flow("2.a", "Complete - Config loaded: %s", config.session_name)
        manager = simulated(config.exchange_group, self._time_manager)
        if source is None:
            source = data_manager_for(config, self._data, manager)
        elif not isinstance(source, DataManager):
            flow("2.c", "Complete - bars in memory")
        results = (
            None
            if self._out is None
            else ResultFolder(self._out, config, manager, resume=self._resume)
        )
        return wire(
            config,
            source,
            engine,
            time_manager=manager,
            actions=self._actions(is_stored=isinstance(source, DataManager)),
            history_source=self._history_source,
            indicators=tuple(indicators),
            results=results,
            started=started,
        )

    def live(
        self,
        config: SessionConfig,
        engine: AnalysisEngine,
        indicators: Collection[AskedIndicator],
        *,
        timing: Timing | None = None,
        started: float | None = None,
    ) -> LiveRun:
        """Wire a live run.

        Raises
        ------
        StateError
            If the configuration is of a backtest.
        ArgumentError
            For what only backtests have.
        """
        if config.mode != "live":
            text = "config is of a backtest; prepare() wires it, start() starts either"
            raise StateError(text)
        if self._out is not None or self._resume:
            text = "out and resume are for backtests; the journal keeps a live session, and goes on by itself"
            raise ArgumentError(text, got=self._out)
        flow("2.a", "Complete - Config loaded: %s", config.session_name)
        surroundings = live_surroundings(
            config,
            self._data,
            api=self._data_api,
            time_manager=self._time_manager,
            history_source=self._history_source,
        )
        return wire_live(
            config,
            surroundings,
            engine,
            actions=self._actions(is_stored=True),
            history_source=self._history_source,
            indicators=tuple(indicators),
            timing=timing,
            started=started,
        )

    def _actions(self, *, is_stored: bool) -> Actions:
        """The splits that were given, or those beside stored bars."""
        if self._given_actions is not None:
            return Actions.of(self._given_actions)
        return Actions.beside(self._data) if is_stored else Actions()
