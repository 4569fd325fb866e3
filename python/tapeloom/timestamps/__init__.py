"""Timestamps: every accepted form of a time into int64 nanoseconds UTC, and back to aware datetimes."""

from __future__ import annotations

from tapeloom.timestamps.clock_changes import NS_PER_DAY
from tapeloom.timestamps.instants import TimestampLike, check_unit, from_ns, to_ns
from tapeloom.timestamps.wall_times import Ambiguous, local_midnights, localize

__all__ = [
    "NS_PER_DAY",
    "Ambiguous",
    "TimestampLike",
    "check_unit",
    "from_ns",
    "local_midnights",
    "localize",
    "to_ns",
]
