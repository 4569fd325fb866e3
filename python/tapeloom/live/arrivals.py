"""Sorts what a feed pushes: bars for the store, what is kept beside them, and what a session has no place for."""

from __future__ import annotations

import logging
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from tapeloom._core import BarData, earliest_start
from tapeloom.bars import normalise_symbol
from tapeloom.errors import ArgumentError, SymbolError, TimestampError
from tapeloom.live.feed import MalformedMessage, SymbolStatus, UpdatedBar
from tapeloom.quotes import Quote, TickData
from tapeloom.statuses import ConnectionEvent
from tapeloom.timestamps import to_ns

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tapeloom.live.corrected_bars import CorrectedBars
    from tapeloom.live.feed import FeedEvent
    from tapeloom.session_data import SessionData

__all__ = ["Arrivals", "Sorter"]

_log = logging.getLogger("tapeloom.live")

#: How many of what nothing could be done with are kept to look at.
_MOST_ASIDE = 1_000


@dataclass(slots=True)
class Arrivals:
    """Some events of a feed, sorted; the order of each kind is that of their arrival."""

    bars: list[BarData] = field(default_factory=list)
    """Bars of symbols that are kept, corrections among them."""
    corrections: list[int] = field(default_factory=list)
    """Positions of those that the feed calls corrections."""
    reports: list[SymbolStatus | ConnectionEvent] = field(default_factory=list)
    """Statuses and connections."""
    earliest: int | None = None
    """Start of the earliest bar, ns UTC."""

    def put_first(self, bars: list[BarData], corrections: list[int]) -> None:
        """Put bars before all others, with the positions of corrections among them."""
        later = (at + len(bars) for at in self.corrections)
        self.corrections = [*corrections, *later]
        self.bars = [*bars, *self.bars]


class Sorter:
    """Sorts events, and counts each exactly once.

    Parameters
    ----------
    session_data
        The store, which takes quotes and ticks at once.
    corrected
        The bars that the feed has corrected; those that it corrects now are noted there.
    """

    def __init__(self, session_data: SessionData, corrected: CorrectedBars) -> None:
        self._session_data = session_data
        self._corrected = corrected
        self._bases: dict[str, str] = {}
        # Nothing is taken before there is a session.
        self._hours: list[tuple[int, int]] = []
        self._span = (0, 0)
        #: Bars outside the hours of the session, by symbol.
        self.outside: Counter[str] = Counter()
        #: Events by what became of them.
        self.counts: Counter[str] = Counter()
        #: The newest that nothing could be done with, each with the reason.
        self.aside: deque[tuple[FeedEvent, str]] = deque(maxlen=_MOST_ASIDE)
        self._told: set[str] = set()

    def keep(self, bases: Mapping[str, str]) -> None:
        """Take bars of these symbols from now on, each in its base interval."""
        self._bases = dict(bases)

    def follow_hours(self, hours: Sequence[tuple[int, int]]) -> None:
        """Take bars that start in these stretches (ns UTC, rising) from now on: the hours of a session, as a backtest does."""
        self._hours = list(hours)
        self._span = (hours[0][0], hours[-1][1]) if hours else (0, 0)
        if hours:
            self.outside.clear()

    def sort(self, events: Iterable[FeedEvent]) -> Arrivals:
        """Return what is to be done with some events."""
        given = list(events)
        counts, bases = self.counts, self._bases
        counts["events"] += len(given)
        earliest = earliest_start(given, bases, self._hours)
        if earliest is not None:
            # As a rule all are bars that are taken as they are.
            bars = cast("list[BarData]", given)
            corrected = self._corrected
            if earliest > corrected.newest or corrected.holds_none_of(bars):
                counts["bars"] += len(bars)
                return Arrivals(bars, earliest=earliest)
        found = Arrivals()
        for event in given:
            if type(event) is BarData:
                bar, is_correction = event, False
            elif type(event) is UpdatedBar:
                bar, is_correction = event.bar, True
            else:
                self._beside(event, found)
                continue
            if bases.get(bar.symbol) != bar.interval:
                self._not_asked_for(event, bar)
                continue
            try:
                ts = bar.ts
            except TimestampError:
                try:
                    bar = self._with_zone(bar)
                except TimestampError as error:
                    self.refused(event, str(error))
                    continue
                ts = bar.ts
            if not self._is_within(ts):
                self.outside[bar.symbol] += 1
                self._put_aside(event, "outside_hours")
                continue
            if is_correction:
                self._corrected.note(bar)
                found.corrections.append(len(found.bars))
            elif self._corrected.holds(bar):
                self._put_aside(event, "superseded", "its correction came before it")
                continue
            if found.earliest is None or ts < found.earliest:
                found.earliest = ts
            found.bars.append(bar)
        counts["bars"] += len(found.bars)
        counts["corrections"] += len(found.corrections)
        return found

    def refused(self, event: FeedEvent, reason: str) -> None:
        """Keep aside what the store would not have."""
        self._put_aside(event, "refused", reason)

    def _beside(self, event: FeedEvent, found: Arrivals) -> None:
        if isinstance(event, SymbolStatus | ConnectionEvent):
            self.counts["reports"] += 1
            found.reports.append(event)
        elif isinstance(event, Quote | TickData):
            self._append(event)
        elif isinstance(event, MalformedMessage):
            self._put_aside(event, "malformed", event.reason)
        else:
            self._put_aside(event, "unknown", f"{type(event).__name__} is no event")

    def _append(self, event: Quote | TickData) -> None:
        if event.symbol not in self._bases:
            self._put_aside(event, "not_subscribed")
            return
        try:
            if isinstance(event, Quote):
                self._session_data.append_quote(event.symbol, event)
            else:
                self._session_data.append_tick(event.symbol, event)
        except ArgumentError as error:
            self.refused(event, str(error))
        else:
            self.counts["quotes" if isinstance(event, Quote) else "ticks"] += 1

    def _is_within(self, ts: int) -> bool:
        first, last = self._span
        return first <= ts < last and (
            len(self._hours) == 1 or any(a <= ts < b for a, b in self._hours)
        )

    def _not_asked_for(self, event: FeedEvent, bar: BarData) -> None:
        if bar.symbol in self._bases:
            self._put_aside(event, "other_interval")
            return
        try:
            normalise_symbol(bar.symbol)
        except SymbolError as error:
            # No other event can be made with such a symbol.
            self._put_aside(event, "malformed", str(error))
        else:
            self._put_aside(event, "not_subscribed")

    def _put_aside(self, event: FeedEvent, word: str, reason: str = "") -> None:
        self.counts[word] += 1
        self.aside.append((event, reason or word))
        # The first of its kind; the counter tells of the others.
        if word not in self._told:
            self._told.add(word)
            text = (
                "the feed sent something that is not used, %s: %s; counted from here on"
            )
            _log.warning(text, reason or word, str(event)[:200])

    def _with_zone(self, bar: BarData) -> BarData:
        """The bar with its wall time as an instant of the exchange."""
        ts = to_ns(bar.timestamp, self._session_data.timezone)
        values = (bar.open, bar.high, bar.low, bar.close, bar.volume)
        return BarData(bar.symbol, ts, *values, bar.interval, bar.flags)
