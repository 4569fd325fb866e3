"""A whole live run by configuration alone: the vendor's client, against the vendor's protocol on this machine."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from tapeloom import SystemManager, TimeManager
from tapeloom.bars import Provenance
from tapeloom.live import Fault, FeedServer
from tapeloom.timestamps import from_ns
from tests.reference.schedule import MINUTE, SECOND
from tests.session.memory import JULY, MemorySource
from tests.session.runs import threads
from tests.system.scripted import DAY, SYMBOLS, SetClock, minutes_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tapeloom import BarData, SessionData

pytest.importorskip("alpaca", reason="the vendor's client is not installed")
pytest.importorskip("websockets", reason="the server needs websockets")

ZONE = TimeManager().timezone
BEFORE = JULY[JULY.index(DAY) - 2 : JULY.index(DAY)]
FIRST = 30
PATIENCE = 60.0


class Market:
    """Server and clock of one market."""

    def __init__(self) -> None:
        # Some seconds into a minute: a bar that has just ended may still be on its way.
        self.clock = SetClock(DAY.open + FIRST * MINUTE + 10 * SECOND)
        self.server = FeedServer(
            MemorySource({(s, "1m"): minutes_of(s, [*BEFORE, DAY]) for s in SYMBOLS}),
            start=self.clock.now,
            key="KEY-OF-MINE",
            secret="SECRET-OF-MINE",
        )
        self._seen = threading.Semaphore(0)

    def on_bar(self, session: SessionData, bar: BarData) -> None:
        if not bar.flags & Provenance.BACKFILLED:
            self._seen.release()

    def advance(self, minutes: int, *, bars: int) -> None:
        """Go on to the end of a minute, and wait until the analysis was told of so many bars."""
        self.clock.now = DAY.open + minutes * MINUTE + 10 * SECOND
        self.server.advance_to(from_ns(self.clock.now, ZONE))
        for _ in range(bars):
            assert self._seen.acquire(timeout=PATIENCE)


@pytest.fixture
def market(monkeypatch: pytest.MonkeyPatch) -> Iterator[Market]:
    monkeypatch.setenv("APCA_API_KEY_ID", "KEY-OF-MINE")
    monkeypatch.setenv("APCA_API_SECRET_KEY", "SECRET-OF-MINE")
    made = Market()
    with made.server:
        yield made


def begun(market: Market, data: Path) -> SystemManager:
    clock = TimeManager(mode="live", clock=market.clock)
    manager = SystemManager(data, time_manager=clock)
    manager.engine.add(market.on_bar)
    manager.start(
        {
            "session_name": "vendor",
            "mode": "live",
            "api_config": {"data_api": "alpaca"},
            "live_config": {
                "url_override": market.server.stream_url,
                "history_url_override": market.server.history_url,
            },
            "session_data_config": {
                "symbols": list(SYMBOLS),
                "streams": ["1m"],
                "historical": {"data": [{"trailing_days": 2, "intervals": ["1m"]}]},
            },
        }
    )
    market.server.wait_for_subscribers(1)
    return manager


def until(manager: SystemManager, holds: Callable[[], bool]) -> None:
    """Wait until something holds; the test's own timeout ends what never does."""
    while not holds():
        assert not manager.wait(0.01)


def starts(manager: SystemManager, symbol: str, scope: str = "session") -> list[int]:
    bars = manager.session_data.get_bars(symbol, scope=scope)
    return [int(ts) for ts in bars.ts]


def test_a_run_that_begins_at_ten_has_the_days_before_and_every_minute_since_the_open(
    market: Market, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    minutes = {symbol: [b.ts for b in minutes_of(symbol)] for symbol in SYMBOLS}
    with begun(market, tmp_path) as manager:
        until(manager, lambda: all(len(starts(manager, s)) == FIRST for s in SYMBOLS))
        for minute in range(FIRST + 1, FIRST + 6):
            market.advance(minute, bars=2)

        assert {s: starts(manager, s) for s in SYMBOLS} == {
            s: minutes[s][: FIRST + 5] for s in SYMBOLS
        }
        assert starts(manager, "MSFT", "history") == [
            bar.ts for bar in minutes_of("MSFT", BEFORE)
        ]
        assert manager.health().is_connected
        shown = repr(manager.system_info(complete=True)) + caplog.text
    assert "OF-MINE" not in shown
    assert threads() == {"tapeloom-server"}


def test_what_the_stream_does_not_bring_is_filled_from_history(
    market: Market, tmp_path: Path
) -> None:
    with begun(market, tmp_path) as manager:
        until(manager, lambda: all(len(starts(manager, s)) == FIRST for s in SYMBOLS))
        market.advance(FIRST + 1, bars=2)
        market.server.inject(Fault("drop", count=8))
        market.advance(FIRST + 5, bars=0)
        market.advance(FIRST + 6, bars=2)
        until(
            manager, lambda: all(len(starts(manager, s)) == FIRST + 6 for s in SYMBOLS)
        )

        assert starts(manager, "AAPL") == [
            bar.ts for bar in minutes_of("AAPL")[: FIRST + 6]
        ]
        # The bars are there a moment before it is told.
        until(
            manager,
            lambda: any("filled 4/4 from history" in t for t in manager.health().fills),
        )
