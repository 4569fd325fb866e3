"""Bars are found in every layout, and what cannot be understood is named."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from tapeloom.errors import (
    ArgumentError,
    ArgumentTypeError,
    MissingDataError,
    StorageError,
    UnknownExchangeError,
)
from tapeloom.storage import DataManager

if TYPE_CHECKING:
    from tests.storage.conftest import Stamps, WriteFile

    from tapeloom.bars import Bars

MINUTE = 60_000_000_000
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
    (tmp_path / "notes.md").write_text("no Parquet")

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


def test_the_name_of_a_flat_file_without_symbols_says_whose_bars_it_holds(
    tmp_path: Path, write_file: WriteFile, minutes: Stamps
) -> None:
    write_file(tmp_path / "AAPL.parquet", minutes, symbol=None)

    manager = DataManager(tmp_path)
    assert manager.get_symbols() == ["AAPL"]
    assert len(manager.read("AAPL", "1m", 0, 2**62)) == len(minutes)


@pytest.mark.parametrize("text", ["", " ", "A\tB"])
@pytest.mark.parametrize("mixed", [True, False])
def test_a_symbol_that_is_none_is_named_by_file_and_row(
    tmp_path: Path, write_file: WriteFile, minutes: Stamps, text: str, mixed: bool
) -> None:
    symbols = ["AAPL"] * 5 + [text] * 5
    path = write_file(
        tmp_path / "x.parquet",
        minutes,
        symbol=symbols,
        row_group_size=10 if mixed else 5,
    )

    with pytest.raises(StorageError, match="row 5: symbol") as caught:
        DataManager(tmp_path).get_symbols()
    assert caught.value.row == 5
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("foreign", [True, False])
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_table_of_splits_beside_the_bars_is_no_bars(
    tmp_path: Path, write_file: WriteFile, minutes: Stamps, kind: str, foreign: bool
) -> None:
    path = write_file(tmp_path / "bars-of-aapl.parquet", minutes)
    if foreign:
        table = pq.read_table(path).rename_columns(
            ["symbol", "timestamp", "o", "h", "l", "c", "v"]
        )
        pq.write_table(table, path)
    columns = ("symbol", "ex_date", "price_factor", "volume_factor")
    row = ("AAPL", "2025-07-03", 0.5, 2.0)
    splits = pa.table({name: [value] for name, value in zip(columns, row, strict=True)})
    if kind == "csv":
        pa_csv.write_csv(splits, tmp_path / "actions.csv")
    else:
        pq.write_table(splits, tmp_path / "actions.parquet")

    source = DataManager(tmp_path)

    assert source.get_symbols() == ["AAPL"]
    assert source.read("AAPL", "1m", None, None).ts.tolist() == minutes.tolist()


def test_links_that_lead_in_a_circle_are_named(
    tmp_path: Path, write_file: WriteFile, minutes: Stamps
) -> None:
    folder = write_file(tmp_path / SERIES / "x.parquet", minutes).parent
    (folder / "a.parquet").symlink_to("b.parquet")
    (folder / "b.parquet").symlink_to("a.parquet")

    with pytest.raises(StorageError, match=r"a\.parquet: cannot be read"):
        DataManager(tmp_path).get_symbols()


@pytest.mark.parametrize("name", ["us_equity", "symbol=AAPL"])
def test_a_folder_that_may_not_be_read_is_named(
    tmp_path: Path,
    write_file: WriteFile,
    minutes: Stamps,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    write_file(tmp_path / SERIES / "x.parquet", minutes)

    def refusing(listed: Any) -> Any:
        def list_folder(path: Any) -> Any:
            if Path(path).name == name:
                raise PermissionError(errno.EACCES, "Permission denied", str(path))
            return listed(path)

        return list_folder

    # The superuser may read everything.
    monkeypatch.setattr("os.scandir", refusing(os.scandir))
    monkeypatch.setattr(Path, "iterdir", refusing(Path.iterdir))

    with pytest.raises(StorageError, match=f"{name}: cannot be read: permission"):
        DataManager(tmp_path).get_symbols()


def test_a_root_that_is_no_path_is_refused() -> None:
    for root in (None, 5, True, b"data"):
        with pytest.raises(ArgumentTypeError, match="root is"):
            DataManager(root)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="root is empty"):
        DataManager("")
    with pytest.raises(ArgumentTypeError, match="allow_negative_prices is 'no'"):
        DataManager("data", allow_negative_prices="no")  # type: ignore[arg-type]
    with pytest.raises(StorageError, match="cannot be read: file name too long"):
        DataManager("x" * 5_000).get_symbols()
