"""Minute bars of many symbols into coarser ones, beside numpy's ``reduceat`` and polars."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from benches.python.machine import THREADS, on_threads
from benches.python.ratios import Targets, Way
from benches.python.workload import FIELDS, MINUTE, Columns, Market, make_market

from tapeloom._core import resample

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benches.python.ratios import Comparison

    from tapeloom import Bars

FIVE = 5 * MINUTE
FOUR_INTERVALS = ("5m", "15m", "1h", "1d")
Facts = tuple[float, ...]


@pytest.fixture(scope="module")
def market(small: bool) -> Market:
    return make_market(*((5, 2) if small else (500, 20)), seed=6, drop=0.002)


def ours(market: Market, intervals: Sequence[str], threads: int) -> Way:
    return Way(
        f"`resample` to {' + '.join(intervals)}, {on_threads(threads)}",
        lambda bars: resample(bars, intervals, market.table, threads=threads),
        [list(market.bars.values())],
        lambda found: facts([columns_of(one[0]) for one in found]),
        market.rows,
    )


def columns_of(bars: Bars) -> Columns:
    return {name: getattr(bars, name) for name in ("ts", *FIELDS)}


def facts(several: Sequence[Columns]) -> Facts:
    """Sums that another bucket or order would change."""
    joined = {
        name: np.concatenate([columns[name] for columns in several])
        for name in ("ts", *FIELDS)
    }
    weights = np.arange(len(joined["ts"])) % 1_009 + 1
    return (
        int((joined["ts"] // MINUTE * weights).sum()),
        *(round(float((joined[name] * weights).sum()), 1) for name in FIELDS),
    )


def five_minutes(columns: Columns) -> Columns:
    """What a careful user writes; fives of minutes since 1970 are those since the open."""
    bucket = columns["ts"] // FIVE
    starts = np.concatenate([[0], np.flatnonzero(bucket[1:] != bucket[:-1]) + 1])
    lasts = np.concatenate([starts[1:], [len(bucket)]]) - 1
    return {
        "ts": bucket[starts] * FIVE,
        "open": columns["open"][starts],
        "high": np.maximum.reduceat(columns["high"], starts),
        "low": np.minimum.reduceat(columns["low"], starts),
        "close": columns["close"][lasts],
        "volume": np.add.reduceat(columns["volume"], starts),
    }


def by_numpy(market: Market) -> Way:
    return Way(
        "numpy `reduceat` per symbol",
        lambda several: [five_minutes(columns) for columns in several],
        [list(market.columns.values())],
        facts,
        market.rows,
    )


def by_polars(market: Market) -> Way:
    stamps = pl.col("ts").cast(pl.Datetime("ns"))
    frame = pl.DataFrame(market.joined).with_columns(stamps)
    wanted = [
        pl.col("open").first(),
        pl.col("high").max(),
        pl.col("low").min(),
        pl.col("close").last(),
        pl.col("volume").sum(),
    ]

    def plain(found: pl.DataFrame) -> Facts:
        found = found.with_columns(pl.col("ts").cast(pl.Int64)).sort("source", "ts")
        return facts([{name: found[name].to_numpy() for name in ("ts", *FIELDS)}])

    def ask(frame: pl.DataFrame) -> pl.DataFrame:
        groups = frame.group_by_dynamic("ts", every="5m", group_by="source")
        return groups.agg(wanted)

    return Way("polars `group_by_dynamic`", ask, [frame], plain, market.rows)


def test_five_minutes(compare: Comparison, market: Market) -> None:
    case = "1m to 5m, 500 symbols x 20 sessions, per bar"
    compare(
        case,
        ours=[ours(market, ["5m"], 1)],
        peers=[by_numpy(market)],
        targets=Targets(1.8, 3, 4),
        # Of all threads, should there be more.
        clock=time.process_time,
    )
    if THREADS > 1:
        compare(
            f"{case}, wall time",
            ours=[ours(market, ["5m"], THREADS)],
            peers=[by_numpy(market), by_polars(market)],
            clock=time.perf_counter,
        )


def test_four_intervals_in_one_pass(compare: Comparison, market: Market) -> None:
    """Beside our own single one: how little the coarser ones add."""
    bars, table = list(market.bars.values()), market.table
    together = resample(bars, FOUR_INTERVALS, table)
    for at, interval in enumerate(FOUR_INTERVALS):
        alone = resample(bars, [interval], table)
        assert [found[at] for found in together] == [found[0] for found in alone]
    compare(
        "1m to 5m + 15m + 1h + 1d in one pass, per bar",
        ours=[ours(market, FOUR_INTERVALS, 1)],
        peers=[ours(market, ["5m"], 1)],
        targets=Targets(1 / 1.5, 1 / 1.2, 1 / 1.1),
        clock=time.process_time,
    )


def test_one_symbol_and_session(compare: Comparison) -> None:
    """A peer may be ahead: nearly all is the cost of the call."""
    market = make_market(1, 1, seed=6, drop=0.002)
    compare(
        "1m to 5m, 1 symbol x 1 session, per bar",
        ours=[ours(market, ["5m"], 1)],
        peers=[by_numpy(market)],
    )
