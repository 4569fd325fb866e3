"""Plays the sessions of a window, phase by phase and batch by batch, on whatever thread asks for the next one.

1 initialization, 2 history, 3 queues, 4 activation, 5 streaming, 6 end; then the next session. It knows no threads and no
real time.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from tapeloom.calendars.days import from_day
from tapeloom.errors import DuplicateBarError, InternalError
from tapeloom.session.alert_calls import call_alerts
from tapeloom.session.flow import flow
from tapeloom.session.quote_tape import QuoteTape
from tapeloom.session.story import tell_end, tell_history, tell_queues
from tapeloom.session.stream import SessionStream
from tapeloom.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tapeloom._core import Batch
    from tapeloom.calendars.time_manager import TimeManager
    from tapeloom.config.stream_plan import StreamPlan
    from tapeloom.session.analysis_engine import AnalysisEngine
    from tapeloom.session.data_processor import DataProcessor
    from tapeloom.session.metrics import PerformanceMetrics
    from tapeloom.session.realtime_indicators import RealtimeIndicators
    from tapeloom.session.result import SessionReport
    from tapeloom.session.roster import Roster
    from tapeloom.session.tally import Tally
    from tapeloom.session_data import SessionData

__all__ = ["SessionPlayer"]

#: Bars played without asking whether somebody wants to stop or to see progress: some tens of milliseconds.
_STRIDE = 100_000


class SessionPlayer:
    """Where a run stands: which session, how far it is played.

    Parameters
    ----------
    session_data
        The store to play into.
    roster
        Whose bars are played.
    processor
        Takes each batch and tells who waits for it.
    indicators
        The real-time indicators.
    time_manager
        Clock and calendar.
    engine
        The analyses; told of the start and end of sessions.
    sessions
        Positions of the window's sessions in the session table, rising.
    done
        How many of them an earlier run has done.
    tally
        Adds up the run.
    metrics
        Takes the times.
    call
        Calls the analyses' side on the thread it belongs to.
    extended
        Whether sessions last from the start of pre-market to the end of post-market.
    on_end
        Called with the report of each session that has ended.
    """

    def __init__(
        self,
        session_data: SessionData,
        roster: Roster,
        processor: DataProcessor,
        *,
        indicators: RealtimeIndicators,
        time_manager: TimeManager,
        engine: AnalysisEngine,
        sessions: Sequence[int],
        done: int,
        tally: Tally,
        metrics: PerformanceMetrics,
        call: Callable[[Callable[[], object]], None],
        extended: bool,
        on_end: Callable[[SessionReport], None],
    ) -> None:
        self._session_data = session_data
        self._roster = roster
        self._processor = processor
        self._indicators = indicators
        self._time_manager = time_manager
        self._engine = engine
        self._sessions = sessions
        self._tally = tally
        self._metrics = metrics
        self._call = call
        self._on_end = on_end
        # The run keeps the calendar it began with, whatever is corrected meanwhile.
        self._calendar = time_manager.calendar
        self._table = self._calendar.table
        self._starts = self._table.pre_opens if extended else self._table.opens
        self._ends = self._table.post_closes if extended else self._table.closes
        self._resources = contextlib.ExitStack()
        self._is_open = False
        self._stream: SessionStream | None = None
        self._quotes = QuoteTape(session_data, {})
        self._last: Batch | None = None
        self._began = 0.0
        self._ended: float | None = None
        self._analysed = 0.0
        self._session_end = 0
        #: Sessions that are over, and the wall time of the running one, loading apart.
        self.done, self.seconds = done, 0.0
        #: Intervals at whose bars the session stops; ``None`` means at every instant.
        self.wakes: list[str] | None = None

    @property
    def is_over(self) -> bool:
        """Whether every session of the window has ended."""
        return self.done == len(self._sessions)

    @property
    def is_streaming(self) -> bool:
        """Whether a session has begun and not ended."""
        return self._stream is not None

    @property
    def progress(self) -> tuple[int, int]:
        """Sessions that are over, and all of them."""
        return self.done, len(self._sessions)

    @property
    def start_ns(self) -> int:
        """Start of the session that is running or comes next, ns UTC."""
        return int(self._starts[self._sessions[self.done]])

    @property
    def end_ns(self) -> int:
        """End of the session that is running or comes next, ns UTC."""
        return int(self._ends[self._sessions[self.done]])

    @property
    def bars(self) -> int:
        """Base bars delivered in the session that is running."""
        return 0 if self._stream is None else self._stream.base_bars

    def next_ns(self) -> int:
        """Return the next instant at which something is due, an alert included; the session must have begun."""
        due = self._time_manager.next_alert_ns()
        coming = self._running.next_ns()
        return coming if due is None else min(coming, due)

    def open(self) -> None:
        """Set the clock to the begin of the window and hold it. Doing so twice changes nothing."""
        if self._is_open:
            return
        if self.is_over:
            # Every session was done by an earlier run.
            return
        # The first instant of what is to be played: alerts of every session begin there.
        first = int(self._table.span_starts[self._sessions[self.done]])
        self._time_manager.reset_backtest_clock(first)
        self._is_open = True
        self._resources.enter_context(self._time_manager.running(self._table))
        self._metrics.start_backtest()
        flow(
            "3",
            "Started - %s, %s",
            counted(len(self._sessions), "session"),
            counted(len(self._roster.symbols), "symbol"),
        )

    def close(self) -> None:
        """Let go of clock, store and loader, wherever the run stands. Doing so twice changes nothing."""
        if not self._is_open:
            return
        # What cannot be let go of keeps nothing else; after an interrupt all of it is gone through again.
        with contextlib.ExitStack() as rest:
            rest.callback(self._resources.close)
            rest.callback(self._roster.close)
            rest.callback(self._processor.close)
            rest.callback(self._metrics.end_backtest)
            rest.callback(self._session_data.set_session_active, False)
            if self._stream is not None:
                rest.callback(self._stream.close)
        self._is_open = False

    def flush(self) -> None:
        """Tell what was kept back of symbols that are late, where the run ends within a session."""
        if self._stream is not None and self._last is not None:
            self._processor.flush(self._last)

    def begin(self, is_over: Callable[[], bool] = lambda: False) -> None:
        """Run phases 1 to 4 of the next session; between two of them it is given up if the run is over."""
        loading = self._metrics.start_timer()
        self._began = time.perf_counter()
        index = self._sessions[self.done]
        self._session_end = int(self._ends[index])
        session_date = from_day(int(self._table.dates[index]))
        flow(
            "3.b",
            "Session %s, %d of %d",
            session_date,
            self.done + 1,
            len(self._sessions),
        )
        for number, phase in enumerate((self._initialize, self._load_history), 1):
            started = self._metrics.start_timer()
            phase(index)
            self._metrics.record_phase(f"PHASE_{number}", started)
            if is_over():
                return
        started = self._metrics.start_timer()
        queued = self._roster.load(self.done)
        tell_queues(queued, self._roster.load_seconds)
        self._tally.start_session(self._session_data, queued.out_of_session)
        self._metrics.record_phase("PHASE_3", started)
        self._quotes = QuoteTape(self._session_data, self._roster.quotes(self.done))
        if is_over():
            return
        self.wakes = self._processor.wakes_for
        started = self._metrics.start_timer()
        self._activate(index)
        self._stream = SessionStream(
            self._session_data,
            queued.bars,
            self._table,
            close=self._session_end,
            indicators=self._indicators,
        )
        self._last, self.seconds, self._analysed = None, 0.0, self._engine.seconds
        (
            self._metrics.record_subsequent_load
            if self.done
            else self._metrics.record_initial_load
        )(loading)
        if self._ended is not None:
            self._metrics.record_session_gap(self._ended)
        self._call(self._engine.start_session)
        # What waits for the open comes after it.
        call_alerts(self._time_manager, int(self._starts[index]))
        self._metrics.record_phase("PHASE_4", started)

    def advance(
        self, *, wanted: Sequence[str] | None, until: int | None
    ) -> Batch | None:
        """Play on in the session that is running: to the next batch somebody waits for, or a stride, or a limit.

        Parameters
        ----------
        wanted
            Intervals whose bars somebody waits for; ``None`` means every instant.
        until
            The last instant to play, ns UTC; ``None`` has no limit but the end of the session.

        Returns
        -------
        Batch or None
            The batch, after the analyses have seen it; ``None`` if nobody waits for the last instant.
        """
        began = time.perf_counter()
        due = self._time_manager.next_alert_ns()
        limit = due if until is None or (due is not None and due < until) else until
        try:
            batch = self._processor.play(
                self._running, wanted=wanted, most_bars=_STRIDE, until=limit
            )
        except DuplicateBarError as error:
            raise self._roster.with_rows(error) from error
        self._last = batch
        self._time_manager.stand_at(batch.ts)
        self._quotes.pass_to(batch.ts)
        played = time.perf_counter()
        self.seconds += played - began
        if batch.woke:
            self._processor.deliver(batch)
        # The regular open lies within extended hours; one at the end belongs to the next session.
        call_alerts(self._time_manager, batch.ts, opening=batch.ts < self._session_end)
        self.seconds += time.perf_counter() - played
        if batch.ended:
            self._end()
        return batch if batch.woke else None

    def has_reached(self, until: int) -> bool:
        """Return whether everything that is known by an instant was played in the session that is running."""
        last = self._last
        return last is not None and last.held and last.ts >= until

    def add_symbol(self, symbol: str, plan: StreamPlan) -> None:
        """Take in a symbol between two batches: what is known of it by now is stored, then it streams.

        One that cannot be taken in leaves nothing behind.
        """
        is_known = self._tally.knows(symbol)
        try:
            self._take_in(symbol, plan)
        except BaseException:
            if symbol in self._session_data.get_active_symbols():
                self.remove_symbol(symbol)
            if not is_known:
                self._tally.forget_symbol(symbol)
            raise

    def _take_in(self, symbol: str, plan: StreamPlan) -> None:
        self._roster.add(plan, at=min(self.done, len(self._sessions) - 1))
        if self._stream is None:
            return
        self._roster.join(symbol, self._sessions[self.done])
        queued = self._roster.load(self.done, only=symbol)
        self._tally.start_symbols(self._session_data, queued.out_of_session)
        clock = self._time_manager.clock.now_ns()
        for name, bars in queued.bars.items():
            coming = self._stream.after(bars, clock)
            known = bars[: len(bars) - len(coming)]
            self._session_data.add_bars_batch(name, known)
            self._stream.add(name, coming, clock=clock)
        self._quotes.add(self._roster.quotes(self.done, only=symbol))
        self._processor.add(symbol)

    def remove_symbol(self, symbol: str) -> None:
        """Drop a symbol between two batches: its queue and its data."""
        if self._stream is not None:
            self._stream.remove(symbol, clock=self._time_manager.clock.now_ns())
        self._session_data.remove_symbol(symbol)
        if self._stream is not None:
            self._stream.reopen()
        self._quotes.remove(symbol)
        self._roster.remove(symbol)
        self._processor.remove(symbol)
        self._tally.remove_symbol(symbol)

    def settle(self) -> None:
        """Call the alerts that are due before the last session's day is over, as those of the sessions before it were."""
        if self._is_open:
            last = int(self._table.span_ends[self._sessions[-1]])
            call_alerts(self._time_manager, last - 1)

    def call_alerts(self, until: int) -> None:
        """Call the alerts between two sessions that are due by an instant."""
        call_alerts(self._time_manager, until)

    @property
    def _running(self) -> SessionStream:
        if self._stream is None:
            text = "no session is streaming; begin() starts one"
            raise InternalError(text)
        return self._stream

    def _initialize(self, index: int) -> None:
        session_date = from_day(int(self._table.dates[index]))
        begin = int(self._table.span_starts[index])
        # Alerts of the night belong to the session that has ended.
        call_alerts(self._time_manager, begin - 1)
        self._session_data.set_session_active(False)
        self._session_data.start_new_session(session_date, roll=True)
        flow(
            "3.b.2.PHASE_1",
            "Complete - the store is in session %s",
            session_date,
        )

    def _load_history(self, index: int) -> None:
        started = time.perf_counter()
        try:
            self._roster.prepare(index)
        except DuplicateBarError as error:
            raise self._roster.with_rows(error) from error
        self._processor.start_session()
        seconds = time.perf_counter() - started
        tell_history(self._session_data, self._roster.history)
        flow(
            "3.b.2.PHASE_2",
            "Complete - history and indicators of %s",
            counted(len(self._roster.symbols), "symbol"),
            seconds=seconds,
        )

    def _activate(self, index: int) -> None:
        opened = int(self._starts[index])
        call_alerts(self._time_manager, opened - 1)
        self._time_manager.stand_at(opened)
        self._session_data.set_session_active(True)
        flow(
            "3.b.2.PHASE_4",
            "Complete - active from %s",
            self._time_manager.get_current_time(),
        )

    def _end(self) -> None:
        stream, last = self._running, self._last
        index = self._sessions[self.done]
        stream.close()
        started = self._metrics.start_timer()
        if last is not None:
            self._processor.flush(last)
        self._session_data.end_session()
        self._session_data.set_session_active(False)
        self._roster.finish()
        self._processor.end_session()
        self._call(self._engine.end_session)
        self._metrics.record_phase("PHASE_6", started)
        self._metrics.record_session_duration(self._began)
        self._metrics.increment_trading_days()
        report = self._tally.end_session(
            self._session_data,
            self._table,
            index,
            is_early_close=self._calendar.closes_early(int(self._table.dates[index])),
            stream=stream,
            load_seconds=self._roster.load_seconds,
            seconds=self.seconds,
            analysis_seconds=self._engine.seconds - self._analysed,
        )
        self._stream = None
        self.done += 1
        self._ended = self._metrics.start_timer()
        at = self._time_manager.get_current_time()
        tell_end(report, at.strftime("%H:%M:%S"))
        self._on_end(report)
        flow("3.b.2.PHASE_6", "Complete - session %s ended", report.session_date)
