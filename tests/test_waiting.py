"""Waits that have no end of their own: Ctrl-C ends them, though nobody wakes the main thread for it."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import CancelledError, Future
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from tapeloom.live import AlpacaFeed, FeedServer, ReplayFeed
from tapeloom.live.event_queue import EventQueue
from tapeloom.session.wheel import Wheel
from tapeloom.storage.prefetch import Prefetch
from tapeloom.system.system_manager import SystemManager
from tapeloom.waiting import result_of, sleep, wait_for
from tests.live.recorded import bars_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LONGEST = 60.0


Wait: TypeAlias = "Callable[[], object]"


@contextmanager
def an_event() -> Iterator[Wait]:
    yield lambda: wait_for(threading.Event().wait)


@contextmanager
def a_future() -> Iterator[Wait]:
    yield lambda: result_of(Future[None]())


@contextmanager
def some_time() -> Iterator[Wait]:
    yield lambda: sleep(LONGEST)


@contextmanager
def the_next_event() -> Iterator[Wait]:
    yield lambda: next(iter(EventQueue()))


@contextmanager
def room_for_an_event() -> Iterator[Wait]:
    queue, (first, second) = EventQueue(1), bars_of("AAPL", 2)
    queue.put(first)
    yield lambda: queue.put(second)


@contextmanager
def the_next_bar_of_a_replay() -> Iterator[Wait]:
    feed = ReplayFeed([bars_of("AAPL")], speed=0.001)
    feed.connect(["AAPL"])
    events = iter(feed.events())
    next(events)
    yield lambda: next(events)


@contextmanager
def a_block() -> Iterator[Wait]:
    def load(number: int, cancelled: threading.Event) -> None:
        if number:
            cancelled.wait(LONGEST)

    with Prefetch(load, 2) as blocks:
        blocks.take()
        yield blocks.take


@contextmanager
def beside(work: Callable[[Wait], object]) -> Iterator[None]:
    """Have something done by another thread, which waits in the midst of it until the end."""
    waits, may_go_on = threading.Event(), threading.Event()

    def hold() -> None:
        waits.set()
        may_go_on.wait(LONGEST)

    thread = threading.Thread(target=work, args=(hold,))
    thread.start()
    assert waits.wait(LONGEST)
    try:
        yield
    finally:
        may_go_on.set()
        thread.join()


@contextmanager
def the_wheel() -> Iterator[Wait]:
    wheel = Wheel()

    def play(hold: Wait) -> None:
        with wheel.held():
            hold()

    with beside(play):
        yield wheel.take


@contextmanager
def a_run_that_is_being_started() -> Iterator[Wait]:
    manager = SystemManager()

    def start(hold: Wait) -> None:
        def wire() -> Any:
            hold()
            raise ZeroDivisionError

        with suppress(ZeroDivisionError):
            manager._prepared(wire)

    with beside(start):
        yield manager.wait


@contextmanager
def a_vendor_that_says_nothing() -> Iterator[Wait]:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        feed = AlpacaFeed("k", "s", url_override=f"ws://127.0.0.1:{port}")
        yield lambda: feed.connect(["AAPL"])
        feed.close()


@contextmanager
def the_end_of_a_server() -> Iterator[Wait]:
    with FeedServer([bars_of("AAPL")]) as server:
        yield server.wait
        # It can be closed all the same.
        server.close()
        assert server.wait(0)


@contextmanager
def subscribers() -> Iterator[Wait]:
    with FeedServer([bars_of("AAPL")]) as server:
        yield lambda: server.wait_for_subscribers(timeout=LONGEST)


class Interrupted:
    """Has the main thread interrupted once it waits, by a signal that another thread takes."""

    def __init__(self) -> None:
        self._helper = threading.Thread(target=self._interrupt)

    def __enter__(self) -> None:
        self._helper.start()

    def __exit__(self, *_: object) -> None:
        # It is not only on its way.
        self._helper.join()

    def _interrupt(self) -> None:
        given_up = time.monotonic() + LONGEST
        while not self._waits() and time.monotonic() < given_up:
            # Let the main thread go on.
            time.sleep(0)
        signal.raise_signal(signal.SIGINT)

    def _waits(self) -> bool:
        main = threading.main_thread().ident
        assert main is not None
        frame = sys._current_frames().get(main)
        while frame is not None and frame.f_code is not wait_for.__code__:
            frame = frame.f_back
        return frame is not None


@pytest.mark.skipif(sys.platform == "win32", reason="signals to a thread are POSIX's")
@pytest.mark.parametrize(
    "waiting",
    [
        an_event,
        a_future,
        some_time,
        the_next_event,
        room_for_an_event,
        the_next_bar_of_a_replay,
        a_block,
        the_wheel,
        a_run_that_is_being_started,
        a_vendor_that_says_nothing,
        the_end_of_a_server,
        subscribers,
    ],
)
def test_an_interrupt_ends_a_wait_that_nobody_wakes(
    waiting: Callable[[], AbstractContextManager[Wait]],
) -> None:
    with waiting() as wait, pytest.raises(KeyboardInterrupt), Interrupted():
        wait()


def test_a_wait_says_whether_it_came_in_time() -> None:
    event = threading.Event()
    assert not wait_for(event.wait, 0.0)
    event.set()
    assert wait_for(event.wait, 0.0)
    assert wait_for(event.wait)


def test_a_longer_wait_is_cut_into_slices() -> None:
    asked: list[float] = []

    def come(seconds: float) -> bool:
        asked.append(seconds)
        return len(asked) == 5

    assert wait_for(come, LONGEST)
    assert asked == [0.1] * 5


def test_a_future_comes_to_its_result_or_its_error() -> None:
    good, bad = Future[int](), Future[int]()
    good.set_result(3)
    bad.set_exception(TimeoutError("its own"))
    assert result_of(good) == 3
    with pytest.raises(TimeoutError, match="its own"):
        result_of(bad)


def test_a_future_that_nobody_brings_about_any_more_is_cancelled() -> None:
    given_up, left, kept = Future[int](), Future[int](), Future[int]()
    given_up.cancel()
    with pytest.raises(CancelledError):
        result_of(given_up)
    worker = threading.Thread(target=kept.set_result, args=(3,))
    worker.start()
    assert result_of(kept, worker=worker) == 3
    with pytest.raises(CancelledError):
        result_of(left, worker=worker)


POOL = """
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from tapeloom.waiting import is_exiting, wait_for

never = Event()
assert not is_exiting()
ThreadPoolExecutor().submit(wait_for, lambda s: never.wait(s) or is_exiting())
"""


def test_a_pool_that_waits_knows_that_the_interpreter_ends() -> None:
    subprocess.run([sys.executable, "-c", POOL], check=True, timeout=LONGEST)
