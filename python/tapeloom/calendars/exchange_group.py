"""Exchange groups: which calendar and zone a name such as ``US_EQUITY`` stands for, and its extended hours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time, tzinfo
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from tapeloom.calendars.provider import (
    calendar_zone,
    find_calendar_code,
    known_calendar_names,
)
from tapeloom.errors import ArgumentTypeError, UnknownExchangeError, did_you_mean

__all__ = ["EXTENDED_HOURS", "ExchangeGroup", "ExtendedHours", "resolve_exchange_group"]


@dataclass(frozen=True, slots=True)
class ExchangeGroup:
    """A market with one calendar."""

    name: str
    """Name of the group; the code of the calendar where a code was given."""
    calendar: str
    """Code of the calendar."""
    zone: tzinfo
    """Zone of the exchange."""


class ExtendedHours(NamedTuple):
    """Wall times of the exchange between which there is trading outside the regular hours."""

    pre_open: time
    """Start of the pre-market, which lasts to the open."""
    post_close: time
    """End of the post-market, which begins at the close."""
    post_close_early: time
    """End of the post-market after an early close."""


_CALENDARS = {
    "US_EQUITY": "XNYS",
    "US_OPTIONS": "XNYS",
    "US_FUTURES": "CMES",
    "UK_EQUITY": "XLON",
    "EU_EQUITY": "XETR",
    "JP_EQUITY": "XTKS",
    "HK_EQUITY": "XHKG",
    "IN_EQUITY": "XBOM",
    "CRYPTO": "24/7",
    "FX": "24/5",
}
_OTHER_NAMES = dict.fromkeys(("NYSE", "NASDAQ", "AMEX", "NYSE_ARCA"), "US_EQUITY")
# Written down, so that the zone of a group is known without loading exchange_calendars.
_ZONES = {
    "XNYS": "America/New_York",
    "CMES": "America/Chicago",
    "XLON": "Europe/London",
    "XETR": "Europe/Berlin",
    "XTKS": "Asia/Tokyo",
    "XHKG": "Asia/Hong_Kong",
    "XBOM": "Asia/Kolkata",
    "24/7": "UTC",
    "24/5": "UTC",
}

EXTENDED_HOURS = {"XNYS": ExtendedHours(time(4), time(20), time(17))}
"""Extended hours by calendar; the others have none."""


def resolve_exchange_group(name: str) -> ExchangeGroup:
    """Return the exchange group of a name.

    Parameters
    ----------
    name
        A group (``"US_EQUITY"``), an exchange of one (``"NASDAQ"``), or any calendar code or alias
        of exchange_calendars (``"XNYS"``, ``"24/7"``). Case matters.

    Returns
    -------
    ExchangeGroup
        Its calendar and zone. exchange_calendars is loaded only for codes outside the groups.

    Raises
    ------
    UnknownExchangeError
        If there is no such group or calendar; the text names the nearest one.
    ArgumentTypeError
        If the name is no text.
    CalendarError
        If exchange_calendars knows the calendar, but cannot build it.
    """
    if not isinstance(name, str):
        text = f"exchange_group is {name!r} ({type(name).__name__}); give a name such as 'US_EQUITY'"
        raise ArgumentTypeError(text, got=name)
    return _resolve(name)


@lru_cache
def _resolve(name: str) -> ExchangeGroup:
    group = _OTHER_NAMES.get(name, name)
    calendar = _CALENDARS.get(group, group)
    if calendar not in _ZONES:
        group = calendar = _code(name)
    zone = ZoneInfo(_ZONES[calendar]) if calendar in _ZONES else calendar_zone(calendar)
    return ExchangeGroup(group, calendar, zone)


def _code(name: str) -> str:
    code = find_calendar_code(name)
    if code is not None:
        return code
    nearest = did_you_mean(name, [*_CALENDARS, *_OTHER_NAMES, *known_calendar_names()])
    text = f"exchange_group is {name!r}, which is no exchange group and no calendar of exchange_calendars"
    raise UnknownExchangeError(
        text + (nearest or f"; groups are {', '.join(_CALENDARS)}"), got=name
    )
