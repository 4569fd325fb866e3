"""Ctrl-C at any line of a run: it always comes through, and leaves nothing held and no thread behind."""

from __future__ import annotations

import faulthandler
import os
import random
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tapeloom.calendars import TimeManager
from tapeloom.errors import StateError
from tapeloom.system.system_manager import SystemManager
from tests.session.runs import config, market, threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from tapeloom import SessionData
    from tapeloom.session.coordinator import SessionCoordinator

LONGEST = 60.0
SPEED = "backtest_config__speed_multiplier"
SMALL = {
    "backtest_config__start_date": "2025-07-03",
    "backtest_config__end_date": "2025-07-03",
    "session_data_config__symbols": ["MSFT"],
    "session_data_config__streams": ["1m"],
    "session_data_config__historical": {},
}
SOURCE = market("MSFT")
# Python itself may be interrupted between taking a lock and the block it guards; so it is everywhere.
LOCKS = ("control.py", "wheel.py", "subscription.py", "metrics.py")


@pytest.fixture(autouse=True)
def shown_when_stuck() -> Iterator[None]:
    faulthandler.dump_traceback_later(4 * LONGEST, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()
    assert threads() == set()


def by_steps(coordinator: SessionCoordinator) -> None:
    for _ in range(4):
        coordinator.step()
    coordinator.stop()


def at_once(coordinator: SessionCoordinator) -> None:
    coordinator.run()


WAYS: dict[str, tuple[Callable[[SessionCoordinator], None], float]] = {
    "at once": (at_once, 0.0),
    "step by step": (by_steps, 0.0),
    "by the clock": (at_once, 1e9),
}


class Interrupt:
    """Raises KeyboardInterrupt at the n-th line of our session code on the thread that traces, as a signal may."""

    def __init__(self, at: int | None) -> None:
        self.lines, self.at, self.place = 0, at, ""

    def __call__(self, frame: FrameType, event: str, arg: object) -> Any:
        name = frame.f_code.co_filename
        is_ours = f"tapeloom{os.sep}session{os.sep}" in name
        return self.line if is_ours and not name.endswith(LOCKS) else None

    def line(self, frame: FrameType, event: str, arg: object) -> Any:
        if event == "line":
            self.lines += 1
            if self.lines == self.at:
                sys.settrace(None)
                self.place = f"{frame.f_code.co_qualname}, line {frame.f_lineno}"
                raise KeyboardInterrupt
        return self.line


def played(way: str, interrupt: Interrupt) -> tuple[SystemManager, TimeManager]:
    play, speed = WAYS[way]
    times = TimeManager("US_EQUITY")
    manager = SystemManager(time_manager=times)
    seen: list[int] = []

    class Short:
        def on_batch(self, session: SessionData, batch: Any) -> None:
            seen.append(batch.ts)
            if len(seen) == 4:
                manager.stop()

    manager.engine.add(Short())
    run = manager.prepare(config(**SMALL, **{SPEED: speed}), source=SOURCE)
    before = sys.gettrace()
    sys.settrace(interrupt)
    try:
        play(run.coordinator)
    except KeyboardInterrupt:
        pass
    finally:
        sys.settrace(before)
    return manager, times


@pytest.mark.parametrize("way", WAYS)
def test_an_interrupt_at_any_line_leaves_nothing_held(way: str) -> None:
    counting = Interrupt(None)
    played(way, counting)
    chance = random.Random(way)
    lines = sorted(
        chance.sample(range(1, counting.lines + 1), min(120, counting.lines))
    )
    for at in lines:
        interrupt = Interrupt(at)
        manager, times = played(way, interrupt)
        manager.stop(LONGEST)
        place = interrupt.place
        assert manager.state in ("STOPPED", "FAILED"), place
        coordinator = manager.get_session_coordinator()
        assert coordinator.is_finished, place
        assert not coordinator.is_running, place
        assert coordinator.step() is None, place
        assert not manager.session_data.is_active, place
        # The clock is free, and so is the manager.
        times.require_free()
        # Another thread may have a hand in it: nobody holds the wheel.
        other = threading.Thread(target=coordinator.stop)
        other.start()
        other.join(LONGEST)
        assert not other.is_alive(), place
        assert threads() == set(), place


@pytest.mark.parametrize("way", ["run", "wait", "step"])
def test_a_signal_ends_a_wait_and_the_run(way: str) -> None:
    told, called = threading.Event(), threading.Event()

    class Telling:
        def on_session_start(self, session: SessionData) -> None:
            told.set()

        def on_batch(self, session: SessionData, batch: Any) -> None:
            if way == "step":
                signal.raise_signal(signal.SIGINT)

    manager = SystemManager()
    manager.engine.add(Telling())
    # So slow that nothing is due within a test: whoever waits does so until the signal.
    run = manager.prepare(config(**SMALL, **{SPEED: 1e-3}), source=SOURCE)

    def press() -> None:
        # A signal that comes before the call is nobody's here: it would end the test, not the run.
        assert told.wait(LONGEST)
        assert called.wait(LONGEST)
        os.kill(os.getpid(), signal.SIGINT)

    finger = threading.Thread(target=press)
    if way != "step":
        finger.start()
    coordinator = run.coordinator
    ways: dict[str, Callable[[], object]] = {
        "run": coordinator.run,
        "wait": manager.wait,
        "step": coordinator.step,
    }
    if way == "wait":
        coordinator.start()

    def call() -> None:
        called.set()
        ways[way]()

    with pytest.raises(KeyboardInterrupt):
        call()
    if way != "step":
        finger.join()
    manager.stop(LONGEST)
    assert run.coordinator.stopped_early
    assert manager.state == ("FAILED" if way == "step" else "STOPPED")


@pytest.mark.parametrize("speed", [0.0, 1e9])
def test_a_signal_handler_may_stop_the_run_it_interrupts(speed: float) -> None:
    manager = SystemManager()
    told: list[int] = []

    class Pressing:
        def on_batch(self, session: SessionData, batch: Any) -> None:
            told.append(batch.ts)
            if len(told) == 3 and not speed:
                signal.raise_signal(signal.SIGUSR1)
            elif len(told) == 3:
                os.kill(os.getpid(), signal.SIGUSR1)
                # The handler runs on the main thread, which waits for the run.
                assert handled.wait(LONGEST)

    handled = threading.Event()

    def stop(*_: object) -> None:
        handled.set()
        manager.get_session_coordinator().control.stop()
        if not speed:
            manager.stop()

    before = signal.signal(signal.SIGUSR1, stop)
    try:
        manager.engine.add(Pressing())
        run = manager.prepare(config(**SMALL, **{SPEED: speed}), source=SOURCE)
        run.coordinator.run()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert manager.state == "STOPPED"
    assert run.coordinator.stopped_early
    assert len(told) == 3


def test_waiting_for_a_run_from_inside_it_is_refused() -> None:
    refused: list[str] = []

    class Waiting:
        def on_batch(self, session: SessionData, batch: Any) -> None:
            for wait in (manager.wait, run.coordinator.wait):
                with pytest.raises(StateError, match="from inside the run") as caught:
                    wait()
                refused.append(str(caught.value))
            manager.stop()

    manager = SystemManager()
    manager.engine.add(Waiting())
    run = manager.prepare(config(**SMALL, **{SPEED: 1e9}), source=SOURCE)
    run.coordinator.run()
    assert len(refused) == 2
