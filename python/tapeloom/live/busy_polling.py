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

__all__ = ["AWAKE_NS", "MOST_AWAKE_NS", "BusyPollingSelector", "new_event_loop"]

AWAKE_NS = 300_000
"""How long a loop stays awake for the next message, ns, and how soon after the one before a message must come for that."""
MOST_AWAKE_NS = 5_000_000
"""How long it does at most where messages came that soon after each other for as long, ns."""


class BusyPollingSelector(selectors.DefaultSelector):
    """Waits awake for a moment, where what it found last came soon after what it found before; else asleep, as ever.

    So a loop that seldom has something to do sleeps, and one that has it all the time keeps a processor to itself. Where a
    stream has come for a while it is waited for longer: who sends it may be held up, and then sends all at once. A pause is
    paid with the time in which messages came soon after each other, so that a loop is never awake for much longer than that.

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
        # When something was there last; how long things have come soon after each other, less the pauses since; and for
        # how long the next one is waited for awake.
        self._found_at = self._earned = self._awake = 0

    def select(
        self, timeout: float | None = None
    ) -> list[tuple[selectors.SelectorKey, int]]:
        """As of every selector."""
        may_wait = timeout is None or timeout > 0
        # What it waits for must not be there already.
        found = super().select(0) if self._awake or not may_wait else []
        if not found and may_wait:
            if self._awake:
                timeout = self._stay_awake(timeout)
            found = super().select(timeout)
        if found:
            self._note(self._clock())
        return found

    def _stay_awake(self, timeout: float | None) -> float | None:
        """Wait awake; return how long may still be slept."""
        ns = self._awake if timeout is None else min(self._awake, int(timeout * 1e9))
        if not self._wait(ns):
            self._awake -= ns
        return None if timeout is None else timeout - ns / 1e9

    def _note(self, now: int) -> None:
        """Decide for how long the next is waited for awake, where something was found now."""
        pause = now - self._found_at
        self._found_at = now
        if pause < AWAKE_NS:
            self._earned = min(MOST_AWAKE_NS, self._earned + pause)
            self._awake = max(AWAKE_NS, self._earned)
        else:
            self._earned = max(0, self._earned - pause)
            self._awake = self._earned


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
