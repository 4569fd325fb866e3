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

__all__ = ["AWAKE_NS", "BusyPollingSelector", "new_event_loop"]

AWAKE_NS = 300_000
"""How long a loop stays awake for the next message, ns, and how soon after the one before a message must come for that."""


class BusyPollingSelector(selectors.DefaultSelector):
    """Waits awake for a moment, where what it found last came soon after what it found before; else asleep, as ever.

    So a loop that seldom has something to do sleeps, and one that has it all the time keeps a processor to itself.

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
        # When something was there last; and whether that was soon after the time before.
        self._found_at = 0
        self._is_busy = False

    def select(
        self, timeout: float | None = None
    ) -> list[tuple[selectors.SelectorKey, int]]:
        """As of every selector."""
        may_wait = timeout is None or timeout > 0
        # What it waits for must not be there already.
        found = super().select(0) if self._is_busy or not may_wait else []
        if not found and may_wait:
            if self._is_busy:
                left = AWAKE_NS if timeout is None else int(timeout * 1e9)
                self._wait(min(AWAKE_NS, left))
            found = super().select(timeout)
        if found:
            now = self._clock()
            self._is_busy = now - self._found_at < AWAKE_NS
            self._found_at = now
        return found


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Return a loop that stays awake where the system lets it; else an ordinary one."""
    if sys.platform == "win32":
        return asyncio.new_event_loop()
    from tapeloom._core import BusyPoll

    try:
        selector = BusyPollingSelector(lambda fd: BusyPoll(fd).wait)
    except OSError:
        # There is no descriptor left for it, or it cannot be watched here.
        return asyncio.new_event_loop()
    return asyncio.SelectorEventLoop(selector)
