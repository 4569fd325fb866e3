"""Wires the parts of one run: calendar, bars, window, plan, store, coordinator. It runs nothing."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tapeloom.calendars.given_exchange import time_manager_for
from tapeloom.config.session_config import SessionConfig
from tapeloom.config.stream_plan import StreamPlan
from tapeloom.config.window import window_sessions
from tapeloom.errors import ConfigError, MissingDataError, StateError
from tapeloom.session.coordinator import SessionCoordinator
from tapeloom.session.flow import flow
from tapeloom.session.quality_manager import DataQualityManager
from tapeloom.session.result import RunResult, RunWarning
from tapeloom.session_data import SessionData
from tapeloom.storage.data_manager import DataManager
from tapeloom.words import counted

if TYPE_CHECKING:
    from tapeloom.actions import Actions
    from tapeloom.calendars.time_manager import TimeManager
    from tapeloom.history_source import HistorySource
    from tapeloom.session.analysis_engine import AnalysisEngine
    from tapeloom.session.asked_indicator import AskedIndicator
    from tapeloom.session.result_folder import ResultFolder
    from tapeloom.storage.bar_source import BarSource
    from tapeloom.system.live_wiring import LiveRun

__all__ = [
    "Run",
    "config_of",
    "data_manager_for",
    "simulated",
    "store_of",
    "summed_up",
    "wire",
]


@dataclass(slots=True)
class Run:
    """One run with its parts."""

    config: SessionConfig
    source: BarSource
    plan: StreamPlan
    time_manager: TimeManager
    session_data: SessionData
    engine: AnalysisEngine
    coordinator: SessionCoordinator
    started: float = field(default_factory=time.perf_counter)

    def result(self) -> RunResult:
        """Sum up the sessions that have ended."""
        return summed_up(self)


def summed_up(run: Run | LiveRun) -> RunResult:
    """Return what the sessions of a run that have ended leave behind."""
    tally, coordinator, store = run.coordinator.tally, run.coordinator, run.session_data
    return RunResult(
        session_name=run.config.session_name,
        plan=run.plan,
        sessions=tuple(tally.sessions),
        symbols=tally.symbols,
        warnings=(
            *tally.warnings,
            *coordinator.source_warnings(),
            *_analysis_errors(run.engine),
        ),
        session_data=store,
        records=store.records,
        table_fingerprint=store.session_table.fingerprint,
        total_seconds=time.perf_counter() - run.started,
        metrics=coordinator.metrics,
        analysis_name=run.engine.name,
        stopped_early=coordinator.stopped_early,
    )


def config_of(
    given: SessionConfig | Mapping[str, object] | str | Path,
) -> SessionConfig:
    """Return the configuration that is given, in a file or as a dict."""
    if isinstance(given, SessionConfig):
        return given
    if isinstance(given, Mapping):
        return SessionConfig.from_dict(given)
    if not isinstance(given, str | Path):
        text = (
            f"config is {type(given).__name__}; give a path, a dict or a SessionConfig"
        )
        raise ConfigError(text, got=given)
    return SessionConfig.load(given)


def simulated(
    exchange_group: str | None, given: TimeManager | None = None
) -> TimeManager:
    """Return the time manager of a backtest: the one given, if it can simulate and no run moves it, or a new one."""
    manager = time_manager_for(exchange_group, given)
    if manager.get_current_mode() != "backtest":
        text = "time_manager is live; a backtest needs one with a simulated clock"
        raise StateError(text)
    manager.require_free()
    flow("2.b", "Complete - %s, clock simulated", manager.exchange_group)
    return manager


def data_manager_for(
    config: SessionConfig, data: str | Path, time_manager: TimeManager
) -> DataManager:
    """Return the data manager of a storage root, with the rules of a configuration."""
    rules = config.session_data_config.bars
    manager = DataManager(
        data,
        time_manager=time_manager,
        exchange_group=config.exchange_group,
        on_invalid=rules.on_invalid,
        allow_negative_prices=rules.allow_negative_prices,
    )
    flow("2.c", "Complete - bars in %s", data)
    return manager


def wire(
    config: SessionConfig,
    source: BarSource,
    engine: AnalysisEngine,
    *,
    time_manager: TimeManager,
    actions: Actions | None = None,
    history_source: HistorySource | None = None,
    indicators: Sequence[AskedIndicator] = (),
    results: ResultFolder | None = None,
    started: float | None = None,
) -> Run:
    """Return a run that has not begun.

    Parameters
    ----------
    config
        The configuration.
    source
        Where bars come from.
    engine
        The analyses, which will read the store of this run.
    time_manager
        Clock and calendar.
    actions
        Splits, by which history is restated.
    history_source
        Who is asked for missing bars where ``on_gap`` says so.
    indicators
        Real-time indicators beside those of the configuration.
    results
        A folder with what earlier sessions left behind, which are not run again.
    started
        When the work began, by ``time.perf_counter``.

    Raises
    ------
    ConfigError
        If the window holds no session.
    PlanError
        If nothing stored serves the configuration.
    """
    _require_bars(source)
    window = config.backtest_config
    if window is None:
        text = "backtest_config is missing; give start_date and end_date"
        raise ConfigError(text)
    sessions = list(window_sessions(time_manager, window.start_date, window.end_date))
    flow(
        "2.d",
        "Complete - %s from %s to %s",
        counted(len(sessions), "session"),
        window.start_date,
        window.end_date,
    )
    plan = StreamPlan.build(config, source, time_manager)
    flow("2.e", "Complete - plan of %s", counted(len(plan.symbols), "symbol"))
    store = store_of(config, time_manager)
    # The table is the one of this moment, whatever is corrected later.
    if isinstance(source, DataManager):
        source.pin_session_table(store.session_table)
    for name, spans in config.universe.spans.items():
        store.set_membership(name, spans)
    flow("2.f", "Complete - store of %s", config.exchange_group)
    engine.attach_to(store)
    data = config.session_data_config
    coordinator = SessionCoordinator(
        config,
        store,
        source,
        plan,
        time_manager=time_manager,
        engine=engine,
        sessions=sessions,
        quality=DataQualityManager(
            store,
            enable_session_quality=data.gap_filler.enable_session_quality,
            on_gap=data.bars.on_gap,
            history_source=history_source,
            stream_source=source,
            max_retries=data.gap_filler.max_retries,
            retry_interval_seconds=data.gap_filler.retry_interval_seconds,
            time_manager=time_manager,
        ),
        actions=actions,
        results=results,
        asked_indicators=indicators,
    )
    flow("2.g", "Complete - coordinator and %s", engine.name or "no analysis")
    run = Run(config, source, plan, time_manager, store, engine, coordinator)
    if started is not None:
        run.started = started
    return run


def _require_bars(source: BarSource) -> None:
    """Raise MissingDataError where there are files, and not one bar in them."""
    for symbol in source.get_symbols():
        for interval in source.get_intervals(symbol):
            if source.get_ranges(symbol, interval):
                return
    root = getattr(source, "root", None)
    text = "data hold no bar" if root is None else f"the files in {root!r} hold no bar"
    raise MissingDataError(text, path=root)


def store_of(config: SessionConfig, time_manager: TimeManager) -> SessionData:
    """Return an empty store with the rules of a configuration."""
    data, rules = config.session_data_config, config.session_data_config.bars
    return SessionData(
        config.exchange_group,
        time_manager=time_manager,
        on_duplicate=rules.on_duplicate,
        on_invalid=rules.on_invalid,
        allow_negative_prices=rules.allow_negative_prices,
        completeness=rules.completeness,
        anchor=rules.anchor,
        no_trade=rules.no_trade,
        extended_hours=rules.extended_hours,
        measure_history_quality=data.historical.enable_quality,
        measure_session_quality=data.gap_filler.enable_session_quality,
    )


def _analysis_errors(engine: AnalysisEngine) -> list[RunWarning]:
    return [
        RunWarning("analysis", f"analysis {name} raised {kind}; the run went on", count)
        for (name, kind), count in engine.errors.items()
    ]
