"""Ticks and quotes as values, and the newest of them read together."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Generic,
    Self,
    SupportsIndex,
    TypeVar,
    overload,
)

import numpy as np

from tapeloom.bars import normalise_symbol
from tapeloom.errors import ArgumentError, ArgumentTypeError, TimestampError
from tapeloom.tables.layout import Layout, cells, edges
from tapeloom.tables.libraries import frame_of_arrow, pandas, text_dtype, time_index
from tapeloom.timestamps import from_ns, to_ns

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import tzinfo

    import pandas as pd
    import polars as pl
    import pyarrow as pa
    from numpy.typing import NDArray

    from tapeloom.timestamps import TimestampLike

__all__ = ["Quote", "Quotes", "TickData", "Ticks"]


class _Moment(datetime):
    """A datetime that also holds what lies below a microsecond, under the name that pandas gives it."""

    nanosecond: int = 0

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        plain = datetime.combine(self.date(), self.timetz())
        return _moment, (plain, self.nanosecond)


def _moment(at: datetime, nanosecond: int) -> datetime:
    if not nanosecond:
        return at
    exact = _Moment.combine(at.date(), at.timetz())
    exact.nanosecond = nanosecond
    return exact


class _Event:
    """Something that happened to a symbol at an instant: what a tick and a quote have in common."""

    # No field, so that it is no part of what ``dataclasses`` hands out.
    __slots__ = ("_instant",)

    if TYPE_CHECKING:
        __match_args__: ClassVar[tuple[str, ...]]
        symbol: str
        timestamp: datetime
        _instant: int | datetime

    def __post_init__(self) -> None:
        object.__setattr__(self, "symbol", normalise_symbol(self.symbol))
        when: object = self.timestamp
        if isinstance(when, datetime) and when == when and when.utcoffset() is None:
            object.__setattr__(self, "_instant", when)
            return
        ts = to_ns(when, UTC)
        object.__setattr__(self, "_instant", ts)
        if not isinstance(when, datetime):
            object.__setattr__(self, "timestamp", _time_at(ts, UTC))

    @property
    def ts(self) -> int:
        """Instant, ns UTC; ``TimestampError`` while it is wall time without a zone."""
        if isinstance(self._instant, datetime):
            text = f"timestamp {self.timestamp} has no zone; the session it is added to resolves it, or give it a zone"
            raise TimestampError(text, got=self.timestamp)
        return self._instant

    def resolved(self, zone: tzinfo) -> Self:
        """Return the same with its time in a zone, which a time without one is read in."""
        ts = to_ns(self._instant, zone)
        found = object.__new__(type(self))
        for name in self.__match_args__:
            object.__setattr__(found, name, getattr(self, name))
        object.__setattr__(found, "_instant", ts)
        object.__setattr__(found, "timestamp", _time_at(ts, zone))
        return found

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[object, ...]:
        # The instant instead of the timestamp: the same one may be written in several zones.
        names = (name for name in self.__match_args__ if name != "timestamp")
        return (self._instant, *(getattr(self, name) for name in names))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), tuple(getattr(self, name) for name in self.__match_args__)

    def _check(self, name: str, *, above_zero: bool = False) -> None:
        """Make a field a float, or say why it cannot be one."""
        value: object = getattr(self, name)
        where = f"{name} of {self.symbol} at {self.timestamp} is"
        if isinstance(value, bool) or not isinstance(
            value, int | float | np.integer | np.floating
        ):
            text = f"{where} {value!r} ({type(value).__name__}); it must be a number"
            raise ArgumentTypeError(text, symbol=self.symbol, field=name, got=value)
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number) or number < 0 or (above_zero and number == 0):
            rule = "above 0" if above_zero else "0 or more"
            text = f"{where} {number}; it must be finite and {rule}"
            raise ArgumentError(text, symbol=self.symbol, field=name, got=value)
        object.__setattr__(self, name, number)


def _time_at(ts: int, zone: tzinfo) -> datetime:
    return _moment(from_ns(ts, zone), ts % 1_000)


@dataclass(frozen=True, slots=True, eq=False)
class TickData(_Event):
    """One trade. Frozen, comparable, hashable; known at its own time.

    Parameters
    ----------
    symbol
        Symbol, kept stripped and upper-cased.
    timestamp
        Any accepted time. A naive one is kept as given until a session resolves it.
    price
        Finite and above 0.
    size
        Finite, 0 or more.

    Raises
    ------
    ArgumentError
        For a price or size that breaks its rule; ``ArgumentTypeError`` if it is no number.
    """

    symbol: str
    timestamp: datetime
    price: float
    size: float

    if TYPE_CHECKING:
        # The field is a datetime once it is there; what may be given is more.
        def __init__(
            self, symbol: str, timestamp: TimestampLike, price: float, size: float
        ) -> None: ...

    def __post_init__(self) -> None:
        # Not super(): a slotted dataclass is another class than the one this is written in.
        _Event.__post_init__(self)
        self._check("price", above_zero=True)
        self._check("size")


@dataclass(frozen=True, slots=True, eq=False)
class Quote(_Event):
    """The best bid and ask at an instant. Frozen, comparable, hashable; known at its own time.

    Parameters
    ----------
    symbol
        Symbol, kept stripped and upper-cased.
    timestamp
        Any accepted time. A naive one is kept as given until a session resolves it.
    bid, ask
        Finite, 0 or more; 0 where nobody bids or offers. Quotes that cross (``bid > ask``) occur in real feeds and are
        accepted.
    bid_size, ask_size
        Finite, 0 or more.
    source
        Where it comes from: ``"feed"``, or ``"bar"`` when made from a bar.

    Raises
    ------
    ArgumentError
        For a value that breaks its rule; ``ArgumentTypeError`` if it has the wrong type.
    """

    symbol: str
    timestamp: datetime
    bid: float
    ask: float
    bid_size: float = 0.0
    ask_size: float = 0.0
    source: str = "feed"

    if TYPE_CHECKING:

        def __init__(
            self,
            symbol: str,
            timestamp: TimestampLike,
            bid: float,
            ask: float,
            bid_size: float = 0.0,
            ask_size: float = 0.0,
            source: str = "feed",
        ) -> None: ...

    def __post_init__(self) -> None:
        _Event.__post_init__(self)
        for name in ("bid", "ask", "bid_size", "ask_size"):
            self._check(name)
        text = f"source is {self.source!r}; it must be a word such as 'feed'"
        if not isinstance(self.source, str):
            raise ArgumentTypeError(text, got=self.source)
        if not self.source.strip():
            raise ArgumentError(text, got=self.source)


_Row = TypeVar("_Row", TickData, Quote)


# No Sequence: polars would take one for a list of dataclasses instead of asking for columns.
class _Rows(Generic[_Row]):
    """Rows of one symbol, oldest first; never changes."""

    __slots__ = ("_rows", "_symbol", "_zone")
    _numbers: ClassVar[tuple[str, ...]] = ()
    _texts: ClassVar[tuple[str, ...]] = ()

    def __init__(self, symbol: str, rows: Iterable[_Row], zone: tzinfo) -> None:
        self._symbol = symbol
        self._rows: tuple[_Row, ...] = tuple(rows)
        self._zone = zone

    @property
    def symbol(self) -> str:
        """Symbol, upper-cased."""
        return self._symbol

    @property
    def ts(self) -> NDArray[np.int64]:
        """Instants, int64 ns UTC of shape (n,), read-only; a copy."""
        return _frozen(np.array([row.ts for row in self._rows], dtype=np.int64))

    def to_numpy(self) -> dict[str, NDArray[Any]]:
        """Return the columns by name: ``ts`` int64 and float64 of shape (n,), read-only copies."""
        return {"ts": self.ts} | {name: self._column(name) for name in self._numbers}

    def to_list(self) -> list[_Row]:
        """Return the rows one by one."""
        return list(self._rows)

    def to_arrow(self) -> pa.Table:
        """Return a table with ``ts`` as timestamp[ns, UTC] and the other columns; a copy."""
        import pyarrow as pa

        columns: dict[str, Any] = {"ts": pa.array(self.ts, pa.timestamp("ns", "UTC"))}
        columns |= {name: pa.array(self._column(name)) for name in self._numbers}
        for name in self._texts:
            texts = [getattr(row, name) for row in self._rows]
            columns[name] = pa.array(texts, pa.string())
        return pa.table(columns).replace_schema_metadata({"symbol": self._symbol})

    def to_pandas(self) -> pd.DataFrame:
        """Return a frame indexed by time in the exchange's zone, in nanoseconds; a copy.

        Raises
        ------
        MissingDependencyError
            If pandas is not installed. pyarrow is not needed.
        """
        index = time_index(self.ts, self._zone, name="timestamp")
        columns: dict[str, Any] = {name: self._column(name) for name in self._numbers}
        for name in self._texts:
            texts = [getattr(row, name) for row in self._rows]
            columns[name] = pandas().Series(texts, index=index, dtype=text_dtype())
        frame: pd.DataFrame = pandas().DataFrame(columns, index=index)
        return frame

    def to_polars(self) -> pl.DataFrame:
        """Return a frame with ``ts`` as Datetime[ns, UTC] and the other columns; a copy.

        Raises
        ------
        MissingDependencyError
            If polars is not installed.
        """
        frame: pl.DataFrame = frame_of_arrow(self.to_arrow())
        return frame

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    def __arrow_c_schema__(self) -> object:
        return self.to_arrow().schema.__arrow_c_schema__()

    def _column(self, name: str) -> NDArray[np.float64]:
        values = [getattr(row, name) for row in self._rows]
        return _frozen(np.array(values, dtype=np.float64))

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, at: int) -> _Row: ...
    @overload
    def __getitem__(self, at: slice) -> Self: ...
    def __getitem__(self, at: int | slice) -> _Row | Self:
        if isinstance(at, slice):
            return type(self)(self._symbol, self._rows[at], self._zone)
        return self._rows[at]

    def __iter__(self) -> Iterator[_Row]:
        return iter(self._rows)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, type(self)):
            return NotImplemented
        return (self._symbol, self._rows) == (other._symbol, other._rows)

    def __hash__(self) -> int:
        return hash((self._symbol, self._rows))

    def __repr__(self) -> str:
        return self._layout().text()

    def _repr_html_(self) -> str:
        return self._layout().html()

    def _layout(self) -> Layout:
        rows = len(self)
        first, last = edges(rows)
        shown = self._rows[:first] + (self._rows[-last:] if last else ())
        names = ("timestamp", *self._numbers, *self._texts)
        noun = type(self).__name__.lower()
        return Layout(
            head=f"{type(self).__name__}({self._symbol!r}, {rows} {noun[:-1] if rows == 1 else noun})",
            names=names,
            columns=[cells([getattr(row, name) for row in shown]) for name in names],
            numeric=[name in self._numbers for name in names],
            left_out=rows - first - last,
        )


class Ticks(_Rows[TickData]):
    """Trades of one symbol, oldest first; never changes. Columns are read-only copies of shape (n,)."""

    __slots__ = ()
    _numbers = ("price", "size")

    @property
    def price(self) -> NDArray[np.float64]:
        """Prices, float64."""
        return self._column("price")

    @property
    def size(self) -> NDArray[np.float64]:
        """Sizes, float64."""
        return self._column("size")


class Quotes(_Rows[Quote]):
    """Quotes of one symbol, oldest first; never changes. Columns are read-only copies of shape (n,)."""

    __slots__ = ()
    _numbers = ("bid", "ask", "bid_size", "ask_size")
    _texts = ("source",)

    @property
    def bid(self) -> NDArray[np.float64]:
        """Best bids, float64."""
        return self._column("bid")

    @property
    def ask(self) -> NDArray[np.float64]:
        """Best offers, float64."""
        return self._column("ask")

    @property
    def bid_size(self) -> NDArray[np.float64]:
        """Sizes bid for, float64."""
        return self._column("bid_size")

    @property
    def ask_size(self) -> NDArray[np.float64]:
        """Sizes offered, float64."""
        return self._column("ask_size")


def _frozen(column: NDArray[Any]) -> NDArray[Any]:
    column.flags.writeable = False
    return column
