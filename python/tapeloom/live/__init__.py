"""Live data: feeds, the sources of history beside them, and a server to rehearse both against."""

from __future__ import annotations

from tapeloom.live.alpaca import AlpacaFeed
from tapeloom.live.alpaca_history import AlpacaHistory
from tapeloom.live.credentials import Secret
from tapeloom.live.data_api import DataApi, register_data_api
from tapeloom.live.feed import (
    CHANNELS,
    Feed,
    FeedEvent,
    MalformedMessage,
    SymbolStatus,
    UpdatedBar,
)
from tapeloom.live.feed_health import FeedHealth
from tapeloom.live.fetched_history import FetchedHistory
from tapeloom.live.iteration import events_of
from tapeloom.live.recording import Recording
from tapeloom.live.replay_feed import ReplayFeed
from tapeloom.live.server import Fault, FeedServer

__all__ = [
    "CHANNELS",
    "AlpacaFeed",
    "AlpacaHistory",
    "DataApi",
    "Fault",
    "Feed",
    "FeedEvent",
    "FeedHealth",
    "FeedServer",
    "FetchedHistory",
    "MalformedMessage",
    "Recording",
    "ReplayFeed",
    "Secret",
    "SymbolStatus",
    "UpdatedBar",
    "events_of",
    "register_data_api",
]
