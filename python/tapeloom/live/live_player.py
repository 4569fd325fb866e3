"""Plays live sessions one after the other: begins each, warms it up, opens it at its open, ends it after its close.

Like :mod:`tapeloom.live.live_session` it is handed events and the time. Which thread calls it, and who waits for what, is
somebody else's.
"""

from __future__ import annotations

import time
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from tapeloom.calendars.days import from_day
from tapeloom.errors import CalendarError
from tapeloom.session.alert_calls import call_alerts
from tapeloom.session.flow import flow, flow_warning
from tapeloom.session.loaded_bars import hours_of
from tapeloom.session.story import tell_end, tell_history
from tapeloom.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import date

    from tapeloom.calendars.time_manager import TimeManager
    from tapeloom.ingest import IngestCounts
    from tapeloom.live.feed import FeedEvent
    from tapeloom.live.journal import SessionJournal
    from tapeloom.live.journal_files import JournalFiles
    from tapeloom.live.live_session import LiveSession
    from tapeloom.live.past import Past
    from tapeloom.session.analysis_engine import AnalysisEngine
    from tapeloom.session.data_processor import DataProcessor
    from tapeloom.session.metrics import PerformanceMetrics
    from tapeloom.session.quality_manager import DataQualityManager
    from tapeloom.session.result import SessionReport
    from tapeloom.session.tally import Tally

__all__ = ["LivePlayer", "Stage", "Timing"]

_SECOND = 1_000_000_000


class Stage(StrEnum):
    """How far a live session is."""

    NIGHT = "NIGHT"
    """The next session has not begun."""
    WARMING = "WARMING"
    """It has begun; what it lacks by now is fetched. What the feed pushes waits."""
    WAITING = "WAITING"
    """It is warm, and not open."""
    OPEN = "OPEN"
    """Bars come, analyses are called."""
    OVER = "OVER"
    """No session is left to play."""


class Timing(NamedTuple):
    """When a live session does what, ns."""

    warm_up: int = 120 * _SECOND
    """How long a session that begins waits for its bars so far; then it opens with gaps, which are filled later."""
    settle: int = 40 * _SECOND
    """How long after the close late and corrected bars are taken. Vendors correct a bar within some 30 s."""
    last_answers: int = 120 * _SECOND
    """How much longer a session waits for what history was asked for; then it ends with gaps."""
    lead: int = 300 * _SECOND
    """How long before its first bar a session begins, after the night."""


class LivePlayer:
    """Where a live run stands.

    Parameters
    ----------
    journal
        Writes the sessions.
    session
        The streaming part of each.
    files
        Where the journal of the next session goes.
    processor, quality, engine
        Told of the begin and end of each.
    past
        Puts history and indicators of the days before into the store.
    time_manager
        The calendar, and the alerts.
    tally, metrics
        Add up the run.
    call
        Calls the analyses' side on the thread it belongs to.
    extended
        Whether sessions last from the start of pre-market to the end of post-market.
    timing
        When what is done.
    sessions
        After how many sessions the run is over; ``None`` goes on.
    on_end
        Called with the report of each session that has ended, before the next one; keeps what it leaves behind.
    """

    def __init__(
        self,
        journal: SessionJournal,
        session: LiveSession,
        *,
        files: JournalFiles,
        processor: DataProcessor,
        quality: DataQualityManager,
        engine: AnalysisEngine,
        past: Past,
        time_manager: TimeManager,
        tally: Tally,
        metrics: PerformanceMetrics,
        call: Callable[[Callable[[], object]], None],
        extended: bool,
        timing: Timing | None = None,
        sessions: int | None = None,
        on_end: Callable[[SessionReport], None],
    ) -> None:
        self._journal = journal
        self._session_data = journal.session_data
        self._session = session
        self._files = files
        self._processor = processor
        self._quality = quality
        self._engine = engine
        self._past = past
        self._time_manager = time_manager
        self._calendar = time_manager.calendar
        self._table = self._calendar.table
        self._tally = tally
        self._metrics = metrics
        self._call = call
        self._extended = extended
        self._timing = Timing() if timing is None else timing
        self._sessions = sessions
        self._on_end = on_end
        self._starts = self._table.pre_opens if extended else self._table.opens
        self._ends = self._table.post_closes if extended else self._table.closes
        self._index: int | None = None
        self._turned_to: date | None = None
        self._warm_by = self._begin_at = 0
        self._end_by: int | None = None
        # What came while the session was not warm.
        self._held: list[FeedEvent] = []
        self._analysed = self._opened = 0.0
        self.stage = Stage.NIGHT
        #: Sessions that have ended.
        self.done = 0

    @property
    def takes_events(self) -> bool:
        """Whether what the feed pushes is wanted now; while a session warms up it waits."""
        return self.stage is not Stage.WARMING

    @property
    def takes_at_once(self) -> bool:
        """Whether :meth:`take_at_once` may be called: the session is open, and nothing waits that came before."""
        return (
            self.stage is Stage.OPEN and not self._held and self._session.takes_at_once
        )

    def take_at_once(
        self, events: Iterable[FeedEvent], now: int
    ) -> Callable[[], object] | None:
        """Take what came, where nothing else is due by now (:meth:`next_due`); see ``LiveSession.take_at_once``."""
        return self._session.take_at_once(events, now)

    @property
    def is_over(self) -> bool:
        """Whether every session of the run has ended."""
        return self.stage is Stage.OVER

    @property
    def session_date(self) -> date | None:
        """Date of the session that runs or comes next; ``None`` before it was looked for."""
        index = self._index
        return None if index is None else from_day(int(self._table.dates[index]))

    @property
    def is_warming(self) -> bool:
        """Whether a session begins: the first one does so at once, the others some time before their open."""
        return self.stage is Stage.WARMING or (
            self.stage is Stage.NIGHT and not self.done
        )

    @property
    def start_ns(self) -> int:
        """Open of the session that runs or comes next, ns UTC."""
        return int(self._starts[self._at])

    @property
    def end_ns(self) -> int:
        """Close of the session that runs or comes next, ns UTC."""
        return int(self._ends[self._at])

    def find(self, now: int) -> None:
        """Choose the session to begin with: the one that runs now, or the next.

        Raises
        ------
        CalendarError
            If the calendar knows of none.
        """
        coming = self._ends > now - self._timing.settle
        if not coming.any():
            last = from_day(int(self._table.dates[-1]))
            text = f"the calendar of {self._time_manager.exchange_group} ends on {last}; there is no session to wait for"
            raise CalendarError(text)
        self._index = int(coming.argmax())
        # The first session begins at once, so that its history is there long before its open.
        self._begin_at = now

    def advance(self, events: Iterable[FeedEvent], now: int) -> None:
        """Take what came, and do what is due by now (ns UTC), one step at a time.

        Raises
        ------
        JournalError
            As of :meth:`LiveSession.take`; what came is not lost.
        AnalysisError, GapError
            End the run.
        """
        if self.stage is Stage.NIGHT and now >= self._begin_at:
            # They are the session's own as soon as it is warm.
            self._held += events
            self._begin(now)
            return
        if self.stage in (Stage.NIGHT, Stage.OVER):
            self._session.note(events)
            if self.stage is Stage.NIGHT:
                self._call_alerts(now)
            return
        was_warming = self.stage is Stage.WARMING
        if was_warming:
            self._held += events
            events = ()
            self._session.tick(now)
            if self._is_warm(now):
                self._session.end_warm_up(now)
                self.stage = Stage.WAITING
        if self.stage is Stage.WAITING and now >= self.start_ns:
            self._open()
        if self.stage is not Stage.WARMING:
            self._take(events, now)
        self._call_alerts(now)
        if now >= self.end_ns:
            self._session_data.set_session_active(False)
            # What the feed pushed while it warmed up comes with the next turn.
            if self._is_settled(now) and not was_warming:
                self._end(now)

    def _take(self, events: Iterable[FeedEvent], now: int) -> None:
        if not self._session.is_open:
            # It has ended, but for what could not be written.
            self._session.note(events)
            return
        if self._held:
            # Whatever fails from here on, the session has them.
            events, self._held = [*self._held, *events], []
        self._session.take(events, now)

    def next_due(self, now: int) -> int | None:
        """Return when :meth:`advance` is wanted at the latest, ns UTC; ``None`` where nothing will be due."""
        due = []
        if self.stage is Stage.OVER:
            return None
        if self.stage is Stage.NIGHT:
            due.append(self._begin_at)
        else:
            due.append(self._session.next_due(now))
            due += [self.start_ns, self.end_ns, self.end_ns + self._timing.settle]
            due += [] if self._end_by is None else [self._end_by]
        alert = self._time_manager.next_alert_ns()
        if alert is not None:
            due.append(alert)
        return min((at for at in due if at > now), default=now)

    def note_absence(self, since: int, until: int) -> None:
        """Keep as evidence that nobody listened between two instants, ns UTC, of the session that runs."""
        if self.stage in (Stage.WARMING, Stage.WAITING, Stage.OPEN):
            self._session.note_absence(since, until)

    def close(self) -> None:
        """Let go of the store, wherever the session stands. Doing so twice changes nothing."""
        self._session.close()
        self._session_data.set_session_active(False)

    def follow_symbols(self, now: int) -> None:
        """Take bars of the symbols that the store keeps now, and have fetched what those that are new lack."""
        store = self._session_data
        new = [name for name in store._symbols if not self._tally.follows(name)]
        self._tally.start_symbols(store, dict.fromkeys(new, 0))
        self._session.follow_symbols(now)
        self._tell_lacking()

    # Phases

    @property
    def _at(self) -> int:
        assert self._index is not None, "find() comes first"
        return self._index

    def _begin(self, now: int) -> None:
        """Phases 1 to 3: the store's session, history and indicators; then the bars of the session so far are asked for."""
        index = self._at
        started = self._metrics.start_timer()
        store = self._session_data
        recovered: dict[str, IngestCounts] = {}
        session_date = from_day(int(self._table.dates[index]))
        flow("3.b", "Session %s", session_date)
        if store.current_session_date != session_date:
            if self.done and self._turned_to != session_date:
                self._files.turn_to(self._journal, session_date)
                self._turned_to = session_date
            self._journal.start_new_session(session_date, roll=True)
            if now > self.start_ns:
                self._session.note_absence(self.start_ns, now)
        elif self._journal.recovery is not None and not self.done:
            recovered = {n: store.get_ingest_counts(n) for n in store._symbols}
            clock = store._clock
            if clock is not None and clock < now:
                # From the last record on.
                self._session.note_absence(clock, now)
        self._metrics.record_phase("PHASE_1", started)
        started = self._metrics.start_timer()
        self._past.prepare(index)
        self._processor.start_session()
        tell_history(store, self._past.kept)
        self._session.not_loaded = ()
        self._tell_lacking()
        self._metrics.record_phase("PHASE_2", started)
        # What lies outside the hours shows only as it comes.
        outside = dict.fromkeys(store._symbols, 0)
        self._tally.start_session(store, outside, before=recovered)
        hours = hours_of(self._table, index, extended=self._extended)
        self._session.sorter.follow_hours(hours)
        self._analysed = self._engine.seconds
        self._warm_by = now + self._timing.warm_up
        self._end_by = None
        self.stage = Stage.WARMING
        self._session.begin(now)

    def _tell_lacking(self) -> None:
        """Say which history there is not: the session goes on without it."""
        lacking, self._past.lacking = self._past.lacking, []
        for text in lacking:
            flow_warning("3.b.2.PHASE_2", "%s; the session goes on without", text)
        self._session.not_loaded += tuple(lacking)

    def _is_warm(self, now: int) -> bool:
        filler = self._quality.filler
        if filler is None or filler.is_idle:
            return True
        if now < self._warm_by:
            return False
        waiting = len(filler.open)
        flow_warning(
            "3.b.2.PHASE_3",
            "the bars so far of %s have not come; the session goes on",
            counted(waiting, "symbol"),
        )
        return True

    def _is_settled(self, now: int) -> bool:
        """Whether the session ends: late bars have had their time, and so have the answers that are waited for."""
        if now < self.end_ns + self._timing.settle:
            return False
        filler = self._quality.filler
        if filler is None:
            return True
        if self._end_by is None:
            self._end_by = now + self._timing.last_answers
            # The line may be down, and nobody will hear what was corrected since.
            self._session.ask_again(now)
        return filler.is_idle or now >= self._end_by

    def _open(self) -> None:
        """Phase 4."""
        started = self._metrics.start_timer()
        self._opened = time.perf_counter()
        self._session_data.set_session_active(True)
        self._session.start_telling()
        self._call(self._engine.start_session)
        self.stage = Stage.OPEN
        self._metrics.record_phase("PHASE_4", started)
        store = self._session_data
        bars = sum(store.get_bar_count(name) for name in store._symbols)
        flow("3.b.2.PHASE_4", "Complete - active, %s so far", counted(bars, "bar"))

    def _end(self, now: int) -> None:
        """Phase 6; then the next session, or none."""
        if self.stage is not Stage.OPEN:
            self._open()
        session = self._session
        started = self._metrics.start_timer()
        if session.is_open:
            session.end(now)
        # What comes from here on belongs to no session.
        session.sorter.follow_hours(())
        self._session_data.set_session_active(False)
        self._processor.end_session()
        self._journal.flush()
        self._call(self._engine.end_session)
        self._metrics.record_phase("PHASE_6", started)
        self._metrics.increment_trading_days()
        index = self._at
        self._tally.count_outside(session.sorter.outside)
        report = self._tally.end_session(
            self._session_data,
            self._table,
            index,
            is_early_close=self._calendar.closes_early(int(self._table.dates[index])),
            stream=session,
            load_seconds=0.0,
            seconds=time.perf_counter() - self._opened,
            analysis_seconds=self._engine.seconds - self._analysed,
        )
        tell_end(report, f"{self._time_manager.get_current_time():%H:%M:%S}")
        self.done += 1
        self._on_end(report)
        if self.done == self._sessions or index + 1 >= len(self._table):
            self.stage = Stage.OVER
            return
        self._index = index + 1
        first = int(min(self._table.pre_opens[index + 1], self._starts[index + 1]))
        self._begin_at = first - self._timing.lead
        self.stage = Stage.NIGHT

    def _call_alerts(self, now: int) -> None:
        due = self._time_manager.next_alert_ns()
        # Nobody is woken for nothing.
        if due is not None and due <= now:
            self._call(lambda: call_alerts(self._time_manager, now))
