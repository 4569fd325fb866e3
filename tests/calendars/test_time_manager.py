"""Worked examples of US sessions, other markets' edges, and a clock that only goes forward."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from tapeloom.calendars import (
    BacktestClock,
    LiveClock,
    Segment,
    TimeManager,
    TradingSession,
)
from tapeloom.errors import (
    ArgumentError,
    ArgumentTypeError,
    ClockError,
    ConfigError,
    IntervalError,
    NonexistentTimeError,
    OutOfCalendarError,
    StateError,
    TimestampUnitError,
    UnknownExchangeError,
)
from tapeloom.timestamps import from_ns

NEW_YORK = ZoneInfo("America/New_York")
MONDAY, THURSDAY = date(2025, 7, 7), date(2025, 7, 3)
HOLIDAY, SATURDAY, SUNDAY = date(2025, 7, 4), date(2025, 7, 5), date(2025, 7, 6)


@pytest.fixture
def us() -> TimeManager:
    return TimeManager()


def naive(text: str) -> datetime:
    return datetime.fromisoformat(text)


def new_york(text: str) -> datetime:
    return naive(text).replace(tzinfo=NEW_YORK)


def regular(session: TradingSession) -> tuple[datetime, datetime]:
    """Open and close of a date that trades."""
    assert session.regular_open is not None
    assert session.regular_close is not None
    return session.regular_open, session.regular_close


# Trading dates


@pytest.mark.parametrize("day", [MONDAY, SATURDAY, HOLIDAY])
def test_the_first_trading_date_is_inclusive(us: TimeManager, day: date) -> None:
    assert us.get_first_trading_date(day) == MONDAY


@pytest.mark.parametrize("day", [SATURDAY, SUNDAY, HOLIDAY, THURSDAY])
def test_the_last_trading_date_is_inclusive(us: TimeManager, day: date) -> None:
    assert us.get_last_trading_date(day) == THURSDAY


def test_the_previous_trading_date_is_exclusive(us: TimeManager) -> None:
    assert us.get_previous_trading_date(MONDAY) == THURSDAY
    assert us.get_previous_trading_date(SATURDAY) == THURSDAY
    assert us.get_previous_trading_date(THURSDAY) == date(2025, 7, 2)


def test_the_next_trading_date_is_exclusive(us: TimeManager) -> None:
    assert us.get_next_trading_date(THURSDAY) == MONDAY
    assert us.get_next_trading_date(HOLIDAY) == MONDAY
    assert us.get_next_trading_date(MONDAY) == date(2025, 7, 8)


def test_the_nth_trading_date_may_be_years_away(us: TimeManager) -> None:
    assert us.get_next_trading_date(THURSDAY, 2) == date(2025, 7, 8)
    far = us.get_next_trading_date(THURSDAY, 2_000)
    assert us.count_trading_days(MONDAY, far) == 2_000
    assert us.get_previous_trading_date(far, 2_000) == THURSDAY


@pytest.mark.parametrize("n", [0, -1])
def test_counting_no_trading_dates_is_an_error(us: TimeManager, n: Any) -> None:
    for ask in (us.get_next_trading_date, us.get_previous_trading_date):
        with pytest.raises(ArgumentError, match=f"n is {n}; it must be at least 1"):
            ask(MONDAY, n)


@pytest.mark.parametrize("n", [1.0, True, "1"])
def test_a_count_that_is_no_integer_is_an_error(us: TimeManager, n: Any) -> None:
    with pytest.raises(ArgumentTypeError, match="n is"):
        us.get_next_trading_date(MONDAY, n)


def test_a_range_of_dates_includes_both_ends(us: TimeManager) -> None:
    expected = [date(2025, 7, 2), THURSDAY, MONDAY]
    assert us.get_trading_dates_in_range(date(2025, 7, 2), MONDAY) == expected
    assert us.count_trading_days(date(2025, 7, 2), MONDAY) == 3
    assert us.get_trading_dates_in_range(HOLIDAY, SUNDAY) == []
    assert us.count_trading_days(HOLIDAY, SUNDAY) == 0


def test_a_range_the_wrong_way_round_is_an_error(us: TimeManager) -> None:
    for ask in (
        us.get_trading_dates_in_range,
        us.count_trading_days,
        us.set_backtest_window,
    ):
        with pytest.raises(
            ArgumentError, match="start is 2025-07-07 and end 2025-07-03"
        ):
            ask(MONDAY, THURSDAY)


@pytest.mark.parametrize(
    "value", [datetime(2025, 7, 3, tzinfo=UTC), "2025-07-03", 20250703, None]
)
def test_only_a_date_is_a_date(us: TimeManager, value: Any) -> None:
    for ask in (us.is_trading_day, us.get_first_trading_date, us.get_trading_session):
        with pytest.raises(ArgumentTypeError, match=r"give a datetime\.date"):
            ask(value)


@pytest.mark.parametrize("day", [date(1989, 12, 31), date(2036, 1, 1)])
def test_a_date_outside_the_table_names_the_covered_range(
    us: TimeManager, day: date
) -> None:
    asks = (
        us.is_trading_day,
        us.is_holiday,
        us.is_early_close,
        us.get_trading_session,
        us.get_first_trading_date,
    )
    for ask in (
        *asks,
        us.get_last_trading_date,
        us.get_next_trading_date,
        us.get_previous_trading_date,
    ):
        with pytest.raises(
            OutOfCalendarError,
            match="table of XNYS, which covers 1990-01-01 to 2035-12-31",
        ):
            ask(day)


def test_a_trading_date_past_the_table_names_the_covered_range(us: TimeManager) -> None:
    for ask, day in (
        (us.get_next_trading_date, date(2035, 12, 31)),
        (us.get_previous_trading_date, date(1990, 1, 2)),
    ):
        with pytest.raises(OutOfCalendarError, match="covers 1990-01-01 to 2035-12-31"):
            ask(day)
    with pytest.raises(OutOfCalendarError):
        us.get_last_trading_date(date(1990, 1, 1))
    with pytest.raises(OutOfCalendarError):
        us.get_next_trading_date(MONDAY, 10**30)


# One date


def test_a_half_day_has_210_minutes_and_a_short_post_market(us: TimeManager) -> None:
    session = us.get_trading_session(THURSDAY)
    assert session.segments == (
        Segment(
            "pre_market", new_york("2025-07-03 04:00"), new_york("2025-07-03 09:30")
        ),
        Segment("regular", new_york("2025-07-03 09:30"), new_york("2025-07-03 13:00")),
        Segment(
            "post_market", new_york("2025-07-03 13:00"), new_york("2025-07-03 17:00")
        ),
    )
    assert session.regular_time == timedelta(minutes=210)
    assert session.is_trading_day
    assert session.is_early_close
    assert us.is_early_close(THURSDAY) == (True, time(13))
    assert us.is_early_close(MONDAY) == (False, None)


def test_a_full_day_has_aware_bounds_in_the_zone_of_the_exchange_and_in_utc(
    us: TimeManager,
) -> None:
    session = us.get_trading_session(date(2025, 7, 2))
    found = (
        session.pre_market_open,
        session.regular_open,
        session.regular_close,
        session.post_market_close,
    )
    assert found == tuple(
        new_york(f"2025-07-02 {t}") for t in ("04:00", "09:30", "16:00", "20:00")
    )
    assert session.pre_market_close == session.regular_open
    assert session.post_market_open == session.regular_close
    assert session.regular_time == timedelta(minutes=390)
    assert regular(session)[0].tzinfo == NEW_YORK
    assert regular(session.in_zone(UTC))[0].isoformat() == "2025-07-02T13:30:00+00:00"


@pytest.mark.parametrize(
    ("day", "open_utc"), [("2008-03-07", "14:30"), ("2008-03-10", "13:30")]
)
def test_the_clock_change_moves_the_open_in_utc_only(
    us: TimeManager, day: str, open_utc: str
) -> None:
    session = us.get_trading_session(date.fromisoformat(day))
    assert regular(session)[0].time() == time(9, 30)
    assert regular(session.in_zone(UTC))[0].isoformat() == f"{day}T{open_utc}:00+00:00"


@pytest.mark.parametrize(
    "days", [("2025-03-07", "2025-03-10"), ("2025-10-31", "2025-11-03")]
)
def test_both_sides_of_a_clock_change_weekend_have_the_same_grid_in_wall_time(
    us: TimeManager, days: tuple[str, str]
) -> None:
    grids = [us.get_grid(date.fromisoformat(day), "5m").tolist() for day in days]
    before, after = ([from_ns(ts, NEW_YORK).time() for ts in grid] for grid in grids)
    assert before == after


def test_a_holiday_has_a_name_and_no_hours(us: TimeManager) -> None:
    found, name = us.is_holiday(HOLIDAY)
    session = us.get_trading_session(HOLIDAY)
    assert found
    assert name
    assert (session.is_holiday, session.holiday_name) == (True, name)
    assert not session.is_trading_day
    assert session.segments == ()
    assert session.regular_open is None
    assert session.post_market_close is None
    assert session.regular_time == timedelta(0)


def test_names_of_holidays_are_those_of_the_calendar(us: TimeManager) -> None:
    assert us.is_holiday(date(2025, 12, 25)) == (True, "Christmas")
    assert us.is_holiday(date(2025, 4, 18)) == (True, "Good Friday")


def test_a_closure_outside_every_rule_is_a_holiday(us: TimeManager) -> None:
    assert us.is_holiday(date(2025, 1, 9)) == (True, "special closure")
    assert not us.is_trading_day(date(2025, 1, 9))


def test_a_weekend_is_neither_trading_day_nor_holiday(us: TimeManager) -> None:
    session = us.get_trading_session(SATURDAY)
    assert (session.is_trading_day, session.is_holiday, session.holiday_name) == (
        False,
        False,
        None,
    )
    assert us.is_holiday(SATURDAY) == (False, None)


def test_an_early_close_is_no_holiday(us: TimeManager) -> None:
    assert us.is_holiday(THURSDAY) == (False, None)


@pytest.mark.parametrize(
    ("interval", "count", "last"),
    [
        ("1m", 390, "15:59"),
        ("5m", 78, "15:55"),
        ("1h", 7, "15:30"),
        ("4h", 2, "13:30"),
        ("1d", 1, "09:30"),
    ],
)
def test_the_grid_of_a_full_day(
    us: TimeManager, interval: str, count: int, last: str
) -> None:
    grid = us.get_grid(date(2025, 7, 2), interval)
    assert grid.dtype == np.int64
    assert len(grid) == count
    assert int(grid[-1]) == int(new_york(f"2025-07-02 {last}").timestamp()) * 10**9


def test_the_grid_of_a_closed_day_is_empty(us: TimeManager) -> None:
    assert us.get_grid(SATURDAY, "1m").tolist() == []


def test_the_grid_of_an_unknown_interval_is_an_error(us: TimeManager) -> None:
    with pytest.raises(IntervalError):
        us.get_grid(THURSDAY, "5x")


# The market at an instant


@pytest.mark.parametrize(
    ("wall", "kind"),
    [
        ("03:59:59", "closed"),
        ("04:00", "pre_market"),
        ("09:29:59.999999", "pre_market"),
        ("09:30", "regular"),
        ("15:59:59", "regular"),
        ("16:00", "post_market"),
        ("20:00", "closed"),
    ],
)
def test_the_session_type_of_a_full_day(us: TimeManager, wall: str, kind: str) -> None:
    ts = datetime.fromisoformat(f"2025-07-02 {wall}")
    assert us.get_session_type(ts) == kind
    assert us.is_market_open(ts) is (kind == "regular")
    assert us.is_market_open(ts, include_extended=True) is (kind != "closed")


@pytest.mark.parametrize(
    ("wall", "kind"),
    [
        ("12:59:59", "regular"),
        ("13:00", "post_market"),
        ("16:59", "post_market"),
        ("17:00", "closed"),
    ],
)
def test_the_session_type_of_a_half_day(us: TimeManager, wall: str, kind: str) -> None:
    assert us.get_session_type(naive(f"2025-07-03 {wall}")) == kind


@pytest.mark.parametrize("day", ["2025-07-04", "2025-07-05", "2025-01-09"])
def test_the_market_is_closed_all_day_on_days_without_a_session(
    us: TimeManager, day: str
) -> None:
    for hour in range(24):
        assert us.get_session_type(naive(f"{day} {hour:02}:00")) == "closed"


def test_the_market_is_asked_about_in_every_form_of_a_time(us: TimeManager) -> None:
    ns = int(new_york("2025-07-02 09:30").timestamp()) * 10**9
    for ts in (
        ns,
        np.int64(ns),
        np.datetime64("2025-07-02T13:30"),
        new_york("2025-07-02 09:30"),
    ):
        assert us.is_market_open(ts)
    with pytest.raises(TimestampUnitError, match="looks like seconds"):
        us.is_market_open(ns // 10**9)
    with pytest.raises(NonexistentTimeError, match="ts is 2025-03-09T02:30"):
        us.is_market_open(naive("2025-03-09 02:30"))


@pytest.mark.parametrize("ts", ["1989-12-31 23:59:59", "2036-01-01 00:00"])
def test_an_instant_outside_the_table_names_the_covered_range(
    us: TimeManager, ts: str
) -> None:
    with pytest.raises(
        OutOfCalendarError, match=r"ts is .*covers 1990-01-01 to 2035-12-31"
    ):
        us.is_market_open(datetime.fromisoformat(ts))


@pytest.mark.parametrize("ts", ["1990-01-01 00:00", "2035-12-31 23:59:59"])
def test_the_first_and_last_instant_of_the_table_are_covered(
    us: TimeManager, ts: str
) -> None:
    assert us.get_session_type(naive(ts)) == "closed"


@pytest.mark.parametrize(
    ("wall", "kind"),
    [
        ("08:59", "closed"),
        ("09:00", "regular"),
        ("11:29", "regular"),
        ("11:30", "break"),
        ("12:29", "break"),
        ("12:30", "regular"),
        ("15:30", "closed"),
    ],
)
def test_tokyo_has_a_lunch_break(wall: str, kind: str) -> None:
    tokyo = TimeManager("JP_EQUITY")
    ts = datetime.fromisoformat(f"2025-07-02 {wall}")
    assert tokyo.get_session_type(ts) == kind
    assert tokyo.is_market_open(ts, include_extended=True) is (kind == "regular")


def test_a_session_with_a_break_lists_it_and_leaves_it_out_of_its_length() -> None:
    session = TimeManager("JP_EQUITY").get_trading_session(date(2025, 7, 2))
    assert [s.kind for s in session.segments] == ["regular", "break", "regular"]
    assert session.regular_time == timedelta(minutes=330)
    assert regular(session)[1].time() == time(15, 30)


def test_the_futures_session_of_tuesday_opens_on_monday_evening() -> None:
    futures = TimeManager("US_FUTURES")
    session = futures.get_trading_session(date(2025, 7, 8))
    assert regular(session)[0].isoformat() == "2025-07-07T17:00:00-05:00"
    assert regular(session)[1].isoformat() == "2025-07-08T17:00:00-05:00"
    assert futures.is_market_open(naive("2025-07-07 17:00"))
    assert futures.is_market_open(naive("2025-07-06 17:00"))
    assert not futures.is_market_open(naive("2025-07-06 16:59"))
    assert not futures.is_market_open(naive("2025-07-11 17:00"))


def test_round_the_clock_is_always_open() -> None:
    crypto = TimeManager("CRYPTO")
    assert crypto.is_trading_day(SATURDAY)
    assert crypto.get_session_type(naive("2025-07-05 23:59:59")) == "regular"
    assert crypto.get_session_type(naive("2025-07-06")) == "regular"
    assert len(crypto.get_grid(SATURDAY, "1m")) == 1440
    assert crypto.get_next_trading_date(SATURDAY) == SUNDAY


def test_round_the_clock_on_weekdays_rests_at_the_weekend() -> None:
    fx = TimeManager("FX")
    assert not fx.is_trading_day(SATURDAY)
    assert fx.is_holiday(SATURDAY) == (False, None)
    assert fx.is_market_open(naive("2025-07-04 23:59"))
    assert not fx.is_market_open(naive("2025-07-05"))


def test_a_session_across_a_clock_change_is_as_long_as_it_lasts() -> None:
    # Chicago's sessions begin on Sunday evening, after the change; UTC days have none.
    assert TimeManager("US_FUTURES").get_trading_session(
        date(2025, 3, 10)
    ).regular_time == timedelta(hours=24)
    berlin = (
        TimeManager("CRYPTO")
        .get_trading_session(date(2025, 3, 30))
        .in_zone(ZoneInfo("Europe/Berlin"))
    )
    assert berlin.regular_time == timedelta(hours=24)


# The clock


def test_an_unset_simulated_clock_is_an_error(us: TimeManager) -> None:
    with pytest.raises(StateError, match="the simulated clock has not been set"):
        us.get_current_time()


def test_the_simulated_clock_tells_the_time_it_was_set_to(us: TimeManager) -> None:
    us.set_backtest_time(naive("2025-07-02 09:30"))
    assert us.get_current_time() == new_york("2025-07-02 09:30")
    assert us.get_current_time().tzinfo == NEW_YORK
    assert (
        us.get_current_time(ZoneInfo("Asia/Tokyo")).isoformat()
        == "2025-07-02T22:30:00+09:00"
    )
    assert us.get_current_mode() == "backtest"


def test_a_zone_that_is_no_tzinfo_is_an_error(us: TimeManager) -> None:
    us.set_backtest_time(naive("2025-07-02 09:30"))
    with pytest.raises(ArgumentTypeError, match="tz is 9"):
        us.get_current_time(9)  # type: ignore[arg-type]  # what is tested
    with pytest.raises(ArgumentError, match="did you mean 'Asia/Tokyo'"):
        us.get_current_time("Asia/Tokio")


def test_a_zone_may_be_given_by_name(us: TimeManager) -> None:
    us.set_backtest_time(naive("2025-07-02 09:30"))
    assert us.get_current_time("Asia/Tokyo").isoformat() == "2025-07-02T22:30:00+09:00"


def test_the_simulated_clock_only_goes_forward(us: TimeManager) -> None:
    us.set_backtest_time(naive("2025-07-02 09:30"))
    us.set_backtest_time(naive("2025-07-02 09:30"))
    us.set_backtest_time(naive("2025-07-02 09:31"))
    with pytest.raises(ClockError, match=r"use reset_backtest_clock\(\)"):
        us.set_backtest_time(naive("2025-07-02 09:30"))
    assert us.get_current_time() == new_york("2025-07-02 09:31")


def test_the_simulated_clock_can_be_reset(us: TimeManager) -> None:
    us.set_backtest_time(naive("2025-07-02 09:30"))
    us.reset_backtest_clock(naive("2025-07-01 09:30"))
    assert us.get_current_time() == new_york("2025-07-01 09:30")
    us.reset_backtest_clock()
    with pytest.raises(StateError):
        us.get_current_time()


def test_the_window_moves_inwards_to_trading_dates(us: TimeManager) -> None:
    assert (us.backtest_start_date, us.backtest_end_date) == (None, None)
    us.set_backtest_window(HOLIDAY, date(2025, 7, 13))
    assert (us.backtest_start_date, us.backtest_end_date) == (MONDAY, date(2025, 7, 11))


def test_a_window_without_a_session_is_an_error(us: TimeManager) -> None:
    with pytest.raises(
        ConfigError,
        match="the window from 2025-07-04 to 2025-07-06 has no session of XNYS",
    ):
        us.set_backtest_window(HOLIDAY, SUNDAY)


def test_a_backtest_starts_at_the_open_of_its_first_session_and_can_go_back_there(
    us: TimeManager,
) -> None:
    with pytest.raises(StateError, match="set_backtest_window"):
        us.init_backtest()
    us.set_backtest_window(THURSDAY, MONDAY)
    us.init_backtest()
    assert us.get_current_time() == new_york("2025-07-03 09:30")
    us.set_backtest_time(naive("2025-07-07 16:00"))
    us.reset_to_backtest_start()
    assert us.get_current_time() == new_york("2025-07-03 09:30")


def test_a_live_manager_cannot_be_set() -> None:
    live = TimeManager(mode="live", clock=BacktestClock(10**18))
    assert live.get_current_mode() == "live"
    calls: list[Callable[[], None]] = [
        lambda: live.set_backtest_time(10**18),
        lambda: live.reset_backtest_clock(),
        lambda: live.init_backtest(),
        lambda: live.reset_to_backtest_start(),
        lambda: live.set_backtest_window(THURSDAY, MONDAY),
    ]
    for call in calls:
        with pytest.raises(StateError, match="this TimeManager is live"):
            call()


def test_a_live_manager_reads_the_clock_it_is_given() -> None:
    live = TimeManager(mode="live", clock=BacktestClock(1_751_463_000 * 10**9))
    assert live.get_current_time() == new_york("2025-07-02 09:30")


def test_a_live_manager_reads_the_wall_clock_by_default() -> None:
    assert isinstance(TimeManager(mode="live").clock, LiveClock)


def test_a_backtest_takes_a_clock_that_can_be_set() -> None:
    clock = BacktestClock(10**18)
    assert TimeManager(clock=clock).clock is clock
    with pytest.raises(
        ArgumentTypeError, match="clock is LiveClock; a backtest needs a BacktestClock"
    ):
        TimeManager(clock=LiveClock())


def test_a_manager_knows_its_group_and_zone() -> None:
    manager = TimeManager("NASDAQ")
    assert manager.exchange_group == "US_EQUITY"
    assert manager.timezone == manager.get_market_timezone() == NEW_YORK
    assert manager.session_table is TimeManager("NYSE").session_table


def test_an_unknown_group_or_mode_is_an_error_with_a_suggestion() -> None:
    with pytest.raises(UnknownExchangeError, match="did you mean 'US_EQUITY'"):
        TimeManager("US_EQITY")
    with pytest.raises(ArgumentError, match="did you mean 'backtest'"):
        TimeManager(mode="back-test")
