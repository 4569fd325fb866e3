"""A store lies on any filesystem that pyarrow reaches; here in memory, and on the disk by its address."""

from __future__ import annotations

from threading import Barrier
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.fs as pafs
import pytest

from tapeloom.errors import (
    ArgumentError,
    ArgumentTypeError,
    CorruptFileError,
    DuplicateBarError,
    MissingDataError,
    StorageError,
)
from tapeloom.storage import DataManager
from tapeloom.storage.files import Files

if TYPE_CHECKING:
    from pathlib import Path

    from tests.storage.conftest import Columns, Stamps

DAY = 1440 * 60_000_000_000
fsspec = pytest.importorskip("fsspec")


@pytest.fixture
def memory() -> Any:
    """Return an empty filesystem in memory."""
    found = fsspec.filesystem("memory", skip_instance_cache=True)
    found.store.clear()
    found.pseudo_dirs[:] = [""]
    return found


def test_bars_are_written_merged_listed_read_and_deleted_in_memory(
    memory: Any, columns: Columns, minutes: Stamps
) -> None:
    ts = np.concatenate([minutes, minutes + 40 * DAY])
    source = DataManager("/data", filesystem=memory)
    source.write_bars("BTC/USD", "1m", columns(ts, symbol=None, volume=np.ones(20)))
    source.write_bars(
        "BTC/USD", "1m", columns(minutes[:3], symbol=None, volume=[9] * 3)
    )

    again = DataManager("/data", filesystem=memory)
    assert (again.get_symbols(), again.get_intervals("btc/usd")) == (
        ["BTC/USD"],
        ["1m"],
    )
    found = again.read("BTC/USD", "1m", None, None)
    assert found.ts.tolist() == ts.tolist()
    assert found.volume.tolist() == [9] * 3 + [1] * 17
    assert sorted(memory.find("/data")) == [
        "/data/bars/us_equity/interval=1m/symbol=BTC%2FUSD/2025-07.parquet",
        "/data/bars/us_equity/interval=1m/symbol=BTC%2FUSD/2025-08.parquet",
    ]

    assert again.delete_bars("BTC/USD", "1m", int(ts[5]), None) == 15
    assert again.read("BTC/USD", "1m", None, None).ts.tolist() == ts[:5].tolist()
    assert len(memory.find("/data")) == 1


def test_pyarrow_filesystems_serve_too(
    memory: Any, columns: Columns, minutes: Stamps
) -> None:
    wrapped = pafs.PyFileSystem(pafs.FSSpecHandler(memory))
    DataManager("/data", filesystem=wrapped).write_bars("AAPL", "1m", columns(minutes))

    assert DataManager("/data", filesystem=memory).get_bar_count("AAPL") == 10


def test_many_files_are_opened_at_the_same_time_where_that_takes_long(
    memory: Any, columns: Columns, minutes: Stamps, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = DataManager("/data", filesystem=memory)
    for symbol in ("AAPL", "MSFT"):
        source.write_bars(symbol, "1m", columns(minutes, symbol=None))
    both, opened = Barrier(2, timeout=60), Files.opened

    def together(files: Files, path: Path) -> Any:
        both.wait()
        return opened(files, path)

    monkeypatch.setattr("os.cpu_count", lambda: 2)
    monkeypatch.setattr(Files, "opened", together)
    series = [("AAPL", "1m"), ("MSFT", "1m")]
    found = DataManager("/data", filesystem=memory).read_many(series, None, None)
    assert [len(bars) for bars in found] == [10, 10]


def test_an_address_of_the_disk_is_the_disk(
    tmp_path: Path, columns: Columns, minutes: Stamps
) -> None:
    DataManager(tmp_path.as_uri()).write_bars("AAPL", "1m", columns(minutes))

    assert DataManager(tmp_path).get_bar_count("AAPL") == 10


@pytest.mark.parametrize(
    "root",
    ["/data", "/data/bars/us_equity", "/data/**/*.parquet", "/data/bars/*/*/*/2025-0?.parquet"],
)  # fmt: skip
def test_roots_of_other_shapes_are_understood(
    memory: Any, columns: Columns, minutes: Stamps, root: str
) -> None:
    DataManager("/data", filesystem=memory).write_bars("AAPL", "1m", columns(minutes))

    assert DataManager(root, filesystem=memory).get_symbols() == ["AAPL"]


def test_faults_are_those_of_the_disk(
    memory: Any, columns: Columns, minutes: Stamps
) -> None:
    source = DataManager("/data", filesystem=memory)
    with pytest.raises(MissingDataError, match="does not exist"):
        source.get_symbols()
    (path,) = source.write_bars("AAPL", "1m", columns(minutes))
    with pytest.raises(DuplicateBarError):
        source.write_bars("AAPL", "1m", columns(minutes, volume=[7] * 10), on_duplicate="error")  # fmt: skip
    raw = bytearray(memory.cat(str(path)))
    raw[100] ^= 1
    memory.pipe(str(path), bytes(raw))

    with pytest.raises(CorruptFileError, match="has changed"):
        DataManager("/data", filesystem=memory).read("AAPL", "1m", None, None)


def test_a_filesystem_that_fails_while_writing_leaves_the_old_file(
    memory: Any, columns: Columns, minutes: Stamps, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = DataManager("/data", filesystem=memory)
    source.write_bars("AAPL", "1m", columns(minutes[:4]))

    def fail(*_: object, **__: object) -> None:
        raise OSError(5, "the line is down")

    with monkeypatch.context() as patch:
        patch.setattr(memory, "mv", fail)
        with pytest.raises(StorageError, match="the line is down"):
            source.write_bars("AAPL", "1m", columns(minutes))

    again = DataManager("/data", filesystem=memory)
    assert again.read("AAPL", "1m", None, None).ts.tolist() == minutes[:4].tolist()
    again.write_bars("AAPL", "1m", columns(minutes))
    assert again.get_bar_count("AAPL") == 10


def test_what_is_no_filesystem_is_refused() -> None:
    with pytest.raises(ArgumentTypeError, match=r"must be a pyarrow\.fs\.FileSystem"):
        DataManager("/data", filesystem=object())
    with pytest.raises(ArgumentError, match="cannot be reached"):
        DataManager("nowhere://data")
