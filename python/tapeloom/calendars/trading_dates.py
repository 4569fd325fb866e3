"""Dates of sessions: which date trades, which comes n-th before or after, how many lie between. Knows no hours."""

from __future__ import annotations

from datetime import date

import numpy as np

from tapeloom.calendars.days import from_day, require_date, to_day
from tapeloom.calendars.market_calendar import MarketCalendar
from tapeloom.errors import ArgumentError, ArgumentTypeError

__all__ = ["TradingDates"]


class TradingDates:
    """The session dates of one calendar, rising. Every look-up is O(1).

    Parameters
    ----------
    market
        The calendar. A date it does not cover is ``OutOfCalendarError`` in every method.
    """

    def __init__(self, market: MarketCalendar) -> None:
        self._market = market
        self._table = market.table
        self._days = market.table.dates

    def day(self, value: date, *, name: str) -> int:
        """Return a covered date as days since 1970-01-01."""
        day = to_day(require_date(value, name))
        self._market.require_covered(value, day, name)
        return day

    def rows(self, start: date, end: date) -> tuple[int, int]:
        """Return the rows ``[low, high)`` of the sessions from ``start`` to ``end``, both included."""
        first, last = self.day(start, name="start"), self.day(end, name="end")
        if first > last:
            text = f"start is {start} and end {end}; start must not be later than end"
            raise ArgumentError(text, start=start, end=end)
        return self._table.sessions_before(first), self._table.sessions_before(last + 1)

    def between(self, start: date, end: date) -> list[date]:
        """Return the session dates from ``start`` to ``end``, both included."""
        low, high = self.rows(start, end)
        return [from_day(day) for day in self._days[low:high].tolist()]

    def from_on(self, value: date) -> date:
        """Return the date itself if it trades, else the next one that does."""
        day = self.day(value, name="from_date")
        return self._date(self._table.sessions_before(day), value)

    def up_to(self, value: date) -> date:
        """Return the date itself if it trades, else the one before that does."""
        day = self.day(value, name="to_date")
        return self._date(self._table.sessions_before(day + 1) - 1, value)

    def after(self, value: date, n: int) -> date:
        """Return the n-th session date after a date, which itself does not count."""
        day = self.day(value, name="from_date")
        row = self._table.sessions_before(day + 1) + _at_least_one(n) - 1
        return self._date(row, value)

    def before(self, value: date, n: int) -> date:
        """Return the n-th session date before a date, which itself does not count."""
        day = self.day(value, name="from_date")
        return self._date(self._table.sessions_before(day) - _at_least_one(n), value)

    def _date(self, row: int, asked: date) -> date:
        if 0 <= row < self._days.size:
            return from_day(int(self._days[row]))
        what = f"the trading date asked for, counted from {asked}, is"
        raise self._market.outside(what, got=asked)


def _at_least_one(n: int) -> int:
    if isinstance(n, bool) or not isinstance(n, int | np.integer):
        text = f"n is {n!r} ({type(n).__name__}); give an integer of at least 1"
        raise ArgumentTypeError(text, got=n)
    if n < 1:
        raise ArgumentError(f"n is {n}; it must be at least 1", got=n)
    return int(n)
