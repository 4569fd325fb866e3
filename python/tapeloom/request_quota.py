"""What a source of history states of its limits, and how calls keep to them. It knows no clock and waits for nobody."""

from __future__ import annotations

from collections import deque

from tapeloom.errors import ArgumentError, ArgumentTypeError

__all__ = ["Quota", "most_requests_of", "quota_of"]

#: How many requests one call holds, of a source that states no limit.
_MOST_REQUESTS = 100
_MINUTE = 60_000_000_000


class Quota:
    """At most so many calls in any 60 s.

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
    stated = getattr(source, name, None)
    if stated is None:
        return None
    text = f"{name} of the source is {stated!r}; it must be 1 or more, a whole number, or None"
    if isinstance(stated, bool) or not isinstance(stated, int | float):
        raise ArgumentTypeError(text, got=stated)
    if stated < 1 or stated != stated // 1:
        raise ArgumentError(text, got=stated)
    return int(stated)
