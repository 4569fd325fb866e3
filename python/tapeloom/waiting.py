"""Waits that Ctrl-C ends, on whichever thread they are: in slices.

Python hands a signal to its handler between two steps of the main thread. One that comes after the last step before a wait is
only seen when the wait is over, and some systems wake nobody who waits.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from threading import Thread

__all__ = ["SLICE_SECONDS", "is_exiting", "result_of", "sleep", "wait_for"]

_Result = TypeVar("_Result")

SLICE_SECONDS = 0.1
"""Nobody waits longer than this without looking whether something else is asked for."""


def wait_for(wait: Callable[[float], bool], timeout: float | None = None) -> bool:
    """Wait in slices; return whether what is waited for came in time.

    Parameters
    ----------
    wait
        Waits so many seconds at most, and says whether it came, as the ``wait`` of an ``Event`` does.
    timeout
        Seconds; ``None`` waits as long as it takes.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    while not wait(_slice(deadline)):
        if deadline is not None and time.monotonic() >= deadline:
            return False
    return True


def result_of(future: Future[_Result], *, worker: Thread | None = None) -> _Result:
    """Return what a future comes to, or raise it, as soon as it is there.

    Parameters
    ----------
    future
        What is waited for.
    worker
        The thread that brings it about. Where that ends without having done so, the future is cancelled.

    Raises
    ------
    concurrent.futures.CancelledError
        If the future is cancelled.
    """
    from concurrent.futures import wait

    def is_done(seconds: float) -> bool:
        # Before the future: what is brought about at the very end counts.
        has_ended = worker is not None and not worker.is_alive()
        # One that is cancelled, and that nobody would have worked on, is done without being told to who waits.
        if wait([future], 0.0 if has_ended else seconds).done or future.done():
            return True
        return has_ended and future.cancel()

    wait_for(is_done)
    return future.result()


def sleep(seconds: float) -> None:
    """Sleep so many seconds."""
    wait_for(_slept, seconds)


def is_exiting() -> bool:
    """Whether the interpreter is about to end, and waits for the threads of pools first: nobody stops those."""
    # It has no public word for it. Where it has no such one either, the pools are waited for.
    return bool(getattr(threading, "_SHUTTING_DOWN", False))


def _slept(seconds: float) -> bool:
    time.sleep(seconds)
    return False


def _slice(deadline: float | None) -> float:
    left = SLICE_SECONDS if deadline is None else deadline - time.monotonic()
    return max(0.0, min(SLICE_SECONDS, left))
