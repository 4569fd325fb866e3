"""A live configuration on the market of a server: where it is found, by which time it goes, what is refused."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import pytest

from tapeloom import TimeManager
from tapeloom.config import SessionConfig
from tapeloom.errors import ArgumentError, FeedError
from tapeloom.live import AlpacaHistory, FeedServer
from tapeloom.live.served_clock import ServedClock
from tapeloom.live.served_market import served_market
from tests.live.recorded import MINUTE, OPEN, at, bars_of

if TYPE_CHECKING:
    from collections.abc import Iterator

AAPL = bars_of("AAPL", 10)
SECOND = 1_000_000_000
TIMES = TimeManager("US_EQUITY", mode="live")
CONFIG = SessionConfig.from_dict(
    {
        "session_name": "rehearsed",
        "mode": "live",
        "api_config": {"data_api": "alpaca"},
        "session_data_config": {"symbols": ["AAPL"], "streams": ["1m"]},
    }
)


class Market:
    """A market that begins when it is told to, beside a monotonic clock that is set by hand."""

    def __init__(self) -> None:
        self.monotonic, self.is_running, self.is_down, self.asked = 0, False, False, 0
        self.now = OPEN

    def ask(self) -> tuple[int, bool]:
        self.asked += 1
        if self.is_down:
            raise FeedError("nobody answers")
        return self.now, self.is_running

    def clock(self, speed: float) -> ServedClock:
        return ServedClock(self.ask, speed, monotonic=lambda: self.monotonic)


def test_the_clock_stands_until_the_market_begins_and_then_runs_at_its_speed() -> None:
    market = Market()
    clock = market.clock(60.0)

    market.monotonic = SECOND
    assert (clock.now_ns(), clock.speed) == (OPEN, 60.0)
    market.monotonic = 5 * SECOND
    assert clock.now_ns() == OPEN

    market.is_running, market.now = True, OPEN + MINUTE
    market.monotonic = 6 * SECOND
    assert clock.now_ns() == OPEN + MINUTE
    market.monotonic = 7 * SECOND
    assert clock.now_ns() == OPEN + 2 * MINUTE


def test_a_market_that_runs_is_asked_no_more_and_one_that_stands_not_at_each_look() -> (
    None
):
    market = Market()
    clock = market.clock(1.0)
    for _ in range(100):
        clock.now_ns()
    assert market.asked == 1

    market.is_running, market.monotonic = True, SECOND
    clock.now_ns()
    market.is_down = True
    for second in range(2, 100):
        market.monotonic = second * SECOND
        assert clock.now_ns() == OPEN + (second - 1) * SECOND
    assert market.asked == 2


def test_a_server_that_goes_before_its_market_has_begun_stops_the_clock_only() -> None:
    market = Market()
    clock = market.clock(1.0)
    assert clock.now_ns() == OPEN
    market.is_down, market.monotonic = True, SECOND
    assert clock.now_ns() == OPEN


def test_a_clock_that_was_never_told_the_time_does_not_make_one_up() -> None:
    market = Market()
    market.is_down = True
    with pytest.raises(FeedError, match="nobody answers"):
        market.clock(1.0).now_ns()


def test_a_server_tells_where_its_market_is_without_keys_and_during_an_outage() -> None:
    with FeedServer([AAPL], start=at(0) - MINUTE) as server:
        server.advance_to(at(2))
        with urlopen(f"{server.history_url}/market") as answer:
            told = json.load(answer)
    name = told.pop("market")
    assert told == {
        "now_ns": at(2),
        "end_ns": at(10),
        "is_running": False,
        "speed": None,
    }
    assert isinstance(name, str)


def test_the_market_of_a_server_is_one_session_at_its_speed() -> None:
    with FeedServer([AAPL], start=at(0) - MINUTE, speed=50) as server:
        api = served_market(server.history_url, CONFIG, TIMES)
        other = served_market(server.stream_url, CONFIG, TIMES)
        assert api.clock is not None
        assert api.clock.now_ns() == at(0) - MINUTE
    assert (api.sessions, getattr(api.clock, "speed", None)) == (1, 50.0)
    assert api.market == other.market
    assert isinstance(api.history_source, AlpacaHistory)
    assert api.history_source.allowance.requests_per_minute == 10_000


def test_two_servers_are_two_markets() -> None:
    with FeedServer([AAPL], speed=1) as one, FeedServer([AAPL], speed=1) as two:
        names = {
            served_market(each.history_url, CONFIG, TIMES).market for each in (one, two)
        }
    assert len(names) == 2


@pytest.mark.parametrize(
    "address",
    [
        "http://data.alpaca.markets:80",
        "ws://stream.data.alpaca.markets:443/v2/iex",
        "http://192.168.0.7:8765",
        "http://127.0.0.1.example.org:8765",
    ],
)
def test_an_address_of_another_machine_is_refused_before_anything_is_sent(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect(*_: object) -> None:
        raise AssertionError("it was spoken to")

    monkeypatch.setattr("http.client.HTTPConnection.connect", connect)
    with pytest.raises(ArgumentError, match=r"never to a vendor.*serve-feed"):
        served_market(address, CONFIG, TIMES)


@pytest.mark.parametrize(
    "address",
    ["", "8765", "127.0.0.1:8765", "https://data.alpaca.markets", "http://[::1", "http://127.0.0.1:x"],
)  # fmt: skip
def test_what_is_no_address_is_told_how_one_looks(address: str) -> None:
    with pytest.raises(ArgumentError, match=r"such as http://127\.0\.0\.1:8765"):
        served_market(address, CONFIG, TIMES)


def test_a_market_that_stands_still_is_refused() -> None:
    with (
        FeedServer([AAPL]) as server,
        pytest.raises(ArgumentError, match="with a speed, such as --speed 60"),
    ):
        served_market(server.history_url, CONFIG, TIMES)


def test_a_recording_that_is_over_is_refused() -> None:
    with (
        FeedServer([AAPL], start=at(0) + 24 * 60 * MINUTE, speed=1) as server,
        pytest.raises(ArgumentError, match="was over on 2025-07-02 09:40"),
    ):
        served_market(server.history_url, CONFIG, TIMES)


def test_an_address_where_nobody_listens_is_an_error_that_names_the_command() -> None:
    with FeedServer([AAPL], speed=1) as server:
        address = server.history_url
    with pytest.raises(FeedError, match=r"no market answers.*tapeloom serve-feed"):
        served_market(address, CONFIG, TIMES)


TOLD = {
    "market": "12ab",
    "now_ns": 1,
    "end_ns": 2,
    "is_running": True,
    "speed": 60,
}
STRANGE = {
    "another": {"now": "noon"},
    "no folder": TOLD | {"market": "x/../../../escaped"},
    "no name": TOLD | {"market": 5},
    "backwards": TOLD | {"speed": -1},
    "no speed": TOLD | {"speed": float("nan")},
    "at once": TOLD | {"speed": float("inf")},
    "no time": TOLD | {"now_ns": float("inf")},
}


@pytest.fixture(params=STRANGE)
def stranger(request: pytest.FixtureRequest) -> Iterator[str]:
    """Some other program that answers requests on this machine."""
    answer = json.dumps(STRANGE[request.param]).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_another_program_that_listens_there_is_no_market(stranger: str) -> None:
    with pytest.raises(ArgumentError, match="is no tapeloom serve-feed"):
        served_market(stranger, CONFIG, TIMES)
