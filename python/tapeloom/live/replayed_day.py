"""The last stored day as a live day: its bars come when they end, by a clock that runs through it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tapeloom._core import Interval
from tapeloom.bars import normalise_symbol
from tapeloom.errors import MissingDataError
from tapeloom.live.market_clock import MarketClock
from tapeloom.live.replay_feed import ReplayFeed

if TYPE_CHECKING:
    from collections.abc import Callable

    from tapeloom.calendars.time_manager import TimeManager
    from tapeloom.config.session_config import SessionConfig
    from tapeloom.storage.bar_source import BarSource

__all__ = ["ReplayedDay", "replayed_day"]

_SECOND = 1_000_000_000
#: Real seconds before the first bar may come: what it takes to wire a run and load its history.
_AHEAD_SECONDS = 3.0


class ReplayedDay(NamedTuple):
    """A feed of one day, and the clock of that day."""

    feed: ReplayFeed
    clock: MarketClock


def replayed_day(
    config: SessionConfig,
    time_manager: TimeManager,
    stored: BarSource,
    *,
    monotonic: Callable[[], int] | None = None,
) -> ReplayedDay:
    """Return the last day of which a symbol of the configuration has stored bars.

    Parameters
    ----------
    config
        Names the symbols and the speed. The bars are of the coarsest stored interval that makes all streams.
    time_manager
        Whose sessions these are.
    stored
        What is stored.
    monotonic
        Nanoseconds of a clock that nobody sets.

    Returns
    -------
    ReplayedDay
        The clock runs from now on; it begins 3 real seconds before the hours of the session.

    Raises
    ------
    MissingDataError
        If no bar of the symbols is stored that can make the streams.
    """
    interval, last = _last_bar(config, stored)
    table = time_manager.session_table
    index = int(np.searchsorted(table.span_ends, last, side="right"))
    if index == len(table):
        text = f"the last stored bar lies after the calendar {table.calendar}"
        raise MissingDataError(text)
    extended = config.session_data_config.bars.extended_hours != "off"
    opened = int((table.pre_opens if extended else table.opens)[index])
    closed = int((table.post_closes if extended else table.closes)[index])
    speed = config.live.replay_speed
    begin = opened - round(_AHEAD_SECONDS * speed * _SECOND)
    clock = MarketClock(begin, speed, monotonic=monotonic)
    feed = ReplayFeed(
        stored,
        interval=interval,
        start=opened,
        end=closed,
        exchange_group=time_manager.exchange_group,
        market=clock,
    )
    return ReplayedDay(feed, clock)


def _last_bar(config: SessionConfig, stored: BarSource) -> tuple[str, int]:
    """The interval to play and the start of the last bar of it, ns UTC."""
    data = config.session_data_config
    asked = [Interval(i) for i in data.streams if i not in ("quotes", "ticks")]
    asked += [Interval(s.interval) for s in data.indicators.values() if s.interval]
    wanted = config.universe.symbols
    known = stored.get_symbols()
    names = known if wanted == "all" else [normalise_symbol(name) for name in wanted]
    found: dict[Interval, int] = {}
    for name in names:
        for text in stored.get_intervals(name):
            interval = Interval(text)
            if interval.ns is None or not all(map(interval.divides, asked)):
                continue
            for _, last in stored.get_ranges(name, text):
                found[interval] = max(last, found.get(interval, last))
    base = data.bars.base_interval
    if base is not None:
        found = {i: last for i, last in found.items() if i == Interval(base)}
    if not found:
        streams = ", ".join(i.text for i in sorted(set(asked)))
        text = f"nothing is stored that can be replayed as {streams}; store bars of 1m, or choose another source with --data"
        raise MissingDataError(text)
    coarsest = max(found)
    return coarsest.text, found[coarsest]
