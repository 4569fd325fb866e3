"""Present and due bars behind history that is made from finer bars, where the base's history does not reach as far."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tapeloom.session.loaded_bars import bars_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tapeloom._core import Bars, SessionTable
    from tapeloom.session.history_series import HistorySeries
    from tapeloom.session_data import SessionData

__all__ = ["HistoryPresence"]

_Key = tuple[str, str]


class HistoryPresence:
    """Counts bars by session and tells the store of them.

    Parameters
    ----------
    session_data
        The store.
    table
        The session table.
    series
        The series that have history, by symbol and interval.
    bases
        Trading days of history of each symbol's base.
    """

    def __init__(
        self,
        session_data: SessionData,
        table: SessionTable,
        series: Mapping[_Key, HistorySeries],
        bases: Mapping[str, int],
    ) -> None:
        self._session_data = session_data
        self._table = table
        self._series = series
        self._bases = bases
        self._made: dict[_Key, dict[int, tuple[int, int]]] = {}

    def take_over(self, other: HistoryPresence) -> None:
        """Keep what others of the same run have counted of the series that are here."""
        self._made = {k: made for k, made in other._made.items() if k in self._series}

    def measure(self, key: _Key, bars: Bars, sessions: range) -> None:
        """Count bars of which those of a series are made."""
        if self._bases.get(key[0], 0) >= self._series[key].days:
            return
        made = self._made.setdefault(key, {})
        for session in sessions:
            grid = self._table.grid(session, bars.interval)
            stamps = bars_in(bars, self._table, [session]).ts
            made[session] = int(np.isin(grid, stamps).sum()), len(grid)

    def note_session(self, session: int) -> None:
        """Count the bars of a session that has ended, for the series that follow from it."""
        for (symbol, interval), made in self._made.items():
            if self._series[symbol, interval].follows_base:
                made[session] = self._session_data._session_presence(symbol)[:2]

    def say(self, index: int) -> None:
        """Tell the store what lies behind the history that it has before session ``index``."""
        listed = self._session_data._is_listed
        for (symbol, interval), made in self._made.items():
            first = index - self._series[symbol, interval].days
            for session in [session for session in made if session < first]:
                del made[session]
            found = [n for at, n in made.items() if at < index and listed(symbol, at)]
            presence = sum(n for n, _ in found), sum(n for _, n in found)
            self._session_data._set_history_presence(symbol, interval, presence)
