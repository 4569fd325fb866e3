"""Files of ours that another tool has written again: read like those of others, and said so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import tapeloom
from tapeloom.errors import CorruptFileError
from tapeloom.storage import DataManager
from tapeloom.storage.description import METADATA_KEY
from tapeloom.storage.parquet_file import open_bar_file

if TYPE_CHECKING:
    from pathlib import Path

    from tests.storage.conftest import Columns, Stamps

ORIGIN = {"source": "vendor.csv"}


@pytest.fixture
def stored(tmp_path: Path, columns: Columns, minutes: Stamps) -> Path:
    """Return a file of ten bars of AAPL."""
    (path,) = DataManager(tmp_path).write_bars(
        "AAPL", "1m", columns(minutes), origins=[ORIGIN]
    )
    return path


def rewrite(path: Path, *, rows: slice = slice(None), **options: Any) -> None:
    table = pq.read_table(path, partitioning=None)[rows]
    assert METADATA_KEY in table.schema.metadata
    pq.write_table(table, path, **options)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"write_page_index": True},
        {"row_group_size": 3, "write_page_checksum": True},
        {"compression": "none", "use_dictionary": False, "write_statistics": False},
    ],
)
def test_the_bars_are_read_and_a_note_says_that_the_checksums_are_gone(
    tmp_path: Path, stored: Path, minutes: Stamps, options: dict[str, Any]
) -> None:
    before = DataManager(tmp_path).read("AAPL", "1m", None, None)
    rewrite(stored, **options)
    source = DataManager(tmp_path)

    assert source.read("AAPL", "1m", None, None) == before
    assert len(source.read("AAPL", "1m", int(minutes[2]), int(minutes[5]))) == 3
    assert [(n.kind, n.symbol, n.source, n.count) for n in source.notes] == [
        ("rewritten", "AAPL", str(stored), 10)
    ]


@pytest.mark.parametrize("kept", [slice(4, 8), slice(0, 0)])
def test_rows_that_are_gone_are_damage_still(
    tmp_path: Path, stored: Path, kept: slice
) -> None:
    rewrite(stored, rows=kept)
    with pytest.raises(CorruptFileError, match="was written with 10 rows and holds"):
        DataManager(tmp_path).read("AAPL", "1m", None, None)


def test_stamps_that_were_moved_are_damage(tmp_path: Path, stored: Path) -> None:
    table = pq.read_table(stored, partitioning=None)
    at = table.schema.get_field_index("ts")
    later = pc.add(table["ts"], pa.scalar(1, pa.duration("s"))).cast(table["ts"].type)
    pq.write_table(table.set_column(at, "ts", later), stored)
    with pytest.raises(CorruptFileError, match="was written with bars from"):
        DataManager(tmp_path).read("AAPL", "1m", None, None)


def test_a_file_as_it_was_written_has_no_note(tmp_path: Path, stored: Path) -> None:
    source = DataManager(tmp_path)
    source.read("AAPL", "1m", None, None)
    assert not open_bar_file(stored).rewritten
    assert source.notes == []


def test_bytes_that_may_have_been_a_seal_are_damage(
    tmp_path: Path, stored: Path
) -> None:
    rewrite(stored)
    raw = stored.read_bytes()
    footer = len(raw) - 8 - int.from_bytes(raw[-8:-4], "little")
    stored.write_bytes(raw[:footer] + b"\0" + raw[footer:])

    with pytest.raises(CorruptFileError, match="its seal is missing"):
        DataManager(tmp_path).read("AAPL", "1m", None, None)


def test_writing_to_it_seals_it_again_and_keeps_where_its_bars_come_from(
    tmp_path: Path, stored: Path, columns: Columns, minutes: Stamps
) -> None:
    rewrite(stored)
    source = DataManager(tmp_path)
    source.write_bars("AAPL", "1m", columns(minutes[-1:] + 60_000_000_000))
    again = open_bar_file(stored)

    assert (again.rewritten, again.seal is None, again.rows) == (False, False, 11)
    assert ORIGIN in again.about["origins"]
    fresh = DataManager(tmp_path)
    fresh.read("AAPL", "1m", None, None)
    assert fresh.notes == []


def test_a_check_finds_it_worth_knowing(tmp_path: Path, stored: Path) -> None:
    rewrite(stored)
    found = [f for f in tapeloom.check(tmp_path).findings if f.kind == "rewritten"]
    assert [(f.symbol, f.count, f.is_problem) for f in found] == [("AAPL", 10, False)]
