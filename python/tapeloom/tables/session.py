"""The bars of a whole session as one table: a symbol's bars behind those of the symbol before it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tapeloom.tables.bars import PRICES, arrow_columns
from tapeloom.tables.layout import Layout, cells, edges
from tapeloom.tables.libraries import frame_of_arrow, pandas, text_dtype, time_index

if TYPE_CHECKING:
    import pyarrow as pa

    from tapeloom._core import Bars
    from tapeloom.intervals import IntervalLike
    from tapeloom.session_data import SessionData

__all__ = [
    "arrow_schema",
    "arrow_stream",
    "as_html",
    "to_arrow",
    "to_pandas",
    "to_polars",
]

_TEXTS = ("symbol", "interval")


def to_arrow(
    session_data: SessionData, interval: IntervalLike | None = None
) -> pa.Table:
    """Return the session's bars of all symbols as an Arrow table.

    Parameters
    ----------
    interval
        Of which series; the base series of each symbol if not given. A symbol without such a series has no rows.

    Returns
    -------
    pyarrow.Table
        ``symbol`` and ``interval`` text, ``ts`` timestamp[ns, UTC], ``open high low close volume`` float64, ``flags`` uint8. Rows are in
        the order in which symbols were registered, then of ``ts``, all of one epoch. All columns but the texts share
        memory with the session, one chunk for each symbol; later bars do not change them.
    """
    import pyarrow as pa

    parts = [_part(bars) for bars in _bars(session_data, interval) if len(bars)]
    return pa.Table.from_batches(parts, schema=_schema())


def arrow_stream(
    session_data: SessionData, requested_schema: object | None = None
) -> object:
    """Return the table of the base series as an Arrow PyCapsule stream."""
    return to_arrow(session_data).__arrow_c_stream__(requested_schema)


def arrow_schema(session_data: SessionData) -> object:
    """Return the schema of the table as an Arrow PyCapsule; it is the same for every session."""
    del session_data
    return _schema().__arrow_c_schema__()


def to_polars(session_data: SessionData, interval: IntervalLike | None = None) -> Any:
    """Return a polars frame with the columns of ``to_arrow``.

    Raises
    ------
    MissingDependencyError
        If polars is not installed.
    """
    return frame_of_arrow(to_arrow(session_data, interval))


def to_pandas(session_data: SessionData, interval: IntervalLike | None = None) -> Any:
    """Return a pandas frame with the rows of ``to_arrow``, a copy.

    Returns
    -------
    pandas.DataFrame
        The index ``timestamp`` has nanoseconds in the exchange's zone; it repeats and does not rise, since a symbol
        comes after the other. Columns: ``symbol``, ``interval``, ``open high low close volume``, ``flags``.

    Raises
    ------
    MissingDependencyError
        If pandas is not installed. pyarrow is not needed.
    """
    parts = _bars(session_data, interval)
    lengths = [len(bars) for bars in parts]
    ts = _joined([bars.ts for bars in parts], np.int64)
    index = time_index(ts, session_data.timezone, name="timestamp")
    columns: dict[str, Any] = {}
    for name in _TEXTS:
        texts = np.array([getattr(bars, name) for bars in parts], object)
        repeated = np.repeat(texts, lengths)
        columns[name] = pandas().Series(repeated, index=index, dtype=text_dtype())
    for name in PRICES:
        columns[name] = _joined([getattr(bars, name) for bars in parts], np.float64)
    columns["flags"] = _joined([bars.flags for bars in parts], np.uint8)
    return pandas().DataFrame(columns, index=index, copy=False)


def as_html(session_data: SessionData) -> str:
    """Return one line about the session and a small table as HTML: how far each symbol's base series has come."""
    return _layout(session_data).html()


def _bars(session_data: SessionData, interval: IntervalLike | None) -> list[Bars]:
    names = list(session_data._symbols)
    found = session_data._group_of(names, interval)._bars("session")
    return [bars for bars in found if bars is not None]


def _part(bars: Bars) -> pa.RecordBatch:
    import pyarrow as pa

    texts = {name: pa.repeat(getattr(bars, name), len(bars)) for name in _TEXTS}
    return pa.RecordBatch.from_pydict(texts | arrow_columns(bars), schema=_schema())


def _schema() -> pa.Schema:
    import pyarrow as pa

    return pa.schema(
        {
            **dict.fromkeys(_TEXTS, pa.string()),
            "ts": pa.timestamp("ns", "UTC"),
            **dict.fromkeys(PRICES, pa.float64()),
            "flags": pa.uint8(),
        }
    )


def _joined(parts: list[Any], dtype: type) -> Any:
    return np.concatenate(parts) if parts else np.empty(0, dtype)


def _layout(session_data: SessionData) -> Layout:
    parts = _bars(session_data, None)
    first, last = edges(len(parts))
    shown = parts[:first] + (parts[-last:] if last else [])
    newest = [bars[-1] if len(bars) else None for bars in shown]
    columns = {
        "symbol": [bars.symbol for bars in shown],
        "interval": [bars.interval for bars in shown],
        "bars": [str(len(bars)) for bars in shown],
        "newest": cells([None if bar is None else bar.timestamp for bar in newest]),
        "close": cells([None if bar is None else bar.close for bar in newest]),
    }
    return Layout(
        head=repr(session_data),
        names=list(columns),
        columns=list(columns.values()),
        numeric=[name in ("bars", "close") for name in columns],
        left_out=len(parts) - first - last,
    )
