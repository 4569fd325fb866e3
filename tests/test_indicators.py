"""Averages and extremes of history beside lists of days, and that they know nothing of the session itself."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import cache
from math import isnan
from random import Random
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tapeloom
from tapeloom import TimeManager, trailing_average, trailing_max, trailing_min
from tapeloom.bars import Bars
from tapeloom.calendars import get_session_table
from tapeloom.errors import (
    ArgumentError,
    ArgumentTypeError,
    IntervalError,
    OutOfCalendarError,
)
from tests.core.loaded import bars_of, days_of, loaded_rows, row_at
from tests.reference import indicators as reference
from tests.reference.bars import Bar
from tests.reference.gaps import expected_starts
from tests.reference.schedule import MINUTE, TradingDay, interval_ns
from tests.strategies import fewer

if TYPE_CHECKING:
    from tapeloom import HistoricalIndicator

# Two half days, two holidays and a new year.
FIRST, LAST = date(2024, 11, 20), date(2025, 1, 10)
PERIODS = ("1d", "3d", "10d", "60d", "1w", "3w", "1m", "2m", "1y")
FULL_DAY = 390 * MINUTE


def us_days(first: date = FIRST, last: date = LAST) -> list[TradingDay]:
    return list(days_of("US_EQUITY", first, last))


def bars(rows: list[Bar], interval: str = "1d", group: str = "US_EQUITY") -> Bars:
    return bars_of(rows, interval, get_session_table(group))


def is_early(day: TradingDay) -> bool:
    return day.close - day.open < FULL_DAY


def period_days(
    session_date: date, period: str, *, skip_early_close: bool = False
) -> list[TradingDay]:
    """The sessions of a period, oldest first."""
    days = [
        day
        for day in days_of("US_EQUITY", date(2022, 1, 3), session_date)
        if day.date < session_date and not (skip_early_close and is_early(day))
    ]
    if period.endswith("d"):
        return days[-int(period[:-1]) :]
    start = reference.period_start(session_date, period)
    return [day for day in days if start <= day.date]


@cache
def daily(seed: int = 0) -> Bars:
    """Daily bars of three years."""
    rng = Random(seed)
    days = us_days(date(2022, 1, 3), date(2025, 3, 31))
    return bars([row_at(day.open, rng) for day in days])


def facts(found: HistoricalIndicator) -> tuple[object, ...]:
    """All of it, in a form that is equal for equal bits and for any two NaN."""
    value = np.asarray(found.value)
    counts = None if found.counts is None else found.counts.tolist()
    return (
        value.shape,
        [float(one).hex() for one in value.ravel()],
        found.n_used,
        found.n_requested,
        found.dates,
        counts,
        found.date_of_extreme,
    )


@given(data=st.data())
def test_daily_averages_and_extremes_are_those_of_the_dates(
    data: st.DataObject,
) -> None:
    interval = data.draw(st.sampled_from(["1d", "1d", "15m", "1m"]))
    days = us_days() if interval == "1d" else us_days()[-8:]
    every = {name: data.draw(loaded_rows(days, interval)) for name in ("A", "B")}
    sources = {name: bars(rows, interval) for name, rows in every.items()}
    session_date = days[0].date + timedelta(days=data.draw(st.integers(0, 60)))
    period = data.draw(st.sampled_from(PERIODS))
    field = data.draw(st.sampled_from(["open", "high", "low", "close", "volume"]))
    skip = data.draw(st.booleans())
    averages = trailing_average(
        sources, session_date, period, field=field, skip_early_close=skip
    )
    highest = trailing_max(sources, session_date, period, field=field)
    lowest = trailing_min(sources, session_date, period, field=field)
    step = interval_ns(interval)
    for name, rows in every.items():
        for kept, found, kind in (
            (period_days(session_date, period, skip_early_close=skip), averages, ""),
            (period_days(session_date, period), highest, "max"),
            (period_days(session_date, period), lowest, "min"),
        ):
            values = [
                reference.day_value(reference.day_bars(day, rows, step), field)
                for day in kept
            ]
            used = tuple(
                day.date
                for day, value in zip(kept, values, strict=True)
                if not isnan(value)
            )
            requested = int(period[:-1]) if period.endswith("d") else len(kept)
            value, when = reference.mean(values)[0], None
            if kind:
                starts = [0] * (len(values) + 1)
                value, at = reference.rolling_extreme(values, starts, kind)[-1]
                when = None if at < 0 else kept[at].date
            assert facts(found[name]) == (
                (),
                [value.hex()],
                len(used),
                requested,
                used,
                None,
                when,
            )


@fewer(2)
@given(data=st.data())
def test_averages_of_minutes_are_over_the_days_that_have_them(
    data: st.DataObject,
) -> None:
    days = us_days(date(2024, 11, 25), date(2024, 12, 4))
    rows = data.draw(loaded_rows(days, "1m"))
    session_date = date(2024, 11, 26) + timedelta(days=data.draw(st.integers(0, 12)))
    period = data.draw(st.sampled_from(["1d", "3d", "10d", "1w", "1m"]))
    field = data.draw(st.sampled_from(["high", "volume"]))
    skip = data.draw(st.booleans())
    found = trailing_average(
        bars(rows, "1m"),
        session_date,
        period,
        granularity="minute",
        field=field,
        skip_early_close=skip,
    )
    kept = period_days(session_date, period, skip_early_close=skip)
    values, counts = reference.minute_average(kept, rows, field, 390)
    used = tuple(day.date for day in kept if reference.day_bars(day, rows, MINUTE))
    requested = int(period[:-1]) if period.endswith("d") else len(kept)
    assert facts(found) == (
        (390,),
        [value.hex() for value in values],
        len(used),
        requested,
        used,
        counts,
        None,
    )


def all_indicators(source: Bars, session_date: date) -> list[tuple[object, ...]]:
    found = [
        trailing_average(source, session_date, "10d"),
        trailing_average(source, session_date, "1m", skip_early_close=True),
        trailing_max(source, session_date, "52w"),
        trailing_min(source, session_date, "6m"),
    ]
    if source.interval == "1m":
        found.append(trailing_average(source, session_date, "3d", granularity="minute"))
    return [facts(one) for one in found]


@pytest.mark.parametrize("interval", ["1d", "30m", "1m"])
@pytest.mark.parametrize(
    "session_date",
    [date(2024, 11, 28), date(2024, 11, 29), date(2024, 11, 30), date(2024, 12, 2)],
)
def test_bars_from_the_open_on_are_never_read(
    interval: str, session_date: date
) -> None:
    rng = Random(3)
    days = us_days(date(2024, 11, 18), date(2024, 12, 6))
    starts = [ts for day in days for ts in expected_starts(day, interval_ns(interval))]
    rows = [row_at(ts, rng) for ts in starts]
    opened = next(day.open for day in days if day.date >= session_date)
    known = [row for row in rows if row.ts < opened]
    poison = [Bar(row.ts, *[float("nan")] * 5) for row in rows if row.ts >= opened]
    loud = [Bar(bar.ts, *[1e300] * 5) for bar in poison]
    expected = all_indicators(bars(known, interval), session_date)
    for future in (poison, loud, [bar for bar in loud for _ in (0, 1)]):
        found = all_indicators(bars(known + future, interval), session_date)
        assert found == expected


def test_an_evening_open_belongs_to_the_session_and_not_to_history() -> None:
    days = list(days_of("US_FUTURES", date(2025, 7, 7), date(2025, 7, 9)))
    rows = [
        row_at(day.open + n * MINUTE, Random(n))._replace(volume=float(weight))
        for weight, day in zip((1, 10, 100), days, strict=True)
        for n in range(3)
    ]
    found = trailing_average(
        bars(rows, "1m", "US_FUTURES"),
        date(2025, 7, 9),
        "5d",
        exchange_group="US_FUTURES",
    )
    assert (found.value, found.dates) == (16.5, (date(2025, 7, 7), date(2025, 7, 8)))


def test_weeks_months_and_years_are_of_the_calendar() -> None:
    session_date = date(2025, 3, 31)
    firsts = {
        "1w": date(2025, 3, 24),
        "52w": date(2024, 4, 1),
        "1m": date(2025, 2, 28),
        "6m": date(2024, 9, 30),
        "1y": date(2024, 4, 1),  # 2024-03-31 was a Sunday
        "3y": date(2022, 3, 31),
    }
    for period, first in firsts.items():
        found = trailing_max(daily(), session_date, period)
        assert found.dates[0] == first, period
        assert found.dates[-1] == date(2025, 3, 28)
        assert found.n_requested == found.n_used == len(found.dates)
    assert trailing_max(daily(), session_date, "52w").n_used != 52 * 5


def test_half_days_that_are_left_out_are_made_up_for() -> None:
    session_date = date(2024, 12, 2)  # the Friday before was a half day
    plain = trailing_average(daily(), session_date, "3d")
    assert plain.dates == (date(2024, 11, 26), date(2024, 11, 27), date(2024, 11, 29))
    full = trailing_average(daily(), session_date, "3d", skip_early_close=True)
    assert full.dates == (date(2024, 11, 25), date(2024, 11, 26), date(2024, 11, 27))
    week = trailing_average(daily(), session_date, "1w", skip_early_close=True)
    assert (week.n_used, week.n_requested) == (3, 3)


def test_too_little_history_is_visible_and_none_is_not_a_number() -> None:
    last_two = daily()[-2:]
    short = trailing_average(last_two, date(2025, 3, 31), "10d")
    assert (short.n_used, short.n_requested) == (1, 10)
    assert short.value == last_two.volume[0]
    for found in (
        trailing_average(last_two, date(2024, 1, 2), "10d"),
        trailing_max(last_two, date(2024, 1, 2), "10d"),
        trailing_min(bars([]), date(2025, 3, 31), "10d"),
        trailing_average(daily(), date(1990, 1, 2), "10d"),
    ):
        assert isnan(float(found.value))
        assert (found.n_used, found.n_requested, found.dates) == (0, 10, ())
        assert found.date_of_extreme is None


def test_a_date_without_trading_has_the_history_before_it() -> None:
    friday, monday = date(2025, 3, 28), date(2025, 3, 31)
    for day in (date(2025, 3, 29), date(2025, 3, 30), monday):
        found = trailing_average(daily(), day, "2d")
        assert found.dates == (date(2025, 3, 27), friday)
    christmas = trailing_max(daily(), date(2024, 12, 25), "1d")
    assert christmas.date_of_extreme == date(2024, 12, 24)


def test_the_first_of_equal_extremes_has_the_date() -> None:
    days = us_days(date(2025, 7, 7), date(2025, 7, 11))
    rows = [Bar(day.open, 5.0, 6.0, 4.0, 5.0, 1.0) for day in days]
    for call in (trailing_max, trailing_min):
        found = call(bars(rows), date(2025, 7, 12), "1w")
        assert (found.date_of_extreme, found.n_used) == (date(2025, 7, 7), 5)


def test_minutes_that_only_full_days_have_leave_half_days_out_of_their_mean() -> None:
    days = us_days(date(2024, 11, 27), date(2024, 11, 29))
    rows = [
        row_at(ts, Random(1))._replace(volume=3.0 if is_early(day) else 1.0)
        for day in days
        for ts in expected_starts(day, MINUTE)
    ]
    found = trailing_average(
        bars(rows, "1m"), date(2024, 12, 2), "10d", granularity="minute"
    )
    assert isinstance(found.value, np.ndarray)
    assert found.counts is not None
    assert found.value.tolist() == [2.0] * 210 + [1.0] * 180
    assert found.counts.tolist() == [2] * 210 + [1] * 180
    assert (found.value.dtype.name, found.counts.dtype.name) == ("float64", "int32")
    for array in (found.value, found.counts):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


@pytest.mark.parametrize(
    ("group", "session_date", "length"),
    [
        ("US_EQUITY", date(2024, 11, 29), 390),
        ("US_EQUITY", date(2024, 11, 30), 390),
        ("JP_EQUITY", date(2024, 11, 1), 360),
        ("JP_EQUITY", date(2024, 11, 5), 390),
        ("CRYPTO", date(2024, 11, 5), 1440),
        ("US_EQUITY", date(1990, 1, 1), 0),
    ],
)
def test_averages_of_minutes_are_as_long_as_a_full_session(
    group: str, session_date: date, length: int
) -> None:
    found = trailing_average(
        bars([], "1m", group),
        session_date,
        "10d",
        granularity="minute",
        exchange_group=group,
    )
    assert isinstance(found.value, np.ndarray)
    assert found.value.shape == (length,)
    assert np.isnan(found.value).all()


def test_minutes_of_a_break_are_not_a_number() -> None:
    days = list(days_of("JP_EQUITY", date(2025, 7, 1), date(2025, 7, 2)))
    rows = [
        row_at(ts, Random(1)) for day in days for ts in expected_starts(day, MINUTE)
    ]
    found = trailing_average(
        bars(rows, "1m", "JP_EQUITY"),
        date(2025, 7, 3),
        "10d",
        granularity="minute",
        exchange_group="JP_EQUITY",
    )
    missing = np.flatnonzero(np.isnan(found.value)).tolist()
    assert missing == list(range(150, 210))


def test_minutes_beyond_the_length_of_a_session_are_left_out() -> None:
    time_manager = TimeManager("JP_EQUITY")
    time_manager.register_market_hours(
        date(2025, 7, 1), date(2025, 7, 2), regular=["09:00", "18:00"]
    )
    table = time_manager.session_table
    opens = [table.opens[table.sessions_before(20_270 + n)] for n in (0, 1)]
    rows = [
        row_at(int(opened) + minute * MINUTE, Random(1))
        for opened in opens
        for minute in (389, 390, 539)
    ]
    found = trailing_average(
        bars_of(rows, "1m", table),
        date(2025, 7, 3),
        "10d",
        granularity="minute",
        time_manager=time_manager,
    )
    assert found.counts is not None
    assert found.counts.tolist() == [0] * 389 + [2]


def test_daily_bars_and_their_minutes_say_the_same() -> None:
    days = us_days(date(2024, 11, 25), date(2024, 12, 6))
    rng = Random(5)
    starts = [ts for day in days for ts in expected_starts(day, MINUTE)]
    minutes = bars([row_at(ts, rng) for ts in starts], "1m")
    whole = minutes.aggregate("1d", table=get_session_table("US_EQUITY"))
    for call in (trailing_average, trailing_max, trailing_min):
        assert facts(call(minutes, date(2024, 12, 6), "5d")) == facts(
            call(whole, date(2024, 12, 6), "5d")
        )


def test_a_mapping_gives_each_symbol_what_it_has_alone() -> None:
    sources = {"b": daily(1), "A": daily(2)[:-300], "empty": bars([])}
    for call in (trailing_average, trailing_max, trailing_min):
        together = call(sources, date(2025, 3, 31), "10d")
        assert list(together) == list(sources)
        for name, source in sources.items():
            alone = call(source, date(2025, 3, 31), "10d")
            assert facts(together[name]) == facts(alone)
        assert call({}, date(2025, 3, 31), "10d") == {}


def test_a_corrected_calendar_counts() -> None:
    time_manager = TimeManager()
    time_manager.add_holiday(date(2025, 3, 28))
    found = trailing_average(
        daily(), date(2025, 3, 31), "2d", time_manager=time_manager
    )
    assert found.dates == (date(2025, 3, 26), date(2025, 3, 27))


def test_faults_of_the_call_are_errors() -> None:
    day = date(2025, 3, 31)
    with pytest.raises(ArgumentTypeError, match="'10d'"):
        trailing_average(daily(), day, 10)  # type: ignore[call-overload]
    with pytest.raises(ArgumentError, match="the nearest is '52w'"):
        trailing_max(daily(), day, "52 weeks")
    with pytest.raises(ArgumentError, match="did you mean 'minute'"):
        trailing_average(daily(), day, granularity="minutes")
    with pytest.raises(ArgumentError, match="1m"):
        trailing_average(daily(), day, granularity="minute")
    with pytest.raises(ArgumentError, match="field is 'vwap'"):
        trailing_max(daily(), day, "10d", field="vwap")
    with pytest.raises(ArgumentTypeError, match="Bars"):
        trailing_max([daily()], day, "10d")  # type: ignore[call-overload]
    with pytest.raises(ArgumentTypeError, match="session_date"):
        trailing_max(daily(), datetime(2025, 3, 31), "10d")  # noqa: DTZ001
    with pytest.raises(OutOfCalendarError, match="session_date"):
        trailing_max(daily(), date(1980, 1, 2), "10d")
    weekly = daily().aggregate("1w", table=get_session_table("US_EQUITY"))
    with pytest.raises(IntervalError, match="1w"):
        trailing_max(weekly, day, "52w")
    with pytest.raises(ArgumentError, match="give one of them"):
        trailing_max(
            daily(), day, "1w", exchange_group="CRYPTO", time_manager=TimeManager()
        )


def test_bars_out_of_order_are_an_error_that_names_the_series() -> None:
    rows = [row_at(day.open, Random(1)) for day in us_days()]
    with pytest.raises(ArgumentError, match="AAA 1d is not in order"):
        trailing_max(bars(rows[::-1]), date(2025, 1, 10), "1w")


def test_the_package_offers_them() -> None:
    for name in (
        "HistoricalIndicator",
        "trailing_average",
        "trailing_max",
        "trailing_min",
    ):
        assert name in tapeloom.__all__
        assert getattr(tapeloom, name).__module__ == "tapeloom.indicators"
