"""Frames, tables and arrays in memory, imported like files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from tests.importing.made_up import MINUTE, day

from tapeloom.errors import ArgumentError
from tapeloom.importing import ImportMismatchError, import_bars

if TYPE_CHECKING:
    from tests.importing.memory_store import MemoryStore

FIELDS = ("open", "high", "low", "close", "volume")
STARTS = np.array([r.ts for r in day()])
VALUES = {n: np.array([getattr(r, n) for r in day()], np.float64) for n in FIELDS}


def pandas_frame(**more: Any) -> pd.DataFrame:
    times = pd.DatetimeIndex(STARTS.view("M8[ns]"), tz="UTC")
    return pd.DataFrame({**VALUES, **more}, index=times.rename("timestamp"))


def naive_frame() -> pd.DataFrame:
    frame = pandas_frame()
    return frame.set_axis(frame.index.tz_convert("America/New_York").tz_localize(None))


def wide_frame() -> pd.DataFrame:
    frame = pandas_frame()
    wide = pd.concat(
        {s: frame.rename(columns=str.title) for s in ("AAPL", "MSFT")}, axis=1
    )
    return wide.swaplevel(axis=1).rename_axis(columns=["Price", "Ticker"])


FRAMES: dict[str, Any] = {
    "pandas, times as index": lambda: pandas_frame(),
    "pandas, times as column": lambda: pandas_frame().reset_index(),
    "pandas, index without a name": lambda: pandas_frame().rename_axis(None),
    "pandas, naive": naive_frame,
    "pandas, symbol beside times in the index": lambda: (
        pandas_frame(symbol="AAPL").reset_index().set_index(["symbol", "timestamp"])
    ),
    "polars": lambda: pl.DataFrame(
        {
            "ts": pl.Series(STARTS).cast(pl.Datetime("ns")).dt.replace_time_zone("UTC"),
            **VALUES,
        }
    ),
    "Arrow": lambda: pa.table(
        {"ts": pa.array(STARTS).cast(pa.timestamp("ns", "UTC")), **VALUES}
    ),
    "arrays, datetime64": lambda: {"ts": STARTS.view("M8[ns]"), **VALUES},
    "arrays, nanoseconds": lambda: {"ts": STARTS, **VALUES},
    "lists": lambda: {
        "ts": STARTS.tolist(),
        **{n: v.tolist() for n, v in VALUES.items()},
    },
    "a frame per symbol": lambda: {"AAPL": pandas_frame()},
}


@pytest.mark.parametrize("name", FRAMES)
def test_a_frame_is_imported(store: MemoryStore, name: str) -> None:
    frame = FRAMES[name]()
    symbol = None if "symbol" in name else "AAPL"
    report = import_bars(frame, into=store, symbol=symbol)
    assert report.is_clean, report
    bars = store.bars["AAPL", "1m"]
    np.testing.assert_array_equal(bars.ts, STARTS)
    for field in FIELDS:
        np.testing.assert_array_equal(getattr(bars, field), VALUES[field])


def test_bars_are_imported_as_they_are(store: MemoryStore) -> None:
    import_bars(FRAMES["Arrow"](), into=store, symbol="AAPL")
    import_bars(store.bars["AAPL", "1m"], into=store)
    assert store.writes == 2


def test_a_structured_array_is_imported(store: MemoryStore) -> None:
    fields = [("ts", "i8"), *((n, "f8") for n in FIELDS)]
    rows = list(
        zip(STARTS.tolist(), *(VALUES[n].tolist() for n in FIELDS), strict=True)
    )
    import_bars(np.array(rows, fields), into=store, symbol="AAPL")
    np.testing.assert_array_equal(store.bars["AAPL", "1m"].ts, STARTS)


def test_columns_of_two_levels_are_cut_by_symbol(store: MemoryStore) -> None:
    import_bars(wide_frame(), into=store)
    assert sorted(store.bars) == [("AAPL", "1m"), ("MSFT", "1m")]
    np.testing.assert_array_equal(store.bars["MSFT", "1m"].close, VALUES["close"])


def test_the_symbol_of_a_frame_is_asked_for(store: MemoryStore) -> None:
    with pytest.raises(ArgumentError, match="give symbol="):
        import_bars(pandas_frame(), into=store)


def test_end_labels_of_a_frame_stop(store: MemoryStore) -> None:
    frame = {"ts": STARTS + MINUTE, **VALUES}
    with pytest.raises(ImportMismatchError, match="390/390 as ends"):
        import_bars(frame, into=store, symbol="AAPL")


def test_of_several_symbols_one_can_be_imported(store: MemoryStore) -> None:
    frame = pd.concat([pandas_frame(symbol="AAPL"), pandas_frame(symbol="MSFT")])
    import_bars(frame, into=store, symbol="MSFT")
    assert list(store.bars) == [("MSFT", "1m")]


@pytest.mark.parametrize("times", [[object(), object()], ["2025-07-02", 7]])
def test_a_frame_that_arrow_does_not_take_is_an_error_of_ours(
    store: MemoryStore, times: list[object]
) -> None:
    prices = {name: [1.0, 2.0] for name in ("open", "high", "low", "close", "volume")}
    with pytest.raises(ArgumentError, match=r"the frame cannot be read: .* column ts"):
        import_bars(pd.DataFrame({"ts": times, **prices}), into=store, symbol="A")
