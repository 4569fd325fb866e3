"""What exchange_calendars says. The only file that imports it (and with it pandas). Adds no rule of its own."""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tapeloom.calendars.days import to_day
from tapeloom.calendars.providers.library_guard import guarded
from tapeloom.calendars.providers.provided_sessions import (
    FIRST_DATE,
    LAST_DATE,
    FoundCalendar,
    ProvidedSessions,
    days_of,
    nanoseconds_of,
    split_at_breaks,
)

__all__ = ["find_code", "known_names", "read_sessions", "version"]

_LIBRARY = "exchange_calendars"
_AD_HOC = "special closure"


def version() -> str:
    """Return name and version of the library, without loading it."""
    from importlib.metadata import version as version_of

    return f"{_LIBRARY} {version_of(_LIBRARY)}"


def known_names() -> list[str]:
    """Return every calendar code and alias."""
    with guarded(_LIBRARY, "list its calendars"):
        import exchange_calendars

        names: list[str] = exchange_calendars.get_calendar_names(include_aliases=True)
    return names


def find_code(name: str) -> FoundCalendar | None:
    """Return code and zone of a calendar given by code or alias, ``None`` if there is none.

    Raises
    ------
    CalendarError
        If exchange_calendars knows the calendar, but cannot build it.
    """
    if name not in known_names():
        return None
    import exchange_calendars

    code: str = exchange_calendars.resolve_alias(name)
    return FoundCalendar(code, _open(code).calendar.tz)


def read_sessions(code: str) -> ProvidedSessions:
    """Return all sessions of a calendar from 1990 to 2035, or as much of that as it covers.

    Raises
    ------
    CalendarError
        If exchange_calendars cannot build the calendar.
    """
    opened = _open(code)
    calendar, first, last = opened.calendar, to_day(opened.first), to_day(opened.last)
    with guarded(_LIBRARY, f"build the calendar {code!r}"):
        days = days_of(calendar.sessions)
        weekdays = [(None, None, calendar.weekmask)]
        weekdays += getattr(calendar, "special_weekmasks", [])
        opens = nanoseconds_of(calendar.opens)
        closes = nanoseconds_of(calendar.closes)
        offsets, starts, ends = split_at_breaks(
            opens,
            closes,
            nanoseconds_of(calendar.break_starts),
            nanoseconds_of(calendar.break_ends),
        )
        return ProvidedSessions(
            version=version(),
            first_day=first,
            last_day=last,
            days=days,
            segment_offsets=offsets,
            segment_starts=starts,
            segment_ends=ends,
            pre_opens=opens,
            post_closes=closes,
            early_closes=days_of(calendar.early_closes),
            holidays=np.setdiff1d(_weekdays(weekdays, first, last), days),
            holiday_names=_holiday_names(opened),
        )


def _holiday_names(opened: _Opened) -> dict[int, str]:
    """Names by day; a closure outside every yearly rule is a "special closure"."""
    # Timestamps, NumPy dates or text, depending on the calendar: all begin with the date.
    closures = [str(closure)[:10] for closure in opened.calendar.adhoc_holidays]
    names = {to_day(date.fromisoformat(text)): _AD_HOC for text in closures}
    rules = opened.calendar.regular_holidays
    if rules is not None:
        dates = opened.first.isoformat(), opened.last.isoformat()
        named = rules.holidays(*dates, return_name=True)
        names |= {to_day(day.date()): str(name) for day, name in named.items()}
    return names


class _Opened(NamedTuple):
    """A calendar of exchange_calendars and the dates it was built for, both included."""

    calendar: Any
    first: date
    last: date


@lru_cache
def _open(code: str) -> _Opened:
    # Kept, since zone and sessions are both read from it, and building takes a tenth of a second.
    with guarded(_LIBRARY, f"build the calendar {code!r}"):
        import exchange_calendars

        first, last = FIRST_DATE, LAST_DATE
        try:
            calendar = exchange_calendars.get_calendar(
                code, start=first.isoformat(), end=last.isoformat()
            )
        except ValueError:
            # Some calendars cover less; only an instance tells how much.
            kind = type(exchange_calendars.get_calendar(code))
            low, high = kind.bound_min(), kind.bound_max()
            first = max(first, low.date()) if low is not None else first
            last = min(last, high.date()) if high is not None else last
            calendar = exchange_calendars.get_calendar(
                code, start=first.isoformat(), end=last.isoformat()
            )
        return _Opened(calendar, first, last)


def _weekdays(
    masks: list[tuple[Any, Any, str]], first: int, last: int
) -> NDArray[np.int64]:
    """The days of a range that fall on the masked weekdays; later masks win where they apply."""
    days = np.arange(first, last + 1, dtype=np.int64)
    trades = np.zeros(days.size, dtype=np.bool_)
    for begin, end, mask in masks:
        low = first if begin is None else max(first, to_day(begin.date()))
        high = last if end is None else min(last, to_day(end.date()))
        if high - low < 6:
            # Single Saturdays that trade make no Saturday a day that otherwise trades.
            continue
        here = slice(low - first, max(low, high + 1) - first)
        # 1970-01-01 was a Thursday.
        trades[here] = np.array([sign == "1" for sign in mask])[(days[here] + 3) % 7]
    return days[trades]
