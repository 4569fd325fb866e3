"""Loaded series for the tests of what works on whole columns: real calendars as plain days, rows with every fault."""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache
from random import Random
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import strategies as st

from tapeloom.bars import Bars
from tapeloom.calendars import get_session_table
from tests.compare import columns
from tests.reference.bars import Bar
from tests.reference.gaps import expected_starts
from tests.reference.schedule import MINUTE, SECOND, TradingDay, interval_ns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tapeloom._core import SessionTable

__all__ = [
    "MARKETS",
    "bars_of",
    "days_of",
    "loaded_rows",
    "row_at",
    "stretch_of",
    "window",
]

# Full and half days around clock changes, breaks, overnight sessions, and no night at all.
MARKETS = ("US_EQUITY", "JP_EQUITY", "HK_EQUITY", "US_FUTURES", "CRYPTO")

# First days of stretches that hold half days, clock changes, new years and the change of a close.
FIRST_DAYS = (
    date(2024, 3, 7),
    date(2024, 10, 31),
    date(2024, 11, 27),
    date(2024, 12, 23),
    date(2025, 7, 1),
)

# Whole numbers, fractions, and small ones beside those that swallow them unless sums are compensated.
VOLUMES = (0.0, 1.0, 250.0, 0.1, 0.3, 1e16, 3e15, 9_007_199_254_740_993.0, 1e-9)


@cache
def days_of(group: str, first: date, last: date) -> tuple[TradingDay, ...]:
    """All sessions of a calendar from one date to another, both included."""
    table = get_session_table(group)
    epoch = date(1970, 1, 1)
    low = table.sessions_before((first - epoch).days)
    high = table.sessions_before((last - epoch).days + 1)
    return tuple(
        TradingDay(
            epoch + timedelta(days=int(table.dates[index])),
            tuple(table.segments(index)),
            (int(table.span_starts[index]), int(table.span_ends[index])),
        )
        for index in range(low, high)
    )


@st.composite
def stretch_of(draw: st.DrawFn, group: str, *, most: int = 6) -> list[TradingDay]:
    """Some neighbouring sessions of a calendar."""
    first = draw(st.sampled_from(FIRST_DAYS))
    days = days_of(group, first, first + timedelta(days=14))
    return list(days[: draw(st.integers(1, most))])


def row_at(ts: int, rng: Random) -> Bar:
    """Return a valid bar with a volume that is awkward to add."""
    low = round(rng.uniform(5.0, 500.0), 2)
    high = round(low + rng.expovariate(2.0), 2)
    opened, closed = (round(rng.uniform(low, high), 2) for _ in range(2))
    return Bar(ts, opened, high, low, closed, rng.choice(VOLUMES))


@st.composite
def loaded_rows(
    draw: st.DrawFn, days: Sequence[TradingDay], interval: str
) -> list[Bar]:
    """Rows of one series in order: whole or with holes, repeated, between two steps, outside hours; or one, or none."""
    rng = Random(draw(st.integers(0, 2**32)))
    step = interval_ns(interval)
    grid = [ts for day in days for ts in expected_starts(day, step)]
    kind = draw(st.sampled_from(["whole", "holes", "holes", "part", "one", "none"]))
    if kind == "none":
        return []
    if kind == "one":
        return [row_at(draw(st.sampled_from(grid)), rng)]
    if kind == "part":
        first = draw(st.integers(0, len(grid) - 1))
        grid = grid[first : first + draw(st.integers(1, 500))]
    if kind != "whole":
        grid = _with_holes(grid, rng)
    integral = draw(st.booleans())
    rows = [row_at(ts, rng) for ts in grid]
    if draw(st.booleans()):
        rows += [row_at(ts, rng) for ts in _strays(days, rng)]
        rows += [row_at(rng.choice(rows).ts, rng) for _ in range(rng.randrange(4))]
        # The same values again, and a start that comes three times.
        rows += [rng.choice(rows)] * rng.randrange(3)
    if integral:
        rows = [row._replace(volume=float(int(row.volume) % 10**6)) for row in rows]
    return sorted(rows, key=lambda row: row.ts)


def _with_holes(grid: list[int], rng: Random) -> list[int]:
    dropped: set[int] = set()
    for _ in range(rng.randrange(8)):
        start = rng.randrange(len(grid))
        dropped.update(range(start, start + rng.choice([1, 1, 2, 5, 40, 400])))
    kept = [ts for at, ts in enumerate(grid) if at not in dropped]
    return kept or grid[:1]


def _strays(days: Sequence[TradingDay], rng: Random) -> list[int]:
    """Starts that no session expects."""
    found = []
    for _ in range(rng.randrange(1, 6)):
        day = rng.choice(days)
        inside = rng.randrange(day.open // SECOND, day.close // SECOND) * SECOND
        found += [inside + rng.choice([0, 1, -1, SECOND // 2])]
        found += [rng.choice([day.open, day.close]) + rng.choice([-1, 0, 1]) * MINUTE]
        found += [end for _, end in day.segments[:-1]]
        found += [day.span[0], day.span[1] - 1]
    return [ts for ts in found if days[0].span[0] <= ts < days[-1].span[1]]


def bars_of(
    rows: Sequence[Bar], interval: str, table: SessionTable, symbol: str = "AAA"
) -> Bars:
    """Return the rows as a loaded series."""
    values = columns(rows)
    ts = values.pop("ts").astype(np.int64)
    floats = {name: column.astype(np.float64) for name, column in values.items()}
    return Bars.from_columns(
        symbol,
        interval,
        ts=ts,
        open=floats["open"],
        high=floats["high"],
        low=floats["low"],
        close=floats["close"],
        volume=floats["volume"],
        zone=table.zone,
        table=table,
    )


def window(table: SessionTable, days: Sequence[TradingDay]) -> tuple[int, int]:
    """Positions ``[first, last)`` of neighbouring sessions in the table."""
    first = table.index_of((days[0].date - date(1970, 1, 1)).days)
    assert first is not None
    return first, first + len(days)
