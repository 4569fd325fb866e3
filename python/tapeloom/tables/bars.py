"""``Bars`` as tables of other tools, as text and as HTML; their columns are shared wherever the tool allows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tapeloom.bars import Provenance
from tapeloom.tables.by_value import reduce
from tapeloom.tables.layout import Layout, cells, edges
from tapeloom.tables.libraries import frame_of_arrow, pandas, time_index

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from tapeloom._core import Bars

__all__ = [
    "PRICES",
    "arrow_columns",
    "arrow_schema",
    "arrow_stream",
    "as_html",
    "as_text",
    "reduce",
    "to_arrow",
    "to_pandas",
    "to_polars",
    "to_structured",
]

#: The columns of floats, in their order.
PRICES = ("open", "high", "low", "close", "volume")

_STRUCTURE = np.dtype(
    [("ts", "i8"), *((name, "f8") for name in PRICES), ("flags", "u1")], align=True
)


def to_pandas(bars: Bars) -> Any:
    """Return a frame indexed by time.

    Parameters
    ----------
    bars
        n bars; they need not be in order.

    Returns
    -------
    pandas.DataFrame
        n rows. The index ``timestamp`` has nanoseconds in the exchange's zone. Columns: ``open high low close volume``
        float64 and ``flags`` uint8, which share memory with the bars. They are read-only: replace a column, or take a
        ``copy()``, to change values.

    Raises
    ------
    MissingDependencyError
        If pandas is not installed. pyarrow is not needed.
    """
    columns = {name: getattr(bars, name) for name in (*PRICES, "flags")}
    index = time_index(bars.ts, bars.zone, name="timestamp")
    return pandas().DataFrame(columns, index=index, copy=False)


def to_polars(bars: Bars) -> Any:
    """Return a polars frame with the columns of ``to_arrow``.

    Raises
    ------
    MissingDependencyError
        If polars is not installed.
    """
    return frame_of_arrow(to_arrow(bars))


def to_arrow(bars: Bars) -> pa.Table:
    """Return an Arrow table.

    Parameters
    ----------
    bars
        n bars; they need not be in order.

    Returns
    -------
    pyarrow.Table
        n rows: ``ts`` timestamp[ns, UTC], ``open high low close volume`` float64, ``flags`` uint8; derived bars also
        have ``constituents`` int32. All share memory with the bars. The schema's metadata hold symbol and interval.
    """
    import pyarrow as pa

    columns = arrow_columns(bars)
    if bars.is_derived:
        columns["constituents"] = pa.array(bars.constituents)
    said = {"symbol": bars.symbol, "interval": bars.interval}
    return pa.table(columns).replace_schema_metadata(said)


def arrow_columns(bars: Bars) -> dict[str, Any]:
    """Return the seven columns as Arrow arrays, which share memory with the bars."""
    import pyarrow as pa

    # A view: the numbers of an int64 column are instants already.
    columns = {"ts": pa.array(bars.ts).view(pa.timestamp("ns", "UTC"))}
    return columns | {n: pa.array(getattr(bars, n)) for n in (*PRICES, "flags")}


def arrow_stream(bars: Bars, requested_schema: object | None = None) -> object:
    """Return the table as an Arrow PyCapsule stream."""
    return to_arrow(bars).__arrow_c_stream__(requested_schema)


def arrow_schema(bars: Bars) -> object:
    """Return the schema of the table as an Arrow PyCapsule."""
    return to_arrow(bars[:0]).schema.__arrow_c_schema__()


def to_structured(bars: Bars) -> NDArray[np.void]:
    """Return one structured array, a copy.

    Returns
    -------
    numpy.ndarray
        Shape (n,). Fields: ``ts`` int64, ``open high low close volume`` float64, ``flags`` uint8.
    """
    rows = np.empty(len(bars), dtype=_STRUCTURE)
    for name, column in bars.to_numpy().items():
        rows[name] = column
    return rows


def as_text(bars: Bars) -> str:
    """Return one line about the bars and a small table: of many bars the first and the last."""
    return _layout(bars).text()


def as_html(bars: Bars) -> str:
    """Return the same as HTML."""
    return _layout(bars).html()


def _layout(bars: Bars) -> Layout:
    rows = len(bars)
    first, last = edges(rows)
    shown = [bars[:first]] + ([bars[-last:]] if last else [])
    columns = {"timestamp": cells([at for part in shown for at in part.timestamps])}
    for name in PRICES:
        numbers = [v for part in shown for v in getattr(part, name).tolist()]
        columns[name] = cells(numbers)
    flags = [int(v) for part in shown for v in part.flags]
    if any(flags):
        columns["flags"] = [_words(value) for value in flags]
    noun = "bar" if rows == 1 else "bars"
    return Layout(
        head=f"Bars({bars.symbol!r}, {bars.interval!r}, {rows} {noun})",
        names=list(columns),
        columns=list(columns.values()),
        numeric=[name in PRICES for name in columns],
        left_out=rows - first - last,
    )


def _words(flags: int) -> str:
    return (Provenance(flags).name or "").lower().replace("|", " ")
