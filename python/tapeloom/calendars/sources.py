"""Which source says when a calendar trades: it follows from the calendar's name."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from tapeloom.calendars.providers import round_the_clock

if TYPE_CHECKING:
    from collections.abc import Callable

    from tapeloom.calendars.providers.provided_sessions import (
        FoundCalendar,
        ProvidedSessions,
    )

__all__ = ["Source", "source_of"]

_DEFAULT = "exchange_calendars"
# By the library, which may stand before a colon in the name of a calendar.
_MODULES = {
    _DEFAULT: "from_exchange_calendars",
    "pandas_market_calendars": "from_pandas_market_calendars",
}


class Source(NamedTuple):
    """What one source offers about one calendar."""

    name: str
    """Name of the library, ``tapeloom`` for built-in calendars."""
    prefix: str
    """What stands before the code in the name of a calendar."""
    version: Callable[[], str]
    """Name and version, without loading the library."""
    find: Callable[[], FoundCalendar | None]
    """Its code and zone; ``None`` if the source does not know it."""
    read: Callable[[], ProvidedSessions]
    """All its sessions."""
    known_names: Callable[[], list[str]]
    """Every name that the source knows."""


def source_of(calendar: str) -> Source:
    """Return the source of a calendar such as ``XNYS``, ``24/7`` or ``pandas_market_calendars:CME_Equity``."""
    if calendar in round_the_clock.NAMES:
        return Source(
            name="tapeloom",
            prefix="",
            version=lambda: round_the_clock.VERSION,
            find=lambda: round_the_clock.find_code(calendar),
            read=lambda: round_the_clock.read_sessions(calendar),
            known_names=lambda: list(round_the_clock.NAMES),
        )
    library, colon, name = calendar.partition(":")
    if not colon or library not in _MODULES:
        library, name = _DEFAULT, calendar
    module = import_module(f"tapeloom.calendars.providers.{_MODULES[library]}")
    return Source(
        name=library,
        prefix="" if library == _DEFAULT else f"{library}:",
        version=module.version,
        find=lambda: module.find_code(name),
        read=lambda: module.read_sessions(name),
        known_names=module.known_names,
    )
