"""Whole data-driven runs: merge, store, gaps, and 5m, 15m, 1h and 1d bars. Loading apart.

The peer is what people write by hand: a heap over the symbols' rows, a deque per symbol, buckets in a dict. Both count
the same things, and the answers are compared.
"""

from __future__ import annotations

import heapq
import time
from collections import deque
from typing import TYPE_CHECKING, Any

import pytest
from benches.python.by_hand import CAPACITY, rows_of
from benches.python.ratios import Way
from benches.python.workload import MINUTE, Market, make_market

import tapeloom

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benches.python.ratios import Comparison

    from tapeloom.session.result import RunResult

INTERVALS = ("1m", "5m", "15m", "1h", "1d")
WIDTHS = tuple(minutes * MINUTE for minutes in (5, 15, 60, 1_440))
ROUNDS = 3
Row = tuple[Any, ...]
# Bars, minutes that did not come, derived bars.
Counts = tuple[int, int, int]


class ByHand:
    """The same in plain Python."""

    def __init__(
        self, market: Market, call: Callable[[str, Row], object] | None
    ) -> None:
        self._rows = [(s, rows_of(columns)) for s, columns in market.columns.items()]
        table, sessions = market.table, market.sessions
        self._opens = table.opens[sessions.start : sessions.stop].tolist()
        self._closes = table.closes[sessions.start : sessions.stop].tolist()
        self._call = call

    def _stream(self, order: int) -> Iterator[tuple[int, int, Row]]:
        return ((row[0] + MINUTE, order, row) for row in self._rows[order][1])

    def run(self, _given: None) -> Counts:
        symbols, call = [symbol for symbol, _ in self._rows], self._call
        latest: dict[str, deque[Row]] = {s: deque(maxlen=CAPACITY) for s in symbols}
        seen: dict[tuple[str, int], set[int]] = {}
        buckets: dict[tuple[str, int], list[Any]] = {}
        bars = derived = day = 0
        for _, order, row in heapq.merge(*map(self._stream, range(len(symbols)))):
            ts, open_, high, low, close, volume = row
            symbol = symbols[order]
            while ts >= self._closes[day]:
                day += 1
            bars += 1
            latest[symbol].append(row)
            seen.setdefault((symbol, day), set()).add(ts)
            if call is not None:
                call(symbol, row)
            start = self._opens[day]
            for width in WIDTHS:
                begin = start + (ts - start) // width * width
                bucket = buckets.get((symbol, width))
                if bucket is not None and bucket[0] == begin:
                    bucket[2] = max(bucket[2], high)
                    bucket[3] = min(bucket[3], low)
                    bucket[4] = close
                    bucket[5] += volume
                    continue
                if bucket is not None:
                    derived += 1
                    if call is not None:
                        call(symbol, tuple(bucket))
                buckets[symbol, width] = [begin, open_, high, low, close, volume]
        for (symbol, _), bucket in buckets.items():
            derived += 1
            if call is not None:
                call(symbol, tuple(bucket))
        hours = zip(self._opens, self._closes, strict=True)
        due = sum((close - start) // MINUTE for start, close in hours) * len(symbols)
        return bars, due - sum(map(len, seen.values())), derived


class Idle:
    """An analysis that wants nothing but the end of each session."""

    def on_session_end(self, session: object) -> None:
        pass


class Counter:
    """Counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, session: object, bar: object) -> None:
        self.calls += 1


def side_by_side(
    compare: Comparison,
    case: str,
    market: Market,
    analysis: object,
    call: Callable[[str, Row], object] | None,
) -> None:
    def play(bars: dict[str, Any]) -> RunResult:
        return tapeloom.replay(
            bars, intervals=INTERVALS, analysis=analysis, progress=False
        )

    def counts(result: RunResult) -> Counts:
        return result.bars, result.missing, result.derived_bars

    rows = market.rows
    compare(
        case,
        ours=[Way("`replay`", play, [market.bars], counts, rows)],
        peers=[
            Way(
                "heap, deques and dicts in plain Python",
                ByHand(market, call).run,
                [None],
                size=rows,
            )
        ],
        # Of all threads, should there be more.
        clock=time.process_time,
        rounds=ROUNDS,
    )


@pytest.fixture(scope="module")
def market(small: bool) -> Market:
    return make_market(*((5, 3) if small else (100, 20)), seed=7, drop=0.02)


def test_run_without_analysis(compare: Comparison, market: Market) -> None:
    case = "whole run, 100 symbols x 20 sessions, per bar"
    side_by_side(compare, case, market, Idle(), None)


def test_run_with_a_call_per_bar(compare: Comparison, market: Market) -> None:
    """A call for each base and derived bar."""
    ours, theirs = Counter(), Counter()
    case = "whole run, 100 symbols x 20 sessions with a Python call per bar, per bar"
    side_by_side(compare, case, market, ours, theirs)
    counts = ByHand(market, None).run(None)
    for counter in (ours, theirs):
        assert counter.calls % (counts[0] + counts[2]) == 0 < counter.calls


def test_run_of_many_symbols(compare: Comparison, small: bool) -> None:
    shape = (10, 1) if small else (500, 4)
    market = make_market(*shape, seed=7, drop=0.02)
    case = "whole run, 500 symbols x 4 sessions, per bar"
    side_by_side(compare, case, market, Idle(), None)
