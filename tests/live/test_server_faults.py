"""Each fault of the server once: what a feed on the vendor's own client makes of it, over a real socket."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING

import pytest

from tapeloom.bars import BarData, Bars
from tapeloom.errors import FeedError, HistorySourceError
from tapeloom.history_source import HistoryRequest
from tapeloom.live import (
    AlpacaFeed,
    AlpacaHistory,
    Fault,
    FeedServer,
    MalformedMessage,
    SymbolStatus,
    UpdatedBar,
)
from tapeloom.statuses import ConnectionEvent
from tapeloom.timestamps import from_ns
from tests.live.recorded import ZONE, Gate, at, bars_of, take

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tapeloom.live import FeedEvent

CHANNELS = ("bars", "updated_bars", "statuses")
AAPL, MSFT = bars_of("AAPL", 10), bars_of("MSFT", 10, first=300.0)
UP = ConnectionEvent(at(0), True, "alpaca")
DOWN = ConnectionEvent(at(0), False, "alpaca")


class StoppedClock:
    """The wall clock of these tests: connection events carry the open."""

    def now_ns(self) -> int:
        return at(0)


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with FeedServer([AAPL, MSFT]) as running:
        yield running


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def feed(server: FeedServer, gate: Gate) -> Iterator[AlpacaFeed]:
    made = AlpacaFeed(
        "key",
        "secret",
        url_override=server.stream_url,
        clock=StoppedClock(),
        random=Random(0),
        wait=gate,
    )
    yield made
    made.close()


@pytest.fixture
def events(feed: AlpacaFeed) -> Iterator[FeedEvent]:
    feed.connect(["AAPL"], CHANNELS)
    found = feed.events()
    assert next(found) == UP
    return found


def history(server: FeedServer, *, until: float = 10) -> Bars:
    source = AlpacaHistory("key", "secret", url_override=server.history_url)
    start, end = (from_ns(at(minute), ZONE) for minute in (0, until))
    (bars,) = source.fetch([HistoryRequest("AAPL", "1m", start, end)])
    return bars


def test_without_a_fault_each_bar_comes_once_when_it_ends(
    server: FeedServer, events: Iterator[FeedEvent]
) -> None:
    server.advance_to(at(3))
    assert take(events, 3) == list(AAPL[:3])
    assert history(server) == AAPL[:3]


def test_drop_the_bar_never_comes_and_the_history_has_it(
    server: FeedServer, events: Iterator[FeedEvent]
) -> None:
    server.inject(Fault("drop", count=2, symbols=("AAPL",)))
    server.advance_to(at(4))
    assert take(events, 2) == [AAPL[2], AAPL[3]]
    assert history(server) == AAPL[:4]


def test_delay_the_bar_comes_behind_newer_ones(
    server: FeedServer, events: Iterator[FeedEvent]
) -> None:
    server.inject(Fault("delay", seconds=90, symbols=("AAPL",)))
    server.advance_to(at(3))
    assert take(events, 3) == [AAPL[1], AAPL[0], AAPL[2]]


def test_duplicate_the_bar_comes_twice(
    server: FeedServer, events: Iterator[FeedEvent]
) -> None:
    server.inject(Fault("duplicate", symbols=("AAPL",)))
    server.advance_to(at(2))
    assert take(events, 3) == [AAPL[0], AAPL[0], AAPL[1]]


def test_reorder_the_bars_come_newest_first(
    server: FeedServer, events: Iterator[FeedEvent]
) -> None:
    server.inject(Fault("reorder", count=3, symbols=("AAPL",)))
    server.advance_to(at(4))
    assert take(events, 4) == [AAPL[2], AAPL[1], AAPL[0], AAPL[3]]


def test_correct_the_bar_comes_with_other_values_and_then_as_recorded(
    server: FeedServer, events: Iterator[FeedEvent]
) -> None:
    server.inject(Fault("correct", symbols=("AAPL",)))
    server.advance_to(at(2))
    early, update, after = take(events, 3)
    assert isinstance(early, BarData)
    assert (early.ts, early.volume) == (AAPL[0].ts, 900.0)
    assert update == UpdatedBar(AAPL[0])
    assert after == AAPL[1]
    assert history(server) == AAPL[:2]


def test_halt_is_told_and_bars_of_the_halt_do_not_exist(
    server: FeedServer, events: Iterator[FeedEvent]
) -> None:
    server.inject(Fault("halt", at=from_ns(at(2), UTC), seconds=180, symbols=("AAPL",)))
    server.advance_to(at(6))
    came = take(events, 5)
    told = [event for event in came if isinstance(event, SymbolStatus)]
    assert [(e.symbol, e.status.timestamp, e.status.state) for e in told] == [
        ("AAPL", at(2), "halted"),
        ("AAPL", at(5), "trading"),
    ]
    assert [e for e in came if isinstance(e, BarData)] == [AAPL[0], AAPL[1], AAPL[5]]
    assert history(server).ts.tolist() == [at(0), at(1), at(5)]


def test_slow_nothing_comes_and_then_all_of_it_in_order(
    server: FeedServer, events: Iterator[FeedEvent], feed: AlpacaFeed
) -> None:
    server.inject(Fault("slow", seconds=200))
    server.advance_to(at(3))
    assert feed.health().received.get("b", 0) == 0
    server.advance_to(at(4))
    assert take(events, 4) == list(AAPL[:4])


@pytest.mark.parametrize("what", ["bytes", "shape"])
def test_garbage_is_told_and_ends_the_connection(
    server: FeedServer,
    events: Iterator[FeedEvent],
    feed: AlpacaFeed,
    gate: Gate,
    what: str,
) -> None:
    server.inject(Fault("garbage", what=what))
    told, down = take(events, 2)
    assert isinstance(told, MalformedMessage)
    assert down == DOWN
    assert 1.0 <= gate.open() <= 2.0
    assert next(events) == UP
    server.advance_to(at(1))
    assert next(events) == AAPL[0]
    assert (feed.health().malformed, feed.health().outages) == (1, 1)


def test_garbage_in_one_message_is_told_and_the_connection_stands(
    server: FeedServer, events: Iterator[FeedEvent], feed: AlpacaFeed
) -> None:
    server.inject(Fault("garbage", what="values"))
    server.advance_to(at(1))
    told, bar = take(events, 2)
    assert isinstance(told, MalformedMessage)
    assert "noon" in told.text
    assert bar == AAPL[0]
    assert feed.health().outages == 0


def test_an_oversized_message_ends_the_connection(
    server: FeedServer, events: Iterator[FeedEvent], feed: AlpacaFeed, gate: Gate
) -> None:
    server.inject(Fault("oversized", size=5 * 2**20))
    assert next(events) == DOWN
    assert "1009" in feed.health().last_failure
    gate.open()
    assert next(events) == UP


def test_disconnect_is_told_once_and_what_came_meanwhile_is_in_the_history(
    server: FeedServer, events: Iterator[FeedEvent], feed: AlpacaFeed, gate: Gate
) -> None:
    server.advance_to(at(1))
    assert next(events) == AAPL[0]
    server.inject(Fault("disconnect", seconds=180))
    assert next(events) == DOWN
    waits = [gate.open() for _ in range(3)]
    seconds, let_go = gate.reached()
    server.advance_to(at(4))
    let_go()
    waits.append(seconds)
    assert next(events) == UP
    server.advance_to(at(5))
    assert next(events) == AAPL[4]
    assert history(server) == AAPL[:5]
    assert feed.health().outages == 1
    tops = [2.0, 4.0, 8.0, 16.0]
    assert all(top / 2 <= w <= top for w, top in zip(waits, tops, strict=True))


def test_disconnect_of_all_takes_the_history_along_until_it_is_over(
    server: FeedServer, events: Iterator[FeedEvent], gate: Gate
) -> None:
    server.advance_to(at(1))
    assert next(events) == AAPL[0]
    server.inject(Fault("disconnect", seconds=180, what="all"))
    assert next(events) == DOWN
    with pytest.raises(HistorySourceError, match="service unavailable"):
        history(server)
    server.advance_to(at(4))
    assert history(server) == AAPL[:4]
    gate.open()
    assert next(events) == UP


@pytest.mark.parametrize("what", ["http", "connections"])
def test_refused_for_now_the_feed_tries_again(
    server: FeedServer, feed: AlpacaFeed, gate: Gate, what: str
) -> None:
    server.inject(Fault("refuse", what=what, count=2))
    feed.connect(["AAPL"], CHANNELS)
    events = feed.events()
    assert next(events) == DOWN
    gate.open()
    gate.open()
    assert next(events) == UP
    assert feed.health().attempts == 3


@pytest.mark.parametrize(
    ("what", "text"),
    [("auth", r"auth failed.*402.*check key"), ("subscription", r"insufficient.*409.*data feed")],
)  # fmt: skip
def test_refused_for_good_the_feed_stops(
    server: FeedServer, feed: AlpacaFeed, what: str, text: str
) -> None:
    server.inject(Fault("refuse", what=what))
    with pytest.raises(FeedError, match=text):
        feed.connect(["AAPL"], CHANNELS)
    with pytest.raises(FeedError, match=text):
        next(feed.events())
    assert feed.health().attempts == 1


def test_refused_for_good_after_an_outage_the_events_end_with_the_error(
    server: FeedServer, events: Iterator[FeedEvent], gate: Gate
) -> None:
    server.inject(Fault("refuse", what="auth"))
    server.inject(Fault("oversized"))
    assert next(events) == DOWN
    gate.open()
    with pytest.raises(FeedError, match="auth failed"):
        next(events)


def test_refused_history_is_an_error_that_can_be_tried_again(
    server: FeedServer,
) -> None:
    server.inject(Fault("refuse", what="history"))
    server.advance_to(at(2))
    with pytest.raises(HistorySourceError, match="too many requests") as failed:
        history(server)
    assert failed.value.status == 429
    assert history(server) == AAPL[:2]


def test_faults_with_an_instant_begin_then() -> None:
    faults = [
        Fault("drop", at=from_ns(at(3), UTC), symbols=("AAPL",)),
        Fault("duplicate", at=datetime(2025, 7, 2, 9, 35), symbols=("AAPL",)),  # noqa: DTZ001
    ]
    with FeedServer([AAPL], faults=faults) as server:
        feed = AlpacaFeed("k", "s", url_override=server.stream_url)
        feed.connect(["AAPL"])
        server.advance_to(at(6))
        events = feed.events()
        starts = [e.ts for e in take(events, 7) if isinstance(e, BarData)]
        feed.close()
    assert starts == [at(0), at(1), at(3), at(4), at(4), at(5)]
