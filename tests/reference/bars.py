"""One bar as a plain tuple, and the rules that make it valid."""

from __future__ import annotations

from math import isfinite
from typing import NamedTuple

__all__ = ["Bar", "is_valid"]


class Bar(NamedTuple):
    """One bar; ``ts`` is its start in nanoseconds since 1970-01-01 UTC."""

    ts: int
    open: float
    high: float
    low: float
    close: float
    volume: float


def is_valid(bar: Bar, *, allow_negative_prices: bool = False) -> bool:
    """Whether the values keep the rules of a bar."""
    prices = (bar.open, bar.high, bar.low, bar.close)
    if not all(isfinite(value) for value in (*prices, bar.volume)):
        return False
    if not bar.low <= bar.open <= bar.high or not bar.low <= bar.close <= bar.high:
        return False
    if bar.volume < 0:
        return False
    return allow_negative_prices or all(price > 0 for price in prices)
