"""The base bars of the coming sessions, cut to their hours; the next block of sessions is loaded while this one is used.

Memory holds two blocks at most, however many sessions the window has.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tapeloom._core import Bars, Interval, cut_session
from tapeloom.errors import DuplicateBarError, StateError
from tapeloom.session.loaded_bars import hours_of
from tapeloom.storage.event_files import QUOTE_KIND
from tapeloom.storage.prefetch import Prefetch, blocks_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from threading import Event

    from tapeloom._core import SessionTable
    from tapeloom.quotes import Quote
    from tapeloom.storage.bar_source import BarSource
    from tapeloom.storage.event_files import Events

__all__ = ["QueuedBars", "SessionQueues"]

#: Bytes of one bar in memory: six columns of eight and the flags.
_BAR_BYTES = 49


@dataclass(frozen=True, slots=True, eq=False)
class QueuedBars:
    """The base bars of one session by symbol, in configured order, and how many bars of each symbol lay out of its hours.

    Not an object for each symbol: Python looks through all that it made, again and again, for what is garbage.
    """

    bars: dict[str, Bars]
    out_of_session: dict[str, int]


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    """Bars of some sessions in a row, and the fault that ends them before their last."""

    sessions: range
    bars: list[Bars]
    error: Exception | None = None


class SessionQueues:
    """Loads the queues of one session after another.

    A source that has ``read_many`` may be read from several threads: a thread of its own loads its next block. Others
    are read when a block is needed. Neither changes what comes out, nor does the size of the blocks.

    Parameters
    ----------
    source
        Where the bars come from.
    table
        The session table.
    bases
        Base interval by symbol, in configured order.
    sessions
        Positions of the window's sessions in the table, rising.
    prefetch_sessions
        Sessions to load at once; ``None`` means 5, or as many as fit 256 MiB if those are fewer.
    extended
        Whether bars of pre- and post-market trading belong to a session too.
    quoted
        Symbols whose stored quotes are delivered; ``source`` must have ``read_events``.
    """

    def __init__(
        self,
        source: BarSource,
        table: SessionTable,
        bases: Mapping[str, str],
        *,
        sessions: Sequence[int],
        prefetch_sessions: int | None = None,
        extended: bool = False,
        quoted: Sequence[str] = (),
    ) -> None:
        self._source = source
        self._table = table
        self._bases = bases
        self._sessions = sessions
        self._extended = extended
        self._quoted = quoted
        self._read_many: Any = getattr(source, "read_many", None)
        self._blocks = blocks_of(self._bytes(), prefetch_days=prefetch_sessions)
        self._prefetch = Prefetch(
            self._read_block, len(self._blocks), ahead=self._read_many is not None
        )
        self._block: _Block | None = None
        self._begun = 0
        self.load_seconds = 0.0
        #: Bars before the loaded session that belong to no session date, by symbol: weekends, holidays.
        self.between_sessions: dict[str, int] = {}

    def load(self, at: int) -> QueuedBars:
        """Return the queues of the window's session number ``at``, one per symbol, in configured order; the caller's own.

        Sessions are loaded in rising order; one may be loaded again until a later one is.

        Raises
        ------
        StateError
            If a later session was loaded before, or the queues were closed.
        TapeloomError
            What reading the bars of this session raised; see the source.
        """
        started = time.perf_counter()
        block, table, index = self._block_of(at), self._table, self._sessions[at]
        before, start = self._before(at)
        span = start, int(table.span_ends[index])
        hours = hours_of(table, index, extended=self._extended)
        cut, ahead, outside = cut_session(
            block.bars, before=before, span=span, hours=hours
        )
        symbols = list(self._bases)
        self.between_sessions = {
            symbols[at]: int(ahead[at]) for at in ahead.nonzero()[0].tolist()
        }
        queued = QueuedBars(
            dict(zip(symbols, cut, strict=True)),
            dict(zip(symbols, outside.tolist(), strict=True)),
        )
        self.load_seconds = time.perf_counter() - started
        return queued

    def quotes(self, at: int) -> dict[str, Events[Quote]]:
        """Return the stored quotes of the window's session number ``at``: those that happen in its hours.

        Returns
        -------
        dict of Events
            By symbol, in configured order, without the symbols that have none: ``ts`` int64 nanoseconds UTC, rising,
            and ``columns`` with ``bid``, ``ask``, ``bid_size`` and ``ask_size``, float64. ``to_list`` makes values of
            them. They are read now and not kept: quotes are many.

        Raises
        ------
        InvalidBarError, CorruptFileError, StorageError
            As of ``DataManager.get_quotes``.
        """
        hours = hours_of(self._table, self._sessions[at], extended=self._extended)
        read: Any = getattr(self._source, "read_events", None)
        found = {}
        for symbol in self._quoted if read is not None else ():
            events: Events[Quote] = read(
                QUOTE_KIND, symbol, hours[0][0], hours[-1][1], ahead=True
            )
            kept = np.zeros(len(events), np.bool_)
            for start, end in hours:
                kept[slice(*np.searchsorted(events.ts, [start, end]))] = True
            if kept.any():
                found[symbol] = events if kept.all() else events.kept(kept)
        return found

    def with_rows(self, error: DuplicateBarError) -> DuplicateBarError:
        """Return the error for a bar that comes twice, with the files and rows that hold it where the source knows."""
        rows_at: Any = getattr(self._source, "rows_at", None)
        facts = {k: getattr(error, k, None) for k in ("symbol", "interval", "ts")}
        if rows_at is None or None in facts.values():
            return error
        places = rows_at(*facts.values())
        if len(places) < 2:
            return error
        rows = ", ".join(f"row {row} of {path}" for path, row in places)
        return DuplicateBarError(f"{error}; it is {rows}", **facts, rows=places)

    def close(self) -> None:
        """End the loading and drop what is loaded. May be called twice; no thread is left."""
        self._block = None
        self._prefetch.close()

    def _block_of(self, at: int) -> _Block:
        if at < self._begun:
            text = f"session {at} of the window was loaded before session {self._begun}; sessions are loaded in order"
            raise StateError(text)
        while self._block is None or at >= self._block.sessions.stop:
            if self._block is not None and self._block.error is not None:
                raise self._block.error
            # The old block goes before the new one comes, or three would be in memory.
            self._block = None
            self._block = self._prefetch.take()
        self._begun = at
        return self._block

    def _read_block(self, number: int, cancelled: Event) -> _Block:
        wanted = self._blocks[number]
        try:
            return _Block(wanted, self._read(wanted, cancelled))
        except Exception:
            if len(wanted) == 1:
                raise
        # A fault comes at the session whose bars it lies in, however many are read at once.
        parts: list[list[Bars]] = []
        error = None
        for at in wanted:
            try:
                parts.append(self._read(range(at, at + 1), cancelled))
            except Exception as found:
                if not parts:
                    raise
                error = found
                break
        bars = [Bars.concat(list(pieces)) for pieces in zip(*parts, strict=True)]
        return _Block(wanted[: len(parts)], bars, error)

    def _read(self, wanted: range, cancelled: Event) -> list[Bars]:
        start = self._before(wanted[0])[0]
        end = int(self._table.span_ends[self._sessions[wanted[-1]]])
        if self._read_many is None:
            return [
                self._source.read(symbol, base, start, end)
                for symbol, base in self._bases.items()
            ]
        found: list[Bars] = self._read_many(
            list(self._bases.items()), start, end, cancelled=cancelled.is_set
        )
        return found

    def _before(self, at: int) -> tuple[int, int]:
        """Return the time between a session and the one before it, of which the window's first has none."""
        index = self._sessions[at]
        start = int(self._table.span_starts[index])
        return (int(self._table.span_ends[index - 1]) if at else start), start

    def _bytes(self) -> list[int]:
        """Return what the bars of each session of the window take at most."""
        symbols = Counter(self._bases.values())
        return [
            _BAR_BYTES * sum(n * self._due(index, base) for base, n in symbols.items())
            for index in self._sessions
        ]

    def _due(self, index: int, base: str) -> int:
        length = Interval(base).ns
        if length is None:
            return 1
        hours = hours_of(self._table, index, extended=self._extended)
        return sum(-(-(end - start) // length) for start, end in hours)
