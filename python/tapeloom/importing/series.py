"""Cuts a foreign table by symbol and settles what holds for all of it: whose bars, what interval, what prices mean."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from tapeloom._core import Interval
from tapeloom.bars import normalise_symbol
from tapeloom.columns.arrow import arrow_codes, arrow_floats
from tapeloom.columns.spacing import common_interval
from tapeloom.errors import ArgumentError, CorruptFileError, SymbolError
from tapeloom.importing.column_names import PRICES
from tapeloom.importing.findings import Proposal

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from tapeloom.importing.findings import Findings
    from tapeloom.importing.options import ReadOptions
    from tapeloom.importing.tables import ForeignTable

    Floats = npt.NDArray[np.float64]

__all__ = ["SymbolRows", "interval_of", "scaled", "symbol_rows", "values_of"]

FIELDS = (*PRICES, "volume")
# What the column rtype of one vendor says about its bars.
RTYPES = {32: "1s", 33: "1m", 34: "1h", 35: "1d"}
# Prices as integers: in ten-thousandths, or in billionths.
DATED_SCALE, FIXED_SCALE = 10_000, 10**9
CHEAPEST = 0.05
FEW = 100


@dataclass(frozen=True, slots=True, eq=False)
class SymbolRows:
    """The rows of one symbol: its normalised name, how the source spells it, positions in the table (int64, rising)."""

    symbol: str
    spelt: str
    rows: npt.NDArray[np.int64]


def symbol_rows(
    table: ForeignTable, options: ReadOptions, findings: Findings
) -> list[SymbolRows]:
    """Return the rows of each symbol, in order of first appearance.

    Raises
    ------
    ArgumentError
        If the symbol cannot be told, or is another than the given one.
    SymbolError
        If two spellings become one symbol, or a row has none.
    """
    everything = np.arange(table.rows)
    if "symbol" in table.columns and table.symbol is None:
        found = _by_column(table)
        if found:
            return _checked(found, options, table.name)
    spelt = table.symbol or options.symbol or table.hints.symbol
    if spelt is None:
        text = f"{table.name}: neither a column nor the file's name says whose bars these are; give symbol="
        raise ArgumentError(text)
    if table.symbol is not None:
        return _checked([_of(table.symbol, everything)], options, table.name)
    if options.symbol is None and not table.hints.symbol_stated:
        findings.add("symbol_told", f"symbol {spelt!r} told from the file's name")
    return [_of(spelt, everything)]


def _by_column(table: ForeignTable) -> list[SymbolRows]:
    codes, texts = arrow_codes(table.columns["symbol"], name=f"{table.name}: symbols")
    if codes.size and codes.min() < 0:
        row = int(np.argmin(codes))
        text = f"{table.name}: row {row} has no symbol"
        raise SymbolError(text, row=row)
    order = np.argsort(codes, kind="stable")
    edges = np.searchsorted(codes[order], np.arange(len(texts) + 1))
    parts = [order[a:b] for a, b in pairwise(edges.tolist())]
    found = [_of(t, rows) for t, rows in zip(texts, parts, strict=True) if rows.size]
    return sorted(found, key=lambda one: int(one.rows[0]))


def _of(spelt: str, rows: npt.NDArray[np.int64]) -> SymbolRows:
    return SymbolRows(normalise_symbol(spelt), spelt.strip(), rows)


def _checked(
    found: list[SymbolRows], options: ReadOptions, name: str
) -> list[SymbolRows]:
    spellings: dict[str, str] = {}
    for one in found:
        other = spellings.setdefault(one.symbol, one.spelt)
        if other != one.spelt:
            text = (
                f"{name}: the symbols {other!r} and {one.spelt!r} both become {one.symbol!r}; symbols are compared in "
                "upper case: rename one in the source, or import each by itself"
            )
            raise SymbolError(text, symbol=one.symbol)
    if options.symbol is None:
        return found
    wanted = [one for one in found if one.symbol == options.symbol]
    if not wanted:
        others = ", ".join(list(spellings)[:5])
        text = f"{name}: holds bars of {others}, none of {options.symbol!r}"
        raise ArgumentError(text, symbol=options.symbol)
    return wanted


def interval_of(
    table: ForeignTable,
    times: Sequence[npt.NDArray[np.int64]],
    options: ReadOptions,
    findings: Findings,
) -> Interval:
    """Return the length of the bars: as given, as the file says, or as the spacing of each symbol's times (ns) shows.

    Raises
    ------
    ArgumentError
        If it cannot be told.
    """
    if options.interval is not None:
        return options.interval
    stated = _rtype(table)
    if stated is not None:
        return stated
    try:
        told = common_interval(times, assume=table.hints.interval)
    except ArgumentError as error:
        text = f"{table.name}: {error}"
        raise ArgumentError(text) from error
    if told is None:
        text = f"{table.name}: the interval cannot be told from fewer than two different times; give it, such as interval='1m'"
        raise ArgumentError(text)
    hint = table.hints.interval
    if hint is not None and hint != told:
        text = (
            f"the file's name suggests {hint.text} bars, the most frequent step between them is {told.text}; read as "
            f"{told.text}"
        )
        findings.add("interval_told", text)
    elif hint is None:
        findings.add("interval_told", f"interval {told.text} told from the spacing")
    return told


def _rtype(table: ForeignTable) -> Interval | None:
    import pyarrow as pa
    import pyarrow.compute as pc

    column = table.columns.get("rtype")
    if column is None:
        return None
    try:
        kinds = pc.unique(column.cast(pa.int64())).to_pylist()
    except pa.ArrowInvalid:
        return None
    if len(kinds) != 1 or kinds[0] not in RTYPES:
        return None
    return Interval(RTYPES[kinds[0]])


def values_of(table: ForeignTable) -> dict[str, Floats]:
    """Return prices and volume as float64, NaN where one is missing; no volume is 0.

    Raises
    ------
    ArgumentError
        If a column holds something else, or integers that float64 does not keep.
    """
    found = {
        name: arrow_floats(table.columns[name], name=f"{table.name}: column {name!r}")
        for name in FIELDS
        if name in table.columns
    }
    found.setdefault("volume", np.zeros(table.rows))
    # The largest that is a number.
    largest = np.fmax.reduce(np.abs(found["volume"]), initial=0.0)
    if np.isfinite(largest) and largest > 2**53:
        text = f"{table.name}: column 'volume' holds {largest:g}; whole numbers above 2**53 are not kept exactly"
        raise CorruptFileError(text, path=table.name, got=float(largest))
    return found


def scaled(
    values: dict[str, Floats],
    table: ForeignTable,
    options: ReadOptions,
    findings: Findings,
    *,
    equities: bool,
) -> dict[str, Floats]:
    """Return the values with prices divided by their scale; one that is only likely is proposed."""
    scale = options.price_scale
    if scale is None:
        proposal = _likely_scale(values, table, equities=equities)
        if proposal is None or not findings.propose(proposal):
            return values
        scale = float(str(proposal.value))
    return {n: c / scale if n in PRICES else c for n, c in values.items()}


def _likely_scale(
    values: dict[str, Floats], table: ForeignTable, *, equities: bool
) -> Proposal | None:
    if any(_has_fractions(values[name]) for name in PRICES):
        return None
    prices = np.concatenate([values[name] for name in PRICES])
    prices = prices[np.isfinite(prices)]
    if not prices.size:
        return None
    low, count = float(prices.min()), f"all {prices.size:,} prices are whole numbers"
    if "rtype" in table.columns and low >= FIXED_SCALE * CHEAPEST / 10:
        why = "which this layout writes in billionths"
        scale = FIXED_SCALE
    elif table.hints.dated_layout and equities and low >= DATED_SCALE * CHEAPEST:
        why = "which files named and laid out like this one hold in ten-thousandths"
        scale = DATED_SCALE
    else:
        return None
    text = f"{count}, from {low:,.0f} to {prices.max():,.0f}, {why}"
    return Proposal("price_scale", text, option="price_scale", value=scale)


def _has_fractions(prices: Floats) -> bool:
    # As a rule one of the first has.
    for some in (prices[:FEW], prices[FEW:]):
        found = some[np.floor(some) != some]
        if np.isfinite(found).any():
            return True
    return False
