"""Signals between threads at full speed, under interrupts and over a fork: nothing is lost, nobody waits for ever."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
import warnings
from collections import deque
from typing import TYPE_CHECKING

import pytest

from tapeloom import StreamSubscription
from tapeloom.errors import ForkedSessionError, SubscriptionClosedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

UNITS = 20_000


@pytest.fixture(autouse=True)
def stacks_of_a_deadlock() -> Iterator[None]:
    """Say where every thread stands, before the test is stopped for lasting too long."""
    faulthandler.dump_traceback_later(240)
    # Threads take turns far more often than usual.
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(interval)
    faulthandler.cancel_dump_traceback_later()


class Consumer(threading.Thread):
    """Takes all that is there at each wake, in whatever pieces it comes, until the edge is closed."""

    def __init__(self, edge: StreamSubscription, units: deque[int]) -> None:
        super().__init__()
        self.edge, self.units = edge, units
        self.taken: list[int] = []

    def run(self) -> None:
        try:
            while self.edge.wait_until_ready():
                for _ in range(len(self.units)):
                    self.taken.append(self.units.popleft())
                self.edge.reset()
        except SubscriptionClosedError:
            pass


def test_every_unit_of_a_fast_producer_arrives_once_in_order() -> None:
    edge, units = StreamSubscription("clock-driven", "edge"), deque[int]()
    consumer = Consumer(edge, units)
    consumer.start()
    for unit in range(UNITS):
        units.append(unit)
        edge.signal_ready()
    assert edge.wait_until_acknowledged()
    edge.close()
    consumer.join()
    assert consumer.taken == list(range(UNITS))
    assert 0 <= edge.get_overrun_count() < UNITS


def test_a_handed_over_unit_is_done_when_the_producer_goes_on() -> None:
    edge, units = StreamSubscription("data-driven", "edge"), deque[int]()
    consumer = Consumer(edge, units)
    consumer.start()
    for unit in range(UNITS // 10):
        units.append(unit)
        edge.signal_ready()
        assert edge.wait_until_acknowledged()
        assert len(consumer.taken) == unit + 1
    edge.close()
    consumer.join()
    assert edge.get_overrun_count() == 0
    assert 0 < edge.backpressure_count <= UNITS // 10


def test_many_edges_that_open_and_close_leave_no_thread_waiting() -> None:
    for _ in range(300):
        edge, units = StreamSubscription("live", "edge"), deque[int]()
        consumer = Consumer(edge, units)
        consumer.start()
        units.append(1)
        edge.signal_ready()
        closer = threading.Thread(target=edge.close)
        closer.start()
        closer.join()
        consumer.join()
        assert consumer.taken in ([], [1])


class Interrupts:
    """Interrupts the main thread again and again, but only where it says that it may be."""

    def __init__(self) -> None:
        self.is_welcome = False

    def __enter__(self) -> Interrupts:
        self._before = signal.signal(signal.SIGALRM, self._interrupt)
        signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._before)

    def during(self, wait: Callable[[], object]) -> None:
        self.is_welcome = True
        wait()
        self.is_welcome = False

    def _interrupt(self, signum: int, frame: object) -> None:
        if self.is_welcome:
            self.is_welcome = False
            raise KeyboardInterrupt


def test_an_interrupt_ends_a_wait_that_has_no_other_end() -> None:
    left = StreamSubscription("data-driven", "left")
    right = StreamSubscription("data-driven", "right")
    right.signal_ready()
    with Interrupts() as interrupts:
        for wait in (left.wait_until_ready, right.wait_until_acknowledged) * 5:
            with pytest.raises(KeyboardInterrupt):
                interrupts.during(wait)
    assert not left.is_ready()
    assert right.is_ready()


def test_interrupts_lose_no_signal() -> None:
    edge, units = StreamSubscription("data-driven", "edge"), deque[int]()
    interrupted = threading.Semaphore(0)

    def produce() -> None:
        for unit in range(60):
            # Of two units one comes only after an interrupt, which so meets a wait with nothing ready.
            if unit % 2:
                interrupted.acquire()
            units.append(unit)
            edge.signal_ready()

    producer = threading.Thread(target=produce)
    producer.start()
    taken: list[int] = []
    with Interrupts() as interrupts:
        while len(taken) < 60:
            try:
                interrupts.during(edge.wait_until_ready)
            except KeyboardInterrupt:
                interrupted.release()
                continue
            taken += [units.popleft() for _ in range(len(units))]
            edge.reset()
    producer.join()
    assert taken == list(range(60))
    assert not edge.is_ready()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_child_is_refused_and_the_parent_goes_on() -> None:
    edge = StreamSubscription("live", "edge")
    edge.signal_ready()
    with warnings.catch_warnings():
        # Newer Pythons warn of a fork beside threads, which is what this is about.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        refused = 0
        for call in (edge.signal_ready, edge.wait_until_ready, edge.reset, edge.close):
            try:
                call()
            except ForkedSessionError:
                refused += 1
        is_told = repr(edge).endswith("of the parent process")
        os._exit(0 if refused == 4 and is_told else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert edge.wait_until_ready(0)
