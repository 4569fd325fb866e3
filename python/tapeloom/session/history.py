"""The history of a run: loaded before its first session, rolled from session to session, restated at splits.

The trailing trading days strictly before a session, regular hours only. What follows from the base is rolled by the store:
each ended session comes in, the oldest goes. What is stored by itself, and what reaches over several sessions, is put there
before each session.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from tapeloom._core import Bars, Interval, resample
from tapeloom.actions import Actions, is_ordinary, split_jumps
from tapeloom.bars import Provenance
from tapeloom.calendars.days import from_day
from tapeloom.session.day_groups import group_of, whole_groups
from tapeloom.session.history_series import days_in_the_store, series_of
from tapeloom.session.loaded_bars import on_grid, one_of_each, regular_hours
from tapeloom.session.read_ahead import ReadAhead

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from tapeloom._core import SessionTable
    from tapeloom.config.stream_plan import StreamPlan
    from tapeloom.session.history_series import HistorySeries
    from tapeloom.session.tally import Tally
    from tapeloom.session_data import SessionData
    from tapeloom.storage.bar_source import BarSource

__all__ = ["SessionHistory"]

_SPLIT = "splits"
_Key = tuple[str, str]


class SessionHistory:
    """Keeps the history of a store as the plan says.

    Parameters
    ----------
    session_data
        The store, whose session has been started when history is prepared.
    source
        Where bars come from.
    plan
        Which bars are kept over which days.
    table
        The session table.
    actions
        Splits, by which bars of earlier sessions are restated.
    tally
        Takes the warnings.
    stop
        Position behind the last session that is played: nothing from it on is read ahead. The end of the table if not
        given.
    """

    def __init__(
        self,
        session_data: SessionData,
        source: BarSource,
        plan: StreamPlan,
        table: SessionTable,
        *,
        actions: Actions,
        tally: Tally,
        stop: int | None = None,
    ) -> None:
        self._stop = len(table) if stop is None else stop
        self._session_data = session_data
        self._source = source
        self._plan = plan
        self._table = table
        self._actions = actions
        self._tally = tally
        all_series = [
            series_of(symbol, source.get_intervals(symbol.symbol))
            for symbol in plan.symbols
        ]
        days = days_in_the_store(series for found in all_series for series in found)
        self._by_symbol = {
            found[0].symbol: [series for series in found if series.days]
            for found in all_series
        }
        self._series = [s for found in self._by_symbol.values() for s in found]
        self._by_key = {(s.symbol, s.interval): s for s in self._series}
        session_data.keep_history(
            max((series.days for series in self._series), default=0), by_interval=days
        )
        by_hand = [series for series in self._series if not days[series.interval]]
        #: Put into history before each session, and taken along from session to session.
        self._own = dict.fromkeys(
            s for s in by_hand if s.is_configured and not s.follows_base
        )
        self._taken = [s for s in by_hand if s not in self._own]
        self._along: dict[_Key, Bars] = {}
        self._ahead = self._read_ahead()
        self._weeks: dict[_Key, tuple[range, Bars]] = {}
        self._prepared: int | None = None
        self._jumps: set[tuple[str, date]] = set()
        # Present and due bars of each session behind history that was made from finer bars.
        self._made: dict[_Key, dict[int, tuple[int, int]]] = {}

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
            )
            for interval, of_it in found.items()
        }

    def replanned(self, plan: StreamPlan) -> SessionHistory:
        """Return the history of a plan with other symbols, in the same session; it knows what this one has noted."""
        found = SessionHistory(
            self._session_data,
            self._source,
            plan,
            self._table,
            actions=self._actions,
            tally=self._tally,
            stop=self._stop,
        )
        found._prepared, found._jumps = self._prepared, self._jumps
        found._made = {k: made for k, made in self._made.items() if k in found._by_key}
        return found

    def join(self, symbol: str) -> None:
        """Load the history of a symbol that joins the session."""
        if self._prepared is not None:
            self._load(self._prepared, [symbol], is_first=True)
            self._say_presence(self._prepared)

    def leave(self) -> None:
        """Take along what the store will drop with the session that ends; called before the next one starts."""
        for series in self._taken if self._prepared is not None else ():
            key = series.symbol, series.interval
            self._along[key] = self._session_data.get_bars(*key, scope="all")

    def prepare(self, index: int) -> None:
        """Let history hold what lies before session number ``index`` of the table, in the shares of that session."""
        before, self._prepared = self._prepared, index
        if before is None:
            self._load(index, self._by_symbol, is_first=True)
        elif self._split_since(before, index):
            # What the store holds is in the shares of an earlier date.
            self._session_data.clear_historical_bars()
            self._load(index, self._by_symbol, is_first=False)
        else:
            self._reach_ahead(index)
            for series in self._own:
                self._put(series, self._own_bars(series, index), index)
            for series in self._taken:
                taken = self._along[series.symbol, series.interval]
                self._put(series, self._trailing(series, taken, index), index)
        self._say_presence(index)

    def finish(self) -> None:
        """Note what the session that has ended leaves behind, and compare it with the history before it."""
        store = self._session_data
        for (symbol, interval), made in self._made.items():
            follows = self._by_key[symbol, interval].follows_base
            if follows and self._prepared is not None:
                made[self._prepared] = store._session_presence(symbol)[:2]
        for plan in self._plan.symbols:
            last = store.get_latest_bar(plan.symbol, scope="history")
            bars = store.get_bars(plan.symbol)
            if last is None or not len(bars) or is_ordinary(last.close, bars[0].open):
                continue
            before = store.get_last_n_bars(plan.symbol, 1, scope="history")
            self._note_jumps(Bars.concat([before, bars[:1]]))

    def _load(self, index: int, symbols: Iterable[str], *, is_first: bool) -> None:
        self._reach_ahead(index)
        for symbol in symbols:
            of_symbol = self._by_symbol[symbol]
            # Stored bars of a coarse interval come before those that follow from the base.
            for series in reversed(of_symbol):
                if not series.is_configured:
                    continue
                bars = self._loaded(series, index)
                self._put(series, bars, index)
                if is_first:
                    self._warn_of_few(series, bars)

    def _warn_of_few(self, series: HistorySeries, bars: Bars) -> None:
        found = int(np.unique(self._table.session_of(bars.ts)).size)
        # Bars of weeks begin on one of their days only.
        least = 1 if series.is_of_several_days else series.days
        if found >= least:
            return
        asked = "1 day" if series.days == 1 else f"{series.days} days"
        text = f"history {series.interval}: {found} of the {asked} asked for have bars"
        self._tally.warn("history", text, symbols=[series.symbol])

    def _put(self, series: HistorySeries, bars: Bars, index: int) -> None:
        sessions = range(max(0, index - series.days), index)
        self._session_data._load_history(series.symbol, sessions, bars)

    def _loaded(self, series: HistorySeries, index: int) -> Bars:
        """The bars of a series from the source, in the shares of a session."""
        if series in self._own:
            return self._own_bars(series, index)
        sessions = range(max(0, index - series.days), index)
        bars = self._read(series, sessions)
        if not series.is_base:
            self._measure((series.symbol, series.interval), bars, sessions)
        bars = self._actions.restated(bars, self._date(index), self._table)
        self._note_jumps(bars)
        return bars if series.is_base else self._aggregated(bars, series.interval)

    def _own_bars(self, series: HistorySeries, index: int) -> Bars:
        """Bars that do not follow from the sessions of the run."""
        if series.is_of_several_days:
            return self._several_days(series, index)
        held = self._ahead[series.interval].bars[series.symbol]
        bars = self._trailing(series, held, index)
        bars = self._actions.restated(bars, self._date(index), self._table)
        self._note_jumps(bars)
        return bars

    def _several_days(self, series: HistorySeries, index: int) -> Bars:
        """Bars over several sessions, of those groups of sessions that have ended; the first one whole."""
        key = series.symbol, series.interval
        first = max(0, index - series.days)
        sessions = whole_groups(self._table, first, index, series.interval)
        known, bars = self._weeks.get(key, (range(0), None))
        if bars is None or known != sessions or series.symbol in self._actions.symbols:
            bars = self._read(series, sessions)
            bars = self._actions.restated(bars, self._date(index), self._table)
            self._note_jumps(bars)
            if series.origin != series.interval:
                bars = self._aggregated(bars, series.interval)
                if series.origin != series.base:
                    bars = _as_stored(bars, self._table)
            self._weeks[key] = sessions, bars
        return bars

    def _read(self, series: HistorySeries, sessions: range) -> Bars:
        """Stored bars of some sessions, regular hours; the store tells those of the base apart itself."""
        start, end = _span(self._table, sessions)
        read = self._source.read(series.symbol, series.origin, start, end)
        bars = regular_hours(read, self._table, sessions)
        return bars if series.is_base else self._single(bars)

    def _reach_ahead(self, index: int) -> None:
        for interval, ahead in self._ahead.items():
            days = max(s.days for s in self._own if s.interval == interval)
            ahead.reach(max(0, index - days), index)

    def _trailing(self, series: HistorySeries, bars: Bars, index: int) -> Bars:
        """The bars of the trailing days before a session, sharing memory."""
        table, first = self._table, max(0, index - series.days)
        if first == index:
            return bars[:0]
        begin = group_of(table, first, series.interval).start
        return bars.between(
            int(table.span_starts[begin]), int(table.span_starts[index])
        )

    def _placed(self, bars: Bars, sessions: range, *, interval: str) -> Bars:
        """Bars of an interval of stored ones."""
        single = self._single(bars)
        if Interval(single.interval) == Interval(interval):
            return on_grid(single, self._table, sessions)
        self._measure((bars.symbol, interval), single, sessions)
        return _as_stored(self._aggregated(single, interval), self._table)

    def _single(self, bars: Bars) -> Bars:
        return one_of_each(bars, self._session_data.policies["on_duplicate"])

    def _aggregated(self, bars: Bars, interval: str) -> Bars:
        ((made,),) = resample(
            [bars],
            [interval],
            self._table,
            completeness=self._session_data._completeness,
            anchor=self._session_data.policies["anchor"],
        )
        return made

    def _measure(self, key: _Key, bars: Bars, sessions: range) -> None:
        """Count the bars behind history that is made from them, where the base's history does not reach as far."""
        series, base = self._by_key[key], self._by_symbol[key[0]][0]
        if base.is_base and base.days >= series.days:
            return
        made = self._made.setdefault(key, {})
        for session in sessions:
            grid = self._table.grid(session, bars.interval)
            stamps = regular_hours(bars, self._table, [session]).ts
            made[session] = int(np.isin(grid, stamps).sum()), len(grid)

    def _say_presence(self, index: int) -> None:
        """Tell the store what lies behind the history that it has now."""
        listed = self._session_data._is_listed
        for (symbol, interval), made in self._made.items():
            first = index - self._by_key[symbol, interval].days
            for session in [session for session in made if session < first]:
                del made[session]
            found = [n for at, n in made.items() if at < index and listed(symbol, at)]
            presence = sum(n for n, _ in found), sum(n for _, n in found)
            self._session_data._set_history_presence(symbol, interval, presence)

    def _split_since(self, before: int, index: int) -> bool:
        split = self._actions.between(self._date(before), self._date(index))
        symbols = {action.symbol for action in split}
        return any(series.symbol in symbols for series in self._series)

    def _note_jumps(self, bars: Bars) -> None:
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

    def _date(self, index: int) -> date:
        return from_day(int(self._table.dates[index]))


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
        **columns,
    )


def _span(table: SessionTable, sessions: range) -> tuple[int, int]:
    if not len(sessions):
        return 0, 0
    return int(table.span_starts[sessions[0]]), int(table.span_ends[sessions[-1]])
