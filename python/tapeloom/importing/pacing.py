"""Keeps calls under a number a minute. It knows no clock but the one it is handed."""

from __future__ import annotations

from collections import deque
from math import inf
from typing import TYPE_CHECKING

from tapeloom.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tapeloom.calendars.clock import Clock

__all__ = ["Pace"]

MINUTE_NS = 60 * 10**9


class Pace:
    """At most so many calls in any 60 seconds.

    Parameters
    ----------
    per_minute
        How many; ``None`` for any number.
    clock
        Says what time it is.
    sleep
        Waits that many seconds.

    Raises
    ------
    ArgumentError
        If ``per_minute`` is no number of at least 1.
    """

    def __init__(
        self, per_minute: object, *, clock: Clock, sleep: Callable[[float], object]
    ) -> None:
        self._most = None if per_minute is None else whole(per_minute)
        self._clock = clock
        self._sleep = sleep
        self._calls: deque[int] = deque()

    def wait(self) -> None:
        """Wait until one more call is allowed, and count it."""
        if self._most is None:
            return
        while len(self._calls) == self._most:
            left = self._calls[0] + MINUTE_NS - self._clock.now_ns()
            if left <= 0:
                self._calls.popleft()
            else:
                self._sleep(left / 10**9)
        self._calls.append(self._clock.now_ns())


def whole(number: object, *, name: str = "requests_per_minute") -> int:
    """Return a number of at least 1 as a whole one; what a source says of itself may be any object."""
    if (
        isinstance(number, bool)
        or not isinstance(number, int | float)
        or not 1 <= number < inf
    ):
        text = f"{name} of the source is {number!r}; it must be a number of at least 1, or None"
        raise ArgumentError(text, got=number)
    return int(number)
