"""Merging loaded columns of many symbols into one table, prices and all, beside the sorts of polars and numpy."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from benches.python.machine import THREADS, on_threads
from benches.python.ratios import Targets, Way
from benches.python.workload import FIELDS, Columns, make_market

from tapeloom._core import merge_bars

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benches.python.ratios import Comparison
    from benches.python.workload import Market
    from numpy.typing import NDArray

TARGETS = Targets(2, 3, 4)
# Symbols, sessions, share of minutes dropped, whether stamps lie anywhere in their minute.
SHAPES = {
    "100 symbols x 50 sessions, minute grid": (100, 50, 0.0, False),
    "1,000 symbols x 5 sessions, minute grid": (1_000, 5, 0.0, False),
    "5,000 symbols x 1 session, minute grid": (5_000, 1, 0.0, False),
    "500 symbols x 10 sessions, 5 % dropped": (500, 10, 0.05, False),
    "500 symbols x 10 sessions, jittered": (500, 10, 0.0, True),
}


def facts(source: Any, columns: Mapping[str, Any]) -> tuple[float, ...]:
    """Sums that another order would change."""
    weights = np.arange(len(source)) % 1_009 + 1
    return (
        int((np.asarray(source, dtype=np.int64) * weights).sum()),
        int((np.asarray(columns["ts"])[::97] % 2**30).sum()),
        *(round(float((np.asarray(columns[f]) * weights).sum())) for f in FIELDS),
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_merge(compare: Comparison, shape: str, small: bool) -> None:
    symbols, sessions, drop, jitter = SHAPES[shape]
    if small:
        symbols, sessions = max(3, symbols // 250), 1
    market = make_market(symbols, sessions, seed=3, drop=drop, jitter=jitter)
    side_by_side(compare, f"merge {shape}, per bar", market, TARGETS)


def test_merge_of_twenty_bars(compare: Comparison) -> None:
    """A peer is expected to be ahead: nearly all is the cost of the call."""
    market = make_market(2, 1, seed=3)
    for symbol, columns in market.columns.items():
        few = {name: column[:10] for name, column in columns.items()}
        market.columns[symbol] = few
    side_by_side(compare, "merge 2 symbols x 10 bars, per bar", market, None)


def side_by_side(
    compare: Comparison, case: str, market: Market, targets: Targets | None
) -> None:
    table = market.table
    bars = list(market.bars.values())
    streams = list(market.columns.values())
    frames = [
        pl.DataFrame({"source": np.full(len(stream["ts"]), n, np.int32), **stream})
        for n, stream in enumerate(streams)
    ]

    def by_polars(given: list[pl.DataFrame]) -> pl.DataFrame:
        return pl.concat(given).sort("ts", maintain_order=True)

    def by_numpy(given: list[Columns]) -> tuple[NDArray[np.int32], Columns]:
        columns = {
            name: np.concatenate([stream[name] for stream in given])
            for name in ("ts", *FIELDS)
        }
        lengths = [len(stream["ts"]) for stream in given]
        source = np.repeat(np.arange(len(given), dtype=np.int32), lengths)
        order = np.argsort(columns["ts"], kind="stable")
        return source[order], {name: c[order] for name, c in columns.items()}

    def ours(threads: int) -> Way:
        return Way(
            f"`merge_bars`, {on_threads(threads)}",
            lambda given: merge_bars(given, table, threads=threads),
            [bars],
            lambda merged: facts(merged[0], {"ts": merged[1], **merged[2]}),
            market.rows,
        )

    peers = [
        Way(
            "polars concat, stable sort",
            by_polars,
            [frames],
            lambda merged: facts(merged["source"], merged),
            market.rows,
        ),
        Way(
            "numpy concat, stable argsort",
            by_numpy,
            [streams],
            lambda merged: facts(*merged),
            market.rows,
        ),
    ]
    # Wall time: both sides use all cores.
    compare(
        case,
        ours=[ours(threads) for threads in dict.fromkeys([THREADS, 1])],
        peers=peers,
        targets=targets,
        clock=time.perf_counter,
    )
