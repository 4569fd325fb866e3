"""``ReplayFeed``: stored bars as a feed, at any speed."""

from __future__ import annotations

from functools import partial
from threading import Event
from typing import TYPE_CHECKING

from tapeloom.bars import normalise_symbol
from tapeloom.calendars.clock import LiveClock
from tapeloom.errors import ArgumentError, StateError
from tapeloom.live.pace import Pace
from tapeloom.live.recording import Recording
from tapeloom.statuses import ConnectionEvent
from tapeloom.timestamps import to_ns
from tapeloom.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tapeloom.intervals import IntervalLike
    from tapeloom.live.feed import FeedEvent
    from tapeloom.live.market_clock import MarketClock
    from tapeloom.live.recording import RecordingLike
    from tapeloom.timestamps import TimestampLike

__all__ = ["ReplayFeed"]

_SOURCE = "replay"


class ReplayFeed:
    """A feed that pushes recorded bars when they end: as fast as they are taken, or at a multiple of real time.

    Parameters
    ----------
    data
        What ``Recording`` takes: a folder of bars, a ``DataManager``, ``Bars`` by symbol.
    speed
        How many seconds of the market pass in one; 0 does not wait.
    interval
        Length of the bars.
    start, end
        Bars that end in ``(start, end]``; a naive time is wall time of the exchange, ``None`` is open.
    exchange_group
        Whose bars these are.
    clock
        Nanoseconds of a clock that nobody sets.
    market
        A clock that runs through the day already: bars are pushed when they end by it, and ``speed`` and ``clock`` mean
        nothing.
    wait
        Waits a number of seconds, and returns whether the feed was closed meanwhile; by default real seconds, cut short
        by ``close()``.

    Raises
    ------
    ArgumentError
        If the speed is negative or infinite. Others as of ``Recording``.
    """

    def __init__(
        self,
        data: RecordingLike,
        *,
        speed: float = 0.0,
        interval: IntervalLike = "1m",
        start: TimestampLike | None = None,
        end: TimestampLike | None = None,
        exchange_group: str = "US_EQUITY",
        clock: Callable[[], int] | None = None,
        market: MarketClock | None = None,
        wait: Callable[[float], bool] | None = None,
    ) -> None:
        self._recording = Recording(
            data, interval=interval, exchange_group=exchange_group
        )
        self._pace = Pace(speed, clock or LiveClock().monotonic_ns)
        self._market = market
        zone = self._recording.zone
        self._start = None if start is None else to_ns(start, zone, name="start")
        self._end = None if end is None else to_ns(end, zone, name="end")
        self._closed = Event()
        self._wait = wait or partial(wait_for, self._closed.wait)
        self._symbols: frozenset[str] = frozenset()

    @property
    def intervals(self) -> tuple[str, ...]:
        """The one interval it plays."""
        return (self._recording.interval,)

    @property
    def channels(self) -> tuple[str, ...]:
        """``("bars",)``."""
        return ("bars",)

    def connect(
        self, symbols: Sequence[str], channels: Sequence[str] = ("bars",)
    ) -> None:
        """Choose the symbols to play; ``"*"`` is all that are recorded.

        Raises
        ------
        ArgumentError
            If nothing is recorded of a symbol, or something else than bars is asked for.
        """
        if isinstance(symbols, str):
            raise ArgumentError(f"symbols is {symbols!r}; give a list such as ['AAPL']")
        if tuple(channels) != self.channels:
            text = f"channels is {channels!r}; a recording has ('bars',)"
            raise ArgumentError(text, got=channels)
        known = self._recording.symbols
        named = [normalise_symbol(symbol) for symbol in symbols]
        missing = [name for name in named if name != "*" and name not in known]
        if missing or not named:
            what = ", ".join(missing) or "no symbol"
            text = f"symbols: {what}; recorded are {', '.join(known[:10])}"
            raise ArgumentError(text, got=symbols)
        self._symbols = frozenset(known if "*" in named else named)

    def events(self) -> Iterator[FeedEvent]:
        """Return a ``ConnectionEvent``, then the bars in the order in which they end; each call plays them again.

        Raises
        ------
        StateError
            If it is not connected.
        """
        if not self._symbols:
            raise StateError("this feed is not connected; call connect(symbols) first")
        return self._play()

    def close(self) -> None:
        """End the replay; the iteration over events ends with the instant it is at."""
        self._closed.set()

    def _play(self) -> Iterator[FeedEvent]:
        first, _ = self._recording.span
        now = first if self._start is None else self._start
        self._pace.begin(now)
        up = now if self._market is None else self._market.now_ns()
        yield ConnectionEvent(up, True, _SOURCE)
        for instant, bars in self._recording.instants(now, self._end):
            due = [bar for bar in bars if bar.symbol in self._symbols]
            seconds = self._seconds_until(instant) if due else 0.0
            if self._closed.is_set() or (seconds and self._wait(seconds)):
                break
            yield from due

    def _seconds_until(self, instant: int) -> float:
        if self._market is None:
            return self._pace.seconds_until(instant)
        left = (instant - self._market.now_ns()) / self._market.speed
        return max(0.0, left / 1e9)
