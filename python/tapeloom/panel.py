"""One field of many symbols as an array of times x symbols, for those who vectorise. Knows no storage and no session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tapeloom._core import Bars
from tapeloom.errors import (
    ArgumentError,
    ArgumentTypeError,
    UnknownSymbolError,
    did_you_mean,
)
from tapeloom.gap.grid import expected_bars
from tapeloom.tables.layout import Layout, cells, edges
from tapeloom.tables.libraries import frame_of_arrow, pandas, time_index
from tapeloom.timestamps import from_ns

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime, tzinfo

    import pandas as pd
    import polars as pl
    import pyarrow as pa
    from numpy.typing import DTypeLike, NDArray

    from tapeloom._core import SessionTable

__all__ = ["FIELDS", "Panel", "check_field", "grid_times", "place", "times_met"]

#: What a panel can hold of bars.
FIELDS = ("open", "high", "low", "close", "volume")

# Beyond this many symbols the first are shown.
_MOST_SHOWN = 8


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Panel:
    """One field of many symbols: float64 of shape (times, symbols), NaN where there is no bar. Never changes.

    Examples
    --------
    >>> from datetime import date
    >>> from tapeloom import BarData, SessionData
    >>> session = SessionData()
    >>> session.start_new_session(date(2025, 7, 2))
    >>> for symbol, close in (("AAPL", 10.0), ("MSFT", 20.0)):
    ...     bar = BarData(symbol, 1_751_463_000_000_000_000, close, close, close, close, 100)
    ...     _ = session.add_bar(symbol, bar)
    >>> panel = session.matrix("close")
    >>> panel.values, panel["MSFT"]
    (array([[10., 20.]]), array([20.]))
    """

    values: NDArray[np.float64]
    """Cells, read-only. The column of each symbol is contiguous."""
    ts: NDArray[np.int64]
    """Starts of the bars, int64 ns UTC of shape (times,), rising, read-only."""
    symbols: tuple[str, ...]
    """Symbols, in the order of the columns."""
    field: str
    """What the cells hold: ``open``, ``high``, ``low``, ``close`` or ``volume``."""
    interval: str
    """Interval of the bars as canonical text."""
    zone: tzinfo
    """Zone of the exchange."""

    def __post_init__(self) -> None:
        self.values.flags.writeable = False
        self.ts.flags.writeable = False

    @property
    def shape(self) -> tuple[int, int]:
        """Number of times and of symbols."""
        return len(self.ts), len(self.symbols)

    @property
    def timestamps(self) -> list[datetime]:
        """Starts as aware datetimes in the exchange's zone, made on demand."""
        return [from_ns(ts, self.zone) for ts in self.ts.tolist()]

    def to_pandas(self) -> pd.DataFrame:
        """Return a frame: index of times in the exchange's zone, one column a symbol. No copy of the cells.

        Raises
        ------
        MissingDependencyError
            If pandas is not installed. pyarrow is not needed.
        """
        index = time_index(self.ts, self.zone, name="timestamp")
        columns = pandas().Index(self.symbols, name="symbol")
        frame: pd.DataFrame = pandas().DataFrame(
            self.values, index=index, columns=columns, copy=False
        )
        return frame

    def to_arrow(self) -> pa.Table:
        """Return a wide table: ``timestamp`` as timestamp[ns, UTC], then one float64 column a symbol. No copy of the cells.

        The times are not called ``ts`` here, since that is a symbol to tools that take capitals for small letters.
        """
        import pyarrow as pa

        arrays = [pa.array(self.ts, pa.timestamp("ns", "UTC"))]
        arrays += [pa.array(self.values[:, at]) for at in range(len(self.symbols))]
        about = {"field": self.field, "interval": self.interval}
        names = ["timestamp", *self.symbols]
        return pa.Table.from_arrays(arrays, names, metadata=about)

    def to_polars(self) -> pl.DataFrame:
        """Return a wide frame: ``timestamp`` as Datetime[ns, UTC], then one column a symbol.

        Raises
        ------
        MissingDependencyError
            If polars is not installed.
        """
        frame: pl.DataFrame = frame_of_arrow(self.to_arrow())
        return frame

    def __array__(
        self, dtype: DTypeLike | None = None, copy: bool | None = None
    ) -> NDArray[Any]:
        return np.array(self.values, dtype=dtype, copy=copy)

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    def __arrow_c_schema__(self) -> object:
        return self.to_arrow().schema.__arrow_c_schema__()

    def __len__(self) -> int:
        return len(self.ts)

    def __getitem__(self, symbol: str) -> NDArray[np.float64]:
        """Return the column of a symbol, a read-only view; ``UnknownSymbolError`` for one that is not there."""
        if not isinstance(symbol, str):
            text = f"symbol is {symbol!r} ({type(symbol).__name__}); give text such as 'AAPL', or index .values"
            raise ArgumentTypeError(text, got=symbol)
        name = symbol.strip().upper()
        if name not in self.symbols:
            text = (
                f"symbol {name} is not in this panel{did_you_mean(name, self.symbols)}"
            )
            raise UnknownSymbolError(text, symbol=name)
        return self.values[:, self.symbols.index(name)]

    def __iter__(self) -> Iterator[str]:
        """Go through the symbols, as a frame does."""
        return iter(self.symbols)

    def __reduce__(self) -> tuple[Any, ...]:
        # An unpickled array could be written to unless it goes through the constructor.
        values = np.asfortranarray(self.values)
        facts = (self.symbols, self.field, self.interval, self.zone)
        return Panel, (values, self.ts, *facts)

    def __eq__(self, other: object) -> bool:
        """Whether all is the same: times, symbols, what is shown, and all cells, NaN where NaN is."""
        if not isinstance(other, Panel):
            return NotImplemented
        mine, theirs = (
            (panel.symbols, panel.field, panel.interval, panel.zone)
            for panel in (self, other)
        )
        return (
            mine == theirs
            and np.array_equal(self.ts, other.ts)
            and np.array_equal(self.values, other.values, equal_nan=True)
        )

    __hash__ = None  # type: ignore[assignment]  # as of arrays: the cells are too many

    def __repr__(self) -> str:
        return self._layout().text()

    def _repr_html_(self) -> str:
        """Return the first and last times of the first symbols as a table that needs nothing else; texts are escaped."""
        return self._layout().html()

    def _layout(self) -> Layout:
        rows, columns = self.shape
        first, last = edges(rows)
        shown = [*range(first), *range(rows - last, rows)]
        names = self.symbols[:_MOST_SHOWN]
        times = [from_ns(self.ts[row], self.zone) for row in shown]
        found = [cells(times)]
        found += [cells(self.values[shown, at].tolist()) for at in range(len(names))]
        more = columns > len(names)
        if more:
            found.append(["..."] * len(shown))
        return Layout(
            head=f"Panel({self.field!r}, {self.interval!r}, {rows} times x {columns} symbols)",
            names=["timestamp", *names, *(["..."] if more else [])],
            columns=found,
            numeric=[False, *[True] * len(names), *([False] if more else [])],
            left_out=rows - first - last,
        )


def check_field(field: object) -> str:
    """Return the name of a field of bars, or say which there are."""
    if field not in FIELDS:
        text = f"field is {field!r}; it must be one of {', '.join(FIELDS)}"
        raise ArgumentError(text + did_you_mean(str(field), FIELDS), got=field)
    return str(field)


def place(
    bars: Sequence[Bars | None], grid: NDArray[np.int64], field: str
) -> NDArray[np.float64]:
    """Return one field of the bars of many symbols on common times.

    Parameters
    ----------
    bars
        Bars of each symbol, rising without repeats; ``None`` where there are none.
    grid
        Times in rising order, int64 ns. Bars that start at none of them are left out.
    field
        One of ``FIELDS``.

    Returns
    -------
    NDArray
        float64 of shape (times, symbols) in column order, new; NaN where a symbol has no bar.
    """
    values = np.full((len(grid), len(bars)), np.nan, order="F")
    # Compared as bytes: several times as fast as an array of answers.
    times = grid.tobytes()
    for at, rows in enumerate(bars):
        if rows is None:
            continue
        ts, column = rows.ts, getattr(rows, field)
        # Whole sessions and those whose end is not there yet lie on the first times as they are.
        if times.startswith(ts.tobytes()):
            values[: len(ts), at] = column
        elif len(grid):
            to = np.minimum(grid.searchsorted(ts), len(grid) - 1)
            fits = grid[to] == ts
            values[to[fits], at] = column[fits]
    return values


def times_met(bars: Sequence[Bars | None]) -> NDArray[np.int64]:
    """Return all starts of some bars, each once, rising."""
    met = [rows.ts for rows in bars if rows is not None]
    return np.unique(np.concatenate([np.empty(0, np.int64), *met]))


def grid_times(
    table: SessionTable,
    sessions: Sequence[int],
    interval: str,
    *,
    base: str,
    anchor: str = "session",
    until: int | None = None,
) -> NDArray[np.int64]:
    """Return the starts of the bars that some sessions should have.

    Parameters
    ----------
    sessions
        Positions in the table, rising.
    interval
        Of the bars, at most one session.
    base
        Interval from which they are derived, ``interval`` itself if they are not.
    anchor
        From where their buckets are counted.
    until
        Leaves out bars that end later, ns.

    Returns
    -------
    NDArray
        int64 ns, rising.
    """
    found = [np.empty(0, np.int64)]
    for index in sessions:
        starts, ends = expected_bars(table, index, interval, base=base, anchor=anchor)
        found.append(starts if until is None else starts[ends <= until])
    return np.concatenate(found)
