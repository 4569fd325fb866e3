"""The state machine around a run: what is allowed when, and that a run ends in bounded time from wherever it stands."""

from __future__ import annotations

import faulthandler
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import tapeloom
from tapeloom.errors import (
    AnalysisError,
    ArgumentError,
    ArgumentTypeError,
    ConfigError,
    ForkedSessionError,
    MissingDataError,
    StateError,
    UnknownSymbolError,
)
from tapeloom.session.analysis_engine import AnalysisEngine
from tapeloom.system.system_manager import SystemManager, get_system_manager
from tests.session.runs import Diary, config, market, prepared, threads

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tapeloom import BarData, SessionData

SPEED = "backtest_config__speed_multiplier"
# So slow that nothing is due within a test.
CRAWLING = 1e-3
FAST = 1e6
LONGEST = 60.0


@pytest.fixture(autouse=True)
def shown_when_stuck() -> Iterator[None]:
    """Print the stacks of all threads and end, should one of them wait for ever."""
    faulthandler.dump_traceback_later(4 * LONGEST, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()
    assert threads() == set()


class Highest:
    """An indicator of a user: the highest close so far."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.value = 0.0

    def update(self, bar: BarData) -> float:
        self.value = max(self.value, bar.close)
        return self.value


def test_indicators_of_the_user_are_added_before_a_run_and_follow_each_one() -> None:
    manager = SystemManager()
    manager.add_indicator("highest", Highest, warmup=False)
    manager.add_indicator("mean", {"type": "sma", "interval": "5m", "period": 3})
    with pytest.raises(ArgumentError, match="added already"):
        manager.add_indicator("mean", Highest)
    with pytest.raises(ArgumentError, match="must be one of"):
        manager.add_indicator("odd", {"type": "smaa", "period": 3})
    with pytest.raises(ArgumentError, match="symbols is 'AAPL'"):
        manager.add_indicator("odd", Highest, symbols="AAPL")
    for _ in range(2):
        manager.prepare(config(), source=market()).coordinator.run()
        store = manager.session_data
        for symbol in ("MSFT", "AAPL", "RIVN"):
            closes = store.get_bars(symbol).close
            assert store.get_realtime_indicator(symbol, "highest") == closes.max()
            assert store.get_realtime_indicator(symbol, "mean") == pytest.approx(
                store.get_last_n_bars(symbol, 3, "5m").close.mean()
            )


class Gate:
    """An analysis that waits inside its first call until it is let go."""

    def __init__(self) -> None:
        self.entered, self.open = threading.Event(), threading.Event()

    def on_bar(self, session: SessionData, bar: object) -> None:
        self.entered.set()
        assert self.open.wait(LONGEST)


def started(*analyses: object, speed: float = 0.0, **changes: object) -> SystemManager:
    manager, coordinator = prepared(*analyses, **{SPEED: speed}, **changes)
    coordinator.start()
    return manager


def test_a_new_manager_is_stopped_and_has_no_parts() -> None:
    manager = SystemManager()
    assert manager.state == "STOPPED"
    assert manager.error is None
    assert (manager.mode, manager.timezone, manager.exchange_group) == (None,) * 3
    for part in ("session_data", "plan", "metrics"):
        with pytest.raises(StateError, match=r"start\(\) makes one"):
            getattr(manager, part)
    assert manager.wait(0)
    manager.stop()


def test_a_run_that_came_to_its_end_leaves_the_manager_stopped() -> None:
    manager = started()
    assert manager.wait(LONGEST)
    assert manager.state == "STOPPED"
    assert manager.mode == "backtest"
    assert manager.exchange_group == "US_EQUITY"
    assert str(manager.timezone) == "America/New_York"
    assert str(manager.backtest_start_date) == "2025-07-02"
    assert str(manager.backtest_end_date) == "2025-07-07"
    assert [str(s.session_date) for s in manager.result().sessions] == [
        "2025-07-02",
        "2025-07-03",
        "2025-07-07",
    ]


def test_a_run_is_paused_and_resumed_and_tells_the_same() -> None:
    whole, halting = Diary(), Diary()
    _, coordinator = prepared(whole)
    coordinator.run()
    gate = Gate()
    manager = started(gate, halting)
    assert gate.entered.wait(LONGEST)
    manager.pause()
    assert manager.state == "PAUSED"
    with pytest.raises(StateError, match="manager is PAUSED"):
        manager.pause()
    gate.open.set()
    # A paused run can be stepped through by hand.
    for _ in range(5):
        assert manager.get_session_coordinator().step() is not None
    manager.resume()
    assert manager.wait(LONGEST)
    assert halting.lines == whole.lines


def test_a_manager_that_runs_refuses_what_does_not_fit() -> None:
    gate = Gate()
    with started(gate) as manager:
        assert gate.entered.wait(LONGEST)
        assert manager.state == "RUNNING"
        for call in (manager.resume, lambda: manager.start(config())):
            with pytest.raises(StateError, match="manager is RUNNING"):
                call()
        with pytest.raises(StateError, match="manager is RUNNING"):
            AnalysisEngine(manager)
        with pytest.raises(StateError, match="pause it before step"):
            manager.get_session_coordinator().step()
        gate.open.set()
    assert manager.state == "STOPPED"


@pytest.mark.parametrize("speed", [0.0, CRAWLING, FAST])
def test_stop_while_paused_ends_at_once(speed: float) -> None:
    manager = started(speed=speed, **{"backtest_config__end_date": "2025-07-09"})
    try:
        manager.pause()
    except StateError:
        # At once means that it may be over already.
        assert speed == 0.0
    manager.stop(LONGEST)
    assert manager.state == "STOPPED"
    manager.stop()


def test_stop_while_a_clock_waits_for_the_next_minute_ends_at_once() -> None:
    manager = started(speed=CRAWLING)
    manager.stop(LONGEST)
    assert manager.state == "STOPPED"
    assert manager.get_session_coordinator().stopped_early


@pytest.mark.parametrize("speed", [0.0, FAST])
def test_stop_from_inside_an_analysis_ends_after_the_batch(speed: float) -> None:
    told: list[int] = []

    def stopping(session: SessionData, batch: Any) -> None:
        told.append(len(batch))
        if len(told) == 10:
            manager.stop()

    class Stopping:
        on_batch = staticmethod(stopping)

    manager, coordinator = prepared(Stopping(), **{SPEED: speed})
    coordinator.start()
    assert manager.wait(LONGEST)
    assert len(told) == 10
    assert manager.state == "STOPPED"


@pytest.mark.parametrize("speed", [0.0, FAST])
def test_stop_does_not_wait_for_ever_for_an_analysis_that_does_not_return(
    speed: float,
) -> None:
    gate = Gate()
    manager = started(gate, speed=speed)
    assert gate.entered.wait(LONGEST)
    manager.stop(0.01)
    assert manager.state == "FAILED"
    assert "does not return" in str(manager.error)
    gate.open.set()
    manager.get_session_coordinator().stop(LONGEST)
    for thread in threading.enumerate():
        if thread.name.startswith("tapeloom-"):
            thread.join(LONGEST)


@pytest.mark.parametrize("speed", [0.0, FAST])
def test_a_run_whose_analysis_raises_fails_and_may_start_again(speed: float) -> None:
    def failing(session: SessionData, bar: object) -> None:
        1 / 0  # noqa: B018

    manager = started(failing, speed=speed)
    with pytest.raises(AnalysisError, match="ZeroDivisionError"):
        manager.wait(LONGEST)
    assert manager.state == "FAILED"
    assert isinstance(manager.error, AnalysisError)
    AnalysisEngine(manager)
    manager.prepare(config(), source=market()).coordinator.run()
    assert manager.state == "STOPPED"
    assert manager.error is None


@pytest.mark.parametrize("speed", [0.0, FAST])
def test_what_ends_a_program_ends_a_run_too(speed: float) -> None:
    def leaving(session: SessionData, bar: object) -> None:
        raise SystemExit(3)

    manager = started(leaving, speed=speed)
    with pytest.raises(SystemExit):
        manager.wait(LONGEST)
    assert manager.state == "FAILED"


@pytest.mark.parametrize("speed", [0.0, FAST])
def test_a_symbol_that_is_removed_while_it_is_read_leaves_readers_whole(
    speed: float,
) -> None:
    done, failures = threading.Event(), list[BaseException]()
    gone: list[str] = []

    def read() -> None:
        store = manager.session_data
        try:
            # Held since before it went: what was read stays whole.
            while not done.is_set() and "RIVN" in store.get_active_symbols():
                bars = handle.get_bars("1m")
                assert len(bars.close) == len(bars.ts)
        except UnknownSymbolError:
            # The handle says that its symbol was removed.
            gone.append("RIVN")
        except BaseException as error:
            failures.append(error)

    class Removing:
        def on_batch(self, session: SessionData, batch: Any) -> None:
            if batch.time.hour == 10 and "RIVN" in session.get_active_symbols():
                coordinator.remove_symbol("RIVN")

    manager, coordinator = prepared(Removing(), **{SPEED: speed})
    handle = manager.session_data["RIVN"]
    reader = threading.Thread(target=read)
    reader.start()
    coordinator.run()
    done.set()
    reader.join()
    assert failures == []
    assert manager.session_data.get_active_symbols() == {"MSFT", "AAPL"}


def test_a_start_that_fails_undoes_everything(tmp_path: Path) -> None:
    before = tapeloom.get_session_data()
    manager = SystemManager(tmp_path)
    with pytest.raises(ConfigError, match="session_name"):
        manager.start({})
    assert manager.state == "FAILED"
    with pytest.raises(MissingDataError):
        manager.start(config())
    with pytest.raises(MissingDataError):
        manager.wait()
    assert isinstance(manager.error, MissingDataError)
    assert tapeloom.get_session_data() is before


def test_the_engine_takes_nothing_but_a_store_or_a_manager() -> None:
    with pytest.raises(ArgumentTypeError, match="SessionData or a SystemManager"):
        AnalysisEngine(7)  # type: ignore[arg-type]


def test_there_is_one_manager_for_the_process() -> None:
    assert get_system_manager() is get_system_manager()
    assert tapeloom.get_system_manager() is get_system_manager()


def test_the_state_is_ready_for_json_whole_and_since_an_epoch() -> None:
    manager, coordinator = prepared()
    assert json.loads(json.dumps(SystemManager().system_info()))["state"] == "STOPPED"
    for _ in range(20):
        coordinator.step()
    epoch = manager.session_data.epoch
    brief = json.loads(json.dumps(manager.system_info()))
    assert brief["session_date"] == "2025-07-02"
    assert "plan" not in brief
    whole = json.loads(json.dumps(manager.system_info(complete=True)))
    assert whole["plan"]["symbols"][0]["symbol"] == "MSFT"
    assert whole["config"]["session_name"] == "made up"
    coordinator.step()
    changed = json.loads(json.dumps(manager.system_info(since_epoch=epoch)))
    assert len(str(changed)) < len(str(whole)) / 2
    assert changed["session_data"]["epoch"] > epoch
    manager.stop()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_is_refused_and_its_parent_goes_on() -> None:
    manager, coordinator = prepared()
    coordinator.step()
    child = os.fork()
    if child == 0:
        codes = []
        for call in (lambda: manager.state, coordinator.step, manager.stop):
            try:
                call()
                codes.append(1)
            except ForkedSessionError:
                codes.append(0)
            except BaseException:
                codes.append(2)
        os._exit(sum(codes))
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert coordinator.step() is not None
    manager.stop()


FORGETFUL = """
from tests.session.runs import prepared
_, coordinator = prepared(**{"backtest_config__speed_multiplier": 1.0})
coordinator.start()
"""


def test_a_program_that_forgets_its_run_leaves_quietly() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORGETFUL],
        capture_output=True,
        text=True,
        timeout=LONGEST,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_many_starts_and_stops_leave_nothing_behind() -> None:
    source, handles = market(), Path("/proc/self/fd")
    files = len(list(handles.iterdir())) if handles.is_dir() else 0
    for turn in range(40):
        speed = FAST if turn % 2 else 0.0
        manager, coordinator = prepared(source=source, **{SPEED: speed})
        coordinator.start()
        if turn % 3 == 0:
            coordinator.wait(LONGEST)
        manager.stop(LONGEST)
        assert manager.state == "STOPPED"
        assert threads() == set()
    if files:
        assert len(list(handles.iterdir())) <= files + 2
