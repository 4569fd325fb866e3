"""Sessions as published, row by row, against what ``TimeManager`` answers. See README.md."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

import pytest
from tests.golden.rows import FOLDER, Row, Stretch, read_rows, read_sources

from tapeloom.calendars import Segment, TimeManager

GROUPS = {
    "XNYS": "US_EQUITY",
    "XLON": "UK_EQUITY",
    "XTKS": "JP_EQUITY",
    "XHKG": "HK_EQUITY",
    "XBOM": "IN_EQUITY",
    "CMES": "US_FUTURES",
    "24_7": "CRYPTO",
    "24_5": "FX",
}
ROWS = [row for market in GROUPS for row in read_rows(market)]

every_row = pytest.mark.parametrize("row", ROWS, ids=str)
every_difference = pytest.mark.parametrize(
    "row", [row for row in ROWS if row.difference], ids=str
)
every_named_holiday = pytest.mark.parametrize(
    "row",
    [row for row in ROWS if row.kind == "holiday" and not row.difference],
    ids=str,
)


@lru_cache
def manager(market: str) -> TimeManager:
    return TimeManager(GROUPS[market])


def segments(row: Row) -> tuple[Segment, ...]:
    return manager(row.market).get_trading_session(row.date).segments


def in_wall_time(row: Row) -> tuple[Stretch, ...]:
    return tuple(
        Stretch(s.kind, s.start.replace(tzinfo=None), s.end.replace(tzinfo=None))
        for s in segments(row)
    )


def in_utc(row: Row) -> tuple[Stretch, ...]:
    return tuple(Stretch(s.kind, utc(s.start), utc(s.end)) for s in segments(row))


def utc(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(tzinfo=None)


# What the table answers


@every_row
def test_a_date_trades_or_does_not(row: Row) -> None:
    assert manager(row.market).is_trading_day(row.date) is row.in_table.is_trading_day


@every_row
def test_a_holiday_is_one_and_a_weekend_is_none(row: Row) -> None:
    assert manager(row.market).is_holiday(row.date)[0] is row.in_table.is_holiday


@every_named_holiday
def test_a_regular_holiday_has_a_name(row: Row) -> None:
    assert manager(row.market).is_holiday(row.date)[1]


@every_row
def test_an_early_close_is_told_with_its_time(row: Row) -> None:
    close = row.in_table.early_close
    assert manager(row.market).is_early_close(row.date) == (close is not None, close)


@every_row
def test_hours_are_right_in_wall_time(row: Row) -> None:
    assert in_wall_time(row) == row.in_table.wall


@every_row
def test_hours_are_right_in_utc(row: Row) -> None:
    assert in_utc(row) == row.in_table.utc


@every_row
def test_the_grid_has_a_bar_for_every_regular_minute(row: Row) -> None:
    assert len(manager(row.market).get_grid(row.date, "1m")) == row.in_table.minutes


@every_row
def test_the_session_says_what_the_single_questions_say(row: Row) -> None:
    asked = manager(row.market)
    session = asked.get_trading_session(row.date)
    assert session.is_trading_day == asked.is_trading_day(row.date)
    assert (session.is_holiday, session.holiday_name) == asked.is_holiday(row.date)
    assert session.is_early_close == asked.is_early_close(row.date)[0]


@every_difference
def test_a_known_difference_is_still_one(row: Row) -> None:
    # Once the library has mended the date, the last column of its row goes.
    assert in_wall_time(row) != row.published.wall


# What the files say


@every_row
def test_utc_columns_are_wall_time_less_the_offset(row: Row) -> None:
    regular = [stretch for stretch in row.published.utc if stretch.kind == "regular"]
    bounds = [f"{t:%Y-%m-%dT%H:%MZ}" for s in regular for t in (s.start, s.end)]
    first_and_last = [bounds[0], bounds[-1]] if bounds else ["", ""]
    assert [row.open_utc, row.close_utc] == first_and_last


@pytest.mark.parametrize("market", GROUPS)
def test_dates_rise(market: str) -> None:
    dates = [row.date for row in read_rows(market)]
    assert dates == sorted(set(dates))


@every_row
def test_a_weekend_falls_on_one(row: Row) -> None:
    assert row.kind != "weekend" or row.date.weekday() >= 5


@every_row
def test_a_row_has_a_name_and_a_source(row: Row) -> None:
    assert row.name
    assert row.sources


def test_every_source_is_listed_and_used() -> None:
    assert read_sources() == sorted({key for row in ROWS for key in row.sources})


def test_every_file_is_read() -> None:
    names = {path.stem for path in FOLDER.glob("*.csv")}
    assert names == {*GROUPS, "sources"}
