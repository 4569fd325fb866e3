"""A market that runs by a clock of its own, so that who trades on it may die and come back: a server, and who advances it."""

from __future__ import annotations

from threading import Event, Thread
from typing import TYPE_CHECKING, NamedTuple, Self

from tapeloom.calendars.clock import LiveClock
from tapeloom.live.market_clock import MarketClock

if TYPE_CHECKING:
    from types import TracebackType

    from tapeloom.live.server import FeedServer

__all__ = ["MarketTime", "RunningMarket"]

#: How often the market is advanced, in seconds of ours.
_SLICE = 0.02


class MarketTime(NamedTuple):
    """Where market time stood at an instant of the machine's monotonic clock, which all its processes share."""

    market_ns: int
    monotonic_ns: int
    speed: float

    def clock(self) -> MarketClock:
        """Return a clock that shows this time, in any process of the machine."""
        passed = LiveClock().monotonic_ns() - self.monotonic_ns
        return MarketClock(self.market_ns + int(passed * self.speed), self.speed)


class RunningMarket:
    """Advances a server that listens by market time until it is left.

    Parameters
    ----------
    server
        One without a speed of its own.
    start
        Where market time begins, ns UTC.
    speed
        How many of its seconds pass in one.
    """

    def __init__(self, server: FeedServer, start: int, speed: float) -> None:
        self._server = server
        self._stop = Event()
        self._thread = Thread(target=self._run, name="tapeloom-market", daemon=True)
        #: The time of the market, to be told to another process.
        self.time = MarketTime(start, LiveClock().monotonic_ns(), speed)
        self._clock = self.time.clock()
        #: What ended it before its time.
        self.error: BaseException | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def now_ns(self) -> int:
        """What time it is in the market, ns UTC."""
        return self._clock.now_ns()

    def _run(self) -> None:
        try:
            while not self._stop.wait(_SLICE):
                self._server.advance_to(self._clock.now_ns())
        except BaseException as error:
            self.error = error
