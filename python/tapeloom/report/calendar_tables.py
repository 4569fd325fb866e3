"""The tables of ``calendar show`` and ``calendar diff``."""

from __future__ import annotations

from collections import Counter
from datetime import UTC
from itertools import islice
from typing import TYPE_CHECKING

from tapeloom.report.calendar_words import (
    aspect_text,
    clock_text,
    day_text,
    extended_hours,
    hours,
    kind_text,
    minutes,
    regular_hours,
)
from tapeloom.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    from rich.table import Table

    from tapeloom.calendars import TradingSession
    from tapeloom.calendars.calendar_diff import Difference, Run
    from tapeloom.calendars.named_calendar import NamedCalendar

__all__ = [
    "SHORT_FINGERPRINT",
    "compared_table",
    "corrections_table",
    "days_table",
    "difference_counts",
    "differences_table",
    "head_table",
    "segments_table",
]

SHORT_FINGERPRINT = 12
# What the table of days needs for the extended hours too, when no holiday has a long name.
FULL_WIDTH = 94


def head_table(named: NamedCalendar) -> Table:
    """Return what a calendar is: zone, source, range, fingerprint and corrections."""
    from rich.table import Table

    market, table = named.market, named.market.table
    grid = Table.grid(padding=(0, 2, 0, 0))
    asked = "" if named.name.startswith(table.calendar) else f" ({named.name})"
    grid.add_row("calendar", f"{table.calendar}{asked}")
    grid.add_row("zone", str(table.zone))
    grid.add_row("source", market.source)
    first, last = named.covers
    grid.add_row("covers", f"{first} to {last}, {counted(len(table), 'session')}")
    if named.overlay_file is not None:
        number = counted(len(market.overlay), "correction")
        text = number if len(market.overlay) else f"no corrections of {table.calendar}"
        grid.add_row("overlay", f"{named.overlay_file}, {text}")
    elif len(market.overlay):
        number = counted(len(market.overlay), "correction")
        grid.add_row("overlay", f"{number}, saved with the table")
    grid.add_row("fingerprint", table.fingerprint[:SHORT_FINGERPRINT])
    return grid


def segments_table(session: TradingSession) -> Table:
    """Return the stretches of one session, a row each, in the exchange's time and in UTC."""
    table = _table("", str(session.zone), "UTC", "minutes")
    table.columns[-1].justify = "right"
    for segment, utc in zip(
        session.segments, session.in_zone(UTC).segments, strict=True
    ):
        table.add_row(
            segment.kind.replace("_", "-"),
            *(
                f"{clock_text(s.start, session.date)} - {clock_text(s.end, session.date)}"
                for s in (segment, utc)
            ),
            f"{(utc.end - utc.start).total_seconds() / 60:,g}",
        )
    return table


def days_table(named: NamedCalendar, days: Iterable[date], *, width: int) -> Table:
    """Return a row per date; without the extended hours where ``width`` is small or no date has any."""
    sessions = [named.session(day) for day in days]
    wide = width >= FULL_WIDTH and any(map(extended_hours, sessions))
    zone = str(named.market.table.zone)
    table = _table("date", "day", zone, "UTC", "minutes")
    table.columns[1].no_wrap = False
    table.columns[-1].justify = "right"
    if wide:
        table.add_column("extended", no_wrap=True)
    for session in sessions:
        mark = ", corrected" if named.is_corrected(session.date) else ""
        table.add_row(
            day_text(session.date),
            f"{kind_text(session)}{mark}",
            "\n".join(regular_hours(session)),
            "\n".join(regular_hours(session.in_zone(UTC))),
            minutes(session),
            *([extended_hours(session)] if wide else []),
        )
    return table


def corrections_table(named: NamedCalendar, days: Iterable[date]) -> Table:
    """Return what the overlay says of these dates, and what the source has, where that is known."""
    known = named.uncorrected is not None
    table = _table("date", "corrected to", *(["the source has"] if known else []))
    for column in table.columns[1:]:
        column.no_wrap = False
    for day in days:
        said, source = hours(named.session(day)), named.uncorrected_session(day)
        had = "" if source is None else hours(source)
        row = [said, "the same" if had == said else had] if known else [said]
        table.add_row(day_text(day), *row)
    return table


def compared_table(first: NamedCalendar, second: NamedCalendar) -> Table:
    """Return the two sides of a comparison: name, source, corrections and fingerprint."""
    sides = [("A", first), ("B", second)]
    corrected = any(len(named.market.overlay) for _, named in sides)
    more = ["overlay"] if corrected else []
    table = _table("", "calendar", "source", *more, "fingerprint")
    for column in table.columns[1:3]:
        column.no_wrap, column.overflow = False, "fold"
    for side, named in sides:
        number = len(named.market.overlay)
        overlay = counted(number, "correction") if number else ""
        table.add_row(
            side,
            named.name,
            named.market.source,
            *([overlay] if corrected else []),
            named.market.table.fingerprint[:SHORT_FINGERPRINT],
        )
    return table


def differences_table(runs: Sequence[Run], *, most: int) -> Table:
    """Return a row per run of dates that differ alike, the first ``most``; times in the zone of each calendar."""
    table = _table("dates", "days", "differs", "A", "B")
    table.columns[1].justify = "right"
    for column in table.columns[3:]:
        column.no_wrap = False
    for run in islice(runs, most):
        one = run.differences[0]
        dates = (
            day_text(run.start) if run.start == run.end else f"{run.start} to {run.end}"
        )
        days = f"{len(run.differences):,}"
        for aspect in one.aspects:
            said = (aspect_text(session, aspect) for session in (one.first, one.second))
            table.add_row(dates, days, aspect, *said)
            dates = days = ""
    return table


def difference_counts(differences: Sequence[Difference]) -> str:
    """Return on how many dates each aspect differs, such as ``"trading 3, close 1"``."""
    counts = Counter(aspect for d in differences for aspect in d.aspects)
    return ", ".join(f"{aspect} {number:,}" for aspect, number in counts.most_common())


def _table(*headers: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(
        box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0)
    )
    for header in headers:
        table.add_column(header, no_wrap=True)
    return table
