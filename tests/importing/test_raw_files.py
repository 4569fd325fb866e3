"""Files as people have them, imported, equal the same bars converted and checked by other means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest

from tapeloom import DataManager
from tapeloom.errors import TapeloomError
from tapeloom.importing import ImportMismatchError, import_bars, mount

if TYPE_CHECKING:
    from pathlib import Path

    from tapeloom.bars import Bars
    from tapeloom.storage.bar_source import BarSource

US = "us_equity/interval=1m/symbol="
# The raw file, the file of the same bars, and what has to be said besides auto=True.
FILES: list[tuple[str, str, dict[str, Any]]] = [
    ("eqker/AAPL_1min.csv", US + "AAPL/2019-02-11_2019-02-15.parquet", {"label": "end"}),
    ("eqker/PPLT_1min.csv", US + "PPLT/2019-02-11_2019-02-15.parquet", {"label": "end"}),
    ("mismartera/bars_dump_AAPL_2025-07-02.csv", US + "AAPL/2025-07-01_2025-07-02.parquet", {"shift": "-4h"}),
    ("mismartera/bars_dump_RIVN_2025-07-02.csv", US + "RIVN/2025-07-01_2025-07-02.parquet", {"shift": "-4h"}),
    ("yahoo/BILI_1m.csv", US + "BILI/2026-03-19_2026-03-27.parquet", {}),
    ("yahoo/MKL_1m.parquet", US + "MKL/2025-11-12_2025-11-18.parquet", {}),
    ("lean/20140606_trade.zip", US + "AAPL/2014-06-05_2014-06-09.parquet", {"price_scale": 10_000}),
    ("lean/20140609_trade.zip", US + "AAPL/2014-06-05_2014-06-09.parquet", {"price_scale": 10_000}),
    ("lean/goog_20151224_trade.zip", US + "GOOG/2015-12-23_2015-12-29.parquet", {"price_scale": 10_000}),
    (
        "lean/nifty50_20190101_trade.zip",
        "india_index/interval=1m/symbol=NIFTY50/2019-01-01_2019-01-04.parquet",
        {"symbol": "NIFTY50", "members": "*20190101*"},
    ),
]  # fmt: skip
# Those that do not read as they are; the archive of two dates is told of by itself.
STOPPED = [f for f in FILES if f[2] and "members" not in f[2]]
SAID = {"eqker": "label='end'", "mismartera": "390/390", "lean": "price_scale=10000"}
COLUMNS = ("ts", "open", "high", "low", "close", "volume")


def group_of(converted: str) -> str:
    return "IN_EQUITY" if converted.startswith("india") else "US_EQUITY"


def rows_of(path: Path, first: int, last: int) -> list[tuple[float, ...]]:
    """Rows of a converted file from one instant to another, both included."""
    table = pq.read_table(path, columns=list(COLUMNS), partitioning=None)
    columns = [
        table["ts"].cast("int64").to_pylist(),
        *(table[n].to_pylist() for n in COLUMNS[1:]),
    ]
    return [row for row in zip(*columns, strict=True) if first <= row[0] <= last]


def bars_of(source: BarSource, symbol: str) -> Bars:
    return source.read(symbol, "1m", 0, 2**62)


def assert_equal(bars: Bars, converted: Path) -> None:
    found = list(zip(*(getattr(bars, n).tolist() for n in COLUMNS), strict=True))
    assert found == rows_of(converted, found[0][0], found[-1][0])


@pytest.mark.parametrize(
    ("raw", "converted", "options"), FILES, ids=[f[0] for f in FILES]
)
def test_a_raw_file_becomes_the_converted_one(
    real_data: Path, tmp_path: Path, raw: str, converted: str, options: dict[str, Any]
) -> None:
    manager = DataManager(tmp_path / "data", exchange_group=group_of(converted))
    symbol = converted.split("symbol=")[1].split("/")[0]
    import_bars(real_data / "raw" / raw, into=manager, **options)
    bars = bars_of(manager, symbol)
    assert len(bars)
    assert_equal(bars, real_data / "bars" / converted)


@pytest.mark.parametrize(
    ("raw", "converted", "options"), FILES, ids=[f[0] for f in FILES]
)
def test_the_best_reading_is_the_right_one(
    real_data: Path, tmp_path: Path, raw: str, converted: str, options: dict[str, Any]
) -> None:
    manager = DataManager(tmp_path / "data", exchange_group=group_of(converted))
    symbol = converted.split("symbol=")[1].split("/")[0]
    known: dict[str, Any] = {"symbol": symbol} if "symbol" in options else {}
    report = import_bars(real_data / "raw" / raw, into=manager, auto=True, **known)
    assert report.files[0].applied == {
        k: v for k, v in options.items() if k != "symbol"
    }
    assert_equal(bars_of(manager, symbol), real_data / "bars" / converted)


@pytest.mark.parametrize(
    ("raw", "converted", "options"), FILES, ids=[f[0] for f in FILES]
)
def test_a_raw_file_reads_the_same_where_it_lies(
    real_data: Path, raw: str, converted: str, options: dict[str, Any]
) -> None:
    mounted = mount(
        real_data / "raw" / raw, exchange_group=group_of(converted), **options
    )
    (symbol,) = mounted.get_symbols()
    assert_equal(bars_of(mounted, symbol), real_data / "bars" / converted)


@pytest.mark.parametrize(
    ("raw", "converted", "options"), STOPPED, ids=[f[0] for f in STOPPED]
)
def test_nothing_is_guessed_in_silence(
    real_data: Path, tmp_path: Path, raw: str, converted: str, options: dict[str, Any]
) -> None:
    manager = DataManager(tmp_path / "data", exchange_group=group_of(converted))
    with pytest.raises(ImportMismatchError) as caught:
        import_bars(real_data / "raw" / raw, into=manager)
    assert SAID[raw.split("/")[0]] in str(caught.value)
    assert not (tmp_path / "data").exists()


def test_the_file_whose_labels_run_late_is_told_as_such(
    real_data: Path, tmp_path: Path
) -> None:
    path = real_data / "raw" / "mismartera" / "bars_dump_AAPL_2025-07-02.csv"
    with pytest.raises(ImportMismatchError) as caught:
        import_bars(path, into=DataManager(tmp_path))
    said = (
        "these bars fit the session if shifted by -4 h: 390/390 (as labelled: 349/390)"
    )
    assert said in str(caught.value)


def test_the_member_of_another_date_is_told_as_such(
    real_data: Path, tmp_path: Path
) -> None:
    path = real_data / "raw" / "lean" / "nifty50_20190101_trade.zip"
    with pytest.raises(
        ImportMismatchError, match="1 of its 2 members are of another one"
    ):
        import_bars(path, into=DataManager(tmp_path, exchange_group="IN_EQUITY"))


def test_five_minute_bars_labelled_by_their_end_are_read(
    real_data: Path, tmp_path: Path
) -> None:
    path = real_data / "raw" / "backtrader" / "2006-min-005.txt"
    manager = DataManager(tmp_path / "data", exchange_group="EU_EQUITY")
    import_bars(path, into=manager, symbol="SX5E", auto=True)
    bars = manager.read("SX5E", "5m", 0, 2**62)
    assert len(bars) == 2142
    assert bars.timestamps[0].isoformat() == "2006-01-02T09:00:00+01:00"


@pytest.mark.parametrize(
    "raw",
    [
        "backtrader/ticksample.csv",
        "nautilus/quote_tick_data.csv",
        "lean/ibm_20131007_tick_trade.zip",
        "lean/aapl_factor_file.csv",
        "lean/market-hours-database.json",
        "lean/equity_usa_readme.md",
    ],
)
def test_what_holds_no_bars_is_an_error(
    real_data: Path, tmp_path: Path, raw: str
) -> None:
    with pytest.raises(TapeloomError):
        import_bars(real_data / "raw" / raw, into=DataManager(tmp_path / "data"))
    assert not (tmp_path / "data").exists()


def test_a_doubled_file_says_how_many_keys_are_doubled(
    real_data: Path, tmp_path: Path
) -> None:
    (path,) = (real_data / "bars" / "future_eurex" / "interval=1m").rglob("*.parquet")
    manager = DataManager(tmp_path / "data", exchange_group="24/7")
    with pytest.raises(
        ImportMismatchError,
        match="2,276 keys occur twice with different values; choose on_duplicate",
    ):
        import_bars(path, into=manager)


def test_a_folder_of_raw_files_is_imported_as_far_as_it_goes(
    real_data: Path, tmp_path: Path
) -> None:
    manager = DataManager(tmp_path / "data")
    report = import_bars(real_data / "raw", into=manager, auto=True)
    failed = {f.source.rpartition("/")[2]: str(f.error) for f in report.failed}
    assert set(failed) == {
        *("ticksample.csv", "2006-min-005.txt", "quote_tick_data.csv", "aapl_factor_file.csv"),
        *("ibm_20131007_tick_trade.zip", "20140606_trade.zip", "20140609_trade.zip"),
    }  # fmt: skip
    # Other files spell the symbol 'AAPL'.
    assert "both become 'AAPL'" in failed["20140606_trade.zip"]
    assert report.symbols == ["AAPL", "BILI", "GOOG", "MKL", "NIFTY", "PPLT", "RIVN"]


def test_no_reading_is_proposed_for_converted_us_files(
    real_data: Path, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    manager = DataManager(tmp_path / "data")
    for path in sorted(
        (real_data / "bars" / "us_equity" / "interval=1m").rglob("*.parquet")
    ):
        with subtests.test(file=path.relative_to(real_data).as_posix()):
            report = import_bars(path, into=manager, dry_run=True)
            assert [f.text for f in report.findings if f.outcome == "stops"] == []
