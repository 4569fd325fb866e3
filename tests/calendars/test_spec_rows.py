"""Hours of a date, bounds of ranges, the next open, conversions, and every form of a time."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas
import pytest

from tapeloom.calendars import BacktestClock, TimeManager
from tapeloom.errors import (
    ArgumentError,
    ArgumentTypeError,
    NonexistentTimeError,
    OutOfCalendarError,
    StateError,
    TimestampError,
    TimestampUnitError,
)
from tapeloom.timestamps import to_ns

NEW_YORK = ZoneInfo("America/New_York")
HALF_DAY, HOLIDAY, SATURDAY = date(2025, 7, 3), date(2025, 7, 4), date(2025, 7, 5)


@pytest.fixture
def us() -> TimeManager:
    return TimeManager()


def wall(text: str) -> datetime:
    return datetime.fromisoformat(text)


# get_market_hours, get_market_hours_datetime


@pytest.mark.parametrize(
    ("group", "day", "extended", "hours"),
    [
        ("US_EQUITY", "2025-07-02", False, ("02 09:30 -0400", "02 16:00 -0400")),
        ("US_EQUITY", "2025-07-02", True, ("02 04:00 -0400", "02 20:00 -0400")),
        ("US_EQUITY", "2025-07-03", False, ("03 09:30 -0400", "03 13:00 -0400")),
        ("US_EQUITY", "2025-07-03", True, ("03 04:00 -0400", "03 17:00 -0400")),
        ("US_EQUITY", "2025-12-24", False, ("24 09:30 -0500", "24 13:00 -0500")),
        ("US_FUTURES", "2025-07-08", False, ("07 17:00 -0500", "08 17:00 -0500")),
        ("US_FUTURES", "2025-07-08", True, ("07 17:00 -0500", "08 17:00 -0500")),
        ("US_FUTURES", "2025-11-28", False, ("27 17:00 -0600", "28 12:00 -0600")),
        ("JP_EQUITY", "2025-07-02", True, ("02 09:00 +0900", "02 15:30 +0900")),
        ("HK_EQUITY", "2024-12-24", False, ("24 09:30 +0800", "24 12:00 +0800")),
        ("UK_EQUITY", "2025-03-31", False, ("31 08:00 +0100", "31 16:30 +0100")),
        ("CRYPTO", "2025-07-05", False, ("05 00:00 +0000", "06 00:00 +0000")),
    ],
)
def test_the_hours_of_a_date_are_open_and_close(
    group: str, day: str, extended: bool, hours: tuple[str, str]
) -> None:
    manager = TimeManager(group)
    found = manager.get_market_hours_datetime(date.fromisoformat(day), extended)
    assert found is not None
    assert tuple(f"{bound:%d %H:%M %z}" for bound in found) == hours
    assert {bound.tzinfo for bound in found} == {manager.timezone}
    times = manager.get_market_hours(date.fromisoformat(day), extended)
    assert times == tuple(bound.time() for bound in found)


@pytest.mark.parametrize("day", [HOLIDAY, SATURDAY, date(2025, 1, 9)])
def test_a_closed_date_has_no_hours(us: TimeManager, day: date) -> None:
    for extended in (False, True):
        assert us.get_market_hours(day, extended) is None
        assert us.get_market_hours_datetime(day, include_extended=extended) is None


def test_hours_of_what_is_no_date_or_not_covered_are_an_error(us: TimeManager) -> None:
    wrong: Any = "2025-07-02"
    for ask in (us.get_market_hours, us.get_market_hours_datetime):
        with pytest.raises(ArgumentTypeError, match=r"give a datetime\.date"):
            ask(wrong)
        with pytest.raises(OutOfCalendarError, match="covers 1990-01-01 to 2035-12-31"):
            ask(date(2036, 1, 1))


# get_session_boundary_times


@pytest.mark.parametrize(
    ("start", "end", "bounds"),
    [
        ("2025-07-02", "2025-07-02", ("07-02 09:30", "07-02 16:00")),
        ("2025-07-02", "2025-07-03", ("07-02 09:30", "07-03 13:00")),
        ("2025-07-04", "2025-07-13", ("07-07 09:30", "07-11 16:00")),
        ("2025-07-03", "2025-07-06", ("07-03 09:30", "07-03 13:00")),
        ("2025-07-04", "2025-07-06", None),
    ],
)
def test_the_bounds_of_a_range_are_those_of_its_first_and_last_session(
    us: TimeManager, start: str, end: str, bounds: tuple[str, str] | None
) -> None:
    found = us.get_session_boundary_times(
        date.fromisoformat(start), date.fromisoformat(end)
    )
    shown = None if found is None else tuple(f"{at:%m-%d %H:%M}" for at in found)
    assert shown == bounds
    assert found is None or {at.tzinfo for at in found} == {NEW_YORK}


def test_the_bounds_of_futures_begin_on_the_evening_before() -> None:
    monday = date(2025, 7, 7)
    found = TimeManager("US_FUTURES").get_session_boundary_times(monday, monday)
    assert found is not None
    assert f"{found[0]:%a %H:%M} {found[1]:%a %H:%M}" == "Sun 17:00 Mon 17:00"


def test_the_bounds_of_no_range_are_an_error(us: TimeManager) -> None:
    with pytest.raises(ArgumentError, match="start must not be later than end"):
        us.get_session_boundary_times(SATURDAY, HOLIDAY)
    with pytest.raises(OutOfCalendarError):
        us.get_session_boundary_times(date(1989, 12, 31), HOLIDAY)


# advance_to_market_open


@pytest.mark.parametrize(
    ("now", "regular", "extended"),
    [
        ("2025-07-02 03:00", "07-02 09:30", "07-02 04:00"),
        ("2025-07-02 04:00", "07-02 09:30", "07-03 04:00"),
        ("2025-07-02 09:29:59", "07-02 09:30", "07-03 04:00"),
        ("2025-07-02 09:30", "07-03 09:30", "07-03 04:00"),
        ("2025-07-02 12:00", "07-03 09:30", "07-03 04:00"),
        ("2025-07-03 13:00", "07-07 09:30", "07-07 04:00"),
        ("2025-03-07 16:00", "03-10 09:30", "03-10 04:00"),
    ],
)
def test_the_clock_goes_to_the_next_open(now: str, regular: str, extended: str) -> None:
    for include_extended, expected in ((False, regular), (True, extended)):
        us = TimeManager()
        us.set_backtest_time(wall(now))
        found = us.advance_to_market_open(include_extended)
        assert found == us.get_current_time()
        assert found.tzinfo == NEW_YORK
        assert f"{found:%m-%d %H:%M}" == expected


def test_the_clock_goes_from_open_to_open_through_every_session() -> None:
    futures = TimeManager("US_FUTURES")
    table = futures.session_table
    row = 5_000
    futures.set_backtest_time(int(table.opens[row]))
    for opened in table.opens[row + 1 : row + 300].tolist():
        assert to_ns(futures.advance_to_market_open(), UTC) == opened


def test_there_may_be_no_next_open() -> None:
    us = TimeManager()
    with pytest.raises(StateError, match="has not been set"):
        us.advance_to_market_open()
    us.set_backtest_time(wall("2035-12-31 12:00"))
    for extended in (False, True):
        with pytest.raises(OutOfCalendarError):
            us.advance_to_market_open(include_extended=extended)
    assert us.get_current_time().hour == 12
    live = TimeManager(mode="live", clock=BacktestClock(10**18))
    with pytest.raises(StateError, match="this TimeManager is live"):
        live.advance_to_market_open()


# convert_timezone, to_utc, to_market_timezone, get_market_timezone


@pytest.mark.parametrize("zone", ["Asia/Tokyo", ZoneInfo("Asia/Tokyo")])
def test_an_instant_is_shown_in_any_zone(us: TimeManager, zone: tzinfo | str) -> None:
    ns = to_ns(datetime(2025, 7, 2, 13, 30, tzinfo=UTC), UTC)
    for ts in (ns, wall("2025-07-02 09:30"), np.datetime64("2025-07-02T13:30")):
        found = us.convert_timezone(ts, zone)
        assert found.isoformat() == "2025-07-02T22:30:00+09:00"


def test_naive_times_are_those_of_the_exchange() -> None:
    utc = {
        "US_EQUITY": "13:30",
        "US_FUTURES": "14:30",
        "UK_EQUITY": "08:30",
        "JP_EQUITY": "00:30",
        "CRYPTO": "09:30",
    }
    for group, expected in utc.items():
        found = TimeManager(group).to_utc(wall("2025-07-02 09:30"))
        assert f"{found:%H:%M %z}" == f"{expected} +0000"


def test_there_and_back_is_the_same_instant(us: TimeManager) -> None:
    for hour in range(48):
        instant = datetime(2025, 11, 2, tzinfo=UTC) + timedelta(hours=hour)
        shown = us.to_market_timezone(instant)
        assert shown.tzinfo == us.get_market_timezone() == NEW_YORK
        assert us.to_utc(shown) == us.to_utc(shown.replace(tzinfo=None)) == instant


def test_the_second_of_two_equal_wall_times_has_a_fold(us: TimeManager) -> None:
    first = us.to_utc(wall("2025-11-02 01:30"))
    second = us.to_utc(wall("2025-11-02 01:30").replace(fold=1))
    assert second - first == timedelta(hours=1)
    with pytest.raises(NonexistentTimeError):
        us.to_utc(wall("2025-03-09 02:30"))


def test_a_zone_that_does_not_exist_is_named(us: TimeManager) -> None:
    for zone in ("Asia/Tokio", "../UTC", ""):
        with pytest.raises(ArgumentError, match=f"tz is '{zone}'"):
            us.convert_timezone(wall("2025-07-02 09:30"), zone)
    wrong: Any = 9
    with pytest.raises(ArgumentTypeError, match="tz is 9"):
        us.convert_timezone(wall("2025-07-02 09:30"), wrong)


# is_market_open and get_session_type, for every form of a time

OPEN = 1_751_463_000 * 10**9
FORMS = [
    OPEN,
    np.int64(OPEN),
    np.uint64(OPEN),
    wall("2025-07-02 09:30"),
    wall("2025-07-02 09:30").replace(tzinfo=NEW_YORK),
    wall("2025-07-02 13:30").replace(tzinfo=UTC),
    wall("2025-07-02 19:00").replace(tzinfo=timezone(timedelta(hours=5, minutes=30))),
    *(np.datetime64("2025-07-02T13:30", unit) for unit in ("m", "s", "ms", "us", "ns")),
    pandas.Timestamp("2025-07-02 09:30"),
    pandas.Timestamp("2025-07-02 22:30", tz="Asia/Tokyo"),
    pandas.Timestamp(OPEN, tz="UTC"),
]
JUST_BEFORE = [
    OPEN - 1,
    np.int64(OPEN - 1),
    np.datetime64(OPEN - 1, "ns"),
    pandas.Timestamp(OPEN - 1, tz="UTC"),
    wall("2025-07-02 09:29:59.999999"),
    wall("2025-07-02 13:29:59.999999").replace(tzinfo=UTC),
]
WRONG = [
    True,
    1.5,
    float("nan"),
    "2025-07-02 09:30",
    None,
    pandas.NaT,
    np.datetime64("NaT"),
    np.timedelta64(1, "s"),
    np.float64(1),
    date(2025, 7, 2),
    time(9, 30),
]


@pytest.mark.parametrize("loaded", [False, True])
@pytest.mark.parametrize("ts", FORMS, ids=repr)
def test_the_open_is_open_in_every_form(loaded: bool, ts: Any) -> None:
    us = TimeManager()
    assert not loaded or us.session_table
    assert us.is_market_open(ts)
    assert us.get_session_type(ts) == "regular"
    assert us.session_table.is_open(ts)


@pytest.mark.parametrize("ts", JUST_BEFORE, ids=repr)
def test_just_before_the_open_is_pre_market_in_every_form(
    us: TimeManager, ts: Any
) -> None:
    for _ in range(2):
        assert not us.is_market_open(ts)
        assert us.is_market_open(ts, include_extended=True)
        assert us.get_session_type(ts) == "pre_market"


@pytest.mark.parametrize("loaded", [False, True])
@pytest.mark.parametrize("ts", WRONG, ids=repr)
def test_anything_else_is_no_time(loaded: bool, ts: Any) -> None:
    us = TimeManager()
    assert not loaded or us.session_table
    for ask in (us.is_market_open, us.get_session_type, us.session_table.is_open):
        with pytest.raises(ArgumentTypeError, match="ts is"):
            ask(ts)


@pytest.mark.parametrize(
    ("factor", "unit"),
    [(10**9, "seconds"), (10**6, "milliseconds"), (10**3, "microseconds")],
)
def test_an_int_of_another_unit_names_it(
    us: TimeManager, factor: int, unit: str
) -> None:
    for ask in (us.is_market_open, us.get_session_type):
        with pytest.raises(
            TimestampUnitError, match=f"looks like {unit}; .*{factor:_}"
        ):
            ask(OPEN // factor)
    with pytest.raises(TimestampUnitError, match=f"looks like {unit}"):
        us.session_table.is_open(OPEN // factor)


@pytest.mark.parametrize("ts", [2**63, -(2**63) - 1, 10**30])
def test_an_int_beyond_int64_is_an_error(us: TimeManager, ts: int) -> None:
    for ask in (us.is_market_open, us.get_session_type):
        with pytest.raises(TimestampError):
            ask(ts)


def test_a_fold_chooses_between_two_equal_wall_times() -> None:
    futures = TimeManager("US_FUTURES")
    twice = wall("2025-11-02 01:30")
    table = futures.session_table
    assert table.next_open(twice) - to_ns(twice, futures.timezone) == 16.5 * 3600e9
    second = twice.replace(fold=1)
    assert table.next_open(second) - to_ns(second, futures.timezone) == 15.5 * 3600e9
