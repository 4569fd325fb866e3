"""Edits of a calendar in memory: holidays and hours, as days of an overlay. Builds no table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, TypeAlias

from tapeloom.calendars.days import from_day, require_date, to_day
from tapeloom.calendars.market_day import MarketDay, read_market_day
from tapeloom.errors import ArgumentError, ArgumentTypeError

if TYPE_CHECKING:
    from tapeloom.calendars.market_calendar import MarketCalendar

__all__ = ["HolidaysLike", "closures", "registered_hours"]

HolidaysLike: TypeAlias = Mapping[date, str | None] | Iterable[date]
"""Names by date, or dates."""

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def closures(market: MarketCalendar, holidays: HolidaysLike) -> dict[date, MarketDay]:
    """Return the days of an overlay that close these dates.

    Raises
    ------
    ArgumentTypeError
        For what is no date.
    OutOfCalendarError
        For a date that the table does not cover.
    """
    if isinstance(holidays, str) or not isinstance(holidays, Iterable):
        text = f"holidays is {holidays!r}; give dates, or names by date"
        raise ArgumentTypeError(text, got=holidays)
    named = (
        holidays.items()
        if isinstance(holidays, Mapping)
        else [(value, None) for value in holidays]
    )
    found = {}
    for value, name in named:
        day = require_date(value, "holiday")
        market.require_covered(day, to_day(day), "holiday")
        if name is not None and not (isinstance(name, str) and name.strip()):
            text = f"the name of {day} is {name!r}; give text or None"
            raise ArgumentTypeError(text, got=name)
        found[day] = MarketDay(name=name)
    return found


def registered_hours(
    market: MarketCalendar,
    first: int,
    last: int,
    *,
    regular: Sequence[str],
    pre: Sequence[str] | None,
    post: Sequence[str] | None,
    weekdays: Iterable[str] | None,
) -> dict[date, MarketDay]:
    """Return the days of an overlay that give these hours to the dates that trade, or to these weekdays.

    Raises
    ------
    ArgumentError
        If hours or weekdays cannot be read, or no date is left.
    """
    said = {"regular": regular, "pre": pre, "post": post}
    hours = read_market_day({key: v for key, v in said.items() if v is not None})
    if isinstance(hours, str):
        raise ArgumentError(hours)
    wanted = None if weekdays is None else _weekdays(weekdays)
    table = market.table
    days = (
        table.dates[table.sessions_before(first) : table.sessions_before(last + 1)]
        if wanted is None
        # 1970-01-01 was a Thursday.
        else [day for day in range(first, last + 1) if (day + 3) % 7 in wanted]
    )
    found = {from_day(day): hours for day in days}
    if not found:
        text = f"no date from {from_day(first)} to {from_day(last)} trades; name weekdays to give hours to others"
        raise ArgumentError(text, start=from_day(first), end=from_day(last))
    return found


def _weekdays(names: Iterable[str]) -> set[int]:
    if not isinstance(names, Iterable):
        text = f"weekdays is {names!r}; give a list of {', '.join(WEEKDAYS)}"
        raise ArgumentTypeError(text, got=names)
    given = [names] if isinstance(names, str) else list(names)
    if not given:
        text = f"weekdays is empty; name some of {', '.join(WEEKDAYS)}, or leave it out"
        raise ArgumentError(text, got=given)
    for name in given:
        if name not in WEEKDAYS:
            text = f"weekdays has {name!r}; use {', '.join(WEEKDAYS)}"
            raise ArgumentError(text, got=name)
    return {WEEKDAYS.index(name) for name in given}
