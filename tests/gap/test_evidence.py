"""What is reported beside the bars: what is accepted, what is refused and with which words, how long it is kept."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from tapeloom.errors import (
    ArgumentError,
    ArgumentTypeError,
    TapeloomWarning,
    TimestampUnitError,
    UnknownSeriesError,
    UnknownSymbolError,
)
from tapeloom.gap import Cause, Gaps, GapSummary, QualityReports
from tapeloom.gap.record import EvidenceRecord
from tapeloom.session_data import SessionData
from tapeloom.statuses import ConnectionEvent, TradingStatus
from tests.gap.sessions import FULL, HALF, NEXT, Feed, at, session_with


@pytest.fixture
def feed() -> Feed:
    found = Feed(session_with("AAPL"))
    found.minutes("09:30-10:02", "10:17-10:30")
    return found


def message(error: type[Exception], call: Any, *args: Any, **named: Any) -> str:
    with pytest.raises(error) as caught:
        call(*args, **named)
    return str(caught.value)


def test_a_state_must_be_one_of_three() -> None:
    assert message(ArgumentError, TradingStatus, at("10:00"), "halt") == (
        "state is 'halt'; it must be 'halted', 'trading' or 'closed'; did you mean 'halted'?"
    )


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            lambda: TradingStatus(at("10:00"), "halted", 5),  # type: ignore[arg-type]
            "reason is 5 (int); it must be text",
        ),
        (
            lambda: ConnectionEvent(at("10:00"), 1),  # type: ignore[arg-type]
            "is_up is 1 (int); it must be True or False",
        ),
        (
            lambda: ConnectionEvent(at("10:00"), True, None),  # type: ignore[arg-type]
            "source is None (NoneType); it must be text",
        ),
    ],
)
def test_reports_of_wrong_types_are_refused(make: Any, text: str) -> None:
    assert message(ArgumentTypeError, make) == text


def test_what_is_no_report_is_refused(feed: Feed) -> None:
    session = feed.session
    assert message(ArgumentTypeError, session.append_status, "AAPL", "halted") == (
        "status is str; it must be a TradingStatus"
    )
    assert message(ArgumentTypeError, session.append_connection, False) == (
        "event is bool; it must be a ConnectionEvent"
    )


def test_times_of_reports_are_read_as_everywhere(feed: Feed) -> None:
    def report(timestamp: int) -> None:
        feed.session.append_status("AAPL", TradingStatus(timestamp, "halted"))

    text = message(TimestampUnitError, lambda: report(1_751_463_000))
    assert "looks like seconds" in text
    status = TradingStatus(datetime(2025, 7, 2, 14, 2, tzinfo=UTC), "halted")
    feed.session.append_status(" aapl ", status)
    assert feed.gap().cause is Cause.HALT


def test_a_cause_must_be_one_of_seven(feed: Feed) -> None:
    call = feed.session.set_gap_cause
    text = message(ArgumentError, call, "AAPL", at("10:02"), at("10:17"), "halted")
    assert text == (
        "cause is 'halted'; it must be one of closed, halt, outage, truncated, no_trade, vendor_hole, unknown;"
        " did you mean 'halt'?"
    )
    assert feed.gap().cause is Cause.UNKNOWN


def test_a_range_of_a_cause_must_not_end_before_it_starts(feed: Feed) -> None:
    call = feed.session.set_gap_cause
    text = message(ArgumentError, call, "AAPL", at("10:17"), at("10:02"), "halt")
    assert text == (
        "start is 2025-07-02 10:17:00, after end, 2025-07-02 10:02:00; ranges are [start, end)"
    )


def test_an_empty_range_of_a_cause_says_nothing(feed: Feed) -> None:
    feed.session.set_gap_cause("AAPL", at("10:02"), at("10:02"), "halt")
    assert feed.gap().cause is Cause.UNKNOWN


def test_a_cause_needs_trading_time(feed: Feed) -> None:
    call = feed.session.set_gap_cause
    text = message(ArgumentError, call, "AAPL", at("08:00"), at("09:30"), "halt")
    assert text == (
        "no regular hours of US_EQUITY lie between 2025-07-02 08:00:00 and 2025-07-02 09:30:00;"
        " bars are missing only in those"
    )


def test_a_cause_of_a_symbol_nobody_keeps_is_refused(feed: Feed) -> None:
    call = feed.session.set_gap_cause
    text = message(UnknownSymbolError, call, "APPL", at("10:02"), at("10:17"), "halt")
    assert text == "symbol APPL is not kept; did you mean 'AAPL'?"


def test_times_of_a_cause_must_be_times(feed: Feed) -> None:
    call = feed.session.set_gap_cause
    text = message(ArgumentTypeError, call, "AAPL", "10:02", at("10:17"), "halt")
    assert text.startswith("start is '10:02' (str)")


@pytest.mark.parametrize(
    ("pct", "text"),
    [
        (101, "pct is 101; it must be from 0 to 100; the nearest is 100"),
        (-0.5, "pct is -0.5; it must be from 0 to 100; the nearest is 0"),
        (float("nan"), "pct is nan; it must be from 0 to 100"),
        (True, "pct is True (bool); it must be a number from 0 to 100, or None"),
        ("99", "pct is '99' (str); it must be a number from 0 to 100, or None"),
    ],
)
def test_a_quality_that_is_set_must_be_a_percentage(
    feed: Feed, pct: Any, text: str
) -> None:
    before = feed.session.get_quality("AAPL")
    assert message(ArgumentError, feed.session.set_quality, "AAPL", "1m", pct) == text
    assert feed.session.get_quality("AAPL") == before


def test_quality_is_set_only_for_a_series_that_is_kept(feed: Feed) -> None:
    call = feed.session.set_quality
    assert message(UnknownSymbolError, call, "APPL", "1m", 50) == (
        "symbol APPL is not kept; did you mean 'AAPL'?"
    )
    assert message(UnknownSeriesError, call, "AAPL", "7m", 50) == (
        "AAPL has no 7m bars; kept: 1m, 5m"
    )


@pytest.mark.parametrize("symbol", ["AAPL", "NONE", None])
def test_a_scope_must_be_one_of_three(feed: Feed, symbol: str | None) -> None:
    text = "scope is 'today'; it must be 'session', 'history' or 'all'"
    call = feed.session.get_gaps
    assert message(ArgumentError, call, symbol, scope="today") == text
    if symbol is not None:
        for read in (feed.session.get_quality, feed.session.get_gap_summary):
            assert message(ArgumentError, read, symbol, scope="today") == text


def test_a_symbol_nobody_keeps_reads_as_without_gaps(feed: Feed) -> None:
    with pytest.warns(TapeloomWarning, match="APPL is not kept"):
        assert feed.session.get_gaps("APPL") == []
    assert feed.session.get_gap_summary("APPL") == GapSummary(0, 0, 0, 0.0)
    strict = SessionData(strict=True)
    message(UnknownSymbolError, strict.get_gaps, "APPL")


def test_gaps_of_all_symbols_come_in_configured_order() -> None:
    session = session_with("MSFT", "AAPL", "SPY")
    Feed(session, "AAPL").minutes("09:30-09:40", "09:45-09:50")
    Feed(session, "MSFT").minutes("09:31-09:50")
    Feed(session, "SPY").minutes("09:30-09:50")
    gaps = session.get_gaps()
    assert isinstance(gaps, Gaps)
    assert [(gap.symbol, gap.missing) for gap in gaps] == [("MSFT", 1), ("AAPL", 5)]
    assert [gap.interval for gap in session.get_gaps(interval="5m")] == ["5m"]
    reports = session.get_quality_reports()
    assert isinstance(reports, QualityReports)
    assert [report.symbol for report in reports] == ["MSFT", "AAPL", "SPY"]
    assert [report.missing for report in reports] == [1, 5, 0]


def test_gaps_have_the_zone_of_the_exchange_with_and_without_a_row(feed: Feed) -> None:
    for gaps in (feed.session.get_gaps(), feed.session.get_gaps()[:0]):
        frame = gaps.to_pandas()
        assert str(frame["start"].dt.tz) == str(frame["end"].dt.tz)
        assert str(frame["start"].dt.tz) == "America/New_York"
    nothing = session_with("SPY").get_gaps()
    assert nothing == []
    assert str(nothing.to_pandas()["start"].dt.tz) == "America/New_York"


def test_the_summary_tells_number_size_largest_and_mean(feed: Feed) -> None:
    feed.minutes("10:31-10:35")
    assert feed.session.get_gap_summary("AAPL") == GapSummary(2, 16, 15, 8.0)
    assert feed.session.get_gap_summary("AAPL", scope="history").number == 0


def test_what_was_reported_goes_with_its_symbol(feed: Feed) -> None:
    feed.status("10:02", "halted")
    feed.session.set_quality("AAPL", None, 50)
    feed.session.remove_symbol("AAPL")
    feed.session.register_symbol("AAPL")
    feed.minutes("09:30-10:02", "10:17-10:30")
    assert feed.gap().cause is Cause.UNKNOWN
    assert feed.session.get_quality("AAPL") == 75.0


def test_clearing_forgets_what_was_reported(feed: Feed) -> None:
    feed.status("10:02", "halted")
    feed.session.append_connection(ConnectionEvent(at("10:02"), False))
    feed.session.clear_all()
    feed.session.register_symbol("AAPL")
    feed.session.start_new_session(FULL.date)
    feed.minutes("09:30-10:02", "10:17-10:30")
    assert feed.gap().cause is Cause.UNKNOWN


def test_a_halt_goes_on_in_the_next_session(feed: Feed) -> None:
    feed.status("15:00", "halted")
    feed.session.start_new_session(HALF.date)
    later = Feed(feed.session, day=HALF)
    later.minutes("09:40-09:45")
    assert later.gap().evidence == "halted 09:30-09:40 (status at 2025-07-02 15:00)"
    feed.session.start_new_session(date(2025, 7, 7))
    later.session.append_status("AAPL", TradingStatus(at("09:00", HALF), "trading"))
    last = Feed(feed.session, day=NEXT)
    last.minutes("09:40-09:45")
    assert last.gap().cause is Cause.UNKNOWN


def test_the_newest_ten_thousand_reports_of_a_symbol_are_kept() -> None:
    record = EvidenceRecord()
    for number in range(10_100):
        word = "halted" if number % 2 == 0 else "trading"
        record.add_status("AAPL", number, word, "")
    spans = record.spans("AAPL", "halted", 20_000)
    assert (len(spans), spans[0].start) == (5_000, 100)


def test_threads_that_report_at_once_lose_nothing() -> None:
    from concurrent.futures import ThreadPoolExecutor

    record = EvidenceRecord()

    def report(first: int) -> None:
        for ts in range(first, 2_000, 4):
            record.add_status("AAPL", 2 * ts, "halted", "")
            record.add_status("AAPL", 2 * ts + 1, "trading", "")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(report, range(4)))
    spans = record.spans("AAPL", "halted", 10_000)
    assert [span.start for span in spans] == list(range(0, 4_000, 2))
