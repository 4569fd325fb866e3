"""The history of a run: loaded before its first session, rolled from session to session, restated at splits.

The trailing trading days strictly before a session, in the hours that a session of the run has. What follows from the base is rolled by the store:
each ended session comes in, the oldest goes. What is stored by itself, and what reaches over several sessions, is put there
before each session.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tapeloom._core import Bars
from tapeloom.actions import are_ordinary
from tapeloom.calendars.days import from_day
from tapeloom.session.history_bars import HistoryBars
from tapeloom.session.history_presence import HistoryPresence
from tapeloom.session.history_series import series_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from tapeloom._core import SessionTable
    from tapeloom.actions import Actions
    from tapeloom.config.stream_plan import StreamPlan
    from tapeloom.session.history_series import HistorySeries
    from tapeloom.session.tally import Tally
    from tapeloom.session_data import SessionData
    from tapeloom.storage.bar_source import BarSource

__all__ = ["SessionHistory"]


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
        self._session_data = session_data
        self._source = source
        self._stop = stop
        self._plan = plan
        self._table = table
        self._actions = actions
        self._tally = tally
        all_series = [
            series_of(symbol, source.get_intervals(symbol.symbol))
            for symbol in plan.symbols
        ]
        self._by_symbol = {
            found[0].symbol: [series for series in found if series.days]
            for found in all_series
        }
        self._series = [s for found in self._by_symbol.values() for s in found]
        session_data.keep_history(max((s.days for s in self._series), default=0))
        for series in (series for found in all_series for series in found):
            days = series.days if series.is_rolled else 0
            session_data._set_history_days_of(series.symbol, series.interval, days)
        #: Put into history before each session.
        self._own = dict.fromkeys(s for s in self._series if not s.is_rolled)
        self._presence = HistoryPresence(
            session_data,
            table,
            {(series.symbol, series.interval): series for series in self._series},
            {series.symbol: series.days for series in self._series if series.is_base},
        )
        self._bars = HistoryBars(
            source,
            session_data,
            table,
            self._own,
            actions=actions,
            tally=tally,
            measure=self._presence.measure,
            stop=len(table) if stop is None else stop,
        )
        self._group = session_data._group_of([p.symbol for p in plan.symbols])
        self._prepared: int | None = None
        #: From this session on history comes from the run itself.
        self._loaded = 0

    @property
    def kept(self) -> list[tuple[str, str]]:
        """Symbol and interval of each series that is kept, in configured order, finest first."""
        return [(series.symbol, series.interval) for series in self._series]

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
        found._prepared, found._loaded = self._prepared, self._loaded
        found._bars.take_over(self._bars)
        found._presence.take_over(self._presence)
        return found

    def join(self, symbol: str) -> None:
        """Load the history of a symbol that joins the session."""
        if self._prepared is not None:
            self._bars.reach(self._prepared)
            self._load(self._prepared, [symbol], is_first=True)
            self._presence.say(self._prepared)

    def prepare(self, index: int) -> None:
        """Let history hold what lies before session number ``index`` of the table, in the shares of that session."""
        before, self._prepared = self._prepared, index
        self._bars.reach(index)
        if before is None:
            self._loaded = index
            self._load(index, self._by_symbol, is_first=True)
        elif self._split_since(before, index):
            # What the store holds is in the shares of an earlier date.
            self._session_data.clear_historical_bars()
            self._loaded = index
            self._load(index, self._by_symbol, is_first=False)
        else:
            for series in self._own:
                self._put(series, self._bars.own(series, index), index)
            self._catch_up(index)
        self._presence.say(index)

    def finish(self) -> None:
        """Note what the session that has ended leaves behind, and compare it with the history before it."""
        store = self._session_data
        if self._prepared is not None:
            self._presence.note_session(self._prepared)
        if not self._series:
            # No history is kept to compare it with.
            return
        closes, opens = self._group._openings()
        has_both = ~(np.isnan(closes) | np.isnan(opens))
        for at in np.flatnonzero(has_both & ~are_ordinary(closes, opens)).tolist():
            symbol = self._group.symbols[at]
            before = store.get_last_n_bars(symbol, 1, scope="history")
            opened = store.get_bars(symbol)[:1]
            self._bars.note_jumps(Bars.concat([before, opened]))

    def _load(self, index: int, symbols: Iterable[str], *, is_first: bool) -> None:
        for symbol in symbols:
            of_symbol = self._by_symbol[symbol]
            # Stored bars of a coarse interval come before those that follow from the base.
            for series in reversed(of_symbol):
                if not series.is_configured:
                    continue
                bars = self._from_source(series, index)
                self._put(series, bars, index)
                if is_first:
                    self._warn_of_few(series, bars)

    def _from_source(self, series: HistorySeries, index: int) -> Bars:
        if series in self._own:
            return self._bars.own(series, index)
        return self._bars.following(series, _trailing_days(series, index), index)

    def _catch_up(self, index: int) -> None:
        """Load the sessions that passed while a symbol did not belong to the universe, when it enters."""
        listed, members = (
            self._session_data._is_listed,
            self._session_data._memberships,
        )
        if index - 1 < self._loaded or not members:
            return
        for symbol, of_symbol in self._by_symbol.items():
            # Who has no dates of membership is always listed.
            if symbol not in members:
                continue
            if listed(symbol, index - 1) or not listed(symbol, index):
                continue
            first = index - 1
            while first > self._loaded and not listed(symbol, first - 1):
                first -= 1
            for series in reversed(of_symbol):
                if series.is_configured and series not in self._own:
                    days = _trailing_days(series, index)
                    missed = range(max(first, days.start), index)
                    bars = self._bars.following(series, missed, index)
                    self._session_data._load_history(symbol, missed, bars)

    def _warn_of_few(self, series: HistorySeries, bars: Bars) -> None:
        found = len(self._table.sessions_with(bars))
        # Bars of weeks begin on one of their days only.
        least = 1 if series.is_of_several_days else series.days
        if found >= least:
            return
        asked = "1 day" if series.days == 1 else f"{series.days} days"
        text = f"history {series.interval}: {found} of the {asked} asked for have bars"
        self._tally.warn("history", text, symbols=[series.symbol])

    def _put(self, series: HistorySeries, bars: Bars, index: int) -> None:
        sessions = _trailing_days(series, index)
        self._session_data._load_history(series.symbol, sessions, bars)

    def _split_since(self, before: int, index: int) -> bool:
        split = self._actions.between(self._date(before), self._date(index))
        symbols = {action.symbol for action in split}
        return any(series.symbol in symbols for series in self._series)

    def _date(self, index: int) -> date:
        return from_day(int(self._table.dates[index]))


def _trailing_days(series: HistorySeries, index: int) -> range:
    return range(max(0, index - series.days), index)
