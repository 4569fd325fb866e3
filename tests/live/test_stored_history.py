"""Stored bars beside a live run, of which there may be none yet."""

from __future__ import annotations

import os
from threading import Event, Thread, current_thread
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest

from tapeloom import DataManager, TimeManager
from tapeloom.importing import is_foreign
from tapeloom.live.stored_history import StoredHistory
from tapeloom.storage import stored_bars
from tapeloom.storage.catalog import find_series
from tapeloom.storage.files import Files
from tests.core.test_forks import LONGEST, in_child
from tests.live.recorded import OPEN, bars_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tapeloom import Bars

AAPL = bars_of("AAPL", 10)
ZONE = TimeManager("US_EQUITY").timezone


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """One entry for each time that a folder is searched for bars."""
    found: list[str] = []

    def count(root: object, *words: object, **more: object) -> object:
        found.append(str(root))
        return find_series(root, *words, **more)  # type: ignore[arg-type]  # as they came

    monkeypatch.setattr(stored_bars, "find_series", count)
    return found


def all_of(history: StoredHistory, symbol: str) -> list[int]:
    assert history.get_range(symbol, "1m") is None or history.get_intervals(symbol)
    starts: list[int] = history.read(symbol, "1m", None, None).ts.tolist()
    return starts


@pytest.mark.parametrize("make", [lambda root: root.mkdir(), lambda root: None])
def test_of_a_root_without_bars_many_symbols_are_one_search(
    tmp_path: Path, listed: list[str], make: Callable[[Path], None]
) -> None:
    root = tmp_path / "data"
    make(root)
    history = StoredHistory(DataManager(root), ZONE)

    for number in range(1_000):
        assert all_of(history, f"S{number}") == []
    assert (history.is_empty, len(listed)) == (True, 1)


def test_of_a_root_with_bars_many_symbols_are_one_search(
    tmp_path: Path, listed: list[str]
) -> None:
    DataManager(tmp_path).write_bars("AAPL", "1m", AAPL)
    del listed[:]
    history = StoredHistory(DataManager(tmp_path), ZONE)

    for number in range(1_000):
        assert all_of(history, f"S{number}") == []
    assert all_of(history, "AAPL") == AAPL.ts.tolist()
    assert len(listed) == 1


@pytest.mark.parametrize("make", [lambda root: root.mkdir(), lambda root: None])
def test_bars_that_come_to_an_empty_root_are_found(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    root = tmp_path / "data"
    make(root)
    history = StoredHistory(DataManager(root), ZONE)
    assert history.is_empty

    DataManager(root).write_bars("AAPL", "1m", AAPL)

    assert all_of(history, "AAPL") == AAPL.ts.tolist()
    assert history.get_symbols() == ["AAPL"]


def test_a_file_that_comes_to_a_pattern_is_found(tmp_path: Path) -> None:
    history = StoredHistory(DataManager(tmp_path / "*.parquet"), ZONE)
    assert history.is_empty

    table = AAPL.to_arrow()
    pq.write_table(
        table.append_column("symbol", [["AAPL"] * 10]), tmp_path / "a.parquet"
    )

    assert history.get_symbols() == ["AAPL"]


def test_what_somebody_else_writes_beside_stored_bars_is_seen_after_looking_again(
    tmp_path: Path,
) -> None:
    manager = DataManager(tmp_path)
    manager.write_bars("AAPL", "1m", AAPL)
    history = StoredHistory(manager, ZONE)
    assert history.get_symbols() == ["AAPL"]

    DataManager(tmp_path).write_bars("MSFT", "1m", bars_of("MSFT", 5))
    manager.look_again()

    assert history.get_symbols() == ["AAPL", "MSFT"]
    assert all_of(history, "MSFT")[0] == OPEN


def test_looking_again_holds_for_whoever_asks_after_it_even_while_another_still_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager, beside = DataManager(tmp_path), DataManager(tmp_path)
    manager.write_bars("AAPL", "1m", AAPL)
    has_looked, may_end = Event(), Event()

    def slowly(root: object, *words: object, **more: object) -> object:
        found = find_series(root, *words, **more)  # type: ignore[arg-type]  # as they came
        has_looked.set()
        assert may_end.wait(60)
        return found

    monkeypatch.setattr(stored_bars, "find_series", slowly)
    earlier: list[list[str]] = []
    reader = Thread(target=lambda: earlier.append(manager.get_symbols()))
    reader.start()
    assert has_looked.wait(60)
    beside.write_bars("MSFT", "1m", bars_of("MSFT", 5))
    manager.look_again()
    may_end.set()
    reader.join()

    assert earlier == [["AAPL"]]
    assert manager.get_symbols() == ["AAPL", "MSFT"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_child_that_is_forked_while_another_thread_looks_does_not_wait_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = DataManager(tmp_path)
    manager.write_bars("AAPL", "1m", AAPL)
    has_begun, may_end = Event(), Event()

    def slowly(root: object, *words: object, **more: object) -> object:
        if current_thread() is reader:
            has_begun.set()
            assert may_end.wait(2 * LONGEST)
        return find_series(root, *words, **more)  # type: ignore[arg-type]  # as they came

    monkeypatch.setattr(stored_bars, "find_series", slowly)
    reader = Thread(target=manager.get_symbols)
    reader.start()
    try:
        assert has_begun.wait(60)
        assert in_child(lambda: len(manager.read("AAPL", "1m", None, None)) == 10)
    finally:
        may_end.set()
        reader.join()
    assert manager.get_symbols() == ["AAPL"]


def test_of_the_threads_that_read_many_one_may_look_again_while_another_waits_for_what_it_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def put(symbol: str) -> None:
        table = bars_of(symbol, 10).to_arrow().append_column("symbol", [[symbol] * 10])
        pq.write_table(table, tmp_path / f"{symbol}.parquet")

    put("AAPL")
    put("MSFT")
    manager = DataManager(tmp_path)
    assert manager.get_symbols() == ["AAPL", "MSFT"]
    readers: list[Thread] = []
    has_turn, opened = Event(), Files.opened

    def is_cancelled() -> bool:
        readers.append(current_thread())
        if len(readers) == 1:
            put("AAPL")
            manager.look_again()
        else:
            has_turn.set()
        return False

    def opened_late(files: Files, path: Path) -> object:
        if current_thread() is readers[0]:
            assert has_turn.wait(60)
        return opened(files, path)

    monkeypatch.setattr("os.cpu_count", lambda: 2)
    monkeypatch.setattr(Files, "opened", opened_late)
    found: list[Bars] = []

    def read() -> None:
        wanted = [("AAPL", "1m"), ("MSFT", "1m")]
        found.extend(manager.read_many(wanted, None, None, cancelled=is_cancelled))

    reader = Thread(target=read, daemon=True)
    reader.start()
    reader.join(60)

    assert not reader.is_alive()
    assert len(set(readers)) == 2
    assert [(bars.symbol, len(bars)) for bars in found] == [("AAPL", 10), ("MSFT", 10)]


def put_text(path: Path) -> int:
    """Write a file as other tools do, and return the number of its bars."""
    lines = [f"2025-07-02T13:{minute}:00Z,1,1,1,1,1" for minute in range(30, 59)]
    path.write_text("\n".join(["ts,open,high,low,close,volume", *lines]))
    return len(lines)


def test_looking_again_leaves_mounted_files_as_they_were_found(tmp_path: Path) -> None:
    put_text(tmp_path / "AAPL_1m.csv")
    manager = DataManager(tmp_path)
    assert manager.get_symbols() == ["AAPL"]

    put_text(tmp_path / "MSFT_1m.csv")
    manager.look_again()

    assert manager.get_symbols() == ["AAPL"]
    assert DataManager(tmp_path).get_symbols() == ["AAPL", "MSFT"]


def test_foreign_files_are_mounted_once_for_all_who_ask_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = put_text(tmp_path / "AAPL_1m.csv")
    manager = DataManager(tmp_path)
    asked: list[object] = []
    other = Thread(target=manager.get_symbols)

    def ask(pattern: object) -> bool:
        asked.append(pattern)
        if len(asked) == 1:
            other.start()
        return is_foreign(pattern)

    monkeypatch.setattr(stored_bars, "is_foreign", ask)
    assert manager.get_symbols() == ["AAPL"]
    other.join()

    assert len(asked) == 1
    assert len(manager.read("AAPL", "1m", None, None)) == count
