"""The indicators of history, computed before each session from bars before its open, and put into the store.

Bars are read some sessions ahead and kept here, never in the session's history; ``tapeloom.indicators`` cuts them at the
open.
"""

from __future__ import annotations

from functools import partial
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
from tapeloom.session.loaded_bars import one_of_each
from tapeloom.session.read_ahead import ReadAhead

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
        # The value of a day is that of the bars of days that the run derives.
        self._hours = session_data.policies["extended_hours"]
        reads = {p.symbol: dict(p.indicators) for p in plan.symbols}
        self._kept = {
            kind: ReadAhead(
                source,
                self._calendar.table,
                _INTERVALS[kind],
                {symbol: _interval_of(kind, specs, r) for symbol, r in reads.items()},
                partial(self._made, interval=_INTERVALS[kind]),
                stop=sessions[-1],
                extended=self._hours == "full",
            )
            for kind in dict.fromkeys(spec.granularity for spec in specs.values())
        }

    def drop(self, symbol: str) -> None:
        """Care no more for a symbol that left the run."""
        for kept in self._kept.values():
            kept.drop(symbol)

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

    def _made(self, bars: Bars, _sessions: range, *, interval: str) -> Bars:
        """Bars of days or minutes of stored ones."""
        single = one_of_each(bars, self._session_data.policies["on_duplicate"])
        if Interval(single.interval) == Interval(interval):
            return single
        ((made,),) = resample(
            [single], [interval], self._calendar.table, extended_hours=self._hours
        )
        return made

    def _manager(self) -> TimeManager:
        """A time manager with the calendar of the run, whatever was corrected meanwhile."""
        if self._time_manager.calendar is not self._calendar:
            group, overlay = self._time_manager.exchange_group, self._calendar.overlay
            pinned = TimeManager(group, overlay=overlay)
            self._time_manager, self._calendar = pinned, pinned.calendar
        return self._time_manager


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
