"""The calendar that a person means by one word: a name, a name with an overlay, or the file of a saved table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tapeloom.calendars.days import from_day, to_day
from tapeloom.calendars.session_table import get_market_calendar
from tapeloom.calendars.table_file import read_table_file, write_table_file
from tapeloom.calendars.table_record import from_saved, to_record
from tapeloom.calendars.trading_session import TradingSession, trading_session
from tapeloom.errors import (
    ArgumentError,
    CalendarError,
    MissingDependencyError,
    TapeloomError,
)

if TYPE_CHECKING:
    from datetime import date

    from tapeloom.calendars.market_calendar import MarketCalendar

__all__ = ["NamedCalendar", "open_calendar", "save_calendar"]

SUFFIX = ".table"


@dataclass(frozen=True, slots=True)
class NamedCalendar:
    """A calendar, and where it comes from."""

    name: str
    """What it was asked for by."""
    market: MarketCalendar
    uncorrected: MarketCalendar | None
    """What the source says without the overlay; ``None`` for a saved table, which holds the result only."""
    overlay_file: Path | None = None
    table_file: Path | None = None

    @property
    def covers(self) -> tuple[date, date]:
        """First and last date, both included."""
        table = self.market.table
        return from_day(table.first_day), from_day(table.last_day)

    def session(self, day: date) -> TradingSession:
        """Return what is known of a date; ``OutOfCalendarError`` if it is not covered."""
        self.market.require_covered(day, to_day(day), "the date")
        return trading_session(self.market, to_day(day))

    def is_corrected(self, day: date) -> bool:
        """Return whether the overlay says something about a date."""
        return day in self.market.overlay

    def uncorrected_session(self, day: date) -> TradingSession | None:
        """Return what the source says of a corrected date, ``None`` if that is not known or the date not corrected."""
        if self.uncorrected is None or not self.is_corrected(day):
            return None
        return trading_session(self.uncorrected, to_day(day))

    def irregular_days(self, start: date, end: date) -> list[date]:
        """Return the holidays, early closes and corrected dates from ``start`` to ``end``, both included."""
        low, high = to_day(start), to_day(end)
        days = {*self.market.holidays.tolist(), *self.market.early_closes.tolist()}
        found = {from_day(day) for day in days if low <= day <= high}
        found.update(
            day for day, _ in self.market.overlay.items() if start <= day <= end
        )
        return sorted(found)


def open_calendar(name: str, *, overlay: Path | None = None) -> NamedCalendar:
    """Return the calendar of a word.

    Parameters
    ----------
    name
        A name that ``resolve_exchange_group`` accepts; one with an overlay, ``XNYS+fixes.json``; or the path of a
        table written by ``save_calendar``.
    overlay
        Corrections on top, as the file of an overlay.

    Raises
    ------
    UnknownExchangeError
        If there is no such group or calendar.
    ArgumentError
        If the overlay has faults, there are two, or one is put on a saved table, or the table does not exist.
    MissingDependencyError
        If the name is of an optional source that is not installed.
    CalendarError
        If the table is damaged, or the library cannot build the calendar.
    """
    path = Path(name)
    # A file that happens to be called XNYS hides no calendar.
    if path.suffix == SUFFIX or (path.suffix and path.is_file() and "+" not in name):
        if overlay is not None:
            text = f"{name!r} is a saved table; an overlay goes on a calendar, such as XNYS+fixes.json"
            raise ArgumentError(text, got=name)
        return NamedCalendar(name, _saved(path), None, table_file=path)
    code, plus, file = name.partition("+")
    if plus:
        if overlay is not None:
            text = f"{name!r} names an overlay already; give one of the two"
            raise ArgumentError(text, got=name)
        if not (code and file):
            text = f"{name!r} names no calendar with an overlay; write it such as XNYS+fixes.json"
            raise ArgumentError(text, got=name)
        overlay = Path(file)
    uncorrected = get_market_calendar(code)
    if overlay is None:
        return NamedCalendar(name, uncorrected, uncorrected)
    try:
        market = get_market_calendar(code, overlay=overlay)
    except MissingDependencyError:
        raise
    except CalendarError as error:
        # The calendar was built without it: what is wrong is in the file that was given.
        raise ArgumentError(str(error), path=str(overlay)) from error
    return NamedCalendar(name, market, uncorrected, overlay_file=overlay)


def save_calendar(market: MarketCalendar, path: Path) -> None:
    """Write a calendar to a new file, for ``open_calendar`` to read, in later versions of the source too.

    Raises
    ------
    ArgumentError
        If the file exists, or its folder does not.
    OSError
        If it cannot be written.
    """
    if path.exists():
        text = f"{str(path)!r} exists; give the name of a new file"
        raise ArgumentError(text, path=str(path))
    if not path.parent.is_dir():
        text = f"the folder of {str(path)!r} does not exist"
        raise ArgumentError(text, path=str(path))
    write_table_file(path, *to_record(market))


def _saved(path: Path) -> MarketCalendar:
    try:
        return from_saved(*read_table_file(path))
    except FileNotFoundError as error:
        raise ArgumentError(f"{str(path)!r} does not exist", path=str(path)) from error
    except CalendarError:
        raise
    except (TapeloomError, LookupError, TypeError, ValueError) as error:
        text = f"{str(path)!r} cannot be used: it holds no calendar"
        raise CalendarError(text, path=str(path)) from error
