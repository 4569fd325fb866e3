"""Where a live run gets its data from: by name, by registration, from a recording of the last stored day."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from tapeloom import TimeManager
from tapeloom.bars import BarData
from tapeloom.config import SessionConfig
from tapeloom.errors import (
    ArgumentError,
    ArgumentTypeError,
    ConfigError,
    MissingDataError,
)
from tapeloom.live import DataApi, ReplayFeed, register_data_api
from tapeloom.live.alpaca import AlpacaFeed
from tapeloom.live.alpaca_client import ENVIRONMENT
from tapeloom.live.alpaca_history import AlpacaHistory
from tapeloom.live.data_api import data_api_of
from tapeloom.live.replayed_day import replayed_day
from tests.reference.gaps import expected_starts
from tests.reference.schedule import MINUTE, SECOND
from tests.session.memory import JULY, MemorySource
from tests.strategies import bar_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tapeloom.live import FeedEvent

HALF_DAY = next(day for day in JULY if day.close - day.open < 300 * MINUTE)
DAY_BEFORE = JULY[JULY.index(HALF_DAY) - 1]
NUMBERS = count()


def config(name: str | None, **changes: Any) -> SessionConfig:
    given: dict[str, Any] = {
        "session_name": "live",
        "mode": "live",
        "session_data_config": {"symbols": ["AAPL"], "streams": ["5m"]},
        **changes,
    }
    if name is not None:
        given["api_config"] = {"data_api": name}
    return SessionConfig.from_dict(given)


def live() -> TimeManager:
    return TimeManager("US_EQUITY", mode="live")


def stored() -> MemorySource:
    days = (DAY_BEFORE, HALF_DAY)
    minutes = [bar_at(ts) for day in days for ts in expected_starts(day, MINUTE)]
    return MemorySource({("AAPL", "1m"): minutes, ("AAPL", "1d"): [minutes[0]]})


NOTHING = MemorySource({})


class OwnFeed:
    """A feed of a user."""

    intervals = ("1m",)
    channels = ("bars",)

    def connect(self, symbols: Sequence[str], channels: Sequence[str]) -> None:
        pass

    def events(self) -> Iterator[FeedEvent]:
        return iter(())

    def close(self) -> None:
        pass


def fresh_name() -> str:
    """A name that no other test has registered: there is no way to take one back."""
    return f"test_vendor_{next(NUMBERS)}"


def test_a_registered_name_may_stand_in_a_config_and_makes_the_feed_of_a_run() -> None:
    name, feed, manager = fresh_name(), OwnFeed(), live()
    seen: list[object] = []

    def make(given: SessionConfig, time_manager: TimeManager) -> DataApi:
        seen.extend((given, time_manager))
        return DataApi(feed)

    register_data_api(name, make)
    asked = config(name)

    assert data_api_of(asked, manager, NOTHING).feed is feed
    assert seen == [asked, manager]


@pytest.mark.parametrize("name", ["local", "alpaca", "replay", "", " ", "a\nb"])
def test_a_name_that_is_taken_or_unreadable_is_refused(name: str) -> None:
    with pytest.raises(ArgumentError, match="name is"):
        register_data_api(name, lambda *_: DataApi(OwnFeed()))


def test_a_name_is_registered_once() -> None:
    name = fresh_name()
    register_data_api(name, lambda *_: DataApi(OwnFeed()))

    with pytest.raises(ArgumentError, match=f"choose another, such as '{name}_2'"):
        register_data_api(name, lambda *_: DataApi(OwnFeed()))


def test_what_is_registered_must_make_a_data_api() -> None:
    name = fresh_name()
    with pytest.raises(ArgumentTypeError, match="make is 5"):
        register_data_api(name, 5)  # type: ignore[arg-type]
    register_data_api(name, lambda *_: OwnFeed())  # type: ignore[arg-type]

    with pytest.raises(ArgumentTypeError, match="returned OwnFeed; it must return"):
        data_api_of(config(name), live(), NOTHING)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda: DataApi(object()), "object, which has no intervals, channels, connect, events, close"),  # type: ignore[arg-type]
        (lambda: DataApi(OwnFeed(), object()), "must have a method fetch"),  # type: ignore[arg-type]
        (lambda: DataApi(OwnFeed(), clock=5), "clock is int"),  # type: ignore[arg-type]
    ],
    ids=["feed", "history", "clock"],
)  # fmt: skip
def test_parts_that_lack_a_method_are_refused_at_once(made: Any, words: str) -> None:
    with pytest.raises(ArgumentTypeError, match=words):
        made()


def test_a_config_without_a_name_says_what_there_is() -> None:
    with pytest.raises(ConfigError, match="such as 'alpaca' or 'replay', or System"):
        data_api_of(config(None), live(), NOTHING)


def test_alpaca_is_the_vendor_with_the_addresses_of_the_config_and_shows_no_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("alpaca")
    monkeypatch.setenv("APCA_API_KEY_ID", "KEY-OF-MINE")
    monkeypatch.setenv("APCA_API_SECRET_KEY", "SECRET-OF-MINE")
    where = {"url_override": "ws://127.0.0.1:1", "data_feed": "sip"}

    made = data_api_of(config("alpaca", live_config=where), live(), NOTHING)

    assert isinstance(made.feed, AlpacaFeed)
    assert isinstance(made.history_source, AlpacaHistory)
    assert made.clock is None
    assert "sip" in repr(made)
    assert "OF-MINE" not in repr(made)


@pytest.mark.parametrize("known", [{}, {"APCA_API_KEY_ID": "a"}])
def test_without_keys_the_names_of_both_are_told(
    monkeypatch: pytest.MonkeyPatch, known: dict[str, str]
) -> None:
    for name in (each for names in ENVIRONMENT for each in names):
        monkeypatch.delenv(name, raising=False)
    for name, value in known.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(
        ConfigError, match="set APCA_API_KEY_ID and APCA_API_SECRET_KEY, or register"
    ):
        data_api_of(config("alpaca"), live(), NOTHING)


def test_an_address_of_another_kind_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APCA_API_KEY_ID", "a")
    monkeypatch.setenv("APCA_API_SECRET_KEY", "b")
    where = {"url_override": "http://127.0.0.1:1"}

    with pytest.raises(ArgumentError, match="must begin with wss:// or ws://"):
        data_api_of(config("alpaca", live_config=where), live(), NOTHING)


class Seconds:
    """A clock that nobody sets, but the test."""

    def __init__(self) -> None:
        self.ns = 0

    def __call__(self) -> int:
        return self.ns


def test_a_replay_plays_the_last_stored_day_by_a_clock_that_begins_before_it() -> None:
    seconds = Seconds()
    asked = config("replay", live_config={"replay_speed": 60})
    day = replayed_day(asked, live(), stored(), monotonic=seconds)

    assert day.feed.intervals == ("1m",)
    assert day.clock.now_ns() == HALF_DAY.open - 3 * 60 * SECOND
    seconds.ns = 4 * SECOND
    assert day.clock.now_ns() == HALF_DAY.open + 60 * SECOND


def test_bars_of_a_replay_come_when_they_end_by_its_clock() -> None:
    seconds = Seconds()
    asked = config("replay", live_config={"replay_speed": 60})
    day = replayed_day(asked, live(), stored(), monotonic=seconds)
    waited: list[int] = []

    def wait(real: float) -> bool:
        waited.append(round(real * 1e9))
        seconds.ns += waited[-1]
        return False

    feed = ReplayFeed(
        stored(),
        start=HALF_DAY.open,
        end=HALF_DAY.close,
        market=day.clock,
        wait=wait,
    )
    feed.connect(["AAPL"])
    bars, ends = [], []
    for event in feed.events():
        if isinstance(event, BarData):
            bars.append(event)
            ends.append(day.clock.now_ns())

    assert [round(b.timestamp.timestamp()) * SECOND for b in bars] == (
        expected_starts(HALF_DAY, MINUTE)
    )
    # To the microsecond: the clock counts in floating seconds.
    assert all(
        abs(end - (start + MINUTE)) < 1_000
        for end, start in zip(ends, expected_starts(HALF_DAY, MINUTE), strict=True)
    )
    assert waited[0] == 4 * SECOND


def test_a_replay_of_what_cannot_make_the_streams_is_an_error() -> None:
    daily = MemorySource({("AAPL", "1d"): [bar_at(HALF_DAY.open)]})

    with pytest.raises(MissingDataError, match="can be replayed as 5m"):
        data_api_of(config("replay"), live(), daily)


def test_a_replay_takes_the_coarsest_interval_that_makes_every_stream() -> None:
    rows = [bar_at(ts) for ts in expected_starts(HALF_DAY, 5 * MINUTE)]
    both = MemorySource(
        {("AAPL", "1m"): [bar_at(DAY_BEFORE.open)], ("AAPL", "5m"): rows}
    )

    day = replayed_day(config("replay"), live(), both)

    assert day.feed.intervals == ("5m",)
