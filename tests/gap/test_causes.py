"""Each cause with the evidence that shows it, and without."""

from __future__ import annotations

import pytest

from tapeloom.calendars.time_manager import TimeManager
from tapeloom.gap import Cause, Gap
from tapeloom.session_data import SessionData
from tapeloom.statuses import ConnectionEvent, TradingStatus
from tests.compare import bar_data, columns
from tests.days import TOKYO
from tests.gap.sessions import FULL, HALF, NEXT, Feed, at, session_with
from tests.reference.bars import Bar
from tests.reference.schedule import MINUTE, SECOND
from tests.strategies import bar_at


@pytest.fixture
def feed() -> Feed:
    return Feed(session_with("AAPL"))


def why(gap: Gap) -> tuple[str, str]:
    return str(gap.cause), gap.evidence


def test_without_evidence_a_cause_is_unknown(feed: Feed) -> None:
    feed.minutes("09:30-10:02", "10:17-10:30")
    assert why(feed.gap()) == ("unknown", "")
    assert (feed.gap().status, feed.gap().attempts, feed.gap().last_attempt) == (
        "detected",
        0,
        None,
    )


def test_a_reported_halt_that_covers_a_gap_is_its_cause(feed: Feed) -> None:
    feed.minutes("09:30-10:02", "10:17-10:30")
    feed.status("10:02:11", "halted")
    feed.status("10:16:40", "trading")
    assert why(feed.gap()) == ("halt", "halted 10:02-10:17 (status at 10:02:11)")


def test_the_reason_of_a_halt_is_part_of_the_evidence(feed: Feed) -> None:
    feed.minutes("09:30-10:02", "10:17-10:30")
    feed.status("10:01:59", "halted", "news pending")
    assert feed.gap().evidence == (
        "halted 10:02-10:17 (status at 10:01:59: news pending)"
    )


def test_a_halt_that_ends_before_the_gap_does_is_not_its_cause(feed: Feed) -> None:
    feed.minutes("09:30-10:02", "10:17-10:30")
    feed.status("10:02:11", "halted")
    feed.status("10:10", "trading")
    assert feed.gap().cause is Cause.UNKNOWN


def test_a_halt_of_the_market_is_one_of_every_symbol(feed: Feed) -> None:
    feed.minutes("09:30-10:02", "10:17-10:30")
    feed.session.append_status(None, TradingStatus(at("10:02"), "halted"))
    assert why(feed.gap()) == ("halt", "market halted 10:02-10:17 (status at 10:02)")


def test_a_halt_of_the_market_ends_for_a_symbol_that_is_said_to_trade(
    feed: Feed,
) -> None:
    feed.minutes("09:30-10:02", "10:17-10:30")
    feed.session.append_status(None, TradingStatus(at("10:02"), "halted"))
    feed.status("10:10", "trading")
    assert feed.gap().cause is Cause.UNKNOWN


def test_the_halt_of_a_symbol_outlasts_that_of_the_market(feed: Feed) -> None:
    feed.minutes("09:30-10:02", "10:17-10:30")
    feed.status("10:02", "halted")
    for text, state in (("10:05", "halted"), ("10:06", "trading")):
        feed.session.append_status(None, TradingStatus(at(text), state))
    assert feed.gap().cause is Cause.HALT


def test_a_halt_of_another_symbol_says_nothing(feed: Feed) -> None:
    feed.minutes("09:30-10:02", "10:17-10:30")
    feed.session.append_status("MSFT", TradingStatus(at("10:02"), "halted"))
    assert feed.gap().cause is Cause.UNKNOWN


def test_a_market_that_the_feed_calls_closed_is_closed(feed: Feed) -> None:
    feed.minutes("09:30-10:02", "10:17-10:30")
    feed.session.append_status(None, TradingStatus(at("10:01"), "closed", "drill"))
    assert why(feed.gap()) == (
        "closed",
        "market closed 10:02-10:17 (status at 10:01: drill)",
    )


def test_hours_that_a_correction_of_the_calendar_takes_away_are_closed() -> None:
    manager = TimeManager("US_EQUITY")
    session = SessionData(time_manager=manager)
    session.register_symbol("AAPL")
    session.start_new_session(FULL.date)
    feed = Feed(session)
    feed.minutes("09:30-13:00")
    session.end_session()
    assert feed.gap().cause is Cause.TRUNCATED
    manager.register_market_hours(FULL.date, regular=["09:30", "13:00"])
    assert why(feed.gap()) == (
        "closed",
        "the calendar as corrected has no trading then",
    )


def test_a_connection_that_was_down_is_an_outage(feed: Feed) -> None:
    feed.minutes("09:30-10:02", "10:08-10:30")
    feed.session.append_connection(ConnectionEvent(at("10:02:05"), False))
    feed.session.append_connection(ConnectionEvent(at("10:07:40"), True))
    assert why(feed.gap()) == ("outage", "feed down 10:02:05-10:07:40")


def test_a_connection_that_is_still_down_is_an_outage_up_to_the_clock(
    feed: Feed,
) -> None:
    feed.session.register_symbol("MSFT")
    feed.minutes("09:30-10:02")
    other = Feed(feed.session, "MSFT")
    event = ConnectionEvent(at("10:02:05"), False, "sip")
    feed.session.append_connection(event)
    other.minutes("09:30-10:05")
    assert why(feed.gap()) == ("outage", "sip down since 10:02:05")


def test_an_outage_of_one_source_is_not_ended_by_another(feed: Feed) -> None:
    feed.minutes("09:30-10:02", "10:08-10:30")
    feed.session.append_connection(ConnectionEvent(at("10:02"), False, "sip"))
    feed.session.append_connection(ConnectionEvent(at("10:03"), True, "backup"))
    assert feed.gap().cause is Cause.OUTAGE


def test_a_series_that_ends_before_its_session_is_truncated(feed: Feed) -> None:
    feed.minutes("09:30-14:58")
    feed.session.end_session()
    assert why(feed.gap()) == (
        "truncated",
        "the last bar ends at 14:58, none came up to the close at 16:00",
    )


def test_nothing_is_truncated_while_the_session_lasts(feed: Feed) -> None:
    feed.session.register_symbol("MSFT")
    feed.minutes("09:30-14:58")
    Feed(feed.session, "MSFT").minutes("09:30-15:58")
    assert feed.gap().cause is Cause.UNKNOWN


def test_a_session_without_any_bar_is_not_truncated(feed: Feed) -> None:
    feed.session.end_session()
    assert feed.gap().cause is Cause.UNKNOWN


def test_a_series_that_goes_on_after_the_close_is_not_truncated(feed: Feed) -> None:
    feed.minutes("09:30-14:58")
    late = bar_data("AAPL", bar_at(FULL.close + 5 * MINUTE))
    feed.session.add_bar("AAPL", late)
    feed.session.end_session()
    assert feed.gap().cause is Cause.UNKNOWN


def test_what_is_cut_off_before_a_break_is_truncated_on_both_sides_of_it() -> None:
    day = TOKYO.days[0]
    session = session_with("7203", day=day, group="JP_EQUITY")
    Feed(session, "7203", day).minutes("09:00-10:00")
    session.end_session()
    assert [(gap.missing, str(gap.cause)) for gap in session.get_gaps("7203")] == [
        (90, "truncated"),
        (150, "truncated"),
    ]


def test_ticks_on_both_sides_and_none_within_prove_that_nobody_traded(
    feed: Feed,
) -> None:
    feed.minutes("09:30-14:30", "14:33-14:40")
    feed.ticks("14:29:58", "14:33:02")
    assert why(feed.gap()) == ("no_trade", "no trade between 14:29:58 and 14:33:02")


@pytest.mark.parametrize("only", ["14:29:58", "14:33:02"])
def test_ticks_on_one_side_prove_nothing(feed: Feed, only: str) -> None:
    feed.minutes("09:30-14:30", "14:33-14:40")
    feed.ticks(only)
    assert feed.gap().cause is Cause.UNKNOWN


def traded_minutes(feed: Feed, *texts: str, volume: float = 100.0) -> None:
    """Add minutes with a volume that is chosen."""
    bars = [Bar(feed.ns(text), 10.0, 11.0, 9.0, 10.5, volume) for text in texts]
    feed.session.add_bars_batch(feed.symbol, columns(bars))


def test_ticks_prove_nothing_beside_bars_that_traded_without_a_tick(feed: Feed) -> None:
    traded_minutes(feed, "09:30", "09:31", "09:33", "09:34")
    feed.ticks("09:30:00", "09:34:00")
    assert feed.gap().cause is Cause.UNKNOWN
    feed.ticks("09:31:30")
    assert feed.gap().cause is Cause.UNKNOWN
    feed.ticks("09:33:30")
    assert why(feed.gap()) == ("no_trade", "no trade between 09:31:30 and 09:33:30")


def test_bars_without_volume_need_no_ticks(feed: Feed) -> None:
    traded_minutes(feed, "09:30", "09:31", "09:33", "09:34", volume=0.0)
    feed.ticks("09:30:00", "09:34:00")
    assert feed.gap().cause is Cause.NO_TRADE


def test_silence_proves_nothing_while_our_own_connection_was_down(feed: Feed) -> None:
    feed.minutes("09:30-14:30", "14:33-14:40")
    feed.ticks("14:29:58", "14:33:02")
    feed.session.append_connection(ConnectionEvent(at("14:31:10"), False))
    feed.session.append_connection(ConnectionEvent(at("14:31:50"), True))
    assert feed.gap().cause is Cause.UNKNOWN


def test_a_trade_in_a_missing_minute_is_told_and_no_guess_is_made(feed: Feed) -> None:
    feed.minutes("09:30-14:30", "14:33-14:40")
    feed.ticks("14:29:58", "14:31:05", "14:33:02")
    assert why(feed.gap()) == ("unknown", "a trade was seen at 14:31:05")


def test_ticks_prove_nothing_of_a_time_from_which_some_were_dropped(feed: Feed) -> None:
    feed.minutes("09:30-09:31", "09:32-14:30", "14:33-14:40")
    feed.ticks("09:30:10")
    first = feed.ns("14:00")
    feed.tick_instants(first + number * SECOND // 10 for number in range(10_000))
    feed.ticks("14:29:58", "14:33:02", "14:36")
    early, later = feed.session.get_gaps("AAPL")
    assert early.cause is Cause.UNKNOWN
    assert later.cause is Cause.NO_TRADE


def test_a_hole_of_all_three_symbols_is_the_vendors() -> None:
    session = session_with("AAPL", "MSFT", "SPY")
    for symbol in ("AAPL", "MSFT", "SPY"):
        Feed(session, symbol).minutes("09:30-14:30", "14:33-14:40")
    assert [why(gap) for gap in session.get_gaps()] == [
        ("vendor_hole", "all 3 symbols with bars that day lack 14:30-14:33")
    ] * 3


def test_a_trade_in_a_hole_of_all_symbols_is_told() -> None:
    session = session_with("AAPL", "MSFT", "SPY")
    for symbol in ("AAPL", "MSFT", "SPY"):
        Feed(session, symbol).minutes("09:30-14:30", "14:33-14:40")
    feed = Feed(session)
    feed.ticks("14:31:05")
    assert feed.gap().evidence == (
        "all 3 symbols with bars that day lack 14:30-14:33; a trade was seen at 14:31:05"
    )


def test_two_symbols_are_too_few_for_a_hole_of_the_vendor() -> None:
    session = session_with("AAPL", "MSFT")
    for symbol in ("AAPL", "MSFT"):
        Feed(session, symbol).minutes("09:30-14:30", "14:33-14:40")
    assert {gap.cause for gap in session.get_gaps()} == {Cause.UNKNOWN}


def test_symbols_without_a_bar_of_the_session_do_not_speak_for_a_hole() -> None:
    session = session_with("AAPL", "MSFT", "SPY", "QQQ")
    Feed(session).minutes("09:30-14:30", "14:33-14:40")
    assert Feed(session).gap().cause is Cause.UNKNOWN
    Feed(session, "MSFT").minutes("09:30-14:30", "14:33-14:40")
    assert Feed(session).gap().cause is Cause.UNKNOWN
    Feed(session, "SPY").minutes("09:30-14:30")
    assert why(Feed(session).gap()) == (
        "vendor_hole",
        "all 3 symbols with bars that day lack 14:30-14:33",
    )


def test_a_session_of_history_that_nobody_has_is_unknown() -> None:
    symbols = ("AAPL", "MSFT", "SPY")
    session = session_with(*symbols)
    for symbol in symbols:
        Feed(session, symbol).minutes("09:30-09:40")
    session.start_new_session(HALF.date, roll=True)
    session.start_new_session(NEXT.date, roll=True)
    gaps = session.get_gaps(scope="history")
    assert {str(gap.cause) for gap in gaps if gap.start.date() == HALF.date} <= {
        "unknown"
    }
    assert {str(gap.cause) for gap in gaps if gap.start.date() == FULL.date} == {
        "truncated"
    }


def test_one_bar_of_one_symbol_takes_the_hole_of_the_vendor_away() -> None:
    session = session_with("AAPL", "MSFT", "SPY")
    for symbol in ("AAPL", "MSFT"):
        Feed(session, symbol).minutes("09:30-14:30", "14:33-14:40")
    Feed(session, "SPY").minutes("09:30-14:31", "14:33-14:40")
    assert [(gap.symbol, str(gap.cause)) for gap in session.get_gaps()] == [
        ("AAPL", "unknown"),
        ("MSFT", "unknown"),
        ("SPY", "vendor_hole"),
    ]


def test_symbols_of_another_base_interval_do_not_speak_for_a_hole() -> None:
    session = session_with("AAPL", "MSFT")
    session.register_symbol("SPY", base_interval="5m")
    for symbol in ("AAPL", "MSFT"):
        Feed(session, symbol).minutes("09:30-14:30", "14:33-14:40")
    assert {gap.cause for gap in session.get_gaps("AAPL")} == {Cause.UNKNOWN}


def test_the_first_cause_that_applies_is_told(feed: Feed) -> None:
    feed.minutes("09:30-14:58")
    feed.session.end_session()
    assert feed.gap().cause is Cause.TRUNCATED
    feed.session.append_connection(ConnectionEvent(at("14:58"), False))
    assert feed.gap().cause is Cause.OUTAGE
    feed.status("14:57", "halted")
    assert feed.gap().cause is Cause.HALT
    feed.session.append_status(None, TradingStatus(at("14:57"), "closed"))
    assert feed.gap().cause is Cause.CLOSED
    feed.session.set_gap_cause("AAPL", at("14:58"), at("16:00"), "vendor_hole")
    assert why(feed.gap()) == ("vendor_hole", "set for 14:58-16:00")


def test_the_latest_known_cause_of_a_minute_counts_and_unknown_takes_it_back(
    feed: Feed,
) -> None:
    feed.minutes("09:30-10:02", "10:17-10:30")
    start, end = at("10:02"), at("10:17")
    feed.session.set_gap_cause("AAPL", start, end, "no_trade")
    feed.session.set_gap_cause("aapl", start, end, Cause.VENDOR_HOLE)
    assert feed.gap().cause is Cause.VENDOR_HOLE
    feed.session.set_gap_cause("AAPL", at("10:05"), at("10:06"), "halt")
    assert feed.gap().cause is Cause.UNKNOWN
    feed.session.set_gap_cause("AAPL", start, end, "unknown")
    assert feed.gap().cause is Cause.UNKNOWN


def test_what_is_reported_of_later_times_is_not_used(feed: Feed) -> None:
    feed.session.register_symbol("MSFT")
    feed.minutes("09:30-10:02")
    Feed(feed.session, "MSFT").minutes("09:30-10:05")
    feed.status("10:11", "halted")
    feed.session.append_connection(ConnectionEvent(at("10:11"), False))
    feed.ticks("10:01", "10:05:30")
    assert feed.gap().cause is Cause.UNKNOWN
    feed.minutes("10:05-10:06")
    assert feed.gap().cause is Cause.NO_TRADE


def test_evidence_does_not_tell_what_ends_after_the_clock(feed: Feed) -> None:
    feed.session.register_symbol("MSFT")
    feed.minutes("09:30-10:02")
    feed.session.append_connection(ConnectionEvent(at("10:02:05"), False))
    feed.session.append_connection(ConnectionEvent(at("10:07:40"), True))
    Feed(feed.session, "MSFT").minutes("09:30-10:05")
    assert why(feed.gap()) == ("outage", "feed down since 10:02:05")
    Feed(feed.session, "MSFT").minutes("10:05-10:08")
    assert why(feed.gap()) == ("outage", "feed down 10:02:05-10:07:40")


def test_a_report_that_comes_late_is_put_in_its_place(feed: Feed) -> None:
    feed.minutes("09:30-10:02", "10:17-10:30")
    feed.status("10:17", "trading")
    assert feed.gap().cause is Cause.UNKNOWN
    feed.status("10:02", "halted")
    assert feed.gap().cause is Cause.HALT


def test_gaps_of_a_derived_series_have_causes(feed: Feed) -> None:
    feed.minutes("09:30-10:02", "10:17-10:30")
    feed.status("10:02:11", "halted")
    (gap,) = feed.session.get_gaps("AAPL", "5m")
    assert (gap.interval, gap.missing) == ("5m", 2)
    assert why(gap) == ("halt", "halted 10:05-10:15 (status at 10:02:11)")


def test_gaps_of_history_keep_their_causes(feed: Feed) -> None:
    feed.minutes("09:30-10:02", "10:17-14:58")
    feed.status("10:02:11", "halted")
    feed.status("10:17", "trading")
    feed.session.end_session()
    feed.session.start_new_session(HALF.date, roll=True)
    gaps = feed.session.get_gaps("AAPL", scope="history")
    assert [why(gap) for gap in gaps] == [
        ("halt", "halted 2025-07-02 10:02-10:17 (status at 2025-07-02 10:02:11)"),
        (
            "truncated",
            "the last bar ends at 2025-07-02 14:58, none came up to the close at 2025-07-02 16:00",
        ),
    ]


def test_asking_twice_changes_nothing(feed: Feed) -> None:
    feed.minutes("09:30-10:02", "10:17-10:30")
    feed.status("10:02:11", "halted")
    assert feed.session.get_gaps() == feed.session.get_gaps()
    assert feed.session.get_gap_summary("AAPL") == feed.session.get_gap_summary("AAPL")
