"""Expected bars of a session, the missing ones as runs, and quality by membership."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tests.reference.schedule import known_at

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from tests.reference.schedule import TradingDay

__all__ = ["Run", "due_starts", "expected_starts", "missing_runs", "quality"]


class Run(NamedTuple):
    """Expected bars that did not come: ``[start, end)`` in nanoseconds and how many."""

    start: int
    end: int
    missing: int


def expected_starts(day: TradingDay, interval: int | None) -> list[int]:
    """Starts of the bars a session should have: steps from the open that lie in regular hours."""
    if interval is None:
        return [day.open]
    return [ts for ts in range(day.open, day.close, interval) if day.is_regular(ts)]


def due_starts(day: TradingDay, interval: int | None, clock: int | None) -> list[int]:
    """The expected starts whose bar has ended at the clock; none while there is no clock."""
    if clock is None:
        return []
    return [
        ts
        for ts in expected_starts(day, interval)
        if known_at(ts, interval, day) <= clock
    ]


def missing_runs(
    day: TradingDay, interval: int, due: Sequence[int], present: Collection[int]
) -> list[Run]:
    """Missing bars, neighbours joined; a break between two bars separates them."""
    runs: list[Run] = []
    for start, end in day.segments:
        last = None
        for ts in due:
            if not start <= ts < end or ts in present:
                continue
            bar_end = known_at(ts, interval, day)
            if last is not None and ts == last + interval:
                runs[-1] = Run(runs[-1].start, bar_end, runs[-1].missing + 1)
            else:
                runs.append(Run(ts, bar_end, 1))
            last = ts
    return runs


def quality(due: Sequence[int], present: Collection[int]) -> float | None:
    """Share of the due bars that are there, 0-100; ``None`` when nothing is due."""
    if not due:
        return None
    return 100.0 * sum(1 for ts in due if ts in present) / len(due)
