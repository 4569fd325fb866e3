"""Tells what kind of frame came, finds its columns and makes one ``Bars`` per symbol."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tapeloom._core import Interval
from tapeloom.bars import Bars, normalise_symbol
from tapeloom.columns.rows import FIELDS, is_bar_like, read_rows, rows_of
from tapeloom.columns.spacing import common_interval
from tapeloom.columns.values import codes, flag_bytes, floats, instants
from tapeloom.errors import (
    ArgumentError,
    ArgumentTypeError,
    SymbolError,
    did_you_mean,
)

if TYPE_CHECKING:
    from datetime import timedelta, tzinfo

    import numpy.typing as npt

    from tapeloom._core import SessionTable
    from tapeloom.columns.rows import SymbolRows

    Arrays = dict[str, npt.NDArray[Any]]
    Rows = slice | npt.NDArray[np.int64]

__all__ = ["read_frame"]

TIME_NAMES = ("ts", "timestamp", "datetime", "time", "date")


def read_frame(
    data: object,
    *,
    zone: tzinfo,
    table: SessionTable | None = None,
    symbol: str | None = None,
    interval: str | int | timedelta | Interval | None = None,
    assume: str | int | timedelta | Interval | None = None,
    source: str = "data",
) -> dict[str, Bars]:
    """Return bars by symbol from a frame of any library.

    Parameters
    ----------
    data
        A frame with a ``symbol`` column, or one symbol's frame with ``symbol=``: pandas, polars, pyarrow, anything
        with ``__arrow_c_stream__``, a dict of arrays or a structured array. Or a dict from symbol to such a frame,
        ``Bars``, or a list (any sequence or iterator) of ``BarData`` or of objects with the attributes ``ts`` or
        ``timestamp`` and ``open high low close volume``, with or without ``symbol``, ``interval`` and ``flags``. Columns ``ts open high low close volume`` are found without case;
        ``timestamp``, ``datetime``, ``time``, ``date`` or a pandas time index stand for ``ts``. ``flags`` is optional,
        other columns are left out.
    zone
        Where naive times are wall time.
    table
        Sessions the bars belong to, for the end of the last bar of a session.
    symbol
        Whose bars these are, if the data do not say.
    interval
        Length of the bars; told from their spacing if not given.
    assume
        Length to take where there are too few bars to tell.
    source
        What to call the data in an error.

    Returns
    -------
    dict
        Normalised symbol to ``Bars``, in order of first appearance. Rows keep their order; values are not checked
        beyond their type.

    Raises
    ------
    ArgumentTypeError
        If the data, or a column, are of a type that cannot be read.
    ArgumentError
        If a column is missing, or symbol or interval cannot be told.
    TimestampError
        If a time is missing, out of range, in another unit, or does not exist or is ambiguous in ``zone``.
    SymbolError
        If a symbol is blank or unprintable.
    """
    wanted = None if interval is None else Interval(interval)
    expected = None if assume is None else Interval(assume)
    named = None if symbol is None else normalise_symbol(symbol)
    series: list[_Series] = []
    for key, part in _parts(data, named):
        series += _read_part(
            part, key, zone=zone, interval=wanted, assume=expected, source=source
        )
    fallback = {s.interval for s in series if s.interval is not None}
    found: dict[str, Bars] = {}
    for s in series:
        if s.symbol in found:
            text = f"{source}: symbol {s.symbol!r} comes twice; symbols are compared in upper case"
            raise ArgumentError(text, symbol=s.symbol)
        found[s.symbol] = s.bars(fallback, zone=zone, table=table, source=source)
    return found


@dataclass(frozen=True, slots=True)
class _Series:
    """One symbol's columns, before the interval is settled."""

    symbol: str
    columns: Arrays
    interval: Interval | None
    ready: Bars | None = None

    def bars(
        self,
        fallback: set[Interval],
        *,
        zone: tzinfo,
        table: SessionTable | None,
        source: str,
    ) -> Bars:
        if self.ready is not None:
            return self.ready
        interval = self.interval
        if interval is None:
            # A symbol with a single bar has the interval all others agree on.
            if len(fallback) != 1:
                text = (
                    f"{source}: the interval of {self.symbol} cannot be told from fewer than two different stamps; "
                    "give it, such as interval='1m'"
                )
                raise ArgumentError(text, symbol=self.symbol)
            interval = next(iter(fallback))
        columns: dict[str, Any] = self.columns
        return Bars.from_columns(
            self.symbol, interval, **columns, zone=zone, table=table
        )


def _parts(data: object, symbol: str | None) -> list[tuple[str | None, object]]:
    """Return the frames in the data with the symbol each is known to belong to."""
    if not isinstance(data, Mapping) or not all(_is_frame(v) for v in data.values()):
        return [(symbol, data)]
    if not data:
        text = "data is an empty dict; give columns, or a frame per symbol"
        raise ArgumentError(text)
    keys = [normalise_symbol(key) for key in data]
    if symbol is not None and symbol not in keys:
        text = f"symbol {symbol!r} is not in the data{did_you_mean(symbol, keys)}"
        raise ArgumentError(text, symbol=symbol)
    found = zip(keys, data.values(), strict=True)
    return [(key, part) for key, part in found if symbol in (None, key)]


def _is_frame(value: object) -> bool:
    if isinstance(value, (Bars, Mapping)) or hasattr(value, "columns"):
        return True
    if isinstance(value, np.ndarray):
        return value.dtype.names is not None
    return isinstance(value, Sequence) and bool(value) and is_bar_like(value[0])


def _read_part(
    part: object,
    symbol: str | None,
    *,
    zone: tzinfo,
    interval: Interval | None,
    assume: Interval | None,
    source: str,
) -> list[_Series]:
    if isinstance(part, Bars):
        return [_from_bars(part, symbol, interval, source)]
    items = rows_of(part)
    if items is not None:
        found = read_rows(
            items, symbol=symbol, zone=zone, interval=interval, source=source
        )
        return _rows_as_series(found, assume)
    columns = _named_columns(part, source)
    at = {n: f"{source}: column {n!r}" for n in (*FIELDS, "symbol", "flags")}
    time_name = _time_name(columns, source)
    arrays: Arrays = {
        "ts": instants(
            columns[time_name], zone=zone, name=f"{source}: column {time_name!r}"
        )
    }
    for name in FIELDS:
        if name not in columns:
            text = f"{source}: column {name!r} is missing; found {', '.join(columns)}{did_you_mean(name, columns)}"
            raise ArgumentError(text, expected=name)
        arrays[name] = floats(columns[name], name=at[name])
    if "flags" in columns:
        arrays["flags"] = flag_bytes(columns["flags"], name=at["flags"])
    rows = len(arrays["ts"])
    for name, array in arrays.items():
        if len(array) != rows:
            text = f"{source}: column {name!r} has {len(array)} rows, {time_name!r} has {rows}; columns must have one length"
            raise ArgumentError(text, got=len(array), expected=rows)
    if "symbol" not in columns:
        if symbol is None:
            text = f"{source}: there is no column 'symbol' and no symbol= was given; give one of them"
            raise ArgumentError(text)
        groups: dict[str, Rows] = {symbol: slice(None)}
    else:
        groups = _by_symbol(columns["symbol"], rows, at["symbol"])
        if symbol is not None and set(groups) - {symbol}:
            others = ", ".join(sorted(set(groups) - {symbol})[:3])
            text = f"{source}: column 'symbol' holds {others}, but symbol {symbol!r} was given; give one of them"
            raise ArgumentError(text, symbol=symbol)
    cut = {s: {n: a[r] for n, a in arrays.items()} for s, r in groups.items()}
    if interval is None:
        interval = common_interval((c["ts"] for c in cut.values()), assume=assume)
    return [_Series(s, c, interval) for s, c in cut.items()]


def _rows_as_series(found: list[SymbolRows], assume: Interval | None) -> list[_Series]:
    silent = [rows.columns["ts"] for rows in found if rows.interval is None]
    told = common_interval(silent, assume=assume) if silent else None
    return [_Series(rows.symbol, rows.columns, rows.interval or told) for rows in found]


def _by_symbol(column: Any, rows: int, name: str) -> dict[str, Rows]:
    numbers, texts = codes(column, name=name)
    if len(numbers) != rows:
        text = f"{name} has {len(numbers)} rows, the others have {rows}; columns must have one length"
        raise ArgumentError(text, got=len(numbers), expected=rows)
    if rows and numbers.min() < 0:
        row = int(np.argmin(numbers))
        text = f"{name} has no symbol in row {row}"
        raise SymbolError(text, row=row)
    symbols: dict[str, int] = {}
    same = np.array(
        [symbols.setdefault(normalise_symbol(t), len(symbols)) for t in texts], np.int64
    )
    numbers = same[numbers] if rows else numbers
    if bool((numbers[1:] >= numbers[:-1]).all()):
        order = None
        ranked = numbers
    else:
        order = np.argsort(numbers, kind="stable")
        ranked = numbers[order]
    edges = np.searchsorted(ranked, np.arange(len(symbols) + 1))
    found: dict[str, Rows] = {}
    for symbol, number in symbols.items():
        block = slice(int(edges[number]), int(edges[number + 1]))
        if block.start < block.stop:
            found[symbol] = block if order is None else order[block]
    return found


def _named_columns(data: object, source: str) -> dict[str, Any]:
    """Return the columns by lower-case name."""
    pandas = sys.modules.get("pandas")
    pairs: list[tuple[Any, Any]]
    if pandas is not None and isinstance(data, pandas.DataFrame):
        pairs = [(name, data.iloc[:, i]) for i, name in enumerate(data.columns)]
        known = {str(name).casefold() for name, _ in pairs}
        pairs += [(n, v) for n, v in _index_levels(data.index) if n not in known]
    elif isinstance(data, Mapping):
        pairs = list(data.items())
    elif isinstance(data, np.ndarray) and data.dtype.names is not None:
        pairs = [(name, data[name]) for name in data.dtype.names]
    elif hasattr(data, "__arrow_c_stream__") or hasattr(data, "__arrow_c_array__"):
        import pyarrow as pa

        try:
            table = pa.table(data)
        except (pa.ArrowInvalid, TypeError) as error:
            text = f"{source} is {type(data).__name__}, which holds no columns by name; give a frame"
            raise ArgumentTypeError(text, got=type(data)) from error
        pairs = list(zip(table.column_names, table.columns, strict=True))
    else:
        hint = "; call .collect() first" if hasattr(data, "collect") else ""
        text = (
            f"{source} is {type(data).__name__}; give a pandas, polars or Arrow frame, a dict of arrays, "
            f"a dict of frames, or a list of BarData or of objects with their attributes{hint}"
        )
        raise ArgumentTypeError(text)
    found: dict[str, Any] = {}
    for name, column in pairs:
        key = str(name).strip().casefold()
        if key in found and key in (*FIELDS, *TIME_NAMES, "symbol", "flags"):
            text = f"{source}: two columns are called {key!r}; names are compared without case"
            raise ArgumentError(text, got=key)
        found[key] = column
    return found


def _index_levels(index: Any) -> list[tuple[str, Any]]:
    """Return the levels of a pandas index that can stand for a column; a time index without a name is ``ts``."""
    found = []
    for level, name in enumerate(index.names):
        values = index.get_level_values(level)
        if values.dtype.kind == "M" and str(name).casefold() not in TIME_NAMES:
            found.append(("ts", values))
        elif name is not None:
            found.append((str(name).casefold(), values))
    return found


def _time_name(columns: Mapping[str, Any], source: str) -> str:
    if "ts" in columns:
        return "ts"
    found = [name for name in TIME_NAMES if name in columns]
    if len(found) == 1:
        return found[0]
    if found:
        text = f"{source}: the columns {' and '.join(map(repr, found))} could both be the start of the bars; call one 'ts'"
        raise ArgumentError(text)
    text = f"{source}: column 'ts' is missing; found {', '.join(columns)}"
    raise ArgumentError(text, expected="ts")


def _from_bars(
    bars: Bars, symbol: str | None, interval: Interval | None, source: str
) -> _Series:
    if symbol is not None and bars.symbol != symbol:
        text = f"{source}: the bars are of {bars.symbol}, not of {symbol!r}"
        raise ArgumentError(text, symbol=symbol)
    own = Interval(bars.interval)
    if interval is not None and own != interval:
        text = f"{source}: the bars of {bars.symbol} are {bars.interval}, not {interval.text}"
        raise ArgumentError(text, symbol=bars.symbol)
    return _Series(bars.symbol, {}, own, bars)
