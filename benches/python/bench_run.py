"""A whole data-driven run: 100 symbols x 20 sessions through merge, store, gaps, 5m and 1d bars. Loading apart.

The peer is what people write by hand: a heap over the symbols' rows, a deque per symbol, buckets in a dict. Both count
the same things, and the answers are compared.
"""

import heapq
from collections import defaultdict, deque
from datetime import date

import numpy as np
import pytest

import tapeloom
from tapeloom._core import Bars
from tapeloom.calendars import get_session_table

MINUTE = 60_000_000_000
FIVE = 5 * MINUTE
WINDOW = 512


def made_up_bars(
    symbols: int, sessions: int
) -> tuple[dict[str, Bars], list[tuple[int, int]]]:
    """Seeded minute bars with 2 % of the minutes missing, and the sessions' opens and closes."""
    table = get_session_table("US_EQUITY")
    first = table.index_of(date(2024, 6, 3).toordinal() - date(1970, 1, 1).toordinal())
    assert first is not None
    days = range(first, first + sessions)
    grid = np.concatenate([table.grid(index, "1m") for index in days])
    bars = {}
    for number in range(symbols):
        rng = np.random.default_rng([7, number])
        ts = grid[rng.random(len(grid)) >= 0.02]
        close = np.round(50 * np.exp(np.cumsum(rng.normal(0, 4e-4, len(ts)))), 2)
        symbol = f"S{number:04d}"
        bars[symbol] = Bars.from_columns(
            symbol,
            "1m",
            ts=ts,
            open=close,
            high=close + 0.01,
            low=close - 0.01,
            close=close,
            volume=rng.integers(1, 1000, len(ts)).astype(float),
            zone=table.zone,
            table=table,
        )
    return bars, [(int(table.opens[i]), int(table.closes[i])) for i in days]


def plain_python(
    rows: dict[str, list[tuple]], sessions: list[tuple[int, int]]
) -> tuple[int, int, int]:
    """Bars, missing minutes and derived bars by a heap, deques and dicts."""
    latest = {symbol: deque(maxlen=WINDOW) for symbol in rows}
    seen = defaultdict(set)
    five: dict[tuple[str, int], list[float]] = {}
    daily: dict[tuple[str, int], list[float]] = {}
    bars = 0
    day = 0
    order = {symbol: at for at, symbol in enumerate(rows)}

    def stream(symbol: str):
        return ((row[0] + MINUTE, order[symbol], symbol, row) for row in rows[symbol])

    streams = [stream(symbol) for symbol in rows]
    for _, _, symbol, row in heapq.merge(*streams):
        ts, open_, high, low, close, volume = row
        while ts >= sessions[day][1]:
            day += 1
        bars += 1
        latest[symbol].append(row)
        seen[symbol, day].add(ts)
        start = sessions[day][0]
        for store, bucket in (
            (five, start + (ts - start) // FIVE * FIVE),
            (daily, start),
        ):
            known = store.get((symbol, bucket))
            if known is None:
                store[symbol, bucket] = [open_, high, low, close, volume]
            else:
                known[1] = max(known[1], high)
                known[2] = min(known[2], low)
                known[3] = close
                known[4] += volume
    due = sum((close - start) // MINUTE for start, close in sessions) * len(rows)
    return bars, due - sum(map(len, seen.values())), len(five) + len(daily)


@pytest.fixture(scope="module")
def workload(request):
    small = not request.config.getoption("benchmark_enable")
    return made_up_bars(*((5, 3) if small else (100, 20)))


@pytest.fixture(scope="module")
def expected(workload):
    bars, sessions = workload
    return plain_python(as_rows(bars), sessions)


def as_rows(bars: dict[str, Bars]) -> dict[str, list[tuple]]:
    def columns(b: Bars) -> list[list[float]]:
        return [c.tolist() for c in (b.ts, b.open, b.high, b.low, b.close, b.volume)]

    return {symbol: list(zip(*columns(b), strict=True)) for symbol, b in bars.items()}


@pytest.mark.benchmark(group="whole run, 100 symbols x 20 sessions")
def test_tapeloom_without_analysis(benchmark, workload, expected):
    bars, _ = workload

    def play():
        return tapeloom.replay(
            bars, intervals=["1m", "5m", "1d"], analysis=Idle(), progress=False
        )

    result = benchmark.pedantic(play, rounds=5, warmup_rounds=1)
    assert (result.bars, result.missing, result.derived_bars) == expected
    benchmark.extra_info["bars per second"] = round(result.bars_per_second)


@pytest.mark.benchmark(group="whole run, 100 symbols x 20 sessions")
def test_tapeloom_with_a_call_per_bar(benchmark, workload, expected):
    bars, _ = workload
    seen = [0]

    def count(session, bar):
        seen[0] += 1

    def play():
        return tapeloom.replay(
            bars, intervals=["1m", "5m", "1d"], analysis=count, progress=False
        )

    result = benchmark.pedantic(play, rounds=3, warmup_rounds=1)
    assert (result.bars, result.missing, result.derived_bars) == expected
    assert seen[0] % (result.bars + result.derived_bars) == 0


@pytest.mark.benchmark(group="whole run, 100 symbols x 20 sessions")
def test_heap_and_deques_in_plain_python(benchmark, workload, expected):
    bars, sessions = workload
    rows = as_rows(bars)
    answer = benchmark.pedantic(plain_python, args=(rows, sessions), rounds=2)
    assert answer == expected


class Idle:
    """An analysis that wants nothing but the end of each session."""

    def on_session_end(self, session):
        pass
