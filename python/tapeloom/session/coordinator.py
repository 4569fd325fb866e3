"""The order of phases of each session in the window. It calls; it holds no bars and no rules.

1 initialization, 2 history, 3 queues, 4 activation, 5 streaming, 6 end; then the next session.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from tapeloom._core import Replay
from tapeloom.actions import Actions
from tapeloom.calendars.days import from_day
from tapeloom.config.universe import Universe
from tapeloom.errors import AnalysisError
from tapeloom.session.history import SessionHistory
from tapeloom.session.indicators import SessionIndicators
from tapeloom.session.queues import SessionQueue, SessionQueues
from tapeloom.session.result import ProgressEvent, RunWarning
from tapeloom.session.tally import Tally
from tapeloom.timestamps import from_ns

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

    from tapeloom._core import Batch
    from tapeloom.calendars.time_manager import TimeManager
    from tapeloom.config.session_data_config import IndicatorSpec
    from tapeloom.config.stream_plan import StreamPlan
    from tapeloom.session.analysis_engine import AnalysisEngine
    from tapeloom.session_data import SessionData
    from tapeloom.storage.bar_source import BarSource, DataNote

__all__ = ["SessionCoordinator"]

_flow = logging.getLogger("tapeloom.session_flow")

#: Bars played without asking whether somebody wants to stop or to see progress: some tens of milliseconds.
_STRIDE = 100_000
_PROGRESS_SECONDS = 0.1


class SessionCoordinator:
    """Runs the sessions of a window over one store, inline on the caller's thread.

    Parameters
    ----------
    session_data
        The store to stream into.
    source
        Where bars come from.
    plan
        What is streamed, derived and loaded as history.
    time_manager
        Clock and calendar.
    engine
        The analyses to call.
    sessions
        Positions of the window's sessions in the session table, rising.
    prefetch_sessions
        Sessions loaded at once, while those before them stream; ``None`` means 5, or as many as fit 256 MiB.
    indicators
        The indicators of history by name.
    actions
        Splits, by which history is restated.
    universe
        On which dates a symbol belongs to the run; always if not given.
    progress
        Called about ten times a second.
    """

    def __init__(
        self,
        session_data: SessionData,
        source: BarSource,
        plan: StreamPlan,
        *,
        time_manager: TimeManager,
        engine: AnalysisEngine,
        sessions: Sequence[int],
        prefetch_sessions: int | None = None,
        indicators: Mapping[str, IndicatorSpec] | None = None,
        actions: Actions | None = None,
        universe: Universe | None = None,
        progress: Callable[[ProgressEvent], object] | None = None,
    ) -> None:
        self._session_data = session_data
        self._source = source
        self._plan = plan
        self._time_manager = time_manager
        self._engine = engine
        self._sessions = sessions
        self.progress = progress
        # The run keeps the calendar it began with, whatever is corrected meanwhile.
        self._calendar = time_manager.calendar
        self._table = self._calendar.table
        bases = {symbol.symbol: symbol.base for symbol in plan.symbols}
        self._queues = SessionQueues(
            source,
            self._table,
            bases,
            sessions=sessions,
            prefetch_sessions=prefetch_sessions,
        )
        self._done = 0
        self._bars = 0
        self._streaming_seconds = 0.0
        self._next_progress = 0.0
        self._began = 0.0
        self.tally = Tally(bases)
        self._universe = Universe("all") if universe is None else universe
        actions = Actions() if actions is None else actions
        self._history = SessionHistory(
            session_data,
            source,
            plan,
            self._table,
            actions=actions,
            tally=self.tally,
        )
        self._indicators = SessionIndicators(
            session_data,
            source,
            plan,
            {} if indicators is None else indicators,
            time_manager=time_manager,
            sessions=sessions,
            actions=actions,
        )

    def batches(self) -> Generator[Batch]:
        """Run the window and yield every batch after the analyses have seen it.

        Who stops iterating ends the run after the current batch.
        """
        return self._play(each_instant=True)

    def _play(self, *, each_instant: bool) -> Generator[Batch]:
        self._began = time.perf_counter()
        for warning in self._plan.warnings:
            self.tally.warn(
                warning.kind,
                warning.text,
                count=len(warning.symbols),
                symbols=warning.symbols,
            )
        try:
            # The first instant of the window: alerts of every session begin there.
            first = int(self._table.span_starts[self._sessions[0]])
            self._time_manager.reset_backtest_clock(first)
            with self._time_manager.running(self._table):
                for at in range(len(self._sessions)):
                    yield from self._run_session(at, each_instant=each_instant)
                self._end_last_night()
        finally:
            self._queues.close()
            self._session_data.set_session_active(False)

    def source_warnings(self) -> list[RunWarning]:
        """What the source had to say about its files, one entry per kind and text."""
        grouped: dict[tuple[str, str], list[DataNote]] = {}
        for note in self._source.notes:
            grouped.setdefault((note.kind, note.text), []).append(note)
        return [
            RunWarning(
                kind,
                text,
                sum(note.count for note in notes),
                tuple(dict.fromkeys(note.symbol for note in notes if note.symbol)),
            )
            for (kind, text), notes in grouped.items()
        ]

    def run(self) -> None:
        """Run the window to its end, waking only for what the analyses wait for."""
        for _ in self._play(each_instant=False):
            pass

    def _run_session(self, at: int, *, each_instant: bool) -> Iterator[Batch]:
        index = self._sessions[at]
        session_date = from_day(int(self._table.dates[index]))
        self._initialize(at)
        self._load_history(index)
        queues = self._load_queues(at)
        self.tally.start_session(self._session_data, queues)
        self._activate(index)
        started, analysed = time.perf_counter(), self._engine.seconds
        replay = Replay(
            self._session_data,
            [(queue.symbol, queue.bars) for queue in queues],
            close=int(self._table.closes[index]),
        )
        wanted = None if each_instant else self._engine.wakes_for
        waiting = 0.0
        try:
            self._engine.start_session()
            # What waits for the open comes after it.
            self._call_alerts(int(self._table.opens[index]), opening=True)
            while True:
                batch = replay.run(
                    each_instant=wanted is None,
                    intervals=wanted or None,
                    most_bars=_STRIDE,
                    until=self._time_manager.next_alert_ns(),
                )
                self._time_manager.stand_at(batch.ts)
                if batch.woke:
                    self._engine.dispatch(batch)
                    paused = time.perf_counter()
                    yield batch
                    waiting += time.perf_counter() - paused
                self._call_alerts(batch.ts, opening=False)
                self._show_progress(batch, time.perf_counter() - started - waiting)
                if batch.ended:
                    break
        finally:
            # Whatever ended the session, its store is the user's again.
            replay.close()
        self._end(at, index, batch, started=started, waiting=waiting, analysed=analysed)
        _flow.info(
            "[SESSION_FLOW] PHASE_5.SUMMARY: %d batches, %d bars, session %s",
            batch.instants,
            batch.base_bars,
            session_date,
        )

    def _initialize(self, at: int) -> None:
        index = self._sessions[at]
        session_date = from_day(int(self._table.dates[index]))
        begin = int(self._table.span_starts[index])
        # Alerts of the night belong to the session that has ended.
        self._call_alerts(begin - 1, opening=True)
        self._session_data.set_session_active(False)
        self._session_data.start_new_session(session_date, roll=True)
        _flow.info("[SESSION_FLOW] 3.b.2.PHASE_1: Complete - session %s", session_date)

    def _load_history(self, index: int) -> None:
        self._history.prepare(index)
        self._indicators.prepare(index)
        _flow.info("[SESSION_FLOW] 3.b.2.PHASE_2: Complete - history loaded")

    def _load_queues(self, at: int) -> list[SessionQueue]:
        queues = self._queues.load(at)
        for symbol, bars in self._queues.between_sessions.items():
            text = (
                "bars on days without a session, such as a weekend; not delivered: "
                "is the zone or the calendar wrong?"
            )
            self.tally.warn("no session", text, count=bars, symbols=[symbol])
        day = from_day(int(self._table.dates[self._sessions[at]]))
        for k, queue in enumerate(queues):
            if not self._universe.is_listed(queue.symbol, day):
                queues[k] = SessionQueue(queue.symbol, queue.bars[:0], 0)
            elif not len(queue.bars):
                text = "no bar in a session of the window; it ran with quality 0"
                self.tally.warn("no data", text, symbols=[queue.symbol])
        _flow.info("[SESSION_FLOW] 3.b.2.PHASE_3: Complete - %d queues", len(queues))
        return queues

    def _activate(self, index: int) -> None:
        opened = int(self._table.opens[index])
        self._call_alerts(opened - 1, opening=True)
        self._time_manager.stand_at(opened)
        self._session_data.set_session_active(True)
        _flow.info("[SESSION_FLOW] 3.b.2.PHASE_4: Complete - active")

    def _call_alerts(self, until: int, *, opening: bool) -> None:
        """Call the alerts that are due by an instant; those of an open at that instant only with ``opening``."""
        due = self._time_manager.next_alert_ns()
        if due is None or due > until:
            return
        before = self._time_manager.last_alert
        try:
            self._time_manager.run_alerts(until, opening=opening)
        except Exception as error:
            at = self._time_manager.last_alert
            if at is before:
                raise
            text = f"alert at {at} failed: {type(error).__name__}: {error}"
            raise AnalysisError(text, time=at) from error

    def _end_last_night(self) -> None:
        """Call the alerts that are due before the last session's day is over, as those of the sessions before it were."""
        self._call_alerts(
            int(self._table.span_ends[self._sessions[-1]]) - 1, opening=True
        )

    def _end(
        self,
        at: int,
        index: int,
        last: Batch,
        *,
        started: float,
        waiting: float,
        analysed: float,
    ) -> None:
        self._session_data.end_session()
        self._session_data.set_session_active(False)
        self._history.finish()
        self._engine.end_session()
        seconds = time.perf_counter() - started - waiting
        self._done, self._bars = at + 1, self._bars + last.base_bars
        self._streaming_seconds += seconds
        self.tally.end_session(
            self._session_data,
            self._table,
            index,
            is_early_close=self._calendar.closes_early(int(self._table.dates[index])),
            last=last,
            load_seconds=self._queues.load_seconds,
            seconds=seconds,
            analysis_seconds=self._engine.seconds - analysed,
        )
        self._next_progress = 0.0
        self._show_progress(None, 0.0)

    def _show_progress(self, batch: Batch | None, seconds: float) -> None:
        if self.progress is None:
            return
        now = time.perf_counter()
        if now < self._next_progress:
            return
        self._next_progress = now + _PROGRESS_SECONDS
        bars = self._bars + (batch.base_bars if batch else 0)
        streamed = self._streaming_seconds + seconds
        done = self._done + (0.0 if batch is None else self._share_played(batch))
        remaining = (
            (now - self._began) * (len(self._sessions) - done) / done if done else None
        )
        clock = (
            self._time_manager.get_current_time()
            if batch is None
            else from_ns(batch.ts, self._table.zone)
        )
        self.progress(
            ProgressEvent(
                sessions_done=self._done,
                sessions_total=len(self._sessions),
                clock=clock,
                bars=bars,
                bars_per_second=bars / streamed if streamed > 0 else 0.0,
                remaining_seconds=remaining,
            )
        )

    def _share_played(self, batch: Batch) -> float:
        """How much of the running session is over, 0 to 1."""
        index = self._sessions[self._done]
        start, end = int(self._table.opens[index]), int(self._table.closes[index])
        return min(1.0, max(0.0, (batch.ts - start) / (end - start)))
