"""Which sessions are stored as a whole, start by start."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.reference.gaps import expected_starts

if TYPE_CHECKING:
    from collections.abc import Collection

    from tests.reference.schedule import TradingDay

__all__ = ["is_whole"]


def is_whole(
    day: TradingDay, starts: Collection[int], interval: int, no_trade: str
) -> bool:
    """Whether no bar of a session is missed; one bar at least has to be there."""
    expected = expected_starts(day, interval)
    present = [ts for ts in expected if ts in starts]
    if not present:
        return False
    missing = [ts for ts in expected if ts not in starts]
    if no_trade == "expected":
        missing = [ts for ts in missing if not present[0] < ts < present[-1]]
    return not missing
