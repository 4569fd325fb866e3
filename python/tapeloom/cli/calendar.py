"""``tapeloom calendar``: what a calendar says of a date, and where two calendars differ."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tapeloom.cli.outcome import PROBLEMS, reported

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from rich.console import RenderableType

    from tapeloom.calendars.named_calendar import NamedCalendar
    from tapeloom.cli.date_range import DateRange

__all__ = ["calendar"]

ROWS_SHOWN = 40

calendar = typer.Typer(
    help="Show a calendar, or compare two.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON document, and nothing else.")
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


@calendar.command()
def show(
    name: Annotated[
        str,
        typer.Argument(
            metavar="CALENDAR",
            help="XNYS, US_EQUITY, pandas_market_calendars:NYSE, XNYS+fixes.json, or a saved table.",
        ),
    ],
    first: Annotated[
        str | None,
        typer.Argument(metavar="DATE", help="YYYY-MM-DD; or YYYY-MM, YYYY."),
    ] = None,
    last: Annotated[
        str | None, typer.Argument(metavar="END", help="Last date, month or year.")
    ] = None,
    overlay: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Corrections, a JSON file.")
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Show every day of a month or year.")
    ] = False,
    save: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Save the table, to compare it later."),
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Show where a calendar comes from, and its hours.

    One date is shown in full, two with every day between. Of months and years the holidays, early closes and
    corrections are shown; without a date, those of the coming year.
    """
    with reported(debug=debug):
        from tapeloom.calendars.named_calendar import open_calendar, save_calendar
        from tapeloom.cli.date_range import date_range

        asked = None if first is None else date_range(first, last)
        named = open_calendar(name, overlay=overlay)
        today = _today(named)
        dates = _within(named, asked or _year_from(today), clip=asked is None)
        days = _days(named, dates, every=every or dates.is_exact)
        if save is not None:
            save_calendar(named.market, save)
            typer.echo(f"saved as {save}", err=True)
        if as_json:
            from tapeloom.report.calendar_json import show_dict

            _print_json(show_dict(named, days))
        else:
            from tapeloom.report.calendar_pages import (
                date_page,
                dates_page,
                overview_page,
            )

            width = _width()
            if asked is None:
                page = overview_page(named, today, days, every=every, width=width)
            elif dates.is_exact and dates.start == dates.end:
                page = date_page(named, dates.start)
            else:
                page = dates_page(
                    named,
                    dates.start,
                    dates.end,
                    days,
                    every=every or dates.is_exact,
                    width=width,
                )
            _print(page)


@calendar.command()
def diff(
    first: Annotated[
        str,
        typer.Argument(metavar="A", help="A calendar, named as for 'calendar show'."),
    ],
    second: Annotated[
        str, typer.Argument(metavar="B", help="The calendar to compare it with.")
    ],
    start: Annotated[
        str | None,
        typer.Option("--from", metavar="DATE", help="First date, month or year."),
    ] = None,
    end: Annotated[
        str | None,
        typer.Option("--to", metavar="DATE", help="Last date, month or year."),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help=f"Show all rows, not only {ROWS_SHOWN}.")
    ] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Compare two calendars; exit with 1 if they differ.

    Two versions of one are compared by way of 'calendar show --save'. Compares all dates that both cover: which trade, and opens, closes, breaks, pre-market and post-market.
    """
    with reported(debug=debug):
        from tapeloom.calendars.calendar_diff import compare_calendars, shared_range
        from tapeloom.calendars.named_calendar import open_calendar
        from tapeloom.cli.date_range import date_range

        low = None if start is None else date_range(start).start
        high = None if end is None else date_range(end).end
        one, other = open_calendar(first), open_calendar(second)
        low, high = shared_range(one.market, other.market, start=low, end=high)
        found = compare_calendars(one.market, other.market, start=low, end=high)
        if as_json:
            from tapeloom.report.calendar_json import diff_dict

            _print_json(diff_dict(one, other, low, high, found))
        else:
            from tapeloom.report.calendar_pages import comparison_page

            most = len(found) if every else ROWS_SHOWN
            _print(comparison_page(one, other, low, high, found, most=most))
        if found:
            raise typer.Exit(PROBLEMS)


def _today(named: NamedCalendar) -> date:
    """The date at the exchange."""
    from tapeloom.calendars import TimeManager

    # A calendar that is always there: that of a saved table may be known no more.
    now = TimeManager("24/7", mode="live").get_current_time(named.market.table.zone)
    return now.date()


def _year_from(today: date) -> DateRange:
    from tapeloom.cli.date_range import DateRange

    return DateRange(today, today + timedelta(days=365), is_exact=False)


def _within(named: NamedCalendar, asked: DateRange, *, clip: bool) -> DateRange:
    """What is covered of a month, a year or the time ahead; exact dates must be covered themselves."""
    from tapeloom.calendars.days import to_day

    first, last = named.covers
    start, end, exact = asked
    overlaps = start <= last and first <= end
    if clip or (overlaps and not exact):
        return asked._replace(start=max(start, first), end=min(end, last))
    for day in (start, end):
        named.market.require_covered(day, to_day(day), "the date")
    return asked


def _days(named: NamedCalendar, dates: DateRange, *, every: bool) -> list[date]:
    if not every:
        return named.irregular_days(dates.start, dates.end)
    length = (dates.end - dates.start).days + 1
    return [dates.start + timedelta(days=k) for k in range(length)]


def _width() -> int:
    from tapeloom.report.console import console_for

    return console_for(sys.stdout).width


def _print(page: Iterable[RenderableType]) -> None:
    from tapeloom.report.console import print_all

    print_all(page, sys.stdout)


def _print_json(document: dict[str, Any]) -> None:
    typer.echo(json.dumps(document, indent=2))
