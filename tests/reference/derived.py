"""Fine bars into coarse ones: buckets are anchored to the session, never cross its close, and are whole or flagged."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, NamedTuple

from tests.reference.gaps import expected_starts, extended_starts
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
    "EXTENDED",
    "PARTIAL",
    "Bucket",
    "Derived",
    "buckets",
    "compensated_sum",
    "derive",
    "resample",
]

DERIVED = 8
EXTENDED = 16
PARTIAL = 64


class Bucket(NamedTuple):
    """``[start, end)``, the base bars that should lie in it, and those that may: the ones of extended hours."""

    start: int
    end: int
    expected: tuple[int, ...]
    welcome: tuple[int, ...] = ()


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
    extended_hours: str = "off",
) -> list[Bucket]:
    """Buckets of a session that hold at least one base bar; the zone is for those of the wall clock.

    With extended hours ``"show"`` pre- and post-market have buckets of their own, with ``"full"`` they belong to the day too.
    """
    base_starts = expected_starts(day, base)
    if target is None:
        if extended_hours != "full" or base is None:
            return [Bucket(day.open, day.close, tuple(base_starts))]
        welcome = tuple(extended_starts(day, base))
        return [Bucket(day.open, day.last_close, tuple(base_starts), welcome)]
    found = []
    if extended_hours != "off" and base is not None:
        for part in day.extended:
            found += _extended_buckets(part, base, target, anchor, zone, day.open)
    for start, end in _stretches(day, target, anchor, zone):
        first, last = bisect_left(base_starts, start), bisect_left(base_starts, end)
        expected = tuple(base_starts[first:last])
        if expected:
            label = max(start, day.open)
            found.append(Bucket(label, clipped_end(day, start, end), expected))
    return sorted(found)


def _extended_buckets(
    part: tuple[int, int],
    base: int,
    target: int,
    anchor: str,
    zone: str,
    opening: int,
) -> list[Bucket]:
    """Buckets of a pre- or post-market, as if it were a session by itself, of which no bar is expected."""
    begin, close = part
    origin = wall_midnight(opening, zone) if anchor == "clock" else begin
    found = []
    for start in range(origin, close, target):
        low, high = max(start, begin), min(start + target, close)
        welcome = tuple(ts for ts in range(begin, close, base) if low <= ts < high)
        if welcome:
            found.append(Bucket(low, high, (), welcome))
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
    extended_hours: str = "off",
) -> list[Derived]:
    """Derived bars of one session from its base bars by start; with a clock only those that have ended."""
    found = []
    for bucket in buckets(day, base, target, extended_hours=extended_hours):
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
    extended_hours: str = "off",
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
                for bucket in buckets(
                    day,
                    step,
                    length,
                    anchor=anchor,
                    zone=zone,
                    extended_hours=extended_hours,
                ):
                    found += _emitted(bucket, bars, completeness)
        return found
    for group in day_groups(days, target):
        if group[0].span[0] <= max(bars) and min(bars) < group[-1].span[1]:
            expected = [ts for day in group for ts in expected_starts(day, step)]
            bucket = Bucket(group[0].open, group[-1].close, tuple(expected))
            if extended_hours == "full" and step is not None:
                beside = [ts for day in group for ts in extended_starts(day, step)]
                end = group[-1].last_close
                bucket = bucket._replace(end=end, welcome=tuple(beside))
            found += _emitted(bucket, bars, completeness)
    return found


def _emitted(
    bucket: Bucket, bars: Mapping[int, Bar], completeness: str
) -> list[Derived]:
    """The bar of a bucket, or nothing."""
    starts = sorted(bucket.expected + bucket.welcome)
    members = [bars[ts] for ts in starts if ts in bars]
    whole = all(ts in bars for ts in bucket.expected)
    flags = DERIVED if bucket.expected else DERIVED | EXTENDED
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
            flags=flags if whole else flags | PARTIAL,
            end=bucket.end,
        )
    ]
