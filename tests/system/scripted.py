"""A live day in lock step: the feed sets the clock, pushes a bar, and goes on when the analysis has seen it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from tapeloom.bars import Provenance
from tapeloom.live import DataApi
from tapeloom.statuses import ConnectionEvent
from tests.compare import bar_data, columns
from tests.reference.gaps import expected_starts
from tests.reference.schedule import MINUTE, SECOND
from tests.session.memory import JULY
from tests.strategies import bar_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tapeloom import BarData, SessionData
    from tapeloom.history_source import HistoryRequest
    from tapeloom.live import FeedEvent
    from tests.reference.bars import Bar

__all__ = ["DAY", "SYMBOLS", "ScriptedDay", "SetClock", "Vendor", "minutes_of"]

#: The half day before the holiday: 210 minutes.
DAY = next(day for day in JULY if day.close - day.open < 300 * MINUTE)
SYMBOLS = ("AAPL", "MSFT")
PATIENCE = 60.0
#: Later than corrections are waited for after the close.
AFTER = 60 * SECOND


def minutes_of(symbol: str, days: Sequence[Any] = (DAY,)) -> list[Bar]:
    """Every minute of some days, with values that follow from symbol and time."""
    salt = sum(map(ord, symbol))
    return [bar_at(ts, salt) for day in days for ts in expected_starts(day, MINUTE)]


class SetClock:
    """Stands still until it is set."""

    def __init__(self, now: int) -> None:
        self.now = now

    def now_ns(self) -> int:
        return self.now


class Vendor:
    """A source of history that has every minute of every day."""

    def __init__(self) -> None:
        self.asked: list[HistoryRequest] = []

    def fetch(self, requests: Sequence[HistoryRequest]) -> list[object]:
        self.asked += requests
        return [
            columns(
                [
                    bar
                    for bar in minutes_of(request.symbol, JULY)
                    if request.start.timestamp()
                    <= bar.ts / SECOND
                    < request.end.timestamp()
                ]
            )
            for request in requests
        ]


class ScriptedDay:
    """Feed and analysis of a day in one: which minutes come, and what the analysis was told.

    Parameters
    ----------
    minutes
        Positions of the minutes that come, rising.
    last
        Whether the close follows the last of them; else the day stands still there.
    """

    intervals = ("1m",)
    channels = ("bars",)

    def __init__(self, minutes: Sequence[int] = range(210), *, last: bool = True):
        self._minutes = minutes
        self._last = last
        self._seen = threading.Semaphore(0)
        self._opened = threading.Event()
        self._closed = threading.Event()
        #: Set when every bar of the script was seen.
        self.played = threading.Event()
        self.clock = SetClock(DAY.open - MINUTE)
        self.subscribed: tuple[str, ...] = ()
        self.told: list[tuple[str, str, int]] = []

    def api(self, vendor: Vendor | None = None) -> DataApi:
        return DataApi(self, vendor, clock=self.clock, sessions=1)

    # The feed

    def connect(self, symbols: Sequence[str], channels: Sequence[str]) -> None:
        self.subscribed = tuple(symbols)

    def events(self) -> Iterator[FeedEvent]:
        yield ConnectionEvent(self.clock.now, True, "script")
        self.clock.now = max(DAY.open, self.clock.now)
        assert self._opened.wait(PATIENCE)
        tapes = {symbol: minutes_of(symbol) for symbol in self.subscribed}
        for number in self._minutes:
            self.clock.now = DAY.open + (number + 1) * MINUTE
            for symbol, tape in tapes.items():
                yield bar_data(symbol, tape[number])
                assert self._seen.acquire(timeout=PATIENCE)
                if self._closed.is_set():
                    return
        self.played.set()
        if self._last:
            self.clock.now = DAY.close + AFTER
        self._closed.wait()

    def close(self) -> None:
        self._closed.set()
        self._opened.set()
        self._seen.release()

    # The analysis

    def on_session_start(self, session: SessionData) -> None:
        self._opened.set()

    def on_bar(self, session: SessionData, bar: BarData) -> None:
        ts = round(bar.timestamp.timestamp()) * SECOND
        self.told.append((bar.symbol, bar.interval, ts))
        if bar.interval == "1m" and not bar.flags & Provenance.BACKFILLED:
            self._seen.release()
