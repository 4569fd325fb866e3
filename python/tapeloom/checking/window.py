"""``Window``: the dates to look at, and the sessions in which a series is expected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tapeloom.calendars.days import from_day, require_date, to_day
from tapeloom.checking.counts import sessions_of
from tapeloom.errors import ArgumentError, OutOfCalendarError
from tapeloom.timestamps import local_midnights

if TYPE_CHECKING:
    from datetime import date

    from tapeloom._core import Bars, SessionTable
    from tapeloom.calendars.time_manager import TimeManager

__all__ = ["Window", "now_of"]

_SMALLEST, _LARGEST = -(2**63), 2**63 - 1


@dataclass(frozen=True, slots=True)
class Window:
    """The dates to look at, both included; ``None`` is open, and then a series begins and ends with its own bars.

    ``now`` is the time, ns UTC: no session that opens later is due, unless it has bars already. ``clock`` is that of a
    backtest, ns UTC: a session that is not over by then is not looked at.
    """

    start: date | None = None
    end: date | None = None
    now: int | None = None
    clock: int | None = None

    def __post_init__(self) -> None:
        for name, bound in (("start", self.start), ("end", self.end)):
            if bound is not None:
                require_date(bound, name)
        if self.start is not None and self.end is not None and self.start > self.end:
            text = f"start {self.start} is after end {self.end}; both are included"
            raise ArgumentError(text, start=self.start, end=self.end)

    def require_covered(self, table: SessionTable) -> None:
        """Raise ``OutOfCalendarError`` if a date lies outside the calendar: nobody knows what is due there."""
        for name, bound in (("start", self.start), ("end", self.end)):
            if (
                bound is not None
                and not table.first_day <= to_day(bound) <= table.last_day
            ):
                first, last = from_day(table.first_day), from_day(table.last_day)
                text = f"{name} {bound} is outside the calendar {table.calendar}, which covers {first} to {last}"
                raise OutOfCalendarError(text, start=first, end=last, got=bound)

    def instants(self, table: SessionTable) -> tuple[int, int]:
        """Return where the time of its dates begins and ends, ns UTC; that of dates without a session included."""
        first, last = self._positions(table)
        # Between two sessions lies the time of neither: that of a weekend.
        start, end = _SMALLEST, _LARGEST
        if self.start is not None:
            own = int(table.span_starts[first]) if first < len(table) else _LARGEST
            before = int(table.span_ends[first - 1]) if first > 0 else _SMALLEST
            start = max(before, min(own, _midnight(table, self.start, 0)))
        if self.end is not None or self.clock is not None:
            end = int(table.span_starts[last]) if last < len(table) else _LARGEST
        if self.end is not None:
            own = int(table.span_ends[last - 1]) if last > 0 else _SMALLEST
            end = min(end, max(own, _midnight(table, self.end, 1)))
        return start, max(start, end)

    def sessions(self, table: SessionTable, bars: Bars) -> tuple[int, int]:
        """Return the positions of the sessions in which a series is expected."""
        own_first, own_last = sessions_of(table, bars)
        first, last = self._positions(table)
        if not len(bars) and (self.start is None or self.end is None):
            return 0, 0
        if self.now is not None:
            opened = int(table.opens.searchsorted(self.now, side="right"))
            last = min(last, max(opened, own_last))
        first = own_first if self.start is None else first
        last = own_last if self.end is None else last
        return first, max(first, last)

    def _positions(self, table: SessionTable) -> tuple[int, int]:
        first = 0 if self.start is None else table.sessions_before(to_day(self.start))
        last = (
            len(table)
            if self.end is None
            else table.sessions_before(to_day(self.end) + 1)
        )
        if self.clock is not None:
            last = min(last, int(table.closes.searchsorted(self.clock, side="right")))
        return first, max(first, last)


def now_of(manager: TimeManager) -> int | None:
    """Return the time of a manager's clock, ns UTC; ``None`` where it was not set."""
    return manager.clock.now_ns() if getattr(manager.clock, "is_set", True) else None


def _midnight(table: SessionTable, day: date, later: int) -> int:
    """When a date, or one some days later, begins on the exchange's clock, ns UTC."""
    return int(local_midnights(np.array([to_day(day) + later]), table.zone)[0])
