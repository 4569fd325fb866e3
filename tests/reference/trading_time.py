"""Trading time counted minute by minute."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

from tests.reference.schedule import MINUTE, TradingDay

__all__ = ["trading_minutes", "trading_share"]


def trading_minutes(days: list[TradingDay], start: int, end: int) -> Counter[date]:
    """Return by session how many of its minutes of trading begin in ``[start, end)``."""
    found: Counter[date] = Counter()
    for day in days:
        for minute in range(day.open, day.close, MINUTE):
            if start <= minute < end and day.is_regular(minute):
                found[day.date] += 1
    return found


def trading_share(days: list[TradingDay], start: int, end: int, unit: str) -> float:
    """Return the trading time in ``[start, end)``, whole minutes of it, in a unit.

    Part of a session is that part of a day; a day is that part of a week that the week's number of sessions makes it.
    The days must hold whole weeks.
    """
    inside = trading_minutes(days, start, end)
    if unit == "minutes":
        return inside.total()
    if unit == "seconds":
        return 60 * inside.total()
    whole = trading_minutes(days, days[0].open, days[-1].close)
    share = {day: inside[day] / whole[day] for day in whole}
    if unit == "days":
        return sum(share.values())
    sessions = Counter(_monday(day) for day in whole)
    return sum(part / sessions[_monday(day)] for day, part in share.items())


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())
