"""``Window``: the dates to look at, and the sessions in which a series is expected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tapeloom.calendars.days import require_date, to_day
from tapeloom.checking.counts import sessions_of
from tapeloom.errors import ArgumentError

if TYPE_CHECKING:
    from datetime import date

    from tapeloom._core import Bars, SessionTable

__all__ = ["Window"]

_SMALLEST, _LARGEST = -(2**63), 2**63 - 1


@dataclass(frozen=True, slots=True)
class Window:
    """The dates to look at, both included; ``None`` is open, and then a series begins and ends with its own bars."""

    start: date | None = None
    end: date | None = None

    def __post_init__(self) -> None:
        for name, bound in (("start", self.start), ("end", self.end)):
            if bound is not None:
                require_date(bound, name)
        if self.start is not None and self.end is not None and self.start > self.end:
            text = f"start {self.start} is after end {self.end}; both are included"
            raise ArgumentError(text, start=self.start, end=self.end)

    def instants(self, table: SessionTable) -> tuple[int, int]:
        """Return where the time of its sessions begins and ends, ns UTC."""
        first, last = self._positions(table)
        start = int(table.span_starts[first]) if first < len(table) else _LARGEST
        end = int(table.span_ends[last - 1]) if last > 0 else _SMALLEST
        return (
            _SMALLEST if self.start is None else start,
            _LARGEST if self.end is None else max(start, end),
        )

    def sessions(self, table: SessionTable, bars: Bars) -> tuple[int, int]:
        """Return the positions of the sessions in which a series is expected."""
        own_first, own_last = sessions_of(table, bars)
        first, last = self._positions(table)
        if not len(bars) and (self.start is None or self.end is None):
            return 0, 0
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
        return first, last
