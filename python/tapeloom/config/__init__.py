"""What a session should hold: the configuration, and the plan that storage allows."""

from tapeloom.config.session_config import SessionConfig
from tapeloom.config.stream_plan import (
    HistoryNeed,
    PlanWarning,
    StreamDecision,
    StreamPlan,
    SymbolPlan,
)

__all__ = [
    "HistoryNeed",
    "PlanWarning",
    "SessionConfig",
    "StreamDecision",
    "StreamPlan",
    "SymbolPlan",
]
