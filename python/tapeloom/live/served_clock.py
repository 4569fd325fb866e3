"""The clock of a market that a server plays: asked until it runs, then counted on by the clock of this machine."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

from tapeloom.calendars.clock import LiveClock
from tapeloom.errors import FeedError
from tapeloom.live.market_clock import MarketClock

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ServedClock"]

#: How often a market that has not begun is asked whether it has, ns.
_BETWEEN = 20_000_000


class ServedClock:
    """The time of a market that begins to run when the first program subscribes: a ``Clock``.

    Until then it asks the server; from then on the time goes by the clock of this machine, which both share.

    Parameters
    ----------
    ask
        Returns where the market is, and whether it runs.
    speed
        How many of its seconds pass in one.
    monotonic
        Nanoseconds of a clock that nobody sets.
    """

    def __init__(
        self,
        ask: Callable[[], tuple[int, bool]],
        speed: float,
        *,
        monotonic: Callable[[], int] | None = None,
    ) -> None:
        self.speed = speed
        """How many of its seconds pass in one."""
        self._ask = ask
        self._monotonic = monotonic or LiveClock().monotonic_ns
        self._lock = Lock()
        self._running: MarketClock | None = None
        self._stands_at = 0
        self._ask_at: int | None = None

    def now_ns(self) -> int:
        """Return the present of the market, ns UTC."""
        running = self._running
        if running is not None:
            return running.now_ns()
        with self._lock:
            # Read before the question: no bar is then ahead of this clock.
            asked = self._monotonic()
            if self._running is None and (
                self._ask_at is None or asked >= self._ask_at
            ):
                self._ask_at = asked + _BETWEEN
                self._follow(asked)
            return self._stands_at if self._running is None else self._running.now_ns()

    def _follow(self, asked: int) -> None:
        try:
            now, is_running = self._ask()
        except FeedError:
            # It is down before it has begun. The feed says so; the time stands where it was.
            if not self._stands_at:
                raise
            return
        self._stands_at = max(now, self._stands_at)
        if is_running:
            passed = int((self._monotonic() - asked) * self.speed)
            self._running = MarketClock(
                self._stands_at + passed, self.speed, monotonic=self._monotonic
            )
