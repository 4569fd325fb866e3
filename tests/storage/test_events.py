"""Stored trades and quotes: in order, of the range, checked, with the columns that files have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tapeloom import Quote, TickData, TimeManager
from tapeloom.errors import CorruptFileError, InvalidBarError, StorageError
from tapeloom.storage import DataManager
from tapeloom.storage.seal import sealed

if TYPE_CHECKING:
    from pathlib import Path

SECOND = 1_000_000_000
OPEN = 1_751_463_000_000_000_000
TIMES = OPEN + SECOND * np.array([0, 1, 1, 2, 5])


def write(root: Path, kind: str, name: str = "x", **columns: Any) -> Path:
    ts = columns.pop("ts", TIMES)
    path = root / kind / "us_equity/symbol=AAPL" / f"{name}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    stamps = pa.array(ts).cast(pa.timestamp("ns", "UTC"))
    pq.write_table(pa.table({"ts": stamps, **columns}), path, row_group_size=2)
    return path


def prices(**changes: Any) -> dict[str, Any]:
    return {"price": np.arange(5) + 1.0, "size": [1, 2, 3, 4, 5], **changes}


def test_trades_are_read_in_order_of_files_and_rows(tmp_path: Path) -> None:
    write(tmp_path, "trades", "b", ts=TIMES + SECOND, **prices())
    write(tmp_path, "trades", "a", **prices(price=np.arange(5) + 10.0))

    ticks = DataManager(tmp_path).get_ticks("aapl")

    assert ticks.ts.tolist() == sorted([*TIMES, *(TIMES + SECOND)])
    assert ticks.price.tolist() == [10, 11, 12, 1, 13, 2, 3, 4, 14, 5]
    assert ticks[0] == TickData("AAPL", int(TIMES[0]), 10.0, 1.0)
    assert f"{ticks[0].timestamp:%H:%M %Z}" == "09:30 EDT"


@pytest.mark.parametrize(("first", "last"), [(0, 2), (1, 2), (2, 9), (9, 9), (3, 4)])
def test_a_range_holds_its_start_and_not_its_end(
    tmp_path: Path, first: int, last: int
) -> None:
    write(tmp_path, "trades", **prices())
    start, end = OPEN + first * SECOND, OPEN + last * SECOND

    found = DataManager(tmp_path).get_ticks("AAPL", start, end)

    assert found.ts.tolist() == [t for t in TIMES.tolist() if start <= t < end]


def test_a_trade_is_seen_at_its_own_time(tmp_path: Path) -> None:
    write(tmp_path, "trades", **prices())
    write(tmp_path, "quotes", bid=np.ones(5), ask=np.ones(5))
    manager = TimeManager()
    manager.set_backtest_time(OPEN + SECOND)
    source = DataManager(tmp_path, time_manager=manager)

    assert len(source.get_ticks("AAPL")) == len(source.get_quotes("AAPL")) == 3


def test_a_side_that_is_left_out_is_zero(tmp_path: Path) -> None:
    write(
        tmp_path,
        "quotes",
        bid_price=pa.array([1.0, None, 1.5, None, 2.0]),
        ask_price=pa.array([None, 2.0, None, 2.5, 3.0]),
        bid_size=pa.array([10, None, None, None, 20]),
    )

    quotes = DataManager(tmp_path).get_quotes("AAPL")

    assert quotes.bid.tolist() == [1, 0, 1.5, 0, 2]
    assert quotes.ask.tolist() == [0, 2, 0, 2.5, 3]
    assert quotes.bid_size.tolist() == [10, 0, 0, 0, 20]
    assert quotes[4] == Quote("AAPL", int(TIMES[4]), 2.0, 3.0, 20.0, 0.0)


def test_rows_that_break_a_rule_are_named_or_left_out(tmp_path: Path) -> None:
    write(tmp_path, "trades", **prices(price=[1.0, -2.0, 3.0, float("nan"), 5.0]))

    with pytest.raises(InvalidBarError, match=r"13:30:01 UTC: price is -2, must be finite and above 0"):  # fmt: skip
        DataManager(tmp_path).get_ticks("AAPL")
    kept = DataManager(tmp_path, on_invalid="skip").get_ticks("AAPL")
    assert kept.price.tolist() == [1, 3, 5]


def test_a_missing_column_and_damage_name_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "trades", Price=np.ones(5), size=np.ones(5))
    with pytest.raises(StorageError, match=r"column 'price' is missing; .*did you mean 'Price'"):  # fmt: skip
        DataManager(tmp_path).get_ticks("AAPL")

    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(CorruptFileError, match=r"x\.parquet"):
        DataManager(tmp_path).get_ticks("AAPL")


@pytest.mark.parametrize("has_seal", [False, True])
def test_a_page_that_does_not_fit_its_checksum_is_found_behind_a_seal_too(
    tmp_path: Path, has_seal: bool
) -> None:
    path = write(tmp_path, "trades", **prices())
    plain: dict[str, Any] = {"compression": "none", "use_dictionary": False}
    table = pq.read_table(path, partitioning=None)
    pq.write_table(table, path, write_page_checksum=True, **plain)
    if has_seal:
        facts = [(len(TIMES), int(TIMES[0]), int(TIMES[-1]))]
        path.write_bytes(sealed(path.read_bytes(), [0], facts))
    assert DataManager(tmp_path).get_ticks("AAPL").price.tolist() == [1, 2, 3, 4, 5]

    four, eight = (np.float64(value).tobytes() for value in (4, 8))
    raw = path.read_bytes()
    assert raw.count(four) == 1
    path.write_bytes(raw.replace(four, eight))

    with pytest.raises(CorruptFileError, match=r"x\.parquet"):
        DataManager(tmp_path).get_ticks("AAPL")


def test_real_trades_and_quotes_are_read_whole(real_data: Path) -> None:
    source = DataManager(real_data)
    for symbol in ("IBM", "BAC"):
        (path,) = (real_data / f"trades/us_equity/symbol={symbol}").iterdir()
        table = pq.read_table(path, partitioning=None)
        ticks = source.get_ticks(symbol)
        assert ticks.price.tolist() == table["price"].to_pylist()
        assert ticks.ts.tolist() == table["ts"].cast(pa.int64()).to_pylist()
    (path,) = (real_data / "quotes/us_equity/symbol=IBM").iterdir()
    table = pq.read_table(path, partitioning=None)
    quotes = source.get_quotes("IBM")
    assert quotes.bid.tolist() == table["bid_price"].fill_null(0).to_pylist()
