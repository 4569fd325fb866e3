"""Figures of durations from the durations themselves, all of them kept."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["nearest_rank"]


def nearest_rank(values: Sequence[int], percent: int) -> int:
    """Return the smallest value that so many percent of all do not exceed."""
    return sorted(values)[ceil(percent * len(values) / 100) - 1]
