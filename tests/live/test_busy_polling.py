"""The loop of a feed: awake where messages come soon after each other, asleep as ever where they do not."""

from __future__ import annotations

import asyncio
import os
import selectors
import socket
import sys
import threading
from random import Random
from typing import TYPE_CHECKING

import pytest

from tapeloom.live.busy_polling import (
    EARNED_NS,
    MOST_AWAKE_NS,
    BusyPollingSelector,
    new_event_loop,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="loops there do not select"
)
SOON = EARNED_NS // 2


class Script:
    """A selector over a pipe; a clock that is set by hand, and a note of each wait."""

    def __init__(self) -> None:
        self.now = 10**12
        #: For how long it would have stayed awake, ns.
        self.waits: list[int] = []
        self.reader, self.writer = os.pipe()
        #: What happens while it is awake.
        self.meanwhile: Callable[[], object] | None = None
        self.selector = BusyPollingSelector(lambda _: self._wait, lambda: self.now)
        self.selector.register(self.reader, selectors.EVENT_READ)

    def _wait(self, ns: int) -> bool:
        self.waits.append(ns)
        if self.meanwhile is None:
            self.now += ns
            return False
        self.meanwhile()
        return True

    def put(self) -> None:
        os.write(self.writer, b"x")

    def found(self, timeout: float | None = None) -> bool:
        """Whether something was found; it is read."""
        if not self.selector.select(timeout):
            return False
        os.read(self.reader, 1)
        return True

    def comes_after(self, ns: int, events: int = 1) -> bool:
        """Let a message of so many events come so long after what is now."""
        self.now += ns
        self.put()
        found = self.found()
        self.selector.earn(events)
        return found

    def close(self) -> None:
        self.selector.close()
        os.close(self.reader)
        os.close(self.writer)


@pytest.fixture
def script() -> Iterator[Script]:
    made = Script()
    yield made
    made.close()


def test_what_comes_seldom_is_waited_for_asleep(script: Script) -> None:
    for _ in range(5):
        assert script.comes_after(EARNED_NS + 1)
        assert not script.found(0.0)
    assert not script.found(0.001)
    assert script.waits == []


@pytest.mark.parametrize("events", [1, 4, 16])
def test_after_two_messages_within_what_one_earned_the_next_is_waited_for_awake(
    script: Script, events: int
) -> None:
    earned = events * EARNED_NS
    pause = earned // 2
    assert script.comes_after(earned * 10, events)
    assert script.comes_after(pause, events)
    script.meanwhile = script.put
    assert script.found()
    assert script.waits == [min(MOST_AWAKE_NS, earned + earned - pause)]


def test_what_earns_nothing_is_waited_for_asleep(script: Script) -> None:
    assert script.comes_after(10 * EARNED_NS)
    for _ in range(5):
        assert script.comes_after(SOON, events=0)
    assert not script.found(0.001)
    assert script.waits == []


def test_what_else_wakes_it_leaves_it_awake_for_as_long_and_no_longer(
    script: Script,
) -> None:
    assert script.comes_after(10 * EARNED_NS)
    assert script.comes_after(SOON)
    left = 2 * EARNED_NS - SOON
    script.meanwhile = script.put
    for _ in range(3):
        # Such as a call from another thread.
        assert script.found()
        script.now += 1_000
    assert script.waits == [left, left - 1_000, left - 2_000]
    script.meanwhile = None
    script.now += left
    assert not script.found(0.001)
    assert len(script.waits) == 3


def test_what_is_there_already_is_found_without_a_wait(script: Script) -> None:
    assert script.comes_after(EARNED_NS)
    for _ in range(3):
        assert script.comes_after(SOON)
    assert script.waits == []


def test_a_pause_puts_it_to_sleep_again(script: Script) -> None:
    assert script.comes_after(10 * EARNED_NS)
    assert script.comes_after(SOON)
    assert not script.found(0.001)
    assert len(script.waits) == 1
    # Nothing came while it was awake, so it has slept since; and this came late.
    assert script.comes_after(2 * EARNED_NS)
    assert not script.found(0.001)
    assert len(script.waits) == 1


def test_where_a_stream_came_for_a_while_a_pause_is_waited_through_awake(
    script: Script,
) -> None:
    assert script.comes_after(10 * EARNED_NS)
    for _ in range(8):
        assert script.comes_after(SOON)
    script.meanwhile = script.put
    assert script.found()
    assert script.waits == [EARNED_NS + 8 * SOON]
    script.meanwhile = None
    # It uses up what was earned before.
    assert script.comes_after(5 * SOON)
    assert not script.found(0.5)
    assert script.waits[1:] == [EARNED_NS + 8 * SOON - 5 * SOON + EARNED_NS]


def test_a_stream_that_came_for_long_is_waited_for_no_longer_than_the_most(
    script: Script,
) -> None:
    for _ in range(3 * MOST_AWAKE_NS // SOON):
        assert script.comes_after(SOON)
    assert not script.found(0.5)
    assert script.waits == [MOST_AWAKE_NS]


def test_it_is_awake_for_no_longer_than_what_came_has_earned(script: Script) -> None:
    numbers = Random(7)
    events = 0
    for _ in range(2_000):
        if numbers.random() < 0.2:
            script.found(numbers.random() * 0.01)
        brought = numbers.choice((0, 1, 1, 1, 20))
        events += brought
        assert script.comes_after(int(numbers.expovariate(1 / SOON)), brought)
    assert len(script.waits) > 100
    assert sum(script.waits) <= events * EARNED_NS


def test_where_nothing_comes_it_is_awake_once_and_sleeps_from_then_on(
    script: Script,
) -> None:
    assert script.comes_after(10 * EARNED_NS)
    assert script.comes_after(0)
    for _ in range(5):
        assert not script.found(0.001)
    assert script.waits == [2 * EARNED_NS]
    assert script.comes_after(SOON, events=3)
    for _ in range(3):
        assert not script.found(0.0004)
    # In parts, where whoever asks has other things to do meanwhile.
    assert script.waits[1:] == [400_000, 400_000, 100_000]


def test_the_time_it_was_awake_is_part_of_the_time_it_waits(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float | None] = []
    plain = selectors.DefaultSelector.select

    def select(
        self: selectors.DefaultSelector, timeout: float | None = None
    ) -> list[tuple[selectors.SelectorKey, int]]:
        slept.append(timeout)
        return plain(self, 0)

    assert script.comes_after(10 * EARNED_NS)
    assert script.comes_after(0)
    monkeypatch.setattr(selectors.DefaultSelector, "select", select)
    assert script.selector.select(0.01) == []
    assert slept == [0, pytest.approx(0.01 - 2 * EARNED_NS / 1e9)]
    assert script.selector.select(0.01) == []
    assert slept[2:] == [0.01]


def test_it_stays_awake_no_longer_than_whoever_asks_would_wait(script: Script) -> None:
    assert script.comes_after(10 * EARNED_NS)
    assert script.comes_after(SOON)
    assert not script.found(0.0)
    assert not script.found(-1.0)
    assert script.waits == []
    assert not script.found(0.0001)
    assert script.waits == [100_000]


def test_the_wait_of_the_core_ends_with_the_first_byte() -> None:
    from tapeloom._core import BusyPoll

    reader, writer = os.pipe()
    try:
        waiting = BusyPoll(reader)
        assert not waiting.wait(1_000)
        thread = threading.Thread(target=os.write, args=(writer, b"x"))
        thread.start()
        # Only a failure takes so long.
        assert waiting.wait(60_000_000_000)
        thread.join()
        os.read(reader, 1)
        assert not waiting.wait(0)
        os.write(writer, b"y")
        assert waiting.wait(60_000_000_000)
    finally:
        os.close(reader)
        os.close(writer)


def test_the_wait_of_the_core_refuses_what_is_no_descriptor() -> None:
    from tapeloom._core import BusyPoll

    with pytest.raises(OSError, match="descriptor"):
        BusyPoll(10**6)


def test_a_loop_that_stays_awake_hears_sockets_threads_and_timers() -> None:
    """A message goes to and fro so fast that the loop stays awake; every other one is answered by another thread."""
    rounds = 300
    ours, theirs = socket.socketpair()
    ours.setblocking(False)

    def echo() -> None:
        with theirs:
            while theirs.recv(1):
                theirs.send(b"x")

    async def talk() -> tuple[int, list[float]]:
        loop = asyncio.get_running_loop()
        rung: list[float] = []
        loop.call_later(0.001, rung.append, 1.0)
        heard = 0
        for number in range(rounds):
            earn(1)
            if number % 2:
                told: asyncio.Future[None] = loop.create_future()
                threading.Thread(
                    target=loop.call_soon_threadsafe, args=(told.set_result, None)
                ).start()
                await told
            else:
                await loop.sock_sendall(ours, b"x")
                assert await loop.sock_recv(ours, 1) == b"x"
            heard += 1
        while not rung:
            await asyncio.sleep(0.001)
        return heard, rung

    thread = threading.Thread(target=echo)
    thread.start()
    made, earn = new_event_loop()
    with asyncio.Runner(loop_factory=lambda: made) as runner, ours:
        assert runner.run(talk()) == (rounds, [1.0])
    thread.join()
