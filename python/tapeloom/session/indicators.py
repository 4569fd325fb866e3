"""The indicators of history, computed before each session from bars before its open, and put into the store.

Bars are read some sessions ahead and kept here, never in the session's history; ``tapeloom.indicators`` cuts them at the
open.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tapeloom._core import Bars, Interval, resample
from tapeloom.calendars.days import from_day, to_day
from tapeloom.calendars.time_manager import TimeManager
from tapeloom.indicators import (
    HistoricalIndicator,
    trailing_average,
    trailing_max,
    trailing_min,
)
from tapeloom.periods import Period
from tapeloom.session.history import one_of_each, regular_hours
from tapeloom.storage.bar_source import no_bars

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from tapeloom.actions import Actions
    from tapeloom.calendars.market_calendar import MarketCalendar
    from tapeloom.config.session_data_config import IndicatorSpec
    from tapeloom.config.stream_plan import StreamPlan
    from tapeloom.session_data import SessionData
    from tapeloom.storage.bar_source import BarSource

__all__ = ["SessionIndicators"]

_DAILY, _MINUTE = "daily", "minute"
_INTERVALS = {_DAILY: "1d", _MINUTE: "1m"}
#: Bytes of one bar in memory, and what bars of minutes read ahead may take.
_BAR_BYTES, _AHEAD_BYTES = 49, 64 * 2**20
#: Sessions whose bars are read at once to make daily ones.
_MOST_AHEAD = 64


class SessionIndicators:
    """Computes the configured indicators of each symbol before each session.

    Parameters
    ----------
    session_data
        Takes the values.
    source
        Where bars come from.
    plan
        Which stored bars each indicator reads.
    specs
        The indicators by name.
    time_manager
        The time manager of the run.
    sessions
        Positions of the window's sessions in the table, rising.
    actions
        Splits, by which bars are restated in the shares of the session.
    """

    def __init__(
        self,
        session_data: SessionData,
        source: BarSource,
        plan: StreamPlan,
        specs: Mapping[str, IndicatorSpec],
        *,
        time_manager: TimeManager,
        sessions: Sequence[int],
        actions: Actions,
    ) -> None:
        self._session_data = session_data
        self._specs = specs
        self._time_manager = time_manager
        # The run keeps the calendar it began with.
        self._calendar = time_manager.calendar
        self._actions = actions
        reads = {p.symbol: dict(p.indicators) for p in plan.symbols}
        self._kept = {
            kind: _Kept(
                source,
                self._calendar,
                kind,
                {symbol: _interval_of(kind, specs, r) for symbol, r in reads.items()},
                stop=sessions[-1],
                on_duplicate=session_data.policies["on_duplicate"],
            )
            for kind in dict.fromkeys(spec.granularity for spec in specs.values())
        }

    def prepare(self, index: int) -> None:
        """Set the values of all indicators for session number ``index`` of the table."""
        if not self._specs:
            return
        table = self._calendar.table
        session_date = from_day(int(table.dates[index]))
        manager = self._manager()
        restated: dict[str, dict[str, Bars]] = {}
        for kind, kept in self._kept.items():
            specs = [s for s in self._specs.values() if s.granularity == kind]
            first = min(_first_session(s, self._calendar, index) for s in specs)
            kept.reach(first, index)
            restated[kind] = {
                symbol: self._actions.restated(
                    # Bars from the open on have no part in it, restated or not.
                    bars.between(None, int(table.span_starts[index])),
                    session_date,
                    table,
                )
                for symbol, bars in kept.bars.items()
            }
        for name, spec in self._specs.items():
            values = _values(spec, restated[spec.granularity], session_date, manager)
            for symbol, value in values.items():
                self._session_data.set_historical_indicator(symbol, name, value)

    def drop(self, symbol: str) -> None:
        """Care no more for a symbol that left the run."""
        for kept in self._kept.values():
            kept.drop(symbol)

    def _manager(self) -> TimeManager:
        """A time manager with the calendar of the run, whatever was corrected meanwhile."""
        if self._time_manager.calendar is not self._calendar:
            group, overlay = self._time_manager.exchange_group, self._calendar.overlay
            pinned = TimeManager(group, overlay=overlay)
            self._time_manager, self._calendar = pinned, pinned.calendar
        return self._time_manager


class _Kept:
    """Bars of days or of minutes of all symbols over a window of sessions that moves forward."""

    def __init__(
        self,
        source: BarSource,
        calendar: MarketCalendar,
        kind: str,
        intervals: Mapping[str, str | None],
        *,
        stop: int,
        on_duplicate: str,
    ) -> None:
        self._source = source
        self._table = calendar.table
        self._interval = _INTERVALS[kind]
        self._intervals = intervals
        self._stop = stop
        self._on_duplicate = on_duplicate
        self._end: int | None = None
        self.bars = {
            symbol: no_bars(symbol, self._interval, self._table.zone)
            for symbol in intervals
        }

    def reach(self, first: int, index: int) -> None:
        """Hold the bars of sessions ``[first, index)``, and perhaps later ones up to the window's last session."""
        begin = first if self._end is None else self._end
        if begin >= index and self._end is not None:
            return
        self._end = max(index, min(self._stop, index + self._ahead()))
        since = int(self._table.span_starts[first]) if first < index else None
        for symbol, interval in self._intervals.items():
            if interval is not None:
                new = self._read(symbol, interval, begin, self._end)
                old = self.bars[symbol].between(since, None)
                self.bars[symbol] = Bars.concat([old, new]) if len(old) else new

    def drop(self, symbol: str) -> None:
        self.bars.pop(symbol, None)
        self._intervals = {s: i for s, i in self._intervals.items() if s != symbol}

    def _ahead(self) -> int:
        if self._interval == "1d":
            return _MOST_AHEAD
        rows = len(self._intervals) * len(self._table.grid(self._stop, "1m"))
        return min(_MOST_AHEAD, _AHEAD_BYTES // max(1, rows * _BAR_BYTES))

    def _read(self, symbol: str, interval: str, first: int, end: int) -> Bars:
        """Bars of days or minutes from stored ones, regular hours only."""
        if first >= end:
            return no_bars(symbol, self._interval, self._table.zone)
        start = int(self._table.span_starts[first])
        stop = int(self._table.span_ends[end - 1])
        read = self._source.read(symbol, interval, start, stop)
        bars = regular_hours(read, self._table, range(first, end))
        bars = one_of_each(bars, self._on_duplicate)
        if Interval(interval) == Interval(self._interval):
            return bars
        ((made,),) = resample([bars], [self._interval], self._table)
        return made


def _interval_of(
    kind: str, specs: Mapping[str, IndicatorSpec], reads: Mapping[str, str | None]
) -> str | None:
    """The stored interval that indicators of a kind read; it is the same for all of one symbol."""
    return next((reads[n] for n, s in specs.items() if s.granularity == kind), None)


def _first_session(spec: IndicatorSpec, calendar: MarketCalendar, index: int) -> int:
    """Position of the first session of the period before session number ``index``."""
    table, period = calendar.table, Period.parse(spec.period)
    if period.unit != "d":
        begin = period.start(from_day(int(table.dates[index])))
        return table.sessions_before(to_day(begin))
    if not spec.skip_early_close:
        return max(0, index - period.count)
    full = ~np.isin(table.dates[:index], calendar.early_closes)
    places = np.flatnonzero(full)[-period.count :]
    return int(places[0]) if places.size == period.count else 0


def _values(
    spec: IndicatorSpec,
    bars: dict[str, Bars],
    session_date: date,
    time_manager: TimeManager,
) -> dict[str, HistoricalIndicator]:
    if spec.type == "trailing_average":
        return trailing_average(
            bars,
            session_date,
            spec.period,
            granularity=spec.granularity,
            field=spec.field,
            skip_early_close=spec.skip_early_close,
            time_manager=time_manager,
        )
    extreme = trailing_max if spec.type == "trailing_max" else trailing_min
    return extreme(
        bars, session_date, spec.period, field=spec.field, time_manager=time_manager
    )
