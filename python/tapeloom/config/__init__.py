"""What a session should hold: the configuration, and the plan that storage allows."""

from tapeloom.config.history_need import HistoryNeed, IndicatorRead
from tapeloom.config.schema_file import packaged_schema
from tapeloom.config.session_config import SessionConfig
from tapeloom.config.stream_plan import (
    PlanWarning,
    StreamDecision,
    StreamPlan,
    SymbolPlan,
)
from tapeloom.config.universe import Universe

__all__ = [
    "HistoryNeed",
    "IndicatorRead",
    "PlanWarning",
    "SessionConfig",
    "StreamDecision",
    "StreamPlan",
    "SymbolPlan",
    "Universe",
    "packaged_schema",
]
