"""``count_trading_time``: known spans, and any span against a count minute by minute."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.reference.schedule import MINUTE, TradingDay
from tests.reference.trading_time import trading_share

from tapeloom.calendars import TimeManager, from_day, to_day
from tapeloom.errors import ArgumentError, ArgumentTypeError, OutOfCalendarError

Unit = Literal["seconds", "minutes", "days", "weeks"]

# Whole weeks with a half day, a holiday, a clock change, a lunch break, a morning without afternoon.
WEEKS = [
    ("US_EQUITY", date(2025, 6, 30), date(2025, 7, 13)),
    ("US_EQUITY", date(2025, 3, 3), date(2025, 3, 16)),
    ("US_FUTURES", date(2025, 11, 24), date(2025, 12, 7)),
    ("JP_EQUITY", date(2025, 4, 28), date(2025, 5, 11)),
    ("HK_EQUITY", date(2024, 12, 23), date(2025, 1, 5)),
    ("FX", date(2025, 7, 7), date(2025, 7, 13)),
]


def wall(text: str) -> datetime:
    return datetime.fromisoformat(text)


def listed(manager: TimeManager, first: date, last: date) -> list[TradingDay]:
    """The sessions of a range of dates as plain numbers."""
    table = manager.session_table
    rows = range(
        table.sessions_before(to_day(first)), table.sessions_before(to_day(last) + 1)
    )
    return [
        TradingDay(
            from_day(int(table.dates[row])),
            tuple(table.segments(row)),
            (int(table.span_starts[row]), int(table.span_ends[row])),
        )
        for row in rows
    ]


@pytest.mark.parametrize("weeks", WEEKS, ids=lambda weeks: f"{weeks[0]}-{weeks[1]}")
@given(data=st.data())
def test_any_span_is_as_long_as_its_minutes_are_many(
    weeks: tuple[str, date, date], data: st.DataObject
) -> None:
    group, first, last = weeks
    manager = TimeManager(group)
    days = listed(manager, first, last)
    minute = st.integers(days[0].open // MINUTE - 600, days[-1].close // MINUTE + 600)
    start, end = sorted(data.draw(st.tuples(minute, minute)))
    for unit in ("seconds", "minutes", "days", "weeks"):
        found = manager.count_trading_time(start * MINUTE, end * MINUTE, unit)
        expected = trading_share(
            days,
            max(start * MINUTE, days[0].open),
            min(end * MINUTE, days[-1].close),
            unit,
        )
        outside = start * MINUTE < days[0].open or end * MINUTE > days[-1].close
        if outside:
            # Other weeks' sessions may lie there too.
            assert found >= expected - 1e-9
        else:
            assert found == pytest.approx(expected, abs=1e-9)


@given(
    bounds=st.tuples(
        *[st.integers(1_735_000_000 * 10**9, 1_765_000_000 * 10**9)] * 3
    ).map(sorted)
)
@pytest.mark.parametrize("group", ["US_EQUITY", "US_FUTURES", "JP_EQUITY"])
@pytest.mark.parametrize("unit", ["seconds", "minutes", "days", "weeks"])
def test_two_spans_that_touch_add_up(group: str, unit: Unit, bounds: list[int]) -> None:
    count = TimeManager(group).count_trading_time
    one, two, three = bounds
    whole = count(one, three, unit)
    assert count(one, two, unit) + count(two, three, unit) == pytest.approx(whole)


@pytest.mark.parametrize(
    ("start", "end", "unit", "expected"),
    [
        ("2025-07-02 09:30", "2025-07-02 16:00", "minutes", 390),
        ("2025-07-02 09:30", "2025-07-02 16:00", "seconds", 23_400),
        ("2025-07-02 09:30", "2025-07-02 16:00", "days", 1),
        ("2025-07-02 00:00", "2025-07-03 00:00", "days", 1),
        ("2025-07-02 09:30", "2025-07-02 12:45", "days", 0.5),
        ("2025-07-03 09:30", "2025-07-03 13:00", "days", 1),
        ("2025-07-03 09:30", "2025-07-03 13:00", "minutes", 210),
        ("2025-07-03 13:00", "2025-07-07 09:30", "seconds", 0),
        ("2025-07-02 15:59", "2025-07-03 09:31", "minutes", 2),
        ("2025-07-02 15:59:59.5", "2025-07-02 16:00", "seconds", 0.5),
        ("2025-06-30 00:00", "2025-07-05 00:00", "weeks", 1),
        ("2025-06-30 00:00", "2025-07-05 00:00", "days", 4),
        ("2025-07-02 00:00", "2025-07-03 00:00", "weeks", 0.25),
        ("2025-07-07 00:00", "2025-07-21 00:00", "weeks", 2),
        ("2025-01-01 00:00", "2026-01-01 00:00", "days", 250),
        ("2025-07-02 12:00", "2025-07-02 12:00", "minutes", 0),
    ],
)
def test_known_spans_of_us_equities(
    start: str, end: str, unit: Unit, expected: float
) -> None:
    found = TimeManager().count_trading_time(wall(start), wall(end), unit)
    assert found == pytest.approx(expected)


def test_breaks_and_nights_count_nothing() -> None:
    tokyo, futures = TimeManager("JP_EQUITY"), TimeManager("US_FUTURES")
    lunch = wall("2025-07-02 11:30"), wall("2025-07-02 12:30")
    assert tokyo.count_trading_time(*lunch, "seconds") == 0
    day = wall("2025-07-02 00:00"), wall("2025-07-03 00:00")
    assert tokyo.count_trading_time(*day, "minutes") == 330
    # A futures session of Tuesday has its evening on Monday.
    evening = wall("2025-07-07 17:00"), wall("2025-07-08 17:00")
    assert futures.count_trading_time(*evening, "days") == 1


def test_the_whole_table_can_be_counted() -> None:
    manager = TimeManager()
    start, end = manager.session_table.covered
    days = manager.count_trading_time(start, end, "days")
    assert days == pytest.approx(len(manager.session_table))


def test_what_cannot_be_counted_is_an_error() -> None:
    us = TimeManager()
    start, end = wall("2025-07-02 09:30"), wall("2025-07-02 16:00")
    with pytest.raises(ArgumentError, match="start must not be later than end"):
        us.count_trading_time(end, start, "minutes")
    unit: Any
    for unit, near in (("hours", ""), ("minute", "did you mean 'minutes'"), (None, "")):
        with pytest.raises(ArgumentError, match=f"unit is {unit!r}; .*{near}"):
            us.count_trading_time(start, end, unit)
    with pytest.raises(OutOfCalendarError):
        us.count_trading_time(wall("1989-12-31"), end, "minutes")
    with pytest.raises(OutOfCalendarError):
        us.count_trading_time(start, wall("2036-01-01 00:00:01"), "minutes")
    wrong: Any = "2025-07-02"
    with pytest.raises(ArgumentTypeError, match="start is '2025-07-02'"):
        us.count_trading_time(wrong, end, "minutes")
