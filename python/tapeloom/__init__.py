"""The data side of a trading session: bars of many symbols in one stream, in order, complete, at native speed.

``import tapeloom`` loads nothing heavy: each name is imported when it is first used.
"""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING

from tapeloom._core import __version__

# Who wants to see what is logged says so; nothing is printed by itself.
logging.getLogger("tapeloom").addHandler(logging.NullHandler())

if TYPE_CHECKING:
    from tapeloom.backtest import Batches, replay, run
    from tapeloom.bars import BarData, Bars, Provenance
    from tapeloom.calendars.time_manager import TimeManager
    from tapeloom.checking import CheckReport
    from tapeloom.config.session_config import SessionConfig
    from tapeloom.config.stream_plan import StreamPlan
    from tapeloom.default_session import get_session_data, reset_session_data
    from tapeloom.errors import TapeloomError
    from tapeloom.gap import (
        Cause,
        Explanation,
        Gap,
        Gaps,
        GapSummary,
        QualityReport,
        QualityReports,
    )
    from tapeloom.indicators import (
        HistoricalIndicator,
        trailing_average,
        trailing_max,
        trailing_min,
    )
    from tapeloom.ingest import IngestCounts, IngestReport, Outcome
    from tapeloom.intervals import Interval
    from tapeloom.merged import MergedBars, merge, merge_pieces
    from tapeloom.panel import Panel
    from tapeloom.quotes import Quote, TickData
    from tapeloom.records import Records
    from tapeloom.session.analysis import Analysis
    from tapeloom.session.analysis_engine import AnalysisEngine
    from tapeloom.session.metrics import PerformanceMetrics
    from tapeloom.session.result import RunResult
    from tapeloom.session.stream_coordinator import BacktestStreamCoordinator
    from tapeloom.session.subscription import StreamSubscription
    from tapeloom.session_data import SessionData
    from tapeloom.session_tracker import get_session_tracker
    from tapeloom.standalone import ResampledBars, check, gaps, resample
    from tapeloom.statuses import ConnectionEvent, TradingStatus
    from tapeloom.storage.data_manager import DataManager
    from tapeloom.symbol_session_data import SymbolSessionData
    from tapeloom.system.system_manager import SystemManager, get_system_manager

__all__ = [
    "Analysis",
    "AnalysisEngine",
    "BacktestStreamCoordinator",
    "BarData",
    "Bars",
    "Batches",
    "Cause",
    "CheckReport",
    "ConnectionEvent",
    "DataManager",
    "Explanation",
    "Gap",
    "GapSummary",
    "Gaps",
    "HistoricalIndicator",
    "IngestCounts",
    "IngestReport",
    "Interval",
    "MergedBars",
    "Outcome",
    "Panel",
    "PerformanceMetrics",
    "Provenance",
    "QualityReport",
    "QualityReports",
    "Quote",
    "Records",
    "ResampledBars",
    "RunResult",
    "SessionConfig",
    "SessionData",
    "StreamPlan",
    "StreamSubscription",
    "SymbolSessionData",
    "SystemManager",
    "TapeloomError",
    "TickData",
    "TimeManager",
    "TradingStatus",
    "__version__",
    "check",
    "gaps",
    "get_session_data",
    "get_session_tracker",
    "get_system_manager",
    "merge",
    "merge_pieces",
    "replay",
    "resample",
    "reset_session_data",
    "run",
    "trailing_average",
    "trailing_max",
    "trailing_min",
]

_ROOMS = {
    "Analysis": "session.analysis",
    "AnalysisEngine": "session.analysis_engine",
    "BacktestStreamCoordinator": "session.stream_coordinator",
    "BarData": "bars",
    "Bars": "bars",
    "Batches": "backtest",
    "Cause": "gap",
    "CheckReport": "checking",
    "ConnectionEvent": "statuses",
    "DataManager": "storage.data_manager",
    "Explanation": "gap",
    "Gap": "gap",
    "GapSummary": "gap",
    "Gaps": "gap",
    "HistoricalIndicator": "indicators",
    "IngestCounts": "ingest",
    "IngestReport": "ingest",
    "Interval": "intervals",
    "MergedBars": "merged",
    "Outcome": "ingest",
    "Panel": "panel",
    "PerformanceMetrics": "session.metrics",
    "Provenance": "bars",
    "QualityReport": "gap",
    "QualityReports": "gap",
    "Quote": "quotes",
    "Records": "records",
    "ResampledBars": "standalone",
    "RunResult": "session.result",
    "SessionConfig": "config.session_config",
    "SessionData": "session_data",
    "StreamPlan": "config.stream_plan",
    "StreamSubscription": "session.subscription",
    "SymbolSessionData": "symbol_session_data",
    "SystemManager": "system.system_manager",
    "TapeloomError": "errors",
    "TickData": "quotes",
    "TimeManager": "calendars.time_manager",
    "TradingStatus": "statuses",
    "check": "standalone",
    "gaps": "standalone",
    "get_session_data": "default_session",
    "get_session_tracker": "session_tracker",
    "get_system_manager": "system.system_manager",
    "merge": "merged",
    "merge_pieces": "merged",
    "replay": "backtest",
    "resample": "standalone",
    "reset_session_data": "default_session",
    "run": "backtest",
    "trailing_average": "indicators",
    "trailing_max": "indicators",
    "trailing_min": "indicators",
}


def __getattr__(name: str) -> object:
    room = _ROOMS.get(name)
    if room is None:
        text = f"module 'tapeloom' has no attribute {name!r}"
        raise AttributeError(text)
    value = getattr(import_module(f"tapeloom.{room}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
