"""Market-time alerts: calls that wait for an instant of the clock, simulated or not. Reads no clock, loads no calendar."""

from __future__ import annotations

import heapq
from itertools import count
from threading import RLock
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from tapeloom._core import SessionTable

    Call = Callable[[datetime], object]

__all__ = ["Alert", "Alerts", "SessionOffset"]

# Below this many entries cancelled ones may lie where they are.
_FEW = 64


class SessionOffset:
    """A while before the close, or after the open, of every session."""

    __slots__ = ("bound", "offset")

    def __init__(self, bound: Literal["open", "close"], offset: int) -> None:
        self.bound = bound
        self.offset = offset
        """Nanoseconds from the bound, negative before it."""

    @property
    def is_opening(self) -> bool:
        """Whether it is the open itself: where one session opens as another closes, this belongs to the later one."""
        return self.bound == "open" and not self.offset

    def first_from(self, table: SessionTable, instant: int) -> int | None:
        """Return the first such instant at or after one, ``None`` when the table knows of none.

        At a close its session is over: the close itself is looked for after the instant.
        """
        bounds = table.opens if self.bound == "open" else table.closes
        closing = self.bound == "close" and not self.offset
        side: Literal["left", "right"] = "right" if closing else "left"
        row = int(bounds.searchsorted(instant - self.offset, side=side))
        return int(bounds[row]) + self.offset if row < len(bounds) else None


class Alert:
    """One alert, once or again every session. ``cancel`` ends it."""

    def __init__(self, name: str, call: Call, every: SessionOffset | None) -> None:
        self.name = name
        """What it waits for, such as ``0:05:00 before close``."""
        self.call = call
        self.every = every
        self.due: int | None = None
        """Instant at which it is called next, nanoseconds UTC; ``None`` when it is over or not set yet."""
        self.last: int | None = None
        """Instant for which it was called last."""
        self.times_called = 0
        self.is_cancelled = False
        self._forget: Callable[[Alert], None] | None = None

    def cancel(self) -> None:
        """Never call it again. Doing so twice changes nothing."""
        self.is_cancelled = True
        self.due = None
        if self._forget is not None:
            self._forget(self)

    def __repr__(self) -> str:
        state = ", cancelled" if self.is_cancelled else ""
        return f"Alert({self.name!r}, called {self.times_called} times{state})"


class Alerts:
    """The alerts of one clock, earliest first; those of one instant in the order in which they were set, opens last.

    Any thread may set and cancel alerts. Where a table is asked for, it is needed only while ``repeats`` is true.
    """

    def __init__(self) -> None:
        # Entered again where a signal handler cancels an alert.
        self._lock = RLock()
        self._numbers = count()
        # Instant, whether it opens a session, number, alert.
        self._heap: list[tuple[int, bool, int, Alert]] = []
        # Those of every session, by number: they are set anew when the clock or the calendar changes.
        self._repeated: dict[int, Alert] = {}

    @property
    def repeats(self) -> bool:
        """Whether there is an alert of every session."""
        return bool(self._repeated)

    def add_once(self, alert: Alert, due: int) -> None:
        """Set an alert for one instant."""
        with self._lock:
            self._push(due, next(self._numbers), alert)

    def add_repeated(
        self, alert: Alert, now: int | None, table: SessionTable | None
    ) -> None:
        """Set an alert for every session, from ``now`` on; without one when the clock is set."""
        with self._lock:
            number = next(self._numbers)
            self._repeated[number] = alert
            alert._forget = self._cancelled
            if now is not None:
                self._rearm(number, alert, now, table)

    def restart(
        self, now: int | None, table: SessionTable | None, *, again: bool
    ) -> None:
        """Set all alerts of every session anew from an instant; without one they wait until the clock is set.

        Parameters
        ----------
        now
            Where the clock stands.
        table
            The sessions that hold from now on.
        again
            Whether instants for which an alert was called already count, since the clock went back; else what is due
            and not called yet stays due.
        """
        with self._lock:
            due_now = now if not again and now is not None else None
            self._heap = [
                entry
                for entry in self._heap
                if entry[3].every is None
                or (due_now is not None and entry[0] <= due_now)
            ]
            heapq.heapify(self._heap)
            kept = {entry[2] for entry in self._heap}
            for number, alert in self._repeated.items():
                if number in kept:
                    continue
                alert.due = None
                if again:
                    alert.last = None
                if now is not None:
                    start = now if alert.last is None else max(now, alert.last + 1)
                    self._rearm(number, alert, start, table)

    def drop_before(self, instant: int) -> list[Alert]:
        """Give up the alerts of single instants before one, and return them."""
        with self._lock:
            self._drop_cancelled()
            dropped = [
                alert
                for due, _, _, alert in self._heap
                if due < instant and alert.every is None
            ]
            for alert in dropped:
                alert.cancel()
            return dropped

    def next_due(self) -> int | None:
        """Return the earliest instant at which something is due."""
        # Asked twice per batch: as a rule there is no alert at all.
        if not self._heap:
            return None
        with self._lock:
            self._drop_cancelled()
            return self._heap[0][0] if self._heap else None

    def take(
        self, until: int, table: SessionTable | None, *, opening: bool = True
    ) -> tuple[int, Alert] | None:
        """Take out the earliest alert due at or before an instant, and set it for the next time if it is repeated.

        Without ``opening``, what waits for an open at that instant itself stays.
        """
        with self._lock:
            self._drop_cancelled()
            last = (until, opening)
            if not self._heap or self._heap[0][:2] > last:
                return None
            due, _, number, alert = heapq.heappop(self._heap)
            alert.due, alert.last = None, due
            alert.times_called += 1
            if alert.every is not None:
                self._rearm(number, alert, due + 1, table)
            return due, alert

    def _rearm(
        self, number: int, alert: Alert, start: int, table: SessionTable | None
    ) -> None:
        if alert.every is None or table is None:
            return
        due = alert.every.first_from(table, start)
        if due is not None:
            self._push(due, number, alert)

    def _push(self, due: int, number: int, alert: Alert) -> None:
        alert.due = due
        alert._forget = self._cancelled
        opens = alert.every is not None and alert.every.is_opening
        heapq.heappush(self._heap, (due, opens, number, alert))

    def _cancelled(self, alert: Alert) -> None:
        """Forget an alert, so that setting and cancelling many does not fill the memory."""
        with self._lock:
            if alert.every is not None:
                self._repeated = {
                    number: other
                    for number, other in self._repeated.items()
                    if other is not alert
                }
            dead = sum(entry[3].is_cancelled for entry in self._heap[:_FEW])
            if len(self._heap) > _FEW and 2 * dead > _FEW:
                self._heap = [e for e in self._heap if not e[3].is_cancelled]
                heapq.heapify(self._heap)

    def _drop_cancelled(self) -> None:
        while self._heap and self._heap[0][3].is_cancelled:
            heapq.heappop(self._heap)
