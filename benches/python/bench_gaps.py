"""Which minutes of many symbols did not come, beside numpy's difference of sets."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from benches.python.machine import THREADS, on_threads
from benches.python.ratios import Targets, Way
from benches.python.workload import MINUTE, Columns, Market, make_market

from tapeloom._core import missing_runs

if TYPE_CHECKING:
    from collections.abc import Callable

    from benches.python.ratios import Comparison
    from numpy.typing import NDArray

    from tapeloom import Bars

Found = tuple[list[int], bytes]


@pytest.fixture(scope="module")
def market(small: bool) -> Market:
    return make_market(*((5, 3) if small else (500, 20)), seed=5, drop=0.005)


def ours(market: Market, threads: int) -> Way:
    first, last = market.sessions.start, market.sessions.stop

    def ask(bars: list[Bars]) -> Any:
        return missing_runs(bars, market.table, first=first, last=last, threads=threads)

    return Way(
        f"`missing_runs`, {on_threads(threads)}",
        ask,
        [list(market.bars.values())],
        from_runs,
        len(market.grid) * len(market.symbols),
    )


def from_runs(answer: tuple[dict[str, Any], dict[str, Any]]) -> Found:
    """How many of each symbol, and their starts."""
    runs, totals = answer
    bars = runs["bars"]
    within = np.arange(bars.sum()) - np.repeat(np.cumsum(bars) - bars, bars)
    starts = np.repeat(runs["start"], bars) + within * MINUTE
    return totals["missing"].tolist(), starts.tobytes()


def from_minutes(missing: list[NDArray[np.int64]]) -> Found:
    return [len(minutes) for minutes in missing], np.concatenate(missing).tobytes()


def by_hand(name: str, find: Callable[[Columns], Any], market: Market) -> Way:
    return Way(
        name,
        lambda several: [find(columns) for columns in several],
        [list(market.columns.values())],
        from_minutes,
        len(market.grid) * len(market.symbols),
    )


def peers(market: Market) -> list[Way]:
    grid = market.grid

    def difference(columns: Columns) -> NDArray[np.int64]:
        return np.setdiff1d(grid, columns["ts"], assume_unique=True)

    def marked(columns: Columns) -> NDArray[np.int64]:
        absent = np.ones(len(grid), dtype=np.bool_)
        absent[np.searchsorted(grid, columns["ts"])] = False
        return grid[absent]

    return [
        by_hand("numpy `setdiff1d`", difference, market),
        by_hand("numpy `searchsorted`", marked, market),
    ]


def test_gaps(compare: Comparison, market: Market) -> None:
    case = "gaps of 500 symbols x 20 sessions, per minute due"
    compare(
        case,
        ours=[ours(market, 1)],
        peers=peers(market),
        targets=Targets(4, 6, 8),
        # Of all threads, should there be more.
        clock=time.process_time,
    )
    if THREADS > 1:
        compare(
            f"{case}, wall time",
            ours=[ours(market, THREADS)],
            peers=peers(market),
            clock=time.perf_counter,
        )


def test_gaps_of_one_symbol_and_session(compare: Comparison) -> None:
    """A peer may be ahead: nearly all is the cost of the call."""
    market = make_market(1, 1, seed=5, drop=0.005)
    compare(
        "gaps of 1 symbol x 1 session, per minute due",
        ours=[ours(market, 1)],
        peers=peers(market),
    )
