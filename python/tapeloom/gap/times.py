"""Instants as people write them: the time of day in the exchange's zone, with the date where it is another one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tapeloom.timestamps import from_ns

if TYPE_CHECKING:
    from datetime import tzinfo

__all__ = ["Times"]


@dataclass(frozen=True, slots=True)
class Times:
    """Writes instants (ns UTC) for the reader of a session whose time is ``[start, end)``."""

    zone: tzinfo
    start: int
    end: int

    def at(self, ns: int) -> str:
        """Return one instant; seconds are left out where they are zero."""
        moment = from_ns(ns, self.zone)
        clock = f"{moment:%H:%M:%S}" if moment.second else f"{moment:%H:%M}"
        # The last bar of a session may end with its time.
        is_today = self.start <= ns <= self.end
        return clock if is_today else f"{moment:%Y-%m-%d} {clock}"

    def span(self, start: int, end: int) -> str:
        """Return a span as ``10:02-10:17``, the date of its end only where it differs."""
        first, last = from_ns(start, self.zone), from_ns(end, self.zone)
        shown = self.at(end)
        if first.date() == last.date():
            shown = shown.rpartition(" ")[2]
        return f"{self.at(start)}-{shown}"
