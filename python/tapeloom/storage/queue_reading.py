"""Queues of stored data, for whoever drives the clock: they reach ahead of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tapeloom._core import Interval
from tapeloom.storage.event_files import QUOTE_KIND, TICK_KIND
from tapeloom.storage.figures import Figures
from tapeloom.storage.given_bars import given_bars
from tapeloom.storage.hours import check_hours, within_hours
from tapeloom.storage.stream_queues import StreamQueues, check_kind, queue_of
from tapeloom.timestamps import to_ns

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from tapeloom.intervals import IntervalLike
    from tapeloom.storage.event_files import Kind
    from tapeloom.storage.hours import Hours
    from tapeloom.storage.stream_queue import Item
    from tapeloom.storage.stream_queues import (
        QueueBatch,
        QueueKind,
        QueueLoad,
        QueueStats,
    )
    from tapeloom.timestamps import TimestampLike

__all__ = ["QueueReading"]


class QueueReading(Figures):
    """Stored data, and queues of them in the order in which they become known."""

    _kept_queues: StreamQueues | None = None

    @property
    def queues(self) -> StreamQueues:
        """The queues."""
        if self._kept_queues is None:
            self._kept_queues = StreamQueues(
                self._zone,
                table=lambda: self._session_table,
                configured=self._configured,
            )
        return self._kept_queues

    def load_queue(
        self,
        symbol: str,
        interval: IntervalLike | None,
        start: TimestampLike | None,
        end: TimestampLike | None,
        *,
        kind: QueueKind = "bar",
        hours: Hours = "regular",
    ) -> QueueLoad:
        """Load what starts in ``[start, end)`` into a queue, in order.

        Loading again extends the queue without repeats: what was loaded of a range before, consumed or not, is not
        loaded again.

        Parameters
        ----------
        symbol, interval
            The series; of ticks and quotes the interval is not asked for.
        start, end
            Any accepted form of a time, after the clock too; ``None`` is open.
        kind
            ``"bar"``, ``"tick"`` or ``"quote"``.
        hours
            Of bars, as of ``get_bars``; the others are counted as outside.

        Returns
        -------
        QueueLoad
            What was loaded and what was dropped.

        Raises
        ------
        ArgumentError
            If ``start`` is after ``end``, or a word is another one.
        InvalidBarError, CorruptFileError, StorageError, MissingDataError
            As for reading.
        """
        return self.fill(
            self.queues, symbol, interval, start, end, kind=kind, hours=hours
        )

    def fill(
        self,
        queues: StreamQueues,
        symbol: str,
        interval: IntervalLike | None,
        start: TimestampLike | None,
        end: TimestampLike | None,
        *,
        kind: QueueKind = "bar",
        hours: Hours = "regular",
    ) -> QueueLoad:
        """Load into somebody else's queues; else as ``load_queue``."""
        check_kind(kind)
        check_hours(hours)
        covered = self._range_ns(start, end)
        if kind != "bar":
            which: Kind[Any] = QUOTE_KIND if kind == "quote" else TICK_KIND
            events = self.read_events(which, symbol, *covered, ahead=True)
            return queues.add_events(events, covered=covered)
        wanted = Interval("1m" if interval is None else interval)
        bars = self._read(symbol, wanted, *covered)
        kept = within_hours(bars, self._session_table, hours)
        report = queues.add_bars(kept, covered=covered)
        return replace(report, outside=len(bars) - len(kept))

    def add_source(
        self, symbol: str, interval: IntervalLike, bars: object
    ) -> QueueLoad:
        """Add bars from memory to a queue.

        Parameters
        ----------
        symbol, interval
            The series.
        bars
            ``Bars``, or a frame that ``tapeloom.columns.read_frame`` reads, in any order. One that starts with a bar that
            waits already is a repeat.

        Raises
        ------
        InvalidBarError
            If a bar breaks a rule; nothing is added.
        """
        given = given_bars(
            symbol,
            interval,
            bars,
            table=self._session_table,
            allow_negative_prices=self._allow_negative_prices,
            notes=self._notes,
        )
        return self.queues.add_bars(given)

    def peek_queue_timestamp(
        self,
        symbol: str,
        interval: IntervalLike | None = None,
        *,
        kind: QueueKind = "bar",
    ) -> datetime | None:
        """Return when the head of a queue becomes known, aware; ``None`` if it is empty. Consumes nothing."""
        return self.queues.peek(*queue_of(symbol, interval), kind)

    def consume_queue(
        self,
        symbol: str,
        interval: IntervalLike | None = None,
        *,
        kind: QueueKind = "bar",
    ) -> Item | None:
        """Take the head of a queue, ``None`` if it is empty."""
        return self.queues.consume(*queue_of(symbol, interval), kind)

    def consume_until(self, ts: TimestampLike) -> Sequence[Item]:
        """Take all items of all queues that are known at an instant, in the order of the merge."""
        return self.queues.consume_until(to_ns(ts, self._zone, name="ts"))

    def next_timestamp(self) -> datetime | None:
        """Return when the earliest head of all queues becomes known, aware; ``None`` if all are empty.

        A datetime holds microseconds; of an instant between two of them it is the later.
        """
        return self.queues.next_timestamp()

    def queue_stats(self) -> dict[tuple[str, str | None, QueueKind], QueueStats]:
        """Return the state of each queue by symbol, interval and kind."""
        return self.queues.stats()

    def __iter__(self) -> Iterator[QueueBatch]:
        """Take batch after batch from the queues, each with its time and items."""
        return iter(self.queues)

    def _configured(self) -> Sequence[str]:
        return () if self._session_data is None else self._session_data._symbols
