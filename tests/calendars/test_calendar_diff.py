from __future__ import annotations

from datetime import UTC, date, timedelta
from typing import Any

import pytest

from tapeloom.calendars import MarketCalendar, get_market_calendar, to_day
from tapeloom.calendars.calendar_diff import (
    bounds_of,
    compare_calendars,
    runs,
    shared_range,
)
from tapeloom.calendars.trading_session import trading_session
from tapeloom.errors import ArgumentError, OutOfCalendarError

USUAL = {"pre": ["04:00", "09:30"], "post": ["16:00", "20:00"]}
DAY = date(2025, 7, 2)


def corrected(calendar: str = "XNYS", **days: Any) -> MarketCalendar:
    """A calendar with other hours on ``d2025_07_02`` and the like."""
    dates = {name[1:].replace("_", "-"): hours for name, hours in days.items()}
    return get_market_calendar(calendar, overlay={calendar: dates})


def aspects(hours: object) -> tuple[str, ...]:
    """In what XNYS differs once 2025-07-02 has other hours."""
    found = compare_calendars(
        get_market_calendar("XNYS"), corrected(d2025_07_02=hours), start=DAY, end=DAY
    )
    return found[0].aspects if found else ()


def test_a_calendar_does_not_differ_from_itself() -> None:
    market = get_market_calendar("XTKS")
    assert compare_calendars(market, market) == []


def test_the_same_hours_in_an_overlay_are_no_difference() -> None:
    assert aspects({"regular": ["09:30", "16:00"], **USUAL}) == ()


def test_a_date_that_only_one_trades_differs_in_trading() -> None:
    assert aspects("closed") == ("trading",)


@pytest.mark.parametrize(
    ("hours", "expected"),
    [
        ({"regular": ["09:31", "16:00"]}, ("open", "pre-market", "post-market")),
        (
            {
                "regular": ["10:00", "16:00"],
                "pre": ["04:00", "10:00"],
                "post": ["16:00", "20:00"],
            },
            ("open",),
        ),
        (
            {
                "regular": ["09:30", "13:00"],
                "pre": ["04:00", "09:30"],
                "post": ["13:00", "20:00"],
            },
            ("close",),
        ),
        ({"regular": ["09:30", "12:00", "12:30", "16:00"], **USUAL}, ("break",)),
        (
            {"regular": ["09:30", "16:00"], "post": ["16:00", "20:00"]},
            ("pre-market",),
        ),
        (
            {
                "regular": ["09:30", "16:00"],
                "pre": ["04:00", "09:30"],
                "post": ["16:00", "18:00"],
            },
            ("post-market",),
        ),
    ],
)
def test_each_aspect_is_told_apart(
    hours: dict[str, list[str]], expected: tuple[str, ...]
) -> None:
    assert aspects(hours) == expected


def test_a_difference_holds_both_sides() -> None:
    (found,) = compare_calendars(
        get_market_calendar("XNYS"), corrected(d2025_07_02="closed")
    )
    assert found.date == DAY
    assert found.first.is_trading_day
    assert found.second.is_holiday


def test_instants_are_compared_and_not_wall_times() -> None:
    # 14:30 to 21:00 in London is 09:30 to 16:00 in New York.
    london = corrected("XLON", d2025_07_02={"regular": ["14:30", "21:00"]})
    new_york = corrected(d2025_07_02={"regular": ["09:30", "16:00"]})
    assert compare_calendars(london, new_york, start=DAY, end=DAY) == []


@pytest.mark.parametrize("names", [("XNYS", "CMES"), ("XTKS", "XHKG"), ("24/7", "FX")])
def test_exactly_the_dates_with_other_segments_differ(names: tuple[str, str]) -> None:
    first, second = map(get_market_calendar, names)
    start, end = date(2023, 12, 20), date(2025, 1, 10)
    days = [start + timedelta(days=k) for k in range((end - start).days + 1)]
    expected = [
        day
        for day in days
        if trading_session(first, to_day(day)).in_zone(UTC).segments
        != trading_session(second, to_day(day)).in_zone(UTC).segments
    ]
    found = compare_calendars(first, second, start=start, end=end)
    assert [difference.date for difference in found] == expected
    back = compare_calendars(second, first, start=start, end=end)
    assert [(d.date, d.aspects) for d in back] == [(d.date, d.aspects) for d in found]


def test_without_dates_all_that_both_cover_is_compared() -> None:
    tokyo = get_market_calendar("XTKS")
    first, last = shared_range(get_market_calendar("XNYS"), tokyo)
    assert (first, last) == (date(1997, 1, 1), date(2035, 12, 31))


def test_a_date_that_one_does_not_cover_is_refused() -> None:
    calendars = get_market_calendar("XNYS"), get_market_calendar("XTKS")
    with pytest.raises(OutOfCalendarError, match="XTKS, which covers 1997-01-01"):
        compare_calendars(*calendars, start=date(1995, 1, 1))


def test_a_start_after_the_end_is_refused() -> None:
    market = get_market_calendar("XNYS")
    with pytest.raises(ArgumentError, match="must not be later"):
        compare_calendars(market, market, start=DAY, end=date(2025, 7, 1))


def test_a_run_goes_on_over_weekends_and_dates_that_differ_otherwise() -> None:
    first, second = get_market_calendar("XNYS"), get_market_calendar("XLON")
    found = compare_calendars(
        first, second, start=date(2025, 1, 6), end=date(2025, 1, 17)
    )
    # 2025-01-09 was a day of mourning in New York.
    shown = [(r.start, r.end, len(r.differences)) for r in runs(found, first, second)]
    assert shown == [
        (date(2025, 1, 6), date(2025, 1, 17), 9),
        (date(2025, 1, 9), date(2025, 1, 9), 1),
    ]


def test_a_session_that_agrees_ends_a_run() -> None:
    hours = {"regular": ["09:30", "15:00"]}
    first = get_market_calendar("XNYS")
    second = corrected(d2025_07_07=hours, d2025_07_08=hours, d2025_07_10=hours)
    found = runs(compare_calendars(first, second), first, second)
    assert [(run.start.day, run.end.day) for run in found] == [(7, 8), (10, 10)]


def test_other_wall_times_are_another_run() -> None:
    first = get_market_calendar("XNYS")
    second = corrected(
        d2025_07_07={"regular": ["09:30", "15:00"]},
        d2025_07_08={"regular": ["09:30", "15:01"]},
    )
    assert len(runs(compare_calendars(first, second), first, second)) == 2


def test_a_clock_change_ends_no_run() -> None:
    first, second = get_market_calendar("XNYS"), get_market_calendar("US_FUTURES")
    start, end = date(2025, 3, 3), date(2025, 3, 14)
    (run,) = runs(compare_calendars(first, second, start=start, end=end), first, second)
    assert (run.start, run.end) == (start, end)


def test_what_a_session_does_not_have_has_no_bounds() -> None:
    weekend = trading_session(get_market_calendar("XNYS"), to_day(date(2025, 7, 5)))
    assert bounds_of(weekend, "open") == bounds_of(weekend, "close") == ()
    assert bounds_of(weekend, "trading") == ()
