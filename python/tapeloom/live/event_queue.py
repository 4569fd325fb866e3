"""The hand-over from the thread that reads a socket to the one that iterates over events. Bounded; loses nothing."""

from __future__ import annotations

from collections import deque
from threading import Condition
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
        self._changed = Condition()
        self._is_closed = False
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

    def _may_put(self) -> bool:
        return self._is_closed or len(self._events) < self._capacity
