"""Merging loaded columns of many symbols, prices and all, beside the sorts of polars and numpy."""

from __future__ import annotations

import os
import time
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from benches.python.ratios import Targets, Way

from tapeloom._core import merge_bars
from tapeloom.bars import Bars
from tapeloom.calendars import get_session_table, to_day

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benches.python.ratios import Comparison
    from numpy.typing import NDArray

MINUTE = 60_000_000_000
FIELDS = ("open", "high", "low", "close", "volume")
Columns = dict[str, "NDArray[Any]"]
# Symbols, sessions, share of minutes dropped, whether stamps lie anywhere in their minute.
SHAPES = {
    "100 symbols x 50 sessions, minute grid": (100, 50, 0.0, False),
    "1,000 symbols x 5 sessions, minute grid": (1_000, 5, 0.0, False),
    "5,000 symbols x 1 session, minute grid": (5_000, 1, 0.0, False),
    "500 symbols x 10 sessions, 5 % dropped": (500, 10, 0.05, False),
    "500 symbols x 10 sessions, jittered": (500, 10, 0.0, True),
}


def made_up_columns(
    symbols: int, sessions: int, drop: float, jitter: bool
) -> list[Columns]:
    table = get_session_table("US_EQUITY")
    first = table.sessions_before(to_day(date(2024, 1, 2)))
    grid = np.concatenate(
        [table.grid(row, "1m") for row in range(first, first + sessions)]
    )
    found = []
    for number in range(symbols):
        rng = np.random.default_rng([3, number])
        ts = grid[rng.random(grid.size) >= drop]
        if jitter:
            # But for the last minute, at whose end all bars of the session are known at once.
            inside = table.next_close(ts) - ts > MINUTE
            ts = ts + rng.integers(0, MINUTE, ts.size) * inside
        close = np.round(50 * np.exp(np.cumsum(rng.normal(0, 4e-4, ts.size))), 2)
        found.append(
            {
                "ts": ts,
                "open": close - 0.01,
                "high": close + 0.02,
                "low": close - 0.02,
                "close": close,
                "volume": rng.integers(1, 1_000, ts.size).astype(np.float64),
            }
        )
    return found


def facts(source: Any, columns: Mapping[str, Any]) -> tuple[float, ...]:
    """Sums that another order would change."""
    weights = np.arange(len(source)) % 1_009 + 1
    return (
        int((np.asarray(source, dtype=np.int64) * weights).sum()),
        int((np.asarray(columns["ts"])[::97] % 2**30).sum()),
        *(round(float((np.asarray(columns[f]) * weights).sum())) for f in FIELDS),
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_merge(compare: Comparison, shape: str, request: pytest.FixtureRequest) -> None:
    symbols, sessions, drop, jitter = SHAPES[shape]
    if not request.config.getoption("benchmark_enable"):
        symbols, sessions = max(3, symbols // 250), 1
    streams = made_up_columns(symbols, sessions, drop, jitter)
    table = get_session_table("US_EQUITY")
    bars = [
        Bars.from_columns(f"S{n}", "1m", **stream, zone=table.zone, table=table)
        for n, stream in enumerate(streams)
    ]
    frames = [
        pl.DataFrame({"source": np.full(len(stream["ts"]), n, np.int32), **stream})
        for n, stream in enumerate(streams)
    ]
    rows = sum(len(stream["ts"]) for stream in streams)
    threads = os.cpu_count() or 1

    def by_polars(given: list[pl.DataFrame]) -> pl.DataFrame:
        return pl.concat(given).sort("ts", maintain_order=True)

    def by_numpy(given: list[Columns]) -> tuple[NDArray[np.int32], Columns]:
        columns = {
            name: np.concatenate([stream[name] for stream in given])
            for name in ("ts", *FIELDS)
        }
        source = np.repeat(
            np.arange(len(given), dtype=np.int32), [len(s["ts"]) for s in given]
        )
        order = np.argsort(columns["ts"], kind="stable")
        return source[order], {name: c[order] for name, c in columns.items()}

    compare(
        f"merge {shape}, per bar",
        ours=[
            Way(
                f"merge_bars, {threads} threads",
                lambda given: merge_bars(given, table, threads=threads),
                [bars],
                lambda merged: facts(merged[0], {"ts": merged[1], **merged[2]}),
                rows,
            ),
            Way(
                "merge_bars, 1 thread",
                lambda given: merge_bars(given, table, threads=1),
                [bars],
                lambda merged: facts(merged[0], {"ts": merged[1], **merged[2]}),
                rows,
            ),
        ],
        peers=[
            Way(
                "polars concat, stable sort",
                by_polars,
                [frames],
                lambda merged: facts(merged["source"], merged),
                rows,
            ),
            Way(
                "numpy concat, stable argsort",
                by_numpy,
                [streams],
                lambda merged: facts(*merged),
                rows,
            ),
        ],
        targets=Targets(2, 3, 4),
        # Wall time: both sides use all cores.
        clock=time.perf_counter,
    )
