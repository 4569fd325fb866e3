"""Damaged files and bombs: named, never half-loaded, never the end of the interpreter."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tapeloom.errors import CorruptFileError, DataError
from tapeloom.storage import DataManager
from tapeloom.storage.parquet_store import ParquetStore

if TYPE_CHECKING:
    from pathlib import Path

    from tests.storage.conftest import Columns, Stamps, WriteFile

MINUTE = 60_000_000_000
DAY = 1440 * MINUTE

# Flips one bit of every byte and prints how many were refused, read as they were, and read otherwise.
FLIP = """
import sys
from collections import Counter
from pathlib import Path
from tapeloom.errors import DataError
from tapeloom.storage.parquet_store import ParquetStore

path, offset, every = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
raw = path.read_bytes()
names = ("ts", "open", "high", "low", "close", "volume")

def read():
    found = ParquetStore().read(path, "AAPL", None, None, of_folder=False).columns
    return [found[name].tobytes() for name in names]

right, seen = read(), Counter()
for at in range(offset, len(raw), every):
    damaged = bytearray(raw)
    damaged[at] ^= 1 << at % 8
    path.write_bytes(damaged)
    try:
        seen["same" if read() == right else "other"] += 1
    except DataError:
        seen["refused"] += 1
print(seen["refused"], seen["same"], seen["other"])
"""


def flipped(path: Path, *, offset: int = 0, every: int = 1) -> tuple[int, int, int]:
    """Flip bits in a process of its own, which must survive it."""
    command = [sys.executable, "-c", FLIP, str(path), str(offset), str(every)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2_000:]
    refused, same, other = map(int, done.stdout.split())
    return refused, same, other


def test_a_flipped_bit_anywhere_in_a_file_of_ours_is_found(
    tmp_path: Path, columns: Columns, minutes: Stamps
) -> None:
    two_days = np.concatenate([minutes, minutes + DAY])
    given = columns(two_days, volume=np.arange(20.0))
    (path,) = DataManager(tmp_path).write_bars("AAPL", "1m", given)
    size = path.stat().st_size

    assert flipped(path) == (size, 0, 0)


def test_flipped_bits_in_a_file_of_others_never_end_the_interpreter(
    tmp_path: Path, write_file: WriteFile, minutes: Stamps
) -> None:
    path = write_file(tmp_path / "a.parquet", minutes, row_group_size=5)
    size = path.stat().st_size

    # Nobody vouches for such a file: some flips read as other numbers, as they would anywhere.
    assert sum(flipped(path, every=3)) == -(-size // 3)


def test_a_flipped_bit_outside_of_what_is_read_does_no_harm(
    tmp_path: Path, columns: Columns, minutes: Stamps
) -> None:
    two_days = np.concatenate([minutes, minutes + DAY])
    given = columns(two_days, volume=np.arange(20.0))
    source = DataManager(tmp_path)
    (path,) = source.write_bars("AAPL", "1m", given)
    second = pq.read_metadata(path).row_group(1).column(2).data_page_offset
    raw = bytearray(path.read_bytes())
    raw[second + 20] ^= 4
    path.write_bytes(raw)

    assert len(DataManager(tmp_path).read("AAPL", "1m", None, int(two_days[10]))) == 10
    with pytest.raises(CorruptFileError, match="row group 1 has changed"):
        DataManager(tmp_path).read("AAPL", "1m", int(two_days[10]), None)


@pytest.mark.parametrize("ours", [True, False])
def test_a_file_that_was_cut_off_is_named(
    tmp_path: Path, write_file: WriteFile, columns: Columns, minutes: Stamps, ours: bool
) -> None:
    if ours:
        (path,) = DataManager(tmp_path).write_bars("AAPL", "1m", columns(minutes))
    else:
        path = write_file(tmp_path / "a.parquet", minutes)
    raw = path.read_bytes()

    for length in [*range(0, 40), *range(40, len(raw), 61), len(raw) - 1]:
        path.write_bytes(raw[:length])
        with pytest.raises(CorruptFileError, match="damaged, or no Parquet file"):
            ParquetStore().read(path, "AAPL", None, None, of_folder=False)


def test_a_file_that_shrinks_while_it_is_open_is_damaged(
    tmp_path: Path, columns: Columns, minutes: Stamps
) -> None:
    (path,) = DataManager(tmp_path).write_bars("AAPL", "1m", columns(minutes))
    from tapeloom.storage.parquet_file import open_bar_file, read_rows

    footer = open_bar_file(path)
    path.write_bytes(path.read_bytes()[:600])

    with pytest.raises(CorruptFileError, match="shorter than when it was opened"):
        read_rows(footer, [0])


def test_a_file_without_a_row_is_empty(
    tmp_path: Path, write_file: WriteFile, minutes: Stamps
) -> None:
    write_file(
        tmp_path / "bars/us_equity/interval=1m/symbol=AAPL/x.parquet", minutes[:0]
    )
    source = DataManager(tmp_path)

    assert len(source.read("AAPL", "1m", None, None)) == 0
    assert source.get_range("AAPL", "1m") is None
    assert source.get_latest_bar("AAPL") is None


def test_a_seal_that_was_taken_off_is_missed(
    tmp_path: Path, columns: Columns, minutes: Stamps
) -> None:
    (path,) = DataManager(tmp_path).write_bars("AAPL", "1m", columns(minutes))
    raw = path.read_bytes()
    footer = len(raw) - 8 - int.from_bytes(raw[-8:-4], "little")
    seal = raw.rindex(b"TAPESEAL", 0, footer)
    path.write_bytes(raw[:seal] + b"NOTASEAL" + raw[footer:])

    with pytest.raises(CorruptFileError, match="its seal is missing"):
        DataManager(tmp_path).read("AAPL", "1m", None, None)


def test_other_readers_of_parquet_look_past_the_seal(
    tmp_path: Path, columns: Columns, minutes: Stamps
) -> None:
    import duckdb
    import polars as pl

    (path,) = DataManager(tmp_path).write_bars("AAPL", "1m", columns(minutes))

    volumes = list(range(1, 11))
    assert pq.read_table(path, partitioning=None)["volume"].to_pylist() == volumes
    assert pl.read_parquet(path)["volume"].to_list() == volumes
    found = duckdb.connect().execute("select volume from read_parquet(?)", [str(path)])
    assert [volume for (volume,) in found.fetchall()] == volumes


def bomb(path: Path, rows: int) -> Path:
    """Write a small file of very many equal rows."""
    ones = pa.repeat(pa.scalar(1.0), rows)
    stamps = pa.repeat(pa.scalar(1_751_463_000_000_000_000), rows)
    table = pa.table(
        {
            "ts": stamps.cast(pa.timestamp("ns", "UTC")),
            **dict.fromkeys(("open", "high", "low", "close", "volume"), ones),
        }
    )
    folder = path / "bars/us_equity/interval=1m/symbol=AAPL"
    folder.mkdir(parents=True)
    pq.write_table(table, folder / "bomb.parquet", row_group_size=rows)
    return folder / "bomb.parquet"


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = bomb(tmp_path, 8_000_000)
    assert path.stat().st_size < 250_000
    code = (
        "import resource, sys; from tapeloom.errors import CorruptFileError\n"
        "from tapeloom.storage import DataManager\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try:\n"
        "    DataManager(sys.argv[1]).read('AAPL', '1m', None, None)\n"
        "except CorruptFileError as error:\n"
        "    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )

    grown, message = done.stdout.split(" ", 1)
    assert "8000000 rows would become 448000000 bytes out of" in message
    assert int(grown) < 150_000


def test_a_footer_that_is_larger_than_the_file_or_any_footer_is_refused(
    tmp_path: Path, write_file: WriteFile, minutes: Stamps
) -> None:
    path = write_file(tmp_path / "a.parquet", minutes)
    raw = path.read_bytes()

    for length in (len(raw), 2**31, 2**32 - 1):
        path.write_bytes(raw[:-8] + length.to_bytes(4, "little") + b"PAR1")
        with pytest.raises(CorruptFileError, match="footer"):
            ParquetStore().footer(path)


@pytest.mark.parametrize(
    "change",
    [lambda raw: raw[:-4] + b"PARE", lambda raw: b"PK\x03\x04" + raw[4:-4] + b"\0" * 4],
    ids=["encrypted", "another kind of file"],
)
def test_what_is_no_parquet_file_is_said(
    tmp_path: Path, write_file: WriteFile, minutes: Stamps, change: Any
) -> None:
    path = write_file(tmp_path / "a.parquet", minutes)
    path.write_bytes(change(path.read_bytes()))

    with pytest.raises(DataError, match=r"encrypted|does not end as Parquet files do"):
        DataManager(path).get_symbols()


# Reads mutants under a limit of memory and prints which errors came; any other one ends it.
MUTANTS = """
import resource, sys
from collections import Counter
from pathlib import Path
from random import Random
from tapeloom.errors import CorruptFileError, InvalidBarError, StorageError
from tapeloom.storage import DataManager
from tests.storage.mutants import KINDS, make_file, mutant

root, count, seen = Path(sys.argv[1]), int(sys.argv[2]), Counter()
path = root / "bars/us_equity/interval=1m/a.parquet"
path.parent.mkdir(parents=True)

def read():
    source = DataManager(root)
    for symbol in source.get_symbols():
        for interval in source.get_intervals(symbol):
            source.get_range(symbol, interval)
            # Half of a row group more or less, and everything.
            source.read(symbol, interval, 1_751_463_600_000_000_000, None)
            source.read(symbol, interval, None, None)

for kind in KINDS:
    raw = make_file(kind)
    path.write_bytes(raw)
    read()
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    room = pages * resource.getpagesize() + 512 * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (room, resource.RLIM_INFINITY))
    for seed in range(count):
        path.write_bytes(mutant(raw, Random(f"{kind} {seed}")))
        try:
            read()
            seen["read"] += 1
        except (CorruptFileError, StorageError, InvalidBarError) as error:
            assert "a.parquet" in str(error) or "no Parquet file" in str(error), error
            seen[type(error).__name__] += 1
print(seen.total(), seen["CorruptFileError"])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of memory is Linux's")
def test_numbers_of_the_format_that_became_others_are_errors_and_take_no_memory(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-c", MUTANTS, str(tmp_path), "60"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr[-2_000:]
    tried, corrupt = map(int, done.stdout.split())
    assert tried == 8 * 60
    assert corrupt > tried // 2
