"""The end of runs that nobody stopped before the interpreter ends."""

from __future__ import annotations

import atexit
import time
import weakref
from typing import Protocol

__all__ = ["stop_at_exit"]

#: How long the interpreter waits for them, in seconds.
_EXIT_SECONDS = 2.0


class Stoppable(Protocol):
    """What has threads that the interpreter should not end under."""

    def leave(self, seconds: float) -> object:
        """Stop, and wait that long for the threads."""


_running: weakref.WeakSet[Stoppable] = weakref.WeakSet()


def stop_at_exit(running: Stoppable) -> None:
    """Have something stopped when the interpreter ends, if it is still there."""
    _running.add(running)


@atexit.register
def _stop_all() -> None:
    deadline = time.monotonic() + _EXIT_SECONDS
    for running in list(_running):
        running.leave(max(0.0, deadline - time.monotonic()))
