"""One symbol of a session: a handle that reads and holds nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from tapeloom._core import Interval
from tapeloom.calendars.days import from_day, require_date
from tapeloom.errors import (
    ArgumentError,
    TapeloomWarning,
    UnknownSeriesError,
    UnknownSymbolError,
    did_you_mean,
)
from tapeloom.timestamps import from_ns, local_midnights

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import date, datetime

    from tapeloom._core import BarData, Bars
    from tapeloom.intervals import IntervalLike
    from tapeloom.quotes import Quotes, Ticks
    from tapeloom.session_data import SessionData

__all__ = ["SymbolSeries", "SymbolSessionData"]

_K = TypeVar("_K")
_T = TypeVar("_T")

# As many quotes and ticks as a store keeps, and more.
_ALL = 1_000_000


class SymbolSessionData:
    """A live, read-only handle on one symbol of a :class:`SessionData`.

    It finds its symbol by name at each read. Once the symbol has been removed, all but ``symbol`` is
    ``UnknownSymbolError``.
    """

    __slots__ = ("_session_data", "_symbol")

    def __init__(self, session_data: SessionData, symbol: str) -> None:
        self._session_data = session_data
        self._symbol = symbol

    @property
    def symbol(self) -> str:
        """Symbol, upper-cased."""
        return self._symbol

    @property
    def intervals(self) -> list[str]:
        """Intervals that are kept: the base first, then derived ones, finest first."""
        found = self._session_data._intervals(self._symbol)
        if not found:
            raise self._removed()
        return found

    def _removed(self) -> UnknownSymbolError:
        hint = did_you_mean(self._symbol, self._session_data._symbols)
        text = f"symbol {self._symbol} was removed{hint}"
        return UnknownSymbolError(text, symbol=self._symbol)

    def _read(self, read: Callable[[SessionData], _T]) -> _T:
        """Read while the symbol is kept; another thread may remove it before, in the middle or after."""
        _ = self.intervals
        try:
            found = read(self._session_data)
        except (UnknownSymbolError, TapeloomWarning):
            # What the session says of a symbol that it never heard of.
            _ = self.intervals
            raise
        _ = self.intervals
        return found

    @property
    def base_interval(self) -> str:
        """Interval of the base series."""
        return self.intervals[0]

    @property
    def bars_1m(self) -> Bars:
        """One-minute bars of the session, a snapshot."""
        return self.get_bars("1m")

    @property
    def bars_derived(self) -> Mapping[str, Bars]:
        """Bars of the session by derived interval, finest first; each look-up is a new snapshot."""
        return _BySeries(self, self.intervals[1:], lambda series: series.bars)

    @property
    def historical_bars(self) -> Mapping[str, Mapping[date, Bars]]:
        """Bars of earlier sessions by interval, then by session date, oldest first; the latter is a snapshot."""
        return _BySeries(self, self.intervals, lambda series: series._by_date())

    @property
    def quotes(self) -> Quotes:
        """Quotes that are kept, oldest first, a snapshot."""
        return self._read(lambda session: session.get_quotes(self._symbol, _ALL))

    @property
    def ticks(self) -> Ticks:
        """Ticks that are kept, oldest first, a snapshot."""
        return self._read(lambda session: session.get_ticks(self._symbol, _ALL))

    @property
    def bar_quality(self) -> float | None:
        """Present among the due base bars of the session, 0-100; ``None`` when nothing is due."""
        return self._read(lambda session: session.get_quality(self._symbol))

    @property
    def session_volume(self) -> float:
        """Volume of the session in regular hours, 0.0 without a bar."""
        figures = self._figures()
        return 0.0 if figures is None else figures[0]

    @property
    def session_high(self) -> float | None:
        """Highest price of the session in regular hours."""
        figures = self._figures()
        return None if figures is None else figures[1]

    @property
    def session_low(self) -> float | None:
        """Lowest price of the session in regular hours."""
        figures = self._figures()
        return None if figures is None else figures[2]

    @property
    def vwap(self) -> float | None:
        """Volume-weighted average of the typical prices of the session in regular hours."""
        figures = self._figures()
        return None if figures is None else figures[3]

    @property
    def last_update(self) -> datetime | None:
        """Start of the newest base bar of the session in regular hours, aware."""
        figures = self._figures()
        if figures is None:
            return None
        return from_ns(figures[5], self._session_data.timezone)

    def _figures(self) -> tuple[float, float, float, float | None, int, int] | None:
        """Volume, high, low, average price, number and newest start of the session's bars; ``None`` without one."""
        return self._read(lambda session: session._metrics(self._symbol))

    @property
    def version(self) -> int:
        """Rises with each change of the base series. Remember it, and compare, to notice changes."""
        return self[self.base_interval].version

    @property
    def revision(self) -> int:
        """Rises with each correction of the base series."""
        return self[self.base_interval].revision

    @property
    def bars_updated(self) -> bool:
        """Whether the session has brought a base bar."""
        return self.get_bar_count() > 0

    @property
    def quotes_updated(self) -> bool:
        """Whether the session has brought a quote."""
        newest = self._read(lambda session: session.get_latest_quote(self._symbol))
        return newest is not None

    @property
    def ticks_updated(self) -> bool:
        """Whether the session has brought a tick."""
        newest = self._read(lambda session: session.get_ticks(self._symbol, 1))
        return len(newest) > 0

    def get_latest_bar(
        self, interval: IntervalLike | None = None, *, scope: str = "session"
    ) -> BarData | None:
        """As ``SessionData.get_latest_bar``."""
        return self._read(
            lambda session: session.get_latest_bar(self._symbol, interval, scope=scope)
        )

    def get_last_n_bars(
        self, n: int, interval: IntervalLike | None = None, *, scope: str = "session"
    ) -> Bars:
        """As ``SessionData.get_last_n_bars``."""
        return self._read(
            lambda session: session.get_last_n_bars(
                self._symbol, n, interval, scope=scope
            )
        )

    def get_bars_since(
        self,
        timestamp: object,
        interval: IntervalLike | None = None,
        *,
        scope: str = "session",
    ) -> Bars:
        """As ``SessionData.get_bars_since``."""
        return self._read(
            lambda session: session.get_bars_since(
                self._symbol, timestamp, interval, scope=scope
            )
        )

    def get_bars(
        self,
        interval: IntervalLike | None = None,
        *,
        start: object | None = None,
        end: object | None = None,
        scope: str = "session",
    ) -> Bars:
        """As ``SessionData.get_bars``."""
        return self._read(
            lambda session: session.get_bars(
                self._symbol, interval, start=start, end=end, scope=scope
            )
        )

    def get_bar_count(
        self, interval: IntervalLike | None = None, *, scope: str = "session"
    ) -> int:
        """As ``SessionData.get_bar_count``."""
        return self._read(
            lambda session: session.get_bar_count(self._symbol, interval, scope=scope)
        )

    def __getitem__(self, interval: IntervalLike) -> SymbolSeries:
        """Return one series; ``UnknownSeriesError`` for an interval nobody keeps."""
        wanted, kept = str(Interval(interval)), self.intervals
        if wanted not in kept:
            text = f"{self._symbol} has no {wanted} bars; kept: {', '.join(kept)}"
            raise UnknownSeriesError(text, symbol=self._symbol, interval=wanted)
        return SymbolSeries(self, wanted)

    def __iter__(self) -> Iterator[str]:
        """Go through the intervals."""
        return iter(self.intervals)

    def __contains__(self, interval: object) -> bool:
        """Whether an interval is kept; ``False`` for what cannot be one."""
        kept = self.intervals
        try:
            return str(Interval(interval)) in kept  # type: ignore[arg-type]  # it says what it takes
        except ArgumentError:
            return False

    def __repr__(self) -> str:
        kept = self._session_data._intervals(self._symbol)
        about = f"intervals {', '.join(kept)}" if kept else "removed"
        return f"SymbolSessionData({self._symbol!r}, {about})"


class SymbolSeries:
    """A live, read-only handle on one series: the bars of a symbol at one interval.

    Once the symbol has been removed, reading is ``UnknownSymbolError``; if it was added again without the interval,
    ``UnknownSeriesError``.
    """

    __slots__ = ("_handle", "_interval")

    def __init__(self, handle: SymbolSessionData, interval: str) -> None:
        self._handle = handle
        self._interval = interval

    @property
    def symbol(self) -> str:
        """Symbol, upper-cased."""
        return self._handle.symbol

    @property
    def interval(self) -> str:
        """Interval as canonical text."""
        return self._interval

    @property
    def version(self) -> int:
        """Rises with each change of the series."""
        return self._versions()[0]

    @property
    def revision(self) -> int:
        """Rises with each correction of the series."""
        return self._versions()[1]

    def _versions(self) -> tuple[int, int]:
        return self._kept()._read(
            lambda session: session._version(self.symbol, self._interval)
        )

    def _kept(self) -> SymbolSessionData:
        """The handle, if it still has the series."""
        _ = self._handle[self._interval]
        return self._handle

    @property
    def bars(self) -> Bars:
        """Bars of the session, a snapshot."""
        return self._kept().get_bars(self._interval)

    def get_latest_bar(self, *, scope: str = "session") -> BarData | None:
        """As ``SessionData.get_latest_bar``."""
        return self._kept().get_latest_bar(self._interval, scope=scope)

    def get_last_n_bars(self, n: int, *, scope: str = "session") -> Bars:
        """As ``SessionData.get_last_n_bars``."""
        return self._kept().get_last_n_bars(n, self._interval, scope=scope)

    def get_bars_since(self, timestamp: object, *, scope: str = "session") -> Bars:
        """As ``SessionData.get_bars_since``."""
        return self._kept().get_bars_since(timestamp, self._interval, scope=scope)

    def get_bars(
        self,
        *,
        start: object | None = None,
        end: object | None = None,
        scope: str = "session",
    ) -> Bars:
        """As ``SessionData.get_bars``."""
        return self._kept().get_bars(self._interval, start=start, end=end, scope=scope)

    def get_bar_count(self, *, scope: str = "session") -> int:
        """As ``SessionData.get_bar_count``."""
        return self._kept().get_bar_count(self._interval, scope=scope)

    def get_forming_bar(self) -> BarData | None:
        """As ``SessionData.get_forming_bar``; ``None`` for the base series."""
        return self._kept()._read(
            lambda session: session.get_forming_bar(self.symbol, self._interval)
        )

    def _by_date(self) -> Mapping[date, Bars]:
        bars = self.get_bars(scope="history")
        return _ByDate(self._handle._session_data, bars)

    def __len__(self) -> int:
        return self.get_bar_count()

    def __repr__(self) -> str:
        return f"SymbolSeries({self.symbol!r}, {self._interval!r})"


class _Lookup(Mapping[_K, _T]):
    """A mapping that does not have what cannot be one of its keys."""

    def __contains__(self, key: object) -> bool:
        try:
            return super().__contains__(key)
        except ArgumentError:
            return False

    def get(self, key: Any, default: Any = None) -> Any:
        try:
            return super().get(key, default)
        except ArgumentError:
            return default


class _BySeries(_Lookup[str, _T]):
    """What each series of a symbol holds, found when it is looked up."""

    def __init__(
        self,
        handle: SymbolSessionData,
        intervals: Iterable[str],
        read: Callable[[SymbolSeries], _T],
    ) -> None:
        self._handle = handle
        self._intervals = list(intervals)
        self._read = read

    def __getitem__(self, interval: IntervalLike) -> _T:
        wanted = str(Interval(interval))
        if wanted not in self._intervals:
            kept = ", ".join(self._intervals) or "none"
            text = f"{self._handle.symbol} has no {wanted} bars here; kept: {kept}"
            raise UnknownSeriesError(text, symbol=self._handle.symbol, interval=wanted)
        return self._read(self._handle[wanted])

    def __iter__(self) -> Iterator[str]:
        return iter(self._intervals)

    def __len__(self) -> int:
        return len(self._intervals)

    def __repr__(self) -> str:
        return f"{{{', '.join(self._intervals)}}} of {self._handle.symbol}"


class _ByDate(_Lookup[Any, "Bars"]):
    """Bars of one series by session date."""

    def __init__(self, session_data: SessionData, bars: Bars) -> None:
        self._bars = bars
        self._spans: dict[date, tuple[int, int]] = {}
        if not len(bars):
            return
        table, zone = session_data.session_table, session_data.timezone
        ts = bars.ts
        for index in np.unique(table.session_of(ts)).tolist():
            if index >= 0:
                span = int(table.span_starts[index]), int(table.span_ends[index])
                self._spans[from_day(int(table.dates[index]))] = span
                continue
            # Bars of dates without trading, which a user may have put in.
            for row in np.flatnonzero(table.session_of(ts) < 0).tolist():
                day = from_ns(int(ts[row]), zone).date()
                ordinal = day.toordinal() - from_day(0).toordinal()
                ends = local_midnights(np.array([ordinal, ordinal + 1]), zone)
                self._spans[day] = int(ends[0]), int(ends[1])
        self._spans = dict(sorted(self._spans.items()))

    def __getitem__(self, session_date: date) -> Bars:
        wanted = require_date(session_date, "session_date")
        if wanted not in self._spans:
            newest = ", ".join(str(day) for day in list(self._spans)[-3:]) or "none"
            text = f"{self._bars.symbol} has no {self._bars.interval} history of {wanted}; newest: {newest}"
            raise UnknownSeriesError(text, session_date=wanted)
        return self._bars.between(*self._spans[wanted])

    def __iter__(self) -> Iterator[date]:
        return iter(self._spans)

    def __len__(self) -> int:
        return len(self._spans)

    def __repr__(self) -> str:
        days = list(self._spans)
        about = f"{days[0]} to {days[-1]}" if days else "empty"
        return f"{{{len(days)} sessions of {self._bars.symbol} {self._bars.interval}: {about}}}"
