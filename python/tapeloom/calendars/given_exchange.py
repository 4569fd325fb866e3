"""The exchange that arguments name: a group, a time manager, or both."""

from __future__ import annotations

from tapeloom.calendars.exchange_group import ExchangeGroup, resolve_exchange_group
from tapeloom.calendars.time_manager import TimeManager
from tapeloom.errors import ArgumentError, ArgumentTypeError

__all__ = ["group_for", "time_manager_for", "unless_default"]


def time_manager_for(
    exchange_group: str | None, time_manager: TimeManager | None
) -> TimeManager:
    """Return the time manager of an argument pair, a new one if none is given; else as ``group_for``."""
    group = group_for(exchange_group, time_manager)
    return TimeManager(group.name) if time_manager is None else time_manager


def group_for(
    exchange_group: str | None, time_manager: TimeManager | None
) -> ExchangeGroup:
    """Return the exchange group of an argument pair: the time manager's, which the name must not contradict.

    ``None`` says nothing: the time manager's, or else ``"US_EQUITY"``.

    Raises
    ------
    ArgumentError
        If the name is of another calendar.
    ArgumentTypeError
        If ``time_manager`` is none.
    """
    if time_manager is None:
        return resolve_exchange_group(
            "US_EQUITY" if exchange_group is None else exchange_group
        )
    if not isinstance(time_manager, TimeManager):
        text = f"time_manager is {time_manager!r} ({type(time_manager).__name__}); give a TimeManager"
        raise ArgumentTypeError(text, got=time_manager)
    theirs = resolve_exchange_group(time_manager.exchange_group)
    if exchange_group is not None:
        named = resolve_exchange_group(exchange_group)
        if named.calendar != theirs.calendar:
            text = f"exchange_group is {exchange_group!r}, and the time manager's is {theirs.name!r}; give one of them"
            raise ArgumentError(text, got=exchange_group, expected=theirs.name)
    return theirs


def unless_default(exchange_group: str) -> str | None:
    """Return ``None`` for ``"US_EQUITY"``, where that is the default of an argument and may not have been said."""
    return None if exchange_group == "US_EQUITY" else exchange_group
