from __future__ import annotations

import io
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from tapeloom.calendars import TimeManager
from tapeloom.calendars.calendar_diff import compare_calendars
from tapeloom.calendars.named_calendar import NamedCalendar, open_calendar
from tapeloom.report.calendar_pages import (
    comparison_page,
    date_page,
    dates_page,
    overview_page,
)
from tapeloom.report.calendar_words import clock_text, hours, kind_text
from tapeloom.report.console import print_all

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import RenderableType

DAY = date(2025, 7, 3)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def plain(page: Iterable[RenderableType]) -> list[str]:
    file = io.StringIO()
    print_all(page, file)
    return file.getvalue().splitlines()


def at_width(page: Iterable[RenderableType], width: int) -> list[str]:
    file = io.StringIO()
    console = Console(file=file, width=width, markup=False, highlight=False)
    for part in page:
        console.print(part)
    return [line.rstrip() for line in file.getvalue().splitlines()]


def year(name: str, *, width: int) -> Iterable[RenderableType]:
    named = open_calendar(name)
    start, end = date(2025, 1, 1), date(2025, 12, 31)
    days = named.irregular_days(start, end)
    return dates_page(named, start, end, days, every=False, width=width)


def compared(first: str, second: str, *, most: int) -> list[str]:
    one, other = open_calendar(first), open_calendar(second)
    start, end = date(2025, 1, 1), date(2025, 12, 31)
    found = compare_calendars(one.market, other.market, start=start, end=end)
    return plain(comparison_page(one, other, start, end, found, most=most))


def session_text(group: str, day: date) -> str:
    return hours(TimeManager(group).get_trading_session(day))


@pytest.mark.parametrize(
    ("group", "day", "text"),
    [
        ("XNYS", date(2025, 7, 2), "09:30 - 16:00, extended 04:00 - 20:00"),
        ("XTKS", date(2025, 7, 2), "09:00 - 11:30, 12:30 - 15:30"),
        ("CMES", date(2025, 7, 2), "17:00-1d - 17:00"),
        ("24/7", date(2025, 7, 2), "00:00 - 00:00+1d"),
        ("XNYS", date(2025, 7, 4), "closed, July 4th"),
        ("XNYS", date(2025, 7, 5), "closed"),
    ],
)
def test_hours_fit_into_one_line(group: str, day: date, text: str) -> None:
    assert session_text(group, day) == text


def test_seconds_are_shown_where_there_are_any() -> None:
    assert clock_text(datetime(2025, 7, 3, 9, 30, 15, tzinfo=UTC), DAY) == "09:30:15"
    assert clock_text(datetime(2025, 7, 2, 18, 0, tzinfo=UTC), DAY) == "18:00-1d"


@pytest.mark.parametrize(
    ("day", "text"),
    [(2, "session"), (3, "early close"), (4, "holiday, July 4th"), (5, "weekend")],
)
def test_every_date_has_a_kind(day: int, text: str) -> None:
    session = TimeManager().get_trading_session(date(2025, 7, day))
    assert kind_text(session) == text


def test_plain_text_has_no_trailing_spaces_and_no_colours() -> None:
    for line in plain(year("XNYS", width=100)):
        assert line == line.rstrip()
        assert "\x1b" not in line


def test_a_terminal_gets_bold_heads() -> None:
    terminal = Terminal()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TERM", "xterm-256color")
        print_all(year("XNYS", width=100), terminal)
    assert "\x1b[1m" in terminal.getvalue()


@pytest.mark.parametrize("name", ["XNYS", "XTKS", "CMES"])
def test_a_year_fits_80_columns_with_every_time_whole(name: str) -> None:
    lines = at_width(year(name, width=80), 80)
    assert max(map(len, lines)) <= 80
    assert "…" not in "".join(lines)


def test_extended_hours_are_shown_where_there_is_room() -> None:
    assert any("04:00 - 17:00" in line for line in plain(year("XNYS", width=100)))
    assert not any("04:00" in line for line in at_width(year("XNYS", width=80), 80))


def test_a_break_has_a_line_for_each_part() -> None:
    page = plain(date_page(open_calendar("XTKS"), date(2025, 5, 8)))
    assert "break    11:30 - 12:30  02:30 - 03:30       60" in page


def test_a_holiday_names_the_sessions_around_it() -> None:
    page = plain(date_page(open_calendar("XNYS"), date(2025, 7, 4)))
    assert page[-1] == (
        "Fri 2025-07-04: holiday, July 4th; the session before is Thu 2025-07-03, the next Mon 2025-07-07"
    )


def test_the_edges_of_the_table_have_a_session_on_one_side_only() -> None:
    page = plain(date_page(open_calendar("XNYS"), date(1990, 1, 1)))
    assert page[-1].endswith("holiday, New Year's Day; the next Tue 1990-01-02")


def test_a_day_that_is_not_covered_has_no_overview() -> None:
    named = open_calendar("XNYS")
    page = plain(overview_page(named, date(2036, 1, 1), [], every=False, width=100))
    assert page[-1] == "today, 2036-01-01, is not covered"


def test_an_overview_without_holidays_says_so() -> None:
    named = open_calendar("24/7")
    page = plain(overview_page(named, DAY, [], every=False, width=100))
    assert page[-1] == "no holiday, early close or correction in the coming year"


def test_a_comparison_counts_what_it_does_not_show() -> None:
    page = compared("XNYS", "CMES", most=2)
    assert page.count("") == 2
    assert "8 more rows not shown; --all shows all, --from and --to narrow it down" in (
        page
    )
    assert "times of A are in America/New_York, of B in America/Chicago" in page
    assert page[-2].startswith("compared 2025-01-01 to 2025-12-31: 257 days differ (")


def test_a_comparison_without_differences_says_what_was_compared() -> None:
    page = compared("NYSE", "US_EQUITY", most=40)
    assert page[-1] == "compared 2025-01-01 to 2025-12-31: no differences"


def test_a_saved_table_does_not_know_what_the_source_had() -> None:
    base = open_calendar("XNYS")
    market = TimeManager("XNYS", overlay={"XNYS": {"2025-07-03": "closed"}}).calendar
    named = NamedCalendar("old.table", market, None)
    assert plain(date_page(named, DAY))[-1] == "corrected by the overlay"
    assert "overlay      1 correction, saved with the table" in plain(
        date_page(named, DAY)
    )
    known = NamedCalendar("XNYS", market, base.market)
    assert plain(date_page(known, DAY))[-1] == (
        "corrected by the overlay; the source has 09:30 - 13:00, extended 04:00 - 17:00"
    )
