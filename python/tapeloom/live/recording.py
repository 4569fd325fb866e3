"""Recorded bars of one interval in the order in which a feed would have pushed them."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from tapeloom.bars import Bars, normalise_symbol
from tapeloom.calendars.exchange_group import resolve_exchange_group
from tapeloom.errors import ArgumentError, ArgumentTypeError, MissingDataError
from tapeloom.intervals import Interval
from tapeloom.storage.bar_source import FrameSource
from tapeloom.storage.data_manager import DataManager
from tapeloom.timestamps import NS_PER_DAY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import tzinfo

    from tapeloom.bars import BarData
    from tapeloom.intervals import IntervalLike
    from tapeloom.storage.bar_source import BarSource

__all__ = ["Recording", "RecordingLike"]

RecordingLike: TypeAlias = "str | PathLike[str] | BarSource | Mapping[str, Bars] | list[Bars] | tuple[Bars, ...]"
"""A folder of bars, a ``DataManager`` or another source, ``Bars`` by symbol, or a list of ``Bars``."""


class Recording:
    """The bars of some symbols, read a day at a time.

    Parameters
    ----------
    data
        A folder of bars, a ``DataManager`` or another source, ``Bars`` by symbol, or a list of ``Bars``.
    symbols
        Which ones; by default all that have bars of this interval. Their order decides among bars of one instant.
    interval
        Length of the bars; not of days or weeks, whose end only a calendar knows.
    exchange_group
        Whose bars these are; decides the zone. A ``DataManager`` knows by itself.

    Raises
    ------
    MissingDataError
        If there is no bar, or none of a symbol that is named.
    ArgumentError
        If the interval is one of days or weeks; ``ArgumentTypeError`` if ``data`` is something else.
    """

    def __init__(
        self,
        data: RecordingLike,
        *,
        symbols: Iterable[str] | None = None,
        interval: IntervalLike = "1m",
        exchange_group: str = "US_EQUITY",
    ) -> None:
        # A DataManager knows whose bars it holds.
        group = getattr(data, "exchange_group", exchange_group)
        self.zone: tzinfo = resolve_exchange_group(group).zone
        self._source = _source_of(data, exchange_group, self.zone)
        self.interval = Interval(interval).text
        length = Interval(interval).ns
        if length is None:
            text = f"interval is {self.interval!r}; a recording is of seconds, minutes or hours"
            raise ArgumentError(text, got=interval)
        self.interval_ns = length
        names = self._source.get_symbols() if symbols is None else symbols
        self._ranges: dict[str, list[tuple[int, int]]] = {}
        for name in dict.fromkeys(normalise_symbol(symbol) for symbol in names):
            ranges = self._source.get_ranges(name, self.interval)
            if ranges:
                self._ranges[name] = ranges
            elif symbols is not None:
                text = f"no {self.interval} bars of {name} are recorded"
                raise MissingDataError(text, symbol=name)
        if not self._ranges:
            raise MissingDataError(f"no {self.interval} bars are recorded")

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols, normalised, in their order."""
        return tuple(self._ranges)

    @property
    def span(self) -> tuple[int, int]:
        """From the start of the first bar to the end of the last one, ns UTC."""
        ends = [span for ranges in self._ranges.values() for span in ranges]
        first, last = min(a for a, _ in ends), max(b for _, b in ends)
        return first, last + self.interval_ns

    def read(self, symbol: str, start: int, end: int) -> Bars:
        """Return the bars of a symbol that start in ``[start, end)``, ns UTC."""
        return self._source.read(symbol, self.interval, start, end)

    def instants(
        self, start: int | None = None, end: int | None = None
    ) -> Iterator[tuple[int, list[BarData]]]:
        """Return each instant in ``(start, end]`` at which bars end, ns UTC, with those bars in the order of the symbols.

        Of a recording that holds a bar twice both come, one after the other.
        """
        first, last = self.span
        known_after = first if start is None else start
        known_by = last if end is None else end
        opened, stop = (
            known_after - self.interval_ns + 1,
            known_by - self.interval_ns + 1,
        )
        for day in range(opened // NS_PER_DAY, (stop - 1) // NS_PER_DAY + 1):
            begin = max(day * NS_PER_DAY, opened)
            finish = min((day + 1) * NS_PER_DAY, stop)
            if begin < finish:
                yield from self._day(begin, finish)

    def _day(self, begin: int, end: int) -> Iterator[tuple[int, list[BarData]]]:
        read = [
            self.read(symbol, begin, end)
            for symbol, ranges in self._ranges.items()
            if any(a < end and b >= begin for a, b in ranges)
        ]
        found = [bars for bars in read if len(bars)]
        if not found:
            return
        starts = np.unique(np.concatenate([bars.ts for bars in found]))
        stamps = [bars.ts.tolist() for bars in found]
        places = [0] * len(found)
        for ts in starts.tolist():
            due: list[BarData] = []
            for number, bars in enumerate(found):
                row = places[number]
                while row < len(bars) and stamps[number][row] == ts:
                    due.append(bars[row])
                    row += 1
                places[number] = row
            yield ts + self.interval_ns, due


def _source_of(data: RecordingLike, exchange_group: str, zone: tzinfo) -> BarSource:
    if isinstance(data, str | PathLike):
        return DataManager(data, exchange_group=exchange_group)
    if all(hasattr(data, name) for name in ("get_symbols", "get_ranges", "read")):
        return data  # type: ignore[return-value]  # it has what a source has
    if isinstance(data, list | tuple) and all(isinstance(bars, Bars) for bars in data):
        data = {bars.symbol: bars for bars in data}
    if isinstance(data, Mapping) and all(isinstance(b, Bars) for b in data.values()):
        return FrameSource(data, zone=zone)
    text = f"data is {type(data).__name__}; give a folder, a DataManager, or Bars by symbol"
    raise ArgumentTypeError(text)
