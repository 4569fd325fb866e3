"""What a source of history states of its limits, and how calls and requests keep to them."""

from __future__ import annotations

import time
from collections import deque
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock
from typing import TYPE_CHECKING

from tapeloom.errors import ArgumentError, ArgumentTypeError
from tapeloom.waiting import sleep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Allowance", "Quota", "most_requests_of", "pausing_by", "quota_of"]

#: How many requests one call holds, of a source that states no limit.
_MOST_REQUESTS = 100
_MINUTE = 60_000_000_000


class Quota:
    """At most so many calls in any 60 s. It knows no clock and waits for nobody.

    Parameters
    ----------
    calls_per_minute
        ``None`` means any number.
    """

    def __init__(self, calls_per_minute: int | None) -> None:
        self._most = calls_per_minute
        self._taken: deque[int] = deque(maxlen=calls_per_minute)

    def wait_ns(self, now: int) -> int:
        """Return in how many ns the next call is allowed; 0 means at once."""
        if self._most is None or len(self._taken) < self._most:
            return 0
        return max(0, self._taken[0] + _MINUTE - now)

    def take(self, now: int) -> None:
        """Count a call that is made at an instant, ns of any clock that only rises."""
        if self._most is not None:
            self._taken.append(now)


class Allowance:
    """One quota for everybody who asks a source that counts by itself; any thread takes from it.

    Parameters
    ----------
    requests_per_minute
        How many requests are allowed in any 60 s; ``None`` means any number.
    monotonic
        Nanoseconds of a clock that nobody sets.

    Raises
    ------
    ArgumentError
        If the number is below 1; ``ArgumentTypeError`` for what is no integer.
    """

    def __init__(
        self,
        requests_per_minute: int | None,
        *,
        monotonic: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.requests_per_minute = _checked(requests_per_minute, "requests_per_minute")
        self._quota = Quota(self.requests_per_minute)
        self._monotonic = monotonic
        self._lock = Lock()

    def take(self) -> None:
        """Wait until one more request is allowed, and count it; ``pausing_by`` says how the thread waits."""
        while wait := self._taken():
            _pause.get()(wait / 10**9)

    def _taken(self) -> int:
        """Count a request if it is allowed now and return 0; else return for how many ns it is not."""
        with self._lock:
            now = self._monotonic()
            wait = self._quota.wait_ns(now)
            if not wait:
                self._quota.take(now)
            return wait


_pause: ContextVar[Callable[[float], object]] = ContextVar("pause", default=sleep)


@contextmanager
def pausing_by(pause: Callable[[float], object]) -> Iterator[None]:
    """Have this thread wait for an ``Allowance`` by a function of seconds, which raises where nobody wants to wait any more."""
    token = _pause.set(pause)
    try:
        yield
    finally:
        _pause.reset(token)


def quota_of(source: object) -> Quota:
    """Return what ``requests_per_minute`` of a source allows.

    Raises
    ------
    ArgumentError
        If it is below 1; ``ArgumentTypeError`` for what is no integer.
    """
    return Quota(_stated(source, "requests_per_minute"))


def most_requests_of(source: object) -> int:
    """Return how many requests one call to a source may hold.

    Raises
    ------
    ArgumentError
        As ``quota_of``.
    """
    stated = _stated(source, "most_requests")
    return _MOST_REQUESTS if stated is None else stated


def _stated(source: object, name: str) -> int | None:
    """Return a limit that a source states of itself; what it states may be any object."""
    return _checked(getattr(source, name, None), f"{name} of the source")


def _checked(stated: object, name: str) -> int | None:
    if stated is None:
        return None
    text = f"{name} is {stated!r}; it must be 1 or more, a whole number, or None"
    if isinstance(stated, bool) or not isinstance(stated, int | float):
        raise ArgumentTypeError(text, got=stated)
    if stated < 1 or stated != stated // 1:
        raise ArgumentError(text, got=stated)
    return int(stated)
