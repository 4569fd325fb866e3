"""Why derived bars are missing: the cause that the base bars in their time share."""

from __future__ import annotations

import pytest

from tapeloom.gap import Cause
from tapeloom.statuses import ConnectionEvent
from tests.gap.sessions import Feed, at, session_with


def causes(feed: Feed, interval: str = "5m") -> list[tuple[str, str, str]]:
    return [
        (f"{gap.start:%H:%M}", f"{gap.end:%H:%M}", str(gap.cause))
        for gap in feed.session.get_gaps(feed.symbol, interval)
    ]


@pytest.fixture
def feed() -> Feed:
    return Feed(session_with("AAPL"))


@pytest.fixture
def thin() -> Feed:
    return Feed(session_with("AAPL", no_trade="expected"))


def test_a_derived_gap_between_two_bars_of_a_thin_symbol_is_no_trade(
    thin: Feed,
) -> None:
    thin.minutes("09:33-09:35", "09:50-09:52")
    (_, middle) = thin.session.get_gaps("AAPL")
    (gap,) = thin.session.get_gaps("AAPL", "5m")
    assert (gap.start, gap.end, gap.missing) == (middle.start, middle.end, 3)
    assert (gap.cause, gap.evidence) == (Cause.NO_TRADE, middle.evidence)


def test_derived_bars_of_a_halt_are_a_gap_beside_those_without_a_trade(
    thin: Feed,
) -> None:
    thin.minutes("09:30-09:35", "09:50-09:56")
    thin.status("09:40", "halted")
    thin.status("09:45", "trading")
    assert causes(thin) == [
        ("09:35", "09:40", "no_trade"),
        ("09:40", "09:45", "halt"),
        ("09:45", "09:50", "no_trade"),
    ]


def test_a_derived_bar_partly_of_a_halt_and_partly_without_a_trade_is_unknown(
    thin: Feed,
) -> None:
    thin.minutes("09:30-09:35", "09:40-09:46")
    thin.status("09:37", "halted")
    thin.status("09:39", "trading")
    assert causes(thin) == [("09:35", "09:40", "unknown")]


def test_the_end_of_a_series_that_is_cut_off_is_cut_off_in_whole_bars_too() -> None:
    feed = Feed(session_with("AAPL", completeness="complete"))
    feed.minutes("09:30-14:58")
    feed.session.end_session()
    assert causes(feed) == [("14:55", "16:00", "truncated")]


def test_base_gaps_with_two_causes_leave_the_derived_one_unknown() -> None:
    feed = Feed(session_with("AAPL", completeness="complete"))
    feed.minutes("09:30-10:01", "10:02-10:03", "10:04-10:10")
    feed.status("10:01", "halted")
    feed.status("10:02", "trading")
    feed.session.append_connection(ConnectionEvent(at("10:03"), False))
    feed.session.append_connection(ConnectionEvent(at("10:04"), True))
    assert causes(feed, "1m") == [
        ("10:01", "10:02", "halt"),
        ("10:03", "10:04", "outage"),
    ]
    assert causes(feed) == [("10:00", "10:05", "unknown")]
    assert feed.session.explain("AAPL", "10:00", "5m").cause is Cause.UNKNOWN


def test_base_gaps_of_one_cause_tell_the_first_evidence_and_how_many_more() -> None:
    feed = Feed(session_with("AAPL", completeness="complete"))
    feed.minutes("09:30-10:01", "10:02-10:03", "10:04-10:10")
    for halted, trading in (("10:01", "10:02"), ("10:03", "10:04")):
        feed.status(halted, "halted")
        feed.status(trading, "trading")
    (gap,) = feed.session.get_gaps("AAPL", "5m")
    assert gap.cause is Cause.HALT
    assert gap.evidence == ("halted 10:01-10:02 (status at 10:01); 1 more like it")


def test_a_cause_set_for_the_whole_of_a_derived_gap_is_its_cause(feed: Feed) -> None:
    feed.minutes("09:30-10:02", "10:17-10:30")
    (gap,) = feed.session.get_gaps("AAPL", "5m")
    feed.session.set_gap_cause("AAPL", gap.start, gap.end, Cause.VENDOR_HOLE)
    assert causes(feed) == [("10:05", "10:15", "vendor_hole")]
    assert causes(feed, "1m") == [("10:02", "10:17", "unknown")]


def test_each_bar_of_a_derived_gap_is_explained_by_the_cause_of_the_gap(
    feed: Feed,
) -> None:
    feed.minutes("09:30-10:00", "10:15-10:30")
    feed.status("10:00", "halted")
    feed.status("10:07", "trading")
    assert causes(feed) == [("10:00", "10:15", "unknown")]
    for text in ("10:00", "10:05", "10:10"):
        assert feed.session.explain("AAPL", text, "5m").cause is Cause.UNKNOWN
    feed.status("10:07", "halted")
    assert causes(feed) == [("10:00", "10:15", "halt")]
    assert str(feed.session.explain("AAPL", "10:05", "5m")) == (
        "AAPL 10:05 5m: 0 of 5 minutes, 10:05-10:10 are missing;"
        " cause halt: halted 10:00-10:15 (status at 10:00)"
    )
