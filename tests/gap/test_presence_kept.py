"""The quality of a thin symbol is measured once and kept until something it depends on changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tapeloom.session_data import SessionData
from tapeloom.statuses import ConnectionEvent, TradingStatus
from tests.gap.sessions import FULL, HALF, Feed, at

if TYPE_CHECKING:
    from collections.abc import Callable

    from tapeloom.gap import Holes


class Counting(SessionData):
    """A store that counts how often it looks for what is missing."""

    looked = 0

    def _holes_in(self, *args: Any) -> Holes:
        self.looked += 1
        return super()._holes_in(*args)


@pytest.fixture
def feed() -> Feed:
    session = Counting(no_trade="expected")
    session.register_symbol("AAPL")
    session.start_new_session(FULL.date)
    feed = Feed(session)
    feed.minutes("09:30-10:00", "10:10-10:20")
    return feed


def looked(feed: Feed) -> int:
    assert isinstance(feed.session, Counting)
    return feed.session.looked


def test_quality_is_measured_once_while_nothing_changes(feed: Feed) -> None:
    assert feed.session.get_quality("AAPL") == 100.0
    before = looked(feed)
    for _ in range(3):
        assert feed.session.get_quality("AAPL") == 100.0
        assert feed.session.get_session_metrics("AAPL")["bar_quality"] == 100.0
        assert feed.session.get_quality_report("AAPL").excused == 10
    assert looked(feed) == before


CHANGES: dict[str, tuple[Callable[[Feed], object], float | None]] = {
    "a bar": (lambda f: f.minutes("10:21-10:22"), 100.0),
    "a halt": (lambda f: f.status("10:05", "halted"), 100 * 40 / 45),
    "a halt of the market": (
        lambda f: f.session.append_status(None, TradingStatus(at("10:05"), "halted")),
        100 * 40 / 45,
    ),
    "an outage": (
        lambda f: f.session.append_connection(ConnectionEvent(at("10:05"), False)),
        100 * 40 / 45,
    ),
    "a trade": (lambda f: f.ticks("10:05"), 100 * 40 / 41),
    "a cause": (
        lambda f: f.session.set_gap_cause("AAPL", at("10:05"), at("10:07"), "outage"),
        100 * 40 / 42,
    ),
    "the end": (lambda f: f.session.end_session(), 100 * 40 / 380),
    "bars that go": (lambda f: f.session.clear_session_bars(), None),
    "a new session": (lambda f: f.session.start_new_session(HALF.date), None),
}


@pytest.mark.parametrize("change", CHANGES)
def test_quality_follows_everything_it_depends_on(feed: Feed, change: str) -> None:
    assert feed.session.get_quality("AAPL") == 100.0
    make, expected = CHANGES[change]
    make(feed)
    assert feed.session.get_quality("AAPL") == pytest.approx(expected)


def test_a_symbol_that_comes_again_is_measured_anew(feed: Feed) -> None:
    feed.status("10:05", "halted")
    assert feed.session.get_quality("AAPL") != 100.0
    feed.session.remove_symbol("AAPL")
    assert feed.session._presences == {}
    feed.session.register_symbol("AAPL")
    feed.minutes("09:30-10:00", "10:10-10:20")
    assert feed.session.get_quality("AAPL") == 100.0


def test_the_figures_of_a_session_are_read_without_its_quality(feed: Feed) -> None:
    handle = feed.session.get_symbol_data("AAPL")
    assert handle is not None
    figures = (handle.session_high, handle.session_low, handle.vwap)
    assert looked(feed) == 0
    metrics = feed.session.get_session_metrics("AAPL")
    names = ("session_high", "session_low", "vwap")
    assert figures == tuple(metrics[name] for name in names)
