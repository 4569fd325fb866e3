"""Periods as text, and where on the calendar they begin."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeloom.errors import ArgumentError, ArgumentTypeError
from tapeloom.periods import Period
from tests.reference import indicators as reference


@pytest.mark.parametrize(
    ("day", "period", "start"),
    [
        (date(2024, 8, 31), "6m", date(2024, 2, 29)),
        (date(2025, 8, 31), "6m", date(2025, 2, 28)),
        (date(2024, 2, 29), "1y", date(2023, 2, 28)),
        (date(2024, 2, 29), "4y", date(2020, 2, 29)),
        (date(2025, 3, 31), "1m", date(2025, 2, 28)),
        (date(2025, 1, 15), "13m", date(2023, 12, 15)),
        (date(2025, 1, 1), "1w", date(2024, 12, 25)),
        (date(2025, 1, 1), "999999999y", date.min),
        (date(2025, 1, 1), "999999999w", date.min),
    ],
)
def test_a_day_that_its_month_does_not_have_is_the_last_one(
    day: date, period: str, start: date
) -> None:
    assert Period.parse(period).start(day) == start


@given(
    day=st.dates(date(1990, 1, 1), date(2035, 12, 31)),
    count=st.integers(1, 400),
    unit=st.sampled_from("wmy"),
)
def test_periods_begin_where_counting_back_leads(
    day: date, count: int, unit: str
) -> None:
    period = f"{count}{unit}"
    assert str(Period.parse(period)) == period
    assert Period.parse(period).start(day) == reference.period_start(day, period)


@pytest.mark.parametrize(
    ("period", "near"),
    [
        ("0d", "1d"),
        ("-5d", "5d"),
        ("10", "10d"),
        ("52 weeks", "52w"),
        ("10D", "10d"),
        ("", "10d"),
        ("six", "10d"),
        ("1.5y", "1y"),
        ("010d", "10d"),
        ("3q", "3d"),
        ("9" * 5000 + "d", "999999999d"),
    ],
)
def test_a_period_that_cannot_be_read_names_the_form_and_the_nearest(
    period: str, near: str
) -> None:
    with pytest.raises(ArgumentError, match="calendar weeks, months, years") as raised:
        Period.parse(period)
    assert raised.value.facts["expected"] == near
    assert str(Period.parse(near)) == near


@pytest.mark.parametrize("period", [10, 10.0, None, b"10d"])
def test_a_period_is_text(period: object) -> None:
    with pytest.raises(ArgumentTypeError, match="'10d'"):
        Period.parse(period)


def test_trading_days_begin_where_a_calendar_says() -> None:
    with pytest.raises(ArgumentError, match="calendar"):
        Period.parse("10d").start(date(2025, 3, 31))
