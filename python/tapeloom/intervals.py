"""Interval: the length of a bar. The rules live in the core; this room gives them their Python names."""

from __future__ import annotations

from datetime import timedelta
from typing import TypeAlias

from tapeloom._core import Interval

__all__ = ["Interval", "IntervalLike", "interval_text"]

IntervalLike: TypeAlias = int | str | timedelta | Interval
"""What every parameter named ``interval`` accepts; an ``int`` counts minutes."""


def interval_text(value: IntervalLike) -> str:
    """Return the canonical text of an interval.

    Parameters
    ----------
    value
        Minutes as ``int``, text such as ``"5m"``, a ``timedelta`` or an ``Interval``.

    Returns
    -------
    str
        In the largest unit that divides it: ``"1h"`` for ``60``, ``"90m"`` for ``"90m"``.

    Raises
    ------
    IntervalError
        For zero, negative or fractional lengths, unknown units, and 24 hours or more in ``s m h``.
    ArgumentTypeError
        For any other type.
    """
    return Interval(value).text
