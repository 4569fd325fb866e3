"""Prefetch: the next block is loaded meanwhile, its errors come where it is taken, and memory holds two blocks."""

from __future__ import annotations

import subprocess
import sys
import threading
from threading import Event
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeloom.errors import StateError
from tapeloom.storage.prefetch import MOST_BYTES, Prefetch, blocks_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("ahead", [True, False])
def test_blocks_come_in_order(ahead: bool) -> None:
    with Prefetch(lambda number, _: number * 10, 4, ahead=ahead) as blocks:
        assert [blocks.take() for _ in range(4)] == [0, 10, 20, 30]
        with pytest.raises(StateError, match="no further block"):
            blocks.take()


def test_the_next_block_is_loaded_before_it_is_asked_for() -> None:
    begun = [Event(), Event(), Event()]

    def load(number: int, _: Event) -> int:
        begun[number].set()
        return number

    with Prefetch(load, 3) as blocks:
        assert blocks.take() == 0
        assert begun[1].wait(60)
        # But not the one after it.
        assert not begun[2].is_set()
        assert blocks.take() == 1
        assert begun[2].wait(60)


def test_an_error_comes_where_its_block_is_taken() -> None:
    def load(number: int, _: Event) -> int:
        if number == 1:
            text = "disk"
            raise OSError(text)
        return number

    with Prefetch(load, 3) as blocks:
        assert blocks.take() == 0
        with pytest.raises(OSError, match="disk"):
            blocks.take()
        # Asked again, it is loaded again.
        with pytest.raises(OSError, match="disk"):
            blocks.take()


def test_closing_cancels_the_load_and_leaves_no_thread() -> None:
    loading = Event()

    def load(number: int, cancelled: Event) -> int:
        if number:
            loading.set()
            assert cancelled.wait(60)
        return number

    blocks = Prefetch(load, 2)
    blocks.take()
    assert loading.wait(60)
    blocks.close()
    blocks.close()

    assert not [t for t in threading.enumerate() if t.name == "tapeloom-prefetch"]
    with pytest.raises(StateError):
        blocks.take()


def test_a_process_ends_while_a_block_is_waiting() -> None:
    code = (
        "from tapeloom.storage.prefetch import Prefetch\n"
        "blocks = Prefetch(lambda number, cancelled: bytes(1000), 100)\n"
        "blocks.take()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


INTERRUPTED = """
import signal, sys, threading
from tapeloom.storage.prefetch import Prefetch

waiting = threading.Event()

def load(number, cancelled):
    if number:
        # It ends when it is cancelled, and not before.
        cancelled.wait(60)
    return number

def interrupt():
    waiting.wait(60)
    if sys.argv[1] == "wakes":
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
    else:
        # As one that comes just before the wait.
        signal.raise_signal(signal.SIGINT)

blocks = Prefetch(load, 2)
blocks.take()
threading.Thread(target=interrupt).start()
try:
    waiting.set()
    blocks.take()
except KeyboardInterrupt:
    blocks.close()
    print([t.name for t in threading.enumerate() if "prefetch" in t.name])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals to a thread are POSIX's")
@pytest.mark.parametrize("signal", ["wakes", "wakes nobody"])
def test_an_interrupt_while_a_block_is_awaited_leaves_no_thread(signal: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, signal],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")


def test_a_system_without_threads_loads_each_block_when_it_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def start(_: threading.Thread) -> None:
        text = "can't start new thread"
        raise RuntimeError(text)

    monkeypatch.setattr("tapeloom.storage.prefetch.Thread.start", start)
    with Prefetch(lambda number, _: number, 3) as blocks:
        assert [blocks.take() for _ in range(3)] == [0, 1, 2]


SIZES = st.lists(st.integers(0, MOST_BYTES + 5), max_size=40)


@given(sizes=SIZES, days=st.none() | st.integers(1, 9))
def test_blocks_hold_all_sessions_in_order_and_no_more_than_they_may(
    sizes: list[int], days: int | None
) -> None:
    blocks = blocks_of(sizes, prefetch_days=days)

    assert [at for block in blocks for at in block] == list(range(len(sizes)))
    for block in blocks:
        assert len(block) <= (5 if days is None else days)
        assert len(block) == 1 or days is not None or sum(sizes[i] for i in block) <= MOST_BYTES  # fmt: skip


READ = """
import resource, sys
from tapeloom.storage import DataManager
from tapeloom.storage.prefetch import Prefetch, blocks_of

source, sessions = DataManager(sys.argv[1]), int(sys.argv[2])
table, symbols = source._session_table, source.get_symbols()
first = int(table.span_starts.searchsorted(source.get_range(symbols[0], "1m")[0], "right")) - 1
blocks = blocks_of([len(symbols) * 390 * 49] * sessions)

def load(number, cancelled):
    block = blocks[number]
    start, end = table.span_starts[first + block[0]], table.span_ends[first + block[-1]]
    return source.read_many([(s, "1m") for s in symbols], int(start), int(end), cancelled=cancelled.is_set)

rows = 0
with Prefetch(load, len(blocks)) as loading:
    for _ in blocks:
        rows += sum(map(len, loading.take()))
print(rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def test_memory_does_not_grow_with_the_number_of_sessions(tmp_path: Path) -> None:
    import numpy as np

    from tapeloom import TimeManager
    from tapeloom.storage import DataManager

    table = TimeManager().session_table
    first = int(np.searchsorted(table.opens, 1_704_153_600_000_000_000))
    symbols, few, many = 30, 15, 100
    ts = np.concatenate([table.grid(i, "1m") for i in range(first, first + many)])
    ones = np.ones(len(ts))
    names = ("open", "high", "low", "close", "volume")
    columns = {"ts": ts, **dict.fromkeys(names, ones)}
    for number in range(symbols):
        DataManager(tmp_path).write_bars(f"S{number:02}", "1m", columns)

    def read(sessions: int) -> tuple[int, float]:
        done = subprocess.run(
            [sys.executable, "-c", READ, str(tmp_path), str(sessions)],
            capture_output=True,
            text=True,
            check=True,
        )
        rows, peak = done.stdout.split()
        return int(rows), float(peak)

    (rows_of_few, peak_of_few), (rows_of_many, peak_of_many) = read(few), read(many)
    assert rows_of_many == len(ts) * symbols > 6 * rows_of_few
    # All of them would take 57 MB.
    assert peak_of_many - peak_of_few < 15
