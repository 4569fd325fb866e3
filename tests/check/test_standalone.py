"""The functions on frames, arrays, bars and paths, and the tables they return."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from tapeloom import DataManager, TimeManager
from tapeloom.calendars import get_session_table
from tapeloom.columns import read_frame
from tapeloom.errors import (
    AmbiguousTimeError,
    CorruptFileError,
    IntervalError,
    InvalidBarError,
    MissingDataError,
    NonexistentTimeError,
    UnknownSymbolError,
)
from tapeloom.standalone import check, gaps, resample
from tapeloom.storage import FrameSource
from tests.check.made_up import bars, columns, grid
from tests.compare import stored
from tests.reference.schedule import HOUR

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TWO_DAYS = grid("2025-07-01", "2025-07-02")
HOLES = (5, 60, 61, 62, 500)
ONE = columns(TWO_DAYS, without=HOLES)


def long_frame() -> pd.DataFrame:
    """Two symbols behind each other, with times in UTC."""
    parts = []
    for symbol, without in (("AAPL", HOLES), ("MSFT", ())):
        values = columns(TWO_DAYS, without=without)
        stamps = pd.DatetimeIndex(values.pop("ts").view("M8[ns]"), tz="UTC")
        parts.append(pd.DataFrame({"ts": stamps, "symbol": symbol, **values}))
    return pd.concat(parts, ignore_index=True)


def naive_frame(shift: int = 0) -> pd.DataFrame:
    frame = long_frame()
    wall = frame["ts"].dt.tz_convert("America/New_York").dt.tz_localize(None)
    return frame.assign(ts=wall + pd.Timedelta(shift, "ns"))


def written(root: Path) -> str:
    store = DataManager(root)
    for symbol, without in (("AAPL", HOLES), ("MSFT", ())):
        store.write_bars(symbol, "1m", bars(symbol, TWO_DAYS, without=without))
    return str(root)


FORMS: dict[str, Callable[[], object]] = {
    "pandas": long_frame,
    "naive pandas": naive_frame,
    "polars": lambda: pl.from_pandas(long_frame()),
    "Arrow": lambda: pa.Table.from_pandas(long_frame(), preserve_index=False),
    "dict of arrays by symbol": lambda: {"AAPL": ONE, "MSFT": columns(TWO_DAYS)},
    "dict of bars": lambda: {
        "AAPL": bars("AAPL", TWO_DAYS, without=HOLES),
        "MSFT": bars("MSFT", TWO_DAYS),
    },
    "list of bars": lambda: [
        bars("AAPL", TWO_DAYS, without=HOLES),
        bars("MSFT", TWO_DAYS),
    ],
    "objects": lambda: [
        *bars("AAPL", TWO_DAYS, without=HOLES),
        *bars("MSFT", TWO_DAYS),
    ],
    "source": lambda: FrameSource(
        {"AAPL": bars("AAPL", TWO_DAYS, without=HOLES), "MSFT": bars("MSFT", TWO_DAYS)}
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_data_gives_the_same(form: str, tmp_path: Path) -> None:
    data: Any = FORMS[form]()
    path = written(tmp_path)
    assert check(data).to_dict() == check(path).to_dict()
    assert gaps(data) == gaps(path)
    assert [gap.missing for gap in gaps(data)] == [1, 3, 1]
    made, stored_ones = resample(data, "5m"), resample(path, "5m")
    assert list(made) == list(stored_ones) == ["AAPL", "MSFT"]
    for symbol, of_one in made.items():
        assert stored(of_one) == stored(stored_ones[symbol])


def test_one_file_is_checked_alone(tmp_path: Path) -> None:
    written(tmp_path)
    (file,) = tmp_path.rglob("symbol=AAPL/*.parquet")
    assert [row.symbol for row in check(file).symbols] == ["AAPL"]


def test_a_csv_file_is_read_as_it_is_labelled(tmp_path: Path) -> None:
    path = tmp_path / "AAPL.csv"
    naive_frame().query("symbol == 'AAPL'").to_csv(path, index=False)
    report = check(path)
    assert [(row.symbol, row.missing) for row in report.symbols] == [("AAPL", 5)]


def test_naive_times_of_another_zone_are_told() -> None:
    report = check(naive_frame(shift=4 * HOUR))
    assert {f.text for f in report.problems if f.kind == "reading"} == {
        f"these bars fit the session if read as wall time of UTC: {hits}/780 (as labelled: {found}/780); pass zone='UTC'"
        for hits, found in ((775, 295), (780, 300))
    }


@pytest.mark.parametrize(
    ("start", "error", "fact"),
    [
        ("2025-11-02 00:30", AmbiguousTimeError, "which occurs twice in"),
        ("2025-03-09 01:30", NonexistentTimeError, "which does not occur in"),
    ],
)
def test_naive_times_that_cannot_be_are_to_be_given_a_zone(
    start: str, error: type[Exception], fact: str
) -> None:
    naive = pd.date_range(start, periods=120, freq="1min")
    prices = dict.fromkeys(("open", "high", "low", "close", "volume"), 1.0)
    frame = pd.DataFrame({"ts": naive, **prices})
    with pytest.raises(
        error, match=f"{fact}.*; give times that carry their zone, such as UTC$"
    ):
        check(frame, symbol="ES")
    aware = frame.assign(ts=naive.tz_localize("UTC"))
    assert check(aware, symbol="ES").symbols[0].bars == 120


def test_no_path_and_a_damaged_file_are_errors(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match="does not exist"):
        check(tmp_path / "nothing")
    damaged = tmp_path / "AAPL.parquet"
    damaged.write_bytes(b"PAR1" + b"\0" * 100)
    with pytest.raises(CorruptFileError, match=r"AAPL\.parquet"):
        check(damaged)


def test_a_folder_keeps_its_actions_beside_its_bars(tmp_path: Path) -> None:
    price = np.where(np.arange(780) < 390, 300.0, 100.0)
    DataManager(tmp_path).write_bars("AAPL", "1m", bars("AAPL", TWO_DAYS, price=price))
    (hint,) = check(tmp_path).splits
    text = "symbol,ex_date,price_factor,volume_factor\n"
    text += f"{hint.symbol},{hint.ex_date},{hint.price_factor},{hint.volume_factor}\n"
    (tmp_path / "actions.csv").write_text(text, encoding="utf-8")
    assert check(tmp_path).is_clean


def test_a_corrected_calendar_counts() -> None:
    manager = TimeManager("US_EQUITY")
    manager.register_market_hours(date(2025, 7, 2), regular=["09:30", "10:30"])
    report = check(bars("AAPL", TWO_DAYS[:450]), time_manager=manager)
    assert (report.expected, report.is_clean) == (450, True)


def test_the_report_is_a_table_that_other_tools_read() -> None:
    report = check(long_frame())
    for frame in (
        report.to_pandas(),
        report.to_polars().to_pandas(),
        pl.DataFrame(report).to_pandas(),
    ):
        assert frame["missing"].tolist() == [4, 1, 0, 0]
        assert frame["symbol"].tolist() == ["AAPL", "AAPL", "MSFT", "MSFT"]
    assert pa.table(report).column("present").to_pylist() == [386, 389, 390, 390]
    assert pa.table(report.symbols).column("quality").to_pylist()[1] == 100.0
    assert report.to_arrow().num_rows == 4
    assert "AAPL" in report._repr_html_()
    assert report.totals()["missing"] == 5


def test_the_report_as_a_document_is_json() -> None:
    found = json.loads(json.dumps(check(long_frame()).to_dict()))
    assert (found["is_clean"], found["problems"]) == (False, 1)
    assert found["gaps"][0]["start"] == "2025-07-01T09:35:00-04:00"
    assert found["gaps"][0]["cause"] == "unknown"
    assert found["sessions"][0]["session"] == "2025-07-01"
    assert found["totals"]["missing"] == 5
    assert (found["first_session"], found["last_session"]) == (
        "2025-07-01",
        "2025-07-02",
    )


def test_a_report_without_a_finding_keeps_its_columns() -> None:
    report = check(bars("AAPL", TWO_DAYS))
    for table in (report.findings, report.splits, report.gaps):
        assert pa.table(table).num_rows == 0
        assert "symbol" in pa.table(table).column_names


# Resampling


def test_coarser_bars_are_those_of_a_session() -> None:
    table = get_session_table("US_EQUITY")
    given = bars("AAPL", TWO_DAYS, without=HOLES)
    (made,) = resample(given, "15m").values()
    assert stored(made) == stored(given.aggregate("15m", table=table))
    (whole,) = resample(given, "15m", completeness="complete").values()
    assert len(whole) == len(made) - 3


def test_resampled_bars_are_a_table_that_other_tools_read() -> None:
    made = resample(long_frame(), "1h")
    assert repr(made) == "ResampledBars(28 1h bars of 2 symbols)"
    assert made.interval == "1h"
    arrow = pa.table(made)
    assert arrow.column_names == [
        *("symbol", "ts", "open", "high", "low", "close", "volume", "flags"),
        "constituents",
    ]
    frames = (
        made.to_pandas().reset_index(drop=True),
        made.to_polars().to_pandas(),
        pl.DataFrame(made).to_pandas(),
    )
    for frame in frames:
        assert frame["symbol"].tolist() == ["AAPL"] * 14 + ["MSFT"] * 14
        assert frame["constituents"].tolist()[:3] == [59, 57, 60]
    assert made.to_pandas().index[0] == pd.Timestamp(
        "2025-07-01 09:30", tz="America/New_York"
    )
    assert check(made).missing == 0
    assert (
        read_frame(made, zone=get_session_table("US_EQUITY").zone).keys() == made.keys()
    )


def test_nothing_resampled_keeps_its_columns() -> None:
    made = resample(bars("AAPL", TWO_DAYS[:0]), "5m")
    assert pa.table(made).num_rows == 0
    assert made.to_pandas().empty
    assert repr(made) == "ResampledBars(0 5m bars of 1 symbol)"


def test_the_finest_stored_bars_that_divide_are_taken(tmp_path: Path) -> None:
    store = DataManager(tmp_path)
    for interval in ("1m", "5m", "1d"):
        ts = grid("2025-07-01", "2025-07-02", interval=interval)
        store.write_bars("AAPL", interval, bars("AAPL", ts, interval=interval))
    assert resample(tmp_path, "15m")["AAPL"].constituents.tolist()[0] == 15
    assert (
        resample(tmp_path, "15m", interval="5m")["AAPL"].constituents.tolist()[0] == 3
    )
    assert len(resample(tmp_path, "15m", interval="1s")) == 0


def test_bars_that_do_not_divide_are_refused() -> None:
    coarse = bars(
        "AAPL", grid("2025-07-01", "2025-07-02", interval="30m"), interval="30m"
    )
    with pytest.raises(IntervalError, match="AAPL: none of 30m divides 45m"):
        resample(coarse, "45m")
    with pytest.raises(IntervalError, match="AAPL: the bars are 30m bars already"):
        resample(coarse, "30m")


def test_broken_bars_are_refused() -> None:
    values = columns(TWO_DAYS)
    values["low"][10] = 101.0
    with pytest.raises(InvalidBarError, match="row 10"):
        resample(values, "5m", symbol="AAPL")


def test_a_symbol_that_is_not_there_is_named() -> None:
    with pytest.raises(UnknownSymbolError, match="did you mean 'AAPL'"):
        resample(bars("AAPL", TWO_DAYS), "5m")["AAPLE"]
