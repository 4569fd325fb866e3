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
        self._now = now
        self._began = 0.0
        self._from = 0

    def start(self, ts: int) -> None:
        """Let the market's clock stand at ``ts`` (ns UTC) now; nights and pauses are skipped this way."""
        self._began, self._from = self._now(), ts

    def shift(self, seconds: float) -> None:
        """Put every deadline off: the clock stood still for so long."""
        self._began += seconds

    def deadline(self, ts: int) -> float:
        """Return when ``ts`` is due, in seconds of the clock given."""
        return self._began + (ts - self._from) / _NS / self._speed

    def market_ns(self) -> int:
        """Return where the market's clock stands, ns UTC."""
        return self._from + int((self._now() - self._began) * self._speed * _NS)
