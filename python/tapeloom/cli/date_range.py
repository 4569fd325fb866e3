"""Dates on the command line: ``2025-07-03``, ``2025-07`` or ``2025``."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import date
from typing import NamedTuple

from tapeloom.errors import ArgumentError

__all__ = ["DateRange", "date_range"]

_DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?", re.ASCII)


class DateRange(NamedTuple):
    """Dates from ``start`` to ``end``, both included."""

    start: date
    end: date
    is_exact: bool
    """Whether dates were given, and no month or year."""


def date_range(first: str, last: str | None = None) -> DateRange:
    """Return the dates that one or two words mean: a date, a month, a year, or all from the first to the second.

    Raises
    ------
    ArgumentError
        If a word is no date, or the second lies before the first.
    """
    start = _read(first)
    if last is None:
        return start
    end = _read(last)
    if end.end < start.start:
        text = f"{last!r} lies before {first!r}; give the earlier date first"
        raise ArgumentError(text, start=start.start, end=end.end)
    return DateRange(start.start, end.end, start.is_exact and end.is_exact)


def _read(text: str) -> DateRange:
    found = _DATE.fullmatch(text)
    try:
        if found is not None:
            year, month, day = (
                None if part is None else int(part) for part in found.groups()
            )
            assert year is not None
            if day is not None and month is not None:
                one = date(year, month, day)
                return DateRange(one, one, is_exact=True)
            first, last = (1, 12) if month is None else (month, month)
            end = date(year, last, monthrange(year, last)[1])
            return DateRange(date(year, first, 1), end, is_exact=False)
    except ValueError:
        pass
    text = (
        f"{text!r} is no date; write YYYY-MM-DD, YYYY-MM for a month or YYYY for a year"
    )
    raise ArgumentError(text, got=text)
