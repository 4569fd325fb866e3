"""The bars of history as they are read: cut to the hours of a session, of one row each, restated, made of finer ones."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from tapeloom._core import Bars, Interval, resample
from tapeloom.actions import split_jumps
from tapeloom.bars import Provenance
from tapeloom.calendars.days import from_day
from tapeloom.session.loaded_bars import on_grid, one_of_each, stretches_of
from tapeloom.session.read_ahead import ReadAhead

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import date

    from tapeloom._core import SessionTable
    from tapeloom.actions import Actions
    from tapeloom.session.history_series import HistorySeries
    from tapeloom.session.tally import Tally
    from tapeloom.session_data import SessionData
    from tapeloom.storage.bar_source import BarSource

__all__ = ["HistoryBars"]

_SPLIT = "splits"
_Key = tuple[str, str]


class HistoryBars:
    """Reads the history of series.

    Parameters
    ----------
    source
        Where bars come from.
    session_data
        The store, for its policies.
    table
        The session table.
    own
        The series that do not follow from the sessions of the run. Those of a day or less are read some sessions ahead.
    actions
        Splits, by which bars of earlier sessions are restated.
    tally
        Takes the warnings.
    measure
        Is told of bars that others are made of: symbol and interval of those that are made, the bars, their sessions.
    stop
        Nothing from this session on is read ahead.
    """

    def __init__(
        self,
        source: BarSource,
        session_data: SessionData,
        table: SessionTable,
        own: Collection[HistorySeries],
        *,
        actions: Actions,
        tally: Tally,
        measure: Callable[[_Key, Bars, range], object],
        stop: int,
    ) -> None:
        self._source = source
        self._session_data = session_data
        self._table = table
        self._own = own
        self._actions = actions
        self._tally = tally
        self._measure = measure
        self._stop = stop
        self._hours = session_data.policies["extended_hours"]
        # Loaded or rolled from the run's own sessions, a day of history has the same bars.
        self._extended = self._hours != "off"
        self._ahead = self._read_ahead()
        self._weeks: dict[_Key, tuple[range, Bars]] = {}
        self._jumps: set[tuple[str, date]] = set()
        #: The sessions that were read last, as a rule of another symbol, and the stretches that are their hours.
        self._hours_of: tuple[range, list[tuple[int, int]]] = range(0), []

    def take_over(self, other: HistoryBars) -> None:
        """Know what others of the same run have warned of."""
        self._jumps = other._jumps

    def reach(self, index: int) -> None:
        """Read what lies before session ``index`` of the series that are read ahead."""
        for interval, ahead in self._ahead.items():
            days = max(s.days for s in self._own if s.interval == interval)
            ahead.reach(max(0, index - days), index)

    def own(self, series: HistorySeries, index: int) -> Bars:
        """Return the bars of a series that does not follow from the sessions of the run, before session ``index``."""
        if series.is_of_several_days:
            return self._several_days(series, index)
        held = self._ahead[series.interval].bars[series.symbol]
        return self._restated(self.trailing(series, held, index), index)

    def following(self, series: HistorySeries, sessions: range, index: int) -> Bars:
        """Return the bars of a series that follows from its base, or is it, in the shares of session ``index``."""
        bars = self._read(series, sessions)
        if not series.is_base:
            self._measure((series.symbol, series.interval), bars, sessions)
        bars = self._restated(bars, index)
        return bars if series.is_base else self._aggregated(bars, series.interval)

    def trailing(self, series: HistorySeries, bars: Bars, index: int) -> Bars:
        """Return the bars of the trailing days before a session, sharing memory."""
        table, first = self._table, max(0, index - series.days)
        if first == index:
            return bars[:0]
        begin, _ = table.group(first, series.interval)
        return bars.between(
            int(table.span_starts[begin]), int(table.span_starts[index])
        )

    def note_jumps(self, bars: Bars) -> None:
        """Warn of prices that jump like a split which nobody has told of, once each."""
        for jump in split_jumps(bars, self._table):
            key = (jump.symbol, jump.session_date)
            if key in self._jumps:
                continue
            self._jumps.add(key)
            text = (
                f"prices jump like a {jump.like} split on {jump.session_date}, and history is not restated for it; "
                "put splits into actions.csv beside the data"
            )
            self._tally.warn(_SPLIT, text, symbols=[jump.symbol])

    def _read_ahead(self) -> dict[str, ReadAhead]:
        """Readers of the stored bars of a day or less that are put into history before each session."""
        found: dict[str, list[HistorySeries]] = {}
        for series in self._own:
            if not series.is_of_several_days:
                found.setdefault(series.interval, []).append(series)
        return {
            interval: ReadAhead(
                self._source,
                self._table,
                interval,
                {series.symbol: series.origin for series in of_it},
                partial(self._placed, interval=interval),
                stop=self._stop,
                extended=self._extended,
            )
            for interval, of_it in found.items()
        }

    def _several_days(self, series: HistorySeries, index: int) -> Bars:
        """Bars over several sessions, of those groups of sessions that have ended; the first one whole."""
        key = series.symbol, series.interval
        first = max(0, index - series.days)
        sessions = _whole_groups(self._table, first, index, series.interval)
        known, bars = self._weeks.get(key, (range(0), None))
        if bars is None or known != sessions or series.symbol in self._actions.symbols:
            bars = self._read(series, sessions)
            bars = self._restated(bars, index)
            if series.origin != series.interval:
                bars = self._aggregated(bars, series.interval)
                if series.origin != series.base:
                    bars = _as_stored(bars, self._table)
            self._weeks[key] = sessions, bars
        return bars

    def _read(self, series: HistorySeries, sessions: range) -> Bars:
        """Stored bars of some sessions; the store tells those of the base apart itself."""
        start, end = _span(self._table, sessions)
        read = self._source.read(series.symbol, series.origin, start, end)
        if sessions != self._hours_of[0]:
            hours = stretches_of(self._table, sessions, extended=self._extended)
            self._hours_of = sessions, hours
        bars = read.within(self._hours_of[1])
        return bars if series.is_base else self._single(bars)

    def _placed(self, bars: Bars, sessions: range, *, interval: str) -> Bars:
        """Bars of an interval of stored ones."""
        single = self._single(bars)
        if Interval(single.interval) == Interval(interval):
            return on_grid(single, self._table, sessions, extended=self._extended)
        self._measure((bars.symbol, interval), single, sessions)
        return _as_stored(self._aggregated(single, interval), self._table)

    def _single(self, bars: Bars) -> Bars:
        return one_of_each(bars, self._session_data.policies["on_duplicate"])

    def _restated(self, bars: Bars, index: int) -> Bars:
        bars = self._actions.restated(bars, self._date(index), self._table)
        self.note_jumps(bars)
        return bars

    def _date(self, index: int) -> date:
        return from_day(int(self._table.dates[index]))

    def _aggregated(self, bars: Bars, interval: str) -> Bars:
        ((made,),) = resample(
            [bars],
            [interval],
            self._table,
            completeness=self._session_data._completeness,
            anchor=self._session_data.policies["anchor"],
            extended_hours=self._hours,
        )
        return made


def _as_stored(bars: Bars, table: SessionTable) -> Bars:
    """Bars that were made from others than the base: no bar that is derived from the base replaces them."""
    columns = {name: getattr(bars, name) for name in ("open", "high", "low", "close")}
    return Bars.from_columns(
        bars.symbol,
        bars.interval,
        ts=bars.ts,
        volume=bars.volume,
        zone=bars.zone,
        table=table,
        flags=bars.flags & ~np.uint8(Provenance.DERIVED),
        constituents=bars.constituents,
        anchor=bars.anchor,
        extended_hours=bars.extended_hours,
        **columns,
    )


def _whole_groups(table: SessionTable, first: int, index: int, interval: str) -> range:
    """Sessions of the groups that share a bar, reach into ``[first, index)`` and have ended before ``index``."""
    if first >= index:
        return range(index, index)
    begin, _ = table.group(first, interval)
    start, stop = table.group(index - 1, interval)
    return range(begin, max(begin, stop if stop <= index else start))


def _span(table: SessionTable, sessions: range) -> tuple[int, int]:
    if not len(sessions):
        return 0, 0
    return int(table.span_starts[sessions[0]]), int(table.span_ends[sessions[-1]])
