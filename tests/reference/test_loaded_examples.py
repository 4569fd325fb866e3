"""The reference for whole columns answers examples worked out by hand."""

from __future__ import annotations

from datetime import date, timedelta
from math import isnan, nan

import pytest

from tests.days import HONG_KONG, TOKYO, US, us_day
from tests.reference import indicators
from tests.reference.bars import Bar
from tests.reference.derived import DERIVED, PARTIAL, buckets, resample
from tests.reference.gaps import Counts, Run, expected_starts, loaded_gaps
from tests.reference.schedule import (
    HOUR,
    MINUTE,
    TradingDay,
    clipped_end,
    day_groups,
    known_at,
    trading_day,
    wall_midnight,
)

FULL, HALF = us_day("2025-07-02"), us_day("2025-07-03")
TOKYO_DAY = TOKYO.days[0]
NEW_YORK = "America/New_York"


def bar(ts: int, volume: float = 10.0) -> Bar:
    return Bar(ts, 100.0, 101.0, 99.0, 100.5, volume)


def weekdays(first: date, count: int) -> list[TradingDay]:
    days = (first + timedelta(days=n) for n in range(count))
    return [
        trading_day(day, "09:30-16:00", NEW_YORK) for day in days if day.weekday() < 5
    ]


@pytest.mark.parametrize(
    ("start", "length", "end"),
    [(0, 60, 60), (120, 60, 150), (180, 60, 240), (120, 120, 240), (300, 120, 360)],
)
def test_a_bar_ends_with_the_last_trading_in_it(
    start: int, length: int, end: int
) -> None:
    # 09:00-11:30, 12:30-15:00: minutes after nine.
    ts = TOKYO_DAY.open + start * MINUTE
    expected = TOKYO_DAY.open + end * MINUTE
    assert clipped_end(TOKYO_DAY, ts, ts + length * MINUTE) == expected
    assert known_at(ts, length * MINUTE, TOKYO_DAY) == expected


def test_an_hour_that_begins_in_a_break_is_expected_if_trading_begins_in_it() -> None:
    hours = [(ts - TOKYO_DAY.open) // HOUR for ts in expected_starts(TOKYO_DAY, HOUR)]
    assert hours == [0, 1, 2, 3, 4, 5]
    halves = expected_starts(TOKYO_DAY, HOUR // 2)
    assert [(ts - TOKYO_DAY.open) // (HOUR // 2) for ts in halves] == [
        *range(5),
        *range(7, 12),
    ]


@pytest.mark.parametrize(
    ("anchor", "starts", "ends"),
    [
        (
            "session",
            [0, 60, 120, 180, 240, 300, 360],
            [60, 120, 150, 240, 300, 360, 390],
        ),
        ("segment", [0, 60, 120, 210, 270, 330], [60, 120, 150, 270, 330, 390]),
        ("clock", [0, 30, 90, 210, 270, 330], [30, 90, 150, 270, 330, 390]),
    ],
)
def test_each_anchor_has_its_hours(
    anchor: str, starts: list[int], ends: list[int]
) -> None:
    # 09:30-12:00, 13:00-16:00: minutes after the open.
    day = HONG_KONG.days[0]
    found = buckets(day, MINUTE, HOUR, anchor=anchor, zone="Asia/Hong_Kong")
    assert [(b.start - day.open) // MINUTE for b in found] == starts
    assert [(b.end - day.open) // MINUTE for b in found] == ends


def test_the_wall_clock_begins_its_day_at_its_own_midnight() -> None:
    assert wall_midnight(FULL.open, NEW_YORK) == FULL.span[0]
    # Nine hours and a half after a midnight that never was, since the clock went forward at two.
    sunday = trading_day(date(2008, 3, 9), "09:30-16:00", NEW_YORK)
    assert wall_midnight(sunday.open, NEW_YORK) == sunday.span[0] - HOUR


def test_days_are_counted_from_the_new_year_and_weeks_from_week_one() -> None:
    days = weekdays(date(2024, 12, 23), 21)

    def firsts(interval: str) -> list[date]:
        # The list begins within a year, so its first group does too.
        return [group[0].date for group in day_groups(days, interval)]

    assert firsts("1w") == [date(2024, 12, 23), date(2024, 12, 30), date(2025, 1, 6)]
    assert firsts("2w") == [date(2024, 12, 23), date(2024, 12, 30)]
    january = [group for group in day_groups(days, "3d") if group[0].date.year == 2025]
    assert [day.date.day for day in january[0]] == [1, 2, 3]


def test_of_equal_starts_the_last_row_counts_and_a_group_knows_what_it_lacks() -> None:
    rows = [bar(FULL.open, 1.0), bar(FULL.open, 2.0), bar(HALF.open, 4.0)]
    (group,) = resample(US.days[6:8], rows, "1d", "2d")
    assert (group.ts, group.volume, group.constituents) == (FULL.open, 6.0, 2)
    assert (group.flags, group.end) == (DERIVED, HALF.close)
    (partial,) = resample(US.days[6:8], rows[2:], "1d", "2d")
    assert (partial.ts, partial.flags) == (FULL.open, DERIVED | PARTIAL)
    assert resample(US.days[6:8], rows[2:], "1d", "2d", completeness="complete") == []


def test_each_row_is_counted_once() -> None:
    at = FULL.open
    starts = [at - 1, at, at, at + 1, at + 2 * MINUTE, FULL.close, HALF.span[0]]
    runs, counts = loaded_gaps([FULL], starts, MINUTE)
    assert runs == [
        Run(at + MINUTE, at + 2 * MINUTE, 1),
        Run(at + 3 * MINUTE, FULL.close, 387),
    ]
    assert counts == Counts(390, 2, 388, 1, 1, 2)


def test_averages_leave_out_what_is_skipped_or_absent() -> None:
    values = [1.0, 2.0, nan, 4.0, 5.0]
    averages, used = indicators.rolling_average(values, 3, [False] * 3 + [True, False])
    assert isnan(averages[0])
    assert averages[1:] == [1.0, 1.5, 1.5, 1.5, 3.5]
    assert used == [0, 1, 2, 2, 2, 2]


def test_the_first_of_equal_extremes_counts() -> None:
    values = [3.0, nan, 7.0, 7.0, 1.0]
    found = indicators.rolling_extreme(values, [0, 0, 1, 1, 3, 3], "max")
    assert [one.position for one in found] == [-1, 0, -1, 2, 3, 3]
    lowest = indicators.rolling_extreme(values, [0] * 6, "min")[-1]
    assert lowest == (1.0, 4)


def test_a_minute_is_averaged_over_the_days_that_have_it() -> None:
    last = FULL.close - MINUTE
    rows = [bar(FULL.open, 1.0), bar(last, 5.0), bar(HALF.open, 3.0)]
    # After the close of a half day nothing counts.
    rows.append(bar(HALF.open + 389 * MINUTE, 1e9))
    means, counts = indicators.minute_average([FULL, HALF], rows, "volume", 390)
    assert (means[0], counts[0], means[389], counts[389]) == (2.0, 2, 5.0, 1)
    assert isnan(means[1])
    assert sum(counts) == 3


@pytest.mark.parametrize(
    ("day", "period", "start"),
    [
        ("2024-08-31", "6m", "2024-02-29"),
        ("2025-01-15", "13m", "2023-12-15"),
        ("2024-02-29", "1y", "2023-02-28"),
        ("2025-01-01", "52w", "2024-01-03"),
    ],
)
def test_periods_are_counted_on_the_calendar(day: str, period: str, start: str) -> None:
    found = indicators.period_start(date.fromisoformat(day), period)
    assert found == date.fromisoformat(start)
