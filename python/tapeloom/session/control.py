"""Stop, pause and wake-up of one run: the one token that everybody who waits in it looks at."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from tapeloom.errors import StateError
from tapeloom.waiting import SLICE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["RunControl"]


class RunControl:
    """Whether a run goes on, waits or ends. Every method may be called from any thread.

    Parameters
    ----------
    now
        Seconds that only rise, for waiting.
    """

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        # Entered again where a signal handler stops the run it interrupted.
        self._changed = threading.Condition(threading.RLock())
        self._stopping = False
        self._paused = False

    @property
    def is_stopping(self) -> bool:
        """Whether the run is to end after the present batch."""
        return self._stopping

    @property
    def is_interrupted(self) -> bool:
        """Whether the run is to end or to wait after the present batch."""
        return self._stopping or self._paused

    @property
    def is_paused(self) -> bool:
        """Whether the run is to wait after the present batch."""
        return self._paused and not self._stopping

    def stop(self) -> None:
        """End the run after the present batch; wakes whoever waits. Doing so twice changes nothing."""
        with self._changed:
            self._stopping = True
            self._paused = False
            self._changed.notify_all()

    def pause(self) -> None:
        """Let the run wait after the present batch.

        Raises
        ------
        StateError
            If it is paused already, or ends.
        """
        with self._changed:
            if self._stopping or self._paused:
                text = f"the run is {'ending' if self._stopping else 'paused already'}; it cannot be paused"
                raise StateError(text)
            self._paused = True
            self._changed.notify_all()

    def resume(self) -> None:
        """Let a paused run go on.

        Raises
        ------
        StateError
            If it is not paused.
        """
        with self._changed:
            if not self._paused:
                text = "the run is not paused; there is nothing to resume"
                raise StateError(text)
            self._paused = False
            self._changed.notify_all()

    def wake(self) -> None:
        """Let whoever waits look again."""
        with self._changed:
            self._changed.notify_all()

    def wait_while_paused(self) -> bool:
        """Wait while the run is paused; return whether it goes on."""
        with self._changed:
            while self._paused and not self._stopping:
                self._changed.wait(SLICE_SECONDS)
            return not self._stopping

    def sleep_until(self, deadline: float) -> bool:
        """Wait for an instant of the clock given, or less if the run is paused, stopped or woken.

        Returns
        -------
        bool
            Whether the instant has come.
        """
        with self._changed:
            left = deadline - self._now()
            if left > 0 and not self._stopping and not self._paused:
                self._changed.wait(left)
            return self._now() >= deadline
