"""A whole check of stored minute bars, beside reading the same files and doing nothing with them."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest
from benches.python.ratios import Targets, Way
from benches.python.workload import Market, make_market

import tapeloom
from tapeloom import DataManager

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benches.python.ratios import Comparison

Facts = tuple[int, int]


@pytest.fixture(scope="module")
def market(small: bool) -> Market:
    return make_market(*((5, 2) if small else (100, 20)), seed=12, drop=0.02)


@pytest.fixture(scope="module")
def root(market: Market, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checked")
    store = DataManager(folder)
    for symbol, bars in market.bars.items():
        store.write_bars(symbol, "1m", bars)
    return folder


def ours(market: Market, root: Path) -> Way:
    def facts(report: tapeloom.CheckReport) -> Facts:
        assert sum(gap.missing for gap in report.gaps) == report.missing
        return report.totals()["bars"], report.missing

    return Way(
        "`tapeloom.check`",
        lambda _: tapeloom.check(root),
        [None],
        facts,
        market.rows,
    )


def reading(market: Market, name: str, lengths: Callable[[], list[int]]) -> Way:
    due = len(market.grid) * len(market.symbols)

    def facts(found: Any) -> Facts:
        return sum(found), due - sum(found)

    return Way(f"{name}, reading only", lambda _: lengths(), [None], facts, market.rows)


def by_tapeloom(market: Market, root: Path) -> Way:
    def lengths() -> list[int]:
        source = DataManager(root)
        return [len(source.read(s, "1m", None, None)) for s in source.get_symbols()]

    return reading(market, "`DataManager.read`", lengths)


def by_pyarrow(market: Market, root: Path) -> Way:
    files = sorted(root.rglob("*.parquet"))
    pool = ThreadPoolExecutor(2)

    def rows(path: Path) -> int:
        table = pq.read_table(path, use_threads=False, partitioning=None)
        return int(table.num_rows)

    return reading(market, "pyarrow, 2 threads", lambda: list(pool.map(rows, files)))


def test_a_folder_of_minutes(compare: Comparison, market: Market, root: Path) -> None:
    compare(
        "check of stored minutes, per bar",
        ours=[ours(market, root)],
        peers=[by_tapeloom(market, root), by_pyarrow(market, root)],
        # At most three times as long as reading.
        targets=Targets(1 / 3, 1 / 2, 1),
        clock=time.perf_counter,
    )
