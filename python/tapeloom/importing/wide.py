"""Tables in which symbols stand side by side, under a second line of the header, as yfinance writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tapeloom.importing.column_names import fold, map_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tapeloom.importing.options import ReadOptions

__all__ = ["WideSymbol", "wide_columns"]

WideSymbol = tuple[str, dict[str, int], tuple[str, ...]]
"""A symbol, the place of each of its columns, the names of those that are not needed."""
FIELD_LEVELS = ("price", "prices", "attributes", "field", "")
SYMBOL_LEVELS = ("ticker", "tickers", "symbol", "symbols")
TIMES = ("date", "datetime", "timestamp")


def wide_columns(
    names: tuple[str, ...] | None,
    above: tuple[tuple[str, ...], ...],
    options: ReadOptions,
) -> list[WideSymbol] | None:
    """Return the columns of each symbol, or ``None`` if the header is none of several levels.

    Parameters
    ----------
    names
        First line of the header.
    above
        The lines between it and the data: the other level, and the name of the index.
    """
    if not names or not above or len(above) > 2:
        return None
    # The blank first cell of a header stands as the name of the times.
    first, second = fold(names[0]), fold(above[0][0] if above[0] else "")
    if second in SYMBOL_LEVELS and first in (*FIELD_LEVELS, "ts"):
        fields, symbols = names, above[0]
    elif first in SYMBOL_LEVELS and second in FIELD_LEVELS:
        fields, symbols = above[0], names
    else:
        return None
    if len(above) == 2 and fold(above[1][0]) not in TIMES:
        return None
    return by_symbol(fields, symbols, options)


def by_symbol(
    fields: Sequence[str], symbols: Sequence[str], options: ReadOptions
) -> list[WideSymbol]:
    """Return the columns of each symbol; the first column holds the times."""
    places: dict[str, dict[str, int]] = {}
    for at, (field, symbol) in enumerate(zip(fields, symbols, strict=False)):
        if at:
            places.setdefault(symbol, {})[field] = at
    found = []
    for symbol, of_symbol in places.items():
        chosen = map_columns(["ts", *of_symbol], options, source=f"columns of {symbol}")
        at_of = {"ts": 0, **of_symbol}
        roles = {role: at_of[theirs] for role, theirs in chosen.of.items()}
        found.append((symbol, roles, chosen.dropped))
    return found
