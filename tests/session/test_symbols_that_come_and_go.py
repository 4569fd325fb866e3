"""Symbols added to and removed from a run that is at work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tapeloom.errors import (
    ArgumentError,
    ConfigError,
    CorruptFileError,
    PlanError,
    StateError,
    UnknownSymbolError,
)
from tests.session.memory import MemorySource
from tests.session.runs import Diary, market_tapes, prepared, state_of

if TYPE_CHECKING:
    from tapeloom import SessionData

SYMBOLS = "session_data_config__symbols"
SPEED = "backtest_config__speed_multiplier"
END = "backtest_config__end_date"


def part_of(session: SessionData, symbol: str) -> dict[str, Any]:
    """All that a store says of one symbol, ingestion counters apart: a batch counts its bars otherwise."""
    found: Any = state_of(session)
    return {k: v for k, v in found["symbols"][symbol].items() if k != "counts"}


@pytest.mark.parametrize("steps", [0, 1, 100, 389, 390, 391, 450])
def test_a_symbol_that_joins_has_all_that_a_configured_one_has(steps: int) -> None:
    whole, _ = prepared(**{SYMBOLS: ["MSFT", "AAPL", "LATE"]})
    whole.get_session_coordinator().run()
    manager, coordinator = prepared(**{SYMBOLS: ["MSFT", "AAPL"]})
    for _ in range(steps):
        coordinator.step()
    coordinator.add_symbol("late")
    coordinator.run()
    store, other = manager.session_data, whole.session_data
    assert store.state_hash() == other.state_hash()
    for interval in ("1m", "5m", "1d"):
        for scope in ("session", "history"):
            mine = store.get_bars("LATE", interval, scope=scope)
            theirs = other.get_bars("LATE", interval, scope=scope)
            assert np.array_equal(mine.ts, theirs.ts)
            assert np.array_equal(mine.close, theirs.close)
            assert store.get_quality("LATE", interval, scope=scope) == (
                other.get_quality("LATE", interval, scope=scope)
            )
    assert store.get_gaps("LATE") == other.get_gaps("LATE")
    assert store.get_session_metrics("LATE") == other.get_session_metrics("LATE")
    assert store.get_historical_indicator("LATE", "avg_volume") == (
        other.get_historical_indicator("LATE", "avg_volume")
    )
    assert [s.symbol for s in manager.result().symbols] == ["MSFT", "AAPL", "LATE"]


def test_bars_up_to_the_clock_are_stored_without_analysis_calls() -> None:
    diary = Diary()
    manager, coordinator = prepared(diary, **{SYMBOLS: ["MSFT", "AAPL", "RIVN"]})
    for _ in range(60):
        coordinator.step()
    clock = manager.get_time_manager().get_current_time()
    coordinator.add_symbol("LATE")
    bars = manager.session_data.get_bars("LATE", "1m")
    assert len(bars) > 50
    assert bars[-1].end <= clock
    coordinator.step()
    told = [line for line in diary.lines if line[0] == "LATE"]
    assert {line[1] for line in told} <= {"1m"}
    assert all(line[2] > bars[-1].ts for line in told)  # type: ignore[operator]
    manager.stop()


@pytest.mark.parametrize("speed", [0.0, 1e6])
def test_a_symbol_may_be_added_from_inside_an_analysis(speed: float) -> None:
    class Adding:
        def on_batch(self, session: SessionData, batch: Any) -> None:
            if batch.time.hour == 11 and "LATE" not in session.get_active_symbols():
                coordinator.add_symbol("LATE")

    manager, coordinator = prepared(Adding(), **{SPEED: speed})
    coordinator.run()
    whole, other = prepared(**{SYMBOLS: ["MSFT", "AAPL", "RIVN", "LATE"]})
    other.run()
    assert manager.session_data.state_hash() == whole.session_data.state_hash()


@pytest.mark.parametrize("steps", [0, 100, 390])
def test_a_symbol_that_leaves_takes_nothing_of_the_others_along(steps: int) -> None:
    manager, coordinator = prepared()
    handle = None
    for _ in range(steps):
        coordinator.step()
        handle = manager.session_data["RIVN"]
    coordinator.remove_symbol("rivn")
    coordinator.run()
    whole, other = prepared(**{SYMBOLS: ["MSFT", "AAPL"]})
    other.run()
    assert manager.session_data.state_hash() == whole.session_data.state_hash()
    assert part_of(manager.session_data, "AAPL") == part_of(whole.session_data, "AAPL")
    if handle is not None:
        with pytest.raises(UnknownSymbolError, match="was removed"):
            handle.get_bars("1m")


def test_a_symbol_may_come_back() -> None:
    manager, coordinator = prepared()
    for _ in range(30):
        coordinator.step()
    coordinator.remove_symbol("AAPL")
    for _ in range(30):
        coordinator.step()
    coordinator.add_symbol("AAPL")
    coordinator.run()
    whole, other = prepared()
    other.run()
    mine, theirs = manager.session_data, whole.session_data
    assert mine.get_bars("AAPL", "5m") == theirs.get_bars("AAPL", "5m")
    # It stands behind the others now, which changes no bar.
    assert mine.state_hash() == theirs.state_hash()


def test_added_streams_may_be_others() -> None:
    manager, coordinator = prepared()
    coordinator.step()
    coordinator.add_symbol("LATE", streams=["15m"])
    coordinator.run()
    assert manager.session_data["LATE"].intervals == ["1m", "15m"]


def test_what_cannot_be_changed_is_refused_before_anything_changes() -> None:
    manager, coordinator = prepared()
    coordinator.step()
    with pytest.raises(ArgumentError, match="AAPL streams already"):
        coordinator.add_symbol("aapl")
    with pytest.raises(PlanError, match="NOPE"):
        coordinator.add_symbol("NOPE")
    with pytest.raises(ConfigError, match="streams"):
        coordinator.add_symbol("LATE", streams=["1x"])
    with pytest.raises(UnknownSymbolError, match="did you mean 'AAPL'"):
        coordinator.remove_symbol("AAPLE")
    assert manager.session_data.get_active_symbols() == {"MSFT", "AAPL", "RIVN"}
    manager.stop()
    for call in (coordinator.add_symbol, coordinator.remove_symbol):
        with pytest.raises((StateError, ArgumentError, UnknownSymbolError)):
            call("LATE")


def test_a_change_does_not_resume_a_paused_run() -> None:
    manager, coordinator = prepared(**{SPEED: 1e-3})
    coordinator.start()
    manager.pause()
    coordinator.add_symbol("LATE")
    assert manager.state == "PAUSED"
    manager.stop()


@pytest.mark.parametrize("speed", [0.0, 1e9])
def test_what_is_asked_for_within_one_batch_is_made_in_its_order_after_it(
    speed: float,
) -> None:
    refused: list[str] = []

    class Asking:
        def __init__(self) -> None:
            self.batches = 0

        def on_batch(self, session: SessionData, batch: Any) -> None:
            self.batches += 1
            if self.batches != 10:
                return
            coordinator.add_symbol("LATE")
            with pytest.raises(ArgumentError, match="LATE streams already"):
                coordinator.add_symbol("late")
            coordinator.remove_symbol("RIVN")
            with pytest.raises(UnknownSymbolError, match="RIVN does not stream"):
                coordinator.remove_symbol("RIVN")
            coordinator.remove_symbol("LATE")
            coordinator.add_symbol("RIVN")
            refused.append(str(session.get_active_symbols()))
            assert session.get_active_symbols() == {"MSFT", "AAPL", "RIVN"}

    manager, coordinator = prepared(Asking(), **{SPEED: speed})
    coordinator.run()
    whole, other = prepared()
    other.run()
    assert len(refused) == 1
    assert manager.session_data.state_hash() == whole.session_data.state_hash()
    assert [s.symbol for s in manager.result().symbols][:3] == ["MSFT", "AAPL", "RIVN"]


class Damaged(MemorySource):
    """One symbol whose bars cannot be read once a run is at work."""

    is_damaged = False

    def read(self, symbol: str, interval: str, start: int, end: int) -> Any:
        if symbol == "LATE" and self.is_damaged:
            text = "LATE.parquet is damaged"
            raise CorruptFileError(text)
        return super().read(symbol, interval, start, end)


@pytest.mark.parametrize("steps", [5, 389])
def test_a_symbol_that_cannot_be_read_leaves_the_run_as_it_was(steps: int) -> None:
    source = Damaged(market_tapes())
    source.is_damaged = True
    manager, coordinator = prepared(source=source)
    for _ in range(steps):
        coordinator.step()
    with pytest.raises(CorruptFileError, match="LATE"):
        coordinator.add_symbol("LATE")
    assert manager.session_data.get_active_symbols() == {"MSFT", "AAPL", "RIVN"}
    source.is_damaged = False
    # It may be tried again, and gone without.
    coordinator.add_symbol("LATE")
    coordinator.remove_symbol("LATE")
    coordinator.run()
    whole, other = prepared()
    other.run()
    assert manager.session_data.state_hash() == whole.session_data.state_hash()


def test_a_symbol_that_was_asked_for_in_a_batch_and_cannot_be_read_ends_the_run() -> (
    None
):
    source = Damaged(market_tapes())
    source.is_damaged = True

    class Asking:
        def on_session_start(self, session: SessionData) -> None:
            coordinator.add_symbol("LATE")

    manager, coordinator = prepared(Asking(), source=source)
    with pytest.raises(CorruptFileError, match="LATE"):
        coordinator.run()
    assert manager.state == "FAILED"
    assert not manager.session_data.is_active


def test_the_last_symbol_may_leave() -> None:
    manager, coordinator = prepared(**{SYMBOLS: ["MSFT"]})
    for _ in range(3):
        coordinator.step()
    coordinator.remove_symbol("MSFT")
    coordinator.run()
    assert manager.session_data.get_active_symbols() == set()
    assert [s.symbols for s in manager.result().sessions] == [0, 0, 0]
