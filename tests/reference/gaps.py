"""Expected bars of a session, the missing ones as runs, and quality by membership."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tests.reference.schedule import clipped_end, known_at

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from tests.reference.schedule import TradingDay

__all__ = [
    "Counts",
    "Run",
    "due_starts",
    "expected_starts",
    "extended_starts",
    "loaded_gaps",
    "missing_runs",
    "quality",
    "starts_within",
]


class Run(NamedTuple):
    """Expected bars that did not come: ``[start, end)`` in nanoseconds and how many."""

    start: int
    end: int
    missing: int


class Counts(NamedTuple):
    """How the rows of one loaded series stand to some sessions."""

    expected: int
    present: int
    missing: int
    duplicates: int
    off_grid: int
    out_of_session: int


def expected_starts(day: TradingDay, interval: int | None) -> list[int]:
    """Starts of the bars a session should have: steps from the open that meet regular hours."""
    if interval is None:
        return [day.open]
    return [
        ts
        for ts in range(day.open, day.close, interval)
        if any(ts < end and start < ts + interval for start, end in day.segments)
    ]


def extended_starts(day: TradingDay, interval: int | None) -> list[int]:
    """Starts of the bars that pre- and post-market may have, counted from the start of each; none of a day or longer."""
    if interval is None:
        return []
    return [ts for start, end in day.extended for ts in range(start, end, interval)]


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
    for ts in due:
        if ts in present:
            continue
        end = clipped_end(day, ts, ts + interval)
        if runs and runs[-1].end == ts:
            runs[-1] = Run(runs[-1].start, end, runs[-1].missing + 1)
        else:
            runs.append(Run(ts, end, 1))
    return runs


def loaded_gaps(
    days: Sequence[TradingDay], starts: Sequence[int], interval: int | None
) -> tuple[list[Run], Counts]:
    """Missing runs and counts of sorted starts over neighbouring sessions; a night separates two runs.

    Only rows from the beginning of the first session's time to the end of the last one's count, each in one place.
    """
    runs: list[Run] = []
    grid: set[int] = set()
    for day in days:
        expected = expected_starts(day, interval)
        grid.update(expected)
        step = day.close - day.open if interval is None else interval
        runs += missing_runs(day, step, expected, starts_within(starts, day))
    duplicates = present = off_grid = out_of_session = 0
    previous = None
    for ts in starts:
        if days and days[0].span[0] <= ts < days[-1].span[1]:
            if ts == previous:
                duplicates += 1
            elif ts in grid:
                present += 1
            elif any(day.is_regular(ts) for day in days):
                off_grid += 1
            else:
                out_of_session += 1
        previous = ts
    missing = len(grid) - present
    return runs, Counts(
        len(grid), present, missing, duplicates, off_grid, out_of_session
    )


def starts_within(starts: Sequence[int], day: TradingDay) -> set[int]:
    """The starts that belong to the date of a session."""
    return {ts for ts in starts if day.span[0] <= ts < day.span[1]}


def quality(due: Sequence[int], present: Collection[int]) -> float | None:
    """Share of the due bars that are there, 0-100; ``None`` when nothing is due."""
    if not due:
        return None
    return 100.0 * sum(1 for ts in due if ts in present) / len(due)
