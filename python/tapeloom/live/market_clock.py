"""A clock that runs through a day of the past, for rehearsals: at real speed or a multiple of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tapeloom.calendars.clock import LiveClock
from tapeloom.errors import ArgumentError
from tapeloom.live.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MarketClock", "speed_of"]


class MarketClock:
    """Market time that runs on from an instant: a ``Clock`` for ``TimeManager(mode="live", clock=...)``.

    Parameters
    ----------
    start
        Where it begins, ns UTC.
    speed
        How many seconds of the market pass in one.
    monotonic
        Nanoseconds of a clock that nobody sets.

    Raises
    ------
    ArgumentError
        If the speed is 0, negative or infinite.
    """

    def __init__(
        self,
        start: int,
        speed: float = 1.0,
        *,
        monotonic: Callable[[], int] | None = None,
    ) -> None:
        self._pace = Pace(speed, monotonic or LiveClock().monotonic_ns)
        if not speed:
            text = (
                "speed is 0; a clock must run, such as with 60 for a minute in a second"
            )
            raise ArgumentError(text, got=speed)
        self.speed = float(speed)
        """How many of its seconds pass in one."""
        self._pace.begin(start)

    def now_ns(self) -> int:
        """Return the present of the market, ns UTC."""
        return self._pace.now()


def speed_of(clock: object) -> float:
    """Return how many seconds of a clock pass in one: 1.0 unless it says otherwise."""
    speed = getattr(clock, "speed", 1.0)
    return float(speed) if isinstance(speed, int | float) and speed > 0 else 1.0
