"""Bars as values: ``BarData``, ``Bars``, how a stored bar came to be, and how symbols are written."""

from __future__ import annotations

from enum import IntFlag

from tapeloom._core import BarData, Bars
from tapeloom.errors import ArgumentTypeError, SymbolError

__all__ = ["BarData", "Bars", "Provenance", "normalise_symbol"]


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
