"""Which sessions share a bar of several days or weeks."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from tapeloom._core import Interval
from tapeloom.calendars.days import from_day, to_day

if TYPE_CHECKING:
    from tapeloom._core import SessionTable

__all__ = ["group_of", "whole_groups"]


def group_of(table: SessionTable, index: int, interval: str) -> range:
    """Return the sessions that share a bar with session number ``index``; itself alone for bars of at most a day.

    ``Nd`` counts sessions from the first of each calendar year, ``Nw`` counts ISO weeks from week 1 of each ISO year.
    """
    text = Interval(interval).text
    count, unit = int(text[:-1]), text[-1]
    if unit not in "dw" or text == "1d":
        return range(index, index + 1)
    day = from_day(int(table.dates[index]))
    if unit == "d":
        begin = table.sessions_before(to_day(date(day.year, 1, 1)))
        end = table.sessions_before(to_day(date(day.year + 1, 1, 1)))
        first = index - (index - begin) % count
        return range(first, min(first + count, end))
    year, week, _ = day.isocalendar()
    monday = date.fromisocalendar(year, week - (week - 1) % count, 1)
    after = min(monday + timedelta(weeks=count), date.fromisocalendar(year + 1, 1, 1))
    return range(
        table.sessions_before(to_day(monday)), table.sessions_before(to_day(after))
    )


def whole_groups(table: SessionTable, first: int, index: int, interval: str) -> range:
    """Return the sessions of the groups that reach into ``[first, index)`` and have ended before ``index``."""
    if first >= index:
        return range(index, index)
    begin = group_of(table, first, interval).start
    last = group_of(table, index - 1, interval)
    end = last.stop if last.stop <= index else last.start
    return range(begin, max(begin, end))
