"""A whole check of minute bars, stored ones and files of vendors, beside reading the same files and doing nothing with them."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from benches.python.ratios import Targets, Way
from benches.python.workload import FIELDS, Market, make_market
from pyarrow import csv

import tapeloom
from tapeloom import DataManager

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benches.python.ratios import Comparison

Facts = tuple[int, int]
# As one vendor writes them.
THEIRS = ("timestamp", *FIELDS)
# At most three times as long as reading.
TARGETS = Targets(1 / 3, 1 / 2, 1)


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
        targets=TARGETS,
        clock=time.perf_counter,
    )


def vendor_table(market: Market, symbol: str, unit: str) -> pa.Table:
    """Return bars as a vendor has them: times in UTC under another name, two columns more."""
    columns = market.columns[symbol]
    ts = pa.array(columns["ts"]).cast(pa.timestamp("ns", "UTC"))
    return pa.table(
        {
            "timestamp": ts.cast(pa.timestamp(unit, "UTC")),
            **{name: columns[name] for name in FIELDS},
            "trade_count": columns["volume"].astype(np.int64),
            "vwap": columns["close"],
        }
    )


@pytest.fixture(scope="module")
def vendor_parquet(market: Market, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vendor-parquet")
    for symbol in market.symbols:
        path = folder / f"{symbol}.parquet"
        pq.write_table(vendor_table(market, symbol, "us"), path)
    return folder


@pytest.fixture(scope="module")
def vendor_csv(market: Market, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vendor-csv")
    for symbol in market.symbols:
        csv.write_csv(vendor_table(market, symbol, "s"), folder / f"{symbol}.csv")
    return folder


def into_columns(market: Market, folder: Path, read: Callable[[Path], pa.Table]) -> Way:
    """Return files read into the columns that a check needs, two at a time."""
    files, pool = sorted(folder.iterdir()), ThreadPoolExecutor(2)

    def rows(path: Path) -> int:
        table = read(path)
        columns = [table[name].to_numpy() for name in THEIRS]
        return len(columns[0])

    return reading(market, "pyarrow, 2 threads", lambda: list(pool.map(rows, files)))


def parquet_columns(path: Path) -> pa.Table:
    names = list(THEIRS)
    return pq.read_table(path, columns=names, use_threads=False, partitioning=None)


def csv_columns(path: Path) -> pa.Table:
    kinds = {"timestamp": pa.timestamp("ns", "UTC")} | dict.fromkeys(
        FIELDS, pa.float64()
    )
    return csv.read_csv(
        path,
        # One file a thread: faster here than all columns of a file at once.
        read_options=csv.ReadOptions(use_threads=False),
        convert_options=csv.ConvertOptions(
            include_columns=list(THEIRS), column_types=kinds
        ),
    )


def test_parquet_of_a_vendor(
    compare: Comparison, market: Market, vendor_parquet: Path
) -> None:
    compare(
        "check of a vendor's Parquet, per bar",
        ours=[ours(market, vendor_parquet)],
        peers=[into_columns(market, vendor_parquet, parquet_columns)],
        targets=TARGETS,
        clock=time.perf_counter,
    )


def test_csv_of_a_vendor(compare: Comparison, market: Market, vendor_csv: Path) -> None:
    compare(
        "check of a vendor's CSV, per bar",
        ours=[ours(market, vendor_csv)],
        peers=[into_columns(market, vendor_csv, csv_columns)],
        targets=TARGETS,
        clock=time.perf_counter,
    )
