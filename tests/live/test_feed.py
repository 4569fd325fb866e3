"""The protocol of a feed, its values, and recordings that are played as one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeloom.bars import BarData, Bars
from tapeloom.errors import (
    ArgumentError,
    ArgumentTypeError,
    FeedError,
    MissingDataError,
    StateError,
)
from tapeloom.live import Feed, ReplayFeed, SymbolStatus, UpdatedBar, events_of
from tapeloom.statuses import ConnectionEvent, TradingStatus
from tests.live.recorded import MINUTE, OPEN, ZONE, at, bars_of, take

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from tapeloom.live import FeedEvent


class OwnFeed:
    """What somebody with data of another kind writes."""

    intervals = ("1m",)
    channels = ("bars",)

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines, self.symbols = lines, set[str]()

    def connect(self, symbols: Sequence[str], channels: Sequence[str]) -> None:
        self.symbols = set(symbols)

    def events(self) -> Iterator[FeedEvent]:
        for line in self.lines:
            symbol, ts, *values = line.split(",")
            if symbol in self.symbols:
                yield BarData(symbol, int(ts), *(float(v) for v in values))  # type: ignore[arg-type]

    def close(self) -> None:
        self.symbols = set()


def test_a_feed_of_twenty_lines_is_a_feed() -> None:
    feed: Feed = OwnFeed([f"AAPL,{OPEN},1,2,0.5,1.5,100", f"MSFT,{OPEN},1,2,1,1,5"])
    feed.connect(["AAPL"], ["bars"])
    assert isinstance(feed, Feed)
    assert list(feed.events()) == [BarData("AAPL", OPEN, 1.0, 2.0, 0.5, 1.5, 100.0)]  # type: ignore[arg-type]


class AsyncFeed(OwnFeed):
    """The same with an event loop."""

    async def events(self) -> AsyncIterator[FeedEvent]:  # type: ignore[override]
        for event in OwnFeed.events(self):
            await asyncio.sleep(0)
            yield event


@pytest.mark.parametrize("kind", [OwnFeed, AsyncFeed])
def test_a_feed_hands_its_events_out_with_and_without_an_event_loop(
    kind: type[OwnFeed],
) -> None:
    feed = kind([f"AAPL,{at(n)},1,2,0.5,1.5,100" for n in range(3)])
    feed.connect(["AAPL"], ["bars"])
    found = [event.ts for event in events_of(feed) if isinstance(event, BarData)]
    assert found == [at(0), at(1), at(2)]


def test_an_asynchronous_feed_that_fails_fails_where_its_events_are_taken() -> None:
    class Failing(AsyncFeed):
        async def events(self) -> AsyncIterator[FeedEvent]:  # type: ignore[override]
            yield ConnectionEvent(OPEN, True)
            raise FeedError("refused")

    events = events_of(Failing([]))
    assert next(events) == ConnectionEvent(OPEN, True)
    with pytest.raises(FeedError, match="refused"):
        next(events)


def test_a_replay_is_a_feed() -> None:
    assert isinstance(ReplayFeed([bars_of("AAPL")]), Feed)


@pytest.mark.parametrize("wrong", [None, 3, "bar"])
def test_an_updated_bar_holds_a_bar(wrong: object) -> None:
    with pytest.raises(ArgumentTypeError, match="must be a BarData"):
        UpdatedBar(wrong)  # type: ignore[arg-type]


def test_the_status_of_a_symbol_holds_the_symbol_as_all_compare_it() -> None:
    status = TradingStatus(OPEN, "halted")
    assert SymbolStatus(" aapl", status).symbol == "AAPL"
    assert SymbolStatus(None, status).symbol is None
    with pytest.raises(ArgumentTypeError, match="TradingStatus"):
        SymbolStatus("AAPL", "halted")  # type: ignore[arg-type]


def test_a_replay_pushes_bars_in_the_order_in_which_they_end() -> None:
    feed = ReplayFeed([bars_of("MSFT", 2), bars_of("AAPL", 3)])
    feed.connect(["AAPL", "MSFT"])
    first, *bars = feed.events()
    assert first == ConnectionEvent(OPEN, True, "replay")
    assert [(b.symbol, (b.ts - OPEN) // MINUTE) for b in bars if isinstance(b, BarData)] == [
        ("MSFT", 0), ("AAPL", 0), ("MSFT", 1), ("AAPL", 1), ("AAPL", 2),
    ]  # fmt: skip


stamps = st.lists(st.integers(0, 4_000), max_size=30).map(sorted)


def _irregular(symbol: str, minutes: Sequence[int]) -> Bars:
    column = np.array(minutes, dtype=np.float64)
    return Bars.from_columns(
        symbol,
        "1m",
        ts=OPEN + np.array(minutes, dtype=np.int64) * MINUTE,
        open=column + 1,
        high=column + 1,
        low=column + 1,
        close=column + 1,
        volume=column,
        zone=ZONE,
    )


@given(
    series=st.lists(stamps, min_size=1, max_size=4).filter(any),
    bounds=st.tuples(st.integers(-5, 4_005), st.integers(-5, 4_005)).map(sorted),
)
def test_a_replay_is_the_sorted_bars_that_end_in_its_range(
    series: list[list[int]], bounds: list[int]
) -> None:
    recorded = {f"S{n}": _irregular(f"S{n}", m) for n, m in enumerate(series)}
    feed = ReplayFeed(recorded, start=at(bounds[0]), end=at(bounds[1]))
    feed.connect(["*"])
    played = [(bar.ts, bar.symbol) for bar in feed.events() if isinstance(bar, BarData)]
    expected = [
        (at(minute), f"S{n}")
        for n, minutes in enumerate(series)
        for minute in minutes
        if bounds[0] < minute + 1 <= bounds[1]
    ]
    assert played == sorted(expected)


def test_garbage_after_an_instant_changes_nothing_a_replay_pushed_before_it() -> None:
    clean, dirty = bars_of("AAPL", 10), bars_of("AAPL", 10, first=9_000.0)
    spoilt = Bars.concat([clean[:6], dirty[6:]])
    played = []
    for bars in (clean, spoilt):
        feed = ReplayFeed([bars])
        feed.connect(["AAPL"])
        played.append(take(feed.events(), 7))
    assert played[0] == played[1]


def test_a_replay_at_a_speed_waits_until_each_bar_has_ended() -> None:
    clock, waits = [0], list[float]()

    def wait(seconds: float) -> bool:
        waits.append(seconds)
        clock[0] += round(seconds * 1e9)
        return False

    feed = ReplayFeed([bars_of("AAPL", 3)], speed=60, clock=lambda: clock[0], wait=wait)
    feed.connect(["AAPL"])
    assert len(list(feed.events())) == 4
    assert waits == [1.0, 1.0, 1.0]


def test_a_replay_that_is_late_does_not_wait() -> None:
    waits = list[float]()
    times = iter([0, 10**12, 10**12, 10**12])

    def wait(seconds: float) -> bool:
        waits.append(seconds)
        return False

    feed = ReplayFeed(
        [bars_of("AAPL", 3)], speed=1, clock=lambda: next(times), wait=wait
    )
    feed.connect(["AAPL"])
    assert len(list(feed.events())) == 4
    assert waits == []


def test_a_closed_replay_ends() -> None:
    feed = ReplayFeed([bars_of("AAPL")])
    feed.connect(["AAPL"])
    events = feed.events()
    assert len(take(events, 3)) == 3
    feed.close()
    assert list(events) == []


def test_a_replay_says_what_it_cannot_play() -> None:
    feed = ReplayFeed([bars_of("AAPL")])
    with pytest.raises(StateError, match="not connected"):
        feed.events()
    with pytest.raises(ArgumentError, match="MSFT; recorded are AAPL"):
        feed.connect(["AAPL", "MSFT"])
    with pytest.raises(ArgumentError, match="a recording has"):
        feed.connect(["AAPL"], ["trades"])
    with pytest.raises(ArgumentError, match="give a list"):
        feed.connect("AAPL")
    with pytest.raises(MissingDataError, match="no 5m bars"):
        ReplayFeed([bars_of("AAPL")], interval="5m")
    with pytest.raises(ArgumentError, match="seconds, minutes or hours"):
        ReplayFeed([bars_of("AAPL")], interval="1d")
    for wrong in (3, {"AAPL": 3}, [3]):
        with pytest.raises(ArgumentTypeError, match="give a folder"):
            ReplayFeed(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("speed", [-1, float("nan"), float("inf"), True, "fast"])
def test_a_speed_is_a_finite_number_and_not_negative(speed: float) -> None:
    with pytest.raises(ArgumentError, match="speed is"):
        ReplayFeed([bars_of("AAPL")], speed=speed)


def test_a_naive_start_is_wall_time_of_the_exchange() -> None:
    from datetime import datetime

    feed = ReplayFeed([bars_of("AAPL")], start=datetime(2025, 7, 2, 9, 38))  # noqa: DTZ001
    feed.connect(["AAPL"])
    assert [b.ts for b in feed.events() if isinstance(b, BarData)] == [at(8), at(9)]
