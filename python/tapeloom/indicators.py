"""Indicators of history: averages and extremes over trading days, weeks, months or years before a session.

Computed from bars in memory; knows no storage, and never what the session itself brings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from itertools import compress
from typing import TYPE_CHECKING, Literal, TypeVar, overload

import numpy as np

from tapeloom._core import (
    Bars,
    daily_values,
    minute_average,
    rolling_average,
    rolling_extreme,
)
from tapeloom.calendars.days import from_day, require_date, to_day
from tapeloom.calendars.given_exchange import time_manager_for, unless_default
from tapeloom.errors import ArgumentError, ArgumentTypeError, did_you_mean
from tapeloom.periods import Period

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tapeloom.calendars.market_calendar import MarketCalendar
    from tapeloom.calendars.time_manager import TimeManager

__all__ = ["HistoricalIndicator", "trailing_average", "trailing_max", "trailing_min"]

_MINUTE_NS = 60_000_000_000
_FIELDS = ("open", "high", "low", "close", "volume")
_T = TypeVar("_T", bound=np.generic)


@dataclass(frozen=True, slots=True, eq=False)
class HistoricalIndicator:
    """A value computed from history, and what it rests on. Compared by identity, since the value may be an array."""

    value: float | NDArray[np.float64]
    """The value; NaN where there is nothing. Of minutes a read-only array, index i is i minutes after the open."""
    n_used: int
    """Sessions of the period that have a bar."""
    n_requested: int
    """Sessions that the period asks for; more than ``n_used`` where history is short or has holes."""
    dates: tuple[date, ...]
    """The sessions used, oldest first."""
    counts: NDArray[np.int32] | None = None
    """How many sessions are behind each minute, read-only; ``None`` for a single value."""
    date_of_extreme: date | None = None
    """The first session that has the extreme; ``None`` for averages and where there is nothing."""


@overload
def trailing_average(
    bars: Bars,
    session_date: date,
    period: str = ...,
    *,
    granularity: str = ...,
    field: str = ...,
    skip_early_close: bool = ...,
    exchange_group: str = ...,
    time_manager: TimeManager | None = ...,
) -> HistoricalIndicator: ...
@overload
def trailing_average(
    bars: Mapping[str, Bars],
    session_date: date,
    period: str = ...,
    *,
    granularity: str = ...,
    field: str = ...,
    skip_early_close: bool = ...,
    exchange_group: str = ...,
    time_manager: TimeManager | None = ...,
) -> dict[str, HistoricalIndicator]: ...
def trailing_average(
    bars: Bars | Mapping[str, Bars],
    session_date: date,
    period: str = "10d",
    *,
    granularity: str = "daily",
    field: str = "volume",
    skip_early_close: bool = False,
    exchange_group: str = "US_EQUITY",
    time_manager: TimeManager | None = None,
) -> HistoricalIndicator | dict[str, HistoricalIndicator]:
    """Return the average of days, or of each minute of the day, over a period before a session.

    Parameters
    ----------
    bars
        Bars of one symbol in order of time, of at most one session each, or a mapping of symbol to such bars. Only
        regular hours count; bars from the session's open on are never read.
    session_date
        The session. If the date has none, history is what lies before it.
    period
        ``"10d"`` is the newest 10 trading days; ``"52w"``, ``"6m"`` and ``"1y"`` are calendar weeks, months and years
        back, the dates in ``[session_date - period, session_date)``. A day that its month does not have is the last of
        the month.
    granularity
        ``"daily"`` for the mean of the value of each day: total volume, highest high, lowest low, first open or last
        close. ``"minute"`` for the mean of each minute over the days that have it; needs 1m bars.
    field
        ``"volume"``, ``"open"``, ``"high"``, ``"low"`` or ``"close"``.
    skip_early_close
        Whether half days are left out; ``"10d"`` then reaches back until it has 10 full ones.
    exchange_group
        Whose sessions.
    time_manager
        A calendar with corrections.

    Returns
    -------
    HistoricalIndicator
        ``value`` is a float or, of minutes, a read-only float64 array as long as a full session from open to close, 390
        in the US; a minute in a break is NaN. What there is too little of shows in ``n_used`` and ``counts``; nothing
        at all is NaN. For a mapping a dict of them by the same keys.

    Raises
    ------
    ArgumentError
        For a period, granularity or field that cannot be read, and for bars out of order.
    IntervalError
        For bars of more than one session.
    OutOfCalendarError
        If the calendar does not cover the date.

    Examples
    --------
    >>> from datetime import date
    >>> import numpy as np
    >>> from tapeloom import Bars, TimeManager, trailing_average
    >>> time_manager = TimeManager()
    >>> opens = [time_manager.get_grid(date(2025, 7, day), "1d")[0] for day in (1, 2)]
    >>> price, volume = np.ones(2), np.array([100.0, 300.0])
    >>> bars = Bars.from_columns("AAPL", "1d", ts=np.array(opens), open=price, high=price, low=price, close=price,
    ...     volume=volume, zone=time_manager.timezone)
    >>> average = trailing_average(bars, date(2025, 7, 3), "10d")
    >>> average.value, average.n_used, average.n_requested
    (200.0, 2, 10)
    """
    if granularity not in ("daily", "minute"):
        known = ("daily", "minute")
        text = f"granularity is {granularity!r}; it must be 'daily' or 'minute'"
        raise ArgumentError(
            text + did_you_mean(str(granularity), known), got=granularity
        )
    history = _History(
        session_date, period, skip_early_close, exchange_group, time_manager
    )
    _check_field(field)
    series = _series(bars, history)
    table, first, last = history.table, history.first, history.last
    if granularity == "minute":
        closes = daily_values(series, table, first=first, last=last, field="close")
        means, counts = minute_average(
            series, table, history.kept.tolist(), field=field, slots=history.minutes()
        )
        found = [
            history.indicator(_frozen(mean), close, counts=_frozen(count))
            for mean, count, close in zip(means, counts, closes, strict=True)
        ]
        return _answer(bars, found)
    values = daily_values(series, table, first=first, last=last, field=field)
    days = max(1, history.kept.size)
    averages, _ = rolling_average(values, days, skip=history.skipped)
    found = [
        history.indicator(float(average[-1]), row)
        for average, row in zip(averages, values, strict=True)
    ]
    return _answer(bars, found)


@overload
def trailing_max(
    bars: Bars,
    session_date: date,
    period: str,
    *,
    field: str = ...,
    exchange_group: str = ...,
    time_manager: TimeManager | None = ...,
) -> HistoricalIndicator: ...
@overload
def trailing_max(
    bars: Mapping[str, Bars],
    session_date: date,
    period: str,
    *,
    field: str = ...,
    exchange_group: str = ...,
    time_manager: TimeManager | None = ...,
) -> dict[str, HistoricalIndicator]: ...
def trailing_max(
    bars: Bars | Mapping[str, Bars],
    session_date: date,
    period: str,
    *,
    field: str = "high",
    exchange_group: str = "US_EQUITY",
    time_manager: TimeManager | None = None,
) -> HistoricalIndicator | dict[str, HistoricalIndicator]:
    """Return the highest value of a day over a period before a session, with its date.

    Parameters and errors are those of ``trailing_average``.

    Returns
    -------
    HistoricalIndicator
        ``value`` is a float, NaN without any bar; ``date_of_extreme`` is the first session that has it. For a mapping
        a dict of them by the same keys.

    Examples
    --------
    >>> from datetime import date
    >>> import numpy as np
    >>> from tapeloom import Bars, TimeManager, trailing_max
    >>> time_manager = TimeManager()
    >>> opens = [time_manager.get_grid(date(2025, 7, day), "1d")[0] for day in (1, 2)]
    >>> price = np.array([12.0, 10.0])
    >>> bars = Bars.from_columns("AAPL", "1d", ts=np.array(opens), open=price, high=price, low=price, close=price,
    ...     volume=price, zone=time_manager.timezone)
    >>> highest = trailing_max(bars, date(2025, 7, 3), "52w")
    >>> highest.value, highest.date_of_extreme, highest.n_used
    (12.0, datetime.date(2025, 7, 1), 2)
    """
    history = _History(session_date, period, False, exchange_group, time_manager)
    return _extreme(bars, history, field, "max")


@overload
def trailing_min(
    bars: Bars,
    session_date: date,
    period: str,
    *,
    field: str = ...,
    exchange_group: str = ...,
    time_manager: TimeManager | None = ...,
) -> HistoricalIndicator: ...
@overload
def trailing_min(
    bars: Mapping[str, Bars],
    session_date: date,
    period: str,
    *,
    field: str = ...,
    exchange_group: str = ...,
    time_manager: TimeManager | None = ...,
) -> dict[str, HistoricalIndicator]: ...
def trailing_min(
    bars: Bars | Mapping[str, Bars],
    session_date: date,
    period: str,
    *,
    field: str = "low",
    exchange_group: str = "US_EQUITY",
    time_manager: TimeManager | None = None,
) -> HistoricalIndicator | dict[str, HistoricalIndicator]:
    """Return the lowest value of a day over a period before a session, with its date; else as ``trailing_max``."""
    history = _History(session_date, period, False, exchange_group, time_manager)
    return _extreme(bars, history, field, "min")


def _check_field(field: object) -> None:
    if not isinstance(field, str):
        text = f"field is {type(field).__name__}; it must be a word such as 'volume'"
        raise ArgumentTypeError(text, got=field)
    if field not in _FIELDS:
        text = f"field is {field!r}; it must be one of {', '.join(_FIELDS)}"
        raise ArgumentError(text + did_you_mean(field, _FIELDS), got=field)


def _extreme(
    bars: Bars | Mapping[str, Bars],
    history: _History,
    field: str,
    kind: Literal["max", "min"],
) -> HistoricalIndicator | dict[str, HistoricalIndicator]:
    _check_field(field)
    values = daily_values(
        _series(bars, history),
        history.table,
        first=history.first,
        last=history.last,
        field=field,
    )
    starts = np.zeros(values.shape[1] + 1, dtype=np.int64)
    extremes, places = rolling_extreme(values, starts, kind)
    found = []
    for extreme, place, row in zip(extremes[:, -1], places[:, -1], values, strict=True):
        when = None if place < 0 else history.date_of(history.first + int(place))
        found.append(history.indicator(float(extreme), row, date_of_extreme=when))
    return _answer(bars, found)


class _History:
    """The sessions of a period before a session date."""

    def __init__(
        self,
        session_date: date,
        period: str,
        skip_early_close: bool,
        exchange_group: str,
        time_manager: TimeManager | None,
    ) -> None:
        if not isinstance(skip_early_close, bool):
            text = f"skip_early_close is {skip_early_close!r}; it must be True or False"
            raise ArgumentTypeError(text, got=skip_early_close)
        manager = time_manager_for(unless_default(exchange_group), time_manager)
        self._market: MarketCalendar = manager.calendar
        self.table = self._market.table
        self._day = to_day(require_date(session_date, "session_date"))
        self._market.require_covered(session_date, self._day, "session_date")
        asked = Period.parse(period)
        #: Position of the session, or of the next one if the date has none.
        self.last = self.table.sessions_before(self._day)
        skipped = np.zeros(self.last, dtype=np.bool_)
        if skip_early_close:
            skipped = np.isin(self.table.dates[: self.last], self._market.early_closes)
        kept = np.flatnonzero(~skipped)
        if asked.unit == "d":
            kept = kept[-asked.count :]
        else:
            begin = to_day(asked.start(session_date))
            kept = kept[np.searchsorted(kept, self.table.sessions_before(begin)) :]
        #: Positions of the sessions that take part.
        self.kept = kept
        self.requested = asked.count if asked.unit == "d" else int(kept.size)
        self.first = int(kept[0]) if kept.size else self.last
        self.skipped = skipped[self.first :]
        self._at = kept - self.first
        self._dates = tuple(map(self.date_of, kept.tolist()))

    def before_the_open(self, bars: Bars) -> Bars:
        """Return the bars that history may know."""
        if self.first == self.last:
            return bars[:0]
        # The last session before this one has ended where its time does.
        return bars.between(
            int(self.table.span_starts[self.first]),
            int(self.table.closes[self.last - 1]),
        )

    def minutes(self) -> int:
        """Return the length of a full session: of this one, or of the newest before it that does not close early."""
        table = self.table
        newest = self.last + (table.index_of(self._day) is not None)
        full = ~np.isin(table.dates[:newest], self._market.early_closes)
        places = np.flatnonzero(full)
        if not places.size:
            return 0
        at = int(places[-1])
        return int(table.closes[at] - table.opens[at]) // _MINUTE_NS

    def date_of(self, position: int) -> date:
        """Return the date of a session."""
        return from_day(int(self.table.dates[position]))

    def indicator(
        self,
        value: float | NDArray[np.float64],
        days: NDArray[np.float64],
        *,
        counts: NDArray[np.int32] | None = None,
        date_of_extreme: date | None = None,
    ) -> HistoricalIndicator:
        """Return a value with the dates it rests on; ``days`` are NaN where a session from the first on has no bar."""
        is_absent = np.isnan(days[self._at])
        dates = self._dates
        if is_absent.any():
            dates = tuple(compress(dates, (~is_absent).tolist()))
        return HistoricalIndicator(
            value, len(dates), self.requested, dates, counts, date_of_extreme
        )


def _series(bars: Bars | Mapping[str, Bars], history: _History) -> list[Bars]:
    given = list(bars.values()) if isinstance(bars, Mapping) else [bars]
    for one in given:
        if not isinstance(one, Bars):
            text = f"bars are {type(one).__name__}; give Bars, or a mapping of symbol to Bars"
            raise ArgumentTypeError(text)
        if not one.is_sorted():
            text = f"{one.symbol} {one.interval} is not in order of time; use bars.sorted()"
            raise ArgumentError(text, symbol=one.symbol)
    return [history.before_the_open(one) for one in given]


def _answer(
    bars: Bars | Mapping[str, Bars], found: list[HistoricalIndicator]
) -> HistoricalIndicator | dict[str, HistoricalIndicator]:
    return (
        dict(zip(bars, found, strict=True)) if isinstance(bars, Mapping) else found[0]
    )


def _frozen(row: NDArray[_T]) -> NDArray[_T]:
    own = row.copy()
    own.flags.writeable = False
    return own
