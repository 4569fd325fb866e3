"""What exchange_calendars says about a calendar, as plain arrays. The only file that imports it (and with it pandas).

Adds no rule of its own beside the two calendars it builds in, ``24/7`` and ``24/5``.
"""

from __future__ import annotations

import textwrap
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, tzinfo
from functools import lru_cache
from threading import RLock
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tapeloom.errors import CalendarError
from tapeloom.timestamps import NS_PER_DAY

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "NOTHING",
    "ProvidedSessions",
    "calendar_zone",
    "find_calendar_code",
    "known_calendar_names",
    "read_holiday_names",
    "read_sessions",
]

# Fixed, so that the same versions give the same table on every day it is built.
_FIRST, _LAST = date(1990, 1, 1), date(2035, 12, 31)

# Calendars whose session is the UTC day: on which weekdays, Monday first.
_UTC_DAYS = {"24/7": "1111111", "24/5": "1111100"}
_UTC_DAYS_VERSION = "built-in 1"

_AD_HOC = "special closure"

# exchange_calendars keeps a cache without a lock.
_LOCK = RLock()

NOTHING = -(2**63)
"""Where a session has no break."""


@dataclass(frozen=True, slots=True, eq=False)
class ProvidedSessions:
    """All sessions of one calendar over the days ``[first_day, last_day]``, both included.

    Days count from 1970-01-01; arrays are int64, one row per session in rising order, instants in
    nanoseconds UTC.
    """

    version: str
    """Who says so, with the version."""
    first_day: int
    last_day: int
    days: NDArray[np.int64]
    opens: NDArray[np.int64]
    closes: NDArray[np.int64]
    break_starts: NDArray[np.int64]
    """``NOTHING`` where the session has no break, as in ``break_ends``."""
    break_ends: NDArray[np.int64]
    early_closes: NDArray[np.int64]
    """Days of the sessions that close earlier than the others of their time."""
    holidays: NDArray[np.int64]
    """Days without a session on weekdays that otherwise trade."""


def known_calendar_names() -> list[str]:
    """Return every calendar code and alias."""
    with _library("list its calendars"):
        import exchange_calendars

        names: list[str] = exchange_calendars.get_calendar_names(include_aliases=True)
    return names


def find_calendar_code(name: str) -> str | None:
    """Return the code of a calendar given by code or alias, ``None`` if there is none."""
    if name not in known_calendar_names():
        return None
    import exchange_calendars

    code: str = exchange_calendars.resolve_alias(name)
    return code


def calendar_zone(code: str) -> tzinfo:
    """Return the zone of a calendar of exchange_calendars."""
    zone: tzinfo = _open(code).calendar.tz
    return zone


def read_sessions(code: str) -> ProvidedSessions:
    """Return all sessions of a calendar from 1990 to 2035, or as much of that as it covers.

    Raises
    ------
    CalendarError
        If exchange_calendars cannot build the calendar.
    """
    if code in _UTC_DAYS:
        return _utc_days(_UTC_DAYS[code])
    opened = _open(code)
    calendar, first, last = opened.calendar, _day(opened.first), _day(opened.last)
    with _library(f"build the calendar {code!r}"):
        import exchange_calendars

        days = _days_of(calendar.sessions)
        weekdays = [(None, None, calendar.weekmask)]
        weekdays += getattr(calendar, "special_weekmasks", [])
        return ProvidedSessions(
            version=f"exchange_calendars {exchange_calendars.__version__}",
            first_day=first,
            last_day=last,
            days=days,
            opens=_ns_of(calendar.opens),
            closes=_ns_of(calendar.closes),
            break_starts=_ns_of(calendar.break_starts),
            break_ends=_ns_of(calendar.break_ends),
            early_closes=_days_of(calendar.early_closes),
            holidays=np.setdiff1d(_weekdays(weekdays, first, last), days),
        )


@lru_cache
def read_holiday_names(code: str) -> dict[int, str]:
    """Return the names of holidays by day; a closure outside every yearly rule is a "special closure"."""
    if code in _UTC_DAYS:
        return {}
    opened = _open(code)
    with _library(f"build the calendar {code!r}"):
        # Timestamps, NumPy dates or text, depending on the calendar: all begin with the date.
        closures = [str(closure)[:10] for closure in opened.calendar.adhoc_holidays]
        names = {_day(date.fromisoformat(text)): _AD_HOC for text in closures}
        rules = opened.calendar.regular_holidays
        if rules is not None:
            dates = opened.first.isoformat(), opened.last.isoformat()
            named = rules.holidays(*dates, return_name=True)
            names |= {_day(day.date()): str(name) for day, name in named.items()}
        return names


class _Opened(NamedTuple):
    """A calendar of exchange_calendars and the dates it was built for, both included."""

    calendar: Any
    first: date
    last: date


@lru_cache
def _open(code: str) -> _Opened:
    # Kept, since zone, sessions and names are all read from it, and building takes a tenth of a second.
    with _library(f"build the calendar {code!r}"):
        import exchange_calendars

        first, last = _FIRST, _LAST
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


@contextmanager
def _library(task: str) -> Iterator[None]:
    """One thread at a time, with pandas' notes to exchange_calendars silenced and its errors made ours."""
    with _LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        try:
            yield
        except ImportError:
            raise
        except Exception as error:
            why = textwrap.shorten(str(error), 160) or type(error).__name__
            raise CalendarError(f"exchange_calendars cannot {task}: {why}") from error


def _utc_days(weekmask: str) -> ProvidedSessions:
    first, last = _day(_FIRST), _day(_LAST)
    days = _weekdays([(None, None, weekmask)], first, last)
    none = np.full(days.size, NOTHING, dtype=np.int64)
    return ProvidedSessions(
        version=_UTC_DAYS_VERSION,
        first_day=first,
        last_day=last,
        days=days,
        opens=days * NS_PER_DAY,
        closes=(days + 1) * NS_PER_DAY,
        break_starts=none,
        break_ends=none,
        early_closes=days[:0],
        holidays=days[:0],
    )


def _weekdays(
    masks: list[tuple[Any, Any, str]], first: int, last: int
) -> NDArray[np.int64]:
    """The days of a range that fall on the masked weekdays; later masks win where they apply."""
    days = np.arange(first, last + 1, dtype=np.int64)
    trades = np.zeros(days.size, dtype=np.bool_)
    for begin, end, mask in masks:
        low = first if begin is None else max(first, _day(begin.date()))
        high = last if end is None else min(last, _day(end.date()))
        here = slice(low - first, max(low, high + 1) - first)
        # 1970-01-01 was a Thursday.
        trades[here] = np.array([sign == "1" for sign in mask])[(days[here] + 3) % 7]
    return days[trades]


def _days_of(index: Any) -> NDArray[np.int64]:
    days: NDArray[np.int64] = index.to_numpy().astype("datetime64[D]").astype(np.int64)
    return days


def _ns_of(column: Any) -> NDArray[np.int64]:
    # By way of datetime64[ns], whatever unit pandas chose; NaT becomes NOTHING.
    instants = column.dt.tz_convert(None).to_numpy().astype("datetime64[ns]")
    ns: NDArray[np.int64] = instants.astype(np.int64)
    return ns


def _day(value: date) -> int:
    return (value - date(1970, 1, 1)).days
