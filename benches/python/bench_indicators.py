"""What is worked out before a session opens, of many symbols at once: averages by day and minute, highs and lows."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from benches.python.machine import THREADS, on_threads
from benches.python.ratios import Targets, Way
from benches.python.workload import MINUTE, Market, make_market

from tapeloom._core import (
    daily_values,
    minute_average,
    rolling_average,
    rolling_extreme,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from benches.python.ratios import Comparison
    from numpy.typing import NDArray

    from tapeloom import Bars

DAYS = 10
SLOTS = 390
WINDOW = 20


@pytest.fixture(scope="module")
def market(small: bool) -> Market:
    return make_market(*((5, 12) if small else (500, 20)), seed=7, drop=0.002)


@pytest.fixture(scope="module")
def session_of(market: Market) -> NDArray[np.int16]:
    """For the peers, and not timed: the number of each bar's session, from 0."""
    found = market.table.session_of(market.joined["ts"]) - market.sessions.start
    return found.astype(np.int16)


def test_average_volume_of_ten_days(
    compare: Comparison, market: Market, session_of: NDArray[np.int16]
) -> None:
    """From minutes to the average before each session; the peer has symbols and sessions as columns of numbers."""
    duckdb = pytest.importorskip("duckdb")
    import pyarrow as pa

    joined = market.joined
    named = {name: joined[name] for name in ("source", "volume")}
    table = pa.table({**named, "session": session_of})
    connection = duckdb.connect()
    connection.register("bars", table)
    query = f"""
        select source, session, avg(volume) over (
            partition by source order by session rows between {DAYS} preceding and 1 preceding
        ) as average
        from (select source, session, sum(volume) as volume from bars group by all)
    """
    count = len(market.sessions)

    def ask(bars: list[Bars]) -> Any:
        values = daily_values(
            bars,
            market.table,
            first=market.sessions.start,
            last=market.sessions.stop,
            field="volume",
            threads=THREADS,
        )
        return rolling_average(values, DAYS)

    def of_ours(answer: Any) -> bytes:
        averages, _ = answer
        # The last is for the session after.
        return rounded(averages[:, :count])

    def of_query(found: Any) -> bytes:
        averages = np.full((len(market.symbols), count), np.nan)
        columns = {name: found[name].to_numpy() for name in found.column_names}
        averages[columns["source"], columns["session"]] = columns["average"]
        return rounded(averages)

    compare(
        "10-day average volume from minutes, 500 symbols x 20 sessions, per bar",
        ours=[
            Way(
                f"`daily_values`, `rolling_average`, {on_threads(THREADS)}",
                ask,
                [list(market.bars.values())],
                of_ours,
                market.rows,
            )
        ],
        peers=[
            Way(
                "duckdb window",
                lambda sql: connection.sql(sql).to_arrow_table(),
                [query],
                of_query,
                market.rows,
            )
        ],
        targets=Targets(1.7, 3, 6),
        # Wall time: both sides use all cores.
        clock=time.perf_counter,
    )


def rounded(values: NDArray[np.float64]) -> bytes:
    return np.round(np.nan_to_num(values), 3).tobytes()


def test_average_volume_of_each_minute(
    compare: Comparison, market: Market, session_of: NDArray[np.int16]
) -> None:
    """The peer has the minute of the session as a column of numbers."""
    joined, symbols = market.joined, len(market.symbols)
    opens = market.table.opens[market.sessions.start : market.sessions.stop]
    slot = ((joined["ts"] - opens[session_of]) // MINUTE).astype(np.int16)
    source, volume, total = joined["source"], joined["volume"], symbols * SLOTS

    def by_numpy(_: None) -> NDArray[np.float64]:
        key = source.astype(np.int64) * SLOTS + slot
        sums = np.bincount(key, volume, total)
        return sums / np.bincount(key, minlength=total)

    def ours(threads: int) -> Way:
        def ask(bars: list[Bars]) -> Any:
            return minute_average(
                bars,
                market.table,
                market.sessions,
                field="volume",
                slots=SLOTS,
                threads=threads,
            )

        return Way(
            f"`minute_average`, {on_threads(threads)}",
            ask,
            [list(market.bars.values())],
            lambda answer: rounded(answer[0].ravel()),
            market.rows,
        )

    peer = Way("numpy `bincount`", by_numpy, [None], rounded, market.rows)
    case = "average volume of 390 minutes, 500 symbols x 20 sessions, per bar"
    compare(
        case,
        ours=[ours(1)],
        peers=[peer],
        targets=Targets(2.5, 4, 6),
        # Of all threads, should there be more.
        clock=time.process_time,
    )
    if THREADS > 1:
        compare(
            f"{case}, wall time",
            ours=[ours(THREADS)],
            peers=[peer],
            clock=time.perf_counter,
        )


def test_high_and_low_of_twenty_days(compare: Comparison, small: bool) -> None:
    """Daily bars as a table. Where fewer than 20 days are known ours has an answer and the peer none."""
    bottleneck = pytest.importorskip("bottleneck")
    symbols, days = (5, 60) if small else (500, 252)
    steps = np.random.default_rng(3).normal(0, 0.01, (symbols, days))
    middle = np.round(50 * np.exp(np.cumsum(steps, axis=1)), 2)
    high, low = middle + 0.5, middle - 0.5
    starts = np.maximum(np.arange(days + 1) - WINDOW, 0)

    def ours(*, positions: bool) -> Callable[[None], tuple[Any, ...]]:
        def both(_: None) -> tuple[Any, ...]:
            highs, _places = rolling_extreme(high, starts, "max", positions=positions)
            lows, _places = rolling_extreme(low, starts, "min", positions=positions)
            return highs, lows

        return both

    def by_bottleneck(_: None) -> tuple[Any, ...]:
        return bottleneck.move_max(high, WINDOW), bottleneck.move_min(low, WINDOW)

    def whole(first: int) -> Any:
        return lambda found: [values[:, first:].tolist() for values in found]

    size = symbols * days
    peer = "bottleneck `move_max`, `move_min`"
    compare(
        "20-day high and low, 500 symbols x 252 days, per bar",
        ours=[
            Way(name, ours(positions=positions), [None], whole(WINDOW), size)
            for name, positions in (
                ("`rolling_extreme`", False),
                ("`rolling_extreme` with the day of each", True),
            )
        ],
        peers=[Way(peer, by_bottleneck, [None], whole(WINDOW - 1), size)],
        targets=Targets(3, 4, 8),
        clock=time.process_time,
    )
