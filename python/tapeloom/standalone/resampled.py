"""``ResampledBars``: coarser bars of some symbols, by symbol and as one table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tapeloom.errors import UnknownSymbolError, did_you_mean
from tapeloom.tables.bars import PRICES, arrow_columns
from tapeloom.tables.libraries import frame_of_arrow, pandas, text_dtype, time_index

if TYPE_CHECKING:
    from collections.abc import ItemsView, Iterator, KeysView, ValuesView
    from datetime import tzinfo

    import pyarrow as pa

    from tapeloom._core import Bars

__all__ = ["ResampledBars"]


if TYPE_CHECKING:

    class _BySymbol(Mapping[str, "Bars"]):
        """What resampled bars are to a type checker."""
else:

    class _BySymbol:
        """Not a ``Mapping`` at run time: polars would take each symbol for a column, and never ask for the table."""


class ResampledBars(_BySymbol):
    """The bars of one interval by symbol, in the order of the data; as a table, a symbol's bars behind each other's.

    It reads like a dict. What reads Arrow takes it as it is: ``polars.DataFrame(bars)``, ``duckdb.sql("from bars")``,
    ``pyarrow.table(bars)``; and so do ``tapeloom.check``, ``merge`` and ``replay``.
    """

    def __init__(self, bars: Mapping[str, Bars], interval: str, zone: tzinfo) -> None:
        self._bars = dict(bars)
        self._zone = zone
        self.interval = interval

    def __getitem__(self, symbol: str) -> Bars:
        if symbol not in self._bars:
            text = f"symbol {symbol} is not among the bars{did_you_mean(str(symbol), self._bars)}"
            raise UnknownSymbolError(text, symbol=symbol)
        return self._bars[symbol]

    def __iter__(self) -> Iterator[str]:
        return iter(self._bars)

    def __len__(self) -> int:
        return len(self._bars)

    def __contains__(self, symbol: object) -> bool:
        return symbol in self._bars

    def keys(self) -> KeysView[str]:
        """Return the symbols."""
        return self._bars.keys()

    def values(self) -> ValuesView[Bars]:
        """Return the bars of each symbol."""
        return self._bars.values()

    def items(self) -> ItemsView[str, Bars]:
        """Return symbols with their bars."""
        return self._bars.items()

    def get(self, symbol: str, default: Any = None) -> Any:
        """Return the bars of a symbol, or the default."""
        return self._bars.get(symbol, default)

    def __repr__(self) -> str:
        rows = sum(len(bars) for bars in self.values())
        symbols = "1 symbol" if len(self) == 1 else f"{len(self):,} symbols"
        return f"ResampledBars({rows:,} {self.interval} bars of {symbols})"

    def to_arrow(self) -> pa.Table:
        """Return ``symbol, ts, open, high, low, close, volume, flags, constituents``, one chunk for each symbol.

        ``ts`` is timestamp[ns, UTC]. The numbers share memory with the bars.
        """
        import pyarrow as pa

        schema = _schema()
        parts = []
        for symbol, bars in self.items():
            columns = {"symbol": pa.repeat(symbol, len(bars)), **arrow_columns(bars)}
            columns["constituents"] = pa.array(bars.constituents)
            parts.append(pa.RecordBatch.from_pydict(columns, schema=schema))
        return pa.Table.from_batches(parts, schema=schema)

    def to_polars(self) -> Any:
        """Return a polars frame with the columns of ``to_arrow``.

        Raises
        ------
        MissingDependencyError
            If polars is not installed.
        """
        return frame_of_arrow(self.to_arrow())

    def to_pandas(self) -> Any:
        """Return a pandas frame with the rows of ``to_arrow``, a copy.

        Returns
        -------
        pandas.DataFrame
            The index ``timestamp`` has nanoseconds in the exchange's zone; it repeats, since a symbol comes after the
            other. Columns: ``symbol``, ``open high low close volume``, ``flags``, ``constituents``.

        Raises
        ------
        MissingDependencyError
            If pandas is not installed. pyarrow is not needed.
        """
        parts = list(self.values())
        names = np.repeat(
            np.array([bars.symbol for bars in parts], object),
            [len(bars) for bars in parts],
        )
        index = time_index(
            _joined([b.ts for b in parts], np.int64), self._zone, name="timestamp"
        )
        columns = {"symbol": pandas().Series(names, index=index, dtype=text_dtype())}
        for name in PRICES:
            columns[name] = _joined([getattr(b, name) for b in parts], np.float64)
        columns["flags"] = _joined([b.flags for b in parts], np.uint8)
        columns["constituents"] = _joined([b.constituents for b in parts], np.int32)
        return pandas().DataFrame(columns, index=index, copy=False)

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    def __arrow_c_schema__(self) -> object:
        return _schema().__arrow_c_schema__()


def _schema() -> pa.Schema:
    import pyarrow as pa

    return pa.schema(
        {
            "symbol": pa.string(),
            "ts": pa.timestamp("ns", "UTC"),
            **dict.fromkeys(PRICES, pa.float64()),
            "flags": pa.uint8(),
            "constituents": pa.int32(),
        }
    )


def _joined(parts: list[Any], dtype: type) -> Any:
    return np.concatenate(parts) if parts else np.empty(0, dtype)
