"""Reading stored bars: checked, in order, cut to the hours of each date."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tapeloom.errors import (
    ArgumentError,
    InvalidBarError,
    TimestampUnitError,
)
from tapeloom.storage import DataManager

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.storage.conftest import Columns, Stamps, WriteFile

    from tapeloom.bars import Bars

MINUTE = 60_000_000_000
DAY = 1440 * MINUTE
SERIES = "bars/us_equity/interval=1m/symbol=AAPL"


def all_of(source: DataManager, symbol: str = "AAPL", interval: str = "1m") -> Bars:
    return source.read(symbol, interval, None, None)


def test_rows_out_of_order_are_sorted_and_noted_once(
    tmp_path: Path, write_file: WriteFile, minutes: Stamps
) -> None:
    path = write_file(tmp_path / SERIES / "x.parquet", minutes[::-1])
    source = DataManager(tmp_path)

    assert all_of(source).ts.tolist() == all_of(source).ts.tolist() == minutes.tolist()
    assert [(n.kind, n.symbol, n.source, n.count) for n in source.notes] == [
        ("unsorted", "AAPL", str(path), 9)
    ]


def test_files_that_overlap_are_put_together_in_order_of_their_names(
    tmp_path: Path, write_file: WriteFile, minutes: Stamps
) -> None:
    write_file(tmp_path / SERIES / "b.parquet", minutes[:6], volume=[2] * 6)
    write_file(tmp_path / SERIES / "a.parquet", minutes[4:], volume=[1] * 6)
    source = DataManager(tmp_path)

    bars = all_of(source)

    assert bars.ts.tolist() == sorted([*minutes[:6].tolist(), *minutes[4:].tolist()])
    assert bars.volume.tolist() == [2, 2, 2, 2, 1, 2, 1, 2, 1, 1, 1, 1]
    assert (bars.count_duplicates(), source.notes) == ((0, 2), [])


BROKEN: dict[str, tuple[str, float, str]] = {
    "not a number": ("close", float("nan"), "close is nan, must be a finite number"),
    "infinite": ("volume", float("inf"), "volume is inf, must be a finite number"),
    "high below low": ("high", 1.0, "must not be above high"),
    "close outside": ("close", 500.0, "close is 500, must lie between low and high"),
    "negative volume": ("volume", -1.0, "volume is -1, must not be negative"),
}


def broken_at(
    columns: dict[str, Any], row: int, field: str, value: float
) -> dict[str, Any]:
    values = np.array(columns[field], np.float64)
    values[row] = value
    return {field: values}


@pytest.mark.parametrize(("field", "value", "rule"), BROKEN.values(), ids=BROKEN.keys())
def test_a_row_that_breaks_a_rule_is_named_in_full(
    tmp_path: Path,
    write_file: WriteFile,
    columns: Columns,
    minutes: Stamps,
    field: str,
    value: float,
    rule: str,
) -> None:
    change = broken_at(columns(minutes), 7, field, value)
    path = write_file(
        tmp_path / SERIES / "x.parquet", minutes, row_group_size=3, **change
    )
    start, end = int(minutes[7]), int(minutes[9])

    with pytest.raises(InvalidBarError) as caught:
        DataManager(tmp_path).read("AAPL", "1m", start, end)

    assert str(caught.value).startswith(
        f"{path}: AAPL: row 7, 2025-07-02 13:37:00 UTC: "
    )
    assert rule in str(caught.value)
    assert (caught.value.symbol, caught.value.row, caught.value.source) == (
        "AAPL",
        7,
        str(path),
    )


def test_many_bad_rows_are_shown_ten_at_most(
    tmp_path: Path, write_file: WriteFile, minutes: Stamps
) -> None:
    ts = np.concatenate([minutes, minutes + DAY])
    write_file(tmp_path / SERIES / "x.parquet", ts, volume=[-1] * 15 + [1] * 5)

    with pytest.raises(InvalidBarError, match="15 invalid bars") as caught:
        all_of(DataManager(tmp_path))

    assert str(caught.value).count("\n  row ") == 10
    assert str(caught.value).endswith("and 5 more")


def test_bad_rows_can_be_left_out_with_a_note(
    tmp_path: Path, write_file: WriteFile, minutes: Stamps
) -> None:
    volume = np.array([1, 1, -1, 1, 1, 1, -1, 1, 1, 1])
    path = write_file(tmp_path / SERIES / "x.parquet", minutes, volume=volume)
    source = DataManager(tmp_path, on_invalid="skip")

    first = source.read("AAPL", "1m", int(minutes[0]), int(minutes[5]))
    again = all_of(source)

    assert (first.ts.tolist(), again.ts.tolist()) == (
        minutes[[0, 1, 3, 4]].tolist(),
        minutes[volume > 0].tolist(),
    )
    assert [(n.kind, n.source, n.count) for n in source.notes] == [
        ("invalid_skipped", str(path), 2)
    ]


def test_negative_prices_pass_where_they_are_allowed(
    tmp_path: Path, write_file: WriteFile, minutes: Stamps
) -> None:
    below = {name: np.full(10, -37.0) for name in ("open", "high", "low", "close")}
    write_file(tmp_path / SERIES / "x.parquet", minutes, **below)

    assert len(all_of(DataManager(tmp_path, allow_negative_prices=True))) == 10
    with pytest.raises(InvalidBarError, match="allow_negative_prices"):
        all_of(DataManager(tmp_path))


def test_an_unknown_policy_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="did you mean 'skip'"):
        DataManager(tmp_path, on_invalid="skpi")


def eastern(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2025, 7, day, hour, minute)  # noqa: DTZ001, naive is wall time of the exchange


@pytest.mark.parametrize(
    ("hours", "expected"),
    [
        ("regular", ["09:30", "15:59", "12:59"]),
        ("extended", ["04:00", "09:29", "09:30", "15:59", "16:00", "12:59", "13:00", "16:59"]),
        ("all", ["03:59", "04:00", "09:29", "09:30", "15:59", "16:00", "12:59", "13:00", "16:59", "17:00", "12:00"]),
    ],
)  # fmt: skip
def test_hours_are_those_of_each_date(
    tmp_path: Path, write_file: WriteFile, hours: Any, expected: list[str]
) -> None:
    # A full day, the half day after it, and a holiday.
    day_times = [
        (2, ["03:59", "04:00", "09:29", "09:30", "15:59", "16:00"]),
        (3, ["12:59", "13:00", "16:59", "17:00"]),
        (4, ["12:00"]),
    ]
    stamps = [
        np.datetime64(f"2025-07-0{day}T{time}", "ns").astype(np.int64) + 4 * 60 * MINUTE
        for day, times in day_times
        for time in times
    ]
    write_file(tmp_path / SERIES / "x.parquet", stamps)

    bars = DataManager(tmp_path).get_bars("AAPL", "1m", hours=hours)

    assert [f"{t:%H:%M}" for t in bars.timestamps] == expected


def test_naive_bounds_are_wall_time_of_the_exchange(
    tmp_path: Path, write_file: WriteFile, minutes: Stamps
) -> None:
    write_file(tmp_path / SERIES / "x.parquet", minutes)
    source = DataManager(tmp_path)

    bars = source.get_bars("AAPL", "1m", eastern(2, 9, 33), eastern(2, 9, 35))

    assert bars.ts.tolist() == minutes[3:5].tolist()
    assert len(source.get_bars("AAPL", "1m", eastern(2, 9, 33), eastern(2, 9, 33))) == 0


def test_daily_bars_are_kept_whatever_the_hours(
    tmp_path: Path, write_file: WriteFile, minutes: Stamps
) -> None:
    midnight = minutes[:1] - 570 * MINUTE
    write_file(tmp_path / SERIES.replace("1m", "1d") / "x.parquet", midnight)

    assert len(DataManager(tmp_path).get_bars("AAPL", "1d")) == 1


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (
            lambda s: s.get_bars("AAPL", "1m", eastern(3, 1), eastern(2, 1)),
            ArgumentError,
        ),
        (lambda s: s.get_bars("AAPL", "1m", hours="regualr"), ArgumentError),
        (lambda s: s.get_bars("AAPL", "1m", 1_751_463_000), TimestampUnitError),
        (lambda s: s.get_bars("AAPL", "1M"), ArgumentError),
    ],
    ids=["start after end", "hours", "seconds", "interval"],
)
def test_a_malformed_argument_is_an_error(
    tmp_path: Path,
    write_file: WriteFile,
    minutes: Stamps,
    call: Callable[[DataManager], object],
    error: type[Exception],
) -> None:
    write_file(tmp_path / SERIES / "x.parquet", minutes)

    with pytest.raises(error):
        call(DataManager(tmp_path))


def test_every_real_file_of_us_equities_reads_whole(real_data: Path) -> None:
    records = [
        f
        for f in json.loads((real_data / "MANIFEST.json").read_text())["files"]
        if f["path"].startswith("bars/us_equity/")
    ]
    expected: dict[tuple[str, str], int] = {}
    for record in records:
        key = (record["symbol"], record["interval"])
        expected[key] = expected.get(key, 0) + record["rows"]

    source = DataManager(real_data)
    found = {
        (symbol, interval): len(all_of(source, symbol, interval))
        for symbol in source.get_symbols()
        for interval in source.get_intervals(symbol)
    }

    assert found == expected
    assert source.notes == []
