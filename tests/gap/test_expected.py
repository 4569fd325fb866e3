"""Thin symbols: ``no_trade="expected"`` takes minutes without a trade out of what is due."""

from __future__ import annotations

import pytest

from tapeloom.calendars.time_manager import TimeManager
from tapeloom.gap import Cause
from tapeloom.statuses import ConnectionEvent, TradingStatus
from tests.compare import bar_data
from tests.gap.sessions import FULL, HALF, Feed, at, session_with
from tests.reference.schedule import HOUR
from tests.strategies import bar_at


@pytest.fixture
def feed() -> Feed:
    return Feed(session_with("AAPL", no_trade="expected"))


def causes(feed: Feed) -> list[tuple[str, int, str]]:
    return [
        (f"{gap.start:%H:%M}", gap.missing, str(gap.cause))
        for gap in feed.session.get_gaps(feed.symbol)
    ]


def test_minutes_between_two_bars_are_not_due_and_stay_listed(feed: Feed) -> None:
    feed.minutes("09:30-10:00", "10:10-10:20")
    assert feed.session.get_quality("AAPL") == 100.0
    assert causes(feed) == [("10:00", 10, "no_trade")]
    assert feed.gap().evidence == ("nothing recorded speaks for a trade in 10:00-10:10")
    report = feed.session.get_quality_report("AAPL")
    assert (report.expected, report.present, report.missing) == (40, 40, 0)
    assert report.excused == 10


def test_minutes_before_the_first_bar_and_after_the_last_one_are_due(
    feed: Feed,
) -> None:
    feed.minutes("09:40-10:00")
    feed.session.end_session()
    assert causes(feed) == [("09:30", 10, "unknown"), ("10:00", 360, "truncated")]
    assert feed.session.get_quality("AAPL") == pytest.approx(100 * 20 / 390)


def test_a_minute_is_due_until_a_later_bar_comes(feed: Feed) -> None:
    feed.session.register_symbol("MSFT")
    feed.minutes("09:30-10:00")
    Feed(feed.session, "MSFT").minutes("09:30-10:10")
    assert feed.session.get_quality("AAPL") == 75.0
    feed.minutes("10:10-10:11")
    assert feed.session.get_quality("AAPL") == 100.0


def test_a_bar_outside_regular_hours_excuses_nothing(feed: Feed) -> None:
    early = bar_data("AAPL", bar_at(FULL.open - HOUR))
    feed.session.add_bar("AAPL", early)
    feed.minutes("09:40-10:00")
    assert causes(feed) == [("09:30", 10, "unknown")]


def test_minutes_of_a_halt_are_due(feed: Feed) -> None:
    feed.minutes("09:30-10:00", "10:10-10:20")
    feed.status("10:03", "halted")
    feed.status("10:05", "trading")
    assert causes(feed) == [
        ("10:00", 3, "no_trade"),
        ("10:03", 2, "halt"),
        ("10:05", 5, "no_trade"),
    ]
    report = feed.session.get_quality_report("AAPL")
    assert (report.expected, report.missing, report.excused) == (42, 2, 8)
    assert feed.session.get_quality("AAPL") == pytest.approx(100 * 40 / 42)


def test_minutes_in_which_a_status_closes_the_market_are_closed(feed: Feed) -> None:
    feed.minutes("09:30-09:34", "09:50-09:55")
    feed.status("09:36", "closed")
    feed.status("09:46", "trading")
    assert causes(feed) == [
        ("09:34", 2, "no_trade"),
        ("09:36", 10, "closed"),
        ("09:46", 4, "no_trade"),
    ]
    assert feed.session.get_quality_report("AAPL").excused == 6


def test_hours_that_a_correction_takes_away_are_closed_between_two_bars_too() -> None:
    manager = TimeManager("US_EQUITY")
    session = session_with("AAPL", no_trade="expected", time_manager=manager)
    feed = Feed(session)
    feed.minutes("09:30-12:00", "13:00-13:10")
    assert causes(feed) == [("12:00", 60, "no_trade")]
    hours = ["09:30", "12:00", "13:00", "16:00"]
    manager.register_market_hours(FULL.date, regular=hours)
    assert causes(feed) == [("12:00", 60, "closed")]


def test_minutes_of_an_outage_are_due(feed: Feed) -> None:
    feed.minutes("09:30-10:00", "10:10-10:20")
    feed.session.append_connection(ConnectionEvent(at("10:00"), False))
    feed.session.append_connection(ConnectionEvent(at("10:10"), True))
    assert causes(feed) == [("10:00", 10, "outage")]
    assert feed.session.get_quality("AAPL") == 80.0


def test_a_minute_in_which_a_trade_was_seen_is_due(feed: Feed) -> None:
    feed.minutes("09:30-10:00", "10:03-10:20")
    feed.ticks("10:01:30")
    assert causes(feed) == [
        ("10:00", 1, "no_trade"),
        ("10:01", 1, "unknown"),
        ("10:02", 1, "no_trade"),
    ]
    assert feed.session.get_gaps("AAPL")[1].evidence == "a trade was seen at 10:01:30"


def test_a_minute_with_another_known_cause_is_due(feed: Feed) -> None:
    feed.minutes("09:30-10:00", "10:03-10:20")
    feed.session.set_gap_cause("AAPL", at("10:01"), at("10:02"), Cause.VENDOR_HOLE)
    assert [cause for _, _, cause in causes(feed)] == [
        "no_trade",
        "vendor_hole",
        "no_trade",
    ]


def test_trades_that_prove_it_are_the_evidence(feed: Feed) -> None:
    feed.minutes("09:30-10:00", "10:03-10:20")
    feed.ticks("09:59:30", "10:03:10")
    assert feed.gap().evidence == "no trade between 09:59:30 and 10:03:10"


def test_history_is_measured_by_the_same_rule(feed: Feed) -> None:
    feed.minutes("09:30-10:00", "10:10-15:00")
    feed.session.end_session()
    before = feed.session.get_quality("AAPL")
    feed.session.start_new_session(HALF.date, roll=True)
    assert feed.session.get_quality("AAPL", scope="history") == before
    assert before == pytest.approx(100 * 320 / 380)


def test_a_halt_of_later_times_changes_nothing_now(feed: Feed) -> None:
    feed.minutes("09:30-10:00", "10:10-10:20")
    before = feed.session.get_quality_report("AAPL")
    feed.session.append_status(None, TradingStatus(at("10:30"), "halted"))
    feed.ticks("10:30")
    assert feed.session.get_quality_report("AAPL") == before
    assert causes(feed) == [("10:00", 10, "no_trade")]


def test_without_the_policy_each_missing_minute_counts() -> None:
    feed = Feed(session_with("AAPL"))
    feed.minutes("09:30-10:00", "10:10-10:20")
    report = feed.session.get_quality_report("AAPL")
    assert (report.expected, report.missing, report.excused) == (50, 10, 0)
    assert feed.session.get_quality("AAPL") == 80.0


def test_a_run_counts_the_gaps_that_are_due_as_the_report_does(feed: Feed) -> None:
    feed.minutes("09:31-10:00", "10:10-10:20")
    runs = feed.session._due_runs("AAPL")
    assert runs == [(feed.ns("09:30"), feed.ns("09:31"), 1)]
    assert feed.session.get_quality_report("AAPL").missing == 1


def test_a_derived_bar_of_some_minutes_is_whole(feed: Feed) -> None:
    feed.minutes("09:30-10:00", "10:02-10:20")
    found = feed.session.explain("AAPL", "10:00", "5m")
    assert str(found) == "AAPL 10:00 5m: derived from 3 minutes"
    assert found.status == "present"
