"""The hand-over from the thread that reads a socket to the one that iterates over events. Bounded; loses nothing."""

from __future__ import annotations

from collections import deque
from threading import Condition, RLock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tapeloom.live.feed import FeedEvent

__all__ = ["CAPACITY", "EventQueue"]

CAPACITY = 65_536
"""How many events wait for the session at most."""


class EventQueue:
    """Events in the order they were put; a full one makes the writer wait.

    Parameters
    ----------
    capacity
        How many events it holds at most, at least 1.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._events: deque[FeedEvent] = deque()
        # Entered again where a signal handler wakes the thread it interrupted.
        self._changed = Condition(RLock())
        self._is_closed = False
        self._is_woken = False
        self._error: Exception | None = None

    def __len__(self) -> int:
        return len(self._events)

    def put(self, event: FeedEvent, timeout: float | None = None) -> bool:
        """Add an event, waiting for room; ``False`` if there was none in time or the queue is closed.

        Parameters
        ----------
        event
            What to add.
        timeout
            Seconds; ``None`` waits for as long as it takes.
        """
        with self._changed:
            room = self._changed.wait_for(self._may_put, timeout)
            if not room or self._is_closed:
                return False
            self._events.append(event)
            self._changed.notify_all()
            return True

    def take(self, most: int, timeout: float) -> list[FeedEvent]:
        """Return the events that wait, oldest first; wait for one, ``wake`` or the timeout where there is none.

        Parameters
        ----------
        most
            How many at most; 0 only waits for ``wake``.
        timeout
            Seconds.

        Raises
        ------
        Exception
            What it was closed with, once all is read.
        """
        with self._changed:
            if not (self._events and most):
                self._changed.wait_for(lambda: self._may_take(most), max(0.0, timeout))
            self._is_woken = False
            if not self._events and self._is_closed and self._error is not None:
                raise self._error
            if len(self._events) <= most:
                taken, self._events = list(self._events), deque()
            else:
                taken = [self._events.popleft() for _ in range(most)]
            if taken:
                self._changed.notify_all()
            return taken

    def wake(self) -> None:
        """Let whoever waits in ``take`` look again. Never waits; may be called from a signal handler."""
        self._is_woken = True
        with self._changed:
            self._changed.notify_all()

    @property
    def is_closed(self) -> bool:
        """Whether nothing more comes."""
        return self._is_closed

    @property
    def capacity(self) -> int:
        """How many events it holds at most."""
        return self._capacity

    def close(self, error: Exception | None = None) -> None:
        """Let readers come to the end once all is read, where they get the error. The first call counts."""
        with self._changed:
            if not self._is_closed:
                self._is_closed, self._error = True, error
            self._changed.notify_all()

    def __iter__(self) -> Iterator[FeedEvent]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._events or self._is_closed)
                if not self._events:
                    break
                event = self._events.popleft()
                self._changed.notify_all()
            yield event
        if self._error is not None:
            raise self._error

    def _may_take(self, most: int) -> bool:
        if self._is_woken or (most and self._events):
            return True
        # Once closed only a wake-up ends the wait; an error is told at once.
        return self._is_closed and self._error is not None

    def _may_put(self) -> bool:
        return self._is_closed or len(self._events) < self._capacity
