"""Stored bars beside a live run, of which there may be none yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tapeloom import DataManager, TimeManager
from tapeloom.live.stored_history import StoredHistory
from tapeloom.storage import stored_bars
from tapeloom.storage.catalog import find_series
from tests.live.recorded import OPEN, bars_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

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
    import pyarrow.parquet as pq

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
