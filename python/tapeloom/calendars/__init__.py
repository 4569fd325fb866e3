"""Calendars: when markets are open, and what time it is."""

from __future__ import annotations

from tapeloom.calendars.clock import BacktestClock, Clock, WallClock
from tapeloom.calendars.session_table import (
    ExchangeGroup,
    SegmentKind,
    from_day,
    get_session_table,
    resolve_exchange_group,
    to_day,
)
from tapeloom.calendars.time_manager import TimeManager
from tapeloom.calendars.trading_session import Segment, TradingSession

__all__ = [
    "BacktestClock",
    "Clock",
    "ExchangeGroup",
    "Segment",
    "SegmentKind",
    "TimeManager",
    "TradingSession",
    "WallClock",
    "from_day",
    "get_session_table",
    "resolve_exchange_group",
    "to_day",
]
