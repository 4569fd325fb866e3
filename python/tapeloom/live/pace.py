"""Market time that runs at a multiple of another clock."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tapeloom.errors import ArgumentError, StateError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Pace"]


class Pace:
    """When an instant of the market is due, for a recording that is played.

    Parameters
    ----------
    speed
        How many seconds of the market pass in one; 0 makes every instant due at once.
    clock
        Nanoseconds of a clock that nobody sets.
    runs
        Whether 0 is refused, because somebody asks where market time is.

    Raises
    ------
    ArgumentError
        If the speed is no number, negative or infinite, or 0 where it must not be.
    """

    def __init__(
        self, speed: float, clock: Callable[[], int], *, runs: bool = False
    ) -> None:
        is_number = isinstance(speed, int | float) and not isinstance(speed, bool)
        if (
            not is_number
            or not math.isfinite(speed)
            or speed < 0
            or (runs and not speed)
        ):
            least = "above 0" if runs else "of 0 or more"
            text = f"speed is {speed!r}; it must be a finite number {least}, such as 60 for a minute in a second"
            raise ArgumentError(text, got=speed)
        #: How many seconds of the market pass in one.
        self.speed = float(speed)
        self._clock = clock
        self._begun: tuple[int, int] | None = None

    def begin(self, market_ns: int) -> None:
        """Let market time run from an instant on, ns UTC."""
        self._begun = (market_ns, self._clock())

    def now(self) -> int:
        """Return where market time is, ns UTC; it stands still at speed 0.

        Raises
        ------
        StateError
            If it was not begun.
        """
        if self._begun is None:
            raise StateError("market time does not run yet; call begin() first")
        market, clock = self._begun
        return market + int((self._clock() - clock) * self.speed)

    def seconds_until(self, market_ns: int) -> float:
        """Return how many seconds of the clock are left until an instant of the market; 0 if it is due."""
        if self._begun is None or not self.speed:
            return 0.0
        market, clock = self._begun
        passed = self._clock() - clock
        return max(0.0, ((market_ns - market) / self.speed - passed) / 1e9)
