"""One result in every mode: at once, on a thread, step by step, by the clock at any speed, whatever is read meanwhile."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeloom.errors import AnalysisError, ClockError, StateError
from tapeloom.system.system_manager import SystemManager
from tests.session.runs import Diary, config, market, prepared, threads
from tests.strategies import fewer

if TYPE_CHECKING:
    from tapeloom import SessionData
    from tapeloom.session.coordinator import SessionCoordinator

SPEED = "backtest_config__speed_multiplier"


@pytest.fixture(scope="module")
def inline() -> Diary:
    diary = Diary()
    _, coordinator = prepared(diary)
    coordinator.run()
    return diary


def stepped(coordinator: SessionCoordinator) -> None:
    while coordinator.step() is not None:
        pass


def test_a_run_on_a_thread_tells_the_same(inline: Diary) -> None:
    diary = Diary()
    manager = SystemManager()
    manager.engine.add(diary)
    _, coordinator = prepared(diary)
    coordinator.start()
    assert coordinator.wait(60)
    assert diary.lines == inline.lines
    assert diary.threads == {"tapeloom-coordinator"}
    assert threads() == set()


def test_a_run_step_by_step_tells_the_same(inline: Diary) -> None:
    diary = Diary()
    _, coordinator = prepared(diary)
    stepped(coordinator)
    assert diary.lines == inline.lines
    assert coordinator.step() is None
    assert not coordinator.stopped_early


@pytest.mark.parametrize("speed", [50_000, 1e6, 1e9])
def test_a_run_by_the_clock_tells_the_same_at_any_speed(
    inline: Diary, speed: float
) -> None:
    diary = Diary()
    _, coordinator = prepared(diary, **{SPEED: speed})
    coordinator.run()
    assert diary.lines == inline.lines
    assert diary.threads == {"tapeloom-analysis"}
    assert threads() == set()


@pytest.mark.parametrize("days", [1, 2, 3, None])
def test_sessions_loaded_ahead_change_nothing(inline: Diary, days: int | None) -> None:
    diary = Diary()
    _, coordinator = prepared(diary, backtest_config__prefetch_days=days)
    coordinator.run()
    assert diary.lines == inline.lines


@pytest.mark.parametrize("readers", [1, 8])
def test_readers_change_nothing(inline: Diary, readers: int) -> None:
    diary, done = Diary(), threading.Event()
    manager, coordinator = prepared(diary)
    store = manager.session_data
    failures: list[BaseException] = []

    def read() -> None:
        try:
            while not done.is_set():
                for symbol in ("MSFT", "AAPL"):
                    bars = store.get_last_n_bars(symbol, 50, "1m")
                    assert (bars.ts[1:] > bars.ts[:-1]).all()
                    store.get_quality(symbol)
                store.get_latest_bars_multi(["MSFT", "AAPL", "RIVN"])
        except BaseException as error:
            failures.append(error)

    reading = [threading.Thread(target=read) for _ in range(readers)]
    for thread in reading:
        thread.start()
    coordinator.run()
    done.set()
    for thread in reading:
        thread.join()
    assert failures == []
    assert diary.lines == inline.lines


@given(
    parts=st.lists(
        st.tuples(st.sampled_from(["step", "until", "pieces"]), st.integers(1, 300)),
        max_size=8,
    ),
    end=st.sampled_from(["run", "start", "step"]),
)
@fewer(12)
def test_steps_and_stretches_may_be_mixed(
    inline: Diary, parts: list[tuple[str, int]], end: str
) -> None:
    diary = Diary()
    manager, coordinator = prepared(diary)
    clock = manager.get_time_manager()
    for how, count in parts:
        if how == "step":
            for _ in range(count):
                coordinator.step()
            continue
        pieces = 1 if how == "until" else 3
        for _ in range(pieces):
            if coordinator.step() is None:
                break
            until = clock.get_current_time() + timedelta(minutes=count, seconds=30)
            coordinator.run_until(until)
            assert coordinator.is_finished or clock.get_current_time() == until
    if not coordinator.is_finished:
        if end == "run":
            coordinator.run()
        elif end == "start":
            coordinator.start()
            coordinator.wait(60)
        else:
            stepped(coordinator)
    assert diary.lines == inline.lines


def test_a_step_returns_time_items_and_epoch() -> None:
    manager, coordinator = prepared()
    batch = coordinator.step()
    assert batch is not None
    assert batch.time.isoformat() == "2025-07-02T09:31:00-04:00"
    assert [bar.symbol for bar in batch.bars] == ["AAPL", "RIVN"]
    assert batch.epoch == manager.session_data.epoch


def test_run_until_an_instant_between_two_bars_sets_the_clock_there() -> None:
    manager, coordinator = prepared()
    zone = manager.session_data.timezone
    clock = manager.get_time_manager()
    coordinator.step()
    at = clock.get_current_time().replace(minute=44, second=30)
    coordinator.run_until(at)
    assert clock.get_current_time() == at
    newest = max(
        bar.end
        for bar in manager.session_data.get_latest_bars_multi(["MSFT", "AAPL"]).values()
        if bar is not None
    )
    assert newest <= at.astimezone(zone)
    with pytest.raises(ClockError, match="before the clock"):
        coordinator.run_until(at - timedelta(seconds=1))
    # The refusal changed nothing.
    assert coordinator.step() is not None


def test_run_until_a_night_ends_the_session_and_does_not_begin_the_next() -> None:
    manager, coordinator = prepared()
    clock = manager.get_time_manager()
    coordinator.step()
    night = clock.get_current_time().replace(hour=22)
    coordinator.run_until(night)
    store = manager.session_data
    assert store.session_ended
    assert str(store.current_session_date) == "2025-07-02"
    coordinator.run_until(night + timedelta(hours=12))
    assert str(store.current_session_date) == "2025-07-03"


def test_nobody_plays_a_batch_from_inside_one() -> None:
    failures: list[str] = []

    def nested(session: SessionData, bar: object) -> None:
        for call in (coordinator.step, coordinator.run):
            try:
                call()
            except StateError as error:
                failures.append(str(error))
        manager.stop()

    manager, coordinator = prepared(nested)
    coordinator.run()
    assert len(failures) == 4
    assert "inside a batch" in failures[0]
    assert "at work already" in failures[1]


def test_an_analysis_that_raises_ends_the_run_in_every_mode_at_the_same_batch() -> None:
    told = []
    for speed in (0.0, 1e6):
        seen: list[int] = []

        def failing(session: SessionData, bar: object, seen: list[int] = seen) -> None:
            seen.append(1)
            if len(seen) == 1_000:
                text = "enough"
                raise ValueError(text)

        manager, coordinator = prepared(failing, **{SPEED: speed})
        with pytest.raises(AnalysisError, match="enough") as caught:
            coordinator.run()
        assert manager.state == "FAILED"
        assert manager.error is caught.value
        told.append((str(caught.value), manager.session_data.state_hash()))
        assert not manager.session_data.is_active
        assert threads() == set()
    assert told[0] == told[1]


def test_a_store_that_was_stopped_can_be_run_again() -> None:
    manager = SystemManager()
    source = market()
    for _ in range(3):
        coordinator = manager.prepare(config(), source=source).coordinator
        for _ in range(10):
            coordinator.step()
        manager.stop()
        assert manager.state == "STOPPED"
        assert coordinator.stopped_early
        assert coordinator.step() is None
