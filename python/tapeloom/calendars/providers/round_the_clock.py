"""The calendars that are built in: ``24/7`` and ``24/5``, whose sessions are UTC days."""

from __future__ import annotations

from datetime import tzinfo
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from tapeloom.calendars.days import to_day
from tapeloom.calendars.providers.provided_sessions import (
    FIRST_DATE,
    LAST_DATE,
    FoundCalendar,
    ProvidedSessions,
)
from tapeloom.timestamps import NS_PER_DAY

__all__ = ["NAMES", "VERSION", "find_code", "read_sessions"]

VERSION = "built-in 1"

# On which weekdays, Monday first.
_WEEKDAYS = {"24/7": "1111111", "24/5": "1111100"}
NAMES = tuple(_WEEKDAYS)


def find_code(name: str) -> FoundCalendar | None:
    """Return the calendar of a name, ``None`` if it is not built in."""
    zone: tzinfo = ZoneInfo("UTC")
    return FoundCalendar(name, zone) if name in _WEEKDAYS else None


def read_sessions(code: str) -> ProvidedSessions:
    """Return all sessions of a built-in calendar."""
    first, last = to_day(FIRST_DATE), to_day(LAST_DATE)
    days = _on_weekdays(_WEEKDAYS[code], first, last)
    opens, closes = days * NS_PER_DAY, (days + 1) * NS_PER_DAY
    return ProvidedSessions(
        version=VERSION,
        first_day=first,
        last_day=last,
        days=days,
        segment_offsets=np.arange(days.size + 1, dtype=np.int64),
        segment_starts=opens,
        segment_ends=closes,
        pre_opens=opens,
        post_closes=closes,
        early_closes=days[:0],
        holidays=days[:0],
    )


def _on_weekdays(weekmask: str, first: int, last: int) -> NDArray[np.int64]:
    days = np.arange(first, last + 1, dtype=np.int64)
    # 1970-01-01 was a Thursday.
    trades = np.array([sign == "1" for sign in weekmask])[(days + 3) % 7]
    chosen: NDArray[np.int64] = days[trades]
    return chosen
