"""Session tables: all sessions of a calendar as int64 arrays, built once per process and never changed.

Knows no clock.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date, time
from threading import Lock
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tapeloom._core import SessionTable
from tapeloom.calendars.exchange_group import (
    EXTENDED_HOURS,
    ExchangeGroup,
    resolve_exchange_group,
)
from tapeloom.calendars.provider import (
    NOTHING,
    ProvidedSessions,
    read_holiday_names,
    read_sessions,
)
from tapeloom.errors import OutOfCalendarError
from tapeloom.timestamps import NS_PER_DAY, local_midnights, localize

__all__ = [
    "ExchangeGroup",
    "MarketCalendar",
    "SegmentKind",
    "SessionTable",
    "from_day",
    "get_market_calendar",
    "get_session_table",
    "resolve_exchange_group",
    "to_day",
]

SegmentKind: TypeAlias = Literal["pre_market", "regular", "break", "post_market"]
"""What a stretch of a session is."""

_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()


def to_day(value: date) -> int:
    """Return a date as days since 1970-01-01."""
    return value.toordinal() - _EPOCH_ORDINAL


def from_day(day: int) -> date:
    """Return the date of a number of days since 1970-01-01."""
    return date.fromordinal(int(day) + _EPOCH_ORDINAL)


@dataclass(frozen=True, slots=True, eq=False)
class MarketCalendar:
    """A session table, and what is known of its calendar beside the sessions.

    Arrays are read-only. Days count from 1970-01-01, instants are nanoseconds UTC.
    """

    table: SessionTable
    first_day: int
    """First day the table covers, with or without a session."""
    last_day: int
    """Last day the table covers."""
    start: int
    """First instant the table covers."""
    end: int
    """First instant after the covered time."""
    dates: NDArray[np.int32]
    """A column of the table at hand, as the next four: the table's own are copied at each access."""
    opens: NDArray[np.int64]
    closes: NDArray[np.int64]
    pre_opens: NDArray[np.int64]
    post_closes: NDArray[np.int64]
    early_closes: NDArray[np.int64]
    """Days of the sessions that close early, rising."""
    holidays: NDArray[np.int64]
    """Days without a session on weekdays that otherwise trade, rising."""

    def segments(self, index: int) -> list[tuple[SegmentKind, int, int]]:
        """Return the stretches ``[start, end)`` of a session in order, with what they are."""
        found: list[tuple[SegmentKind, int, int]] = []
        before = int(self.pre_opens[index])
        kind: SegmentKind = "pre_market"
        for start, end in self.table.segments(index):
            if before < start:
                found.append((kind, before, start))
            found.append(("regular", start, end))
            before, kind = end, "break"
        after = int(self.post_closes[index])
        if before < after:
            found.append(("post_market", before, after))
        return found

    def closes_early(self, day: int) -> bool:
        """Return whether a day has a session that closes early."""
        return _holds(self.early_closes, day)

    def is_holiday(self, day: int) -> bool:
        """Return whether a day that otherwise trades has no session; a weekend is no holiday."""
        return _holds(self.holidays, day)

    def holiday_name(self, day: int) -> str | None:
        """Return the name of a holiday, ``None`` for other days and where the calendar has none."""
        if not self.is_holiday(day):
            return None
        return read_holiday_names(self.table.calendar).get(day)

    def outside(self, what: str, *, got: object) -> OutOfCalendarError:
        """Return the error for a date or instant that is not covered; ``what`` begins its text."""
        first, last = from_day(self.first_day), from_day(self.last_day)
        text = f"{what} outside the session table of {self.table.calendar}, which covers {first} to {last}"
        return OutOfCalendarError(text, got=got, start=first, end=last)


def get_session_table(exchange_group: str) -> SessionTable:
    """Return all sessions of an exchange group's calendar.

    Parameters
    ----------
    exchange_group
        A name that ``resolve_exchange_group`` accepts.

    Returns
    -------
    SessionTable
        From 1990 to 2035, or as much of that as the calendar covers. The same object for every
        group of one calendar in one process; the first call takes about half a second,
        most of it for loading exchange_calendars.

    Raises
    ------
    UnknownExchangeError
        If there is no such group or calendar.
    CalendarError
        If exchange_calendars cannot build the calendar.
    """
    return get_market_calendar(exchange_group).table


_built: dict[str, MarketCalendar] = {}
_lock = Lock()


def get_market_calendar(exchange_group: str) -> MarketCalendar:
    """Return the session table of an exchange group with its holidays and early closes; else as ``get_session_table``."""
    group = resolve_exchange_group(exchange_group)
    found = _built.get(group.calendar)
    if found is not None:
        return found
    with _lock:
        if group.calendar not in _built:
            _built[group.calendar] = _build(group, read_sessions(group.calendar))
        return _built[group.calendar]


def _build(group: ExchangeGroup, said: ProvidedSessions) -> MarketCalendar:
    span_starts, span_ends = _spans(group, said)
    pre_opens, post_closes = _extended_hours(group, said)
    offsets, starts, ends = _segments(said)
    columns = {
        "opens": said.opens,
        "closes": said.closes,
        "segment_offsets": offsets,
        "segment_starts": starts,
        "segment_ends": ends,
        "pre_opens": np.maximum(pre_opens, span_starts),
        "post_closes": np.minimum(post_closes, span_ends),
        "span_starts": span_starts,
        "span_ends": span_ends,
    }
    dates = said.days.astype(np.int32)
    table = SessionTable(
        calendar=group.calendar,
        zone=group.zone,
        fingerprint=_fingerprint(group, said, [dates, *columns.values()]),
        dates=dates,
        **columns,
    )
    covered = np.array([said.first_day, said.last_day + 1])
    start, end = local_midnights(covered, group.zone)
    for array in (said.early_closes, said.holidays):
        array.setflags(write=False)
    return MarketCalendar(
        table=table,
        first_day=said.first_day,
        last_day=said.last_day,
        start=int(min(start, span_starts[0])),
        end=int(max(end, span_ends[-1])),
        dates=table.dates,
        opens=table.opens,
        closes=table.closes,
        pre_opens=table.pre_opens,
        post_closes=table.post_closes,
        early_closes=said.early_closes,
        holidays=said.holidays,
    )


def _spans(
    group: ExchangeGroup, said: ProvidedSessions
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The time that belongs to each date: its local day, and an overnight session's hours outside it."""
    starts = np.minimum(local_midnights(said.days, group.zone), said.opens)
    ends = np.maximum(local_midnights(said.days + 1, group.zone), said.closes)
    # The evening before an overnight session belongs to that session.
    ends[:-1] = np.minimum(ends[:-1], starts[1:])
    return starts, ends


def _segments(
    said: ProvidedSessions,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Offsets, starts and ends of the regular stretches: two where a session has a break."""
    # A session that closes before its break, or opens after it, has none.
    broken = (
        (said.break_starts != NOTHING)
        & (said.opens < said.break_starts)
        & (said.break_starts < said.break_ends)
        & (said.break_ends < said.closes)
    )
    offsets = np.concatenate(([0], np.cumsum(1 + broken.astype(np.int64))))
    starts, ends = np.empty((2, offsets[-1]), dtype=np.int64)
    starts[offsets[:-1]] = said.opens
    ends[offsets[1:] - 1] = said.closes
    ends[offsets[:-1][broken]] = said.break_starts[broken]
    starts[offsets[:-1][broken] + 1] = said.break_ends[broken]
    return offsets, starts, ends


def _extended_hours(
    group: ExchangeGroup, said: ProvidedSessions
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Start of the pre-market and end of the post-market of each session."""
    hours = EXTENDED_HOURS.get(group.calendar)
    if hours is None:
        return said.opens, said.closes
    early = np.isin(said.days, said.early_closes)
    last = np.where(
        early, _ns_of_day(hours.post_close_early), _ns_of_day(hours.post_close)
    )
    midnights = said.days * NS_PER_DAY
    pre_opens = localize(midnights + _ns_of_day(hours.pre_open), group.zone)
    post_closes = localize(midnights + last, group.zone)
    return np.minimum(pre_opens, said.opens), np.maximum(post_closes, said.closes)


def _ns_of_day(wall: time) -> int:
    return (wall.hour * 60 + wall.minute) * 60 * 1_000_000_000


def _fingerprint(
    group: ExchangeGroup,
    said: ProvidedSessions,
    columns: list[NDArray[np.int64] | NDArray[np.int32]],
) -> str:
    head = f"{group.calendar} {said.version} {from_day(said.first_day)} {from_day(said.last_day)}"
    digest = hashlib.sha256(head.encode())
    for column in columns:
        digest.update(column.astype("<i8").tobytes())
    return digest.hexdigest()


def _holds(days: NDArray[np.int64], day: int) -> bool:
    at = int(np.searchsorted(days, day))
    return at < days.size and int(days[at]) == day
