"""Exchange groups: which calendar and zone a name such as ``US_EQUITY`` stands for, and its extended hours."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from datetime import time, tzinfo
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from tapeloom.calendars.providers.provided_sessions import ProvidedSessions
from tapeloom.calendars.sources import source_of
from tapeloom.calendars.table_cache import read_names, write_names
from tapeloom.errors import ArgumentTypeError, UnknownExchangeError, did_you_mean
from tapeloom.timestamps import NS_PER_DAY, localize

__all__ = [
    "ExchangeGroup",
    "calendar_of",
    "group_zones",
    "resolve_exchange_group",
    "with_extended_hours",
]


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

# By calendar; the others have none, or their source tells.
_EXTENDED_HOURS = {"XNYS": ExtendedHours(time(4), time(20), time(17))}


def group_zones() -> frozenset[str]:
    """Return the names of the zones of all groups."""
    return frozenset(_ZONES.values())


def resolve_exchange_group(name: str) -> ExchangeGroup:
    """Return the exchange group of a name.

    Parameters
    ----------
    name
        A group (``"US_EQUITY"``), an exchange of one (``"NASDAQ"``), any calendar code or alias
        of exchange_calendars (``"XNYS"``, ``"24/7"``), or a calendar of the optional second source
        (``"pandas_market_calendars:CME_Equity"``). Case matters.

    Returns
    -------
    ExchangeGroup
        Its calendar and zone. The library is loaded only for names outside the groups, and once per machine.

    Raises
    ------
    UnknownExchangeError
        If there is no such group or calendar; the text names the nearest one.
    ArgumentTypeError
        If the name is no text.
    CalendarError
        If exchange_calendars knows the calendar, but cannot build it.
    MissingDependencyError
        If the optional source is named and not installed.
    """
    if not isinstance(name, str):
        text = f"exchange_group is {name!r} ({type(name).__name__}); give a name such as 'US_EQUITY'"
        raise ArgumentTypeError(text, got=name)
    return _resolve(name)


def calendar_of(name: str) -> str | None:
    """Return the code of the calendar of a name, ``None`` if there is no such group or calendar."""
    try:
        return resolve_exchange_group(name).calendar
    except UnknownExchangeError:
        return None


def with_extended_hours(
    calendar: str, said: ProvidedSessions, zone: tzinfo
) -> ProvidedSessions:
    """Return what a source says with our extended hours, where it has none and we have."""
    hours = _EXTENDED_HOURS.get(calendar)
    if hours is None:
        return said
    early = np.isin(said.days, said.early_closes)
    last = np.where(
        early, _ns_of_day(hours.post_close_early), _ns_of_day(hours.post_close)
    )
    midnights = said.days * NS_PER_DAY
    pre_opens = localize(midnights + _ns_of_day(hours.pre_open), zone)
    post_closes = localize(midnights + last, zone)
    return replace(
        said,
        pre_opens=np.minimum(pre_opens, said.opens),
        post_closes=np.maximum(post_closes, said.closes),
    )


def _ns_of_day(wall: time) -> int:
    return (wall.hour * 60 + wall.minute) * 60 * 1_000_000_000


@lru_cache
def _resolve(name: str) -> ExchangeGroup:
    group = _OTHER_NAMES.get(name, name)
    calendar = _CALENDARS.get(group, group)
    if calendar in _ZONES:
        return ExchangeGroup(group, calendar, ZoneInfo(_ZONES[calendar]))
    source = source_of(name)
    version = source.version()
    kept = read_names(version).get(name)
    if kept is not None:
        # A zone that this machine no longer knows is asked for anew.
        with contextlib.suppress(LookupError, ValueError, OSError):
            return ExchangeGroup(kept[0], kept[0], ZoneInfo(kept[1]))
    found = source.find()
    if found is None:
        known = [source.prefix + code for code in source.known_names()]
        raise _unknown(name, source.name, known)
    code = source.prefix + found.code
    write_names(version, {name: (code, str(found.zone))})
    return ExchangeGroup(code, code, found.zone)


def _unknown(name: str, source: str, known: list[str]) -> UnknownExchangeError:
    nearest = did_you_mean(name, [*_CALENDARS, *_OTHER_NAMES, *known])
    text = f"exchange_group is {name!r}, which is no exchange group and no calendar of {source}"
    return UnknownExchangeError(
        text + (nearest or f"; groups are {', '.join(_CALENDARS)}"), got=name
    )
