"""Replacing a file: all or nothing at every step of it, one writer at a time, nowhere but below the root."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from threading import Barrier, Thread
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tapeloom.errors import StorageError
from tapeloom.storage import DataManager, replacing
from tapeloom.storage.files import Files

if TYPE_CHECKING:
    from pathlib import Path

    from tests.storage.conftest import Columns, Stamps

MINUTE = 60_000_000_000
SERIES = "bars/us_equity/interval=1m/symbol=AAPL"

# Writes four more minutes; leaves the process at step number N of replacing the file.
WRITE_AND_DIE = """
import sys
import numpy as np
from tapeloom.storage import DataManager, replacing

root, last = sys.argv[1], int(sys.argv[2])
real, steps = replacing.os, 0

class HalfWritten:
    def __init__(self, out): self.out = out
    def __enter__(self): return self
    def __exit__(self, *_): self.out.close()
    def write(self, content):
        step(lambda: (self.out.write(content[: len(content) // 2]), self.out.flush()))
        self.out.write(content[len(content) // 2 :])

def step(call):
    global steps
    steps += 1
    if steps == last:
        real._exit(9)
    return call()

class Os:
    def __getattr__(self, name):
        found = getattr(real, name)
        if name == "fdopen":
            return lambda *a, **k: HalfWritten(found(*a, **k))
        if name in ("open", "mkdir", "ftruncate", "fsync", "replace", "unlink", "close", "stat"):
            return lambda *a, **k: step(lambda: found(*a, **k))
        return found

# Known before os is taken away.
replacing._locked(real.open(root, real.O_RDONLY))
replacing.os = Os()
ts = 1_751_463_000_000_000_000 + 60_000_000_000 * np.arange(6, 10)
ones = np.ones(4)
columns = {"ts": ts, "open": ones, "high": ones, "low": ones, "close": ones, "volume": ones}
DataManager(root).write_bars("AAPL", "1m", columns)
real._exit(0)
"""


def stored(root: Path) -> list[int]:
    bars = DataManager(root).read("AAPL", "1m", None, None)
    found: list[int] = bars.ts.tolist()
    return found


def test_a_writer_that_is_killed_at_any_step_leaves_the_old_file_or_the_new_one(
    tmp_path: Path, columns: Columns, minutes: Stamps
) -> None:
    old, new = minutes[:6].tolist(), minutes.tolist()
    seen = []
    for last in range(1, 60):
        root = tmp_path / str(last)
        DataManager(root).write_bars("AAPL", "1m", columns(minutes[:6]))
        command = [sys.executable, "-c", WRITE_AND_DIE, str(root), str(last)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode in (0, 9), done.stderr
        seen.append(stored(root))
        assert seen[-1] in (old, new)

        # The next writer is not held up by what was left, and leaves nothing of it.
        DataManager(root).write_bars("AAPL", "1m", columns(minutes))
        assert stored(root) == new
        assert [p.name for p in (root / SERIES).iterdir()] == ["2025-07.parquet"]
        if done.returncode == 0:
            break
    assert (seen[0], seen[-1]) == (old, new)
    # Steps before the rename and after it.
    assert 8 < len(seen) < 59
    assert old in seen[5:]


def test_the_second_of_two_writers_is_told(
    tmp_path: Path, columns: Columns, minutes: Stamps
) -> None:
    source = DataManager(tmp_path)
    folder = tmp_path / SERIES
    source.write_bars("AAPL", "1m", columns(minutes[:4]))
    anchor = folder.parent.parent

    with replacing.replacing(Files(), folder, ["2025-07.parquet"], anchor=anchor):
        with pytest.raises(StorageError, match="is being written by another writer"):
            source.write_bars("AAPL", "1m", columns(minutes))
        # Another month is another file.
        source.write_bars("AAPL", "1m", columns(minutes + 40 * 1440 * MINUTE))
        assert len(stored(tmp_path)) == 14

    source.write_bars("AAPL", "1m", columns(minutes))
    assert len(stored(tmp_path)) == 20


def test_the_claim_of_a_killed_process_is_free(
    tmp_path: Path, columns: Columns, minutes: Stamps
) -> None:
    folder = tmp_path / SERIES
    code = (
        "import sys, time; from pathlib import Path; from tapeloom.storage.files import Files\n"
        "from tapeloom.storage.replacing import replacing\n"
        "folder = Path(sys.argv[1])\n"
        "with replacing(Files(), folder, ['2025-07.parquet'], anchor=folder.parents[1]):\n"
        "    print('claimed', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", code, str(folder)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "claimed\n"
        with pytest.raises(StorageError, match="another writer"):
            DataManager(tmp_path).write_bars("AAPL", "1m", columns(minutes))
        other.send_signal(signal.SIGKILL)

    DataManager(tmp_path).write_bars("AAPL", "1m", columns(minutes))
    assert stored(tmp_path) == minutes.tolist()


def test_threads_that_write_one_file_lose_nothing_that_was_accepted(
    tmp_path: Path, columns: Columns, minutes: Stamps
) -> None:
    barrier, accepted = Barrier(4), []

    def write(number: int) -> None:
        ts = minutes[number : number + 1]
        barrier.wait()
        while True:
            try:
                DataManager(tmp_path).write_bars("AAPL", "1m", columns(ts))
            except StorageError as error:
                assert "another writer" in str(error)  # noqa: PT017
                continue
            accepted.append(int(ts[0]))
            return

    threads = [Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert stored(tmp_path) == sorted(accepted) == minutes[:4].tolist()


def test_what_a_crash_left_of_another_month_is_cleaned(
    tmp_path: Path, columns: Columns, minutes: Stamps
) -> None:
    source = DataManager(tmp_path)
    source.write_bars("AAPL", "1m", columns(minutes[:4]))
    left = tmp_path / SERIES / ".2024-01.parquet.tmp"
    left.write_bytes(b"half")
    assert stored(tmp_path) == minutes[:4].tolist()

    source.write_bars("AAPL", "1m", columns(minutes))

    assert not left.exists()


@pytest.mark.parametrize("step", ["open", "fdopen", "fsync", "replace"])
def test_a_failing_step_leaves_the_old_file(
    tmp_path: Path,
    columns: Columns,
    minutes: Stamps,
    step: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = DataManager(tmp_path)
    (path,) = source.write_bars("AAPL", "1m", columns(minutes))
    before = path.read_bytes()

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, step, fail)
        with pytest.raises(StorageError, match="no space left on device"):
            source.write_bars("AAPL", "1m", columns(minutes + MINUTE))

    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_full_disk_leaves_the_old_file(
    tmp_path: Path, columns: Columns, minutes: Stamps
) -> None:
    (path,) = DataManager(tmp_path).write_bars("AAPL", "1m", columns(minutes))
    before = path.read_bytes()
    code = (
        "import resource, sys, numpy as np; from tapeloom.errors import StorageError\n"
        "from tapeloom.storage import DataManager\n"
        "source = DataManager(sys.argv[1]); source.get_symbols(); source._session_table\n"
        "ts = 1_751_463_000_000_000_000 + 60_000_000_000 * np.arange(390)\n"
        "price = np.random.default_rng(1).uniform(1, 2, 390)\n"
        "columns = {'ts': ts, 'open': price, 'high': price, 'low': price, 'close': price, 'volume': price}\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try:\n"
        "    source.write_bars('AAPL', '1m', columns)\n"
        "except StorageError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )

    assert "cannot be written: file too large" in done.stdout
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_folder_that_may_not_be_written_to_is_named(
    tmp_path: Path, columns: Columns, minutes: Stamps
) -> None:
    if not hasattr(os, "geteuid") or os.geteuid() == 0:
        pytest.skip("the superuser may write everywhere")
    source = DataManager(tmp_path)
    (path,) = source.write_bars("AAPL", "1m", columns(minutes))
    before = path.read_bytes()
    path.parent.chmod(0o500)
    try:
        with pytest.raises(StorageError, match="permission denied"):
            source.write_bars("AAPL", "1m", columns(minutes + MINUTE))
    finally:
        path.parent.chmod(0o700)
    assert path.read_bytes() == before


def test_a_write_that_is_refused_makes_no_folder(
    tmp_path: Path, columns: Columns, minutes: Stamps
) -> None:
    twice = np.concatenate([minutes, minutes])

    with pytest.raises(ValueError, match="on_duplicate is 'error'"):
        DataManager(tmp_path / "new").write_bars(
            "AAPL",
            "1m",
            columns(twice, volume=np.arange(20.0)),
            on_duplicate="error",
        )

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("where", ["interval=1m", "interval=1m/symbol=AAPL"])
def test_no_link_is_followed_when_writing(
    tmp_path: Path, columns: Columns, minutes: Stamps, where: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    link = tmp_path / "data/bars/us_equity" / where
    link.parent.mkdir(parents=True)
    link.symlink_to(outside)

    with pytest.raises(StorageError, match="link"):
        DataManager(tmp_path / "data").write_bars("AAPL", "1m", columns(minutes))

    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("where", ["bars", "bars/us_equity", SERIES, f"{SERIES}/x.parquet"])  # fmt: skip
def test_no_link_is_followed_out_of_the_root_when_reading(
    tmp_path: Path, columns: Columns, minutes: Stamps, where: str
) -> None:
    outside, root = tmp_path / "outside", tmp_path / "data"
    (path,) = DataManager(outside).write_bars("AAPL", "1m", columns(minutes))
    target = path if where.endswith("x.parquet") else outside / where
    link = root / where
    link.parent.mkdir(parents=True)
    link.symlink_to(target)

    with pytest.raises(StorageError, match="leads out of"):
        DataManager(root).get_symbols()


def test_the_root_itself_may_be_a_link(
    tmp_path: Path, columns: Columns, minutes: Stamps
) -> None:
    (tmp_path / "disk").mkdir()
    root = tmp_path / "data"
    root.symlink_to(tmp_path / "disk")

    DataManager(root).write_bars("AAPL", "1m", columns(minutes))

    assert stored(root) == minutes.tolist()
