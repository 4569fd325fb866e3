"""What becomes of offered bars: the outcome of one, the counts of many."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["IngestCounts", "IngestReport", "Outcome"]


class Outcome(StrEnum):
    """Exactly one of these happens to every offered bar."""

    ACCEPTED = "accepted"
    LATE = "late"
    DUPLICATE = "duplicate"
    CORRECTION = "correction"
    REJECTED = "rejected"
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True)
class IngestCounts:
    """How many bars were offered and what became of them. Derived bars are not counted."""

    offered: int = 0
    accepted: int = 0
    duplicates: int = 0
    corrections: int = 0
    late: int = 0
    rejected: int = 0
    quarantined: int = 0

    @property
    def balanced(self) -> bool:
        """Whether every offered bar has an outcome; anything but ``True`` is a defect."""
        parts = (
            self.accepted,
            self.duplicates,
            self.corrections,
            self.late,
            self.rejected,
            self.quarantined,
        )
        return self.offered == sum(parts)

    def __add__(self, other: IngestCounts) -> IngestCounts:
        return IngestCounts(
            self.offered + other.offered,
            self.accepted + other.accepted,
            self.duplicates + other.duplicates,
            self.corrections + other.corrections,
            self.late + other.late,
            self.rejected + other.rejected,
            self.quarantined + other.quarantined,
        )

    def __sub__(self, other: IngestCounts) -> IngestCounts:
        return IngestCounts(
            self.offered - other.offered,
            self.accepted - other.accepted,
            self.duplicates - other.duplicates,
            self.corrections - other.corrections,
            self.late - other.late,
            self.rejected - other.rejected,
            self.quarantined - other.quarantined,
        )


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What became of one batch. ``skipped`` lists invalid rows as (row, field, value, rule)."""

    symbol: str
    counts: IngestCounts
    skipped: tuple[tuple[int, str, float, str], ...] = ()
