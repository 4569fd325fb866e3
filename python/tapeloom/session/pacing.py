"""At which instant of real time an instant of the market is due, when the clock runs at a multiple of real time.

Deadlines are absolute: ``w0 + (T - t0) / speed``. A batch that comes late makes no other late, and nothing drifts.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Pace"]

_NS = 1_000_000_000


class Pace:
    """A market clock that runs at ``speed`` times real time.

    Parameters
    ----------
    speed
        Seconds of the market per second of real time, above 0.
    now
        Seconds that only rise.
    """

    def __init__(
        self, speed: float, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._speed = speed
        self.now = now
        self._began = 0.0
        self._from = 0
        self._stood: int | None = None
        #: Whether it is this clock that plays; false while somebody plays by hand, as in ``step``.
        self.is_playing = False

    def start(self, ts: int) -> None:
        """Let the market's clock stand at ``ts`` (ns UTC) now; nights and pauses are skipped this way."""
        self._began, self._from = self.now(), ts
        self._stood = ts

    def stands_at(self, ts: int) -> bool:
        """Return whether ``ts`` is where the clock was last seen: nobody else moved or stopped it."""
        return self._stood == ts

    def seen_at(self, ts: int | None) -> None:
        """Note where the clock was seen; ``None`` if it stopped."""
        self._stood = ts

    def deadline(self, ts: int) -> float:
        """Return when ``ts`` is due, in seconds of the clock given."""
        return self._began + (ts - self._from) / _NS / self._speed

    def market_ns(self) -> int:
        """Return where the market's clock stands, ns UTC."""
        return self._from + int((self.now() - self._began) * self._speed * _NS)

    def reached_ns(self) -> int | None:
        """Return what the clock has reached, ns UTC; ``None`` while it does not play, and nobody can be late."""
        return self.market_ns() if self.is_playing else None
