"""Files of bars: what they must have, what is read of them, and that writing one is all or nothing."""

from __future__ import annotations

import gc
import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.storage.conftest import DAY, MINUTE, OPEN, write_made_up
from tests.strategies import fewer

from tapeloom.errors import CorruptFileError, StorageError
from tapeloom.storage.data_manager import DataManager
from tapeloom.storage.parquet_file import FIELDS, open_bar_file, read_rows
from tapeloom.storage.parquet_store import ParquetStore

if TYPE_CHECKING:
    from pathlib import Path

    from tests.storage.conftest import Columns, Stamps, WriteFile


def read_ts(path: Path, start: int | None = None, end: int | None = None) -> list[int]:
    rows = ParquetStore().read(path, "AAPL", start, end, of_folder=False)
    return rows.columns["ts"].tolist()  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("unit", "zone"),
    [
        ("s", "UTC"),
        ("ms", "UTC"),
        ("us", "America/New_York"),
        ("ns", "Asia/Tokyo"),
        ("us", "+02:00"),
    ],
)
def test_the_unit_and_zone_of_a_file_are_honoured(
    tmp_path: Path, write_file: WriteFile, minutes: Stamps, unit: str, zone: str
) -> None:
    ts = (
        pa.array(minutes).cast(pa.timestamp("ns", "UTC")).cast(pa.timestamp(unit, zone))
    )
    path = write_file(tmp_path / "a.parquet", minutes, ts=ts)

    assert read_ts(path) == minutes.tolist()
    # The bounds in the footer are in the unit of the file.
    assert read_ts(path, int(minutes[3]), int(minutes[6])) == minutes[3:6].tolist()


@pytest.mark.parametrize(
    "kind", [pa.int64(), pa.uint32(), pa.float32(), pa.decimal128(22, 2)]
)
def test_numbers_of_other_types_become_float64(
    tmp_path: Path, write_file: WriteFile, minutes: Stamps, kind: Any
) -> None:
    volume = pa.array(range(1, 11)).cast(kind)
    path = write_file(tmp_path / "a.parquet", minutes, volume=volume)

    found = (
        ParquetStore().read(path, "AAPL", None, None, of_folder=False).columns["volume"]
    )

    assert found.dtype == np.float64
    assert found.tolist() == [float(v) for v in range(1, 11)]


@pytest.mark.parametrize(
    "statistics", [True, False], ids=["statistics", "no statistics"]
)
@pytest.mark.parametrize(
    ("first", "last"), [(0, 10), (2, 7), (5, 5), (9, 10), (-5, 0), (12, 20)]
)
def test_a_range_holds_its_start_and_not_its_end(
    tmp_path: Path,
    write_file: WriteFile,
    minutes: Stamps,
    first: int,
    last: int,
    statistics: bool,
) -> None:
    path = write_file(
        tmp_path / "a.parquet", minutes, row_group_size=3, statistics=statistics
    )
    start, end = (int(minutes[0]) + MINUTE * i for i in (first, last))

    assert read_ts(path, start, end) == [
        t for t in minutes.tolist() if start <= t < end
    ]


def test_row_groups_outside_the_range_are_not_read(
    tmp_path: Path, write_file: WriteFile, minutes: Stamps
) -> None:
    path = write_file(tmp_path / "a.parquet", minutes, row_group_size=2)

    file = open_bar_file(path)

    assert file.groups(int(minutes[3]), int(minutes[6])).tolist() == [1, 2]


def test_a_file_of_several_symbols_is_taken_apart(
    tmp_path: Path, write_file: WriteFile, minutes: Stamps
) -> None:
    symbols = ["msft", "AAPL"] * 5
    path = write_file(tmp_path / "a.parquet", minutes, symbol=symbols, row_group_size=4)
    store = ParquetStore()

    found = {
        s: store.read(path, s, None, None, of_folder=False)
        for s in ("AAPL", "MSFT", "XYZ")
    }

    assert store.symbols(path) == ["AAPL", "MSFT"]
    assert {s: r.numbers.tolist() for s, r in found.items()} == {
        "AAPL": [1, 3, 5, 7, 9],
        "MSFT": [0, 2, 4, 6, 8],
        "XYZ": [],
    }
    assert store.bounds(path, "MSFT", of_folder=False) == (minutes[0], minutes[8])


def test_rows_out_of_order_are_counted_across_row_groups(
    tmp_path: Path, write_file: WriteFile, minutes: Stamps
) -> None:
    shuffled = minutes[[0, 1, 5, 2, 3, 4, 6, 9, 7, 8]]
    path = write_file(tmp_path / "a.parquet", shuffled, row_group_size=3)

    whole = ParquetStore().read(path, "AAPL", None, None, of_folder=False)
    part = ParquetStore().read(
        path, "AAPL", int(minutes[3]), int(minutes[5]), of_folder=False
    )

    assert (whole.late.tolist(), part.late.tolist()) == ([3, 4, 5, 8, 9], [4, 5])


def test_a_file_that_has_changed_is_read_again(
    tmp_path: Path, write_file: WriteFile, minutes: Stamps
) -> None:
    store = ParquetStore()
    path = write_file(tmp_path / "a.parquet", minutes)
    store.read(path, "AAPL", None, None, of_folder=False)

    write_file(path, minutes[:4])

    assert len(store.read(path, "AAPL", None, None, of_folder=False).numbers) == 4


@pytest.mark.parametrize("name", ["ts", *FIELDS])
def test_a_missing_column_names_file_and_column(
    tmp_path: Path, write_file: WriteFile, minutes: Stamps, name: str
) -> None:
    path = write_file(tmp_path / "bad.parquet", minutes, **{name: None})

    with pytest.raises(
        StorageError, match=rf"bad\.parquet: column '{name}' is missing; found symbol"
    ):
        open_bar_file(path)


@pytest.mark.parametrize("name", ["ts", "close", "symbol", "flags"])
def test_a_column_that_is_there_twice_is_refused(
    tmp_path: Path, columns: Columns, minutes: Stamps, name: str
) -> None:
    flags = np.zeros(len(minutes), np.uint8)
    table = pa.table(columns(minutes, flags=flags))
    path = tmp_path / "bad.parquet"
    pq.write_table(table.append_column(name, table[name]), path)
    with pytest.raises(
        StorageError, match=rf"bad\.parquet: column '{name}' is there 2 times"
    ):
        ParquetStore().footer(path)


def test_a_misspelt_column_is_suggested(
    tmp_path: Path, write_file: WriteFile, minutes: Stamps
) -> None:
    path = write_file(tmp_path / "bad.parquet", minutes, close=None, Close=np.ones(10))

    with pytest.raises(StorageError, match="did you mean 'Close'"):
        open_bar_file(path)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("close", ["1"] * 10, "column 'close' is string; it must hold numbers"),
        ("volume", [True] * 10, "column 'volume' is bool; it must hold numbers"),
        ("open", [None] * 10, "column 'open' is null; it must hold numbers"),
        ("ts", list(range(10)), "column 'ts' is int64; it must be a timestamp with a zone"),
        ("ts", ["2025"] * 10, "column 'ts' is string; it must be a timestamp with a zone"),
        ("flags", list(range(10)), "column 'flags' is int64; it must be uint8"),
    ],
)  # fmt: skip
def test_a_wrong_type_names_file_column_and_type(
    tmp_path: Path,
    write_file: WriteFile,
    minutes: Stamps,
    name: str,
    values: list[object],
    message: str,
) -> None:
    path = write_file(tmp_path / "bad.parquet", minutes, **{name: values})

    with pytest.raises(StorageError, match=rf"bad\.parquet: {message}"):
        open_bar_file(path)


def test_stamps_without_a_zone_are_refused(
    tmp_path: Path, write_file: WriteFile, minutes: Stamps
) -> None:
    path = write_file(tmp_path / "bad.parquet", minutes, ts=minutes.view("M8[ns]"))

    with pytest.raises(
        StorageError,
        match=r"bad\.parquet: column 'ts' .* without a zone; stamps must carry one",
    ):
        open_bar_file(path)


def test_stamps_in_the_wrong_unit_are_recognised(
    tmp_path: Path, write_file: WriteFile, minutes: Stamps
) -> None:
    # Seconds that were taken for nanoseconds: early in 1970.
    path = write_file(tmp_path / "bad.parquet", minutes // 10**9)

    with pytest.raises(StorageError, match=r"bad\.parquet: column 'ts'.*seconds"):
        read_ts(path)


def test_an_integer_that_float64_does_not_keep_is_refused(
    tmp_path: Path, write_file: WriteFile, minutes: Stamps
) -> None:
    path = write_file(tmp_path / "bad.parquet", minutes, volume=[2**53 + 1] * 10)

    with pytest.raises(StorageError, match=r"bad\.parquet: column 'volume'.*2\*\*53"):
        read_ts(path)


def test_a_row_without_a_symbol_is_refused(
    tmp_path: Path, write_file: WriteFile, minutes: Stamps
) -> None:
    path = write_file(tmp_path / "bad.parquet", minutes, symbol=["A"] * 9 + [None])

    with pytest.raises(StorageError, match=r"bad\.parquet: row 9 has no symbol"):
        ParquetStore().read(path, "A", None, None, of_folder=False)


def test_a_file_in_the_folder_of_another_symbol_is_refused(
    tmp_path: Path, write_file: WriteFile, minutes: Stamps
) -> None:
    path = write_file(tmp_path / "a.parquet", minutes)
    mixed = write_file(tmp_path / "b.parquet", minutes, symbol=["MSFT", "AAPL"] * 5)

    for file in (path, mixed):
        with pytest.raises(
            StorageError, match="holds bars of AAPL, but its folder says MSFT"
        ):
            ParquetStore().read(file, "MSFT", None, None, of_folder=True)


DAMAGE = {
    "empty": lambda raw: b"",
    "no Parquet": lambda raw: b"ts,open\n" * 50,
    "cut off": lambda raw: raw[: len(raw) // 2],
    "footer overwritten": lambda raw: raw[:-400] + bytes(392) + raw[-8:],
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_file_is_named(
    tmp_path: Path, write_file: WriteFile, minutes: Stamps, damage: Any
) -> None:
    path = write_file(tmp_path / "bad.parquet", minutes)
    path.write_bytes(damage(path.read_bytes()))

    with pytest.raises(CorruptFileError, match=r"bad\.parquet") as caught:
        read_ts(path)

    assert caught.value.path == str(path)


def one_file(tmp_path: Path, columns: dict[str, Any]) -> Path:
    (path,) = DataManager(tmp_path).write_bars("AAPL", "1m", columns)
    return path


def test_a_file_shorter_than_it_says_is_damaged(
    tmp_path: Path, columns: Columns, minutes: Stamps
) -> None:
    path = one_file(tmp_path, columns(minutes))
    table = pq.read_table(path, partitioning=None)
    pq.write_table(table.slice(0, 5), path)

    with pytest.raises(CorruptFileError, match="written with 10 rows and holds 5"):
        open_bar_file(path)


def test_a_written_file_has_a_row_group_per_session_and_says_what_it_is(
    tmp_path: Path, columns: Columns, minutes: Stamps
) -> None:
    two_days = np.concatenate([minutes, minutes + DAY])
    path = one_file(tmp_path, columns(two_days, volume=np.ones(20)))
    footer = pq.read_metadata(path)
    said = json.loads(footer.metadata[b"tapeloom"])

    assert path == tmp_path / "bars/us_equity/interval=1m/symbol=AAPL/2025-07.parquet"
    assert [footer.row_group(i).num_rows for i in range(footer.num_row_groups)] == [
        10,
        10,
    ]
    assert footer.row_group(0).column(1).compression == "ZSTD"
    assert footer.row_group(1).column(1).statistics.min_raw == two_days[10]
    assert (said["rows"], said["first_ts"], said["last_ts"]) == (
        20,
        two_days[0],
        two_days[-1],
    )
    assert (said["schema_version"], said["symbol"], said["interval"], said["zone"]) == (
        2,
        "AAPL",
        "1m",
        "America/New_York",
    )
    assert len(said["table_fingerprint"]) >= 16
    assert pq.read_schema(path).types[:3] == [
        pa.string(),
        pa.timestamp("ns", "UTC"),
        pa.float64(),
    ]


def test_only_some_footers_stay_parsed_and_the_others_are_parsed_again(
    tmp_path: Path,
    write_file: WriteFile,
    columns: Columns,
    minutes: Stamps,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tapeloom.storage.parquet_store.PARSED_CHUNKS", 40)
    source = DataManager(tmp_path / "ours")
    ours = [
        source.write_bars(f"S{n}", "1m", columns(minutes + n, symbol=None))[0]
        for n in range(5)
    ]
    theirs = [
        write_file(tmp_path / f"{n}.parquet", minutes + n, row_group_size=5)
        for n in range(5)
    ]
    store = ParquetStore()
    files = [store.footer(path) for path in ours + theirs]

    for _ in range(2):
        for n, path in [*enumerate(ours), *enumerate(theirs)]:
            symbol = f"S{n}" if path in ours else "AAPL"
            rows = store.read(path, symbol, int(minutes[6]), None, of_folder=False)
            assert rows.columns["ts"].tolist() == [
                t + n for t in minutes.tolist() if t + n >= minutes[6]
            ]
            assert sum(file.chunks for file in files if file.parsed) <= 40


def test_of_many_files_those_that_are_being_read_stay_parsed(
    tmp_path: Path,
    write_file: WriteFile,
    minutes: Stamps,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tapeloom.storage.parquet_store.UNFINISHED_CHUNKS", -1)
    days = [minutes + n * DAY for n in range(6)]
    paths = [
        write_file(tmp_path / f"{n}.parquet", day, row_group_size=5)
        for n, day in enumerate(days)
    ]
    store = ParquetStore()

    def parsed() -> list[int]:
        files = [store.footer(path) for path in paths]
        return [n for n, file in enumerate(files) if file.parsed]

    def read(start: int, end: int) -> None:
        for path in paths:
            store.read(path, "AAPL", start, end, of_folder=False)

    # To know where its bars are each file is looked at once, and none of them is read.
    assert parsed() == []
    read(int(days[2][0]), int(days[2][3]))
    assert parsed() == [2]
    read(int(days[2][3]), int(days[3][3]))
    assert parsed() == [3]
    read(int(days[3][3]), int(days[5][-1]) + 1)
    assert parsed() == []


def test_a_catalog_keeps_no_parsed_footers_of_many_files(
    tmp_path: Path,
    write_file: WriteFile,
    minutes: Stamps,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tapeloom.storage.parquet_store.UNFINISHED_CHUNKS", -1)
    symbol = ["AAPL", "MSFT"] * (len(minutes) // 2)
    path = write_file(tmp_path / "a.parquet", minutes, symbol=symbol)
    store = ParquetStore()
    assert store.symbols(path) == ["AAPL", "MSFT"]
    assert [len(each) for each in store.stamps(path)] == [2]
    assert store.footer(path).parsed == []


def test_footers_that_are_put_away_are_gone_at_once(
    tmp_path: Path, columns: Columns, minutes: Stamps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tapeloom.storage.parquet_store.PARSED_CHUNKS", 1)
    manager = DataManager(tmp_path)
    paths = [
        manager.write_bars(f"S{n}", "1m", columns(minutes, symbol=None))[0]
        for n in range(3)
    ]
    store = ParquetStore()
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        for n in [0, 1, 2] * 3:
            end = int(minutes[6])
            store.read(paths[n], f"S{n}", None, end, of_folder=True)
        gc.collect()
        # What holds each other would keep the memory of a footer until Python happens to look for such.
        kept = [e for e in gc.garbage if type(e).__module__.startswith("pyarrow")]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert kept == []


@pytest.mark.parametrize("ours", [True, False])
def test_a_file_that_was_replaced_after_its_footer_was_put_away_is_read_anew(
    tmp_path: Path, write_file: WriteFile, columns: Columns, minutes: Stamps, ours: bool
) -> None:
    def write(stamps: Stamps) -> Path:
        if ours:
            given = columns(stamps, symbol=None)
            return DataManager(tmp_path).write_bars("AAPL", "1m", given)[0]
        return write_file(tmp_path / "a.parquet", stamps)

    path, store = write(minutes[:4]), ParquetStore()
    file = store.footer(path)
    file.parsed.clear()
    write(minutes)

    rows = store.read(path, "AAPL", None, None, of_folder=False)
    assert len(rows.numbers) == 10
    with pytest.raises(CorruptFileError, match="changed since it was opened"):
        read_rows(file, [0])


@given(
    cuts=st.lists(st.integers(0, 44), min_size=1, max_size=8),
    group=st.integers(1, 50),
    rising=st.booleans(),
)
@fewer(60)
def test_ranges_that_end_within_a_row_group_are_the_same_as_read_anew(
    tmp_path_factory: pytest.TempPathFactory,
    cuts: list[int],
    group: int,
    rising: bool,
) -> None:
    ts = OPEN + MINUTE * np.arange(40)
    path = tmp_path_factory.mktemp("groups") / "a.parquet"
    write_made_up(path, ts, row_group_size=group)
    store = ParquetStore()
    bounds = [None, *(sorted(cuts) if rising else cuts), None]

    for low, high in pairwise(bounds):
        start, end = (None if at is None else OPEN + MINUTE * at for at in (low, high))
        found = store.read(path, "AAPL", start, end, of_folder=True)
        anew = ParquetStore().read(path, "AAPL", start, end, of_folder=True)
        expected = [
            at
            for at in range(40)
            if (low is None or at >= low) and (high is None or at < high)
        ]
        assert found.numbers.tolist() == expected == anew.numbers.tolist()
        for name, column in anew.columns.items():
            assert found.columns[name].tolist() == column.tolist()


def test_a_row_group_of_many_sessions_is_decoded_once(
    tmp_path: Path, minutes: Stamps, monkeypatch: pytest.MonkeyPatch
) -> None:
    ts = np.concatenate([minutes + DAY * day for day in range(20)])
    path = write_made_up(tmp_path / "a.parquet", ts)
    store, decoded = ParquetStore(), []

    def counted(*args: Any, **options: Any) -> Any:
        decoded.append(args[1])
        return read_rows(*args, **options)

    monkeypatch.setattr("tapeloom.storage.parquet_store.read_rows", counted)
    for day in range(20):
        start, end = (int(ts[0]) + DAY * (day + k) for k in (0, 1))
        rows = store.read(path, "AAPL", start, end, of_folder=True)
        assert rows.columns["ts"].tolist() == (minutes + DAY * day).tolist()

    assert decoded == [[0]]
    # What was read to its end is not kept.
    assert not store._shared
