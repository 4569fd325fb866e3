"""``AlpacaFeed`` and ``AlpacaHistory`` as such: their rules, a session that is too slow, and keys that nothing shows."""

from __future__ import annotations

import asyncio
import builtins
import gc
import logging
import traceback
import weakref
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import pytest

from tapeloom.errors import (
    ArgumentError,
    FeedError,
    HistorySourceError,
    IntervalError,
    MissingDependencyError,
    StateError,
)
from tapeloom.history_source import HistoryRequest, HistorySource
from tapeloom.live import (
    CHANNELS,
    AlpacaFeed,
    AlpacaHistory,
    Fault,
    Feed,
    FeedServer,
    busy_polling,
)
from tapeloom.statuses import ConnectionEvent
from tapeloom.timestamps import from_ns
from tests.live.recorded import ZONE, Gate, at, bars_of, take

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tapeloom.live import FeedEvent

AAPL, MSFT = bars_of("AAPL", 10), bars_of("MSFT", 10, first=300.0)
KEY, SECRET = "CANARYKEY7", "CANARYSECRET7"


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with FeedServer([AAPL, MSFT], key=KEY, secret=SECRET) as running:
        yield running


def request(
    symbol: str, first: float, last: float, interval: str = "1m"
) -> HistoryRequest:
    start, end = (from_ns(at(minute), ZONE) for minute in (first, last))
    return HistoryRequest(symbol, interval, start, end)


def test_they_are_a_feed_and_a_source_of_history() -> None:
    assert isinstance(AlpacaFeed("k", "s"), Feed)
    assert isinstance(AlpacaHistory("k", "s"), HistorySource)
    assert AlpacaFeed("k", "s").intervals == ("1m",)


@pytest.mark.parametrize(
    ("symbols", "channels", "text"),
    [
        ([], ["bars"], "symbols is empty"),
        (["AAPL"], [], "channels is empty"),
        (["AAPL"], ["bar"], "did you mean 'bars'"),
        ("AAPL", ["bars"], "both must be lists"),
        (["AAPL"], "bars", "both must be lists"),
        ([" "], ["bars"], "printable"),
    ],
)
def test_a_subscription_that_makes_no_sense_is_an_error(
    symbols: Any, channels: Any, text: str
) -> None:
    with pytest.raises(ArgumentError, match=text):
        AlpacaFeed("k", "s").connect(symbols, channels)


def test_another_word_for_the_data_feed_is_an_error() -> None:
    with pytest.raises(ArgumentError, match="did you mean 'sip'"):
        AlpacaFeed("k", "s", data_feed="sipp")


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("127.0.0.1:8765", "must begin with"),
        (f"ftp://{KEY}/", "must begin with"),
        (f"ws://{KEY}:{SECRET}@host/v2", "holds a login"),
        (f"https://host/v2?key={SECRET}", "holds a login or a query"),
        (7, "it must be text"),
    ],
)
@pytest.mark.parametrize("made", [AlpacaFeed, AlpacaHistory])
def test_an_address_is_of_its_kind_and_holds_no_keys(
    made: Any, address: Any, text: str
) -> None:
    with pytest.raises(ArgumentError, match=text) as failed:
        made("k", "s", url_override=address)
    assert SECRET not in str(failed.value)


def test_keys_of_the_environment_are_used(
    server: FeedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ALPACA_API_KEY", raising=False)
    monkeypatch.delenv("APCA_API_KEY_ID", raising=False)
    with pytest.raises(ArgumentError, match="APCA_API_KEY_ID or ALPACA_API_KEY"):
        AlpacaFeed()
    monkeypatch.setenv("APCA_API_KEY_ID", KEY)
    monkeypatch.setenv("APCA_API_SECRET_KEY", SECRET)
    feed = AlpacaFeed(url_override=server.stream_url)
    feed.connect(["AAPL"])
    assert feed.health().is_up
    feed.close()


def test_a_closed_feed_hands_out_what_came_and_ends(server: FeedServer) -> None:
    feed = AlpacaFeed(KEY, SECRET, url_override=server.stream_url)
    feed.connect(["AAPL"], CHANNELS)
    server.advance_to(at(1))
    events = feed.events()
    take(events, 2)
    feed.close()
    feed.close()
    assert list(events) == []
    with pytest.raises(StateError, match="was closed"):
        feed.connect(["AAPL"])
    assert not feed.health().is_up


def test_a_second_connect_replaces_what_is_streamed_now_and_after_an_outage(
    server: FeedServer,
) -> None:
    gate = Gate()
    feed = AlpacaFeed(KEY, SECRET, url_override=server.stream_url, wait=gate)
    feed.connect(["AAPL"], ["bars", "statuses"])
    server.advance_to(at(1))
    feed.connect(["MSFT"], ["bars", "updated_bars"])
    feed.connect(["MSFT"], ["bars", "updated_bars"])
    server.advance_to(at(2))
    events = feed.events()
    assert take(events, 3)[1:] == [AAPL[0], MSFT[1]]
    server.inject(Fault("disconnect", seconds=1))
    _, let_go = gate.reached()
    feed.connect(["AAPL", "MSFT"])
    server.advance_to(at(2.5))
    let_go()
    down, up = take(events, 2)
    assert isinstance(down, ConnectionEvent)
    assert isinstance(up, ConnectionEvent)
    assert (down.is_up, up.is_up) == (False, True)
    server.advance_to(at(3))
    assert take(events, 2) == [AAPL[2], MSFT[2]]
    feed.close()


def test_a_second_connect_that_is_refused_stops_the_feed(server: FeedServer) -> None:
    feed = AlpacaFeed(KEY, SECRET, url_override=server.stream_url)
    feed.connect(["AAPL"])
    server.inject(Fault("refuse", what="subscription"))
    with pytest.raises(FeedError, match="insufficient subscription"):
        feed.connect(["MSFT"])
    _, down = take(feed.events(), 2)
    assert isinstance(down, ConnectionEvent)
    assert not down.is_up
    with pytest.raises(FeedError, match="insufficient subscription"):
        list(feed.events())
    feed.close()


def test_a_connect_waits_for_an_answer_that_the_feed_has_asked_for_itself(
    server: FeedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = AlpacaFeed(KEY, SECRET, url_override=server.stream_url)
    feed.connect(["AAPL"])
    server.inject(Fault("refuse", what="subscription"))
    replace = feed._replace

    def later(asked: Any) -> None:
        # As one does that has just connected, and finds that something else is asked for meanwhile.
        assert feed._task is not None
        asyncio.run_coroutine_threadsafe(feed._ask_for(asked), feed._task[0]).result(60)
        replace(asked)

    monkeypatch.setattr(feed, "_replace", later)
    with pytest.raises(FeedError, match="insufficient subscription"):
        feed.connect(["MSFT"])
    feed.close()


def test_a_connect_returns_that_comes_after_the_last_step_of_a_feed_that_ends(
    server: FeedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = AlpacaFeed(KEY, SECRET, url_override=server.stream_url)
    feed.connect(["AAPL"])
    assert feed._task is not None
    loop, task = feed._task
    has_stopped, has_asked = Event(), Event()
    ask, close = asyncio.run_coroutine_threadsafe, loop.close

    def asked(*given: Any) -> Any:
        found = ask(*given)
        has_asked.set()
        return found

    def close_late() -> None:
        has_stopped.set()
        assert has_asked.wait(60)
        close()

    monkeypatch.setattr(loop, "close", close_late)
    loop.call_soon_threadsafe(task.cancel)
    assert has_stopped.wait(60)
    monkeypatch.setattr(asyncio, "run_coroutine_threadsafe", asked)
    feed.connect(["MSFT"])
    feed.close()


def test_a_feed_that_never_connected_closes(server: FeedServer) -> None:
    feed = AlpacaFeed(KEY, SECRET, url_override=server.stream_url)
    feed.close()
    assert list(feed.events()) == []


def test_a_close_ends_the_waiting_for_the_next_attempt() -> None:
    with FeedServer([AAPL]) as gone:
        address = gone.stream_url
    feed = AlpacaFeed("k", "s", url_override=address)
    feed.connect(["AAPL"])
    (down,) = take(feed.events(), 1)
    assert isinstance(down, ConnectionEvent)
    assert not down.is_up
    feed.close()
    assert list(feed.events()) == []


def test_the_loop_of_a_feed_is_told_how_many_events_came(
    server: FeedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    earned: list[int] = []

    def new_event_loop() -> tuple[asyncio.AbstractEventLoop, Callable[[int], None]]:
        return asyncio.new_event_loop(), earned.append

    monkeypatch.setattr("tapeloom.live.alpaca.new_event_loop", new_event_loop)
    feed = AlpacaFeed(KEY, SECRET, url_override=server.stream_url)
    feed.connect(["AAPL", "MSFT"])
    server.advance_to(at(5))
    take(feed.events(), 11)
    feed.close()
    # Up, down and what the vendor answers earn nothing.
    assert sum(earned) == 10


def test_a_closed_feed_holds_nothing_of_its_loop(
    server: FeedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    loops: list[weakref.ref[object]] = []

    def new_event_loop() -> tuple[asyncio.AbstractEventLoop, Callable[[int], object]]:
        loop, earn = busy_polling.new_event_loop()
        loops.append(weakref.ref(getattr(earn, "__self__", loop)))
        return loop, earn

    monkeypatch.setattr("tapeloom.live.alpaca.new_event_loop", new_event_loop)
    feed = AlpacaFeed(KEY, SECRET, url_override=server.stream_url)
    feed.connect(["AAPL"])
    feed.close()
    gc.collect()
    assert [each() for each in loops] == [None]


def test_an_event_waits_in_another_thread_until_the_feed_closes(
    server: FeedServer,
) -> None:
    feed, ended = AlpacaFeed(KEY, SECRET, url_override=server.stream_url), Event()
    feed.connect(["AAPL"])
    seen: list[object] = []

    def read() -> None:
        seen.extend(feed.events())
        ended.set()

    Thread(target=read).start()
    server.advance_to(at(2))
    feed.close()
    assert ended.wait(60)
    assert seen[1:] == list(AAPL[: len(seen) - 1])


def test_a_session_that_is_too_slow_loses_the_connection_and_no_bar_that_was_read(
    server: FeedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, told = Gate(), Event()

    def warn(text: str, *_: object) -> None:
        if "no room" in text:
            told.set()

    monkeypatch.setattr(logging.getLogger("tapeloom.live.alpaca"), "warning", warn)
    feed = AlpacaFeed(
        KEY, SECRET, url_override=server.stream_url, wait=gate, capacity=3
    )
    feed.connect(["AAPL", "MSFT"])
    server.advance_to(at(5))
    assert told.wait(60)
    # The connection is given up by now; what was read comes, and then that it ended. How much was there to be read at once
    # is up to the sockets.
    events = feed.events()
    read: list[FeedEvent] = take(events, 5)[1:]
    while not isinstance(read[-1], ConnectionEvent):
        read += take(events, 1)
    bars, down = read[:-1], read[-1]
    sent = [bar for minute in zip(AAPL, MSFT, strict=True) for bar in minute]
    assert bars == sent[: len(bars)]
    assert len(bars) >= 4
    assert isinstance(down, ConnectionEvent)
    assert not down.is_up
    assert feed.health().overruns == 1
    assert feed.health().outages == 1
    feed.close()


def test_history_asks_once_for_many_symbols_and_answers_in_order(
    server: FeedServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.advance_to(at(10))
    source = AlpacaHistory(KEY, SECRET, url_override=server.history_url)
    asked = [request("MSFT", 1, 3), request("aapl", 1, 3), request("AAPL", 2, 2)]
    with caplog.at_level(logging.INFO, "tapeloom.live.server.websocket"):
        found = source.fetch([*asked, request("NONE", 1, 3)])
    assert found[:2] == [MSFT[1:3], AAPL[1:3]]
    assert [len(bars) for bars in found[2:]] == [0, 0]
    answers = [r for r in caplog.records if "200" in r.getMessage()]
    assert len(answers) == 1


def test_history_may_be_spelt_in_any_way(
    server: FeedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.advance_to(at(10))
    source = AlpacaHistory(KEY, SECRET, url_override=server.history_url)
    ask = source._client.get_stock_bars

    def spelt(asked: object) -> dict[str, object]:
        rows = ask(asked)["AAPL"]
        return {" aapl ": rows[:2], "AAPL": rows[2:], " ": rows, "msft": None}

    monkeypatch.setattr(source._client, "get_stock_bars", spelt)
    found = source.fetch([request("AAPL", 1, 5), request("MSFT", 1, 5)])
    assert found[0] == AAPL[1:5]
    assert len(found[1]) == 0
    monkeypatch.setattr(source._client, "get_stock_bars", lambda _: {"aapl": 7})
    with pytest.raises(HistorySourceError, match="bars of AAPL cannot be read"):
        source.fetch([request("AAPL", 1, 5)])


@pytest.mark.parametrize("interval", ["1h", "1d", "7m", "30s", "45m"])
def test_history_refuses_intervals_that_do_not_fit_sessions(interval: str) -> None:
    with pytest.raises(IntervalError, match="derive coarser"):
        AlpacaHistory("k", "s").fetch([request("AAPL", 0, 1, interval)])


def test_history_without_an_answer_is_an_error() -> None:
    with FeedServer([AAPL]) as gone:
        address = gone.history_url
    source = AlpacaHistory(KEY, SECRET, url_override=address)
    with pytest.raises(HistorySourceError, match="did not answer for 1 symbols"):
        source.fetch([request("AAPL", 0, 1)])


def test_history_with_wrong_keys_is_a_feed_error(server: FeedServer) -> None:
    source = AlpacaHistory(KEY, "wrong", url_override=server.history_url)
    with pytest.raises(FeedError, match="check key and secret"):
        source.fetch([request("AAPL", 0, 1)])


def test_without_the_client_the_error_names_the_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = builtins.__import__

    def lacking(name: str, *rest: Any, **more: Any) -> Any:
        if name.split(".")[0] == "alpaca":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", lacking)
    with pytest.raises(MissingDependencyError, match=r"tapeloom\[live\]") as failed:
        AlpacaFeed("k", "s").connect(["AAPL"])
    assert failed.value.extra == "live"
    with pytest.raises(MissingDependencyError, match=r"tapeloom\[live\]"):
        AlpacaHistory("k", "s")


@pytest.mark.parametrize(
    "make",
    [
        lambda: AlpacaFeed(KEY, SECRET, data_feed="both"),
        lambda: AlpacaFeed(KEY, SECRET, url_override="host"),
        lambda: AlpacaFeed(KEY, " "),
        lambda: AlpacaFeed(KEY, SECRET).connect([]),
        lambda: AlpacaHistory(KEY, SECRET, url_override="host"),
        lambda: FeedServer([AAPL], key=KEY, secret=SECRET, speed=0),
        lambda: FeedServer([AAPL], key=KEY, secret=SECRET, interval="1d"),
    ],
)
def test_variables_of_an_error_at_the_start_hold_no_key(
    make: Callable[[], object],
) -> None:
    with pytest.raises(ArgumentError) as failed:
        make()
    text = traceback.TracebackException.from_exception(
        failed.value, capture_locals=True
    )
    frames = [line for line in text.format() if "tests/live" not in line]
    assert any("tapeloom/live" in line for line in frames)
    assert KEY not in "".join(frames)
    assert SECRET not in "".join(frames)


def test_nothing_that_is_logged_shown_or_raised_holds_a_key(
    server: FeedServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    shown: list[str] = [repr(server)]
    gate = Gate()
    feed = AlpacaFeed(KEY, SECRET, url_override=server.stream_url, wait=gate)
    feed.connect(["AAPL"], CHANNELS)
    source = AlpacaHistory(KEY, SECRET, url_override=server.history_url)
    server.advance_to(at(1))
    source.fetch([request("AAPL", 0, 1)])
    server.inject(Fault("garbage"))
    server.inject(Fault("refuse", what="http"))
    gate.open()
    seconds, let_go = gate.reached()
    server.inject(Fault("refuse", what="auth"))
    server.inject(Fault("refuse", what="history"))
    let_go()

    def refused() -> None:
        for event in feed.events():
            shown.append(repr(event))

    def unanswered() -> None:
        source.fetch([request("AAPL", 0, 1)])

    def wrong_stream() -> None:
        AlpacaFeed(KEY, SECRET + "2", url_override=server.stream_url).connect(["AAPL"])

    def wrong_history() -> None:
        wrong = AlpacaHistory(KEY + "2", SECRET, url_override=server.history_url)
        wrong.fetch([request("AAPL", 0, 1)])

    def nonsense() -> None:
        source.fetch([request("AAPL", 0, 1, "5m")])

    for fails in (refused, unanswered, wrong_stream, wrong_history, nonsense):
        with pytest.raises((FeedError, HistorySourceError)) as failed:
            fails()
        error = failed.value
        assert error.__cause__ is None
        assert error.__context__ is None
        text = traceback.TracebackException.from_exception(error, capture_locals=True)
        ours = [line for line in text.format() if "tests/live" not in line]
        shown += [repr(error), *ours]
    shown += [repr(feed), repr(source), repr(feed.health())]
    feed.close()
    del failed, error
    gc.collect()
    logged = [str(record.__dict__) + record.getMessage() for record in caplog.records]
    assert any("alpaca" in line for line in logged)
    assert seconds > 0
    everything = "\n".join((*shown, *logged))
    assert SECRET not in everything
    assert KEY not in everything
