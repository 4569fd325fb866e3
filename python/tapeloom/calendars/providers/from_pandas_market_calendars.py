"""What pandas_market_calendars says. The only file that imports it. Checks its hours, adds no rule of its own.

Market interruptions (a halt on one day) are left out: they are what happened, not what was due.
"""

from __future__ import annotations

import warnings
from datetime import date, timedelta
from functools import lru_cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from tapeloom.calendars.days import to_day
from tapeloom.calendars.providers.library_guard import guarded
from tapeloom.calendars.providers.provided_sessions import (
    FIRST_DATE,
    LAST_DATE,
    NOTHING,
    FoundCalendar,
    ProvidedSessions,
    days_of,
    nanoseconds_of,
    split_at_breaks,
)
from tapeloom.errors import CalendarError, MissingDependencyError

__all__ = ["find_code", "known_names", "read_sessions", "version"]

_LIBRARY = "pandas_market_calendars"
_AD_HOC = "special closure"
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

# A calendar without sessions for longer than this at the start of the range does not cover it.
_LONGEST_CLOSURE = timedelta(days=31)


def version() -> str:
    """Return name and version of the library, without loading it.

    Raises
    ------
    MissingDependencyError
        If pandas_market_calendars is not installed.
    """
    try:
        # Many of its calendars are those of exchange_calendars.
        beneath = version_of("exchange_calendars")
        return f"{_LIBRARY} {version_of(_LIBRARY)} on exchange_calendars {beneath}"
    except PackageNotFoundError as error:
        raise _missing() from error


def known_names() -> list[str]:
    """Return every calendar name and alias.

    Raises
    ------
    MissingDependencyError
        If pandas_market_calendars is not installed.
    """
    with guarded(_LIBRARY, "list its calendars"):
        names: list[str] = _module().get_calendar_names()
    return names


def find_code(name: str) -> FoundCalendar | None:
    """Return code and zone of a calendar given by name or alias, ``None`` if there is none.

    The code is the first of the calendar's own names.

    Raises
    ------
    MissingDependencyError
        If pandas_market_calendars is not installed.
    CalendarError
        If it knows the calendar, but cannot build it.
    """
    if name not in known_names():
        return None
    calendar = _calendar(name)
    with guarded(_LIBRARY, f"build the calendar {name!r}"):
        code: str = type(calendar).aliases[0]
        zone = calendar.tz
    return FoundCalendar(
        code, zone if isinstance(zone, ZoneInfo) else ZoneInfo(str(zone))
    )


def read_sessions(code: str) -> ProvidedSessions:
    """Return all sessions of a calendar from 1990 to 2035, or as much of that as it covers.

    Raises
    ------
    MissingDependencyError
        If pandas_market_calendars is not installed.
    CalendarError
        If it cannot build the calendar, or a session has no usable hours.
    """
    calendar = _calendar(code)
    with guarded(_LIBRARY, f"build the calendar {code!r}"):
        first, last = _bounds(calendar)
        schedule = calendar.schedule(first, last, market_times="all")
        for needed in ("market_open", "market_close"):
            if needed not in schedule:
                raise CalendarError(
                    f"{_LIBRARY} cannot build the calendar {code!r}: it has no {needed}"
                )
        early = days_of(calendar.early_closes(schedule).index)
        days = days_of(schedule.index)
        columns = {name: nanoseconds_of(schedule[name]) for name in schedule.columns}
        for name, end in calendar.discontinued_market_times.items():
            columns[name][days >= to_day(date.fromisoformat(str(end)[:10]))] = NOTHING
        if schedule.index[0].date() - first > _LONGEST_CLOSURE:
            first = schedule.index[0].date()
        names = _holiday_names(calendar, first, last)
        trading = _otherwise_trading(
            days, calendar.weekmask, to_day(first), to_day(last)
        )
    opens, closes = columns["market_open"], columns["market_close"]
    nothing = np.full(days.size, NOTHING, dtype=np.int64)
    breaks = columns.get("break_start", nothing), columns.get("break_end", nothing)
    pre = _or_else(columns.get("pre", nothing), opens)
    post = _or_else(columns.get("post", nothing), closes)
    _check(code, days, (pre, opens, closes, post), breaks)
    offsets, starts, ends = split_at_breaks(opens, closes, *breaks)
    return ProvidedSessions(
        version=version(),
        first_day=to_day(first),
        last_day=to_day(last),
        days=days,
        segment_offsets=offsets,
        segment_starts=starts,
        segment_ends=ends,
        pre_opens=pre,
        post_closes=post,
        early_closes=early,
        holidays=np.setdiff1d(trading, days),
        holiday_names=names,
    )


def _module() -> Any:
    try:
        return import_module(_LIBRARY)
    except ImportError as error:
        raise _missing() from error


def _missing() -> MissingDependencyError:
    text = f"{_LIBRARY} is not installed: pip install 'tapeloom[calendars]'"
    return MissingDependencyError(text, extra="calendars")


@lru_cache
def _calendar(name: str) -> Any:
    with guarded(_LIBRARY, f"build the calendar {name!r}"):
        # It warns of discontinued times, which are taken out below.
        warnings.simplefilter("ignore", UserWarning)
        return _module().get_calendar(name)


def _bounds(calendar: Any) -> tuple[date, date]:
    """The range to ask for. A calendar taken over from exchange_calendars forgets where its rules end."""
    first, last = FIRST_DATE, LAST_DATE
    # No public way to the class taken over is cheap: `ec` builds all its sessions.
    origin = getattr(calendar, "_ec", None)
    if origin is not None:
        low, high = origin.bound_min(), origin.bound_max()
        first = max(first, low.date()) if low is not None else first
        last = min(last, high.date()) if high is not None else last
    return first, last


def _holiday_names(calendar: Any, first: date, last: date) -> dict[int, str]:
    """Names by day; a closure outside every yearly rule is a "special closure"."""
    rules = calendar.regular_holidays
    if rules is None:
        # Then all closures are listed day by day, and being listed says nothing.
        return {}
    # Timestamps, NumPy dates or text, depending on the calendar: all begin with the date.
    closures = {str(closure)[:10] for closure in calendar.adhoc_holidays}
    names = {to_day(date.fromisoformat(text)): _AD_HOC for text in closures}
    named = rules.holidays(first.isoformat(), last.isoformat(), return_name=True)
    return names | {to_day(day.date()): str(name) for day, name in named.items()}


def _otherwise_trading(
    days: NDArray[np.int64], weekmask: str, first: int, last: int
) -> NDArray[np.int64]:
    """The days of a range on weekdays that trade. The library knows the present week only; sessions tell of an older one."""
    week: NDArray[np.bool_] = np.isin(_WEEKDAYS, weekmask.split())
    every = np.arange(first, last + 1, dtype=np.int64)
    trades = week[_weekday(every)]
    outside = days[~week[_weekday(days)]]
    if outside.size:
        old = every <= outside[-1]
        older_week = np.unique(_weekday(days[days <= outside[-1]]))
        trades[old] = np.isin(_weekday(every[old]), older_week)
    return every[trades]


def _or_else(
    instants: NDArray[np.int64], otherwise: NDArray[np.int64]
) -> NDArray[np.int64]:
    kept: NDArray[np.int64] = np.where(instants == NOTHING, otherwise, instants)
    return kept


def _check(
    code: str,
    days: NDArray[np.int64],
    hours: tuple[NDArray[np.int64], ...],
    breaks: tuple[NDArray[np.int64], NDArray[np.int64]],
) -> None:
    """Refuse hours that do not nest or that reach into the next session."""
    (pre, opens, closes, post), (begins, ends) = hours, breaks
    crosses = (begins < ends) & (
        ((begins < opens) & (ends > opens)) | ((begins < closes) & (ends > closes))
    )
    one_sided = (begins == NOTHING) != (ends == NOTHING)
    faults = {
        "it has no open or no close": (opens == NOTHING) | (closes == NOTHING),
        "its open is not before its close": opens >= closes,
        "its pre-market begins after its open": pre > opens,
        "its post-market ends before its close": post < closes,
        "its break does not lie within its hours": crosses
        | (begins > ends)
        | one_sided,
        "it reaches into the next session": np.append(post[:-1] > pre[1:], False),
        "it does not come before the next session": np.append(
            days[:-1] >= days[1:], False
        ),
    }
    found = [(int(np.argmax(bad)), why) for why, bad in faults.items() if bad.any()]
    if found:
        row, why = min(found)
        day = date(1970, 1, 1) + timedelta(days=int(days[row]))
        text = f"{_LIBRARY} has no usable hours for {code!r} on {day}: {why}"
        raise CalendarError(text, calendar=code, session=day)


def _weekday(days: NDArray[np.int64]) -> NDArray[np.int64]:
    # 1970-01-01 was a Thursday.
    weekdays: NDArray[np.int64] = (days + 3) % 7
    return weekdays
