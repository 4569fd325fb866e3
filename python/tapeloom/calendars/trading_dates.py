"""Dates of sessions: which date trades, which comes n-th before or after, how many lie between. Knows no hours."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

import numpy as np

from tapeloom.calendars.session_table import MarketCalendar, from_day, to_day
from tapeloom.errors import ArgumentError, ArgumentTypeError

__all__ = ["TradingDates"]


class TradingDates:
    """The session dates of one calendar, rising. Every look-up is a binary search.

    Parameters
    ----------
    market
        The calendar. A date it does not cover is ``OutOfCalendarError`` in every method.
    """

    def __init__(self, market: MarketCalendar) -> None:
        self._market = market
        self._days = market.dates

    def day(self, value: date, *, name: str) -> int:
        """Return a covered date as days since 1970-01-01."""
        # A datetime is a date to Python, but does not say in which zone it is one.
        if not isinstance(value, date) or isinstance(value, datetime):
            text = f"{name} is {value!r} ({type(value).__name__}); give a datetime.date"
            raise ArgumentTypeError(text, got=value)
        day = to_day(value)
        if not self._market.first_day <= day <= self._market.last_day:
            raise self._market.outside(f"{name} is {value},", got=value)
        return day

    def rows(self, start: date, end: date) -> tuple[int, int]:
        """Return the rows ``[low, high)`` of the sessions from ``start`` to ``end``, both included."""
        first, last = self.day(start, name="start"), self.day(end, name="end")
        if first > last:
            text = f"start is {start} and end {end}; start must not be later than end"
            raise ArgumentError(text, start=start, end=end)
        return self._row(first, "left"), self._row(last, "right")

    def between(self, start: date, end: date) -> list[date]:
        """Return the session dates from ``start`` to ``end``, both included."""
        low, high = self.rows(start, end)
        return [from_day(day) for day in self._days[low:high].tolist()]

    def from_on(self, value: date) -> date:
        """Return the date itself if it trades, else the next one that does."""
        return self._date(self._row(self.day(value, name="date"), "left"), value)

    def up_to(self, value: date) -> date:
        """Return the date itself if it trades, else the one before that does."""
        return self._date(self._row(self.day(value, name="date"), "right") - 1, value)

    def after(self, value: date, n: int) -> date:
        """Return the n-th session date after a date, which itself does not count."""
        row = self._row(self.day(value, name="date"), "right") + _at_least_one(n) - 1
        return self._date(row, value)

    def before(self, value: date, n: int) -> date:
        """Return the n-th session date before a date, which itself does not count."""
        row = self._row(self.day(value, name="date"), "left") - _at_least_one(n)
        return self._date(row, value)

    def _row(self, day: int, side: Literal["left", "right"]) -> int:
        return int(np.searchsorted(self._days, day, side=side))

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
