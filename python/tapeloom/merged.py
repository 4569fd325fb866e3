"""``merge``: the bars of many symbols as one table in the order in which they become known. Needs no session."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from tapeloom._core import (
    Bars,
    Interval,
    MergedColumns,
    Merging,
    PiecewiseMerge,
)
from tapeloom.bars import normalise_symbol
from tapeloom.calendars.given_exchange import time_manager_for
from tapeloom.errors import ArgumentError, ArgumentTypeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from tapeloom._core import BarData, SessionTable
    from tapeloom.calendars.time_manager import TimeManager
    from tapeloom.intervals import IntervalLike

__all__ = ["MergedBars", "merge", "merge_pieces"]

_FIELDS = ("open", "high", "low", "close", "volume")

#: Position of the source, start, prices with volume, flags.
_Columns: TypeAlias = "tuple[NDArray[np.int32], NDArray[np.int64], dict[str, NDArray[np.float64]], NDArray[np.uint8]]"


class MergedBars(MergedColumns):
    """Bars of many series in one table; the columns are NumPy arrays of one length, read-only views.

    Any Arrow-aware tool reads it: ``pl.DataFrame(merged)``, ``duckdb.sql("from merged")``, ``pa.table(merged)``.
    """

    __slots__ = ()

    def known_at(self) -> NDArray[np.int64]:
        """Return the instant from which each bar may be used, int64 nanoseconds UTC: its end, never after its session."""
        source, ts = self.source, self.ts
        intervals = [interval for _, interval in self.sources]
        if len(set(intervals)) == 1:
            return self._table.known_at(ts, intervals[0])
        known = np.empty_like(ts)
        for interval in dict.fromkeys(intervals):
            of_interval = np.array([each == interval for each in intervals])[source]
            known[of_interval] = self._table.known_at(ts[of_interval], interval)
        return known

    def instants(self) -> Iterator[tuple[int, MergedBars]]:
        """Yield each instant at which bars become known, in nanoseconds UTC, with these bars; columns are views."""
        return self._instants()

    def each(self, call: Callable[[BarData], object]) -> int:
        """Call a function with each bar in order and return their number.

        A bar is made when it is delivered; the function may keep it. What the function raises ends the delivery.
        """
        if not callable(call):
            text = f"call is {type(call).__name__}; it must be a function of one bar"
            raise ArgumentTypeError(text)
        return self._each(call)

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
    symbol: str | None = None,
    interval: IntervalLike | None = None,
    exchange_group: str | None = None,
    time_manager: TimeManager | None = None,
    allow_negative_prices: bool = False,
) -> MergedBars:
    """Merge the bars of many series in the order in which they become known.

    Parameters
    ----------
    data
        A long frame (pandas, polars, Arrow) with a symbol column, a dict of frames, of column dicts or of ``Bars`` by
        symbol, a list of ``Bars``, or a path as ``run`` takes it, of which every stored interval is read. Each series
        is in order of time.
    symbol
        Whose bars these are, if a frame does not say.
    interval
        Length of the bars of frames; told from their spacing if not given. Of files, the interval to read.
    exchange_group
        Whose sessions end a bar, and in whose zone naive times are; ``"US_EQUITY"``, or the time manager's.
    time_manager
        A calendar with corrections.
    allow_negative_prices
        Whether prices of frames and files may be zero or below. ``Bars`` are taken as they are.

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
    InvalidBarError
        If a row of a frame or file breaks a rule of a bar.
    MissingDataError, ImportMismatchError, CorruptFileError, StorageError
        If files are missing, would have to be read in another way to fit, are damaged or cannot be read.

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
    lenient = allow_negative_prices
    series = _series(data, symbol, interval, manager, allow_negative_prices=lenient)
    try:
        merging = Merging(series, manager.session_table, threads=os.cpu_count() or 1)
    except ArgumentError as error:
        at = error.facts.get("source")
        if not isinstance(at, int):
            raise
        symbol, bars = series[at]
        text = f"{symbol} {bars.interval} is not in order: row {error.facts['row']} begins before the row above it"
        raise ArgumentError(text, symbol=symbol, row=error.facts["row"]) from error
    return MergedBars(merging)


def merge_pieces(
    sources: Mapping[str, Iterable[Bars]],
    *,
    rows: int = 65_536,
    exchange_group: str | None = None,
    time_manager: TimeManager | None = None,
) -> Iterator[MergedBars]:
    """Merge series that arrive in pieces, such as row groups of files, without loading any of them as a whole.

    Parameters
    ----------
    sources
        For each symbol its bars, piece by piece, in order of time; a generator is read only as far as it is needed.
    rows
        Bars in each table that comes out, at most.
    exchange_group
        Whose sessions end a bar; ``"US_EQUITY"``, or the time manager's.
    time_manager
        A calendar with corrections.

    Yields
    ------
    MergedBars
        The next bars in the order of ``merge``. Memory holds one piece of each source and one table.

    Raises
    ------
    ArgumentError
        If a series is not in order, or changes its interval.
    """
    if rows < 1:
        text = f"rows is {rows}; it must be at least 1"
        raise ArgumentError(text, got=rows)
    table = time_manager_for(exchange_group, time_manager).session_table
    return _merged_pieces(sources, rows, table)


def _merged_pieces(
    sources: Mapping[str, Iterable[Bars]], rows: int, table: SessionTable
) -> Iterator[MergedBars]:
    waiting = {normalise_symbol(name): iter(pieces) for name, pieces in sources.items()}
    # A source without any piece has no interval and no bars.
    firsts = {name: next(pieces, None) for name, pieces in waiting.items()}
    begun = [(name, first) for name, first in firsts.items() if first is not None]
    merging = PiecewiseMerge([first.interval for _, first in begun], table)
    given: dict[int, Bars] = {at: first for at, (_, first) in enumerate(begun)}
    taken: list[_Columns] = []
    room = rows
    while True:
        needs = merging.needs()
        if needs is not None:
            piece = given.pop(needs, None) or next(waiting[begun[needs][0]], None)
            if piece is None:
                merging.end()
            else:
                _feed(merging, piece, begun[needs][0])
            continue
        columns = merging.take(room)
        found = len(columns[0])
        if found:
            taken.append(columns)
            room -= found
        if taken and (room == 0 or not found):
            yield MergedBars(Merging.done(begun, table, _joined(taken)))
            taken, room = [], rows
        if not found:
            return


def _feed(merging: PiecewiseMerge, piece: Bars, symbol: str) -> None:
    try:
        merging.feed(piece)
    except ArgumentError as error:
        row = error.facts.get("row")
        if row is None:
            text = f"{symbol}: {error}"
        else:
            text = f"{symbol} {piece.interval} is not in order: row {row} begins before the row above it"
        raise ArgumentError(text, symbol=symbol, **error.facts) from error


def _joined(parts: Sequence[_Columns]) -> _Columns:
    if len(parts) == 1:
        return parts[0]
    sources, stamps, prices, flags = zip(*parts, strict=True)
    joined = {name: np.concatenate([p[name] for p in prices]) for name in _FIELDS}
    return (
        np.concatenate(sources),
        np.concatenate(stamps),
        joined,
        np.concatenate(flags),
    )


def _series(
    data: object,
    symbol: str | None,
    interval: IntervalLike | None,
    manager: TimeManager,
    *,
    allow_negative_prices: bool,
) -> list[tuple[str, Bars]]:
    if isinstance(data, str | os.PathLike):
        return _stored(os.fspath(data), interval, manager, allow_negative_prices)
    if isinstance(data, Bars):
        return [(data.symbol, data)]
    if isinstance(data, Mapping) and data and _all_bars(data.values()):
        return [(normalise_symbol(symbol), bars) for symbol, bars in data.items()]
    if isinstance(data, list | tuple) and data and _all_bars(data):
        return [(bars.symbol, bars) for bars in data]
    from tapeloom.columns import read_frame
    from tapeloom.storage.bad_rows import without_bad_rows
    from tapeloom.storage.notes import Notes

    found = read_frame(
        data,
        zone=manager.timezone,
        table=manager.session_table,
        symbol=symbol,
        interval=interval,
    )
    for bars in found.values():
        without_bad_rows(
            bars,
            source="data",
            rows=None,
            on_invalid="error",
            allow_negative_prices=allow_negative_prices,
            notes=Notes(),
        )
    return list(found.items())


def _all_bars(values: Any) -> bool:
    return all(isinstance(value, Bars) for value in values)


def _stored(
    path: str,
    interval: IntervalLike | None,
    manager: TimeManager,
    allow_negative_prices: bool,
) -> list[tuple[str, Bars]]:
    from tapeloom.storage.data_manager import DataManager

    stored = DataManager(
        path, time_manager=manager, allow_negative_prices=allow_negative_prices
    )
    wanted = None if interval is None else str(Interval(interval))
    return [
        (symbol, stored.read(symbol, kept, None, None))
        for symbol in stored.get_symbols()
        for kept in stored.get_intervals(symbol)
        if wanted in (None, kept)
    ]
