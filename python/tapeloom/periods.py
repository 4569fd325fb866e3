"""Periods of history as text: ``"10d"`` trading days, ``"52w"``, ``"6m"`` and ``"1y"`` of the calendar."""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

from tapeloom.errors import ArgumentError, ArgumentTypeError

__all__ = ["Period"]

_FORM = re.compile(r"([1-9][0-9]{0,8})([dwmy])")


@dataclass(frozen=True, slots=True)
class Period:
    """A number of trading days, or of calendar weeks, months or years."""

    count: int
    """At least 1."""
    unit: str
    """``d``, ``w``, ``m`` or ``y``."""

    @classmethod
    def parse(cls, text: object) -> Period:
        """Read ``"10d"``.

        Raises
        ------
        ArgumentError
            For another form; the text names it and the nearest good value.
        ArgumentTypeError
            For anything but text.
        """
        if not isinstance(text, str):
            message = (
                f"period is {text!r} ({type(text).__name__}); give text such as '10d'"
            )
            raise ArgumentTypeError(message, got=text)
        return _parsed(text)

    def __str__(self) -> str:
        return f"{self.count}{self.unit}"

    def start(self, day: date) -> date:
        """Return the date that lies calendar weeks, months or years before a day.

        A day that its month does not have is the last of the month; the first date there is bounds the answer.

        Raises
        ------
        ArgumentError
            For trading days, which need a calendar.
        """
        if self.unit == "d":
            text = f"period is '{self}'; only a calendar knows when trading days begin"
            raise ArgumentError(text, got=str(self))
        if self.unit == "w":
            days = 7 * self.count
            return day - timedelta(days=days) if days < day.toordinal() else date.min
        back = self.count * (12 if self.unit == "y" else 1)
        months = day.year * 12 + day.month - 1 - back
        if months < 12:
            return date.min
        year, month = months // 12, months % 12 + 1
        return date(year, month, min(day.day, monthrange(year, month)[1]))


@lru_cache(maxsize=64)
def _parsed(text: str) -> Period:
    """The same period is asked for again for every symbol."""
    found = _FORM.fullmatch(text)
    if found is None:
        near = _nearest(text)
        message = (
            f"period is {text!r}; it must be a whole number of at least 1 and d (trading days) "
            f"or w, m, y (calendar weeks, months, years); the nearest is {near!r}"
        )
        raise ArgumentError(message, got=text, expected=near)
    return Period(int(found[1]), found[2])


def _nearest(text: str) -> str:
    number = re.search(r"[0-9]{1,9}", text)
    unit = re.search(r"[dwmy]", text.lower())
    return f"{max(1, int(number[0])) if number else 10}{unit[0] if unit else 'd'}"
