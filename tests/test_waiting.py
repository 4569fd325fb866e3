"""Waits that have no end of their own: Ctrl-C ends them, though nobody wakes the main thread for it."""

from __future__ import annotations

import signal
import socket
import sys
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from tapeloom.live import AlpacaFeed, FeedServer, ReplayFeed
from tapeloom.live.event_queue import EventQueue
from tapeloom.session.wheel import Wheel
from tapeloom.storage.prefetch import Prefetch
from tapeloom.system.system_manager import SystemManager
from tapeloom.waiting import result_of, sleep, wait_for
from tests.live.recorded import bars_of

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST = 60.0


def an_event() -> None:
    wait_for(threading.Event().wait)


def a_future() -> None:
    result_of(Future[None]())


def some_time() -> None:
    sleep(LONGEST)


def the_next_event() -> None:
    next(iter(EventQueue()))


def room_for_an_event() -> None:
    queue = EventQueue(1)
    for bar in bars_of("AAPL", 2):
        queue.put(bar)


def the_next_bar_of_a_replay() -> None:
    feed = ReplayFeed([bars_of("AAPL")], speed=0.001)
    feed.connect(["AAPL"])
    list(feed.events())


def a_block() -> None:
    def load(number: int, cancelled: threading.Event) -> None:
        if number:
            cancelled.wait(LONGEST)

    with Prefetch(load, 2) as blocks:
        blocks.take()
        blocks.take()


def the_wheel() -> None:
    wheel, taken, let_go = Wheel(), threading.Event(), threading.Event()

    def hold() -> None:
        with wheel.held():
            taken.set()
            let_go.wait(LONGEST)

    holder = threading.Thread(target=hold)
    holder.start()
    taken.wait(LONGEST)
    try:
        wheel.take()
    finally:
        let_go.set()
        holder.join()


def a_vendor_that_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        feed = AlpacaFeed("k", "s", url_override=f"ws://127.0.0.1:{port}")
        try:
            feed.connect(["AAPL"])
        finally:
            feed.close()


def the_end_of_a_server() -> None:
    with FeedServer([bars_of("AAPL")]) as server:
        try:
            server.wait()
        finally:
            server.close()
            assert server.wait(0)


def subscribers() -> None:
    with FeedServer([bars_of("AAPL")]) as server:
        server.wait_for_subscribers(timeout=LONGEST)


def a_run_that_is_being_started() -> None:
    manager, waits, let_go = SystemManager(), threading.Event(), threading.Event()

    def start() -> None:
        with suppress(ZeroDivisionError):
            manager._prepared(wire)

    def wire() -> Any:
        waits.set()
        let_go.wait(LONGEST)
        raise ZeroDivisionError

    starter = threading.Thread(target=start)
    starter.start()
    waits.wait(LONGEST)
    try:
        manager.wait()
    finally:
        let_go.set()
        starter.join()


class Interrupted:
    """Has the main thread interrupted meanwhile, once it seems to wait, by a signal that another thread takes."""

    def __init__(self) -> None:
        self._helper = threading.Thread(target=self._interrupt)

    def __enter__(self) -> None:
        self._helper.start()

    def __exit__(self, *_: object) -> None:
        # Whatever else happened: it comes here, and not later.
        self._helper.join()

    def _interrupt(self) -> None:
        before = None
        while (now := self._place()) != before:
            before = now
            for _ in range(100):
                # Let the main thread go on.
                time.sleep(0)
        signal.raise_signal(signal.SIGINT)

    def _place(self) -> object:
        main = threading.main_thread().ident
        assert main is not None
        frame = sys._current_frames()[main]
        return frame, frame.f_lasti


@pytest.mark.skipif(sys.platform == "win32", reason="signals to a thread are POSIX's")
@pytest.mark.parametrize(
    "wait",
    [
        an_event,
        a_future,
        some_time,
        the_next_event,
        room_for_an_event,
        the_next_bar_of_a_replay,
        a_block,
        the_wheel,
        a_vendor_that_says_nothing,
        the_end_of_a_server,
        subscribers,
        a_run_that_is_being_started,
    ],
)
def test_an_interrupt_ends_a_wait_that_nobody_wakes(wait: Callable[[], None]) -> None:
    with pytest.raises(KeyboardInterrupt), Interrupted():
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
