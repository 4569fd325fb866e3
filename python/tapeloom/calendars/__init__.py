"""Calendars: when markets are open, and what time it is."""

from __future__ import annotations

from tapeloom.calendars.alerts import Alert
from tapeloom.calendars.clock import BacktestClock, Clock, ClockJump, LiveClock
from tapeloom.calendars.days import from_day, to_day
from tapeloom.calendars.exchange_group import ExchangeGroup, resolve_exchange_group
from tapeloom.calendars.market_calendar import MarketCalendar, SegmentKind
from tapeloom.calendars.overlay import Overlay
from tapeloom.calendars.session_table import get_market_calendar, get_session_table
from tapeloom.calendars.time_manager import CacheStats, TimeManager
from tapeloom.calendars.trading_session import Segment, TradingSession

__all__ = [
    "Alert",
    "BacktestClock",
    "CacheStats",
    "Clock",
    "ClockJump",
    "ExchangeGroup",
    "LiveClock",
    "MarketCalendar",
    "Overlay",
    "Segment",
    "SegmentKind",
    "TimeManager",
    "TradingSession",
    "from_day",
    "get_market_calendar",
    "get_session_table",
    "resolve_exchange_group",
    "to_day",
]
