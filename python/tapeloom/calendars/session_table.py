"""Session tables: all sessions of a calendar as int64 arrays, built once and never changed.

Knows no clock. From the cache a table takes less than a millisecond and loads no library.
"""

from __future__ import annotations

import contextlib
from threading import Lock

from tapeloom._core import SessionTable
from tapeloom.calendars.exchange_group import (
    ExchangeGroup,
    calendar_of,
    resolve_exchange_group,
    with_extended_hours,
)
from tapeloom.calendars.market_calendar import MarketCalendar
from tapeloom.calendars.overlaid import overlaid
from tapeloom.calendars.overlay import NO_OVERLAY, Overlay, OverlayLike, read_overlay
from tapeloom.calendars.providers.provided_sessions import FIRST_DATE, LAST_DATE
from tapeloom.calendars.sources import source_of
from tapeloom.calendars.table_builder import build_market_calendar
from tapeloom.calendars.table_cache import read_cached, write_cached, zone_version
from tapeloom.calendars.table_record import from_record, to_record
from tapeloom.errors import TapeloomError

__all__ = ["SessionTable", "edited", "get_market_calendar", "get_session_table"]

# Grows with every change of how tables are made from what the sources say.
_BUILD = "1"

# Calendars and overlays of one process; each takes about 1 MB.
_MOST_LOADED = 100


def get_session_table(
    exchange_group: str, *, overlay: OverlayLike = None
) -> SessionTable:
    """Return all sessions of an exchange group's calendar.

    Parameters
    ----------
    exchange_group
        A name that ``resolve_exchange_group`` accepts.
    overlay
        Corrections: the path of a JSON file, a mapping of its form, or an ``Overlay``.

    Returns
    -------
    SessionTable
        From 1990 to 2035, or as much of that as the calendar covers. The same object for every
        group of one calendar and the same overlay in one process. The first call on a machine takes
        about a second, most of it for loading the library; later ones read the cache.

    Raises
    ------
    UnknownExchangeError
        If there is no such group or calendar.
    CalendarError
        If the library cannot build the calendar, or the overlay has faults.
    """
    return get_market_calendar(exchange_group, overlay=overlay).table


_loaded: dict[tuple[str, Overlay], MarketCalendar] = {}
_lock = Lock()


def get_market_calendar(
    exchange_group: str, *, overlay: OverlayLike = None
) -> MarketCalendar:
    """Return the session table of an exchange group with its holidays and early closes; else as ``get_session_table``."""
    group = resolve_exchange_group(exchange_group)
    days = read_overlay(overlay, group.calendar, calendar_of=calendar_of)
    found = _loaded.get((group.calendar, days))
    if found is not None:
        return found
    with _lock:
        if (group.calendar, days) not in _loaded:
            if len(_loaded) >= _MOST_LOADED:
                # The oldest goes; whoever uses it has it.
                del _loaded[next(iter(_loaded))]
            _loaded[group.calendar, days] = _load(group, days)
        return _loaded[group.calendar, days]


def edited(exchange_group: str, overlay: Overlay) -> MarketCalendar:
    """Return the calendar of an exchange group with an overlay that was edited in memory; it is kept nowhere."""
    base = get_market_calendar(exchange_group)
    zone = base.table.zone
    said = overlaid(base.as_provided(), overlay, zone)
    return build_market_calendar(base.table.calendar, zone, said, overlay)


def _load(group: ExchangeGroup, overlay: Overlay) -> MarketCalendar:
    source = source_of(group.calendar)
    key = {
        "build": _BUILD,
        "calendar": group.calendar,
        "source": source.version(),
        "zone": zone_version(group.zone),
        "overlay": overlay.digest,
        "range": f"{FIRST_DATE} {LAST_DATE}",
    }
    kept = read_cached(key)
    if kept is not None:
        # A file that was tampered with may read well and hold nonsense.
        with contextlib.suppress(
            TapeloomError, LookupError, TypeError, ValueError, OverflowError
        ):
            return from_record(*kept, zone=group.zone, overlay=overlay)
    if len(overlay):
        base = _load(group, NO_OVERLAY)
        said = overlaid(base.as_provided(), overlay, group.zone)
    else:
        said = with_extended_hours(group.calendar, source.read(), group.zone)
    market = build_market_calendar(group.calendar, group.zone, said, overlay)
    write_cached(key, *to_record(market))
    return market
