"""The vendor's own client against the server, as its users run it: the stream in its thread, the history in pages."""

from __future__ import annotations

import asyncio
from queue import Queue
from threading import Thread
from typing import TYPE_CHECKING, Any

import msgpack
import pytest

from tapeloom.live import AlpacaFeed, Fault, FeedServer
from tapeloom.live.loading_client import loading_client
from tapeloom.storage import DataManager
from tapeloom.timestamps import from_ns
from tests.live.recorded import ZONE, at, bars_of

with loading_client():
    from alpaca.common.exceptions import APIError
    from alpaca.data.historical.stock import StockHistoricalDataClient
    from alpaca.data.live.stock import StockDataStream
    from alpaca.data.requests import StockBarsRequest
    from alpaca.data.timeframe import TimeFrame

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AAPL, MSFT = bars_of("AAPL", 10), bars_of("MSFT", 10, first=300.0)


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with FeedServer([AAPL, MSFT], key="the key", secret="the secret") as running:
        yield running


class Program:
    """A program as people write it: handlers that keep what comes, and the client's own loop in a thread."""

    def __init__(self, server: FeedServer) -> None:
        self.seen: Queue[tuple[str, Any]] = Queue()
        self.stream: Any = StockDataStream(
            "the key", "the secret", url_override=server.stream_url
        )
        # Its own waiting times; nothing here measures time.
        self.stream._reconnect_min_backoff = self.stream._reconnect_max_backoff = 0.01
        self.stream.subscribe_bars(self._keep("bar"), "AAPL", "MSFT")
        self.stream.subscribe_updated_bars(self._keep("updated"), "AAPL")
        self.stream.subscribe_trading_statuses(self._keep("status"), "*")
        self._thread = Thread(target=self.stream.run)
        self._thread.start()
        server.wait_for_subscribers(1)

    def _keep(self, kind: str) -> Any:
        async def keep(value: Any) -> None:
            self.seen.put((kind, value))

        return keep

    def take(self, count: int) -> list[tuple[str, Any]]:
        return [self.seen.get(timeout=60) for _ in range(count)]

    def stop(self, server: FeedServer) -> None:
        # Its loop looks for the stop between two messages; the end of the connection is one.
        asyncio.run_coroutine_threadsafe(
            self.stream.stop_ws(), self.stream._loop
        ).result()
        server.inject(Fault("disconnect"))
        self._thread.join(60)
        assert not self._thread.is_alive()


@pytest.fixture
def program(server: FeedServer) -> Iterator[Program]:
    started = Program(server)
    yield started
    started.stop(server)


def test_bars_come_with_the_recorded_values(
    server: FeedServer, program: Program
) -> None:
    server.advance_to(at(2))
    seen = program.take(4)
    assert [(kind, bar.symbol) for kind, bar in seen] == [
        ("bar", "AAPL"), ("bar", "MSFT"), ("bar", "AAPL"), ("bar", "MSFT"),
    ]  # fmt: skip
    bar, recorded = seen[0][1], AAPL[0]
    assert bar.timestamp == recorded.timestamp
    assert (bar.open, bar.high, bar.low, bar.close, bar.volume) == (
        recorded.open, recorded.high, recorded.low, recorded.close, recorded.volume,
    )  # fmt: skip
    assert (bar.trade_count, bar.vwap) == (None, None)


def test_corrections_and_halts_reach_their_handlers(
    server: FeedServer, program: Program
) -> None:
    server.inject(Fault("correct", symbols=("AAPL",)))
    server.inject(Fault("halt", symbols=("MSFT",), seconds=120))
    server.advance_to(at(2))
    seen = program.take(5)
    statuses = [value for kind, value in seen if kind == "status"]
    assert [(s.symbol, s.status_code) for s in statuses] == [
        ("MSFT", "H"),
        ("MSFT", "T"),
    ]
    updated = [value for kind, value in seen if kind == "updated"]
    assert [(u.symbol, u.volume) for u in updated] == [("AAPL", AAPL[0].volume)]
    assert [v.volume for kind, v in seen if kind == "bar"] == [900, AAPL[1].volume]


def test_its_own_loop_comes_back_after_a_disconnect_without_the_bars_in_between(
    server: FeedServer, program: Program
) -> None:
    server.advance_to(at(1))
    program.take(2)
    server.inject(Fault("disconnect", seconds=150))
    server.advance_to(at(4))
    server.wait_for_subscribers(1)
    server.advance_to(at(5))
    assert [bar.timestamp for _, bar in program.take(2)] == [AAPL[4].timestamp] * 2


def client(server: FeedServer, secret: str = "the secret") -> Any:
    return StockHistoricalDataClient("the key", secret, url_override=server.history_url)


def ask(server: FeedServer, first: float, last: float, **more: Any) -> Any:
    request = StockBarsRequest(
        symbol_or_symbols=["MSFT", "AAPL"],
        timeframe=TimeFrame.Minute,
        start=from_ns(at(first), ZONE),
        end=from_ns(at(last), ZONE),
        **more,
    )
    return client(server).get_stock_bars(request)


def test_the_history_answers_with_the_bars_that_ended(server: FeedServer) -> None:
    server.advance_to(at(4))
    found = ask(server, 1, 9)
    assert sorted(found.data) == ["AAPL", "MSFT"]
    assert [bar.timestamp for bar in found["AAPL"]] == AAPL[1:4].timestamps
    assert [bar.close for bar in found["MSFT"]] == MSFT[1:4].close.tolist()


def test_the_history_keeps_to_a_limit(server: FeedServer) -> None:
    server.advance_to(at(10))
    found = ask(server, 0, 9, limit=13)
    assert {name: len(bars) for name, bars in found.data.items()} == {
        "AAPL": 10,
        "MSFT": 3,
    }


def test_wrong_keys_are_refused_in_both_ways(server: FeedServer) -> None:
    with pytest.raises(APIError, match="forbidden") as failed:
        client(server, "wrong").get_stock_bars(
            StockBarsRequest(symbol_or_symbols="AAPL", timeframe=TimeFrame.Minute)
        )
    assert failed.value.status_code == 403
    stream = StockDataStream("the key", "wrong", url_override=server.stream_url)
    with pytest.raises(ValueError, match="auth failed"):
        asyncio.run(stream._start_ws())


def test_ten_thousand_symbols_subscribe_in_fragments_and_are_confirmed() -> None:
    names = [f"SYM{n:05d}" for n in range(10_000)]

    async def subscribe(url: str) -> list[Any]:
        async def unused(_: object) -> None: ...

        stream: Any = StockDataStream("k", "s", url_override=url)
        stream.subscribe_bars(unused, *names)
        await stream._start_ws()
        await stream._send_subscribe_msg()
        answer: list[Any] = msgpack.unpackb(await stream._ws.recv())
        await stream.close()
        return answer

    with FeedServer([AAPL]) as server:
        (answer,) = asyncio.run(subscribe(server.stream_url))
    assert answer["bars"] == names


def test_a_day_of_real_bars_comes_as_it_was_recorded(real_data: Path) -> None:
    source = DataManager(real_data)
    opened, closed = at(0), at(390)
    recorded = source.read("AAPL", "1m", opened, closed)
    assert len(recorded) == 390
    with FeedServer(source, symbols=["AAPL", "RIVN"], start=opened) as server:
        feed = AlpacaFeed("k", "s", url_override=server.stream_url)
        feed.connect(["AAPL"])
        server.advance_to(closed)
        events = feed.events()
        next(events)
        assert [next(events) for _ in range(390)] == recorded.to_list()
        feed.close()
