"""Reads bars of many symbols some sessions ahead, so that a file is not opened for each session anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tapeloom._core import Bars, Interval
from tapeloom.bars import no_bars
from tapeloom.errors import TapeloomError
from tapeloom.session.loaded_bars import hours_of, stretches_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tapeloom._core import SessionTable
    from tapeloom.storage.bar_source import BarSource

__all__ = ["ReadAhead"]

#: Bytes of one bar in memory, and what bars that are read ahead may take.
_BAR_BYTES, _AHEAD_BYTES = 49, 64 * 2**20
#: Sessions whose bars are read at once.
_MOST_AHEAD = 64


class ReadAhead:
    """Bars of one interval over a window of sessions that moves forward. Who reads them cuts them at the open.

    Parameters
    ----------
    source
        Where bars come from.
    table
        The session table.
    interval
        What the bars are in the end.
    origins
        The stored interval that is read for each symbol; ``None`` leaves it without bars.
    prepare
        Makes bars of the interval of those that were read: one symbol, whole sessions.
    stop
        No session from this position on is read before somebody asks for what lies before it.
    extended
        Whether bars of pre- and post-market are read too.
    """

    def __init__(
        self,
        source: BarSource,
        table: SessionTable,
        interval: str,
        origins: Mapping[str, str | None],
        prepare: Callable[[Bars, range], Bars],
        *,
        stop: int,
        extended: bool,
    ) -> None:
        self._source = source
        self._table = table
        self._interval = interval
        self._origins = origins
        self._prepare = prepare
        self._stop = stop
        self._extended = extended
        self._end: int | None = None
        self._most_ahead = _MOST_AHEAD
        self.bars = {
            symbol: no_bars(symbol, interval, table.zone) for symbol in origins
        }

    def drop(self, symbol: str) -> None:
        """Read no more bars of a symbol."""
        self._origins = {s: o for s, o in self._origins.items() if s != symbol}
        self.bars.pop(symbol, None)

    def reach(self, first: int, index: int) -> None:
        """Hold the bars of sessions ``[first, index)``, and perhaps some later ones.

        A fault of later sessions is none of these: it is raised when somebody asks for them.
        """
        begin = first if self._end is None else self._end
        if begin >= index and self._end is not None:
            return
        end = max(index, min(self._stop, index + self._ahead(index)))
        try:
            self._extend(first, index, range(begin, end))
        except TapeloomError:
            if end == index:
                raise
            self._most_ahead = 0
            self._extend(first, index, range(begin, index))

    def _extend(self, first: int, index: int, sessions: range) -> None:
        """Read some sessions of all symbols, and let go of what lies before ``first``."""
        since = int(self._table.span_starts[first]) if first < index else None
        hours = stretches_of(self._table, sessions, extended=self._extended)
        found = dict(self.bars)
        for symbol, origin in self._origins.items():
            if origin is not None:
                new, old = self._read(symbol, origin, sessions, hours), found[symbol]
                if len(old):
                    old = old.between(since, None)
                found[symbol] = Bars.concat([old, new]) if len(old) else new
        self.bars, self._end = found, sessions.stop

    def _ahead(self, index: int) -> int:
        at = min(index, len(self._table) - 1)
        hours = hours_of(self._table, at, extended=self._extended)
        length = Interval(self._interval).ns
        each = (
            1 if length is None else sum(end - start for start, end in hours) // length
        )
        rows = len(self._origins) * each
        return min(self._most_ahead, _AHEAD_BYTES // max(1, rows * _BAR_BYTES))

    def _read(
        self, symbol: str, origin: str, sessions: range, hours: list[tuple[int, int]]
    ) -> Bars:
        if not len(sessions):
            return no_bars(symbol, self._interval, self._table.zone)
        start = int(self._table.span_starts[sessions[0]])
        end = int(self._table.span_ends[sessions[-1]])
        read = self._source.read(symbol, origin, start, end)
        return self._prepare(read.within(hours), sessions)
