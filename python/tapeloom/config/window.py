"""Which sessions a window of dates holds, and which ones are to come."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tapeloom.calendars.days import to_day
from tapeloom.errors import ConfigError, OutOfCalendarError

if TYPE_CHECKING:
    from datetime import date

    from tapeloom.calendars.time_manager import TimeManager

__all__ = ["coming_sessions", "window_sessions"]


def window_sessions(time_manager: TimeManager, start: date, end: date) -> range:
    """Return the positions in the session table of the sessions of a window.

    The first is the first trading day at or after ``start``, the last one the last at or before ``end``.

    Raises
    ------
    ConfigError
        If the window holds no session, or the calendar does not cover it.
    """
    table = time_manager.session_table
    try:
        first = table.index_of(to_day(time_manager.get_first_trading_date(start)))
        last = table.index_of(to_day(time_manager.get_last_trading_date(end)))
    except OutOfCalendarError as error:
        text = f"backtest_config: {error}"
        raise ConfigError(text) from error
    if first is None or last is None or first > last:
        text = (
            f"backtest_config: {start} to {end} holds no session of {table.calendar}; "
            f"the next one is {time_manager.get_first_trading_date(start)}"
        )
        raise ConfigError(text, start=start, end=end)
    return range(first, last + 1)


def coming_sessions(time_manager: TimeManager, count: int | None = None) -> range:
    """Return the positions in the session table of the sessions that are not over, at most ``count`` of them.

    Raises
    ------
    OutOfCalendarError
        If the calendar ends before the clock.
    """
    table, now = time_manager.session_table, time_manager.clock.now_ns()
    first = int(np.searchsorted(table.post_closes, now, side="right"))
    if first == len(table):
        text = f"the clock is at {time_manager.get_current_time():%Y-%m-%d %H:%M}, after the last session of {table.calendar}"
        raise OutOfCalendarError(text, got=now)
    stop = len(table) if count is None else min(len(table), first + count)
    return range(first, stop)
