"""However a run ends, it ends: every mode with every way to be in the middle of something; nothing is left behind."""

from __future__ import annotations

import faulthandler
import gc
import random
import subprocess
import sys
import threading
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tapeloom import reset_session_data
from tapeloom.errors import AnalysisError, StateError
from tapeloom.system.system_manager import SystemManager
from tests.session.memory import MemorySource
from tests.session.runs import (
    Diary,
    config,
    market,
    market_tapes,
    prepared,
    threads,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tapeloom import SessionData
    from tapeloom.session.coordinator import SessionCoordinator

LONGEST = 60.0
SPEED = "backtest_config__speed_multiplier"
END = "backtest_config__end_date"
SOURCE = market()
SMALL = {
    "backtest_config__start_date": "2025-07-03",
    END: "2025-07-03",
    "session_data_config__symbols": ["MSFT"],
    "session_data_config__streams": ["1m"],
    "session_data_config__historical": {},
}
# On a thread at once; slow enough for batches to be waited for; as fast as can be.
SPEEDS = {"data-driven": 0.0, "by the clock": 60_000.0, "overrun": 1e9}


@pytest.fixture(autouse=True)
def shown_when_stuck() -> Iterator[None]:
    """Print the stacks of all threads and end, should one of them wait for ever."""
    faulthandler.dump_traceback_later(4 * LONGEST, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()
    assert threads() == set()


class Scene:
    """An analysis that does something at its third batch, then goes on or not."""

    def __init__(self, what: str) -> None:
        self.what, self.batches = what, 0
        self.reached, self.go_on = threading.Event(), threading.Event()
        self.manager: SystemManager
        self.coordinator: SessionCoordinator

    def on_batch(self, session: SessionData, batch: Any) -> None:
        self.batches += 1
        if self.batches != 3:
            return
        self.reached.set()
        getattr(self, self.what)(session)

    def slow(self, session: SessionData) -> None:
        assert self.go_on.wait(LONGEST)

    def blocked(self, session: SessionData) -> None:
        assert self.go_on.wait(LONGEST)

    def raising(self, session: SessionData) -> None:
        raise ValueError("enough")

    def stopping(self, session: SessionData) -> None:
        self.manager.stop()
        assert self.manager.state == "STOPPING"

    def pausing(self, session: SessionData) -> None:
        self.manager.pause()

    def removing(self, session: SessionData) -> None:
        bars = session.get_bars("MSFT")
        self.coordinator.remove_symbol("MSFT")
        # It goes after the batch.
        assert session.get_bars("MSFT") == bars


@pytest.mark.parametrize("speed", SPEEDS.values(), ids=SPEEDS)
@pytest.mark.parametrize(
    "what", ["slow", "blocked", "raising", "stopping", "pausing", "removing"]
)
def test_every_mode_ends_whatever_it_is_in_the_middle_of(
    what: str, speed: float
) -> None:
    scene = Scene(what)
    manager, coordinator = prepared(scene, source=SOURCE, **SMALL, **{SPEED: speed})
    scene.manager, scene.coordinator = manager, coordinator
    coordinator.start()
    assert scene.reached.wait(LONGEST)
    if what == "raising":
        with pytest.raises(AnalysisError, match="enough"):
            manager.wait(LONGEST)
        assert manager.state == "FAILED"
    elif what == "stopping":
        assert manager.wait(LONGEST)
    elif what == "blocked":
        stopper = threading.Thread(target=manager.stop, args=(LONGEST,))
        stopper.start()
        while manager.state != "STOPPING":
            pass
        scene.go_on.set()
        stopper.join(LONGEST)
    else:
        scene.go_on.set()
        if what == "pausing":
            while manager.state != "PAUSED":
                pass
        elif what == "removing":
            assert manager.wait(LONGEST)
            assert manager.session_data.get_active_symbols() == set()
        manager.stop(LONGEST)
    if what in ("raising", "stopping", "blocked", "pausing"):
        assert scene.batches == 3
    assert manager.state == ("FAILED" if what == "raising" else "STOPPED")
    assert coordinator.is_finished
    assert not manager.session_data.is_active


@pytest.mark.parametrize("speed", [0.0, 1e9])
@pytest.mark.parametrize("what", ["stop", "pause"])
def test_what_the_start_of_a_session_asks_for_comes_before_its_first_batch(
    what: str, speed: float
) -> None:
    asked = threading.Event()
    diary = Diary()

    class Asking:
        def on_session_start(self, session: SessionData) -> None:
            getattr(manager, what)()
            coordinator.add_symbol("LATE")
            asked.set()

    manager, coordinator = prepared(Asking(), diary, source=SOURCE, **{SPEED: speed})
    coordinator.start()
    assert asked.wait(LONGEST)
    if what == "pause":
        # What was played by hand is what was not played before.
        batch = coordinator.step()
        assert batch is not None
        assert batch.time.strftime("%H:%M") == "09:31"
        assert "LATE" in {bar.symbol for bar in batch.bars}
    manager.stop(LONGEST)
    batches = [line for line in diary.lines if len(line) == 5]
    assert len(batches) == (1 if what == "pause" else 0)


@pytest.mark.parametrize("speed", [0.0, 1e9])
def test_a_run_that_is_over_stays_as_it_is(speed: float) -> None:
    manager, coordinator = prepared(source=SOURCE, **SMALL, **{SPEED: speed})
    coordinator.run()
    state = manager.session_data.state_hash()
    coordinator.run()
    assert coordinator.step() is None
    coordinator.run_until(manager.get_time_manager().get_current_time())
    with pytest.raises(StateError, match="the run is over"):
        coordinator.start()
    assert manager.session_data.state_hash() == state
    assert not coordinator.stopped_early


def test_a_start_that_is_stopped_meanwhile_does_not_begin() -> None:
    wiring, stopped = threading.Event(), threading.Event()

    class Slow(MemorySource):
        def get_symbols(self) -> list[str]:
            wiring.set()
            assert stopped.wait(LONGEST)
            return super().get_symbols()

    manager = SystemManager()
    # A run before it has nothing to do with it.
    manager.prepare(config(**SMALL), source=SOURCE).coordinator.run()
    refused: list[BaseException] = []

    def prepare() -> None:
        try:
            manager.prepare(config(**SMALL), source=Slow(market_tapes()))
        except StateError as error:
            refused.append(error)

    preparing = threading.Thread(target=prepare)
    preparing.start()
    assert wiring.wait(LONGEST)
    assert manager.state == "STARTING"
    assert not manager.wait(0)
    # It waits no longer than it is told to, and the start is given up all the same.
    manager.stop(0.0)
    with pytest.raises(StateError, match="STARTING"):
        manager.prepare(config(**SMALL), source=SOURCE)
    stopped.set()
    preparing.join(LONGEST)
    assert manager.state == "STOPPED"
    assert "stopped before the run was wired" in str(refused[0])


def test_a_thousand_starts_and_stops_leave_no_thread_or_file_behind() -> None:
    handles = Path("/proc/self/fd")
    chance = random.Random(11)

    def turn(number: int) -> None:
        speed = (0.0, 1e9, 1e-3)[number % 3]
        manager, coordinator = prepared(source=SOURCE, **SMALL, **{SPEED: speed})
        how = chance.randrange(4)
        if how:
            coordinator.start()
        else:
            coordinator.step()
        if how == 2 and speed != 1e-3:
            assert coordinator.wait(LONGEST)
        manager.stop(LONGEST)
        assert manager.state == "STOPPED"

    for number in range(30):
        turn(number)
    files = len(list(handles.iterdir())) if handles.is_dir() else 0
    for number in range(970):
        turn(number)
    assert threads() == set()
    if files:
        assert len(list(handles.iterdir())) <= files + 2


def test_a_run_that_nobody_holds_leaves_no_store_behind() -> None:
    def play() -> weakref.ref[object]:
        manager, coordinator = prepared(source=SOURCE, **SMALL)
        coordinator.run()
        return weakref.ref(manager.session_data.records)

    gone = play()
    # The newest one is the default of the process.
    reset_session_data()
    # A batch hides that it holds its store, so the store goes one turn after the run.
    gc.collect()
    gc.collect()
    assert gone() is None


LEAVING = """
import sys, threading, time, random
from tests.session.runs import prepared
chance = random.Random(int(sys.argv[1]))
what = chance.choice(["busy", "asleep", "plain", "plain"])
speed = chance.choice([0.0, 1e6, 1e3])
entered = threading.Event()
class Analysis:
    def on_bar(self, session, bar):
        entered.set()
        while what == "busy":
            pass
        if what == "asleep":
            threading.Event().wait()
manager, coordinator = prepared(Analysis(), backtest_config__speed_multiplier=speed)
coordinator.start()
entered.wait()
for _ in range(chance.randrange(200_000)):
    pass
"""


@pytest.mark.parametrize("first", [0, 8, 16])
def test_a_program_that_leaves_at_any_moment_does_so_quietly(first: int) -> None:
    for seed in range(first, first + 8):
        done = subprocess.run(
            [sys.executable, "-c", LEAVING, str(seed)],
            capture_output=True,
            text=True,
            timeout=LONGEST,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), seed
