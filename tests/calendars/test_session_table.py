"""Sessions of known days, by exchange group, against worked-out times and against exchange_calendars itself."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import exchange_calendars
import numpy as np
import pytest
from tests.reference.schedule import day_groups, trading_day

from tapeloom._core import SessionTable
from tapeloom.calendars import (
    exchange_group,
    from_day,
    get_market_calendar,
    get_session_table,
    resolve_exchange_group,
    session_table,
    to_day,
)
from tapeloom.calendars.providers import from_exchange_calendars
from tapeloom.errors import (
    ArgumentError,
    ArgumentTypeError,
    CalendarError,
    UnknownExchangeError,
)
from tapeloom.timestamps import to_ns

MARKETS = [
    "XNYS",
    "CMES",
    "XLON",
    "XETR",
    "XTKS",
    "XHKG",
    "XBOM",
    "24/7",
    "24/5",
    "BVMF",
    "XSGO",
]


def row(table: SessionTable, day: str) -> int:
    index = table.index_of(to_day(date.fromisoformat(day)))
    assert index is not None
    return index


def at(table: SessionTable, text: str) -> int:
    """A wall time of the exchange as nanoseconds UTC."""
    return to_ns(datetime.fromisoformat(text), table.zone)


def hours(table: SessionTable, day: str) -> dict[str, int]:
    index = row(table, day)
    names = ("pre_opens", "opens", "closes", "post_closes", "span_starts", "span_ends")
    return {name: int(getattr(table, name)[index]) for name in names}


@pytest.mark.parametrize(
    ("name", "group", "calendar", "zone"),
    [
        ("US_EQUITY", "US_EQUITY", "XNYS", "America/New_York"),
        ("NYSE", "US_EQUITY", "XNYS", "America/New_York"),
        ("NASDAQ", "US_EQUITY", "XNYS", "America/New_York"),
        ("AMEX", "US_EQUITY", "XNYS", "America/New_York"),
        ("NYSE_ARCA", "US_EQUITY", "XNYS", "America/New_York"),
        ("US_OPTIONS", "US_OPTIONS", "XNYS", "America/New_York"),
        ("US_FUTURES", "US_FUTURES", "CMES", "America/Chicago"),
        ("UK_EQUITY", "UK_EQUITY", "XLON", "Europe/London"),
        ("EU_EQUITY", "EU_EQUITY", "XETR", "Europe/Berlin"),
        ("JP_EQUITY", "JP_EQUITY", "XTKS", "Asia/Tokyo"),
        ("HK_EQUITY", "HK_EQUITY", "XHKG", "Asia/Hong_Kong"),
        ("IN_EQUITY", "IN_EQUITY", "XBOM", "Asia/Kolkata"),
        ("CRYPTO", "CRYPTO", "24/7", "UTC"),
        ("FX", "FX", "24/5", "UTC"),
        ("XNYS", "XNYS", "XNYS", "America/New_York"),
        ("24/7", "24/7", "24/7", "UTC"),
        ("XASX", "XASX", "XASX", "Australia/Sydney"),
        ("LSE", "XLON", "XLON", "Europe/London"),
    ],
)
def test_a_name_gives_its_calendar_and_zone(
    name: str, group: str, calendar: str, zone: str
) -> None:
    found = resolve_exchange_group(name)
    assert (found.name, found.calendar, found.zone) == (group, calendar, ZoneInfo(zone))


@pytest.mark.parametrize(
    "name",
    ["US_FUTURES", "UK_EQUITY", "EU_EQUITY", "JP_EQUITY", "HK_EQUITY", "IN_EQUITY"],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_zone_written_down_for_a_group_is_that_of_its_calendar(name: str) -> None:
    group = resolve_exchange_group(name)
    assert exchange_calendars.get_calendar(group.calendar).tz == group.zone


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("US_EQITY", "'US_EQUITY'"),
        ("us_equity", "'US_EQUITY'"),
        ("NASDAK", "'NASDAQ'"),
        ("xtks", "'XTKS'"),
    ],
)
def test_an_unknown_name_is_an_error_with_a_suggestion(
    name: str, suggestion: str
) -> None:
    with pytest.raises(
        UnknownExchangeError,
        match=f"exchange_group is '{name}'.*did you mean {suggestion}",
    ):
        resolve_exchange_group(name)


def test_an_unknown_name_like_no_other_lists_the_groups() -> None:
    with pytest.raises(UnknownExchangeError, match="groups are US_EQUITY, US_OPTIONS"):
        get_session_table("the moon")


@pytest.mark.parametrize("name", [None, 5, ["XNYS"]])
def test_a_name_that_is_no_text_is_an_error(name: Any) -> None:
    with pytest.raises(ArgumentTypeError, match="exchange_group is"):
        resolve_exchange_group(name)


def test_a_calendar_the_library_cannot_build_is_one_clear_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Nothing that another test asked for helps out.
    monkeypatch.setenv("TAPELOOM_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(session_table, "_loaded", {})
    exchange_group._resolve.cache_clear()
    from_exchange_calendars._open.cache_clear()

    def broken(*_args: object, **_kwargs: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr(exchange_calendars, "get_calendar", broken)
    with pytest.raises(
        CalendarError, match="cannot build the calendar 'XJSE': NotImplementedError"
    ):
        get_session_table("XJSE")


def test_groups_and_round_the_clock_tables_load_neither_exchange_calendars_nor_pandas() -> (
    None
):
    code = (
        "import sys; from tapeloom.calendars import TimeManager, get_session_table, resolve_exchange_group;"
        "resolve_exchange_group('US_EQUITY'); TimeManager('JP_EQUITY'); get_session_table('CRYPTO');"
        "print(sorted({'pandas', 'exchange_calendars'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_days_and_dates_are_one_to_one() -> None:
    assert to_day(date(1970, 1, 1)) == 0
    assert from_day(to_day(date(2025, 7, 3))) == date(2025, 7, 3)


def test_groups_of_one_calendar_share_one_table() -> None:
    assert get_session_table("US_EQUITY") is get_session_table("NASDAQ")
    assert get_session_table("XNYS") is get_session_table("US_OPTIONS")


def test_threads_that_ask_at_once_get_one_table() -> None:
    with ThreadPoolExecutor(8) as pool:
        tables = list(pool.map(get_session_table, ["XWBO"] * 16))
    assert len({id(table) for table in tables}) == 1


def test_the_range_of_a_table_does_not_depend_on_the_day_it_is_built() -> None:
    table = get_session_table("XNYS")
    assert [from_day(table.dates[i]) for i in (0, -1)] == [
        date(1990, 1, 2),
        date(2035, 12, 31),
    ]


def test_a_calendar_that_covers_less_is_covered_as_far_as_it_goes() -> None:
    market = get_market_calendar("XTKS")
    assert from_day(market.table.first_day) == date(1997, 1, 1)
    assert from_day(market.table.dates[0]) == date(1997, 1, 6)


def test_the_fingerprint_is_hex_and_differs_between_calendars() -> None:
    prints = {get_session_table(name).fingerprint for name in MARKETS}
    assert len(prints) == len(MARKETS)
    assert all(len(bytes.fromhex(text)) == 32 for text in prints)


def test_the_fingerprint_is_the_same_in_every_process() -> None:
    code = "from tapeloom.calendars import get_session_table; print(get_session_table('24/5').fingerprint)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == get_session_table("24/5").fingerprint


def test_the_open_is_the_same_wall_time_across_a_clock_change() -> None:
    table = get_session_table("US_EQUITY")
    assert hours(table, "2008-03-07")["opens"] == to_ns(
        np.datetime64("2008-03-07T14:30"), table.zone
    )
    assert hours(table, "2008-03-10")["opens"] == to_ns(
        np.datetime64("2008-03-10T13:30"), table.zone
    )


@pytest.mark.parametrize(
    "day", ["2025-01-09", "2025-07-04", "2025-07-05", "2001-09-11", "2012-10-29"]
)
def test_closures_holidays_and_weekends_have_no_session(day: str) -> None:
    assert (
        get_session_table("US_EQUITY").index_of(to_day(date.fromisoformat(day))) is None
    )


def test_a_full_day_of_us_equities_has_pre_and_post_market() -> None:
    table = get_session_table("US_EQUITY")
    assert hours(table, "2025-07-02") == {
        "pre_opens": at(table, "2025-07-02 04:00"),
        "opens": at(table, "2025-07-02 09:30"),
        "closes": at(table, "2025-07-02 16:00"),
        "post_closes": at(table, "2025-07-02 20:00"),
        "span_starts": at(table, "2025-07-02 00:00"),
        "span_ends": at(table, "2025-07-03 00:00"),
    }


def test_a_half_day_has_210_minutes_and_its_post_market_ends_at_17() -> None:
    table = get_session_table("US_EQUITY")
    found = hours(table, "2025-07-03")
    assert found["closes"] == at(table, "2025-07-03 13:00")
    assert found["post_closes"] == at(table, "2025-07-03 17:00")
    assert len(table.grid(row(table, "2025-07-03"), "1m")) == 210


@pytest.mark.parametrize(
    "name", ["UK_EQUITY", "US_FUTURES", "JP_EQUITY", "CRYPTO", "FX"]
)
def test_other_groups_have_no_extended_hours(name: str) -> None:
    table = get_session_table(name)
    assert (table.pre_opens == table.opens).all()
    assert (table.post_closes == table.closes).all()


def test_a_lunch_break_splits_the_session() -> None:
    table = get_session_table("JP_EQUITY")
    index = row(table, "2024-11-05")
    found = [time for stretch in table.segments(index) for time in stretch]
    assert found == [
        at(table, f"2024-11-05 {time}") for time in ("09:00", "11:30", "12:30", "15:30")
    ]
    grid = table.grid(index, "1m")
    assert len(grid) == 150 + 180
    assert at(table, "2024-11-05 11:30") not in grid


def test_a_half_day_without_afternoon_has_no_break() -> None:
    table = get_session_table("HK_EQUITY")
    found = table.segments(row(table, "2024-12-24"))
    assert found == [(at(table, "2024-12-24 09:30"), at(table, "2024-12-24 12:00"))]


def test_an_overnight_session_belongs_to_the_date_it_trades_for() -> None:
    table = get_session_table("US_FUTURES")
    tuesday = hours(table, "2025-07-08")
    assert tuesday["opens"] == at(table, "2025-07-07 17:00")
    assert tuesday["closes"] == at(table, "2025-07-08 17:00")
    assert table.session_of(at(table, "2025-07-07 16:59")) == row(table, "2025-07-07")
    assert table.session_of(at(table, "2025-07-07 17:00")) == row(table, "2025-07-08")


def test_the_span_of_an_overnight_session_runs_from_its_open_to_the_next_one() -> None:
    table = get_session_table("US_FUTURES")
    tuesday, friday = hours(table, "2025-07-08"), hours(table, "2025-07-11")
    assert (tuesday["span_starts"], tuesday["span_ends"]) == (
        tuesday["opens"],
        tuesday["closes"],
    )
    assert friday["span_ends"] == at(table, "2025-07-12 00:00")
    # Closed at noon; the afternoon is still Thanksgiving's, the evening is Friday's.
    thanksgiving = hours(table, "2025-11-27")
    assert thanksgiving["closes"] == at(table, "2025-11-27 12:00")
    assert thanksgiving["span_ends"] == at(table, "2025-11-27 17:00")


@pytest.mark.parametrize(("name", "per_week"), [("CRYPTO", 7), ("FX", 5)])
def test_round_the_clock_sessions_are_utc_days(name: str, per_week: int) -> None:
    table = get_session_table(name)
    week = [to_day(date(2025, 7, 7)) + i for i in range(7)]
    assert [table.index_of(day) is not None for day in week] == [
        i < per_week for i in range(7)
    ]
    for column in (table.opens, table.span_starts):
        assert (column == table.dates.astype(np.int64) * 86_400 * 10**9).all()
    for column in (table.closes, table.span_ends):
        assert (column == (table.dates.astype(np.int64) + 1) * 86_400 * 10**9).all()
    assert len(table.grid(0, "1m")) == 1440


@pytest.mark.parametrize("name", MARKETS)
def test_spans_hold_their_session_and_never_overlap(name: str) -> None:
    table = get_session_table(name)
    assert (table.span_starts <= table.pre_opens).all()
    assert (table.post_closes <= table.span_ends).all()
    assert (table.span_ends[:-1] <= table.span_starts[1:]).all()


@pytest.mark.parametrize(
    "name", ["XNYS", "CMES", "XLON", "XETR", "XTKS", "XHKG", "XBOM", "XKRX", "BVMF"]
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_hours_are_those_of_exchange_calendars(name: str) -> None:
    calendar = exchange_calendars.get_calendar(
        name, start="2005-01-03", end="2026-12-30"
    )
    table = get_session_table(name)
    days = calendar.sessions.to_numpy().astype("datetime64[D]").astype(np.int32)
    first, end = np.searchsorted(table.dates, [days[0], days[-1] + 1])
    assert (table.dates[first:end] == days).all()
    assert (table.opens[first:end] == calendar.opens_nanos).all()
    assert (table.closes[first:end] == calendar.closes_nanos).all()
    breaks = calendar.break_starts_nanos != np.iinfo(np.int64).min
    lengths = np.diff(table.segment_offsets)[first:end]
    assert (lengths == 1 + breaks).all()
    firsts = table.segment_offsets[first:end][breaks]
    assert (table.segment_ends[firsts] == calendar.break_starts_nanos[breaks]).all()
    assert (table.segment_starts[firsts + 1] == calendar.break_ends_nanos[breaks]).all()


def test_a_weekend_is_no_holiday_even_where_it_is_friday_and_saturday() -> None:
    market = get_market_calendar("XSAU")
    week = [to_day(date(2025, 7, 4)) + i for i in range(3)]
    assert [market.is_holiday(day) for day in week] == [False, False, False]
    assert market.table.index_of(week[2]) is not None


@pytest.mark.parametrize("interval", ["1d", "2d", "7d", "1w", "3w"])
@pytest.mark.parametrize("name", ["US_EQUITY", "CRYPTO"])
def test_sessions_that_share_a_bar_are_those_of_plain_python(
    name: str, interval: str
) -> None:
    table = get_session_table(name)
    first, last = (table.sessions_before(to_day(date(y, 1, 1))) for y in (2018, 2022))
    days = [
        trading_day(from_day(day), "00:00-12:00", "UTC")
        for day in table.dates[first:last].tolist()
    ]
    at = first
    # The last days of the range belong to groups that go on behind it.
    for group in day_groups(days, interval)[1:-3]:
        at = table.sessions_before(to_day(group[0].date))
        for index in (at, at + len(group) - 1):
            assert table.group(index, interval) == (at, at + len(group)), index
    assert at > first
    assert table.group(at, "5m") == (at, at + 1)


def test_a_session_that_the_table_does_not_have_is_in_no_group() -> None:
    table = get_session_table("US_EQUITY")
    with pytest.raises(ArgumentError, match=f"the table has {len(table)} sessions"):
        table.group(len(table), "1w")
