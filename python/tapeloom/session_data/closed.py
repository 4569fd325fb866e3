"""Why the market does not trade on a date or at an instant, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tapeloom.calendars.days import to_day
from tapeloom.calendars.trading_session import trading_session

if TYPE_CHECKING:
    from datetime import date

    from tapeloom.calendars.market_calendar import MarketCalendar
    from tapeloom.gap.times import Times

__all__ = ["no_trading_on", "outside_hours"]


def no_trading_on(market: MarketCalendar, day: date) -> str:
    """Return why a date has no session, such as ``"2025-07-04 is a holiday (Independence Day)"``."""
    number = to_day(day)
    if not market.table.first_day <= number <= market.table.last_day:
        return str(market.outside(f"{day} is", got=day))
    session = trading_session(market, number)
    if session.is_holiday:
        name = f" ({session.holiday_name})" if session.holiday_name else ""
        return f"{day} is a holiday{name}"
    if session.is_trading_day:
        return f"the time asked for on {day} belongs to no session"
    return f"{day} is a {day:%A} without trading"


def outside_hours(market: MarketCalendar, session: int, ns: int, times: Times) -> str:
    """Return where an instant outside regular hours lies, such as ``"pre-market, before the open at 09:30"``."""
    table = market.table
    opening, close = int(table.opens[session]), int(table.closes[session])
    kind = table.session_type(ns)
    if kind == "break":
        stretches = table.segments(session)
        end = max(end for _, end in stretches if end <= ns)
        start = min(start for start, _ in stretches if start > ns)
        return f"in the break from {times.at(end)} to {times.at(start)}"
    word = {"pre_market": "pre-market", "post_market": "post-market"}.get(
        kind, "closed"
    )
    if ns < opening:
        return f"{word}, before the open at {times.at(opening)}"
    early = "early " if market.closes_early(int(table.dates[session])) else ""
    return f"{word}, after the {early}close at {times.at(close)}"
