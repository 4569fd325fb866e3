"""``explain`` in one sentence and in fields, for every kind of answer."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any

import pytest

from tapeloom.bars import BarData, Provenance
from tapeloom.calendars.time_manager import TimeManager
from tapeloom.errors import (
    ArgumentError,
    ArgumentTypeError,
    IntervalError,
    StateError,
    SymbolError,
)
from tapeloom.gap import Cause
from tapeloom.session_data import SessionData
from tests.compare import bar_data
from tests.days import TOKYO
from tests.gap.sessions import FULL, HALF, Feed, at, session_with
from tests.reference.bars import Bar
from tests.reference.schedule import HOUR, MINUTE
from tests.strategies import bar_at

if TYPE_CHECKING:
    from tapeloom.gap import Explanation


@pytest.fixture
def feed() -> Feed:
    """AAPL up to 14:34 without 14:31, and MSFT without 09:42."""
    found = Feed(session_with("AAPL", "MSFT"))
    Feed(found.session, "MSFT").minutes("09:30-09:42", "09:43-14:34")
    found.minutes("09:30-14:31", "14:32-14:34")
    return found


def correct(feed: Feed, text: str) -> None:
    """Send a minute again with other values, in a store whose clock was moved on."""
    ts = feed.ns(text)
    volume = float(len(feed.session.get_revisions(feed.symbol)) + 1)
    bar = Bar(ts, 10.0, 11.0, 9.0, 10.5, volume)
    feed.session.add_bar(feed.symbol, bar_data(feed.symbol, bar))


def test_a_stored_bar_tells_how_it_came(feed: Feed) -> None:
    found = feed.session.explain("AAPL", at("14:30"))
    assert str(found) == "AAPL 14:30 1m: streamed"
    assert (found.status, found.cause, found.session, found.segment) == (
        "present",
        None,
        FULL.date,
        "regular",
    )
    assert found.due_at == feed.session.get_bars("AAPL")[300].end
    assert (found.ts, found.flags, found.revisions, found.attempts) == (
        feed.ns("14:30"),
        Provenance.STREAMED,
        0,
        0,
    )


def test_a_corrected_bar_tells_how_often_and_when(feed: Feed) -> None:
    correct(feed, "14:30")
    found = feed.session.explain("AAPL", "14:30")
    assert str(found) == "AAPL 14:30 1m: streamed, corrected once at 14:34"
    assert found.revisions == 1
    feed.minutes("14:34-14:40")
    correct(feed, "14:30")
    text = str(feed.session.explain("AAPL", "14:30"))
    assert text == "AAPL 14:30 1m: streamed, corrected twice, last at 14:40"
    correct(feed, "14:30")
    text = str(feed.session.explain("AAPL", "14:30"))
    assert text == "AAPL 14:30 1m: streamed, corrected 3 times, last at 14:40"


def test_seconds_are_shown_where_there_are_any() -> None:
    session = SessionData()
    session.register_symbol("SPY", base_interval="1s")
    session.register_symbol("AAPL")
    session.start_new_session(FULL.date)
    feed = Feed(session)
    feed.minutes("14:30-14:31")
    tick = BarData("SPY", at("14:33:06"), 1, 1, 1, 1, 1, interval="1s")
    session.add_bar("SPY", tick)
    correct(feed, "14:30")
    text = str(session.explain("AAPL", "14:30"))
    assert text == "AAPL 14:30 1m: streamed, corrected once at 14:33:07"


def test_a_late_bar_says_so(feed: Feed) -> None:
    feed.session.add_bar("AAPL", bar_data("AAPL", bar_at(feed.ns("14:31"))))
    text = str(feed.session.explain("AAPL", "14:31"))
    assert text == "AAPL 14:31 1m: streamed, late"


def test_a_bar_of_extended_hours_says_so(feed: Feed) -> None:
    early = bar_data("AAPL", bar_at(FULL.open - HOUR))
    feed.session.add_bar("AAPL", early)
    found = feed.session.explain("AAPL", "08:30")
    assert str(found).endswith("pre-market")
    assert (found.status, found.segment) == ("present", "pre_market")


def test_any_instant_of_a_bar_is_about_that_bar(feed: Feed) -> None:
    found = feed.session.explain("AAPL", at("14:31:59"))
    assert (found.ts, found.status) == (feed.ns("14:31"), "missing")


def test_a_hole_tells_when_it_was_due_why_and_what_stands_beside_it(
    feed: Feed,
) -> None:
    found = feed.session.explain("AAPL", "14:31")
    assert str(found) == (
        "AAPL 14:31 1m: due 14:32, no bar; cause unknown; neighbours 14:30 and 14:32 are present"
    )
    assert (found.status, found.cause, found.segment) == (
        "missing",
        Cause.UNKNOWN,
        "regular",
    )
    assert found.due_at == at("14:32").replace(tzinfo=feed.session.timezone)


def test_a_hole_with_a_cause_tells_the_evidence(feed: Feed) -> None:
    feed.status("14:31:05", "halted")
    feed.status("14:31:40", "trading")
    found = feed.session.explain("AAPL", "14:31")
    assert str(found) == (
        "AAPL 14:31 1m: due 14:32, no bar; cause halt: halted 14:31-14:32 (status at 14:31:05);"
        " neighbours 14:30 and 14:32 are present"
    )
    assert found.cause is Cause.HALT


def test_a_minute_of_a_longer_gap_tells_the_whole_of_it(feed: Feed) -> None:
    feed.minutes("14:37-14:40")
    assert str(feed.session.explain("AAPL", "14:35")) == (
        "AAPL 14:35 1m: due 14:36, no bar; cause unknown; one of 3 missing 14:34-14:37;"
        " neighbours 14:33 and 14:37 are present"
    )


def test_a_hole_at_the_clock_has_a_neighbour_that_is_not_due_yet(feed: Feed) -> None:
    Feed(feed.session, "MSFT").minutes("14:34-14:35")
    assert str(feed.session.explain("AAPL", "14:34")).endswith(
        "cause unknown; 14:33 is present, 14:35 is not due yet"
    )


def test_a_hole_at_the_edges_of_a_session_says_so(feed: Feed) -> None:
    later = session_with("AAPL")
    Feed(later).minutes("09:31-15:59")
    later.end_session()
    assert str(later.explain("AAPL", "09:30")).endswith(
        "the session begins there, 09:31 is present"
    )
    assert str(later.explain("AAPL", "15:59")).endswith(
        "15:58 is present, the session ends there"
    )
    nothing = session_with("AAPL")
    nothing.end_session()
    assert str(nothing.explain("AAPL", "12:00")) == (
        "AAPL 12:00 1m: due 12:01, no bar; cause unknown; one of 390 missing 09:30-16:00;"
        " the session begins there, the session ends there"
    )


def test_a_minute_without_a_trade_was_not_due() -> None:
    feed = Feed(session_with("AAPL", no_trade="expected"))
    feed.minutes("09:30-14:31", "14:32-14:34")
    found = feed.session.explain("AAPL", "14:31")
    assert str(found) == (
        "AAPL 14:31 1m: no bar, and none was due; cause no_trade: nothing recorded speaks for a trade in 14:31-14:32;"
        " neighbours 14:30 and 14:32 are present"
    )
    assert (found.status, found.cause) == ("missing", Cause.NO_TRADE)


def test_an_incomplete_derived_bar_tells_which_parts_are_missing(feed: Feed) -> None:
    found = feed.session.explain("MSFT", "09:40", "5m")
    assert str(found) == "MSFT 09:40 5m: 4 of 5 minutes, 09:42 is missing"
    assert (found.status, found.cause) == ("missing", Cause.UNKNOWN)
    assert found.flags == Provenance.DERIVED | Provenance.PARTIAL


def test_a_derived_bar_without_any_part_tells_so() -> None:
    feed = Feed(session_with("AAPL"))
    feed.minutes("09:30-09:40", "09:45-09:48", "09:49-09:55")
    feed.status("09:40", "halted")
    feed.status("09:45", "trading")
    assert str(feed.session.explain("AAPL", "09:42", "5m")) == (
        "AAPL 09:40 5m: 0 of 5 minutes, 09:40-09:45 are missing; cause halt: halted 09:40-09:45 (status at 09:40)"
    )


def test_several_missing_parts_are_listed() -> None:
    session = SessionData()
    session.register_symbol("AAPL", derived=["1h"])
    session.start_new_session(FULL.date)
    feed = Feed(session)
    feed.minutes("09:30-09:40", "09:41-09:50", "09:51-10:00", "10:05-10:40")
    assert str(session.explain("AAPL", "10:00", "1h")) == (
        "AAPL 09:30 1h: 53 of 60 minutes, 09:40, 09:50 and 10:00-10:05 are missing"
    )


def test_a_whole_derived_bar_tells_its_parts(feed: Feed) -> None:
    found = feed.session.explain("MSFT", "09:45", "5m")
    assert str(found) == "MSFT 09:45 5m: derived from 5 minutes"
    assert (found.status, found.flags) == ("present", Provenance.DERIVED)


def test_a_bar_later_than_the_clock_is_not_due(feed: Feed) -> None:
    found = feed.session.explain("AAPL", "15:09")
    assert str(found) == "AAPL 15:09 1m: becomes due at 15:10"
    assert (found.status, found.cause) == ("not_due", None)
    assert found.due_at == at("15:10").replace(tzinfo=feed.session.timezone)
    text = str(feed.session.explain("AAPL", at("09:30", HALF)))
    assert text == "AAPL 2025-07-03 09:30 1m: becomes due at 2025-07-03 09:31"


def test_bars_of_weeks_become_due_with_the_last_session_of_theirs() -> None:
    session = SessionData()
    session.register_symbol("AAPL", derived=["1w"])
    session.start_new_session(FULL.date)
    Feed(session).minutes("09:30-09:40")
    text = str(session.explain("AAPL", "09:35", "1w"))
    assert text == "AAPL 09:35 1w: becomes due at 2025-07-03 13:00"


@pytest.mark.parametrize(
    ("when", "text", "segment"),
    [
        ("08:00", "AAPL 08:00 1m: pre-market, before the open at 09:30", "pre_market"),
        (
            "16:00",
            "AAPL 16:00 1m: post-market, after the close at 16:00",
            "post_market",
        ),
        ("02:00", "AAPL 02:00 1m: closed, before the open at 09:30", "closed"),
        ("21:00", "AAPL 21:00 1m: closed, after the close at 16:00", "closed"),
    ],
)
def test_outside_regular_hours_the_market_is_closed(
    feed: Feed, when: str, text: str, segment: str
) -> None:
    found = feed.session.explain("AAPL", when)
    assert (str(found), found.status, found.segment) == (text, "closed", segment)


def test_after_an_early_close_the_market_is_closed() -> None:
    session = session_with("AAPL", day=HALF)
    assert str(session.explain("AAPL", "13:30")) == (
        "AAPL 13:30 1m: post-market, after the early close at 13:00"
    )


def test_in_a_break_the_market_is_closed() -> None:
    session = session_with("7203", day=TOKYO.days[0], group="JP_EQUITY")
    found = session.explain("7203", "12:00")
    assert str(found) == "7203 12:00 1m: in the break from 11:30 to 12:30"
    assert (found.status, found.segment) == ("closed", "break")


def test_a_date_without_trading_tells_why() -> None:
    manager = TimeManager("US_EQUITY")
    manager.add_holiday(date(2025, 7, 4), "Independence Day")
    session = SessionData(time_manager=manager)
    session.register_symbol("AAPL")
    session.start_new_session(FULL.date)
    found = session.explain("AAPL", datetime.combine(date(2025, 7, 4), time(10)))
    assert str(found) == "2025-07-04 is a holiday (Independence Day)"
    assert (found.status, found.session) == ("closed", None)
    text = str(session.explain("AAPL", datetime.combine(date(2025, 7, 5), time(10))))
    assert text == "2025-07-05 is a Saturday without trading"
    text = str(session.explain("AAPL", datetime.combine(date(1980, 7, 1), time(10))))
    assert text == (
        "1980-07-01 is outside the session table of XNYS, which covers 1990-01-01 to 2035-12-31"
    )


@pytest.mark.parametrize("strict", [False, True])
def test_a_symbol_nobody_keeps_is_an_answer_with_the_nearest_name(strict: bool) -> None:
    session = session_with("AAPL", strict=strict)
    found = session.explain("APPL", "14:31")
    assert str(found) == "APPL is not kept; did you mean 'AAPL'?"
    assert found.status == "unknown_symbol"


@pytest.mark.parametrize("strict", [False, True])
def test_a_series_nobody_keeps_is_an_answer_with_the_nearest_one(strict: bool) -> None:
    session = session_with("AAPL", strict=strict)
    found = session.explain("AAPL", "14:31", "7m")
    assert str(found) == "AAPL has no 7m bars; kept: 1m, 5m; did you mean '5m'?"
    assert (found.status, found.interval) == ("unknown_series", "7m")


def test_before_a_session_nothing_is_due() -> None:
    session = SessionData()
    session.register_symbol("AAPL")
    found = session.explain("AAPL", at("14:31"))
    assert str(found) == (
        "AAPL 2025-07-02 14:31 1m: no session has begun, so nothing is due"
    )
    assert found.status == "not_due"


def test_of_a_session_that_is_not_kept_nothing_is_due(feed: Feed) -> None:
    found = feed.session.explain("AAPL", datetime.combine(date(2025, 7, 1), time(10)))
    assert str(found) == (
        "AAPL 2025-07-01 10:00 1m: nothing is kept of that session, so nothing is due"
    )


def test_of_weeks_that_are_not_kept_nothing_is_due() -> None:
    session = SessionData()
    session.register_symbol("AAPL", derived=["1w"])
    session.start_new_session(FULL.date)
    Feed(session).minutes("09:30-09:40")
    found = session.explain("AAPL", datetime.combine(date(2025, 6, 25), time(10)), "1w")
    assert str(found) == (
        "AAPL 2025-06-25 10:00 1w: nothing is kept of those sessions, so nothing is due"
    )
    assert (found.status, found.cause) == ("not_due", None)


def test_a_week_of_which_a_session_is_kept_is_due() -> None:
    session = SessionData()
    session.register_symbol("AAPL", derived=["1w"])
    session.start_new_session(HALF.date)
    session.end_session()
    found = session.explain("AAPL", at("10:00"), "1w")
    assert str(found) == ("AAPL 2025-07-02 10:00 1w: due 13:00, no bar; cause unknown")
    assert found.status == "missing"


def test_history_is_explained_with_its_dates(feed: Feed) -> None:
    feed.session.end_session()
    feed.session.start_new_session(HALF.date, roll=True)
    explain = feed.session.explain
    assert str(explain("AAPL", at("14:31"))) == (
        "AAPL 2025-07-02 14:31 1m: due 2025-07-02 14:32, no bar; cause unknown;"
        " neighbours 2025-07-02 14:30 and 2025-07-02 14:32 are present"
    )
    assert str(explain("AAPL", at("14:30"))).startswith("AAPL 2025-07-02 14:30 1m: ")


def test_a_time_of_day_may_be_given_in_several_ways(feed: Feed) -> None:
    whole = feed.session.explain("AAPL", at("14:31"))
    instants: list[Any] = [
        "14:31",
        "14:31:20",
        time(14, 31),
        datetime(2025, 7, 2, 18, 31, tzinfo=UTC),
        feed.ns("14:31"),
    ]
    assert all(feed.session.explain("aapl", when) == whole for when in instants)
    for text in ("9:30", "9:30:15", "09:30:15", " 9:30 "):
        found = feed.session.explain("AAPL", text)
        assert str(found) == "AAPL 09:30 1m: streamed"


def test_a_time_of_day_of_an_overnight_session_may_lie_on_the_evening_before() -> None:
    session = SessionData("CMES")
    session.register_symbol("ES")
    session.start_new_session(date(2025, 7, 2))
    evening = session.explain("ES", "18:00")
    assert evening.session == date(2025, 7, 2)
    assert evening.due_at is not None
    assert evening.due_at.date() == date(2025, 7, 1)
    assert str(evening) == "ES 18:00 1m: becomes due at 18:01"


@pytest.mark.parametrize(
    ("args", "error", "text"),
    [
        (
            ("AAPL", "2 pm"),
            ArgumentError,
            "timestamp is '2 pm'; text must be a time of day such as '14:37', or give a datetime",
        ),
        (
            ("AAPL", "25:00"),
            ArgumentError,
            "timestamp is '25:00', which is no time of day; give one from '00:00' to '23:59:59'",
        ),
        (("AAPL", None), ArgumentTypeError, "timestamp is None (NoneType)"),
        (("AAPL", time(14, tzinfo=UTC)), ArgumentError, "has no zone"),
        ((" ", "14:37"), SymbolError, "printable"),
        (("AAPL", "14:37", "5x"), IntervalError, "5x"),
        (("NONE", "2 pm"), ArgumentError, "timestamp is '2 pm'"),
    ],
)
def test_malformed_questions_are_errors(
    feed: Feed, args: Any, error: type[Exception], text: str
) -> None:
    with pytest.raises(error) as caught:
        feed.session.explain(*args)
    assert text in str(caught.value)


def test_a_time_of_day_needs_a_session() -> None:
    session = SessionData()
    session.register_symbol("AAPL")
    with pytest.raises(StateError) as caught:
        session.explain("AAPL", "14:37")
    assert str(caught.value) == (
        "there is no current session for 14:37; start one, or give a whole timestamp"
    )


def test_every_minute_of_a_session_is_present_or_missing_as_its_bars_are() -> None:
    feed = Feed(session_with("AAPL"))
    feed.minutes("09:30-09:42", "09:43-11:00", "11:20-12:00")
    stored = set(feed.session.get_bars("AAPL").ts.tolist())

    def answer(ts: int) -> Explanation:
        return feed.session.explain("AAPL", ts)

    for ts in range(FULL.open, FULL.close, MINUTE):
        due = ts + MINUTE <= feed.ns("12:00")
        expected = "present" if ts in stored else "missing" if due else "not_due"
        assert answer(ts).status == expected
