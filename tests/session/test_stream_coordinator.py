"""Queues that are written into a session: batch by batch, each whole, with the clock at its instant."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tapeloom import BarData, SessionData, TimeManager, replay
from tapeloom.errors import (
    ArgumentTypeError,
    IntervalError,
    SeriesConflictError,
    StateError,
)
from tapeloom.session.stream_coordinator import BacktestStreamCoordinator
from tapeloom.storage import DataManager

if TYPE_CHECKING:
    from pathlib import Path

MINUTE = 60_000_000_000
DAY = date(2025, 7, 2)


def columns(ts: Any, *, salt: int = 0) -> dict[str, Any]:
    ts = np.asarray(ts, np.int64)
    price = 100.0 + (ts // MINUTE + salt) % 13
    return {
        "ts": ts,
        "open": price,
        "high": price + 1,
        "low": price - 1,
        "close": price,
        "volume": price * 10,
    }


@pytest.fixture
def session() -> SessionData:
    """Return a session of MSFT and AAPL with 5-minute bars, begun."""
    found = SessionData(time_manager=TimeManager())
    for symbol in ("MSFT", "AAPL"):
        found.register_symbol(symbol, derived=["5m"])
    found.start_new_session(DAY)
    return found


def minutes(session: SessionData) -> Any:
    index = session.session_table.index_of((DAY - date(1970, 1, 1)).days)
    assert index is not None
    return session.session_table.grid(index, "1m")


def test_a_session_that_is_streamed_equals_the_one_of_a_run(
    session: SessionData,
) -> None:
    grid = minutes(session)
    given = {
        "MSFT": columns(grid[np.arange(390) % 7 != 3]),
        "AAPL": columns(grid[1:], salt=5),
    }
    coordinator = BacktestStreamCoordinator(session)
    for symbol in ("AAPL", "MSFT"):
        coordinator.add_source(symbol, "1m", given[symbol])

    batches = list(coordinator)
    session.end_session()

    whole = replay(given, start=DAY, end=DAY, intervals=["1m", "5m"], analysis=lambda *_: None, progress=False)  # fmt: skip
    assert session.state_hash() == whole.session_data.state_hash()
    assert [b.ts for b in batches] == [int(ts) + MINUTE for ts in grid]
    assert [item.symbol for item in batches[2].items] == ["MSFT", "AAPL"]
    assert session.get_ingest_counts().balanced
    flags = session.get_bars("AAPL", "1m").flags
    assert set(flags.tolist()) == {1}


def test_a_batch_is_seen_whole_or_not_at_all(session: SessionData) -> None:
    grid = minutes(session)
    coordinator = BacktestStreamCoordinator(session)
    for symbol in ("MSFT", "AAPL"):
        coordinator.add_source(symbol, "1m", columns(grid))

    for batch in coordinator:
        rows = session._group_of(["MSFT", "AAPL"], "1m").latest()
        ends = rows["ts"] + MINUTE
        assert ends.tolist() == [batch.ts] * 2


def test_the_clock_stands_at_the_batch_and_alerts_come_after_it(
    session: SessionData,
) -> None:
    manager = TimeManager()
    grid = minutes(session)
    manager.set_backtest_time(int(grid[0]))
    coordinator = BacktestStreamCoordinator(session, manager)
    coordinator.add_source("AAPL", "1m", columns(grid[[0, 1, 5]]))
    seen: list[tuple[str, int]] = []

    def note(when: Any) -> None:
        seen.append((f"{when:%H:%M}", session.get_bar_count("AAPL")))

    for minute in (1, 3, 6):
        manager.at(int(grid[0]) + minute * MINUTE, note)
    for batch in coordinator:
        assert manager.clock.now_ns() == batch.ts
    assert seen == [("09:31", 1), ("09:33", 2), ("09:36", 3)]


def test_queues_are_loaded_from_storage_and_reads_stop_at_the_clock(
    tmp_path: Path, session: SessionData
) -> None:
    grid = minutes(session)
    store = DataManager(tmp_path)
    store.write_bars("AAPL", "1m", columns(grid))
    manager = TimeManager()
    manager.set_backtest_time(int(grid[0]))
    source = DataManager(tmp_path, time_manager=manager, session_data=session)
    coordinator = BacktestStreamCoordinator(session, manager, data_manager=source)

    assert coordinator.load_queue("AAPL", "1m", int(grid[0]), int(grid[30])).loaded == 30  # fmt: skip
    assert f"{coordinator.next_timestamp():%H:%M}" == "09:31"
    taken = coordinator.consume_until(int(grid[10]))

    assert len(taken) == session.get_bar_count("AAPL") == 10
    assert source.get_latest_bar("AAPL", "1m") == taken[-1]
    assert coordinator.load_queue("AAPL", "1m", int(grid[0]), int(grid[40])).loaded == 10  # fmt: skip
    assert coordinator.queue_stats()["AAPL", "1m", "bar"].size == 30


def test_one_head_is_taken_and_written(session: SessionData) -> None:
    grid = minutes(session)
    coordinator = BacktestStreamCoordinator(session)
    coordinator.add_source("AAPL", "1m", columns(grid[:2]))
    coordinator.add_source("MSFT", "1m", columns(grid[:2]))

    assert f"{coordinator.peek_queue_timestamp('AAPL', '1m'):%H:%M}" == "09:31"
    item = coordinator.consume_queue("AAPL", "1m")

    assert isinstance(item, BarData)
    assert session.get_bar_count("AAPL") == 1
    assert session.get_bar_count("MSFT") == 0
    # What stayed behind is late, and is not lost.
    assert [len(batch) for batch in coordinator] == [1, 2]
    assert session.get_bar_count("MSFT") == session.get_bar_count("AAPL") == 2
    assert coordinator.consume_queue("AAPL", "1m") is None


def test_bars_of_no_session_go_the_way_of_the_store(session: SessionData) -> None:
    grid = minutes(session)
    coordinator = BacktestStreamCoordinator(session)
    later = int(grid[0]) + 5 * 24 * 60 * MINUTE
    coordinator.add_source("AAPL", "1m", columns([grid[0] - 10 * MINUTE, grid[0], later]))  # fmt: skip

    list(coordinator)

    counts = session.get_ingest_counts("AAPL")
    assert (counts.accepted, counts.quarantined, counts.balanced) == (2, 1, True)


def test_a_second_interval_of_a_symbol_is_refused_when_it_is_loaded(
    session: SessionData,
) -> None:
    grid = minutes(session)
    coordinator = BacktestStreamCoordinator(session)
    coordinator.add_source("NEW", "1m", columns(grid[:5]))

    with pytest.raises(SeriesConflictError, match="NEW has the base interval 1m"):
        coordinator.add_source("NEW", "5m", columns(grid[:10:5]))
    with pytest.raises(StateError, match="data_manager="):
        coordinator.load_queue("AAPL", "1m", None, None)
    with pytest.raises(ArgumentTypeError, match="must be a SessionData"):
        BacktestStreamCoordinator("session")  # type: ignore[arg-type]


def test_without_a_session_date_bars_are_kept_too() -> None:
    session = SessionData()
    coordinator = BacktestStreamCoordinator(session)
    ts = 1_751_463_000_000_000_000 + MINUTE * np.arange(3)
    coordinator.add_source("AAPL", "1m", columns(ts))

    assert [len(batch) for batch in coordinator] == [1, 1, 1]
    assert session.get_bar_count("AAPL") == 3


@pytest.mark.parametrize("interval", ["", 0])
def test_an_interval_that_is_none_is_not_taken_for_minutes(interval: Any) -> None:
    coordinator = BacktestStreamCoordinator(SessionData())

    with pytest.raises(IntervalError):
        coordinator.peek_queue_timestamp("AAPL", interval)
    with pytest.raises(IntervalError):
        coordinator.consume_queue("AAPL", interval)
