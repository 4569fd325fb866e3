"""Who plays the next batch of a run: one thread at a time, and nobody from inside a batch."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from tapeloom.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Wheel"]


class Wheel:
    """Held by whoever plays a batch, or changes what is played."""

    def __init__(self) -> None:
        # Entered again by a signal handler that ends the run between two batches of the thread it interrupted.
        self._lock = threading.RLock()
        self._holder: int | None = None

    @property
    def is_mine(self) -> bool:
        """Whether the calling thread holds it, as it does inside a batch."""
        return self._holder == threading.get_ident()

    @property
    def is_held(self) -> bool:
        """Whether anybody holds it."""
        return self._holder is not None

    def take(self, timeout: float | None = None) -> bool:
        """Take it, and return whether it could be had within ``timeout`` seconds; ``None`` waits as long as it takes."""
        lock = self._lock
        if not lock.acquire(blocking=False) and not wait_for(
            lambda seconds: lock.acquire(timeout=seconds), timeout
        ):
            return False
        self._holder = threading.get_ident()
        return True

    def let_go(self) -> None:
        """Let somebody else have it."""
        self._holder = None
        # A signal handler that ended the run has let go of it already.
        with contextlib.suppress(RuntimeError):
            self._lock.release()

    def abandon(self) -> None:
        """Let go of it for good: an interrupt may come between taking it and noting that it is taken."""
        if self.is_mine:
            self._holder = None
        with contextlib.suppress(RuntimeError):
            while True:
                self._lock.release()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold it for a while."""
        self.take()
        try:
            yield
        finally:
            self.let_go()
