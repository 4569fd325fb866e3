"""Files that are damaged or mean harm: a clear error each, and nothing is written."""

from __future__ import annotations

import gzip
import io
import random
import struct
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.importing.made_up import HEADER, day, lines

from tapeloom import DataManager
from tapeloom.errors import (
    ArgumentError,
    CorruptFileError,
    DataError,
    MissingDataError,
    StorageError,
    SymbolError,
    TapeloomError,
)
from tapeloom.importing import import_bars, unpack

if TYPE_CHECKING:
    from pathlib import Path

    from tests.importing.conftest import WriteText
    from tests.importing.memory_store import MemoryStore


def parquet(rows: int = 390) -> bytes:
    shown = day(count=rows)
    table = pa.table(
        {
            "ts": pa.array([r.ts for r in shown]).cast(pa.timestamp("ns", "UTC")),
            **{
                n: [getattr(r, n) for r in shown]
                for n in ("open", "high", "low", "close", "volume")
            },
        }
    )
    out = io.BytesIO()
    pq.write_table(table, out, row_group_size=30)
    return out.getvalue()


def test_a_zip_bomb_is_refused_by_what_it_says_of_itself(
    store: MemoryStore, write_text: WriteText
) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("AAPL_1m.csv", b"0" * (64 * 2**20))
    with pytest.raises(CorruptFileError, match="as a zip bomb does"):
        import_bars(write_text("AAPL_1m.zip", out.getvalue()), into=store)


def test_a_gzip_bomb_is_given_up_while_it_expands(
    store: MemoryStore, write_text: WriteText
) -> None:
    path = write_text("AAPL_1m.csv.gz", gzip.compress(b"0" * (64 * 2**20)))
    with pytest.raises(CorruptFileError, match="as a zip bomb does"):
        import_bars(path, into=store)


def test_a_member_that_is_larger_than_the_limit_is_refused(
    store: MemoryStore, write_text: WriteText, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpack, "LARGEST", 1000)
    for name, content in {
        "AAPL_1m.csv": lines(day()).encode(),
        "AAPL_1m.csv.gz": gzip.compress(lines(day()).encode()),
    }.items():
        with pytest.raises(CorruptFileError, match="cut it into smaller files"):
            import_bars(write_text(name, content), into=store)


def test_an_archive_that_lies_about_its_size_is_refused(
    store: MemoryStore, write_text: WriteText
) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("AAPL_1m.csv", lines(day()))
    content = bytearray(out.getvalue())
    at = content.rindex(b"PK\x01\x02")
    content[at + 24 : at + 28] = struct.pack("<I", 100)
    with pytest.raises(DataError):
        import_bars(write_text("AAPL_1m.zip", bytes(content)), into=store)


def test_an_archive_with_a_password_is_an_error(
    store: MemoryStore, write_text: WriteText
) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        packed.writestr("AAPL_1m.csv", lines(day()))
    content = bytearray(out.getvalue())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + offset] |= 1
    with pytest.raises(CorruptFileError, match="encrypted"):
        import_bars(write_text("AAPL_1m.zip", bytes(content)), into=store)


@pytest.mark.parametrize("kept", [0.2, 0.9, 0.999])
def test_a_truncated_gzip_is_damaged(
    store: MemoryStore, write_text: WriteText, kept: float
) -> None:
    packed = gzip.compress(lines(day()).encode())
    path = write_text("AAPL_1m.csv.gz", packed[: int(kept * len(packed))])
    with pytest.raises(CorruptFileError, match="truncated"):
        import_bars(path, into=store)


def test_a_gzip_whose_sum_is_wrong_is_damaged(
    store: MemoryStore, write_text: WriteText
) -> None:
    packed = gzip.compress(lines(day()).encode())
    with pytest.raises(CorruptFileError):
        import_bars(write_text("AAPL_1m.csv.gz", packed[:-8] + bytes(8)), into=store)


@pytest.mark.parametrize(
    "name",
    [
        "AAPL_1m.csv",
        "AAPL_1m.parquet",
        "AAPL_1m.csv.gz",
        "AAPL_1m.csv.zst",
        "AAPL_1m.zip",
    ],
)
def test_garbage_is_damaged(
    store: MemoryStore, write_text: WriteText, name: str
) -> None:
    garbage = random.Random(7).randbytes(20_000)
    with pytest.raises(CorruptFileError):
        import_bars(write_text(name, garbage), into=store)


def test_a_file_without_a_byte_is_no_table(
    store: MemoryStore, write_text: WriteText
) -> None:
    with pytest.raises(StorageError, match="holds no row of data"):
        import_bars(write_text("AAPL_1m.csv", ""), into=store)


def test_a_header_alone_gives_no_bars(
    store: MemoryStore, write_text: WriteText
) -> None:
    report = import_bars(write_text("AAPL_1m.csv", HEADER + "\n"), into=store)
    assert report.bars == 0
    assert store.bars == {}


@pytest.mark.parametrize("rows", [0, 3])
def test_a_hundred_thousand_columns_are_too_many(
    store: MemoryStore, write_text: WriteText, rows: int
) -> None:
    wide = ",".join(f"c{i}" for i in range(100_000))
    text = "\n".join([wide] + [",".join(["1"] * 100_000)] * rows)
    with pytest.raises(CorruptFileError, match="columns"):
        import_bars(write_text("AAPL_1m.csv", text), into=store)


def test_two_thousand_columns_are_too_many(
    store: MemoryStore, write_text: WriteText
) -> None:
    head = ",".join(f"c{i}" for i in range(2_000))
    with pytest.raises(CorruptFileError, match="has 2,000 columns"):
        import_bars(write_text("AAPL_1m.csv", head + "\n" + head), into=store)


def test_a_text_full_of_torn_rows_is_damaged(
    store: MemoryStore, write_text: WriteText
) -> None:
    head, *body = lines(day()).splitlines()
    torn = [b if i % 3 else b[:20] for i, b in enumerate(body)]
    with pytest.raises(CorruptFileError, match="130 of 390 rows do not have 6 columns"):
        import_bars(write_text("AAPL_1m.csv", "\n".join([head, *torn])), into=store)


def test_a_torn_last_row_is_left_out_and_told(
    store: MemoryStore, write_text: WriteText
) -> None:
    path = write_text("AAPL_1m.csv", lines(day())[:-20])
    report = import_bars(path, into=store)
    assert [f.outcome for f in report.findings if f.kind == "invalid"] == ["left_out"]
    assert len(store.bars["AAPL", "1m"]) == 389


@pytest.mark.parametrize("cell", ["abc", "", "NaN", "inf", "-5", "1e400"])
def test_a_price_that_is_none_loses_its_row_only(
    store: MemoryStore, write_text: WriteText, cell: str
) -> None:
    rows = lines(day()).splitlines()
    fields = rows[101].split(",")
    rows[101] = ",".join([fields[0], cell, *fields[2:]])
    report = import_bars(write_text("AAPL_1m.csv", "\n".join(rows)), into=store)
    assert [(f.kind, f.count) for f in report.problems] == [("invalid", 1)]
    bars = store.bars["AAPL", "1m"]
    assert bars.ts.tolist() == [r.ts for r in day() if r != day()[100]]
    assert bars.open.tolist() == [r.open for r in day() if r != day()[100]]


def test_a_time_that_is_none_loses_its_row_only(
    store: MemoryStore, write_text: WriteText
) -> None:
    rows = lines(day()).splitlines()
    rows[101] = "soon," + rows[101].partition(",")[2]
    import_bars(write_text("AAPL_1m.csv", "\n".join(rows)), into=store)
    assert len(store.bars["AAPL", "1m"]) == 389


@pytest.mark.parametrize(
    "symbol", ["../../etc/passwd", "A/B", "CON", "..", "a%b", "ÄÖ", "=1+2"]
)
def test_a_hostile_symbol_stays_below_the_root(
    tmp_path: Path, write_text: WriteText, symbol: str
) -> None:
    head, *body = lines(day()).splitlines()
    text = "\n".join(["symbol," + head, *(f"{symbol},{b}" for b in body)])
    path = write_text("all.csv", text)
    manager = DataManager(tmp_path / "data")
    import_bars(path, into=manager)
    assert manager.get_symbols() == [symbol.upper()]
    outside = {p for p in tmp_path.rglob("*") if p.is_file()} - {path}
    assert all(p.is_relative_to(tmp_path / "data") for p in outside)


def test_a_symbol_that_cannot_be_printed_is_refused(
    store: MemoryStore, write_text: WriteText
) -> None:
    head, *body = lines(day()).splitlines()
    text = "\n".join(["symbol," + head, *(f"A\u202eB,{b}" for b in body)])
    with pytest.raises(SymbolError):
        import_bars(write_text("all.csv", text), into=store)


def test_a_parquet_file_cut_anywhere_is_damaged(
    store: MemoryStore, write_text: WriteText
) -> None:
    content = parquet()
    for size in (0, 3, 8, 11, 12, 100, len(content) // 2, len(content) - 1):
        with pytest.raises(DataError):
            import_bars(write_text("AAPL_1m.parquet", content[:size]), into=store)
    assert store.bars == {}


# Flips one bit of every 23rd byte; prints how many files were read and how many were refused.
FLIP = """
import sys
from pathlib import Path
from tapeloom import DataManager
from tapeloom.errors import TapeloomError
from tapeloom.importing import import_bars, mount

path, what = Path(sys.argv[1]), sys.argv[2]
raw, seen = path.read_bytes(), [0, 0]
for at in range(0, len(raw), 23):
    damaged = bytearray(raw)
    damaged[at] ^= 1 << at % 8
    path.write_bytes(damaged)
    try:
        if what == "mount":
            source = mount(path)
            for symbol in source.get_symbols():
                source.get_range(symbol, "1m")
                source.read(symbol, "1m", None, None)
        else:
            import_bars(path, into=DataManager(path.parent / "data"), dry_run=True)
        seen[0] += 1
    except TapeloomError:
        seen[1] += 1
print(*seen)
"""


@pytest.mark.parametrize("what", ["import", "mount"])
def test_flipped_bits_in_a_parquet_file_never_end_the_interpreter(
    write_text: WriteText, what: str
) -> None:
    content = parquet(60)
    path = write_text("AAPL_1m.parquet", content)
    command = [sys.executable, "-c", FLIP, str(path), what]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2_000:]
    read, refused = map(int, done.stdout.split())
    assert read + refused == -(-len(content) // 23)
    assert refused > 0


def test_volumes_that_float64_does_not_keep_are_refused(
    store: MemoryStore, write_text: WriteText
) -> None:
    rows = lines(day()).splitlines()
    rows[5] = rows[5].rpartition(",")[0] + ",9007199254740995"
    with pytest.raises(CorruptFileError, match=r"above 2\*\*53"):
        import_bars(write_text("AAPL_1m.csv", "\n".join(rows)), into=store)


def test_a_source_that_is_not_there_is_named(store: MemoryStore) -> None:
    for source in ("/nowhere/AAPL.csv", "/nowhere/*.csv"):
        with pytest.raises(MissingDataError, match="nowhere"):
            import_bars(source, into=store)


def test_a_number_is_no_source(store: MemoryStore) -> None:
    with pytest.raises(ArgumentError, match="source is int"):
        import_bars(7, into=store)


def test_times_beyond_int64_are_no_times(
    store: MemoryStore, write_text: WriteText
) -> None:
    rows = lines(day()).replace("2025-07-02", "9999-07-02")
    with pytest.raises(TapeloomError):
        import_bars(write_text("AAPL_1m.csv", rows), into=store)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"entries": {\n"a": 1,\n}}', "holds JSON"),
        ("\n [1, 2]", "holds JSON"),
        ("<!DOCTYPE html>\n<html><body>429 Too Many Requests", "holds a web page"),
        ("\ufeff<?xml version='1.0'?>\n<a>1,2</a>", "holds a web page"),
    ],
)
def test_a_text_that_is_no_table_is_called_what_it_is(
    store: MemoryStore, write_text: WriteText, content: str, said: str
) -> None:
    with pytest.raises(CorruptFileError, match=said):
        import_bars(write_text("AAPL_1m.csv", content), into=store)
