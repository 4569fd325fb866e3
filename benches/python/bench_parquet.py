"""Parquet files of minute bars into columns per symbol, beside pyarrow and polars on the same files."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from benches.python.machine import THREADS, on_threads
from benches.python.ratios import Targets, Way
from benches.python.workload import FIELDS, Market, make_market

from tapeloom import DataManager

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from benches.python.ratios import Comparison
    from benches.python.workload import Columns

    from tapeloom import Bars

NAMES = ("ts", *FIELDS)
Facts = tuple[float, ...]


@pytest.fixture(scope="module")
def market(small: bool) -> Market:
    return make_market(*((5, 2) if small else (200, 20)), seed=8, drop=0.002)


@pytest.fixture(scope="module")
def one_group(market: Market, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return files as most tools write them: one row group, snappy, dictionaries."""
    root = tmp_path_factory.mktemp("one-group")
    for symbol, columns in market.columns.items():
        path = root / f"bars/us_equity/interval=1m/symbol={symbol}/x.parquet"
        path.parent.mkdir(parents=True)
        ts = pa.array(columns["ts"]).cast(pa.timestamp("ns", "UTC"))
        pq.write_table(pa.table({**columns, "ts": ts}), path)
    return sorted(root.rglob("*.parquet"))


@pytest.fixture(scope="module")
def our_files(market: Market, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return files as the store writes them: a row group per session, zstd, checksums."""
    root = tmp_path_factory.mktemp("ours")
    source = DataManager(root)
    for symbol, bars in market.bars.items():
        source.write_bars(symbol, "1m", bars)
    return sorted(root.rglob("*.parquet"))


def ours(market: Market, files: Sequence[Path]) -> Way:
    root = files[0].parents[4]

    def ask(_: object) -> list[Bars]:
        # A new one each time: nothing is remembered of the files.
        source = DataManager(root)
        return source.read_many(
            [(symbol, "1m") for symbol in market.symbols], None, None
        )

    return Way(
        f"`DataManager.read_many`, checked, {on_threads(THREADS)}",
        ask,
        [None],
        lambda found: facts([{n: getattr(bars, n) for n in NAMES} for bars in found]),
        market.rows,
    )


def facts(several: Sequence[Columns]) -> Facts:
    """Sums that another value or order would change."""
    joined = {n: np.concatenate([columns[n] for columns in several]) for n in NAMES}
    weights = np.arange(len(joined["ts"])) % 1_009 + 1
    minutes = joined["ts"].view(np.int64) // 60_000_000_000
    return (
        int((minutes * weights).sum()),
        *(round(float((joined[name] * weights).sum()), 1) for name in FIELDS),
    )


def per_file(path: Path) -> Columns:
    table = pq.read_table(path, use_threads=False, partitioning=None)
    return {name: table[name].to_numpy() for name in NAMES}


def by_pyarrow(market: Market, files: Sequence[Path]) -> Way:
    pool = ThreadPoolExecutor(2)
    return _peer(market, "pyarrow, 2 threads", lambda: list(pool.map(per_file, files)))


def by_polars(market: Market, files: Sequence[Path]) -> Way:
    def ask() -> list[Columns]:
        frames = [pl.read_parquet(path, columns=list(NAMES)) for path in files]
        return [{name: frame[name].to_numpy() for name in NAMES} for frame in frames]

    return _peer(market, "polars per file", ask)


def _peer(market: Market, name: str, ask: Callable[[], list[Columns]]) -> Way:
    return Way(name, lambda _: ask(), [None], _plain, market.rows)


def _plain(found: Any) -> Facts:
    return facts(found)


def test_files_of_other_tools(
    compare: Comparison, market: Market, one_group: list[Path]
) -> None:
    compare(
        "Parquet to columns per symbol, one row group a file, per bar",
        ours=[ours(market, one_group)],
        peers=[by_pyarrow(market, one_group), by_polars(market, one_group)],
        targets=Targets(1, 1.8, 2.2),
        clock=time.perf_counter,
    )


def test_files_of_the_store(
    compare: Comparison, market: Market, our_files: list[Path]
) -> None:
    compare(
        "Parquet to columns per symbol, a row group a session, per bar",
        ours=[ours(market, our_files)],
        peers=[by_pyarrow(market, our_files), by_polars(market, our_files)],
        targets=Targets(1, 1.8, 2.2),
        clock=time.perf_counter,
    )
