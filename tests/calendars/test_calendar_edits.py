"""Edits of a calendar in memory: what they change, for whom, and that nothing is answered from before."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, time
from threading import Event
from typing import Any

import pytest

from tapeloom.calendars import CacheStats, TimeManager, get_session_table
from tapeloom.errors import (
    ArgumentError,
    ArgumentTypeError,
    CalendarError,
    OutOfCalendarError,
    TapeloomError,
)

WEDNESDAY, THURSDAY, FRIDAY = (date(2025, 8, day) for day in (6, 7, 8))
SATURDAY, MONDAY = date(2025, 8, 9), date(2025, 8, 11)
HOLIDAY = date(2025, 7, 4)
FULL, HALF = (time(9, 30), time(16)), (time(9, 30), time(13))


@pytest.fixture
def us() -> TimeManager:
    return TimeManager()


def wall(text: str) -> datetime:
    return datetime.fromisoformat(text)


# add_holiday


def test_an_added_holiday_does_not_trade(us: TimeManager) -> None:
    assert us.is_market_open(wall("2025-08-07 10:00"))
    assert us.add_holiday(THURSDAY, "Founders' Day") is True
    assert not us.is_trading_day(THURSDAY)
    assert us.is_holiday(THURSDAY) == (True, "Founders' Day")
    assert us.get_market_hours(THURSDAY) is None
    assert us.get_session_type(wall("2025-08-07 10:00")) == "closed"
    assert us.get_next_trading_date(WEDNESDAY) == FRIDAY
    assert us.get_grid(THURSDAY, "1m").tolist() == []


def test_a_holiday_needs_no_name(us: TimeManager) -> None:
    us.add_holiday(THURSDAY)
    assert us.is_holiday(THURSDAY) == (True, None)


@pytest.mark.parametrize("day", [SATURDAY, HOLIDAY])
def test_a_date_that_does_not_trade_anyway_tells_so(us: TimeManager, day: date) -> None:
    assert us.add_holiday(day, "Twice") is False
    assert us.is_holiday(day) == ((True, "Twice") if day == HOLIDAY else (False, None))


# bulk_import_holidays


def test_many_holidays_come_at_once(us: TimeManager) -> None:
    names = {THURSDAY: "One", FRIDAY: None, SATURDAY: "Weekend"}
    assert us.bulk_import_holidays(names) == 2
    assert us.get_holidays_in_range(WEDNESDAY, MONDAY) == [
        (THURSDAY, "One"),
        (FRIDAY, None),
    ]
    assert us.count_trading_days(WEDNESDAY, MONDAY) == 2


@pytest.mark.parametrize("kind", [list, tuple, set, iter])
def test_dates_alone_are_holidays_without_names(
    us: TimeManager, kind: Callable[[list[date]], Any]
) -> None:
    assert us.bulk_import_holidays(kind([THURSDAY, FRIDAY])) == 2
    assert us.is_holiday(FRIDAY) == (True, None)


def test_no_holidays_change_nothing(us: TimeManager) -> None:
    table = us.session_table
    assert us.bulk_import_holidays([]) == 0
    assert us.session_table is table


# register_market_hours


def test_one_date_gets_other_hours(us: TimeManager) -> None:
    changed = us.register_market_hours(
        THURSDAY, regular=["09:30", "13:00"], post=["13:00", "17:00"]
    )
    assert changed == 1
    assert us.get_market_hours(THURSDAY) == HALF
    assert us.get_market_hours(FRIDAY) == FULL
    assert us.is_early_close(THURSDAY) == (True, time(13))
    assert us.get_session_type(wall("2025-08-07 16:59")) == "post_market"
    assert us.get_session_type(wall("2025-08-07 09:00")) == "closed"


def test_a_range_changes_the_dates_that_trade(us: TimeManager) -> None:
    assert us.register_market_hours(WEDNESDAY, MONDAY, regular=["10:00", "15:00"]) == 4
    assert not us.is_trading_day(SATURDAY)
    assert us.get_market_hours(MONDAY) == (time(10), time(15))


def test_weekdays_change_whether_they_trade_or_not(us: TimeManager) -> None:
    changed = us.register_market_hours(
        date(2025, 8, 1),
        date(2025, 8, 31),
        regular=["10:00", "12:00"],
        weekdays=["Sat"],
    )
    assert changed == 5
    assert us.is_trading_day(SATURDAY)
    assert us.get_market_hours(FRIDAY) == FULL


def test_a_break_and_an_evening_open_can_be_registered(us: TimeManager) -> None:
    futures = TimeManager("US_FUTURES")
    futures.register_market_hours(
        THURSDAY, regular=["17:00-1d", "08:00", "09:00", "12:00"]
    )
    kinds = [segment.kind for segment in futures.get_trading_session(THURSDAY).segments]
    assert kinds == ["regular", "break", "regular"]
    assert futures.is_market_open(wall("2025-08-06 17:00"))


def test_the_last_edit_of_a_date_counts(us: TimeManager) -> None:
    us.add_holiday(THURSDAY, "Called off")
    us.register_market_hours(
        THURSDAY, regular=["09:30", "13:00"], weekdays=["Mon", "Thu"]
    )
    assert us.get_market_hours(THURSDAY) == HALF
    assert us.is_holiday(THURSDAY) == (False, None)
    us.add_holiday(THURSDAY)
    assert us.is_holiday(THURSDAY) == (True, None)


def test_edits_come_on_top_of_the_overlay() -> None:
    overlay = {"XNYS": {"2025-08-07": "closed"}}
    us = TimeManager(overlay=overlay)
    us.add_holiday(FRIDAY)
    assert us.get_holidays_in_range(WEDNESDAY, MONDAY) == [
        (THURSDAY, None),
        (FRIDAY, None),
    ]
    assert len(us.overlay) == 2
    again = TimeManager(overlay=us.overlay)
    assert again.session_table.fingerprint == us.session_table.fingerprint


# Lists of holidays


def test_holidays_of_a_range_include_both_ends(us: TimeManager) -> None:
    found = us.get_holidays_in_range(date(2025, 1, 1), date(2025, 12, 25))
    assert [day.isoformat()[5:] for day, _ in found] == [
        "01-01",
        "01-09",
        "01-20",
        "02-17",
        "04-18",
        "05-26",
        "06-19",
        "07-04",
        "09-01",
        "11-27",
        "12-25",
    ]
    assert found[-1] == (date(2025, 12, 25), "Christmas")
    assert us.get_holidays_in_range(SATURDAY, SATURDAY) == []


def test_a_range_of_holidays_the_wrong_way_round_is_an_error(us: TimeManager) -> None:
    with pytest.raises(ArgumentError, match="start must not be later than end"):
        us.get_holidays_in_range(FRIDAY, THURSDAY)


# Who sees an edit


def test_an_edit_makes_a_new_table_with_a_new_fingerprint(us: TimeManager) -> None:
    table, fingerprint = us.session_table, us.session_table.fingerprint
    us.add_holiday(THURSDAY)
    assert us.session_table is not table
    assert us.session_table.fingerprint != fingerprint
    assert table.fingerprint == fingerprint


def test_the_same_edits_give_the_same_fingerprint_in_any_order() -> None:
    one, other = TimeManager(), TimeManager()
    one.add_holiday(THURSDAY)
    one.add_holiday(FRIDAY)
    other.bulk_import_holidays([FRIDAY, THURSDAY])
    assert one.session_table.fingerprint == other.session_table.fingerprint


def test_other_managers_of_the_group_are_untouched(us: TimeManager) -> None:
    other, shared = TimeManager(), get_session_table("US_EQUITY")
    us.add_holiday(THURSDAY)
    assert other.is_trading_day(THURSDAY)
    assert TimeManager().is_trading_day(THURSDAY)
    assert other.session_table is get_session_table("US_EQUITY") is shared


# After an error nothing has changed


@pytest.mark.parametrize(
    ("error", "edit"),
    [
        (ArgumentTypeError, lambda us: us.add_holiday("2025-08-07")),
        (ArgumentTypeError, lambda us: us.add_holiday(wall("2025-08-07"))),
        (ArgumentTypeError, lambda us: us.add_holiday(THURSDAY, 5)),
        (ArgumentTypeError, lambda us: us.add_holiday(THURSDAY, " ")),
        (OutOfCalendarError, lambda us: us.add_holiday(date(2036, 1, 1))),
        (ArgumentTypeError, lambda us: us.bulk_import_holidays("2025-08-07")),
        (ArgumentTypeError, lambda us: us.bulk_import_holidays(5)),
        (ArgumentTypeError, lambda us: us.bulk_import_holidays([THURSDAY, None])),
        (
            OutOfCalendarError,
            lambda us: us.bulk_import_holidays([THURSDAY, date(1989, 1, 1)]),
        ),
        (
            ArgumentError,
            lambda us: us.register_market_hours(THURSDAY, regular=["16:00", "09:30"]),
        ),
        (
            ArgumentError,
            lambda us: us.register_market_hours(
                THURSDAY, regular=["09:30", "16:00"], pre=["04:00", "09:00"]
            ),
        ),
        (
            ArgumentError,
            lambda us: us.register_market_hours(SATURDAY, regular=["09:30", "16:00"]),
        ),
        (
            ArgumentError,
            lambda us: us.register_market_hours(
                THURSDAY, regular=["09:30", "16:00"], weekdays=["Thursday"]
            ),
        ),
        (
            ArgumentError,
            lambda us: us.register_market_hours(
                THURSDAY, WEDNESDAY, regular=["09:30", "16:00"]
            ),
        ),
        (
            OutOfCalendarError,
            lambda us: us.register_market_hours(
                THURSDAY, date(2036, 1, 1), regular=["09:30", "16:00"]
            ),
        ),
        (
            CalendarError,
            lambda us: us.register_market_hours(
                WEDNESDAY, FRIDAY, regular=["09:30", "10:00+1d"]
            ),
        ),
        (
            CalendarError,
            lambda us: us.register_market_hours(
                date(2025, 3, 1),
                date(2025, 3, 31),
                regular=["02:30", "16:00"],
                weekdays=["Sun"],
            ),
        ),
    ],
)
def test_an_edit_that_fails_changes_nothing(
    us: TimeManager,
    error: type[TapeloomError],
    edit: Callable[[TimeManager], object],
) -> None:
    us.add_holiday(FRIDAY, "Before")
    table, overlay, stats = us.session_table, us.overlay, us.get_cache_stats()
    with pytest.raises(error):
        edit(us)
    assert us.session_table is table
    assert us.overlay is overlay
    assert us.get_cache_stats() == stats
    assert us.is_trading_day(THURSDAY)


# The cache


def test_hits_and_misses_are_counted(us: TimeManager) -> None:
    assert us.get_cache_stats() == CacheStats(0, 0, 0.0, 0)
    for day in (THURSDAY, FRIDAY, THURSDAY, THURSDAY):
        us.get_trading_session(day)
    assert us.get_cache_stats() == CacheStats(2, 2, 0.5, 4)


def test_invalidating_forgets_answers_and_counts(us: TimeManager) -> None:
    session = us.get_trading_session(THURSDAY)
    assert us.get_trading_session(THURSDAY) is session
    us.invalidate_cache()
    assert us.get_cache_stats() == CacheStats(0, 0, 0.0, 0)
    again = us.get_trading_session(THURSDAY)
    assert again is not session
    assert again == session


def test_every_edit_invalidates_by_itself(us: TimeManager) -> None:
    edits: list[Callable[[], object]] = [
        lambda: us.add_holiday(THURSDAY),
        lambda: us.bulk_import_holidays([FRIDAY]),
        lambda: us.register_market_hours(MONDAY, regular=["10:00", "15:00"]),
    ]
    for edit, day in zip(edits, (THURSDAY, FRIDAY, MONDAY), strict=True):
        before = us.get_trading_session(day)
        edit()
        assert us.get_cache_stats().total == 0
        assert us.get_trading_session(day) != before


def test_old_answers_give_way_and_never_grow(us: TimeManager) -> None:
    days = us.get_trading_dates_in_range(date(2025, 1, 1), date(2025, 12, 31))
    for day in [*days, days[0]]:
        us.get_trading_session(day)
    assert us.get_cache_stats().hits == 0
    assert us.get_trading_session(days[-1]).date == days[-1]
    assert us.get_cache_stats().hits == 1


# Threads


def test_every_answer_is_wholly_that_of_the_old_or_of_the_new_table(
    us: TimeManager,
) -> None:
    done = Event()
    open_full, open_half = wall("2025-08-07 09:30"), wall("2025-08-07 10:00")
    ends = wall("2025-08-07 16:00"), wall("2025-08-07 13:00")
    zone = us.timezone
    full, half = (
        (start.replace(tzinfo=zone), end.replace(tzinfo=zone))
        for start, end in zip((open_full, open_half), ends, strict=True)
    )

    def asked() -> set[object]:
        found: set[object] = set()
        while not done.is_set():
            session = us.get_trading_session(THURSDAY)
            found |= {
                ("session", session.is_early_close, session.regular_close),
                ("hours", us.get_market_hours_datetime(THURSDAY)),
                ("bounds", us.get_session_boundary_times(THURSDAY, THURSDAY)),
                ("early", us.is_early_close(THURSDAY)),
                ("minutes", len(us.get_grid(THURSDAY, "1m"))),
                ("length", us.count_trading_time(full[0], full[1], "minutes")),
            }
        return found

    with ThreadPoolExecutor(8) as pool:
        asking = [pool.submit(asked) for _ in range(8)]
        for _ in range(8):
            us.register_market_hours(THURSDAY, regular=["10:00", "13:00"])
            us.register_market_hours(THURSDAY, regular=["09:30", "16:00"])
        done.set()
        answers = set().union(*(future.result() for future in asking))
    assert answers <= {
        ("session", True, half[1]),
        ("session", False, full[1]),
        ("hours", half),
        ("hours", full),
        ("bounds", half),
        ("bounds", full),
        ("early", (True, time(13))),
        ("early", (False, None)),
        ("minutes", 180),
        ("minutes", 390),
        ("length", 180.0),
        ("length", 390.0),
    }
    assert us.get_market_hours(THURSDAY) == FULL


def test_of_edits_in_many_threads_none_is_lost(us: TimeManager) -> None:
    days = us.get_trading_dates_in_range(date(2025, 8, 1), date(2025, 8, 31))
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(us.add_holiday, days))
    assert us.count_trading_days(date(2025, 8, 1), date(2025, 8, 31)) == 0
    assert len(us.overlay) == len(days)
    assert not us.is_market_open(wall("2025-08-07 10:00"))


def test_the_first_edit_of_a_thread_survives_the_first_question_of_another() -> None:
    for _ in range(20):
        us = TimeManager()
        with ThreadPoolExecutor(8) as pool:
            asked = [pool.submit(us.is_trading_day, FRIDAY) for _ in range(4)]
            edit = pool.submit(us.add_holiday, THURSDAY)
            asked += [pool.submit(us.is_trading_day, FRIDAY) for _ in range(3)]
        assert edit.result()
        assert all(future.result() for future in asked)
        assert not us.is_trading_day(THURSDAY)
        assert not us.is_market_open(wall("2025-08-07 10:00"))
