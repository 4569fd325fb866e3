"""Dates as days since 1970-01-01, the form in which tables hold them."""

from __future__ import annotations

from datetime import date, datetime
from typing import TypeGuard

from tapeloom.errors import ArgumentTypeError

__all__ = ["from_day", "require_date", "to_day"]

_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()


def to_day(value: date) -> int:
    """Return a date as days since 1970-01-01."""
    return value.toordinal() - _EPOCH_ORDINAL


def from_day(day: int) -> date:
    """Return the date of a number of days since 1970-01-01."""
    return date.fromordinal(int(day) + _EPOCH_ORDINAL)


def require_date(value: object, name: str) -> date:
    """Return the value if it is a date and nothing more, else raise ``ArgumentTypeError`` naming the argument."""
    if not _is_date(value):
        text = f"{name} is {value!r} ({type(value).__name__}); give a datetime.date"
        raise ArgumentTypeError(text, got=value)
    return value


def _is_date(value: object) -> TypeGuard[date]:
    # A datetime is a date to Python, but does not say in which zone it is one.
    return isinstance(value, date) and not isinstance(value, datetime)
