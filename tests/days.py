"""Real trading days by hand: full days, half days, days around clock changes, days with a lunch break."""

from __future__ import annotations

from datetime import date
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from tests.reference.schedule import TradingDay, trading_day

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "ALL_MARKETS",
    "HONG_KONG",
    "MARKETS_IN_PAIRS",
    "TOKYO",
    "US",
    "Market",
    "us_day",
]


class Market(NamedTuple):
    """An exchange group and some of its sessions in order."""

    group: str
    days: tuple[TradingDay, ...]


def _days(
    zone: str,
    hours: dict[str, str],
    extended: Mapping[str, tuple[str, str]] = MappingProxyType({}),
) -> tuple[TradingDay, ...]:
    """Days by their hours; ``extended`` has the start of the pre- and the end of the post-market by regular hours."""
    return tuple(
        trading_day(date.fromisoformat(day), text, zone, extended.get(text))
        for day, text in hours.items()
    )


_FULL, _HALF = "09:30-16:00", "09:30-13:00"
_US_EXTENDED = {_FULL: ("04:00", "20:00"), _HALF: ("04:00", "17:00")}

# Spring and autumn clock changes, a half day before a holiday, the days around them.
US = Market(
    "US_EQUITY",
    _days(
        "America/New_York",
        {
            "2008-03-07": _FULL,
            "2008-03-10": _FULL,
            "2024-11-01": _FULL,
            "2024-11-04": _FULL,
            "2024-11-29": _HALF,
            "2024-12-02": _FULL,
            "2025-07-02": _FULL,
            "2025-07-03": _HALF,
            "2025-07-07": _FULL,
        },
        _US_EXTENDED,
    ),
)
# The close moved from 15:00 to 15:30 on 2024-11-05.
TOKYO = Market(
    "JP_EQUITY",
    _days(
        "Asia/Tokyo",
        {
            "2024-11-01": "09:00-11:30 12:30-15:00",
            "2024-11-05": "09:00-11:30 12:30-15:30",
            "2025-07-02": "09:00-11:30 12:30-15:30",
        },
    ),
)
# The morning of Christmas Eve has no break.
HONG_KONG = Market(
    "HK_EQUITY",
    _days(
        "Asia/Hong_Kong",
        {
            "2024-12-23": "09:30-12:00 13:00-16:00",
            "2024-12-24": "09:30-12:00",
            "2024-12-27": "09:30-12:00 13:00-16:00",
        },
    ),
)
ALL_MARKETS = (US, TOKYO, HONG_KONG)
# Sessions next to each other, for what crosses from one to the next.
MARKETS_IN_PAIRS = tuple(
    Market(market.group, (first, second))
    for market in ALL_MARKETS
    for first, second in pairwise(market.days)
    if (second.date - first.date).days <= 4
)


def us_day(day: str) -> TradingDay:
    """One of the US days above."""
    return next(d for d in US.days if d.date == date.fromisoformat(day))
