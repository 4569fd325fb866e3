"""Fine bars into coarse ones: buckets are anchored to the session, never cross its close, and are whole or flagged."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, NamedTuple

from tests.reference.gaps import expected_starts
from tests.reference.schedule import (
    clipped_end,
    day_groups,
    interval_ns,
    wall_midnight,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tests.reference.bars import Bar
    from tests.reference.schedule import TradingDay

__all__ = [
    "DERIVED",
    "PARTIAL",
    "Bucket",
    "Derived",
    "buckets",
    "compensated_sum",
    "derive",
    "resample",
]

DERIVED = 8
PARTIAL = 64


class Bucket(NamedTuple):
    """``[start, end)`` and the base bars that should lie in it."""

    start: int
    end: int
    expected: tuple[int, ...]


class Derived(NamedTuple):
    """A derived bar; it is emitted at ``end``."""

    ts: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    constituents: int
    flags: int
    end: int


def compensated_sum(values: Iterable[float]) -> float:
    """Sum that keeps what each addition loses (Neumaier, ZAMM 54, 1974)."""
    total = 0.0
    lost = 0.0
    for value in values:
        after = total + value
        if abs(total) >= abs(value):
            lost += (total - after) + value
        else:
            lost += (value - after) + total
        total = after
    return total + lost


def buckets(
    day: TradingDay,
    base: int | None,
    target: int | None,
    *,
    anchor: str = "session",
    zone: str = "UTC",
) -> list[Bucket]:
    """Buckets of a session that expect at least one base bar; the zone is for those of the wall clock."""
    base_starts = expected_starts(day, base)
    if target is None:
        return [Bucket(day.open, day.close, tuple(base_starts))]
    found = []
    for start, end in _stretches(day, target, anchor, zone):
        first, last = bisect_left(base_starts, start), bisect_left(base_starts, end)
        expected = tuple(base_starts[first:last])
        if expected:
            label = max(start, day.open)
            found.append(Bucket(label, clipped_end(day, start, end), expected))
    return found


def _stretches(
    day: TradingDay, length: int, anchor: str, zone: str
) -> list[tuple[int, int]]:
    """The time each bucket would take if trading never stopped."""
    if anchor == "segment":
        return [
            (start, min(start + length, end))
            for begin, end in day.segments
            for start in range(begin, end, length)
        ]
    begin = day.open if anchor == "session" else wall_midnight(day.open, zone)
    starts = range(begin, day.close, length)
    return [(start, start + length) for start in starts if start + length > day.open]


def derive(
    day: TradingDay,
    bars: Mapping[int, Bar],
    base: int | None,
    target: int | None,
    *,
    completeness: str = "any",
    clock: int | None = None,
) -> list[Derived]:
    """Derived bars of one session from its base bars by start; with a clock only those that have ended."""
    found = []
    for bucket in buckets(day, base, target):
        if clock is None or bucket.end <= clock:
            found += _emitted(bucket, bars, completeness)
    return found


def resample(
    days: Sequence[TradingDay],
    rows: Iterable[Bar],
    base: str,
    target: str,
    *,
    completeness: str = "any",
    anchor: str = "session",
    zone: str = "UTC",
) -> list[Derived]:
    """Coarser bars of loaded rows; of equal starts the last row counts.

    The days are all sessions of a calendar from the first day of a year on, as far as the groups of the rows reach.
    """
    bars = {row.ts: row for row in rows}
    step = interval_ns(base)
    found: list[Derived] = []
    if not bars:
        return found
    if target == "1d" or target[-1] not in "dw":
        length = interval_ns(target)
        for day in days:
            if day.span[0] <= max(bars) and min(bars) < day.span[1]:
                for bucket in buckets(day, step, length, anchor=anchor, zone=zone):
                    found += _emitted(bucket, bars, completeness)
        return found
    for group in day_groups(days, target):
        if group[0].span[0] <= max(bars) and min(bars) < group[-1].span[1]:
            expected = [ts for day in group for ts in expected_starts(day, step)]
            bucket = Bucket(group[0].open, group[-1].close, tuple(expected))
            found += _emitted(bucket, bars, completeness)
    return found


def _emitted(
    bucket: Bucket, bars: Mapping[int, Bar], completeness: str
) -> list[Derived]:
    """The bar of a bucket, or nothing."""
    members = [bars[ts] for ts in bucket.expected if ts in bars]
    whole = len(members) == len(bucket.expected)
    if not members or (completeness == "complete" and not whole):
        return []
    return [
        Derived(
            ts=bucket.start,
            open=members[0].open,
            high=max(bar.high for bar in members),
            low=min(bar.low for bar in members),
            close=members[-1].close,
            volume=compensated_sum(bar.volume for bar in members),
            constituents=len(members),
            flags=DERIVED if whole else DERIVED | PARTIAL,
            end=bucket.end,
        )
    ]
