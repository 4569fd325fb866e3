"""Fills the history of a session: the trailing trading days strictly before it, regular hours only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tapeloom._core import Bars, Interval
from tapeloom.errors import DuplicateBarError

if TYPE_CHECKING:
    from tapeloom._core import SessionTable
    from tapeloom.config.stream_plan import HistoryNeed, StreamPlan
    from tapeloom.session_data import SessionData
    from tapeloom.storage.bar_source import BarSource

__all__ = ["load_history"]


def load_history(
    session_data: SessionData,
    source: BarSource,
    plan: StreamPlan,
    table: SessionTable,
    index: int,
) -> dict[HistoryNeed, list[str]]:
    """Load the planned history before session number ``index`` of the table.

    It is needed once, before the first session: afterwards each ended session rolls into history.

    Returns
    -------
    dict
        What asked for more days than are stored, and the symbols it happened to.
    """
    short: dict[HistoryNeed, list[str]] = {}
    for symbol in plan.symbols:
        for need in symbol.history:
            sessions = range(max(0, index - need.days), index)
            bars, found = _read(
                session_data, source, symbol.symbol, need, symbol.base, table, sessions
            )
            session_data._load_history(symbol.symbol, sessions, bars)
            if found < need.days:
                short.setdefault(need, []).append(symbol.symbol)
    return short


def _read(
    session_data: SessionData,
    source: BarSource,
    symbol: str,
    need: HistoryNeed,
    base: str,
    table: SessionTable,
    sessions: range,
) -> tuple[Bars, int]:
    """Bars of an interval in regular hours, and how many of the sessions have any."""
    finer = [
        kept
        for kept in source.get_intervals(symbol)
        if Interval(kept).divides(need.interval)
    ]
    # Stored bars of the interval itself, or else aggregated from the coarsest that divides it.
    origin = max(finer, key=Interval, default=base)
    if not len(sessions):
        return source.read(symbol, origin, 0, 0), 0
    start = int(table.span_starts[sessions[0]])
    end = int(table.span_ends[sessions[-1]])
    loaded = source.read(symbol, origin, start, end)
    by_session = [
        [loaded.between(*stretch) for stretch in table.segments(index)]
        for index in sessions
    ]
    found = sum(1 for parts in by_session if any(map(len, parts)))
    bars = Bars.concat([part for parts in by_session for part in parts])
    if Interval(origin) != Interval(need.interval):
        single = _without_repeats(bars, session_data.policies["on_duplicate"])
        policies = session_data.policies
        bars = single.aggregate(
            need.interval,
            table=table,
            completeness=session_data._completeness,
            anchor=policies["anchor"],
        )
    return bars, found


def _without_repeats(bars: Bars, on_duplicate: str) -> Bars:
    """One row of each key, as the store would keep it."""
    same, other = bars.count_duplicates()
    if not same + other:
        return bars
    if other and on_duplicate == "error":
        text = (
            f"{bars.symbol} {bars.interval} history holds {other} bars that came twice with different values and "
            "on_duplicate is 'error'; use 'replace' or 'ignore'"
        )
        raise DuplicateBarError(text, symbol=bars.symbol, interval=bars.interval)
    repeats = np.flatnonzero(np.diff(bars.ts) == 0)
    return bars.drop_rows(
        (repeats if on_duplicate != "ignore" else repeats + 1).tolist()
    )
