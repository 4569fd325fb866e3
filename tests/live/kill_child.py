"""One life of a live session that somebody is going to kill: a feed, four readers, an analysis, and word of all it acknowledges.

Run by `tests.live.test_kill_session`, each in a process of its own.
"""

from __future__ import annotations

import sys
import threading
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

from tapeloom.live.data_api import DataApi
from tapeloom.statuses import ConnectionEvent
from tapeloom.system.system_manager import SystemManager
from tests.compare import bar_data
from tests.live.made import SetClock
from tests.live.simulated_day import live_manager
from tests.reference.schedule import MINUTE, SECOND, to_ns, trading_day
from tests.session.vendor import whole_day

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from multiprocessing.connection import Connection

    from tapeloom import BarData, SessionData
    from tapeloom.history_source import HistoryRequest
    from tapeloom.live.feed import FeedEvent

__all__ = [
    "CLOSE",
    "DATE",
    "DAY",
    "MINUTES",
    "SYMBOLS",
    "TRUTH",
    "Life",
    "Told",
    "live",
]

DATE = date(2025, 7, 2)
#: When the market closes on this day, so that many of it can be lived.
CLOSE = "10:30"
DAY = trading_day(DATE, f"09:30-{CLOSE}", "America/New_York")
MINUTES = (DAY.close - DAY.open) // MINUTE
SYMBOLS = ("AAA", "BBB", "CCC", "DDD")
TRUTH = whole_day(DAY, SYMBOLS)


class Life(NamedTuple):
    """From when to when a session lives."""

    folder: str
    mode: str
    first: int
    """The first minute that the feed pushes; those before it are history."""


class Told(NamedTuple):
    """A word from the session: a bar that can be read, or what happened.

    ``last_seq`` is the number of the newest record of the journal when the bar could be read, ``durable_seq`` what was on
    disk by then.
    """

    word: str
    symbol: str = ""
    ts: int = 0
    last_seq: int = 0
    durable_seq: int = 0


class TruthFeed:
    """Pushes the bars of the truth as fast as they are taken: the clock goes on when a minute has been acknowledged."""

    intervals, channels = ("1m",), ("bars",)

    def __init__(self, clock: SetClock, first: int) -> None:
        self._clock, self._first = clock, first
        self._closed = threading.Event()
        self.is_open = threading.Event()
        self.acknowledged = threading.Semaphore(0)

    def connect(self, symbols: Sequence[str], channels: Sequence[str]) -> None:
        """Nothing to connect to."""

    def events(self) -> Iterator[FeedEvent]:
        yield ConnectionEvent(self._clock.now, True, "truth")
        self.is_open.wait()
        for minute in range(self._first, MINUTES):
            start = DAY.open + minute * MINUTE
            self._clock.now = start + MINUTE + SECOND // 2
            for symbol in SYMBOLS:
                yield bar_data(symbol, TRUTH[symbol][start])
            for _ in SYMBOLS:
                self.acknowledged.acquire()
                if self._closed.is_set():
                    return
        self._clock.now = DAY.close + MINUTE
        self._closed.wait()

    def close(self) -> None:
        self._closed.set()
        self.is_open.set()
        self.acknowledged.release(len(SYMBOLS))


class TruthHistory:
    """Has the bars that ended before an instant, ns UTC."""

    def __init__(self, until: int) -> None:
        self._until = until

    def fetch(self, requests: Sequence[HistoryRequest]) -> list[list[BarData]]:
        return [self._bars(request) for request in requests]

    def _bars(self, request: HistoryRequest) -> list[BarData]:
        start, end = to_ns(request.start), to_ns(request.end)
        return [
            bar_data(request.symbol, bar)
            for ts, bar in TRUTH.get(request.symbol, {}).items()
            if start <= ts < end and ts + MINUTE <= self._until
        ]


class Teller:
    """The analysis: says of each bar that it was acknowledged, and lets the feed go on."""

    def __init__(self, to: Connection, feed: TruthFeed) -> None:
        self._to, self._feed = to, feed
        self._lock = threading.Lock()
        self.coordinator: object = None

    def say(self, told: Told) -> None:
        with self._lock:
            self._to.send(tuple(told))

    def on_session_start(self, session: SessionData) -> None:
        self.say(Told("open"))
        self._feed.is_open.set()

    def on_bar(self, session: SessionData, bar: BarData) -> None:
        if bar.interval != "1m":
            return
        newest = session.get_latest_bar(bar.symbol)
        if newest is None or newest.ts < bar.ts:
            self.say(Told(f"{bar} was told and cannot be read"))
        journal = self.coordinator.health().journal  # type: ignore[attr-defined]  # set before the run starts
        last, durable = journal["last_seq"], journal["durable_seq"]
        self.say(Told("bar", bar.symbol, bar.ts, last, durable))
        self._feed.acknowledged.release()


class Reader(threading.Thread):
    """Reads one symbol all the time: its bars only become more, and stay as they are."""

    def __init__(self, session: SessionData, symbol: str, teller: Teller) -> None:
        super().__init__(daemon=True)
        self._session, self._symbol, self._teller = session, symbol, teller

    def run(self) -> None:
        seen = 0
        while not self._session.session_ended:
            bars = self._session.get_bars(self._symbol)
            stamps = bars.ts.tolist()
            truth = TRUTH[self._symbol]
            closes = [truth[ts].close for ts in stamps]
            if (
                len(stamps) < seen
                or stamps != sorted(set(stamps))
                or bars.close.tolist() != closes
            ):
                self._teller.say(Told(f"a reader of {self._symbol} saw {stamps}"))
                return
            seen = len(stamps)


def live(to: Connection, life: Life) -> None:
    """Live until the end of the day, or until somebody kills this process."""
    try:
        _live(to, life)
    except BaseException as error:
        to.send(tuple(Told(f"failed: {error!r}")))
        raise


def _live(to: Connection, life: Life) -> None:
    # Five threads take turns with the one that stores: with the usual 5 ms a bar would take 20.
    sys.setswitchinterval(1e-4)
    # What ended before the first minute of the feed is history by now, and is looked for while the session warms up.
    clock = SetClock(DAY.open + life.first * MINUTE + 10 * SECOND)
    feed = TruthFeed(clock, life.first)
    teller = Teller(to, feed)
    manager = SystemManager(
        f"{life.folder}/data",
        data_api=DataApi(feed, TruthHistory(clock.now), clock=clock, sessions=1),
        time_manager=live_manager(clock, CLOSE, DATE),
    )
    manager.engine.add(teller)
    run = manager.prepare_live(
        {
            "session_name": "killed",
            "mode": "live",
            "live_config": {
                "journal": life.mode,
                "journal_folder": f"{life.folder}/journal",
                "store_end_of_day": False,
            },
            "api_config": {"data_api": "alpaca"},
            "session_data_config": {"symbols": list(SYMBOLS), "streams": ["1m", "5m"]},
        }
    )
    teller.coordinator = run.coordinator
    teller.say(Told("wired"))
    run.coordinator.start()
    for symbol in SYMBOLS:
        Reader(run.session_data, symbol, teller).start()
    run.coordinator.wait()
    teller.say(Told("over", run.session_data.state_hash()))
