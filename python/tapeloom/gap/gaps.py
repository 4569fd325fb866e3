"""``Gap``: a run of missing bars with the cause that the evidence supports."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from tapeloom.tables.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

__all__ = ["Cause", "Gap", "GapSummary", "Gaps"]


class Cause(StrEnum):
    """Why bars are missing. The order is that of precedence: the first whose evidence covers the whole gap."""

    CLOSED = "closed"
    """The calendar as corrected by now, or the feed's status, has the market closed then."""
    HALT = "halt"
    """The feed reported a halt of the symbol or of the market."""
    OUTAGE = "outage"
    """Our own connection was down."""
    TRUNCATED = "truncated"
    """The session is over, and the series ends before it: a download that was cut off."""
    NO_TRADE = "no_trade"
    """Stored ticks on both sides and in the bars beside it, none within, and our own connection was up; or history was
    asked and has no bar there, and no trade was seen."""
    VENDOR_HOLE = "vendor_hole"
    """All symbols with bars in the session, three or more, lack the same bars; or history was asked and has none although
    a trade was seen."""
    UNKNOWN = "unknown"
    """None of these; never a guess."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A run of expected bars that did not come, ``[start, end)``.

    ``start`` is the start of the first missing bar, ``end`` the end of the last one, both aware in the exchange's
    zone. ``missing`` counts bars. A break or a night separates two gaps. ``evidence`` is one sentence, empty where there
    is none. ``status`` is how far filling it from history has come: ``"detected"``, ``"requested"``, ``"filled"``,
    ``"partial"`` or ``"abandoned"``; ``attempts`` counts the tries, ``last_attempt`` is when the last one was, aware.
    """

    symbol: str
    interval: str
    start: datetime
    end: datetime
    missing: int
    cause: Cause = Cause.UNKNOWN
    evidence: str = ""
    status: str = "detected"
    attempts: int = 0
    last_attempt: datetime | None = None


class Gaps(Table[Gap]):
    """Gaps of one symbol or several, each symbol's oldest first."""


@dataclass(frozen=True, slots=True)
class GapSummary:
    """How many gaps there are and how large: bars missing in all, in the largest, and in the mean of all gaps."""

    number: int
    missing: int
    largest: int
    mean: float

    @classmethod
    def of(cls, gaps: Iterable[Gap]) -> GapSummary:
        """Return the summary of some gaps; zeros without one."""
        sizes = [gap.missing for gap in gaps]
        mean = sum(sizes) / len(sizes) if sizes else 0.0
        return cls(len(sizes), sum(sizes), max(sizes, default=0), mean)
