"""What one day of a loaded series has and lacks, row after row."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tests.reference.gaps import expected_starts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.reference.bars import Bar
    from tests.reference.schedule import TradingDay

__all__ = ["DayCounts", "day_counts"]


class DayCounts(NamedTuple):
    """Counts of one day: bars of its grid, and rows."""

    bars: int
    expected: int
    present: int
    before_open: int
    at_or_after_close: int
    duplicates: int
    strays: int
    """Starts in a break or between two expected ones."""
    zero_volume: int


def day_counts(day: TradingDay, rows: Sequence[Bar], interval: int | None) -> DayCounts:
    """Count the rows (sorted) that belong to the date of a day."""
    own = [row for row in rows if day.span[0] <= row.ts < day.span[1]]
    grid = set(expected_starts(day, interval))
    starts = {row.ts for row in own}
    regular = {ts for ts in starts if day.open <= ts < day.close}
    return DayCounts(
        bars=len(own),
        expected=len(grid),
        present=len(grid & starts),
        before_open=sum(row.ts < day.open for row in own),
        at_or_after_close=sum(row.ts >= day.close for row in own),
        duplicates=len(own) - len(starts),
        strays=len(regular - grid),
        zero_volume=sum(
            day.open <= row.ts < day.close and row.volume == 0 for row in own
        ),
    )
