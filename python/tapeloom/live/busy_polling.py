"""An event loop that stays awake between two messages that come soon after each other.

A processor that goes to sleep between two messages is late for the second one, and has forgotten what the first one made it
read: at thousands of bars a second a bar then takes two to three times as long as where it stays awake.
"""

from __future__ import annotations

import asyncio
import selectors
import sys
from time import perf_counter_ns
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["EARNED_NS", "MOST_AWAKE_NS", "BusyPollingSelector", "new_event_loop"]

EARNED_NS = 300_000
"""How long a loop may stay awake for each event that came, ns: some 3,000 a second, one in a message, keep it awake."""
MOST_AWAKE_NS = 5_000_000
"""How long it does at most for the next ones, ns."""


class BusyPollingSelector(selectors.DefaultSelector):
    """Waits awake for a moment, where so much came that it is worth it; else asleep, as ever.

    So a loop that seldom has something to do sleeps, and one that has it all the time keeps a processor to itself. Each event
    earns a moment awake, each pause between two messages uses up as much as it lasts. It waits awake where it has earned the
    time that the next message will take as well, if it takes as long as the one before. So a stream may pause for longer once it
    came for a while: who sends it may be held up, and then sends all at once.

    Parameters
    ----------
    wait
        Waits awake until something is there, or so many ns are over, which it answers with ``False``; made of the file
        descriptor of the selector.
    clock
        Monotonic ns.
    """

    def __init__(
        self,
        wait: Callable[[int], Callable[[int], bool]],
        clock: Callable[[], int] = perf_counter_ns,
    ) -> None:
        super().__init__()
        self._wait = wait(self.fileno())
        self._clock = clock
        # When something was found last, and what events came with last.
        self._found_at = self._came_at = 0
        # What is left of what events have earned, and until when the next message is waited for awake.
        self._earned = self._awake_until = 0

    def earn(self, events: int) -> None:
        """Take note of how many events came with what was found last."""
        pause = self._found_at - self._came_at
        self._came_at = self._found_at
        earned = max(0, self._earned - pause) + events * EARNED_NS
        self._earned = min(MOST_AWAKE_NS, earned)
        if self._earned >= pause:
            self._awake_until = self._found_at + self._earned

    def select(
        self, timeout: float | None = None
    ) -> list[tuple[selectors.SelectorKey, int]]:
        """As of every selector."""
        may_wait = timeout is None or timeout > 0
        awake = self._awake_until - self._clock()
        # What it waits for must not be there already.
        found = super().select(0) if awake > 0 or not may_wait else []
        if not found and may_wait:
            if awake > 0:
                timeout = self._stay_awake(awake, timeout)
            found = super().select(timeout)
        if found:
            self._found_at = self._clock()
        return found

    def _stay_awake(self, awake: int, timeout: float | None) -> float | None:
        """Wait awake, so many ns at most; return how long may still be slept."""
        if timeout is None:
            self._wait(awake)
            return None
        ns = min(awake, int(timeout * 1e9))
        self._wait(ns)
        return timeout - ns / 1e9


def new_event_loop() -> tuple[asyncio.AbstractEventLoop, Callable[[int], object]]:
    """Return a loop that stays awake where the system lets it, else an ordinary one; and whom to tell how many events came."""
    if sys.platform == "win32":
        return _ordinary()
    from tapeloom._core import BusyPoll

    try:
        selector = BusyPollingSelector(lambda fd: BusyPoll(fd).wait)
    except OSError:
        # There is no descriptor left for it, or it cannot be watched here.
        return _ordinary()
    return asyncio.SelectorEventLoop(selector), selector.earn


def _ordinary() -> tuple[asyncio.AbstractEventLoop, Callable[[int], object]]:
    return asyncio.new_event_loop(), int
