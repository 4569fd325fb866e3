"""Queues merged into a session batch by batch, for those who drive a backtest themselves. It knows no phases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tapeloom._core import BarData, Interval, Replay
from tapeloom.bars import normalise_symbol
from tapeloom.calendars.days import to_day
from tapeloom.errors import ArgumentTypeError, SeriesConflictError, StateError
from tapeloom.quotes import Quote, TickData
from tapeloom.session_data import SessionData
from tapeloom.storage.given_bars import given_bars
from tapeloom.storage.stream_queues import StreamQueues, queue_of
from tapeloom.timestamps import to_ns

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from tapeloom.calendars.time_manager import TimeManager
    from tapeloom.intervals import IntervalLike
    from tapeloom.storage.data_manager import DataManager
    from tapeloom.storage.hours import Hours
    from tapeloom.storage.stream_queue import Item
    from tapeloom.storage.stream_queues import (
        QueueBatch,
        QueueKind,
        QueueLoad,
        QueueStats,
    )
    from tapeloom.timestamps import TimestampLike

__all__ = ["BacktestStreamCoordinator"]


class BacktestStreamCoordinator:
    """Holds queues, merges them, and writes what is taken from them into a session, instant by instant.

    Parameters
    ----------
    session_data
        The session. Its symbols come first in the merge, in the order in which they were registered when this was made.
    time_manager
        Whose clock moves to each instant before its items are written, and whose alerts are called; never backwards.
    data_manager
        Where ``load_queue`` reads.

    Notes
    -----
    Each instant is one batch: quotes, then ticks, then bars of all symbols, which become visible together. Sessions are
    begun and ended by the caller; bars of another session date go the way the session has for them.

    Examples
    --------
    >>> from datetime import date
    >>> from tapeloom import SessionData
    >>> from tapeloom.session.stream_coordinator import BacktestStreamCoordinator
    >>> session = SessionData()
    >>> session.start_new_session(date(2025, 7, 2))
    >>> coordinator = BacktestStreamCoordinator(session)
    >>> minute = {"ts": [1_751_463_000_000_000_000], "open": [9.0], "high": [9.0], "low": [9.0], "close": [9.0], "volume": [5.0]}
    >>> coordinator.add_source("AAPL", "1m", minute).loaded
    1
    >>> for batch in coordinator:
    ...     print(batch.time, session.get_latest_bar("AAPL").close)
    2025-07-02 09:31:00-04:00 9.0
    """

    def __init__(
        self,
        session_data: SessionData,
        time_manager: TimeManager | None = None,
        *,
        data_manager: DataManager | None = None,
    ) -> None:
        if not isinstance(session_data, SessionData):
            text = f"session_data is {type(session_data).__name__}; it must be a SessionData"
            raise ArgumentTypeError(text, got=session_data)
        self._session_data = session_data
        self._time_manager = time_manager
        self._data_manager = data_manager
        # Those that come with the items must not change the order of those to come.
        configured = list(session_data._symbols)
        self._queues = StreamQueues(
            session_data.timezone,
            table=lambda: session_data.session_table,
            configured=lambda: configured,
        )
        #: Base interval of each symbol that has a queue of bars.
        self._bases: dict[str, Interval] = {}

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
        """Load what starts in ``[start, end)`` from storage into a queue; see :meth:`DataManager.load_queue`.

        Raises
        ------
        StateError
            If no data manager was given.
        SeriesConflictError
            If the symbol has another base interval, which is the only one that bars are written to.
        """
        if self._data_manager is None:
            text = (
                "there is nothing to load from; give data_manager=, or use add_source()"
            )
            raise StateError(text)
        if kind == "bar":
            self._check_base(symbol, "1m" if interval is None else interval)
        return self._data_manager.fill(
            self._queues, symbol, interval, start, end, kind=kind, hours=hours
        )

    def add_source(
        self, symbol: str, interval: IntervalLike, bars: object
    ) -> QueueLoad:
        """Add bars from memory to a queue, in any order; see :meth:`DataManager.add_source`.

        Raises
        ------
        SeriesConflictError
            As of ``load_queue``.
        """
        given = given_bars(
            symbol,
            interval,
            bars,
            table=self._session_data.session_table,
            allow_negative_prices=self._session_data.policies.get(
                "allow_negative_prices"
            )
            == "True",
        )
        self._check_base(symbol, interval)
        return self._queues.add_bars(given)

    def peek_queue_timestamp(
        self,
        symbol: str,
        interval: IntervalLike | None = None,
        *,
        kind: QueueKind = "bar",
    ) -> datetime | None:
        """Return when the head of a queue becomes known, aware; ``None`` if it is empty. Consumes nothing."""
        return self._queues.peek(*queue_of(symbol, interval), kind)

    def consume_queue(
        self,
        symbol: str,
        interval: IntervalLike | None = None,
        *,
        kind: QueueKind = "bar",
    ) -> Item | None:
        """Take the head of one queue and write it; ``None`` if it is empty. What other queues hold stays behind."""
        name, length = queue_of(symbol, interval)
        head = self._queues.head_ns(name, length, kind)
        if head is None:
            return None
        self._move_to(head)
        item = self._queues.consume(name, length, kind)
        if item is not None:
            self._append(item)
        self._call_alerts(head)
        return item

    def consume_until(self, ts: TimestampLike) -> Sequence[Item]:
        """Take all items that are known at an instant, write them batch by batch, and return them as merged."""
        until = to_ns(ts, self._session_data.timezone, name="ts")
        taken: list[Item] = []
        while (at := self._queues.next_ns()) is not None and at <= until:
            taken += self._take(at).items
        return taken

    def next_timestamp(self) -> datetime | None:
        """Return when the earliest head of all queues becomes known; see :meth:`DataManager.next_timestamp`."""
        return self._queues.next_timestamp()

    def queue_stats(self) -> dict[tuple[str, str | None, QueueKind], QueueStats]:
        """Return the state of each queue by symbol, interval and kind."""
        return self._queues.stats()

    def __iter__(self) -> Iterator[QueueBatch]:
        """Take and write batch after batch; each is in the session when it is handed out."""
        while (at := self._queues.next_ns()) is not None:
            yield self._take(at)

    def _take(self, ts: int) -> QueueBatch:
        self._move_to(ts)
        batch = self._queues.batch_at(ts)
        self._write(batch)
        self._call_alerts(ts)
        return batch

    def _write(self, batch: QueueBatch) -> None:
        session = self._session_data
        for item in batch.items:
            if not isinstance(item, BarData):
                self._append(item)
        if self._fits(batch):
            for bars in batch.columns:
                session.register_symbol(bars.symbol, base_interval=bars.interval)
            sources = [(bars.symbol, bars) for bars in batch.columns]
            replay = Replay(session, sources, close=batch.ts)
            try:
                while not replay.run().ended:
                    pass
            finally:
                replay.close()
            return
        for item in batch.items:
            if isinstance(item, BarData):
                self._append(item)

    def _fits(self, batch: QueueBatch) -> bool:
        """Whether all bars are new ones of the running session, so that they can become visible together."""
        session = self._session_data
        clock, day = session._clock, session.current_session_date
        if not batch.columns or day is None or session.session_ended:
            return False
        index = session.session_table.index_of(to_day(day))
        if index is None or (clock is not None and clock >= batch.ts):
            return False
        opened, closed = session._hours(index)
        return all(
            len(bars) == 1 and opened <= bars.ts[0] < closed for bars in batch.columns
        )

    def _append(self, item: Item) -> None:
        session = self._session_data
        if isinstance(item, TickData):
            session.append_tick(item.symbol, item)
        elif isinstance(item, Quote):
            session.append_quote(item.symbol, item)
        else:
            session.append_bar(item.symbol, item.interval, item)

    def _move_to(self, ts: int) -> None:
        """Move the clock forward to an instant, alerts before it included."""
        manager = self._time_manager
        if manager is None:
            return
        manager.require_free()
        due = manager.next_alert_ns()
        if due is not None and due < ts:
            manager.run_alerts(ts - 1)
        clock = manager.clock
        if not getattr(clock, "is_set", True) or clock.now_ns() < ts:
            manager.stand_at(ts)

    def _call_alerts(self, ts: int) -> None:
        """Call the alerts of an instant, after its items."""
        manager = self._time_manager
        if manager is not None:
            due = manager.next_alert_ns()
            if due is not None and due <= ts:
                manager.run_alerts(ts)

    def _check_base(self, symbol: str, interval: IntervalLike) -> None:
        name, wanted = normalise_symbol(symbol), Interval(interval)
        kept = self._session_data._intervals(name)
        base = Interval(kept[0]) if kept else self._bases.setdefault(name, wanted)
        if base != wanted:
            text = f"{name} has the base interval {base}; bars of {wanted} are derived from it and not written"
            raise SeriesConflictError(
                text, symbol=name, expected=str(base), got=str(wanted)
            )
