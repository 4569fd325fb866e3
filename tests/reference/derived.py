"""Fine bars into coarse ones: buckets count from the open, never cross the close, and are whole or flagged."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tests.reference.gaps import expected_starts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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


def buckets(day: TradingDay, base: int, target: int | None) -> list[Bucket]:
    """Buckets of a session that expect at least one base bar."""
    length = day.close - day.open if target is None else target
    base_starts = expected_starts(day, base)
    found = []
    for start in range(day.open, day.close, length):
        end = min(start + length, day.close)
        expected = tuple(ts for ts in base_starts if start <= ts < end)
        if expected:
            found.append(Bucket(start, end, expected))
    return found


def derive(
    day: TradingDay,
    bars: Mapping[int, Bar],
    base: int,
    target: int | None,
    *,
    completeness: str = "any",
    clock: int | None = None,
) -> list[Derived]:
    """Derived bars of one session from its base bars by start; with a clock only those that have ended."""
    emitted = []
    for bucket in buckets(day, base, target):
        if clock is not None and clock < bucket.end:
            continue
        members = [bars[ts] for ts in bucket.expected if ts in bars]
        whole = len(members) == len(bucket.expected)
        if not members or (completeness == "complete" and not whole):
            continue
        emitted.append(
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
        )
    return emitted
