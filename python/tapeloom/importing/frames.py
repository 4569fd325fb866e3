"""Frames and tables in memory as foreign tables: pandas, polars, Arrow, dicts of arrays."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tapeloom.bars import Bars
from tapeloom.errors import ArgumentError, ArgumentTypeError
from tapeloom.importing.column_names import fold, map_columns
from tapeloom.importing.parquet_tables import arrow_table
from tapeloom.importing.path_hints import PathHints
from tapeloom.importing.tables import ForeignTable
from tapeloom.importing.wide import FIELD_LEVELS, by_symbol

if TYPE_CHECKING:
    import pyarrow as pa

    from tapeloom.importing.options import ReadOptions

__all__ = ["is_frame", "read_frames"]


def is_frame(source: object) -> bool:
    """Whether a source holds data in memory, as opposed to naming files."""
    if isinstance(source, Bars | Mapping) or hasattr(source, "__arrow_c_stream__"):
        return True
    return isinstance(source, np.ndarray) or _pandas_frame(source)


def read_frames(source: object, options: ReadOptions) -> list[ForeignTable]:
    """Return the tables in a frame, or in a dict of frames by symbol.

    Raises
    ------
    ArgumentTypeError
        If it is no frame.
    ArgumentError
        If columns are missing.
    """
    if isinstance(source, Bars):
        return [_table(source.to_arrow(), options, symbol=source.symbol)]
    if (
        isinstance(source, Mapping)
        and source
        and all(map(_has_columns, source.values()))
    ):
        return [
            replace(table, symbol=str(symbol), name=f"data: {symbol}")
            for symbol, frame in source.items()
            for table in read_frames(frame, options)
        ]
    if _pandas_frame(source):
        return _of_pandas(source, options)
    if isinstance(source, np.ndarray):
        if source.dtype.names is None:
            text = "the array has no named fields; give a structured array or a dict of arrays"
            raise ArgumentTypeError(text)
        source = {name: source[name] for name in source.dtype.names}
    if isinstance(source, Mapping):
        return [_of_arrays(source, options)]
    import pyarrow as pa

    return [_table(pa.table(source), options)]


def _has_columns(frame: object) -> bool:
    """Whether a value of a dict is a frame itself, and no column."""
    if isinstance(frame, Bars | Mapping) or _pandas_frame(frame):
        return True
    if isinstance(frame, np.ndarray):
        return frame.dtype.names is not None
    # Columns of Arrow and polars hand out a stream too.
    return is_frame(frame) and hasattr(frame, "columns")


def _table(data: pa.Table, options: ReadOptions, **more: Any) -> ForeignTable:
    found = map_columns(data.column_names, options, source="data")
    return arrow_table(data, found, "data", PathHints(), **more)


def _of_arrays(columns: Mapping[Any, Any], options: ReadOptions) -> ForeignTable:
    import pyarrow as pa

    # NumPy means UTC by times without a zone.
    utc = any(
        isinstance(c, np.ndarray) and c.dtype.kind == "M" for c in columns.values()
    )
    try:
        data = pa.table({str(n): _array(c) for n, c in columns.items()})
    except (pa.ArrowException, TypeError, ValueError) as error:
        text = f"data cannot be read as columns: {str(error).splitlines()[0]}"
        raise ArgumentError(text) from error
    return _table(data, options, utc=utc)


def _array(column: Any) -> pa.ChunkedArray:
    import pyarrow as pa

    if hasattr(column, "__arrow_c_stream__"):
        return pa.chunked_array(column)
    found = pa.array(column)
    return found if isinstance(found, pa.ChunkedArray) else pa.chunked_array([found])


def _pandas_frame(source: object) -> bool:
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(source, pandas.DataFrame)


def _of_pandas(frame: Any, options: ReadOptions) -> list[ForeignTable]:
    if frame.columns.nlevels == 2:
        return _of_levels(frame, options)
    if any(n is not None for n in frame.index.names) or frame.index.dtype.kind == "M":
        names = [n if n is not None else "ts" for n in frame.index.names]
        clash = [n for n in names if n in frame.columns]
        frame = frame.drop(columns=clash).rename_axis(index=names).reset_index()
    return [_table(_arrow_of(frame), options)]


def _arrow_of(frame: Any) -> pa.Table:
    import pyarrow as pa

    try:
        return pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        said = ": ".join(str(a) for a in reversed(error.args)) or str(error)
        text = f"the frame cannot be read: {said.splitlines()[0]}; give each column values of one type"
        raise ArgumentError(text) from error


def _of_levels(frame: Any, options: ReadOptions) -> list[ForeignTable]:
    """Tables of a frame whose columns have two levels: what is measured, and the symbol."""
    level = next(
        (
            i
            for i, n in enumerate(frame.columns.names)
            if fold(n or "") in ("ticker", "symbol")
        ),
        None,
    )
    if level is None:
        first = [fold(n or "") for n in frame.columns.names]
        if first[0] not in FIELD_LEVELS:
            text = f"the columns have the levels {first}; call the level of symbols 'Ticker'"
            raise ArgumentError(text)
        level = 1
    symbols = ["", *map(str, frame.columns.get_level_values(level))]
    fields = ["ts", *map(str, frame.columns.get_level_values(1 - level))]
    flat = frame.set_axis([str(i) for i in range(1, len(fields))], axis=1)
    data = _arrow_of(flat.rename_axis(index="0").reset_index())
    return [
        ForeignTable(
            f"data: {symbol}",
            {role: data.column(str(at)) for role, at in roles.items()},
            PathHints(),
            dropped=dropped,
            symbol=symbol,
        )
        for symbol, roles, dropped in by_symbol(fields, symbols, options)
    ]
