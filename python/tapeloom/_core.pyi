"""Core of tapeloom, written in Rust.

Instants are int64 nanoseconds since 1970-01-01 UTC. Columns are one-dimensional and read-only.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, tzinfo
from os import PathLike
from pathlib import Path
from typing import Any, Literal, Self, final, overload

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray
from typing_extensions import disjoint_base

from tapeloom.ingest import Outcome
from tapeloom.intervals import IntervalLike
from tapeloom.timestamps import TimestampLike

__all__ = [
    "BarData",
    "Bars",
    "Batch",
    "Cursor",
    "Group",
    "Interval",
    "Journal",
    "JournalReader",
    "JournalRecords",
    "JournalReplay",
    "Live",
    "MarketHours",
    "MergedColumns",
    "Merging",
    "PiecewiseMerge",
    "RealtimeIndicators",
    "Replay",
    "SessionTable",
    "SimulatedDisk",
    "Store",
    "Subscription",
    "Timings",
    "__version__",
    "bars_of_frame",
    "cut_session",
    "daily_values",
    "earliest_start",
    "merge_bars",
    "merge_order",
    "minute_average",
    "missing_runs",
    "resample",
    "rolling_average",
    "rolling_extreme",
]
if sys.platform != "win32":
    __all__ += ["BusyPoll"]

__version__: str

_Int64 = NDArray[np.int64]
_Float64 = NDArray[np.float64]
_Counts = tuple[int, int, int, int, int, int, int]
_Runs = list[tuple[int, int, int]]
_Instants = NDArray[np.int64] | NDArray[np.datetime64]
# Count; total, minimum, maximum, mean, p50 and p99 in seconds, None before the first.
_Timing = tuple[int, tuple[float, float, float, float, float, float] | None]
_SessionType = Literal["pre_market", "regular", "break", "post_market", "closed"]

@final
class Interval:
    """Length of a bar: a number of seconds below 24 hours, or of sessions or weeks. Ordered by length, hashable."""

    def __new__(cls, value: IntervalLike) -> Self:
        """Read minutes (int), text such as ``"5m"``, a timedelta or an Interval; else ``IntervalError``."""
    @property
    def text(self) -> str:
        """Canonical text in the largest unit that divides it: ``"90m"``, ``"1h"``, ``"1d"``."""
    @property
    def ns(self) -> int | None:
        """Length in nanoseconds; ``None`` for days and weeks, whose length the calendar decides."""
    def divides(self, other: IntervalLike) -> bool:
        """Whether every bucket of ``other`` is a union of buckets of this interval."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __lt__(self, other: Interval, /) -> bool: ...
    def __le__(self, other: Interval, /) -> bool: ...
    def __gt__(self, other: Interval, /) -> bool: ...
    def __ge__(self, other: Interval, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __getnewargs__(self) -> tuple[str]: ...

@final
class SessionTable:
    """All sessions of one calendar, immutable, in rising order. Its arrays are read-only."""

    def __new__(
        cls,
        *,
        calendar: str,
        zone: tzinfo,
        fingerprint: str,
        first_day: int,
        last_day: int,
        covered: tuple[int, int],
        dates: NDArray[np.int32],
        segment_offsets: _Int64,
        segment_starts: _Int64,
        segment_ends: _Int64,
        pre_opens: _Int64,
        post_closes: _Int64,
        span_starts: _Int64,
        span_ends: _Int64,
    ) -> Self:
        """Check and freeze the columns; ``ArgumentError`` for lengths that differ or hours that do not nest."""
    @property
    def calendar(self) -> str:
        """Name of the calendar."""
    @property
    def zone(self) -> tzinfo:
        """Zone of the exchange."""
    @property
    def fingerprint(self) -> str:
        """Digest of calendar, versions, range and content."""
    @property
    def first_day(self) -> int:
        """First day the table covers, with or without a session, days since 1970-01-01."""
    @property
    def last_day(self) -> int:
        """Last day the table covers."""
    @property
    def covered(self) -> tuple[int, int]:
        """The time the table covers, ``[start, end)`` ns."""
    @property
    def dates(self) -> NDArray[np.int32]:
        """Session dates, days since 1970-01-01."""
    @property
    def opens(self) -> _Int64:
        """Regular opens, ns."""
    @property
    def closes(self) -> _Int64:
        """Regular closes, ns."""
    @property
    def segment_offsets(self) -> _Int64:
        """Regular stretches of session i are ``[offsets[i], offsets[i + 1])``."""
    @property
    def segment_starts(self) -> _Int64:
        """Starts of the regular stretches, ns."""
    @property
    def segment_ends(self) -> _Int64:
        """Ends of the regular stretches, ns."""
    @property
    def pre_opens(self) -> _Int64:
        """Starts of pre-market trading, ns; the open where there is none."""
    @property
    def post_closes(self) -> _Int64:
        """Ends of post-market trading, ns; the close where there is none."""
    @property
    def span_starts(self) -> _Int64:
        """Starts of the time that belongs to each session date, ns."""
    @property
    def span_ends(self) -> _Int64:
        """Ends of the time that belongs to each session date, ns."""
    def __len__(self) -> int: ...
    def index_of(self, day: int) -> int | None:
        """Position of a date (days since 1970-01-01), ``None`` when it does not trade."""
    def sessions_before(self, day: int) -> int:
        """Number of sessions before a day; days outside the covered ones count as the nearest."""
    @overload
    def session_of(self, ts: TimestampLike) -> int | None: ...
    @overload
    def session_of(self, ts: _Instants) -> _Int64:
        """Position of the session to whose date an instant belongs; ``None``, in an array -1, for none."""
    def sessions_with(self, bars: Bars) -> list[int]:
        """Positions of the sessions to whose dates bars belong, rising; the bars must be sorted."""
    @overload
    def is_open(self, ts: TimestampLike, include_extended: bool = False) -> bool: ...
    @overload
    def is_open(
        self, ts: _Instants, include_extended: bool = False
    ) -> NDArray[np.bool_]:
        """Whether the market trades: ``open <= ts < close``, false in a break.

        This and the next four take one instant or a 1-d array of them, int64 ns or datetime64, and answer in kind.
        What the table does not cover is ``OutOfCalendarError``; in an array it names the first such row.
        """
    @overload
    def next_open(self, ts: TimestampLike) -> int: ...
    @overload
    def next_open(self, ts: _Instants) -> _Int64:
        """First regular open after an instant, ns; ``OutOfCalendarError`` if the table knows of none."""
    @overload
    def next_close(self, ts: TimestampLike) -> int: ...
    @overload
    def next_close(self, ts: _Instants) -> _Int64:
        """First regular close after an instant, ns."""
    @overload
    def previous_open(self, ts: TimestampLike) -> int: ...
    @overload
    def previous_open(self, ts: _Instants) -> _Int64:
        """Last regular open before an instant, ns."""
    @overload
    def previous_close(self, ts: TimestampLike) -> int: ...
    @overload
    def previous_close(self, ts: _Instants) -> _Int64:
        """Last regular close before an instant, ns."""
    def session_type(self, ts: TimestampLike) -> _SessionType:
        """What the market does at an instant."""
    def segments(self, index: int) -> list[tuple[int, int]]:
        """Regular stretches of a session, ``[start, end)`` ns."""
    def grid(self, index: int, interval: IntervalLike) -> _Int64:
        """Expected bar starts of a session, ns; ``IntervalError`` above one session."""
    def group(self, index: int, interval: IntervalLike) -> tuple[int, int]:
        """Positions ``[first, end)`` of the sessions that share a bar with a session; itself alone up to a day."""
    def bar_end(self, ts: int, interval: IntervalLike) -> int:
        """End of a bar, clipped to the last trading it reaches, ns."""
    def known_at(self, ts: _Int64, interval: IntervalLike) -> NDArray[np.int64]:
        """Return the end of each bar, ns."""

@disjoint_base
class MarketHours:
    """Base class of ``TimeManager``: answers what is asked per bar, once it has a table."""

    def __new__(cls, *_args: object, **_kwargs: object) -> Self:
        """Make one without a table."""
    def is_market_open(self, ts: TimestampLike, include_extended: bool = False) -> bool:
        """Return whether the market trades at an instant: ``open <= ts < close``, false in a break.

        Parameters
        ----------
        ts
            The instant.
        include_extended
            Whether pre- and post-market count as open.
        """
    def get_session_type(self, ts: TimestampLike) -> _SessionType:
        """Return ``pre_market``, ``regular``, ``break``, ``post_market`` or ``closed`` at an instant."""
    def _set_table(self, table: SessionTable) -> None: ...

@final
class BarData:
    """One bar of one symbol: frozen, comparable, hashable."""

    def __new__(
        cls,
        symbol: str,
        timestamp: object,
        open: float,
        high: float,
        low: float,
        close: float,
        volume: float,
        interval: IntervalLike = "1m",
        flags: int = 0,
        constituents: int | None = None,
    ) -> Self:
        """Make a bar; what is wrong with it is for the session it is added to.

        The symbol is kept stripped and upper-cased, a blank or unprintable one as given until a session refuses it; a naive
        datetime is kept as given until a session resolves it.
        """
    @property
    def symbol(self) -> str:
        """Symbol, stripped and upper-cased."""
    @property
    def timestamp(self) -> datetime:
        """Start, aware in the exchange's zone; as given for a bar made by a user."""
    @property
    def ts(self) -> int:
        """Start, ns; ``TimestampError`` while it is wall time without a zone."""
    @property
    def end(self) -> datetime:
        """End, clipped to its session, aware."""
    @property
    def available_at(self) -> datetime:
        """Instant from which the bar may be used: its end."""
    @property
    def open(self) -> float:
        """First price."""
    @property
    def high(self) -> float:
        """Highest price."""
    @property
    def low(self) -> float:
        """Lowest price."""
    @property
    def close(self) -> float:
        """Last price."""
    @property
    def volume(self) -> float:
        """Traded volume."""
    @property
    def interval(self) -> str:
        """Interval as canonical text."""
    @property
    def flags(self) -> int:
        """Provenance bits, see ``Provenance``."""
    @property
    def constituents(self) -> int | None:
        """Base bars in a derived bar, ``None`` for a base bar."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __lt__(self, other: object, /) -> bool: ...
    def __le__(self, other: object, /) -> bool: ...
    def __gt__(self, other: object, /) -> bool: ...
    def __ge__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __setattr__(self, name: str, value: object, /) -> None: ...
    def __delattr__(self, name: str, /) -> None: ...
    def __reduce__(self) -> tuple[Any, ...]: ...

@final
class Bars:
    """A snapshot of n bars of one symbol and interval, oldest first; never changes.

    Columns are views of shape (n,) that hold their memory: read-only, and unchanged by whatever happens later. Bars that
    span several pieces of memory are joined once, when a column is first touched.
    """

    @overload
    @staticmethod
    def from_columns(
        symbol: str,
        interval: IntervalLike,
        *,
        ts: _Int64,
        open: _Float64,
        high: _Float64,
        low: _Float64,
        close: _Float64,
        volume: _Float64,
        zone: tzinfo,
        table: SessionTable | None = None,
        flags: NDArray[np.uint8] | None = None,
        constituents: NDArray[np.int32] | None = None,
    ) -> Bars: ...
    @overload
    @staticmethod
    def from_columns(
        symbol: str,
        interval: IntervalLike,
        *,
        ts: _Int64,
        open: _Float64,
        high: _Float64,
        low: _Float64,
        close: _Float64,
        volume: _Float64,
        zone: tzinfo,
        table: SessionTable | None = None,
        flags: NDArray[np.uint8] | None = None,
        constituents: NDArray[np.int32] | None = None,
        anchor: str,
        extended_hours: str = "off",
    ) -> Bars:
        """Copy columns of one length, in the order given; no values are checked, the symbol is stripped and upper-cased.

        With ``constituents`` they are derived bars, which end with their bucket as ``anchor`` and ``extended_hours`` say.
        """
    @staticmethod
    def concat(parts: Sequence[Bars]) -> Bars:
        """Put bars of one symbol and interval behind each other, in the order given."""
    @property
    def symbol(self) -> str:
        """Symbol."""
    @property
    def interval(self) -> str:
        """Interval as canonical text."""
    @property
    def ts(self) -> _Int64:
        """Starts, int64 ns."""
    @property
    def open(self) -> _Float64:
        """First prices, float64."""
    @property
    def high(self) -> _Float64:
        """Highest prices, float64."""
    @property
    def low(self) -> _Float64:
        """Lowest prices, float64."""
    @property
    def close(self) -> _Float64:
        """Last prices, float64."""
    @property
    def volume(self) -> _Float64:
        """Volumes, float64."""
    @property
    def flags(self) -> NDArray[np.uint8]:
        """Provenance bits, uint8."""
    @property
    def constituents(self) -> NDArray[np.int32]:
        """Base bars in each bar, int32; ones for a base series."""
    @property
    def timestamps(self) -> list[datetime]:
        """Starts as aware datetimes, made on demand."""
    @property
    def zone(self) -> tzinfo:
        """Zone in which datetimes come out."""
    @property
    def table(self) -> SessionTable | None:
        """Sessions the bars belong to, where they are known."""
    @property
    def anchor(self) -> str:
        """From where buckets of derived bars are counted: ``"session"``, ``"segment"`` or ``"clock"``."""
    @property
    def extended_hours(self) -> str:
        """What bars of pre- and post-market take part in: ``"off"``, ``"show"`` or ``"full"``."""
    @property
    def is_derived(self) -> bool:
        """Whether the bars are computed from a base series."""
    @overload
    def to_numpy(
        self, *, structured: Literal[False] = False
    ) -> dict[str, NDArray[Any]]: ...
    @overload
    def to_numpy(self, *, structured: Literal[True]) -> NDArray[np.void]:
        """Return the seven columns by name, without a copy; ``structured``: one array with these fields, a copy."""
    def to_pandas(self) -> pd.DataFrame:
        """Return a frame indexed by start in the exchange's zone; columns ``open high low close volume flags``.

        pyarrow is not needed. The columns share memory with the bars where pandas allows it, read-only.
        """
    def to_polars(self) -> pl.DataFrame:
        """Return a polars frame; ``ts`` is Datetime("ns", "UTC")."""
    def to_arrow(self) -> pa.Table:
        """Return an Arrow table; ``ts`` is timestamp[ns, UTC]. The columns share memory with the bars."""
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...
    def __arrow_c_schema__(self) -> object: ...
    def _repr_html_(self) -> str: ...
    def __reduce__(self) -> tuple[Any, ...]: ...
    def __copy__(self) -> Bars: ...
    def __deepcopy__(self, _memo: object, /) -> Bars: ...
    def to_list(self) -> list[BarData]:
        """Return the bars one by one."""
    def is_sorted(self) -> bool:
        """Whether ``ts`` never falls."""
    def sorted(self) -> Bars:
        """Return the bars in order of ``ts``; equal ones keep their order."""
    def between(self, start: int | None, end: int | None) -> Bars:
        """Return the bars with ``ts`` in ``[start, end)`` ns, sharing memory; the bars must be sorted."""
    def within(self, stretches: Sequence[tuple[int, int]]) -> Bars:
        """Return the bars with ``ts`` in any of some stretches ``[start, end)`` ns, which rise and do not meet.

        The bars must be sorted. Memory is shared; rows that do not follow each other there are copied when a column of
        them is touched.
        """
    def find_jumps(self, most: float) -> list[int]:
        """Return the rows whose open is above ``most`` times the close of the row before, or below its ``most``-th part."""
    def aggregate(
        self,
        interval: IntervalLike,
        *,
        table: SessionTable,
        completeness: str = "any",
        anchor: str = "session",
        extended_hours: str = "off",
    ) -> Bars:
        """Return the derived bars of a coarser interval; the bars must be sorted and without repeats."""
    def count_duplicates(self) -> tuple[int, int]:
        """Return how many keys repeat with the same and with other values; the bars must be sorted."""
    def find_invalid(
        self, *, allow_negative_prices: bool = False
    ) -> list[tuple[int, str, float, str]]:
        """Return (row, field, value, rule) of each invalid row, in order."""
    def drop_rows(self, rows: Sequence[int]) -> Bars:
        """Return the bars without some rows."""
    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, at: int, /) -> BarData: ...
    @overload
    def __getitem__(self, at: slice, /) -> Bars: ...
    def __iter__(self) -> Iterator[BarData]: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __lt__(self, other: object, /) -> bool: ...
    def __le__(self, other: object, /) -> bool: ...
    def __gt__(self, other: object, /) -> bool: ...
    def __ge__(self, other: object, /) -> bool: ...

@disjoint_base
class Store:
    """The store behind ``SessionData``: one writer at a time, readers take no lock.

    ``interval`` defaults to the base interval of the symbol; ``scope`` is ``"session"``, ``"history"`` or ``"all"``. A
    symbol or interval nobody keeps reads as empty.
    """

    def __new__(
        cls,
        *,
        zone: tzinfo,
        on_duplicate: str = "replace",
        on_invalid: str = "error",
        allow_negative_prices: bool = False,
        completeness: str = "any",
        anchor: str = "session",
        extended_hours: str = "off",
        no_trade: str = "gap",
        max_symbols: int = 100_000,
    ) -> Self:
        """Make an empty store."""
    @property
    def epoch(self) -> int:
        """Number of the last published epoch; rises with every published change."""
    def add_bar(self, symbol: str, bar: BarData) -> Outcome:
        """Add a bar to the base series of its symbol, which is registered if need be.

        Raises ``InvalidBarError``, ``DuplicateBarError`` (``on_duplicate="error"``), ``SeriesConflictError`` for another
        interval than the base, ``ArgumentError`` for a bar of another symbol. Nothing is stored then.
        """
    def get_latest_bar(
        self,
        symbol: str,
        interval: IntervalLike | None = None,
        *,
        scope: str = "session",
    ) -> BarData | None:
        """Return the bar with the greatest ``ts``, or ``None``. O(1)."""
    def get_last_n_bars(
        self,
        symbol: str,
        n: int,
        interval: IntervalLike | None = None,
        *,
        scope: str = "session",
    ) -> Bars:
        """Return the newest n bars, fewer if fewer are known. O(1), no copy within the live window."""
    def get_bars_since(
        self,
        symbol: str,
        timestamp: object,
        interval: IntervalLike | None = None,
        *,
        scope: str = "session",
    ) -> Bars:
        """Return the bars with ``ts >= timestamp``. O(log n)."""
    def get_bars(
        self,
        symbol: str,
        interval: IntervalLike | None = None,
        *,
        start: object | None = None,
        end: object | None = None,
        scope: str = "session",
    ) -> Bars:
        """Return the bars in ``[start, end)``; a missing bound is open. O(log n)."""
    def get_all_bars(
        self,
        symbol: str,
        interval: IntervalLike | None = None,
        *,
        start: object | None = None,
        end: object | None = None,
    ) -> Bars:
        """Return the bars of history and session in ``[start, end)``."""
    def get_bar_count(
        self,
        symbol: str,
        interval: IntervalLike | None = None,
        *,
        scope: str = "session",
    ) -> int:
        """Return the number of bars. O(1)."""
    def get_forming_bar(self, symbol: str, interval: IntervalLike) -> BarData | None:
        """Return the derived bar that is still being built, flagged ``PARTIAL``; ``None`` without one. Never part of ``Bars``.

        O(1); the only read that waits for a writer.
        """
    def get_latest_bars_multi(
        self, symbols: Iterable[str], interval: IntervalLike | None = None
    ) -> dict[str, BarData | None]:
        """Return the latest bar of each symbol, upper-cased, all as of one epoch. O(k)."""
    def _group_of(
        self, symbols: Sequence[str], interval: IntervalLike | None = None
    ) -> Group: ...
    def _check_process(self) -> None: ...
    @property
    def _clock(self) -> int | None: ...
    @property
    def _is_coordinated(self) -> bool:
        """Whether a replay or a live session moves the clock."""
    @property
    def _session(self) -> tuple[int | None, bool]: ...
    @property
    def _symbols(self) -> list[str]: ...
    @property
    def _symbol_room(self) -> tuple[int, int]: ...
    def _require_room(self, names: list[str]) -> None: ...
    def _set_table(self, table: SessionTable) -> None: ...
    def _register(
        self,
        symbols: Sequence[tuple[str, IntervalLike | None, Sequence[IntervalLike]]],
    ) -> None: ...
    def _start_session(self, day: int, span: tuple[int, int], roll: bool) -> None: ...
    def _set_history_days(self, interval: IntervalLike | None, days: int) -> None: ...
    def _set_history_days_of(
        self, symbol: str, interval: IntervalLike, days: int
    ) -> None: ...
    def _fail(self) -> None: ...
    def _end_session(self) -> None: ...
    def _clear(self, what: str) -> None: ...
    def _remove(self, symbol: str) -> None: ...
    def _set_waker(self, waker: Callable[[], object] | None) -> None: ...
    def _cursor(self, symbol: str, interval: IntervalLike) -> Cursor: ...
    def _rows_since(self, symbol: str, interval: IntervalLike, epoch: int) -> Bars: ...
    def _add_each(
        self, bars: list[tuple[str, BarData]], start: int
    ) -> list[Outcome | Exception]: ...
    def _add_batch(
        self, symbol: str, bars: Bars, on_invalid: str | None
    ) -> tuple[_Counts, list[tuple[int, str, float, str]]]: ...
    def _load_history(
        self, symbol: str, sessions: Sequence[int], bars: Bars
    ) -> tuple[_Counts, list[tuple[int, str, float, str]]]: ...
    def _intervals(self, symbol: str) -> list[str]: ...
    def _metrics(
        self, symbol: str
    ) -> tuple[float, float, float, float | None, int, int] | None: ...
    def _presence(self, symbol: str) -> tuple[int, int] | None: ...
    def _missing(self, symbol: str) -> _Runs: ...
    def _history(self, symbol: str) -> tuple[int, int, _Runs]: ...
    def _history_sessions(self, symbol: str) -> list[int]: ...
    def _session_counts(self, symbol: str) -> tuple[int, int, int, int]: ...
    def _counts(self, symbol: str) -> _Counts: ...
    def _newest_start(self, scope: str) -> int | None: ...
    def _revisions(self, symbol: str) -> list[tuple[BarData, BarData, int]]: ...
    def _quarantine(self) -> list[tuple[BarData, str]]: ...
    def _version(self, symbol: str, interval: IntervalLike) -> tuple[int, int]: ...

@final
class Group:
    """Series of many symbols, found once and read together."""

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols, in the order asked for."""
    def latest(self) -> dict[str, NDArray[Any]]:
        """Return the latest bar of each symbol's session as columns of shape (k,), all as of one epoch. O(k), new arrays.

        ``ts`` int64 (0 where there is no bar), ``open high low close volume`` float64 (NaN), ``flags`` uint8 (0).
        """
    def last(self, n: int, *, scope: str = "session") -> dict[str, NDArray[Any]]:
        """Return the bars of the newest ``n`` times at which any of the symbols has one, all as of one epoch. O(n k), new arrays.

        ``ts`` int64 of shape (m,), m <= n, rising; ``open high low close volume`` float64 and ``flags`` uint8 of shape
        (m, k), NaN and 0 where a symbol has no bar. Each symbol's column lies in one piece of memory.
        """
    def _bars(self, scope: str) -> list[Bars | None]: ...
    def _wholeness(self) -> dict[str, NDArray[np.int64]]: ...
    def _counts(self) -> NDArray[np.int64]: ...
    def _openings(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...
    def __len__(self) -> int: ...

@final
class Cursor:
    """A place in the session of one series, which it follows to the end however late it looks."""

    def take(self) -> tuple[Bars, bool]:
        """Return the session's bars that are new or changed since the last call, and whether the session is over."""
    def has_news(self) -> bool:
        """Whether ``take`` would find anything."""

@final
class Subscription:
    """A signal between one producer and one consumer: units made, and those that are acknowledged.

    Once it is closed all but ``counts``, ``close`` and ``is_closed`` raise ``SubscriptionClosedError``; in a forked
    child all raise ``ForkedSessionError``.
    """

    def __new__(cls, stream_id: str, counts_overruns: bool) -> Self:
        """Make one with nothing ready. ``stream_id`` is for errors."""
    def signal(self) -> None:
        """Say that one more unit is ready."""
    def wait_until_ready(self, timeout: float | None) -> bool:
        """Wait, detached, until something is ready; ``False`` after so many seconds. An interrupt ends it in 100 ms."""
    def acknowledge(self) -> int:
        """Acknowledge what was ready when the last wait ended; return how many units came since."""
    def wait_until_acknowledged(self, timeout: float | None) -> bool:
        """Wait likewise until everything is acknowledged; having to wait counts as backpressure."""
    def is_ready(self) -> bool:
        """Whether something is not acknowledged."""
    def close(self) -> None:
        """Wake all who wait, with an error; again changes nothing."""
    @property
    def is_closed(self) -> bool:
        """Whether it was closed."""
    @property
    def counts(self) -> tuple[int, int, int, int]:
        """Units made, units acknowledged, overruns, and how often the producer had to wait."""

@disjoint_base
class Timings:
    """Base class of ``PerformanceMetrics``: takes what is recorded, and hands out the figures."""

    def __new__(cls, clock: Callable[[], float]) -> Self:
        """Make one without figures that reads this clock: monotonic seconds."""
    def start_timer(self) -> float:
        """Return monotonic seconds, which every recorder takes as its start."""
    def record_analysis_engine(self, start: float) -> None:
        """Record that one call of the analyses took from ``start`` to now."""
    def record_data_processor(self, start: float) -> None:
        """Record that one batch took from ``start`` to now to enter the store."""
    def record_initial_load(self, start: float) -> None:
        """Record that loading before the first session took from ``start`` to now."""
    def record_subsequent_load(self, start: float) -> None:
        """Record that loading before a later session took from ``start`` to now."""
    def record_session_gap(self, start: float) -> None:
        """Record the time between two sessions, from ``start`` to now."""
    def record_session_duration(self, start: float) -> None:
        """Record that a session took from ``start`` to now by the wall clock."""
    def record_phase(self, name: str, start: float) -> None:
        """Record that the named phase took from ``start`` to now; at most 256 names."""
    def record_backpressure(self, edge: str) -> None:
        """Count that the producer of the named edge had to wait for its consumer; at most 256 names."""
    def record_bars(self, count: int) -> None:
        """Add bars to those of the backtest."""
    def increment_trading_days(self) -> None:
        """Count one more session."""
    def reset_session_metrics(self) -> None:
        """Forget the session's figures; those of the run stay as they are."""
    def _reset(self) -> None: ...
    def _figures(
        self, session: bool
    ) -> tuple[
        list[_Timing],
        list[tuple[str, _Timing]],
        list[tuple[str, int]],
        tuple[int, int],
    ]: ...

if sys.platform != "win32":
    @final
    class BusyPoll:
        """Waits for a file descriptor without going to sleep, detached from the interpreter.

        Other threads that wait for the same processor go first.
        """

        def __new__(cls, fd: int) -> Self:
            """Watch a descriptor, which must stay open for as long; ``OSError`` if it cannot be."""
        def wait(self, ns: int) -> bool:
            """Wait until it becomes readable, which it was not when it was asked last; ``False`` after so many ns."""

@final
class Journal:
    """A journal on disk, written by a thread of its own: what queues up during one commit is the next.

    Records have numbers from 1 on, in the order in which they were put. Those that nobody waits for lie for
    ``linger_seconds``, so that more of them share a commit. After the first error nothing more becomes durable in this file.
    """

    def __new__(
        cls,
        path: str | PathLike[str],
        *,
        owner: str,
        allow_network_fs: bool = False,
        last_seq: int = 0,
        previous_hash: bytes | None = None,
        group_records: int = 1_000,
        queue_records: int = 65_536,
        linger_seconds: float = 0.0,
        witness_seconds: float = 1.0,
        checkpoint_seconds: float = 5.0,
        disk: SimulatedDisk | None = None,
    ) -> Self: ...
    def put_event(
        self,
        kind: int,
        *,
        arrival: int,
        flags: int = 0,
        symbol: int = 0,
        extra: int = 0,
        ts: int = 0,
        interval: IntervalLike | None = None,
        text: str = "",
        timeout: float,
    ) -> int:
        """Hand over one record that is no bar; return its number. Without room for ``timeout`` s the journal stops."""
    def put_bars(
        self,
        bars: Bars,
        *,
        kind: int,
        arrival: int,
        symbol: int,
        extra: int,
        timeout: float,
    ) -> int:
        """Hand over the bars of one arrival; return the number of the last."""
    @staticmethod
    def are_resolved(bars: list[tuple[str, BarData]]) -> bool:
        """Whether each is a symbol and a bar of it with an instant."""
    def put_each(
        self,
        bars: list[tuple[str, BarData]],
        *,
        kind: int,
        arrival: int,
        extra: int,
        numbers: dict[str, int],
        timeout: float,
    ) -> int:
        """Hand over resolved bars of any symbols, all or none; return the number of the last.

        Raises ``UnknownSymbolError`` for a bar of a symbol without a number; nothing is written then.
        """
    def put_step(
        self,
        live: Live,
        bars: Sequence[BarData],
        clock: int,
        *,
        corrections: Sequence[int],
        ticked: int | None,
        numbers: dict[str, int],
        timeout: float,
    ) -> int:
        """Hand over the bars of one step, those at some positions as corrections; return the number of the last record.

        ``ticked`` is how far the clock had come without bars since the step before. Without bars nothing is written.
        Raises as ``Live.step`` for bars that it would not take, ``UnknownSymbolError`` for one without a number,
        ``ArgumentError`` for a position that is none; nothing is written then.
        """
    def put_and_step(
        self,
        live: Live,
        bars: Sequence[BarData],
        clock: int,
        *,
        corrections: Sequence[int],
        ticked: int | None,
        numbers: dict[str, int],
        timeout: float,
    ) -> tuple[Batch, list[tuple[int, str]]]:
        """As ``put_step``, then as ``Live.step``, without waiting for the disk; no interrupt comes between the two."""
    def wait_durable(self, seq: int, timeout: float) -> bool:
        """Wait until a record is on disk; ``False`` when the time is up, ``JournalError`` if it never will be."""
    @property
    def durable_seq(self) -> int:
        """Number of the last record on disk."""
    @property
    def last_seq(self) -> int:
        """Number of the last record handed over."""
    @property
    def durable(self) -> tuple[int, bytes]:
        """Number of the last record on disk and hash of its group: where a next file begins."""
    @property
    def fill(self) -> tuple[int, int]:
        """Records that wait, and how many may."""
    @property
    def stopped(self) -> str | None:
        """Why it stopped; ``None`` while it has not."""
    def stop(self, reason: str) -> None:
        """Stop it: what is not durable never will be in this file."""
    def copy_waiting(self, to: Journal, timeout: float) -> int:
        """Copy what a stopped journal still holds to another; return how many records."""
    def close(self) -> None:
        """Write what waits and close; ``JournalError`` if it stopped."""

@final
class SimulatedDisk:
    """Where journals of a simulation lie, by path: no file, no thread, no time; the same calls end the same way each time.

    A journal on it commits on the thread that calls: when a record is waited for, and when ``commit_records`` wait, so that a
    relaxed one may lose fewer than that many in a crash.

    Examples
    --------
    >>> from tapeloom import SessionData
    >>> from tapeloom.live.journal import SessionJournal, SimulatedDisk
    >>> from tapeloom.live.recovery import recover
    >>> disk = SimulatedDisk(commit_records=10)
    >>> journal = SessionJournal("day.journal", SessionData(), mode="relaxed", disk=disk)
    >>> _ = journal.register_symbol("AAPL")
    >>> disk.crash()
    >>> recover("day.journal", disk=disk).state_hash() == SessionData().state_hash()
    True
    """

    def __new__(cls, *, commit_records: int = 1) -> Self: ...
    @property
    def paths(self) -> list[Path]:
        """Its files, by name."""
    @property
    def operations(self) -> int:
        """Writes and syncs so far."""
    def fail_after(self, operations: int = 0, *, keeps_failed: bool = False) -> None:
        """Let the operation after so many more fail, and all that follow on its file.

        With ``keeps_failed`` what it wrote is on the disk all the same, as after a sync that failed.
        """
    def crash(self) -> None:
        """Lose what was not committed. Whoever had a file open writes no more; it can be recovered at once."""

@final
class JournalReader:
    """A journal that is read from its begin on, every checksum, number and link checked; nobody else has it meanwhile.

    With ``only_reads`` it cannot be resumed, and leaves nothing behind that was not there.
    """

    def __new__(
        cls,
        path: str | PathLike[str],
        *,
        owner: str,
        lenient: bool = False,
        only_reads: bool = False,
        allow_network_fs: bool = False,
        disk: SimulatedDisk | None = None,
    ) -> Self: ...
    @staticmethod
    def unbegun(
        path: str | PathLike[str], *, owner: str, only_reads: bool = False
    ) -> int | None:
        """Return the last record before a file that its process never came to begin; ``None`` for any other."""
    @staticmethod
    def set_aside(path: str | PathLike[str], *, owner: str) -> Path | None:
        """Rename what lies there of a first file that was never begun, and return the new name; ``None`` for any other."""
    @property
    def first(self) -> tuple[int, bytes] | None:
        """Number of the first record and the hash it follows; ``None`` without a record."""
    @property
    def end(self) -> tuple[int, bytes]:
        """Number of the last record read and the hash of its group."""
    @property
    def groups(self) -> int:
        """Commits read."""
    @property
    def witnessed(self) -> tuple[int, bool] | None:
        """Last record that the witness saw, and whether one of its slots is damaged; ``None`` if it cannot be read."""
    @property
    def skipped(self) -> list[tuple[int, int, str]]:
        """What was stepped over: first and last record, both included, and why."""
    def stop_after(self, seq: int) -> None:
        """Read no further than this record."""
    def read(self, rows: int) -> JournalRecords | None:
        """Return the next commits, at least ``rows`` records if there are as many; ``None`` at the end."""
    def salvage_into(self, to: Journal) -> None:
        """Copy what can be read, with a record where something was lost."""
    def resume(
        self,
        *,
        group_records: int = 1_000,
        queue_records: int = 65_536,
        linger_seconds: float = 0.0,
        witness_seconds: float = 1.0,
        checkpoint_seconds: float = 5.0,
    ) -> Journal:
        """Go on writing behind the last record; the reader is closed."""
    def close(self) -> None:
        """Let others have the journal."""

@final
class JournalRecords:
    """Records of a journal in order."""

    @property
    def first_seq(self) -> int:
        """Number of the first."""
    @property
    def texts(self) -> list[tuple[int, str]]:
        """Row and text of the records that have one."""
    @property
    def events(self) -> list[int]:
        """Rows that ``JournalReplay`` does not take."""
    def columns(self) -> dict[str, NDArray[Any]]:
        """Return the columns by name, read-only copies of shape (n,): numbers of the kind, times int64, prices float64."""
    def __len__(self) -> int: ...

@final
class JournalReplay:
    """A journal done again in a session: names of symbols, their registering, bars and steps; the rest is the caller's."""

    def __new__(cls, session: Store, *, patience: tuple[int, int] | None) -> Self:
        """``patience`` are grace and tolerance of the live session that took steps, ns."""
    @property
    def names(self) -> list[str | None]:
        """Symbols by number; 0 is none."""
    def name(self, number: int) -> str | None:
        """Return the symbol of a number; ``None`` if there is none."""
    def take(
        self, records: JournalRecords, start: int, end: int, has_holes: bool
    ) -> tuple[int, int]:
        """Do rows ``[start, end)`` again, none of them of ``records.events``.

        Returns how many bars there were, and how many bars and registrations the session refused. With ``has_holes`` what
        has no name counts as refused. Raises ``JournalError`` with ``first_seq`` for a record that cannot be used.
        """

@final
class Merging:
    """The bars of many sources, merged; what ``MergedColumns`` are views of."""

    def __new__(
        cls,
        sources: Sequence[tuple[str, Bars]],
        table: SessionTable,
        *,
        threads: int = 2,
    ) -> Self:
        """Merge bars by symbol, as ``merge_bars`` does."""
    @staticmethod
    def done(
        sources: Sequence[tuple[str, Bars]],
        table: SessionTable,
        columns: tuple[
            NDArray[np.int32], _Int64, dict[str, _Float64], NDArray[np.uint8]
        ],
    ) -> Merging:
        """Take columns as ``merge_bars`` returns them; nobody may write into them from then on.

        Raises ``ArgumentError`` for columns of unequal length.
        """

@disjoint_base
class MergedColumns:
    """Rows of merged bars. Each column is a read-only view that keeps all of them alive."""

    def __new__(cls, merging: Merging) -> Self:
        """Stand for all rows."""
    @property
    def sources(self) -> tuple[tuple[str, Interval], ...]:
        """Symbol and interval of each source, in the order given."""
    @property
    def _table(self) -> SessionTable: ...
    @property
    def source(self) -> NDArray[np.int32]:
        """Position in ``sources`` of each bar, int32."""
    @property
    def ts(self) -> _Int64:
        """Starts, int64 nanoseconds UTC."""
    @property
    def open(self) -> _Float64:
        """First prices."""
    @property
    def high(self) -> _Float64:
        """Highest prices."""
    @property
    def low(self) -> _Float64:
        """Lowest prices."""
    @property
    def close(self) -> _Float64:
        """Last prices."""
    @property
    def volume(self) -> _Float64:
        """Volumes."""
    @property
    def flags(self) -> NDArray[np.uint8]:
        """Provenance bits."""
    def __len__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def _instants(self) -> Iterator[tuple[int, Self]]:
        """Return each instant and its rows; rows that nobody holds any more are an object that is used again."""
    def _each(self, call: Callable[[BarData], object]) -> int:
        """Call a function with each bar and return their number; one that nobody kept is used again."""

@final
class PiecewiseMerge:
    """Sources merged while they arrive: memory holds one piece of each."""

    def __new__(
        cls, intervals: Sequence[IntervalLike], table: SessionTable
    ) -> Self: ...
    def needs(self) -> int | None:
        """Return the source that must be fed or ended before the next bar is known."""
    def feed(self, bars: Bars) -> None:
        """Give the source that is needed its next piece. Raises ``ArgumentError`` naming source and row out of order."""
    def end(self) -> None:
        """Say that the source that is needed has no more pieces."""
    def take(
        self, rows: int
    ) -> tuple[
        NDArray[np.int32],
        NDArray[np.int64],
        dict[str, NDArray[np.float64]],
        NDArray[np.uint8],
    ]:
        """Take up to ``rows`` bars, as ``merge_bars`` returns them; fewer where a source needs a piece."""

@final
class RealtimeIndicators:
    """Values of one store that follow each bar of a session; a replay that is given them computes them before each epoch.

    A value is what its definition gives for the bars of history and then those of the session, oldest first, as they
    stand: the same to the last bit whatever the order in which they came. Names and symbols are taken as they are given.

    ``sma``, ``ema``, ``stdev``, ``high``, ``low`` read ``field``; ``rsi`` its changes, Wilder's way, 50 where nothing
    changed; ``atr`` the true range, Wilder's way; ``vwap`` (high + low + close) / 3 weighted by volume since the open.
    """

    def __new__(cls, session: Store, *, extended: bool = False) -> Self:
        """Make an empty set; with ``extended`` bars outside regular hours count too."""
    def add(
        self,
        name: str,
        symbols: Sequence[str],
        interval: IntervalLike,
        kind: str,
        *,
        period: int | None = None,
        field: str | None = None,
        warmup: bool = True,
    ) -> None:
        """Compute a value of each symbol, in place of those of the same name; ``follow`` or the next instant brings it.

        Without ``warmup`` history does not feed it. ``sma``, ``stdev``, ``high`` and ``low`` take their period of it,
        ``ema``, ``rsi`` and ``atr`` all of it, ``vwap`` nothing. Raises ``ArgumentError`` for a kind, field or period
        that breaks its rule, ``UnknownSymbolError`` and ``UnknownSeriesError`` for what nobody keeps; nothing is added
        then. O(symbols).
        """
    def watch(self, symbol: str, interval: IntervalLike) -> None:
        """Note from now on what becomes of a series, for ``take_news``. Raises as ``add`` for what nobody keeps."""
    def remove_symbol(self, symbol: str) -> None:
        """Forget a symbol with all its values; one that has none is no error."""
    def reset(self) -> None:
        """Let every value be ``None`` until bars are followed again, which begins with history."""
    def start_session(self) -> None:
        """Reset all values and compute them from the history and the session that the store has now.

        O(bars of history), with the interpreter detached.
        """
    def follow(self) -> None:
        """Bring all values up to date with the store, for bars that came without a replay. O(1) a bar on average.

        Late bars, corrections and another history cost a pass over the bars of their series.
        """
    def take_news(
        self,
    ) -> list[tuple[str, str, Literal["appended", "rewritten"]]]:
        """Return ``(symbol, interval, what)`` of each watched series that changed since the last call.

        ``"appended"``: bars came at its end; ``"rewritten"``: others changed, of history too, or another session began.
        """
    def value(self, symbol: str, name: str) -> float | None:
        """Return a value as of the newest epoch, ``None`` until there are enough bars. O(1), without a lock."""
    def count(self, symbol: str, name: str) -> int:
        """Return the number of bars behind a value, those of history included. O(1), without a lock."""

@final
class Replay:
    """One session played through a store: merge, append, presence, derived bars, indicators, epoch, instant by instant."""

    def __new__(
        cls,
        session: Store,
        sources: Sequence[tuple[str, Bars]],
        *,
        close: int,
        indicators: RealtimeIndicators | None = None,
    ) -> Self:
        """Prepare to play sorted base bars of registered symbols up to the close (ns).

        ``indicators`` of the same session follow each instant and show with its epoch.
        """
    @property
    def next_ts(self) -> int:
        """The next instant, ns UTC: when a bar becomes known or a bucket ends; the close when there is none."""
    def run(
        self,
        *,
        each_instant: bool = False,
        intervals: Sequence[IntervalLike] | None = None,
        most_bars: int = 200_000,
        until: int | None = None,
    ) -> Batch:
        """Play to the next instant that changes one of ``intervals`` (or any), about ``most_bars`` bars, ``until``, or the end.

        At ``until`` (ns) it is held: everything known by then is in the store and nothing later, and its clock stands there.

        The interpreter is detached meanwhile. Raises ``StateError`` if another thread is running it, and what the store raises for a bar it refuses.
        """

    def close(self) -> None:
        """End the replay where it stands and give the clock back to the store."""

@final
class Live:
    """A running session whose bars arrive as they will: late, twice, corrected. The wall clock is handed in."""

    def __new__(
        cls,
        session: Store,
        *,
        grace: int,
        tolerance: int,
        indicators: RealtimeIndicators | None = None,
    ) -> Self:
        """Take over the clock of a store.

        A bucket that lacks bars at its end waits ``grace`` for them; a bar that ends more than ``tolerance`` after the clock
        is quarantined. Both in nanoseconds, 0 or more.
        """
    @property
    def grace(self) -> int:
        """How long a bucket that lacks bars waits for them, ns."""
    @property
    def tolerance(self) -> int:
        """By how much the end of a bar may lie after the clock, ns."""
    @property
    def session(self) -> Any:
        """The ``SessionData`` that takes the bars."""
    def step(
        self, bars: Sequence[BarData], clock: int
    ) -> tuple[Batch, list[tuple[int, str]]]:
        """Take base bars in order of arrival and move the clock (ns UTC), which never goes back; one epoch comes out.

        Returns what changed, and position and reason of each bar that was refused. Raises ``UnknownSymbolError`` for a
        symbol nobody keeps and ``ArgumentError`` for a bar of another interval or without an instant; nothing is taken then.
        """
    def close(self) -> None:
        """Give the clock back to the store. Doing so again changes nothing."""

@final
class Batch:
    """What became known in one instant."""

    @property
    def session(self) -> Any:
        """The ``SessionData`` that holds everything known at this instant."""
    @property
    def ts(self) -> int:
        """The clock, ns."""
    @property
    def time(self) -> datetime:
        """The clock, aware in the exchange's zone."""
    @property
    def epoch(self) -> int:
        """The epoch that holds the batch."""
    @property
    def woke(self) -> bool:
        """Whether the replay stopped for this instant rather than for the number of bars or the end."""
    @property
    def ended(self) -> bool:
        """Whether the session is over."""
    @property
    def held(self) -> bool:
        """Whether the replay stands at the limit it was given."""
    @property
    def instants(self) -> int:
        """Instants played since the session began."""
    @property
    def base_bars(self) -> int:
        """Base bars delivered since the session began."""
    @property
    def derived_bars(self) -> int:
        """Derived bars emitted since the session began, each once however often it is replaced."""
    @property
    def bars(self) -> list[BarData]:
        """The bars: the finest interval first, then the symbols in configured order."""
    def each(self, call: Callable[[Any, BarData], object], session: Any) -> None:
        """Call a function with ``session`` and each new bar, made on delivery."""
    @property
    def delivered(self) -> BarData | None:
        """The bar at which ``each`` was stopped by an exception, ``None`` otherwise."""
    @property
    def has_updates(self) -> bool:
        """Whether late or corrected bars are among them."""
    def changes(self) -> list[tuple[BarData, Literal["new", "late", "corrected"]]]:
        """Return the bars with what happened to each."""
    def __len__(self) -> int: ...

def bars_of_frame(frame: bytes) -> list[BarData] | None:
    """Return the bars of a frame of the vendor's stream in MessagePack, as one-minute bars of a user.

    ``None`` if anything in it is not a bar with kind, symbol, instant, prices and volume (``T`` = "b", ``S``, ``t``, ``o``,
    ``h``, ``l``, ``c``, ``v``) and else only numbers and nulls; then it is to be read message by message.
    """

def earliest_start(
    events: list[Any],
    bases: dict[str, str],
    hours: Sequence[tuple[int, int]],
) -> int | None:
    """Return where the earliest of some bars starts, ns UTC; ``None`` without any, or if one needs a closer look.

    That is whatever is not exactly a ``BarData`` with an instant in ``hours``, stretches ``[start, end)`` in ns UTC, of a
    symbol in ``bases`` and of its base interval there.
    """

def merge_order(
    ts: Sequence[_Int64], intervals: Sequence[IntervalLike]
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return (source, row) of all bars in the order in which they become known.

    The order is total: end of the bar, then interval, then source, then row. Raises ``ArgumentError`` naming source and
    row where ``ts`` falls.
    """

def cut_session(
    bars: Sequence[Bars],
    *,
    before: int,
    span: tuple[int, int],
    hours: Sequence[tuple[int, int]],
) -> tuple[list[Bars], NDArray[np.int64], NDArray[np.int64]]:
    """Return of each, all sorted, the bars of one session, and how many lie before it and outside its hours.

    The bars start in ``hours``, stretches ``[start, end)`` in ns UTC, and share memory. Those before it start from ``before``
    to the ``span`` of the session; those outside its hours start in its span, and one that comes twice is one.
    """

def merge_bars(
    sources: Sequence[Bars], table: SessionTable, *, threads: int = 2
) -> tuple[NDArray[np.int32], _Int64, dict[str, _Float64], NDArray[np.uint8]]:
    """Return position of the source, ``ts``, prices with volume, and flags of all bars, in the order in which they become known.

    The order is total: end of the bar by the table, then interval (finest first), then source, then row. New arrays.
    Raises ``ArgumentError`` naming source and row where ``ts`` falls. The interpreter is detached meanwhile.
    """

def missing_runs(
    sources: Sequence[Bars],
    table: SessionTable,
    *,
    first: int,
    last: int,
    threads: int = 2,
) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[np.int64]]]:
    """Return the missing runs of sources over sessions ``[first, last)``, and counts of each source.

    Runs: ``source`` int32, ``start`` and ``end`` int64 ns (end of the last missing bar), ``bars`` int32, by source, then
    time; a break or a night separates two. Counts: ``expected, present, missing, duplicates, off_grid, out_of_session``.
    Rows before the first and after the last session do not count. Raises ``ArgumentError`` for positions the table does
    not have and naming source and row where ``ts`` falls. The interpreter is detached meanwhile.
    """

def resample(
    sources: Sequence[Bars],
    intervals: Sequence[IntervalLike],
    table: SessionTable,
    *,
    completeness: str = "any",
    anchor: str = "session",
    extended_hours: str = "off",
    threads: int = 2,
) -> list[list[Bars]]:
    """Return coarser bars of each source at each interval, all intervals in one pass; new columns.

    The same bars, to the bit, as a store derives from streaming the source: rows off the grid and out of regular hours
    take no part, of rows with the same ``ts`` the last one counts. ``anchor`` is ``"session"``, ``"segment"`` or
    ``"clock"``; ``extended_hours`` is ``"off"``, ``"show"`` (pre- and post-market have bars of their own) or ``"full"``
    (they also take part in bars of days and weeks). Raises ``IntervalError`` for an interval the base does not divide. The interpreter is detached meanwhile.
    """

def daily_values(
    sources: Sequence[Bars],
    table: SessionTable,
    *,
    first: int,
    last: int,
    field: str,
    threads: int = 2,
) -> NDArray[np.float64]:
    """Return the value of each session ``[first, last)``, of shape (sources, sessions); NaN without a bar.

    Volume is the sum, high the maximum, low the minimum, open that of the first and close that of the last bar, in
    regular hours. The interpreter is detached meanwhile.
    """

def minute_average(
    sources: Sequence[Bars],
    table: SessionTable,
    sessions: Sequence[int],
    *,
    field: str,
    slots: int,
    threads: int = 2,
) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Return the mean of each minute after the open over the sessions that have it, and how many have, (sources, slots).

    ``sources`` hold 1m bars; ``sessions`` are rising positions in the table. NaN and 0 where none has the minute.
    """

def rolling_average(
    values: NDArray[np.float64], days: int, *, skip: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Return means over the newest ``days`` columns before each one, of shape (rows, n + 1), and how many went in.

    ``values`` has the shape (rows, n). Element j knows columns before j only; skipped columns reach further back, NaN
    counts among the ``days`` but not in the mean. NaN and 0 where nothing is known.
    """

@overload
def rolling_extreme(
    values: NDArray[np.float64],
    starts: _Int64,
    kind: str,
    *,
    positions: Literal[True] = True,
) -> tuple[NDArray[np.float64], NDArray[np.int32]]: ...
@overload
def rolling_extreme(
    values: NDArray[np.float64],
    starts: _Int64,
    kind: str,
    *,
    positions: Literal[False],
) -> tuple[NDArray[np.float64], None]: ...
@overload
def rolling_extreme(
    values: NDArray[np.float64], starts: _Int64, kind: str, *, positions: bool = True
) -> tuple[NDArray[np.float64], NDArray[np.int32] | None]:
    """Return the ``"max"`` or ``"min"`` over columns ``[starts[j], j)``, of shape (rows, n + 1), and its first column.

    NaN is passed over; NaN and -1 where nothing is known. Without ``positions`` windows of one length are several times
    as fast.
    """
