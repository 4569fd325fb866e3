"""The whole of what ``calendar show`` and ``calendar diff`` print: tables, and the sentences between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tapeloom.calendars.calendar_diff import runs
from tapeloom.calendars.days import from_day, to_day
from tapeloom.report.calendar_tables import (
    compared_table,
    corrections_table,
    days_table,
    difference_counts,
    differences_table,
    head_table,
    segments_table,
)
from tapeloom.report.calendar_words import day_text, hours, kind_text, minutes
from tapeloom.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date

    from rich.console import RenderableType

    from tapeloom.calendars import TradingSession
    from tapeloom.calendars.calendar_diff import Difference
    from tapeloom.calendars.named_calendar import NamedCalendar

__all__ = ["comparison_page", "date_page", "dates_page", "overview_page"]


def overview_page(
    named: NamedCalendar, today: date, days: Sequence[date], *, every: bool, width: int
) -> Iterator[RenderableType]:
    """Yield what a calendar is, all its corrections, and what lies ahead on ``days``."""
    yield head_table(named)
    if len(named.market.overlay):
        yield ""
        yield corrections_table(named, [day for day, _ in named.market.overlay.items()])
    yield ""
    first, last = named.covers
    if not first <= today <= last:
        yield f"today, {today}, is not covered"
        return
    session = named.session(today)
    yield f"today, {day_text(today)}: {kind_text(session)}{_more(named, session)}"
    yield ""
    if days:
        yield days_table(named, days, width=width)
    else:
        yield "no holiday, early close or correction in the coming year"
    if not every and days:
        yield ""
        yield "holidays, early closes and corrections of the coming year; --all shows every day"


def date_page(named: NamedCalendar, day: date) -> Iterator[RenderableType]:
    """Yield what a calendar is, and one of its dates in full."""
    yield head_table(named)
    yield ""
    session = named.session(day)
    yield f"{day_text(day)}: {kind_text(session)}{_more(named, session)}"
    if session.is_trading_day:
        yield ""
        yield segments_table(session)
    if named.is_corrected(day):
        source = named.uncorrected_session(day)
        yield ""
        if source is None:
            yield "corrected by the overlay"
        elif hours(source) == hours(session):
            yield "corrected by the overlay, to what the source has too"
        else:
            yield f"corrected by the overlay; the source has {hours(source)}"


def dates_page(
    named: NamedCalendar,
    start: date,
    end: date,
    days: Sequence[date],
    *,
    every: bool,
    width: int,
) -> Iterator[RenderableType]:
    """Yield what a calendar is, the dates shown of those from ``start`` to ``end``, and how many trade."""
    yield head_table(named)
    yield ""
    if days:
        yield days_table(named, days, width=width)
    else:
        yield "no holiday, early close or correction"
    corrected = [day for day in days if named.is_corrected(day)]
    if corrected:
        yield ""
        yield corrections_table(named, corrected)
    yield ""
    table = named.market.table
    sessions = table.sessions_before(to_day(end) + 1) - table.sessions_before(
        to_day(start)
    )
    total = counted((end - start).days + 1, "day")
    yield f"{start} to {end}: {counted(sessions, 'session')} in {total}"
    if not every:
        yield "shown are holidays, early closes and corrections; --all shows every day"


def comparison_page(
    first: NamedCalendar,
    second: NamedCalendar,
    start: date,
    end: date,
    differences: Sequence[Difference],
    *,
    most: int,
) -> Iterator[RenderableType]:
    """Yield which calendars were compared, where they differ (``most`` rows of it), and how often."""
    yield compared_table(first, second)
    yield ""
    compared = f"compared {start} to {end}"
    if not differences:
        yield f"{compared}: no differences"
        return
    found = runs(differences, first.market, second.market)
    yield differences_table(found, most=most)
    yield ""
    if any(len(run.differences) > 1 for run in found):
        yield "days: how many from the first date to the last differ like this"
    zones = [str(named.market.table.zone) for named in (first, second)]
    if zones[0] != zones[1]:
        yield f"times of A are in {zones[0]}, of B in {zones[1]}"
    if len(found) > most:
        yield f"{counted(len(found) - most, 'more row')} not shown; --all shows all, --from and --to narrow it down"
    verb = "differs" if len(differences) == 1 else "differ"
    counts = difference_counts(differences)
    yield f"{compared}: {counted(len(differences), 'day')} {verb} ({counts})"


def _more(named: NamedCalendar, session: TradingSession) -> str:
    """What follows the kind of a date: its length, or the sessions around it."""
    if session.is_trading_day:
        return f", {minutes(session)} regular minutes"
    table = named.market.table
    row = table.sessions_before(to_day(session.date))
    around = []
    if row > 0:
        before = day_text(from_day(int(table.dates[row - 1])))
        around.append(f"the session before is {before}")
    if row < len(table):
        around.append(f"the next {day_text(from_day(int(table.dates[row])))}")
    return f"; {', '.join(around)}" if around else ""
