"""What a feed makes of servers that do not keep to the protocol: it tries again, or stops with an error, and lives on."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from http import HTTPStatus
from threading import Thread
from typing import TYPE_CHECKING, Any

import msgpack
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve

from tapeloom.bars import BarData
from tapeloom.errors import FeedError
from tapeloom.live import AlpacaFeed, MalformedMessage
from tapeloom.live.server.wire import bar_message, encode
from tapeloom.statuses import ConnectionEvent
from tests.live.recorded import Gate, bars_of, take

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from websockets.http11 import Request, Response
    from websockets.sync.server import ServerConnection

BAR = bars_of("AAPL", 1)[0]
HELLO = [{"T": "success", "msg": "connected"}]
SIGNED_IN = [{"T": "success", "msg": "authenticated"}]
SUBSCRIBED = [{"T": "subscription", "bars": ["AAPL"]}]


@contextmanager
def serving(
    handler: Callable[[ServerConnection], None],
    answer: Callable[[ServerConnection, Request], Response | None] | None = None,
) -> Iterator[str]:
    """Run a server of one's own making; yields its address."""

    def quietly(connection: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            handler(connection)

    with serve(quietly, "127.0.0.1", 0, process_request=answer) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        server.shutdown()
        thread.join()


def after_subscribing(*frames: str | bytes) -> Callable[[ServerConnection], None]:
    def handler(connection: ServerConnection) -> None:
        connection.send(msgpack.packb(HELLO))
        connection.recv()
        connection.send(msgpack.packb(SIGNED_IN))
        connection.recv()
        connection.send(msgpack.packb(SUBSCRIBED))
        for frame in frames:
            connection.send(frame)
        # Until the feed ends the connection.
        connection.recv()

    return handler


def saying(*frames: object) -> Callable[[ServerConnection], None]:
    """Send the frames one after the other, each but the first after something came."""

    def handler(connection: ServerConnection) -> None:
        for number, frame in enumerate(frames):
            if number:
                connection.recv()
            connection.send(
                frame if isinstance(frame, str | bytes) else msgpack.packb(frame)
            )

    return handler


def events_of(address: str) -> tuple[AlpacaFeed, Gate]:
    gate = Gate()
    feed = AlpacaFeed("key", "secret", url_override=address, wait=gate)
    feed.connect(["AAPL"])
    return feed, gate


@pytest.mark.parametrize(
    "handler",
    [
        saying(),
        saying(b"\xc1"),
        saying("[]"),
        saying([]),
        saying([{"T": "success", "msg": "welcome"}]),
        saying(HELLO),
        saying(HELLO, b""),
        saying(
            HELLO, [{"T": "error", "code": 406, "msg": "connection limit exceeded"}]
        ),
        saying(HELLO, [{"T": "error", "code": 500, "msg": "internal error"}]),
        saying(HELLO, SIGNED_IN),
        saying(HELLO, SIGNED_IN, b"\xc1"),
        saying(
            HELLO, SIGNED_IN, [{"T": "error", "code": 500, "msg": "internal error"}]
        ),
    ],
)
def test_an_opening_that_fails_is_an_outage_and_another_attempt_follows(
    handler: Callable[[ServerConnection], None],
) -> None:
    with serving(handler) as address:
        feed, gate = events_of(address)
        (down,) = take(feed.events(), 1)
        assert isinstance(down, ConnectionEvent)
        assert not down.is_up
        gate.open()
        gate.reached()
        assert (feed.health().attempts, feed.health().outages) == (2, 1)
        assert feed.health().last_failure
        feed.close()


@pytest.mark.parametrize(
    ("frames", "text"),
    [
        ((HELLO, [{"T": "error", "code": 402, "msg": "auth failed"}]), "auth failed"),
        ((HELLO, SIGNED_IN, [{"T": "error", "code": 405, "msg": "too many"}]), "405.*fewer"),
        ((HELLO, SIGNED_IN, [{"T": "error", "code": 410, "msg": "no"}]), "410.*channels"),
    ],
)  # fmt: skip
def test_a_refusal_for_good_stops_the_feed(frames: tuple[Any, ...], text: str) -> None:
    with serving(saying(*frames)) as address, pytest.raises(FeedError, match=text):
        events_of(address)


@pytest.mark.parametrize(
    ("status", "is_final"), [(401, True), (403, True), (429, False)]
)
def test_a_handshake_that_is_refused_says_whether_to_try_again(
    status: int, is_final: bool
) -> None:
    def answer(connection: ServerConnection, _: Request) -> Response | None:
        return connection.respond(HTTPStatus(status), "no\n")

    with serving(saying(), answer) as address:
        if is_final:
            with pytest.raises(FeedError, match=f"{status}"):
                events_of(address)
            return
        feed, _ = events_of(address)
        assert f"{status}" in feed.health().last_failure
        feed.close()


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\xdd\xff\xff\xff\xff",
        b"\x91" * 100_000,
        msgpack.packb({"T": "b"}),
        "[" * 100_000,
        '[{"T": "b"',
        msgpack.packb([{1: 2}]),
    ],
    ids=[
        "empty",
        "huge length",
        "deep",
        "no array",
        "deep text",
        "cut off",
        "odd keys",
    ],
)
def test_a_frame_that_cannot_be_read_is_told_and_ends_the_connection(
    frame: str | bytes,
) -> None:
    with serving(after_subscribing(frame)) as address:
        feed, gate = events_of(address)
        _, told, down = take(feed.events(), 3)
        assert isinstance(told, MalformedMessage)
        assert len(told.text) <= 200
        assert isinstance(down, ConnectionEvent)
        gate.reached()
        feed.close()


def test_messages_that_make_no_sense_are_told_and_the_ones_beside_them_arrive() -> None:
    odd: list[Any] = [None, 7, "b", [], {}, {"T": "b"}, {"T": {}}, {"T": "later"}]
    frames = [
        msgpack.packb(odd),
        encode([bar_message(BAR)], packed=False),
        encode([bar_message(BAR)], packed=True),
    ]
    with serving(after_subscribing(*frames)) as address:
        feed, _ = events_of(address)
        _, *events = take(feed.events(), 10)
        assert sum(isinstance(event, MalformedMessage) for event in events) == 7
        assert [e for e in events if isinstance(e, BarData)] == [BAR, BAR]
        health = feed.health()
        assert (health.malformed, health.outages) == (7, 0)
        assert health.received == {"other": 7, "b": 3}
        assert sum(health.ignored.values()) == 1
        feed.close()


def test_words_that_nobody_knows_are_counted_as_one() -> None:
    frames = [msgpack.packb([{"T": f"{n}-{m}"} for m in range(500)]) for n in range(20)]
    frames.append(encode([bar_message(BAR)], packed=True))
    with serving(after_subscribing(*frames)) as address:
        feed, _ = events_of(address)
        take(feed.events(), 2)
        assert feed.health().received == {"other": 10_000, "b": 1}
        assert feed.health().ignored == {"other": 10_000}
        feed.close()
