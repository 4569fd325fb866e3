"""Market-time alerts: calls that wait for an instant of the clock, simulated or not. Reads no clock itself."""

from __future__ import annotations

import heapq
from itertools import count
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

__all__ = ["Alert", "Alerts"]


class Alert:
    """One alert, once or again every session. ``cancel`` ends it."""

    def __init__(
        self,
        name: str,
        call: Callable[[datetime], object],
        following: Callable[[int], int | None] | None,
    ) -> None:
        self.name = name
        """What it waits for, such as ``5 minutes before close``."""
        self.call = call
        self.following = following
        self.due: int | None = None
        """Instant at which it is called next, nanoseconds UTC; ``None`` when it is over."""
        self.last: int | None = None
        """Instant for which it was called last."""
        self.times_called = 0
        self.is_cancelled = False

    def cancel(self) -> None:
        """Never call it again. Doing so twice changes nothing."""
        self.is_cancelled = True
        self.due = None

    def __repr__(self) -> str:
        state = ", cancelled" if self.is_cancelled else ""
        return f"Alert({self.name!r}, called {self.times_called} times{state})"


class Alerts:
    """The alerts of one clock, earliest first; those of one instant in the order in which they were set."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._numbers = count()
        self._heap: list[tuple[int, int, Alert]] = []
        # Those of every session, which are set anew when the clock or the calendar changes.
        self._repeated: list[tuple[int, Alert]] = []

    def add_once(self, alert: Alert, due: int) -> None:
        """Set an alert for one instant."""
        with self._lock:
            self._push(due, next(self._numbers), alert)

    def add_repeated(self, alert: Alert, now: int | None) -> None:
        """Set an alert for every instant that its ``following`` tells, from ``now`` on; without one when the clock is set."""
        with self._lock:
            number = next(self._numbers)
            self._repeated.append((number, alert))
            if now is not None:
                self._rearm(number, alert, now)

    def restart(self, now: int | None, *, again: bool) -> None:
        """Set all repeated alerts anew from an instant; without one they wait until the clock is set.

        Parameters
        ----------
        now
            Where the clock stands.
        again
            Whether instants for which an alert was called already count, since the clock went back.
        """
        with self._lock:
            self._heap = [entry for entry in self._heap if entry[2].following is None]
            heapq.heapify(self._heap)
            self._repeated = [r for r in self._repeated if not r[1].is_cancelled]
            for number, alert in self._repeated:
                alert.due = None
                if again:
                    alert.last = None
                if now is not None:
                    start = now if alert.last is None else max(now, alert.last + 1)
                    self._rearm(number, alert, start)

    def drop_before(self, instant: int) -> list[Alert]:
        """Give up the alerts of single instants before one, and return them."""
        with self._lock:
            self._drop_cancelled()
            dropped = [
                alert
                for due, _, alert in self._heap
                if due < instant and alert.following is None
            ]
            for alert in dropped:
                alert.cancel()
            return dropped

    def next_due(self) -> int | None:
        """Return the earliest instant at which something is due."""
        with self._lock:
            self._drop_cancelled()
            return self._heap[0][0] if self._heap else None

    def take(self, until: int) -> tuple[int, Alert] | None:
        """Take out the earliest alert due at or before an instant, and set it for the next time if it is repeated."""
        with self._lock:
            self._drop_cancelled()
            if not self._heap or self._heap[0][0] > until:
                return None
            due, number, alert = heapq.heappop(self._heap)
            alert.due, alert.last = None, due
            alert.times_called += 1
            if alert.following is not None:
                self._rearm(number, alert, due + 1)
            return due, alert

    def _rearm(self, number: int, alert: Alert, start: int) -> None:
        due = None if alert.following is None else alert.following(start)
        if due is not None:
            self._push(due, number, alert)

    def _push(self, due: int, number: int, alert: Alert) -> None:
        alert.due = due
        heapq.heappush(self._heap, (due, number, alert))

    def _drop_cancelled(self) -> None:
        while self._heap and self._heap[0][2].is_cancelled:
            heapq.heappop(self._heap)
