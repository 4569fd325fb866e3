"""Bars as values: ``BarData``, ``Bars``, how a stored bar came to be, and how symbols are written."""

from __future__ import annotations

from enum import IntFlag
from typing import TYPE_CHECKING

import numpy as np

from tapeloom._core import BarData, Bars
from tapeloom.errors import ArgumentTypeError, SymbolError

if TYPE_CHECKING:
    from datetime import tzinfo

    from tapeloom.intervals import IntervalLike

__all__ = ["BarData", "Bars", "Provenance", "no_bars", "normalise_symbol"]


class Provenance(IntFlag):
    """How a stored bar came to be: the bits of ``flags``."""

    STREAMED = 1
    BACKFILLED = 2
    CORRECTED = 4
    DERIVED = 8
    EXTENDED = 16
    IMPORTED = 32
    PARTIAL = 64
    LATE = 128


def normalise_symbol(symbol: object) -> str:
    """Return a symbol stripped and upper-cased, the one form in which symbols are compared.

    Raises
    ------
    ArgumentTypeError
        If ``symbol`` is no text.
    SymbolError
        If it is blank or holds characters that cannot be printed.
    """
    if not isinstance(symbol, str):
        text = f"symbol is {type(symbol).__name__}; it must be text such as 'AAPL'"
        raise ArgumentTypeError(text)
    name = symbol.strip().upper()
    if not name or not name.isprintable():
        text = f"symbol {symbol!r} must hold printable characters, such as 'AAPL' or 'BTC/USD'"
        raise SymbolError(text, symbol=symbol)
    return name


def no_bars(symbol: str, interval: IntervalLike, zone: tzinfo) -> Bars:
    """Return ``Bars`` without a bar."""
    none = np.empty(0, np.float64)
    return Bars.from_columns(
        symbol,
        interval,
        ts=np.empty(0, np.int64),
        open=none,
        high=none,
        low=none,
        close=none,
        volume=none,
        zone=zone,
    )
