"""The hand-over from the thread that reads a socket to the one that iterates over events. Bounded; loses nothing."""

from __future__ import annotations

from collections import deque
from threading import Condition, RLock
from typing import TYPE_CHECKING

from tapeloom.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tapeloom.live.feed import FeedEvent

__all__ = ["CAPACITY", "EventQueue"]

CAPACITY = 65_536
"""How many events wait for the session at most."""


class EventQueue:
    """Events in the order they were put; a full one makes the writer wait.

    Who waits is counted, so that nobody is woken where nobody waits.

    Parameters
    ----------
    capacity
        How many events it holds at most, at least 1.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._events: deque[FeedEvent] = deque()
        # Entered again where a signal handler wakes the thread it interrupted.
        self._lock = RLock()
        self._news, self._room = Condition(self._lock), Condition(self._lock)
        self._readers = self._writers = 0
        self._is_closed = False
        self._is_woken = False
        self._error: Exception | None = None
        #: Asked first what it takes of events that are put; what it does not take is queued. See ``FastLane.take``.
        self.lane: Callable[[Sequence[FeedEvent]], bool] | None = None

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
        return self.put_all((event,), timeout) == 1

    def put_all(self, events: Sequence[FeedEvent], timeout: float | None = None) -> int:
        """Add events in order, waiting for room for each; return how many there was room for in time.

        Parameters
        ----------
        events
            What to add.
        timeout
            Seconds for each; ``None`` waits for as long as it takes.
        """
        lane = self.lane
        if lane is not None and lane(events):
            return len(events)
        with self._lock:
            for number, event in enumerate(events):
                if not self._may_put() and not self._found_room(timeout):
                    return number
                if self._is_closed:
                    return number
                self._events.append(event)
            self._tell_readers()
            return len(events)

    def wait(self, timeout: float, *, most: int = 1) -> bool:
        """Wait until there is something to take, an error to raise, or somebody calls ``wake``; ``False`` if nothing came.

        Parameters
        ----------
        timeout
            Seconds.
        most
            How much would be taken; 0 only waits for ``wake``.
        """
        with self._lock:
            found = self._may_take(most) or self._wait_in(
                self._news, lambda: self._may_take(most), timeout
            )
            if found:
                # One that comes just after the time is up is for the next wait.
                self._is_woken = False
            return found

    def take(self, most: int) -> list[FeedEvent]:
        """Return the events that wait, oldest first, at most so many; does not wait.

        Raises
        ------
        Exception
            What it was closed with, once all is read.
        """
        with self._lock:
            if not self._events and self._error is not None:
                raise self._error
            if len(self._events) <= most:
                taken, self._events = list(self._events), deque()
            else:
                taken = [self._events.popleft() for _ in range(most)]
            if taken and self._writers:
                self._room.notify_all()
            return taken

    def wake(self) -> None:
        """Let whoever waits look again. Never waits; may be called from a signal handler."""
        self._is_woken = True
        with self._lock:
            self._news.notify_all()

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
        with self._lock:
            if not self._is_closed:
                self._is_closed, self._error = True, error
            self._news.notify_all()
            self._room.notify_all()

    def __iter__(self) -> Iterator[FeedEvent]:
        while True:
            with self._lock:
                if not self._events and not self._is_closed:
                    self._wait_in(
                        self._news, lambda: bool(self._events) or self._is_closed, None
                    )
                if not self._events:
                    break
                event = self._events.popleft()
                if self._writers:
                    self._room.notify_all()
            yield event
        if self._error is not None:
            raise self._error

    def _found_room(self, timeout: float | None) -> bool:
        # Those that were put before may be what is waited for.
        self._tell_readers()
        return self._wait_in(self._room, self._may_put, timeout)

    def _tell_readers(self) -> None:
        if self._readers:
            self._news.notify_all()

    def _wait_in(
        self, changed: Condition, comes: Callable[[], bool], timeout: float | None
    ) -> bool:
        is_reader = changed is self._news
        self._readers += is_reader
        self._writers += not is_reader
        try:
            return wait_for(lambda seconds: changed.wait_for(comes, seconds), timeout)
        finally:
            self._readers -= is_reader
            self._writers -= not is_reader

    def _may_take(self, most: int) -> bool:
        if self._is_woken or (most and self._events):
            return True
        # Once closed only a wake-up ends the wait; an error is told at once.
        return not self._events and self._error is not None

    def _may_put(self) -> bool:
        return self._is_closed or len(self._events) < self._capacity
