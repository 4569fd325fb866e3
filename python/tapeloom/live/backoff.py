"""How long to wait before the next attempt to connect."""

from __future__ import annotations

from random import Random

__all__ = ["Backoff"]


class Backoff:
    """Waiting times that double from attempt to attempt, each drawn from the upper half of its span.

    The draw keeps many clients that lost the same server from coming back in the same instant.

    Parameters
    ----------
    least, most
        Seconds; no waiting time is shorter or longer.
    random
        Where the draws come from; a seeded one gives the same times again.
    """

    def __init__(
        self, *, least: float = 1.0, most: float = 30.0, random: Random | None = None
    ) -> None:
        self._least = least
        self._most = most
        self._random = random or Random()
        self._failures = 0

    def next(self) -> float:
        """Return how many seconds to wait after one more failure."""
        self._failures += 1
        # The exponent is bounded: a server may be away for a month.
        longest = min(self._most, self._least * 2.0 ** min(self._failures, 32))
        return self._random.uniform(max(self._least, longest / 2), longest)

    def reset(self) -> None:
        """Begin anew: the connection stood and carried data."""
        self._failures = 0
