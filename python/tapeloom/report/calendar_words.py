"""Dates and sessions in words: ``early close``, ``09:30 - 16:00``. Knows no table and no file."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime

    from tapeloom.calendars import TradingSession
    from tapeloom.calendars.calendar_diff import Aspect

__all__ = [
    "aspect_text",
    "clock_text",
    "day_text",
    "extended_hours",
    "hours",
    "kind_of",
    "kind_text",
    "minutes",
    "regular_hours",
]


def day_text(day: date) -> str:
    """Return ``"Thu 2025-07-03"``, in English whatever the locale."""
    names = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
    return f"{names[day.weekday()]} {day.isoformat()}"


def kind_of(session: TradingSession) -> str:
    """Return ``session``, ``early close``, ``holiday`` or ``weekend``, which is any day off that is no holiday."""
    if session.is_trading_day:
        return "early close" if session.is_early_close else "session"
    return "holiday" if session.is_holiday else "weekend"


def kind_text(session: TradingSession) -> str:
    """Return the kind of a date, with the name of the holiday if it has one."""
    kind = kind_of(session)
    return f"{kind}, {session.holiday_name}" if session.holiday_name else kind


def clock_text(instant: datetime, day: date) -> str:
    """Return ``"13:00"``, with ``-1d`` or ``+1d`` where the instant falls on another date than the session's."""
    text = instant.strftime("%H:%M:%S" if instant.second else "%H:%M")
    days = instant.toordinal() - day.toordinal()
    return f"{text}{days:+}d" if days else text


def minutes(session: TradingSession) -> str:
    """Return the length of the regular hours in minutes; empty without a session."""
    if not session.is_trading_day:
        return ""
    whole = session.regular_time.total_seconds() / 60
    return f"{whole:,g}"


def regular_hours(session: TradingSession) -> list[str]:
    """Return each regular stretch, such as ``"09:30 - 16:00"``."""
    bounds = [
        bound
        for s in session.segments
        if s.kind == "regular"
        for bound in (s.start, s.end)
    ]
    return _stretches(bounds, session.date)


def extended_hours(session: TradingSession) -> str:
    """Return start of the pre-market and end of the post-market; empty where there is neither."""
    if not any(s.kind in ("pre_market", "post_market") for s in session.segments):
        return ""
    bounds = session.segments[0].start, session.segments[-1].end
    return _stretches(bounds, session.date)[0]


def hours(session: TradingSession) -> str:
    """Return the hours of a date in one line, or why it has none."""
    if not session.is_trading_day:
        name = session.holiday_name
        return f"closed, {name}" if name else "closed"
    extended = extended_hours(session)
    regular = ", ".join(regular_hours(session))
    return f"{regular}, extended {extended}" if extended else regular


def aspect_text(session: TradingSession, aspect: Aspect) -> str:
    """Return what a session says of one aspect in which another differs."""
    from tapeloom.calendars.calendar_diff import bounds_of

    if aspect == "trading":
        return (
            ", ".join(regular_hours(session))
            if session.is_trading_day
            else hours(session)
        )
    bounds = bounds_of(session, aspect)
    if not bounds:
        return "none"
    if len(bounds) == 1:
        return clock_text(bounds[0], session.date)
    return ", ".join(_stretches(bounds, session.date))


def _stretches(bounds: Sequence[datetime], day: date) -> list[str]:
    texts = [clock_text(bound, day) for bound in bounds]
    return [
        f"{start} - {end}" for start, end in zip(texts[::2], texts[1::2], strict=True)
    ]
