"""Gaps of derived series whose buckets are counted from elsewhere than the open."""

from __future__ import annotations

import pytest

from tapeloom.session_data import SessionData
from tests.days import TOKYO
from tests.gap.sessions import FULL, Feed
from tests.reference.schedule import TradingDay

TOKYO_DAY = TOKYO.days[0]


def hours(group: str, day: TradingDay, anchor: str) -> Feed:
    session = SessionData(group, anchor=anchor)
    session.register_symbol("A", derived=["1h"])
    session.start_new_session(day.date)
    return Feed(session, "A", day)


def starts(feed: Feed) -> list[str]:
    bars = feed.session.get_bars("A", "1h")
    return [f"{bar.timestamp:%H:%M}" for bar in bars]


def gaps(feed: Feed) -> list[tuple[str, str, int]]:
    found = feed.session.get_gaps("A", "1h")
    return [(f"{gap.start:%H:%M}", f"{gap.end:%H:%M}", gap.missing) for gap in found]


@pytest.mark.parametrize("anchor", ["session", "segment", "clock"])
@pytest.mark.parametrize(
    ("group", "day", "span"),
    [
        ("JP_EQUITY", TOKYO_DAY, "09:00-15:30"),
        ("US_EQUITY", FULL, "09:30-16:00"),
    ],
    ids=["JP", "US"],
)
def test_a_day_without_holes_has_no_gaps_wherever_buckets_are_counted_from(
    group: str, day: TradingDay, span: str, anchor: str
) -> None:
    feed = hours(group, day, anchor)
    feed.minutes(span)
    feed.session.end_session()
    assert gaps(feed) == []


def test_hours_of_a_segment_are_missing_where_their_bars_are() -> None:
    feed = hours("JP_EQUITY", TOKYO_DAY, "segment")
    feed.minutes("09:00-10:00", "11:00-11:30", "12:30-13:30")
    feed.session.end_session()
    assert starts(feed) == ["09:00", "11:00", "12:30"]
    assert gaps(feed) == [("10:00", "11:00", 1), ("13:30", "15:00", 2)]


def test_hours_of_the_clock_are_missing_where_their_bars_are() -> None:
    feed = hours("US_EQUITY", FULL, "clock")
    feed.minutes("10:00-11:00", "12:00-16:00")
    feed.session.end_session()
    assert starts(feed) == ["10:00", "12:00", "13:00", "14:00", "15:00"]
    assert gaps(feed) == [("09:30", "10:00", 1), ("11:00", "12:00", 1)]


def test_an_hour_counted_from_a_segment_is_due_at_its_own_end() -> None:
    feed = hours("JP_EQUITY", TOKYO_DAY, "segment")
    feed.minutes("09:00-10:00", "12:30-12:40")
    assert str(feed.session.explain("A", "12:40", "1h")) == (
        "A 12:30 1h: becomes due at 13:30"
    )
    feed.minutes("14:30-14:40")
    found = feed.session.explain("A", "13:45", "1h")
    assert (found.status, found.ts) == ("missing", feed.ns("13:30"))
    assert str(found) == "A 13:30 1h: 0 of 60 minutes, 13:30-14:30 are missing"


def test_an_hour_of_the_clock_is_explained_with_the_minutes_in_it() -> None:
    feed = hours("US_EQUITY", FULL, "clock")
    feed.minutes("09:30-10:00", "11:00-11:05")
    assert str(feed.session.explain("A", "10:15", "1h")) == (
        "A 10:00 1h: 0 of 60 minutes, 10:00-11:00 are missing"
    )
    whole = feed.session.explain("A", "09:40", "1h")
    assert (whole.status, whole.ts) == ("present", feed.ns("09:30"))
