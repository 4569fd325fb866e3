"""``Overlay``: corrections of a calendar by date, from a JSON file, a mapping or edits in memory. Builds no table."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from tapeloom.calendars.days import require_date
from tapeloom.calendars.market_day import MarketDay, read_market_day
from tapeloom.errors import ArgumentError, ArgumentTypeError, CalendarError
from tapeloom.json_file import Fault, listed, read_object

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["NO_OVERLAY", "Overlay", "OverlayLike", "read_overlay"]

OverlayLike: TypeAlias = (
    "Overlay | Mapping[str, object] | str | os.PathLike[str] | None"
)
"""What takes an overlay: an ``Overlay``, a mapping of the form of the file, or the path of the JSON file."""


class Overlay:
    """Days of one calendar whose hours replace what the source says. Immutable.

    Parameters
    ----------
    days
        The hours by date.
    calendar
        Code of the calendar it is about; ``None`` for whichever it is used with.

    Raises
    ------
    ArgumentTypeError
        If a key is no date or a value no ``MarketDay``.
    """

    __slots__ = ("_days", "calendar")

    def __init__(
        self,
        days: Mapping[date, MarketDay] | None = None,
        *,
        calendar: str | None = None,
    ) -> None:
        for day, hours in (days or {}).items():
            require_date(day, "a day of the overlay")
            if not isinstance(hours, MarketDay):
                text = f"{day} of the overlay is {hours!r}; give a MarketDay, or the whole overlay as a mapping"
                raise ArgumentTypeError(text, got=hours)
        self._days = dict(sorted((days or {}).items()))
        self.calendar = calendar

    def with_days(self, days: Mapping[date, MarketDay]) -> Overlay:
        """Return an overlay in which these days replace or join the present ones."""
        return Overlay(self._days | dict(days), calendar=self.calendar)

    def items(self) -> Iterator[tuple[date, MarketDay]]:
        """Yield dates and hours in order."""
        return iter(self._days.items())

    def __len__(self) -> int:
        return len(self._days)

    def __contains__(self, day: object) -> bool:
        return day in self._days

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Overlay) and self._days == other._days

    def __hash__(self) -> int:
        return hash(tuple(self._days.items()))

    def __repr__(self) -> str:
        return f"Overlay({len(self)} days)"

    def to_dict(self) -> dict[str, object]:
        """Return the days as an overlay file writes them under the name of their calendar."""
        return {day.isoformat(): hours.to_dict() for day, hours in self.items()}

    @property
    def digest(self) -> str:
        """Digest of all days, 16 hex digits; empty without any. The same days give the same one."""
        if not self._days:
            return ""
        text = json.dumps(self.to_dict(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


NO_OVERLAY = Overlay()


def read_overlay(
    given: OverlayLike,
    calendar: str,
    *,
    calendar_of: Callable[[str], str | None],
) -> Overlay:
    """Return the part of an overlay that is about one calendar; the other parts are checked, too.

    Parameters
    ----------
    given
        ``None`` for none, an ``Overlay``, a mapping or the path of a JSON file, which hold days by calendar:
        ``{"XNYS": {"2025-01-09": "closed"}}``. A name of the calendar's exchange group stands for it.
    calendar
        Its code.
    calendar_of
        Returns the code of the calendar of a name, ``None`` if there is none.

    Raises
    ------
    CalendarError
        If the file cannot be read, or listing every fault in it.
    ArgumentTypeError
        If it is nothing of these.
    """
    if given is None:
        return NO_OVERLAY
    if isinstance(given, Overlay):
        if given.calendar not in (None, calendar):
            text = (
                f"the overlay is about {given.calendar}, and the calendar is {calendar}"
            )
            raise CalendarError(text, got=given.calendar, expected=calendar)
        return given
    if isinstance(given, Mapping):
        return _read(dict(given), [], "overlay", calendar, calendar_of)
    if isinstance(given, str | os.PathLike):
        path = Path(given)
        if not os.fspath(given) or "\0" in os.fspath(given):
            text = f"overlay is {given!r}; give the path of a JSON file"
            raise ArgumentError(text, got=given)
        content, faults = read_object(path, _failure)
        return _read(content, faults, path.name, calendar, calendar_of)
    text = f"overlay is {given!r} ({type(given).__name__}); give the path of a JSON file, a mapping or an Overlay"
    raise ArgumentTypeError(text, got=given)


def _read(
    content: dict[str, object],
    faults: list[Fault],
    name: str,
    calendar: str,
    calendar_of: Callable[[str], str | None],
) -> Overlay:
    ours: dict[date, MarketDay] = {}
    for key, days in content.items():
        if not isinstance(key, str):
            faults.append(Fault((str(key),), "a calendar is named by text"))
            continue
        code = calendar if key == calendar else calendar_of(key)
        if code is None:
            faults.append(Fault((key,), "no calendar and no exchange group"))
        elif not isinstance(days, Mapping):
            text = 'must be an object of dates, such as {"2025-01-09": "closed"}'
            faults.append(Fault((key,), text))
        else:
            for day, hours in _days(days, key, faults):
                if code == calendar:
                    if day in ours:
                        text = f"{calendar} has this date under another name too"
                        faults.append(Fault((key, day.isoformat()), text))
                    ours[day] = hours
    if faults:
        raise _failure(name, faults)
    return Overlay(ours, calendar=calendar)


def _days(
    days: Mapping[str, object], key: str, faults: list[Fault]
) -> Iterator[tuple[date, MarketDay]]:
    for text, value in days.items():
        try:
            day = date.fromisoformat(text)
        except (TypeError, ValueError):
            day = None
        # Python reads more forms than the one that everybody writes, such as a day of a week of a year.
        if day is None or day.isoformat() != text:
            faults.append(Fault((key, text), "no date; write YYYY-MM-DD"))
            continue
        hours = read_market_day(value)
        if isinstance(hours, str):
            faults.append(Fault((key, text), hours))
        else:
            yield day, hours


def _failure(name: str, faults: Iterable[Fault]) -> CalendarError:
    found = list(faults)
    return CalendarError(
        listed(name, found), errors=[(fault.where, fault.message) for fault in found]
    )
