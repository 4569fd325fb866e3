"""The plan of a symbol that joins a running session: what a configuration that named it would have planned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tapeloom.config.session_config import SessionConfig
from tapeloom.config.stream_plan import StreamPlan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tapeloom.calendars.time_manager import TimeManager
    from tapeloom.config.feed_offer import FeedOffer
    from tapeloom.config.stream_plan import BarCatalog

__all__ = ["plan_of"]


def plan_of(
    symbol: str,
    streams: Sequence[str] | None,
    config: SessionConfig,
    source: BarCatalog,
    *,
    time_manager: TimeManager,
    start: int,
    end: int,
    offer: FeedOffer | None = None,
) -> StreamPlan:
    """Return the plan of one symbol.

    Parameters
    ----------
    symbol
        Canonical symbol.
    streams
        What is to stream; what the configuration streams if not given.
    config
        The configuration of the run, which stays as it is.
    source
        What is stored.
    time_manager
        The calendar of the run.
    start, end
        Its window, ``[start, end)`` ns UTC, which stays as it is whatever is corrected meanwhile.
    offer
        What the feed pushes, in live.

    Raises
    ------
    ConfigError
        If ``streams`` break a rule.
    PlanError
        If nothing stored serves the symbol.
    """
    given = config.model_dump()
    data = dict(given["session_data_config"])
    historical = dict(data["historical"])
    # History that is meant for some symbols only is not meant for one that none of them named.
    historical["data"] = [
        {**entry, "apply_to": "all"}
        for entry in historical["data"]
        if entry["apply_to"] == "all" or symbol in entry["apply_to"]
    ]
    data |= {"symbols": [symbol], "historical": historical}
    if streams is not None:
        data["streams"] = list(streams)
    alone = SessionConfig.from_dict(
        {**given, "session_data_config": data}, name="add_symbol"
    )
    return StreamPlan.build(
        alone, source, time_manager, start=start, end=end, offer=offer
    )
