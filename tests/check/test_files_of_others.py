"""Files of other tools under a check: what reading leaves out or assumes is told, and naive times are judged as such."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from tapeloom import DataManager, merge
from tapeloom.errors import (
    ArgumentError,
    ArgumentTypeError,
    CorruptFileError,
    ImportMismatchError,
    MissingDataError,
)
from tapeloom.standalone import check, gaps, resample
from tests.check.made_up import bars, columns, grid

if TYPE_CHECKING:
    from pathlib import Path

    from tapeloom.checking import CheckReport

# The clock goes forward on 2025-03-09.
DAYS = grid("2025-03-06", "2025-03-12")


def frame(*, zone: str | None = "UTC") -> pd.DataFrame:
    values: dict[str, Any] = columns(DAYS)
    stamps = pd.DatetimeIndex(values.pop("ts").view("M8[ns]"))
    return pd.DataFrame({"ts": stamps.tz_localize(zone), **values})


def problems(report: CheckReport) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in report.problems:
        found.setdefault(one.kind, []).append(one.text)
    return found


def test_lines_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    path = tmp_path / "AAPL.csv"
    frame().to_csv(path, index=False)
    lines = path.read_text().splitlines()
    lines[10], lines[20] = "garbage", "no time,1,1,1,1,1"
    path.write_text("\n".join(lines))
    report = check(path)
    assert problems(report)["invalid"] == [
        "AAPL.csv: 1 row left out for want of columns, such as 'garbage'",
        "AAPL.csv: 1 row left out without a readable time, the first is row 18",
    ]
    assert {f.symbol for f in report.problems} == {"AAPL"}
    stored = DataManager(tmp_path).check_data_quality()
    assert problems(stored)["invalid"] == problems(report)["invalid"]


def test_daily_bars_of_dates_without_a_session_are_told(tmp_path: Path) -> None:
    prices = dict.fromkeys(("Open", "High", "Low", "Close", "Volume"), 1.0)
    dates = ["2025-03-06", "2025-03-07", "2025-03-08", "2025-03-10"]
    pd.DataFrame({"Date": dates, **prices}).to_csv(tmp_path / "AAPL.csv", index=False)
    (text,) = problems(check(tmp_path / "AAPL.csv"))["no_session"]
    assert text == (
        "AAPL.csv: 1 1d bars left out of dates without a session, the first on 2025-03-08"
    )


def test_what_reading_assumes_is_worth_knowing(tmp_path: Path) -> None:
    frame().to_csv(tmp_path / "AAPL.csv", index=False)
    report = check(tmp_path)
    assert report.is_clean
    assert [f.text for f in report.findings] == [
        "AAPL.csv: symbol 'AAPL' told from the file's name",
        "AAPL.csv: interval 1m told from the spacing",
    ]


def test_only_the_files_of_the_symbols_asked_for_are_told_of(tmp_path: Path) -> None:
    for name in ("AAPL", "MSFT"):
        frame().to_csv(tmp_path / f"{name}.csv", index=False)
    found = check(tmp_path, symbols="MSFT").findings
    assert {f.symbol for f in found} == {"MSFT"}


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("upper", [False, True])
def test_naive_times_of_files_are_judged_as_those_of_frames(
    tmp_path: Path, suffix: str, upper: bool
) -> None:
    naive = frame(zone=None)
    data = naive.rename(columns=str.title) if upper else naive
    path = tmp_path / f"AAPL.{suffix}"
    if suffix == "csv":
        data.to_csv(path, index=False)
    else:
        data.to_parquet(path)
    (text,) = problems(check(path))["reading"]
    assert text == (
        "these bars fit the session if read as wall time of UTC: 1,950/1,950 (as labelled: 630/1,950); pass zone='UTC'"
    )
    assert problems(check(naive, symbol="AAPL"))["reading"] == [text]
    assert check(path, reading={"zone": "UTC"}).is_clean
    assert gaps(path, reading={"zone": "UTC"}) == []
    assert len(resample(path, "1h", reading={"zone": "UTC"})["AAPL"]) == 35


def test_a_zone_is_held_against_stamps_that_say_they_are_utc(tmp_path: Path) -> None:
    frame().to_csv(tmp_path / "AAPL.csv", index=False)
    with pytest.raises(ImportMismatchError, match="leave zone= out"):
        check(tmp_path, reading={"zone": "America/New_York"})


def test_prices_in_other_units_are_read_and_told(tmp_path: Path) -> None:
    path = tmp_path / "20250306_aapl_minute_trade.csv"
    minutes = 34_200_000 + np.arange(390) * 60_000
    rows = [f"{ms},1000000,1000100,999900,1000000,5" for ms in minutes.tolist()]
    path.write_text("\n".join(rows))
    report = check(path)
    (text,) = problems(report)["price_scale"]
    assert "all 1,560 prices are whole numbers" in text
    assert text.endswith("hold in ten-thousandths; read so here")
    assert (report.missing, report.symbols[0].symbol) == (0, "AAPL")
    assert check(path, reading={"price_scale": 10_000}).is_clean


def test_a_reading_is_checked_by_name_and_is_for_files(tmp_path: Path) -> None:
    frame().to_csv(tmp_path / "AAPL.csv", index=False)
    with pytest.raises(ArgumentError, match="did you mean 'zone'"):
        check(tmp_path, reading={"zome": "UTC"})
    with pytest.raises(ArgumentError, match="data is DataFrame; leave it out"):
        check(frame(), symbol="AAPL", reading={"zone": "UTC"})
    with pytest.raises(ArgumentTypeError, match="give a dict"):
        check(tmp_path, reading="UTC")  # type: ignore[arg-type]


def test_gaps_and_coarser_bars_of_times_that_do_not_fit_are_refused(
    tmp_path: Path,
) -> None:
    path = tmp_path / "AAPL.csv"
    late = frame().assign(ts=lambda one: one["ts"] + pd.Timedelta(hours=4))
    late.to_csv(path, index=False)
    for ask in (gaps, lambda data: resample(data, "5m"), merge):
        with pytest.raises(ImportMismatchError, match="fit the session if shifted by"):
            ask(path)
    with pytest.raises(ImportMismatchError, match=r"pass reading=\{'shift': '-4h'\}$"):
        gaps(path)
    assert gaps(path, reading={"shift": "-4h"}) == []
    whole = resample(path, "1h", reading={"shift": "-4h"})
    assert whole["AAPL"] == resample(frame(), "1h", symbol="AAPL")["AAPL"]
    assert "reading" in problems(check(path))


def test_a_file_with_the_newest_row_first_is_told(real_data: Path) -> None:
    report = check(real_data / "raw" / "eqker" / "AAPL_1min.csv")
    assert [f.text for f in report.findings if f.kind == "order"] == [
        "AAPL_1min.csv: newest first; sorted"
    ]


def test_a_damaged_file_is_not_read_in_another_way(tmp_path: Path) -> None:
    manager = DataManager(tmp_path)
    manager.write_bars("AAPL", "1m", bars("AAPL", DAYS))
    (path,) = tmp_path.rglob("*.parquet")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    for place in (path, tmp_path / "flat" / "AAPL.parquet"):
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(content)
        for data in (place, place.parent):
            with pytest.raises(CorruptFileError, match="damaged"):
                check(data)


def test_the_name_of_a_file_sends_no_commands_to_a_terminal(tmp_path: Path) -> None:
    frame().to_csv(tmp_path / "A\x1b[2J.csv", index=False)
    for found in check(tmp_path / "A\x1b[2J.csv", symbol="A").findings:
        assert found.text.isprintable()


def test_in_a_folder_of_ours_nothing_else_is_read(tmp_path: Path) -> None:
    DataManager(tmp_path).write_bars("AAPL", "1m", bars("AAPL", DAYS))
    frame().to_csv(tmp_path / "MSFT.csv", index=False)
    assert [row.symbol for row in check(tmp_path).symbols] == ["AAPL"]
    with pytest.raises(MissingDataError, match="holds no bars of 'HK_EQUITY'"):
        check(tmp_path, exchange_group="HK_EQUITY")
    with pytest.raises(ArgumentError, match="holds stored bars; leave it out"):
        check(tmp_path, reading={"zone": "UTC"})
