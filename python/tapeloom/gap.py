"""What is missing: gaps and the quality of a series."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["Gap", "QualityReport"]


@dataclass(frozen=True, slots=True)
class Gap:
    """A run of expected bars that did not come, ``[start, end)``.

    ``start`` is the start of the first missing bar, ``end`` the end of the last one, both aware in the exchange's
    zone. ``missing`` counts bars. A break or a night separates two gaps.
    """

    symbol: str
    interval: str
    start: datetime
    end: datetime
    missing: int


@dataclass(frozen=True, slots=True)
class QualityReport:
    """Quality of one symbol's session with the counters beside it.

    ``expected`` counts the bars due at the clock, ``present`` those of them that came. ``duplicates`` counts repeated
    keys, ``out_of_order`` arrivals that start before the newest bar, ``out_of_session`` bars outside regular hours,
    ``off_grid`` bars that start between two expected starts.
    """

    symbol: str
    interval: str
    expected: int
    present: int
    duplicates: int
    out_of_order: int
    out_of_session: int
    off_grid: int

    @property
    def missing(self) -> int:
        """Bars that were due and did not come."""
        return self.expected - self.present

    @property
    def quality(self) -> float | None:
        """Present among the due, 0-100; ``None`` when nothing is due."""
        return 100.0 * self.present / self.expected if self.expected else None
