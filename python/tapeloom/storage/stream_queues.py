"""Queues of bars, trades and quotes in the order in which they become known. Cursors over columns; they know no files."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from tapeloom._core import Bars, Interval, merge_order
from tapeloom.bars import normalise_symbol
from tapeloom.errors import ArgumentError, did_you_mean
from tapeloom.storage.stream_queue import BarItems, EventItems, Item, StreamQueue
from tapeloom.timestamps import from_ns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime, tzinfo

    from tapeloom._core import SessionTable
    from tapeloom.intervals import IntervalLike
    from tapeloom.storage.event_files import Events

__all__ = [
    "QueueBatch",
    "QueueKind",
    "QueueLoad",
    "QueueStats",
    "StreamQueues",
    "queue_of",
]

QueueKind: TypeAlias = Literal["bar", "tick", "quote"]
"""What a queue holds."""

#: Kinds in the order in which items of one instant are delivered.
_KINDS = ("quote", "tick", "bar")
_MINUTE_NS = 60_000_000_000
_NOTHING = np.empty(0, np.int64)

#: Kind, interval (that of ticks and quotes is not asked for), symbol.
_Key: TypeAlias = "tuple[str, Interval | None, str]"


def queue_of(symbol: str, interval: IntervalLike | None) -> tuple[str, Interval]:
    """Return whose queue is meant: symbol and interval, which is a minute if not given."""
    return normalise_symbol(symbol), Interval("1m" if interval is None else interval)


@dataclass(frozen=True, slots=True)
class QueueLoad:
    """What one load brought.

    ``loaded`` items were added. ``duplicate`` ones were there already, or came twice; ``outside`` are bars that start
    outside the hours asked for. ``first`` and ``last`` are the starts of the first and last added, ``None`` without one.
    """

    loaded: int
    duplicate: int
    outside: int
    first: datetime | None
    last: datetime | None

    @property
    def dropped(self) -> int:
        """Items that were left out."""
        return self.duplicate + self.outside


@dataclass(frozen=True, slots=True)
class QueueStats:
    """State of one queue: ``size`` items wait, ``consumed`` were taken.

    ``oldest`` and ``newest`` are the instants at which the first and the last that waits become known.
    """

    symbol: str
    interval: str | None
    kind: QueueKind
    size: int
    oldest: datetime | None
    newest: datetime | None
    consumed: int


@dataclass(frozen=True, slots=True)
class QueueBatch:
    """All items that become known at one instant: ``ts`` in nanoseconds UTC, ``time`` in the exchange's zone.

    ``columns`` are the bars among them once more, series by series.
    """

    ts: int
    time: datetime
    items: tuple[Item, ...]
    columns: tuple[Bars, ...] = field(default=(), repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.items)


class StreamQueues:
    """Queues of many symbols, merged.

    The order is total and does not depend on the order of loading: by the instant at which an item becomes known, then
    quotes, ticks, bars, then the finest interval, then the symbols as configured (others after them, by name), then the
    order within a queue.

    Parameters
    ----------
    zone
        Zone of the exchange, in which times come out.
    table
        Returns the sessions that end bars.
    configured
        Returns the symbols in configured order.
    """

    def __init__(
        self,
        zone: tzinfo,
        *,
        table: Callable[[], SessionTable],
        configured: Callable[[], Sequence[str]] = lambda: (),
    ) -> None:
        self._zone = zone
        self._table = table
        self._configured = configured
        self._queues: dict[_Key, StreamQueue] = {}
        self._merged: _Merged | None = None

    def add_bars(
        self, bars: Bars, *, covered: tuple[int | None, int | None] | None = None
    ) -> QueueLoad:
        """Add sorted bars of one series.

        Parameters
        ----------
        bars
            Of those that start together the last counts.
        covered
            Range ``[start, end)`` of starts of which these are all there are: what is loaded of it later is a repeat.
        """
        key = ("bar", Interval(bars.interval), bars.symbol)
        ends = self._table().known_at(bars.ts, bars.interval)
        return self._added(key, BarItems(bars, ends), covered)

    def add_events(
        self, events: Events[Any], *, covered: tuple[int | None, int | None]
    ) -> QueueLoad:
        """Add trades or quotes of one symbol, all there are of a range; those of equal time all count."""
        kind = "quote" if events.kind.folder == "quotes" else "tick"
        return self._added((kind, None, events.symbol), EventItems(events), covered)

    def peek(
        self, symbol: str, interval: Interval | None, kind: str = "bar"
    ) -> datetime | None:
        """Return when the head of a queue becomes known."""
        head = self.head_ns(symbol, interval, kind)
        return None if head is None else self._after(head)

    def head_ns(
        self, symbol: str, interval: Interval | None, kind: str = "bar"
    ) -> int | None:
        """Return the same in nanoseconds UTC."""
        queue = self._find(symbol, interval, kind)
        return None if queue is None or not len(queue) else queue.head

    def consume(
        self, symbol: str, interval: Interval | None, kind: str = "bar"
    ) -> Item | None:
        """Take the head of a queue."""
        queue = self._find(symbol, interval, kind)
        return None if queue is None or not len(queue) else queue.take()

    def consume_until(self, ts: int) -> list[Item]:
        """Take all items that are known at an instant, merged."""
        return self._order().take_until(ts)[0]

    def next_ns(self) -> int | None:
        """Return when the earliest head of all queues becomes known, nanoseconds UTC."""
        return min((q.head for q in self._queues.values() if len(q)), default=None)

    def next_timestamp(self) -> datetime | None:
        """Return the same as a datetime, never earlier."""
        head = self.next_ns()
        return None if head is None else self._after(head)

    def stats(self) -> dict[tuple[str, str | None, QueueKind], QueueStats]:
        """Return the state of each queue by symbol, interval and kind, in the order of the merge."""
        found: dict[tuple[str, str | None, QueueKind], QueueStats] = {}
        for kind, length, symbol in self._ranked():
            queue = self._queues[kind, length, symbol]
            text = None if length is None else length.text
            which: QueueKind = kind  # type: ignore[assignment]
            found[symbol, text, which] = QueueStats(
                symbol,
                text,
                which,
                len(queue),
                self._after(queue.head) if len(queue) else None,
                self._after(queue.newest) if len(queue) else None,
                queue.consumed,
            )
        return found

    def __iter__(self) -> Iterator[QueueBatch]:
        """Take batch after batch; what is loaded meanwhile takes its place."""
        while (ts := self.next_ns()) is not None:
            yield self.batch_at(ts)

    def batch_at(self, ts: int) -> QueueBatch:
        """Take all that is known at an instant as one batch."""
        items, columns = self._order().take_until(ts)
        return QueueBatch(ts, from_ns(ts, self._zone), tuple(items), tuple(columns))

    def __len__(self) -> int:
        return sum(map(len, self._queues.values()))

    def _added(
        self,
        key: _Key,
        items: BarItems | EventItems,
        covered: tuple[int | None, int | None] | None,
    ) -> QueueLoad:
        queue = self._queues.setdefault(key, StreamQueue())
        starts, repeats = queue.add(items, covered)
        self._merged = None
        first, last = (
            (from_ns(int(starts[at]), self._zone) for at in (0, -1))
            if len(starts)
            else (None, None)
        )
        return QueueLoad(len(starts), repeats, 0, first, last)

    def _find(
        self, symbol: str, interval: Interval | None, kind: str
    ) -> StreamQueue | None:
        check_kind(kind)
        return self._queues.get((kind, interval if kind == "bar" else None, symbol))

    def _ranked(self) -> list[_Key]:
        places = {symbol: at for at, symbol in enumerate(self._configured())}
        last = len(places)

        def rank(key: _Key) -> tuple[object, ...]:
            kind, interval, symbol = key
            place = (places.get(symbol, last), symbol)
            length = () if interval is None else (interval,)
            return (_KINDS.index(kind), *length, *place)

        return sorted(self._queues, key=rank)

    def _order(self) -> _Merged:
        if self._merged is None:
            self._merged = _Merged([self._queues[key] for key in self._ranked()])
        return self._merged

    def _after(self, ns: int) -> datetime:
        """Return an instant as a datetime, which holds microseconds: the first at or after it."""
        return from_ns(-(-ns // 1_000) * 1_000, self._zone)


class _Merged:
    """The order of all waiting items of some queues, as long as nothing is added to them."""

    def __init__(self, queues: Sequence[StreamQueue]) -> None:
        self._queues = [queue for queue in queues if len(queue)]
        # The instants are known already: as bars of one length that end then, all are ranked by queue and row alone.
        starts = [queue.waiting - _MINUTE_NS for queue in self._queues]
        self._source, rows = merge_order(starts, ["1m"] * len(starts))
        firsts = np.array([queue.position for queue in self._queues], np.int64)
        self._row = rows + firsts[self._source] if len(rows) else _NOTHING
        known = [queue.waiting for queue in self._queues]
        self._known = np.sort(np.concatenate([_NOTHING, *known]), kind="stable")
        self._at = 0

    def take_until(self, ts: int) -> tuple[list[Item], list[Bars]]:
        """Take what is known at an instant: the items, and the bars among them series by series."""
        end = int(np.searchsorted(self._known, ts, side="right"))
        span = slice(self._at, end)
        self._at = max(self._at, end)
        source, row = self._source[span], self._row[span]
        if not len(source):
            return [], []
        # Heads may have been taken one by one meanwhile.
        positions = np.array([queue.position for queue in self._queues], np.int64)
        left = row >= positions[source]
        if not left.all():
            source, row = source[left], row[left]
        counts = np.bincount(source, minlength=len(self._queues)).tolist()
        taking = [(at, count) for at, count in enumerate(counts) if count]
        columns = [self._queues[at].bars(count) for at, count in taking]
        taken = {at: iter(self._queues[at].take_many(count)) for at, count in taking}
        items = [next(taken[at]) for at in source.tolist()]
        return items, [bars for bars in columns if bars is not None]


def check_kind(kind: str) -> None:
    """Raise ArgumentError for another kind of queue."""
    if kind not in _KINDS:
        text = f"kind is {kind!r}; it must be 'bar', 'tick' or 'quote'{did_you_mean(str(kind), _KINDS)}"
        raise ArgumentError(text, got=kind)
