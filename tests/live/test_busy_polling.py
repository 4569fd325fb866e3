"""The loop of a feed: awake where messages come soon after each other, asleep as ever where they do not."""

from __future__ import annotations

import asyncio
import os
import selectors
import socket
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from tapeloom.live.busy_polling import (
    AWAKE_NS,
    MOST_AWAKE_NS,
    BusyPollingSelector,
    new_event_loop,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="loops there do not select"
)
SOON = AWAKE_NS // 2


class Script:
    """A selector over a pipe; a clock that is set by hand, and a note of each wait."""

    def __init__(self) -> None:
        self.now = 0
        #: For how long it would have stayed awake, ns.
        self.waits: list[int] = []
        self.reader, self.writer = os.pipe()
        #: What happens while it is awake.
        self.meanwhile: Callable[[], object] = lambda: None
        self.selector = BusyPollingSelector(lambda _: self._wait, lambda: self.now)
        self.selector.register(self.reader, selectors.EVENT_READ)

    def _wait(self, ns: int) -> bool:
        self.waits.append(ns)
        self.meanwhile()
        return False

    def put(self) -> None:
        os.write(self.writer, b"x")

    def found(self, timeout: float | None = None) -> bool:
        """Whether something was found; it is read."""
        if not self.selector.select(timeout):
            return False
        os.read(self.reader, 1)
        return True

    def comes_after(self, ns: int) -> bool:
        """Let something come so long after what came last."""
        self.now += ns
        self.put()
        return self.found()

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
    for _ in range(3):
        assert script.comes_after(AWAKE_NS)
    assert script.waits == []


def test_after_two_that_came_soon_after_each_other_the_next_is_waited_for_awake(
    script: Script,
) -> None:
    assert script.comes_after(AWAKE_NS)
    assert script.comes_after(SOON)
    script.meanwhile = script.put
    script.now += SOON
    assert script.found()
    assert script.waits == [AWAKE_NS]


def test_what_is_there_already_is_found_without_a_wait(script: Script) -> None:
    assert script.comes_after(AWAKE_NS)
    for _ in range(3):
        assert script.comes_after(SOON)
    assert script.waits == []


def test_a_pause_puts_it_to_sleep_again(script: Script) -> None:
    assert script.comes_after(AWAKE_NS)
    assert script.comes_after(SOON)
    assert not script.found(0.001)
    assert script.waits == [AWAKE_NS]
    # Nothing came while it was awake, so it has slept since; and this came late.
    assert script.comes_after(2 * AWAKE_NS)
    assert not script.found(0.001)
    assert script.waits == [AWAKE_NS]


def test_where_a_stream_came_for_a_while_a_pause_is_waited_through_awake(
    script: Script,
) -> None:
    assert script.comes_after(AWAKE_NS)
    for _ in range(8):
        assert script.comes_after(SOON)
    assert not script.found(0.5)
    # As long as it had come.
    assert script.waits == [8 * SOON]
    pause = 5 * SOON
    assert script.comes_after(pause)
    # The pause was paid with the time before it.
    assert not script.found(0.5)
    assert script.waits == [8 * SOON, 3 * SOON]
    assert script.comes_after(3 * SOON)
    assert not script.found(0.001)
    assert len(script.waits) == 2


def test_a_stream_that_came_for_long_is_waited_for_no_longer_than_the_most(
    script: Script,
) -> None:
    for _ in range(3 * MOST_AWAKE_NS // SOON):
        assert script.comes_after(SOON)
    assert not script.found(0.5)
    assert script.waits == [MOST_AWAKE_NS]


def test_it_is_awake_for_no_longer_than_what_came_lasted_and_a_moment_each_time(
    script: Script,
) -> None:
    lasted = 0
    for number in range(40):
        pause = SOON if number % 5 else 7 * AWAKE_NS
        lasted += pause if pause == SOON else 0
        assert script.comes_after(pause)
        script.found(0.01)
    assert sum(script.waits) <= lasted + len(script.waits) * AWAKE_NS


def test_where_nothing_comes_it_is_awake_once_and_sleeps_from_then_on(
    script: Script,
) -> None:
    assert script.comes_after(AWAKE_NS)
    assert script.comes_after(SOON)
    for _ in range(5):
        assert not script.found(0.001)
    assert script.waits == [AWAKE_NS]
    assert not script.found(0.001)
    assert script.comes_after(SOON)
    assert not script.found(0.0002)
    assert not script.found(0.0002)
    assert not script.found(0.0002)
    # In parts, where whoever asks has other things to do meanwhile.
    assert script.waits == [AWAKE_NS, 200_000, 100_000]


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

    assert script.comes_after(AWAKE_NS)
    assert script.comes_after(SOON)
    monkeypatch.setattr(selectors.DefaultSelector, "select", select)
    assert script.selector.select(0.01) == []
    assert slept == [0, pytest.approx(0.01 - AWAKE_NS / 1e9)]
    assert script.selector.select(0.01) == []
    assert slept[2:] == [0.01]


def test_it_stays_awake_no_longer_than_whoever_asks_would_wait(script: Script) -> None:
    assert script.comes_after(AWAKE_NS)
    assert script.comes_after(SOON)
    assert not script.found(0.0)
    assert not script.found(-1.0)
    assert script.waits == []
    assert not script.found(0.0001)
    assert script.waits == [100_000]


def test_a_look_that_finds_nothing_is_no_pause(script: Script) -> None:
    assert script.comes_after(AWAKE_NS)
    assert script.comes_after(SOON)
    assert not script.found(0.0)
    script.meanwhile = script.put
    assert script.found()
    assert len(script.waits) == 1


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
    with asyncio.Runner(loop_factory=new_event_loop) as runner, ours:
        assert runner.run(talk()) == (rounds, [1.0])
    thread.join()
