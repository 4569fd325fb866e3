"""``merge``: the bars of many symbols as one table in the order in which they become known. Needs no session."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tapeloom._core import Bars, Interval, merge_bars
from tapeloom.bars import normalise_symbol
from tapeloom.calendars.time_manager import time_manager_for
from tapeloom.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from tapeloom.calendars.time_manager import TimeManager
    from tapeloom.intervals import IntervalLike

__all__ = ["MergedBars", "merge"]

_FIELDS = ("open", "high", "low", "close", "volume")


class MergedBars:
    """Bars of many series in one table; the columns are NumPy arrays of one length.

    Any Arrow-aware tool reads it: ``pl.DataFrame(merged)``, ``duckdb.sql("from merged")``, ``pa.table(merged)``.
    """

    def __init__(
        self,
        sources: Sequence[tuple[str, Interval]],
        source: NDArray[np.int32],
        ts: NDArray[np.int64],
        prices: Mapping[str, NDArray[np.float64]],
        flags: NDArray[np.uint8],
    ) -> None:
        self.sources = tuple(sources)
        """Symbol and interval of each source, in the order given."""
        self.source = source
        """Position in ``sources`` of each bar, int32."""
        self.ts = ts
        """Starts, int64 nanoseconds UTC."""
        self.open = prices["open"]
        self.high = prices["high"]
        self.low = prices["low"]
        self.close = prices["close"]
        self.volume = prices["volume"]
        self.flags = flags

    def __len__(self) -> int:
        return len(self.ts)

    def __repr__(self) -> str:
        return f"MergedBars({len(self):,} bars of {len(self.sources):,} series)"

    def to_arrow(self) -> pa.Table:
        """Return the columns ``symbol, interval, ts, open, high, low, close, volume, flags`` without copying the numbers."""
        import pyarrow as pa

        positions = pa.array(self.source)
        names = [
            pa.DictionaryArray.from_arrays(
                positions, pa.array([str(one[part]) for one in self.sources])
            )
            for part in (0, 1)
        ]
        instants = pa.array(self.ts).view(pa.timestamp("ns", "UTC"))
        return pa.table(
            {"symbol": names[0], "interval": names[1], "ts": instants}
            | {name: pa.array(getattr(self, name)) for name in _FIELDS}
            | {"flags": pa.array(self.flags)}
        )

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    def __arrow_c_schema__(self) -> object:
        return self.to_arrow().schema.__arrow_c_schema__()


def merge(
    data: object,
    *,
    interval: IntervalLike | None = None,
    exchange_group: str | None = None,
    time_manager: TimeManager | None = None,
) -> MergedBars:
    """Merge the bars of many series in the order in which they become known.

    Parameters
    ----------
    data
        A long frame (pandas, polars, Arrow) with a symbol column, a dict of frames, of column dicts or of ``Bars`` by
        symbol, a list of ``Bars``, or a path as ``run`` takes it, of which every stored interval is read. Each series
        is in order of time.
    interval
        Length of the bars of frames; told from their spacing if not given. Of files, the interval to read.
    exchange_group
        Whose sessions end a bar, and in whose zone naive times are; ``"US_EQUITY"``, or the time manager's.
    time_manager
        A calendar with corrections.

    Returns
    -------
    MergedBars
        Arrays of its own. The order is total: end of the bar (never after its session), then interval, finest first,
        then order of the series as given, then row. Up to 256 MiB of a result that nobody holds any more are kept for
        the next one.

    Raises
    ------
    ArgumentError
        If a series is not in order; the text names the series and the row.

    Examples
    --------
    >>> import numpy as np
    >>> import tapeloom
    >>> price = np.ones(2)
    >>> def bars(*minutes):
    ...     ts = 1_751_463_000_000_000_000 + np.array(minutes) * 60_000_000_000
    ...     return {"ts": ts, "open": price, "high": price, "low": price, "close": price, "volume": price}
    >>> merged = tapeloom.merge({"MSFT": bars(0, 2), "AAPL": bars(0, 1)}, interval="1m")
    >>> [merged.sources[source][0] for source in merged.source]
    ['MSFT', 'AAPL', 'AAPL', 'MSFT']
    """
    manager = time_manager_for(exchange_group, time_manager)
    series = _series(data, interval, manager)
    try:
        columns = merge_bars(
            [bars for _, bars in series],
            manager.session_table,
            threads=os.cpu_count() or 1,
        )
    except ArgumentError as error:
        at = error.facts.get("source")
        if not isinstance(at, int):
            raise
        symbol, bars = series[at]
        text = f"{symbol} {bars.interval} is not in order: row {error.facts['row']} begins before the row above it"
        raise ArgumentError(text, symbol=symbol, row=error.facts["row"]) from error
    return MergedBars(
        [(symbol, Interval(bars.interval)) for symbol, bars in series], *columns
    )


def _series(
    data: object, interval: IntervalLike | None, manager: TimeManager
) -> list[tuple[str, Bars]]:
    if isinstance(data, str | Path):
        return _stored(str(data), interval, manager)
    if isinstance(data, Bars):
        return [(data.symbol, data)]
    if isinstance(data, Mapping) and data and _all_bars(data.values()):
        return [(normalise_symbol(symbol), bars) for symbol, bars in data.items()]
    if isinstance(data, list | tuple) and data and _all_bars(data):
        return [(bars.symbol, bars) for bars in data]
    from tapeloom.columns import read_frame

    found = read_frame(
        data, zone=manager.timezone, table=manager.session_table, interval=interval
    )
    return list(found.items())


def _all_bars(values: Any) -> bool:
    return all(isinstance(value, Bars) for value in values)


def _stored(
    path: str, interval: IntervalLike | None, manager: TimeManager
) -> list[tuple[str, Bars]]:
    from tapeloom.storage.data_manager import DataManager

    stored = DataManager(path, time_manager=manager)
    wanted = None if interval is None else str(Interval(interval))
    return [
        (symbol, stored.read(symbol, kept, None, None))
        for symbol in stored.get_symbols()
        for kept in stored.get_intervals(symbol)
        if wanted in (None, kept)
    ]
