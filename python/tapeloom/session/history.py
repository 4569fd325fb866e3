"""The history of a run: loaded before its first session, and restated when the shares of a symbol change.

The trailing trading days strictly before a session, regular hours only. In between the store rolls it: each ended session
comes in, the oldest goes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tapeloom._core import Bars, Interval, resample
from tapeloom.actions import Actions, is_ordinary, split_jumps
from tapeloom.calendars.days import from_day
from tapeloom.errors import DuplicateBarError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from tapeloom._core import SessionTable
    from tapeloom.config.stream_plan import StreamPlan, SymbolPlan
    from tapeloom.session.tally import Tally
    from tapeloom.session_data import SessionData
    from tapeloom.storage.bar_source import BarSource

__all__ = ["SessionHistory", "one_of_each", "regular_hours"]

_ONE_DAY = Interval("1d")
_SPLIT = "splits"
_VALUES = ("open", "high", "low", "close", "volume")


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
    ) -> None:
        self._session_data = session_data
        self._source = source
        self._plan = plan
        self._table = table
        self._actions = actions
        self._tally = tally
        self._prepared: int | None = None
        self._jumps: set[tuple[str, date]] = set()
        # Present and due bars of each session behind history that was made from finer bars.
        self._made: dict[tuple[str, str], dict[int, tuple[int, int]]] = {}

    def prepare(self, index: int) -> None:
        """Let history hold what lies before session number ``index`` of the table, in the shares of that session."""
        before, self._prepared = self._prepared, index
        if before is None:
            self._load(index, is_first=True)
        elif self._split_since(before, index):
            # What the store holds is in the shares of an earlier date.
            self._session_data.clear_historical_bars()
            self._load(index, is_first=False)
        self._say_presence(index)

    def drop(self, symbol: str) -> None:
        """Care no more for a symbol that left the run."""
        left = tuple(p for p in self._plan.symbols if p.symbol != symbol)
        self._plan = replace(self._plan, symbols=left)
        self._made = {key: made for key, made in self._made.items() if key[0] != symbol}

    def finish(self) -> None:
        """Note what the session that has ended leaves behind, and compare it with the history before it."""
        store = self._session_data
        for (symbol, _), made in self._made.items():
            if self._prepared is not None:
                made[self._prepared] = store._session_presence(symbol)[:2]
        for plan in self._plan.symbols:
            last = store.get_latest_bar(plan.symbol, scope="history")
            bars = store.get_bars(plan.symbol)
            if last is None or not len(bars) or is_ordinary(last.close, bars[0].open):
                continue
            before = store.get_last_n_bars(plan.symbol, 1, scope="history")
            self._note_jumps(Bars.concat([before, bars[:1]]))

    def _measure(
        self, plan: SymbolPlan, interval: str, bars: Bars, sessions: range
    ) -> None:
        """Count the bars behind history that is made from them, where the base's history does not reach as far."""
        kept = plan.kept_days
        if kept.get(plan.base, 0) >= kept[interval]:
            return
        made = {}
        for session in sessions:
            grid = self._table.grid(session, bars.interval)
            stamps = regular_hours(bars, self._table, [session]).ts
            made[session] = int(np.isin(grid, stamps).sum()), len(grid)
        self._made[plan.symbol, interval] = made

    def _say_presence(self, index: int) -> None:
        """Tell the store what lies behind the history that it has now."""
        days = {plan.symbol: plan.kept_days for plan in self._plan.symbols}
        for (symbol, interval), made in self._made.items():
            first = index - days[symbol][interval]
            for session in [session for session in made if session < first]:
                del made[session]
            listed = self._session_data._is_listed
            found = [n for at, n in made.items() if listed(symbol, at)]
            presence = sum(n for n, _ in found), sum(n for _, n in found)
            self._session_data._set_history_presence(symbol, interval, presence)

    def _split_since(self, before: int, index: int) -> bool:
        split = self._actions.between(self._date(before), self._date(index))
        symbols = {action.symbol for action in split}
        return any(p.symbol in symbols and p.kept_days for p in self._plan.symbols)

    def _load(self, index: int, *, is_first: bool) -> None:
        for plan in self._plan.symbols:
            # Stored bars of a coarse interval come before those that follow from the base.
            for interval, days in reversed(plan.kept_days.items()):
                sessions = range(max(0, index - days), index)
                found = self._load_series(plan, interval, sessions, index)
                # Bars of weeks begin on one of their days only.
                least = days if Interval(interval) <= _ONE_DAY else 1
                if found < least and is_first:
                    asked = "1 day" if days == 1 else f"{days} days"
                    text = f"history {interval}: {found} of the {asked} asked for have bars"
                    self._tally.warn("history", text, symbols=[plan.symbol])

    def _load_series(
        self, plan: SymbolPlan, interval: str, sessions: range, index: int
    ) -> int:
        """Load the bars of an interval and return how many of the sessions have any."""
        table, symbol = self._table, plan.symbol
        stored = [
            kept
            for kept in self._source.get_intervals(symbol)
            if Interval(kept).divides(interval)
        ]
        # Stored bars of the interval itself, or else aggregated from the coarsest that divides it.
        origin = max(stored, key=Interval, default=plan.base)
        start, end = _span(table, sessions)
        read = self._source.read(symbol, origin, start, end)
        bars = regular_hours(read, table, sessions)
        found = int(np.unique(table.session_of(bars.ts)).size)
        if Interval(origin) != Interval(interval):
            self._measure(plan, interval, bars, sessions)
        bars = self._actions.restated(bars, self._date(index), table)
        self._note_jumps(bars)
        if Interval(origin) != Interval(interval):
            bars = self._aggregated(bars, interval)
        elif interval != plan.base:
            bars = self._on_grid(bars, sessions)
        self._session_data._load_history(symbol, sessions, bars)
        return found

    def _aggregated(self, bars: Bars, interval: str) -> Bars:
        policies = self._session_data.policies
        single = one_of_each(bars, policies["on_duplicate"])
        ((made,),) = resample(
            [single],
            [interval],
            self._table,
            completeness=self._session_data._completeness,
            anchor=policies["anchor"],
        )
        return made

    def _on_grid(self, bars: Bars, sessions: range) -> Bars:
        """The bars that start where the store would have one; it tells those of the base apart itself."""
        single = one_of_each(bars, self._session_data.policies["on_duplicate"])
        if Interval(single.interval) > _ONE_DAY or not len(single):
            return single
        # Bars of minutes and hours that are stored may be counted from another anchor than the run's.
        grids = [self._table.grid(index, single.interval) for index in sessions]
        off = np.flatnonzero(~np.isin(single.ts, np.concatenate(grids)))
        return single.drop_rows(off.tolist()) if off.size else single

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


def regular_hours(bars: Bars, table: SessionTable, sessions: Iterable[int]) -> Bars:
    """Return the bars that start in regular hours of some sessions, sharing memory; the bars must be sorted."""
    parts = [
        bars.between(*stretch)
        for index in sessions
        for stretch in table.segments(index)
    ]
    return Bars.concat(parts) if parts else bars[:0]


def one_of_each(bars: Bars, on_duplicate: str) -> Bars:
    """Return one row of each key, as the store would keep it."""
    same, other = bars.count_duplicates()
    if not same + other:
        return bars
    repeats = np.flatnonzero(np.diff(bars.ts) == 0)
    if other and on_duplicate == "error":
        text = (
            f"{bars.symbol} {bars.interval} history holds {other} bars that came twice with different values and "
            "on_duplicate is 'error'; use 'replace' or 'ignore'"
        )
        differs = [
            getattr(bars, n)[repeats] != getattr(bars, n)[repeats + 1] for n in _VALUES
        ]
        first = int(bars.ts[repeats[int(np.argmax(np.any(differs, axis=0)))]])
        raise DuplicateBarError(
            text, symbol=bars.symbol, interval=bars.interval, ts=first
        )
    return bars.drop_rows(
        (repeats if on_duplicate != "ignore" else repeats + 1).tolist()
    )


def _span(table: SessionTable, sessions: range) -> tuple[int, int]:
    if not len(sessions):
        return 0, 0
    return int(table.span_starts[sessions[0]]), int(table.span_ends[sessions[-1]])
