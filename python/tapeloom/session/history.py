"""Fills the history of a session: the trailing trading days strictly before it, regular hours only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tapeloom._core import Bars, Interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tapeloom._core import SessionTable
    from tapeloom.config.stream_plan import StreamPlan
    from tapeloom.session_data import SessionData
    from tapeloom.storage.bar_source import BarSource

__all__ = ["load_history"]


def load_history(
    session_data: SessionData, source: BarSource, plan: StreamPlan, table: SessionTable, index: int
) -> dict[tuple[str, int], list[str]]:
    """Load the planned history before session number ``index`` of the table.

    It is needed once, before the first session: afterwards each ended session rolls into history.

    Returns
    -------
    dict
        (interval, days asked for) with fewer days in storage, and the symbols it happened to.
    """
    short: dict[tuple[str, int], list[str]] = {}
    for symbol in plan.symbols:
        for interval, days in symbol.history:
            sessions = range(max(0, index - days), index)
            bars, found = _read(source, symbol.symbol, interval, symbol.base, table, sessions)
            session_data._load_history(symbol.symbol, sessions, bars)
            if found < days:
                short.setdefault((interval, days), []).append(symbol.symbol)
    return short


def _read(
    source: BarSource, symbol: str, interval: str, base: str, table: SessionTable, sessions: Sequence[int]
) -> tuple[Bars, int]:
    """Bars of an interval in regular hours, and how many of the sessions have any."""
    stored = source.get_intervals(symbol)
    finer = [kept for kept in stored if Interval(kept).divides(interval)]
    # Stored bars of the interval itself, or else aggregated from the coarsest that divides it.
    origin = max(finer, key=Interval, default=base)
    start = int(table.span_starts[sessions[0]]) if len(sessions) else 0
    end = int(table.span_ends[sessions[-1]]) if len(sessions) else 0
    loaded = source.read(symbol, origin, start, end)
    parts = [loaded.between(*stretch) for index in sessions for stretch in table.segments(index)]
    bars = Bars.concat(parts) if parts else loaded
    opens = table.span_starts[sessions.start : sessions.stop] if isinstance(sessions, range) else []
    found = sum(1 for at, first in enumerate(opens) if len(bars.between(int(first), int(table.span_ends[sessions[at]]))))
    if Interval(origin) != Interval(interval):
        bars = _without_repeats(bars).aggregate(interval, table=table)
    return bars, found


def _without_repeats(bars: Bars) -> Bars:
    """The last row of each key, as ``on_duplicate="replace"`` would leave it."""
    same, other = bars.count_duplicates()
    if not same + other:
        return bars
    stamps = bars.ts
    return bars.drop_rows([row for row in range(len(bars) - 1) if stamps[row] == stamps[row + 1]])
