"""Instants as the wall times that a zone's clock shows: the way back from ``localize``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tapeloom.timestamps.clock_changes import zone_rules

if TYPE_CHECKING:
    from datetime import tzinfo

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["wall_times"]


def wall_times(ts: NDArray[np.int64], zone: tzinfo) -> NDArray[np.int64]:
    """Return what the clock shows at each instant (ns UTC), in ns as if 1970-01-01 00:00 of the zone were 0."""
    if not len(ts):
        return ts
    rules = zone_rules(zone, int(ts.min()), int(ts.max()))
    return ts + rules.offsets[rules.changes.searchsorted(ts, side="right")]
