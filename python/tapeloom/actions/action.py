"""One action: the factors that put older bars into the shares of its date, and the rules it keeps."""

from __future__ import annotations

import math
from datetime import date, datetime
from typing import NamedTuple

from tapeloom.bars import normalise_symbol
from tapeloom.errors import ArgumentError, ArgumentTypeError

__all__ = ["COLUMNS", "Action", "checked"]

COLUMNS = ("symbol", "ex_date", "price_factor", "volume_factor")


class Action(NamedTuple):
    """Bars before ``ex_date`` have their prices and volumes multiplied to be in the shares of that date."""

    symbol: str
    ex_date: date
    price_factor: float
    volume_factor: float


def checked(row: Action, name: str) -> Action:
    """Return an action in the form in which it is kept, or raise ``ArgumentError`` naming the row."""
    if not isinstance(row, tuple) or len(row) != len(COLUMNS):
        text = f"{name} is {row!r}; it must be Action({', '.join(COLUMNS)})"
        raise ArgumentTypeError(text, got=row)
    symbol, ex_date, *factors = row
    for column, factor in zip(COLUMNS[2:], factors, strict=True):
        is_number = isinstance(factor, int | float) and not isinstance(factor, bool)
        if not is_number or not (math.isfinite(factor) and factor > 0):
            text = f"{name}: {column} is {factor!r}; it must be a number above 0, such as 0.5 for a 2:1 split"
            raise ArgumentError(text, got=factor)
    try:
        known = normalise_symbol(symbol)
    except ArgumentError as error:
        text = f"{name}: {error}"
        raise ArgumentError(text, got=symbol) from error
    return Action(known, _date(ex_date, name), float(factors[0]), float(factors[1]))


def _date(value: object, name: str) -> date:
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        if isinstance(value, str):
            return date.fromisoformat(value)
    except ValueError:
        pass
    text = f"{name}: ex_date is {value!r}; it must be a date, YYYY-MM-DD"
    raise ArgumentError(text, got=value)
