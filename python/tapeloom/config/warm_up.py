"""How much history the real-time indicators of a symbol need before their first value."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tapeloom._core import Interval

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from tapeloom._core import SessionTable
    from tapeloom.config.session_data_config import RealtimeIndicatorSpec

__all__ = ["WarmUp", "warm_ups"]

_ONE_DAY = Interval("1d")
#: What compares each bar with the one before it needs one bar more.
_ONE_MORE = ("rsi", "atr")


class WarmUp(NamedTuple):
    """What one real-time indicator needs of history: ``bars`` of its interval, which lie in ``days`` of trading."""

    name: str
    interval: str
    bars: int
    days: int


def warm_ups(
    specs: Mapping[str, RealtimeIndicatorSpec],
    base: str,
    table: SessionTable,
    sessions: range,
) -> tuple[WarmUp, ...]:
    """Return what the indicators of a symbol need, in configured order.

    Parameters
    ----------
    specs
        The real-time indicators by name. Those without a warm-up need nothing.
    base
        The interval of indicators that name none.
    table
        The session table.
    sessions
        Positions of the sessions that are played. The days are enough for each of them, half days before it included.
    """
    found = []
    for name, spec in specs.items():
        if not spec.is_warmed_up or spec.period is None:
            continue
        interval = spec.interval or base
        bars = spec.period + (spec.type in _ONE_MORE)
        found.append(
            WarmUp(name, interval, bars, _days(interval, bars, table, sessions))
        )
    return tuple(found)


def _days(interval: str, bars: int, table: SessionTable, sessions: range) -> int:
    """The trading days before any of the sessions that surely hold so many bars."""
    length = Interval(interval)
    if length > _ONE_DAY:
        count, unit = int(length.text[:-1]), length.text[-1]
        # The bar that has begun is not one of them. A week has five trading days or fewer, or seven.
        per_bar = count if unit == "d" else count * _days_of_a_week(table)
        return (bars + 1) * per_bar
    # Element k is the number of bars before session k.
    before = np.concatenate([[0], np.cumsum(_bars_per_session(table, length))])
    at = np.arange(sessions.start, sessions.stop)
    first = np.searchsorted(before, before[at] - bars, side="right") - 1
    return int((at - np.maximum(first, 0)).max(initial=1))


def _days_of_a_week(table: SessionTable) -> int:
    weekdays = (table.dates.astype(np.int64) + 3) % 7
    return int(np.unique(weekdays).size)


def _bars_per_session(table: SessionTable, interval: Interval) -> NDArray[np.int64]:
    """The number of bars each session should have; sessions of the same hours have as many."""
    lengths = table.closes - table.opens
    parts = np.diff(table.segment_offsets)
    open_for = np.add.reduceat(
        table.segment_ends - table.segment_starts, table.segment_offsets[:-1]
    )
    _, first, which = np.unique(
        np.stack([lengths, parts, open_for]),
        axis=1,
        return_index=True,
        return_inverse=True,
    )
    counts = np.array([len(table.grid(int(k), interval.text)) for k in first], np.int64)
    return counts[which.reshape(-1)]
