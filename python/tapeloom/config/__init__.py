"""What a session should hold: the configuration, and the plan that storage allows."""

from tapeloom.config.feed_offer import FeedOffer
from tapeloom.config.history_need import HistoryNeed, IndicatorRead
from tapeloom.config.live_config import LiveConfig
from tapeloom.config.plan_warnings import PlanWarning
from tapeloom.config.schema_file import packaged_schema
from tapeloom.config.session_config import SessionConfig
from tapeloom.config.stream_plan import StreamPlan
from tapeloom.config.symbol_plan import StreamDecision, SymbolPlan
from tapeloom.config.universe import Universe
from tapeloom.config.warm_up import WarmUp

__all__ = [
    "FeedOffer",
    "HistoryNeed",
    "IndicatorRead",
    "LiveConfig",
    "PlanWarning",
    "SessionConfig",
    "StreamDecision",
    "StreamPlan",
    "SymbolPlan",
    "Universe",
    "WarmUp",
    "packaged_schema",
]
