"""The server's side of the protocol: JSON, refusals, pages of history, and faults sent to it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from tapeloom.bars import Bars
from tapeloom.errors import ArgumentError, FeedError, StateError
from tapeloom.live import Fault, FeedServer, Recording
from tapeloom.live.server.faulty_bars import FaultyBars
from tapeloom.live.server.history_pages import HistoryPages, RequestError
from tests.live.recorded import MINUTE, OPEN, at, bars_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from websockets.sync.client import ClientConnection

AAPL, MSFT = bars_of("AAPL", 10), bars_of("MSFT", 10, first=300.0)
KEYS = {"APCA-API-KEY-ID": "k", "APCA-API-SECRET-KEY": "s"}


@pytest.fixture(scope="module")
def server() -> Iterator[FeedServer]:
    with FeedServer([AAPL, MSFT]) as running:
        yield running


@pytest.fixture
def client(server: FeedServer) -> Iterator[ClientConnection]:
    with connect(server.stream_url) as opened:
        assert json.loads(opened.recv()) == [{"T": "success", "msg": "connected"}]
        yield opened


def said(client: ClientConnection, message: object) -> list[dict[str, Any]]:
    client.send(message if isinstance(message, str | bytes) else json.dumps(message))
    answer: list[dict[str, Any]] = json.loads(client.recv(timeout=60))
    return answer


def signed_in(client: ClientConnection) -> None:
    answer = said(client, {"action": "auth", "key": "k", "secret": "s"})
    assert answer == [{"T": "success", "msg": "authenticated"}]


def test_a_client_of_json_is_answered_in_json(client: ClientConnection) -> None:
    signed_in(client)
    (answer,) = said(client, {"action": "subscribe", "bars": ["AAPL"], "quotes": ["*"]})
    assert (answer["T"], answer["bars"], answer["quotes"]) == (
        "subscription",
        ["AAPL"],
        ["*"],
    )
    (answer,) = said(client, {"action": "subscribe", "bars": ["MSFT"]})
    assert answer["bars"] == ["AAPL", "MSFT"]
    (answer,) = said(
        client, {"action": "unsubscribe", "bars": ["AAPL"], "quotes": ["*"]}
    )
    assert (answer["bars"], answer["quotes"]) == (["MSFT"], [])


def test_bars_in_json_have_the_vendors_names() -> None:
    with FeedServer([AAPL, MSFT]) as server, connect(server.stream_url) as client:
        client.recv()
        signed_in(client)
        said(client, {"action": "subscribe", "bars": ["AAPL"]})
        server.advance_to(at(1))
        assert json.loads(client.recv(timeout=60)) == [
            {
                "T": "b", "S": "AAPL", "t": "2025-07-02T13:30:00Z",
                "o": 100.0, "h": 101.0, "l": 99.0, "c": 100.5, "v": 1000, "n": None, "vw": None,
            }
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("{", 400),
        ("[1]", 400),
        ("[" * 50_000, 400),
        (b"\xc1", 400),
        ({"action": "listen"}, 400),
        ({"action": "subscribe", "bars": "AAPL"}, 400),
        ({"action": "subscribe", "bars": [1]}, 400),
        ({"action": "subscribe", "news": ["AAPL"]}, 410),
        ({"action": "auth", "key": "k", "secret": "s"}, 403),
    ],
)
def test_a_message_that_makes_no_sense_gets_its_code_and_the_connection_stands(
    client: ClientConnection, message: object, code: int
) -> None:
    signed_in(client)
    (answer,) = said(client, message)
    assert (answer["T"], answer["code"]) == ("error", code)
    (answer,) = said(client, {"action": "subscribe", "bars": []})
    assert answer["T"] == "subscription"


def test_nothing_is_subscribed_before_the_keys_are_shown(
    client: ClientConnection,
) -> None:
    (answer,) = said(client, {"action": "subscribe", "bars": ["AAPL"]})
    assert answer["code"] == 401


@pytest.mark.parametrize(
    "keys", [{}, {"key": "", "secret": "s"}, {"key": 1, "secret": 2}]
)
def test_blank_keys_are_refused_and_the_connection_ends(
    client: ClientConnection, keys: dict[str, object]
) -> None:
    (answer,) = said(client, {"action": "auth", **keys})
    assert answer["code"] == 402
    with pytest.raises(ConnectionClosed):
        client.recv(timeout=60)


def test_a_message_above_a_mebibyte_ends_the_connection(
    client: ClientConnection,
) -> None:
    client.send("x" * (2**20 + 1))
    with pytest.raises(ConnectionClosed, match="1009"):
        client.recv(timeout=60)


def test_a_page_of_a_browser_may_not_connect(server: FeedServer) -> None:
    with pytest.raises(InvalidStatus, match="403"):
        connect(server.control_url, origin=Origin("https://example.org"))


def get(server: FeedServer, headers: dict[str, str], **query: object) -> Any:
    address = f"{server.history_url}/v2/stocks/bars?{urlencode(query)}"
    with urlopen(Request(address, headers=headers), timeout=60) as answer:
        return json.loads(answer.read())


def test_a_request_without_keys_or_for_something_else_is_refused(
    server: FeedServer,
) -> None:
    with pytest.raises(HTTPError, match="403"):
        get(server, {}, symbols="AAPL", timeframe="1Min")
    with pytest.raises(HTTPError, match="404"):
        urlopen(f"{server.history_url}/v2/stocks/trades", timeout=60)
    with pytest.raises(HTTPError, match="400") as failed:
        get(server, KEYS, symbols="AAPL", timeframe="1Day")
    assert json.load(failed.value) == {
        "message": "invalid timeframe: 1Day; recorded is 1Min"
    }


PAGES = HistoryPages(Recording([AAPL, MSFT]), exists=lambda symbol, ts: True)


@given(
    limit=st.integers(1, 25),
    now=st.integers(-1, 12),
    bounds=st.tuples(st.integers(-2, 12), st.integers(-2, 12)),
    names=st.lists(st.sampled_from(["MSFT", "aapl", "NONE"]), min_size=1, max_size=3),
)
def test_pages_together_are_the_bars_that_ended_by_now(
    limit: int, now: int, bounds: tuple[int, int], names: list[str]
) -> None:
    from tapeloom.live.server.wire import time_text

    query = {
        "symbols": ",".join(names), "timeframe": "1Min", "limit": str(limit),
        "start": time_text(at(bounds[0])), "end": time_text(at(bounds[1])),
    }  # fmt: skip
    got, sizes, token = list[tuple[str, str]](), list[int](), None
    while True:
        page = PAGES.page(query | ({"page_token": token} if token else {}), at(now))
        rows = [(name, row["t"]) for name, rows in page["bars"].items() for row in rows]
        got, sizes, token = got + rows, [*sizes, len(rows)], page["next_page_token"]
        if token is None:
            break
    expected = [
        (symbol, time_text(at(minute)))
        for symbol in sorted({name.upper() for name in names} - {"NONE"})
        for minute in range(10)
        if bounds[0] <= minute <= bounds[1] and minute + 1 <= now
    ]
    assert got == expected
    assert all(size == limit for size in sizes[:-1])


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ({"symbols": ""}, "symbol is required"),
        ({"timeframe": ""}, "invalid timeframe"),
        ({"limit": "0"}, "invalid limit"),
        ({"limit": "10001"}, "invalid limit"),
        ({"limit": "9" * 5_000}, "invalid limit"),
        ({"start": "noon"}, "invalid start"),
        ({"page_token": "x"}, "invalid page_token"),
        ({"page_token": "QUFQTA=="}, "invalid page_token"),
        ({"sort": "desc"}, "only asc"),
        ({"adjustment": "split"}, "raw"),
        ({"symbol": "AAPL"}, "unexpected parameter: symbol"),
    ],
)
def test_a_request_that_makes_no_sense_says_why(
    words: dict[str, str], text: str
) -> None:
    query = {"symbols": "AAPL", "timeframe": "1Min"} | words
    with pytest.raises(RequestError, match=text):
        PAGES.page(query, at(5))


def test_garbage_after_the_present_changes_no_answer_of_the_history() -> None:
    spoilt = Bars.concat([AAPL[:6], bars_of("AAPL", 10, first=9_000.0)[6:]])
    query = {"symbols": "AAPL", "timeframe": "1Min"}
    for now in range(7):
        clean, dirty = (
            HistoryPages(Recording([bars]), exists=lambda symbol, ts: True).page(query, at(now))
            for bars in (AAPL, spoilt)
        )  # fmt: skip
        assert clean == dirty


def test_faults_are_sent_as_json_and_answered() -> None:
    with FeedServer([AAPL]) as server, connect(server.control_url) as control:
        control.send('{"fault": "drop", "at": "2025-07-02T09:40:00", "count": 3}')
        assert json.loads(control.recv(timeout=60)) == {
            "ok": True, "now": "2025-07-02T09:30:00-04:00",
        }  # fmt: skip
        for wrong, text in (
            ('{"fault": "drip"}', "did you mean 'drop'"),
            ('{"fault": "drop", "cuont": 3}', "did you mean 'count'"),
            ('{"fault": "drop", "symbols": ["MSFT"]}', "MSFT not recorded"),
            ('{"fault": "drop", "at": "2025-07-02T09:00:00"}', "before the market"),
            ("[]", "give a JSON object"),
            ("{", "Expecting"),
        ):
            control.send(wrong)
            answer = json.loads(control.recv(timeout=60))
            assert answer["ok"] is False
            assert text in answer["error"]


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"kind": "dorp"}, "did you mean 'drop'"),
        ({"kind": "halt"}, "halt needs symbols"),
        ({"kind": "drop", "count": 0}, "count is 0"),
        ({"kind": "drop", "count": True}, "count is True"),
        ({"kind": "reorder", "count": 1}, "2 or more"),
        ({"kind": "slow", "count": 3}, "count does not belong to 'slow'"),
        ({"kind": "drop", "seconds": 3}, "seconds does not belong to 'drop'"),
        ({"kind": "slow", "seconds": -1}, "above 0"),
        ({"kind": "slow", "seconds": float("inf")}, "above 0"),
        ({"kind": "refuse", "what": "auht"}, "did you mean 'auth'"),
        ({"kind": "drop", "what": "auth"}, "must be left out"),
        ({"kind": "oversized", "size": 0}, "size is 0"),
        ({"kind": "drop", "symbols": "AAPL"}, "give a list"),
        ({"kind": "drop", "at": 1751463000}, "looks like seconds"),
    ],
)
def test_a_fault_that_makes_no_sense_is_an_error(
    given: dict[str, Any], text: str
) -> None:
    with pytest.raises(ArgumentError, match=text):
        Fault(**given)


@given(
    kinds=st.lists(
        st.sampled_from(["drop", "delay", "duplicate", "reorder", "correct"]),
        max_size=5,
    ),
    counts=st.lists(st.integers(2, 4), min_size=5, max_size=5),
)
def test_each_bar_is_sent_once_unless_a_fault_says_otherwise(
    kinds: list[str], counts: list[int]
) -> None:
    # Forty bars are more than all faults together wait for, so that nothing is held back at the end.
    bars, faulty = bars_of("AAPL", 40).to_list(), FaultyBars()
    sent: dict[str, list[int]] = {"b": [], "u": []}
    for kind, count in zip(kinds, counts, strict=False):
        faulty.begin(Fault(kind, count=count))
    for bar in bars:
        for delivery in faulty.deliveries(bar, bar.ts + MINUTE):
            assert delivery.due >= bar.ts + MINUTE
            sent[delivery.message["T"]].append(delivery.message["t"])
    expected: dict[int, int] = {}
    place = 0
    for kind, count in zip(kinds, counts, strict=False):
        for _ in range(count):
            expected[OPEN + place * MINUTE] = {"drop": 0, "duplicate": 2}.get(kind, 1)
            place += 1
    assert {bar.ts: sent["b"].count(bar.ts) for bar in bars} == {
        bar.ts: expected.get(bar.ts, 1) for bar in bars
    }
    corrected = sum(c for k, c in zip(kinds, counts, strict=False) if k == "correct")
    assert len(sent["u"]) == corrected


def test_a_server_says_what_it_cannot_do() -> None:
    server = FeedServer([AAPL])
    with pytest.raises(StateError, match="does not listen"):
        server.advance_to(at(1))
    with pytest.raises(StateError, match="does not listen"):
        _ = server.stream_url
    with server:
        with pytest.raises(StateError, match="was started"):
            server.start()
        server.advance_to(at(1))
        with pytest.raises(ArgumentError, match="is over"):
            server.advance_to(at(0))
        with pytest.raises(FeedError, match="fewer than 1 clients"):
            server.wait_for_subscribers(1, timeout=0.0)
        port = int(server.history_url.rsplit(":", 1)[1])
        with pytest.raises(FeedError, match="cannot listen"):
            FeedServer([AAPL], port=port).start()
    server.close()
    assert server.wait(60)
    with pytest.raises(ArgumentError, match="speed is 0"):
        FeedServer([AAPL], speed=0)


def test_at_a_speed_the_market_runs_from_the_first_subscription_on() -> None:
    with FeedServer([AAPL], speed=1e6) as server, connect(server.stream_url) as client:
        client.recv()
        signed_in(client)
        said(client, {"action": "subscribe", "bars": ["*"]})
        starts: list[str] = []
        while len(starts) < 10:
            starts += [m["t"] for m in json.loads(client.recv(timeout=60))]
        assert starts == [f"2025-07-02T13:3{n}:00Z" for n in range(10)]
        with pytest.raises(StateError, match="runs by itself"):
            server.advance_to(at(20))


def test_a_client_of_messagepack_is_answered_in_messagepack(server: FeedServer) -> None:
    headers = {"Content-Type": "application/msgpack"}
    with connect(server.stream_url, additional_headers=headers) as client:
        frame = client.recv(timeout=60)
        assert isinstance(frame, bytes)
        assert msgpack.unpackb(frame) == [{"T": "success", "msg": "connected"}]
