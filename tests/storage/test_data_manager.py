"""Stored bars as a run sees them: found in every layout, checked, in order, and written back unchanged."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

from tapeloom.columns import read_frame
from tapeloom.errors import (
    ArgumentError,
    DuplicateBarError,
    InvalidBarError,
    MissingDataError,
    StorageError,
    TimestampUnitError,
    UnknownExchangeError,
)
from tapeloom.storage import DataManager, FrameSource

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from zoneinfo import ZoneInfo

    from tests.storage.conftest import Columns, Stamps, WriteFile

    from tapeloom.bars import Bars

MINUTE = 60_000_000_000
DAY = 1440 * MINUTE
SERIES = "bars/us_equity/interval=1m/symbol=AAPL"


def all_of(source: DataManager, symbol: str = "AAPL", interval: str = "1m") -> Bars:
    return source.read(symbol, interval, None, None)


LAYOUTS: dict[str, tuple[str, str]] = {
    "the store": ("", f"{SERIES}/2025-07.parquet"),
    "the store, group in upper case": (
        "",
        f"{SERIES}/x.parquet".replace("us_equity", "US_EQUITY"),
    ),
    "the folder bars": ("bars", f"{SERIES}/x.parquet"),
    "the folder of a group": ("bars/us_equity", f"{SERIES}/x.parquet"),
    "the folder of a series": (SERIES, f"{SERIES}/x.parquet"),
    "a flat folder": ("", "x.parquet"),
    "folders of another shape": ("", "2025/07/x.parquet"),
    "one file": ("x.parquet", "x.parquet"),
    "one file of the store": (f"{SERIES}/x.parquet", f"{SERIES}/x.parquet"),
    "a pattern": ("2025/*/*.parquet", "2025/07/x.parquet"),
    "a pattern over folders": ("**/*.parquet", "2025/07/x.parquet"),
    "a pattern of folders": ("20*", "2025/07/x.parquet"),
}


@pytest.mark.parametrize(("root", "file"), LAYOUTS.values(), ids=LAYOUTS.keys())
def test_bars_are_found_in_every_layout(
    tmp_path: Path, write_file: WriteFile, minutes: Stamps, root: str, file: str
) -> None:
    write_file(tmp_path / file, minutes)

    source = DataManager(tmp_path / root)

    assert (source.get_symbols(), source.get_intervals("aapl")) == (["AAPL"], ["1m"])
    assert source.get_range("AAPL", "1m") == (minutes[0], minutes[-1])
    assert all_of(source).ts.tolist() == minutes.tolist()


def test_a_folder_without_a_symbol_column_is_read_by_its_path(
    tmp_path: Path, write_file: WriteFile, minutes: Stamps
) -> None:
    write_file(tmp_path / SERIES / "x.parquet", minutes, symbol=None)

    assert len(all_of(DataManager(tmp_path))) == 10


def test_intervals_are_listed_finest_first(
    tmp_path: Path, write_file: WriteFile, minutes: Stamps
) -> None:
    for interval in ("1d", "5m", "90m", "1h", "1s"):
        write_file(tmp_path / SERIES.replace("1m", interval) / "x.parquet", minutes)

    assert DataManager(tmp_path).get_intervals("AAPL") == [
        "1s",
        "5m",
        "1h",
        "90m",
        "1d",
    ]


def test_other_groups_of_the_root_are_left_alone(
    tmp_path: Path, write_file: WriteFile, minutes: Stamps
) -> None:
    write_file(tmp_path / SERIES / "x.parquet", minutes)
    write_file(
        tmp_path / SERIES.replace("us_equity", "crypto") / "x.parquet", minutes + MINUTE
    )

    assert all_of(DataManager(tmp_path)).ts[0] == minutes[0]
    assert all_of(DataManager(tmp_path, exchange_group="CRYPTO")).ts[0] == minutes[1]


def test_side_files_of_writers_are_no_data(
    tmp_path: Path, write_file: WriteFile, minutes: Stamps
) -> None:
    path = write_file(tmp_path / SERIES / "x.parquet", minutes)
    for name in ("_metadata.parquet", ".x.parquet", "notes.txt"):
        path.with_name(name).write_bytes(b"no Parquet")

    assert len(all_of(DataManager(tmp_path))) == 10


def test_a_series_that_does_not_exist_is_empty(
    tmp_path: Path, write_file: WriteFile, minutes: Stamps
) -> None:
    write_file(tmp_path / SERIES / "x.parquet", minutes)
    source = DataManager(tmp_path)

    assert [len(all_of(source, s, i)) for s, i in (("XYZ", "1m"), ("AAPL", "5m"))] == [
        0,
        0,
    ]
    assert (source.get_intervals("XYZ"), source.get_range("XYZ", "1m")) == ([], None)
    assert all_of(source, "xyz").symbol == "XYZ"


def test_the_interval_of_flat_files_is_told_and_noted(
    tmp_path: Path, write_file: WriteFile, minutes: Stamps
) -> None:
    write_file(tmp_path / "a.parquet", minutes[::5])
    write_file(tmp_path / "one bar.parquet", minutes[:1], symbol=["MSFT"])
    source = DataManager(tmp_path)

    assert len(all_of(source, "MSFT", "5m")) == 1
    assert [(n.kind, n.symbol, n.text) for n in source.notes] == [
        (
            "interval_told",
            "MSFT",
            "the interval 5m was told from the spacing of the stamps",
        )
    ]


def test_the_interval_of_flat_files_can_be_given(
    tmp_path: Path, write_file: WriteFile, minutes: Stamps
) -> None:
    write_file(tmp_path / "a.parquet", minutes[::5])
    source = DataManager(tmp_path, interval="1m")

    assert len(all_of(source)) == 2
    assert source.notes == []


def test_an_interval_that_cannot_be_told_names_the_file(
    tmp_path: Path, write_file: WriteFile, minutes: Stamps
) -> None:
    write_file(tmp_path / "a.parquet", minutes[:1])

    with pytest.raises(StorageError, match=r"a\.parquet: the interval cannot be told"):
        DataManager(tmp_path).get_symbols()


def test_an_empty_file_is_no_fault(
    tmp_path: Path, write_file: WriteFile, minutes: Stamps
) -> None:
    write_file(tmp_path / "a.parquet", minutes)
    write_file(tmp_path / "b.parquet", minutes[:0])

    assert len(all_of(DataManager(tmp_path))) == 10


def test_a_missing_root_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match="absent' does not exist; name a folder"):
        DataManager(tmp_path / "absent").get_symbols()


def test_a_root_without_parquet_says_what_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "bars.csv").write_text("no Parquet")

    with pytest.raises(
        MissingDataError,
        match=r"looked for bars/us_equity/interval=1m/symbol=AAPL/\*\.parquet",
    ):
        DataManager(tmp_path).get_symbols()


def test_a_pattern_that_matches_nothing_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match="no file matches"):
        DataManager(tmp_path / "*.parquet").get_symbols()


def test_a_missing_group_is_named_with_those_there_are(
    tmp_path: Path, write_file: WriteFile, minutes: Stamps
) -> None:
    write_file(tmp_path / SERIES.replace("us_equity", "crypto") / "x.parquet", minutes)

    with pytest.raises(
        MissingDataError, match="no bars of 'US_EQUITY'; it holds crypto"
    ):
        DataManager(tmp_path).get_symbols()


def test_an_unknown_group_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UnknownExchangeError, match="US_EQUITY"):
        DataManager(tmp_path, exchange_group="US_EQUTY")


@pytest.mark.parametrize(
    "folder", ["interval=1M", "interval=1m/symbol=%", "interval=1m/symbol=%20"]
)
def test_a_folder_that_cannot_be_understood_is_named(
    tmp_path: Path, write_file: WriteFile, minutes: Stamps, folder: str
) -> None:
    write_file(tmp_path / "bars/us_equity" / folder / "x.parquet", minutes)

    with pytest.raises(StorageError, match="us_equity"):
        DataManager(tmp_path).get_symbols()


def test_a_flat_file_without_symbols_is_refused(
    tmp_path: Path, write_file: WriteFile, minutes: Stamps
) -> None:
    write_file(tmp_path / "a.parquet", minutes, symbol=None)

    with pytest.raises(StorageError, match=r"a\.parquet: column 'symbol' is missing"):
        DataManager(tmp_path).get_symbols()


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


@pytest.mark.parametrize(
    "symbol", ["BRK.B", "BTC/USD", "CON", "..", "A%B", "ÄÖ", "^VIX"]
)
def test_every_symbol_is_written_listed_and_read_back(
    tmp_path: Path, columns: Columns, minutes: Stamps, symbol: str
) -> None:
    source = DataManager(tmp_path / "data")
    source.write_bars(symbol.lower(), "1m", columns(minutes, symbol=None))

    assert (
        source.get_symbols() == DataManager(tmp_path / "data").get_symbols() == [symbol]
    )
    assert all_of(source, symbol).ts.tolist() == minutes.tolist()
    assert all(p.is_relative_to(tmp_path / "data") for p in tmp_path.rglob("*.parquet"))


def test_what_was_written_is_read_back_equal(
    tmp_path: Path, columns: Columns, minutes: Stamps
) -> None:
    source = DataManager(tmp_path)
    flags = np.arange(10, dtype=np.uint8)
    bars = read_frame(columns(minutes, flags=flags), zone=zone_of(source))["AAPL"]

    source.write_bars("AAPL", "1m", bars)

    assert all_of(source) == bars


def zone_of(source: DataManager) -> ZoneInfo:
    from tapeloom.calendars.session_table import resolve_exchange_group

    return resolve_exchange_group(source.exchange_group).zone  # type: ignore[return-value]


def test_files_hold_a_month_of_session_dates(
    tmp_path: Path, columns: Columns, minutes: Stamps
) -> None:
    source = DataManager(tmp_path)
    ts = np.concatenate([minutes, minutes + 40 * DAY])

    paths = source.write_bars("AAPL", "1m", columns(ts[::-1], volume=np.ones(20)))

    assert [p.name for p in paths] == ["2025-07.parquet", "2025-08.parquet"]
    assert all_of(source).ts.tolist() == ts.tolist()


@pytest.mark.parametrize(
    ("policy", "kept"), [("replace", [1, 1, 9, 9, 9]), ("ignore", [1, 1, 1, 1, 9])]
)
def test_writing_merges_by_key(
    tmp_path: Path, columns: Columns, minutes: Stamps, policy: str, kept: list[float]
) -> None:
    source = DataManager(tmp_path)
    source.write_bars("AAPL", "1m", columns(minutes[:4], volume=[1] * 4))

    source.write_bars(
        "AAPL", "1m", columns(minutes[2:5], volume=[9] * 3), on_duplicate=policy
    )

    assert all_of(source).volume.tolist() == kept


def test_other_values_can_be_refused(
    tmp_path: Path, columns: Columns, minutes: Stamps
) -> None:
    source = DataManager(tmp_path)
    source.write_bars("AAPL", "1m", columns(minutes[:4]))
    source.write_bars("AAPL", "1m", columns(minutes[:4]), on_duplicate="error")

    with pytest.raises(DuplicateBarError, match="2025-07-02T13:32:00 UTC"):
        source.write_bars(
            "AAPL", "1m", columns(minutes[2:5], volume=[9] * 3), on_duplicate="error"
        )

    assert all_of(source).volume.tolist() == [1, 2, 3, 4]


def test_bars_that_break_a_rule_are_not_written(
    tmp_path: Path, columns: Columns, minutes: Stamps
) -> None:
    with pytest.raises(InvalidBarError, match="row 0"):
        DataManager(tmp_path).write_bars(
            "AAPL", "1m", columns(minutes, volume=[-1] * 10)
        )

    assert list(tmp_path.iterdir()) == []


def test_writing_does_not_hide_files_of_another_layout(
    tmp_path: Path, write_file: WriteFile, columns: Columns, minutes: Stamps
) -> None:
    path = write_file(tmp_path / "a.parquet", minutes)

    for root in (tmp_path, path, tmp_path / "*.parquet"):
        with pytest.raises(StorageError):
            DataManager(root).write_bars("AAPL", "1m", columns(minutes))


def test_reading_creates_nothing(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError):
        DataManager(tmp_path / "data").get_symbols()

    assert list(tmp_path.iterdir()) == []


def frame_source(columns: dict[str, Any], **policies: Any) -> FrameSource:
    columns["ts"] = pa.array(columns["ts"])
    zone = zone_of(DataManager())
    return FrameSource(read_frame(columns, zone=zone), zone=zone, **policies)


def test_frames_are_a_source_too(columns: Columns, minutes: Stamps) -> None:
    source = frame_source(columns(minutes[::-1]))

    assert (source.get_symbols(), source.get_intervals("aapl")) == (["AAPL"], ["1m"])
    assert source.get_range("AAPL", "1m") == (minutes[0], minutes[-1])
    assert source.get_range("AAPL", "5m") is None
    assert (
        source.read("AAPL", "1m", int(minutes[2]), int(minutes[4])).ts.tolist()
        == minutes[2:4].tolist()
    )
    assert [
        len(source.read(s, i, None, None)) for s, i in (("XYZ", "1m"), ("AAPL", "5m"))
    ] == [0, 0]
    assert [(n.kind, n.source, n.count) for n in source.notes] == [
        ("unsorted", "data", 9)
    ]


def test_bad_rows_of_frames_are_refused_or_left_out(
    columns: Columns, minutes: Stamps
) -> None:
    bad = columns(minutes, volume=[1] * 9 + [-1])

    with pytest.raises(InvalidBarError, match="data: AAPL: row 9"):
        frame_source(bad)
    assert len(frame_source(bad, on_invalid="skip").read("AAPL", "1m", None, None)) == 9


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
