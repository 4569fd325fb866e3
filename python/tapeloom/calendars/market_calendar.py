"""``MarketCalendar``: a session table, and what is known of its calendar beside the sessions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tapeloom._core import SessionTable
from tapeloom.calendars.days import from_day, to_day
from tapeloom.calendars.overlay import Overlay
from tapeloom.calendars.providers.provided_sessions import ProvidedSessions
from tapeloom.errors import OutOfCalendarError

__all__ = ["MarketCalendar", "SegmentKind"]

SegmentKind: TypeAlias = Literal["pre_market", "regular", "break", "post_market"]
"""What a stretch of a session is."""


@dataclass(frozen=True, slots=True, eq=False)
class MarketCalendar:
    """A session table, and what is known of its calendar beside the sessions.

    Days count from 1970-01-01, instants are nanoseconds UTC.
    """

    table: SessionTable
    source: str
    """Who says when the market trades, with the version."""
    overlay: Overlay
    """What was corrected on top."""
    early_closes: NDArray[np.int64]
    """Days of the sessions that close early, rising. Read-only."""
    holidays: NDArray[np.int64]
    """Days without a session on weekdays that otherwise trade, rising. Read-only."""
    holiday_names: Mapping[str, str]
    """Names by date, ``YYYY-MM-DD``, of those that have one."""

    def segments(self, index: int) -> list[tuple[SegmentKind, int, int]]:
        """Return the stretches ``[start, end)`` of a session in order, with what they are."""
        table = self.table
        found: list[tuple[SegmentKind, int, int]] = []
        before = int(table.pre_opens[index])
        kind: SegmentKind = "pre_market"
        for start, end in table.segments(index):
            if before < start:
                found.append((kind, before, start))
            found.append(("regular", start, end))
            before, kind = end, "break"
        after = int(table.post_closes[index])
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
        """Return the name of a holiday, ``None`` for other days and where nobody gave one."""
        if not self.is_holiday(day):
            return None
        return self.holiday_names.get(from_day(day).isoformat())

    def require_covered(self, value: date, day: int, name: str) -> None:
        """Raise ``OutOfCalendarError`` for a date that the table does not cover."""
        table = self.table
        if not table.first_day <= day <= table.last_day:
            raise self.outside(f"{name} is {value},", got=value)

    def outside(self, what: str, *, got: object) -> OutOfCalendarError:
        """Return the error for a date that is not covered; ``what`` begins its text."""
        first, last = from_day(self.table.first_day), from_day(self.table.last_day)
        text = f"{what} outside the session table of {self.table.calendar}, which covers {first} to {last}"
        return OutOfCalendarError(text, got=got, start=first, end=last)

    def as_provided(self) -> ProvidedSessions:
        """Return the sessions in the form in which a source gives them, to put an overlay on top."""
        table = self.table
        return ProvidedSessions(
            version=self.source,
            first_day=table.first_day,
            last_day=table.last_day,
            days=table.dates.astype(np.int64),
            segment_offsets=table.segment_offsets,
            segment_starts=table.segment_starts,
            segment_ends=table.segment_ends,
            pre_opens=table.pre_opens,
            post_closes=table.post_closes,
            early_closes=self.early_closes,
            holidays=self.holidays,
            holiday_names={
                to_day(date.fromisoformat(text)): name
                for text, name in self.holiday_names.items()
            },
        )


def _holds(days: NDArray[np.int64], day: int) -> bool:
    at = int(np.searchsorted(days, day))
    return at < days.size and int(days[at]) == day
