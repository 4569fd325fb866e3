"""What comes of one session on a live feed, step by step: into the journal first, then into the store, then to the analyses.

Then it is looked for what is missing. When steps are taken at all is for :mod:`tapeloom.live.live_session`.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from tapeloom.errors import ArgumentError, JournalError, StateError
from tapeloom.gap.filled_stretches import FilledStretches
from tapeloom.live.arrivals import Sorter
from tapeloom.live.corrected_bars import CorrectedBars
from tapeloom.live.feed import SymbolStatus
from tapeloom.live.write import Write
from tapeloom.statuses import ConnectionEvent
from tapeloom.timestamps import to_ns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tapeloom._core import BarData, Batch, Live
    from tapeloom.gap.filling import Filling
    from tapeloom.live.arrivals import Arrivals
    from tapeloom.live.feed import FeedEvent
    from tapeloom.live.journal import SessionJournal
    from tapeloom.live.journal_header import Patience
    from tapeloom.session.data_processor import DataProcessor
    from tapeloom.session.quality_manager import DataQualityManager
    from tapeloom.session.realtime_indicators import RealtimeIndicators

__all__ = ["LONGEST_STEP", "SILENCE", "LiveSteps", "next_after"]

_SECOND = 1_000_000_000
#: Nobody waits longer than this without looking whether something is due.
LONGEST_STEP = 60 * _SECOND
#: Late and corrected bars are gathered this long before it is looked what they closed.
_GATHER = _SECOND
#: Who says that nobody listened.
_SOURCE = "session"
#: A feed that came back after it had been silent without a word.
SILENCE = "silence"
#: How long after its end a bar may be corrected without anybody hearing of it, ns: vendors correct within some 30 s, and a line
#: that is dead is noticed within some 40.
_YOUNG = 90 * _SECOND
#: How long history may take to answer, with all of its tries, ns.
_ANSWERED = 3_600 * _SECOND
#: Seconds for which the thread of a feed waits for the disk, which takes a tenth of that as a rule.
MOST_FOR_THE_DISK = 0.002
#: The sentences on filled gaps that are kept.
_MOST_SENTENCES = 100


class _Step(NamedTuple):
    """What was taken in at once: what it changed, at which instant, and the start of its earliest bar, ns UTC."""

    batch: Batch
    now: int
    earliest: int | None


class LiveSteps:
    """The steps of a session, from when it takes bars to when it takes none.

    Parameters
    ----------
    journal
        Writes the session, or with mode ``"off"`` only leads to it.
    processor
        Tells the analyses.
    quality
        Looks for what is missing, and has it filled; its answers come in between two calls.
    patience
        How long a bucket waits for its bars, and how far a bar may lie after the clock.
    gap_grace
        How long after its end a bar may come before it is looked for, ns.
    indicators
        The real-time indicators.
    corrected
        The bars that the feed has corrected, as others read them too.
    """

    def __init__(
        self,
        journal: SessionJournal,
        processor: DataProcessor,
        quality: DataQualityManager,
        *,
        patience: Patience,
        gap_grace: int,
        indicators: RealtimeIndicators | None = None,
        corrected: CorrectedBars | None = None,
    ) -> None:
        self._journal = journal
        self._session_data = journal.session_data
        self._processor = processor
        self._quality = quality
        # A journal that is gone on with is recovered with the patience that it was begun with.
        self._patience = journal.patience or patience
        self._gap_grace = gap_grace
        self._indicators = indicators
        self._corrected = CorrectedBars() if corrected is None else corrected
        self._sorter = Sorter(journal.session_data, self._corrected)
        self._live: Live | None = None
        self._step = LONGEST_STEP
        # The shortest of the base intervals, ns.
        self._shortest = LONGEST_STEP
        # What the journal did not take, to be offered again.
        self._owed: list[BarData] = []
        self._owed_corrections: list[int] = []
        self._owed_reports: list[SymbolStatus | ConnectionEvent] = []
        # What was reported while no session ran.
        self._noted: dict[tuple[bool, str | None], SymbolStatus | ConnectionEvent] = {}
        self._updated: set[str] = set()
        self._look_at = 0
        # Nobody listened for the newest bars.
        self._insists = False
        self._looks = True
        self._tells = False
        self._is_connected: bool | None = None
        # Since when nobody listens, ns UTC, by source.
        self._unheard_since: dict[str, int] = {}
        self._arrived: int | None = None
        self._filled: Counter[str] = Counter()
        #: The newest of what was missing, and what became of it.
        self.stretches = FilledStretches(_MOST_SENTENCES)
        #: Sentences on history of earlier days that is not loaded.
        self.not_loaded: tuple[str, ...] = ()
        #: How often the connection was lost.
        self.outages = 0
        #: How long after it was known the newest bar was taken, ns.
        self.lag = 0
        #: What came so far, over all parts of the session: steps of this process, base bars, derived bars.
        self.instants = self.base_bars = self.derived_bars = 0
        self._before = (0, 0, 0)
        quality.add_fill_listener(self._note_filled)

    @property
    def sorter(self) -> Sorter:
        """What became of the events."""
        return self._sorter

    @property
    def is_open(self) -> bool:
        """Whether bars are taken."""
        return self._live is not None

    def take(self, events: Iterable[FeedEvent], now: int) -> Batch:
        """Take what a feed pushed, in the order of arrival.

        Parameters
        ----------
        events
            The events; none at all is a step of the clock.
        now
            The clock, ns UTC; it never goes back.

        Returns
        -------
        Batch
            What changed in the store, after the analyses have seen it.

        Raises
        ------
        JournalError
            If the journal cannot be written. The store does not hold the bars then; they are offered again with the next
            call, after the journal was reopened.
        AnalysisError, GapError
            As of the processor and of the quality manager.
        """
        step = self._begin_step(events, now).finish()
        self._follow_step(step)
        return step.batch

    @property
    def takes_at_once(self) -> bool:
        """Whether :meth:`take_at_once` may be called: the session is open, and nothing waits to be offered again."""
        return self._live is not None and not self._owed and not self._owed_reports

    def take_at_once(
        self, events: Iterable[FeedEvent], now: int
    ) -> Callable[[], object] | None:
        """Take what a feed pushed, as :meth:`take`, but call nobody; return what is left to be done, if anything is.

        Until that is done nothing else may be taken: who is told of a step sees the store as of it. Where the disk is not
        ready within a moment, it is the step itself that is left.
        """
        write = self._begin_step(events, now, seconds=MOST_FOR_THE_DISK)
        if not write.is_done:
            return lambda: self._follow_step(write.finish())
        step = write.finish()
        is_looked_for = self._looks and now >= self._look_at
        if self._processor.calls or step.batch.has_updates or is_looked_for:
            return partial(self._follow_step, step)
        # Answers of history wake the run by themselves.
        self._tell_of(step)
        return None

    def _begin_step(
        self, events: Iterable[FeedEvent], now: int, *, seconds: float | None = None
    ) -> Write[_Step]:
        """Take events into journal and store, waiting so long for the disk, if given; the write has to be finished."""
        live = self._running
        found = self._sorter.sort(events)
        if self._owed:
            found.put_first(self._owed, self._owed_corrections)
            self._owed = []
        self._owed_reports += found.reports
        try:
            while self._owed_reports:
                self._report_or_refuse(self._owed_reports[0], now)
                del self._owed_reports[0]
            write = self._journal.begin_step(
                live, found.bars, now, corrections=found.corrections, seconds=seconds
            )
        except JournalError:
            self._owed, self._owed_corrections = found.bars, found.corrections
            raise
        return Write(write.is_done, partial(self._finish_step, write, found, now))

    def _finish_step(
        self,
        write: Write[tuple[Batch, list[tuple[int, str]]]],
        arrived: Arrivals,
        now: int,
    ) -> _Step:
        bars, corrections = arrived.bars, arrived.corrections
        try:
            batch, refused = write.finish()
        except JournalError:
            self._owed, self._owed_corrections = bars, corrections
            raise
        if corrections:
            self._corrected.settle(self._session_data, [bars[at] for at in corrections])
        for at, reason in refused:
            self._sorter.refused(bars[at], reason)
        self._count(batch)
        if bars:
            if self._arrived is not None and self._is_silence(now - self._arrived):
                self._unheard_since.setdefault(SILENCE, self._arrived)
            self._arrived = now
            if self._is_connected is None:
                # A feed that says nothing of its connection has one as long as something comes.
                self._is_connected = True
        return _Step(batch, now, arrived.earliest)

    def _follow_step(self, step: _Step) -> None:
        self._tell_of(step)
        self._look(step.batch, step.now)

    def _tell_of(self, step: _Step) -> None:
        if self._tells:
            self._processor.note(step.batch)
            if step.batch.woke:
                self._tell(step.batch, step.now, step.earliest)

    def note(self, events: Iterable[FeedEvent]) -> None:
        """Count what comes while no session takes it. How trading and the connections stand, the next session is told."""
        for report in self._sorter.sort(events).reports:
            key = (
                (True, report.symbol)
                if isinstance(report, SymbolStatus)
                else (False, report.source)
            )
            # The newest of each, in order of arrival.
            self._noted.pop(key, None)
            self._noted[key] = report
            if isinstance(report, ConnectionEvent):
                self._follow(report)

    def note_absence(self, since: int, now: int) -> None:
        """Keep as evidence that nobody listened between two instants, ns UTC; with the next step, as what a feed reports."""
        self._owed_reports += [
            ConnectionEvent(since, False, _SOURCE),
            ConnectionEvent(now, True, _SOURCE),
        ]

    def tick(self, now: int) -> Batch:
        """Take a step of the clock: buckets end, what is missing is looked for, answers of history are merged."""
        return self.take((), now)

    def next_due(self, now: int) -> int:
        """Return when ``tick`` is wanted at the latest, ns UTC, later than ``now``."""
        due = [
            next_after(now, self._step, after)
            for after in (self._patience.grace_ns, self._gap_grace)
        ]
        if self._updated:
            due.append(max(self._look_at, now + 1))
        seconds = self._quality.seconds_until_next
        if seconds is not None:
            due.append(now + max(1, int(seconds * _SECOND)))
        return min(due)

    def _report_or_refuse(
        self, report: SymbolStatus | ConnectionEvent, now: int
    ) -> None:
        try:
            self._report(report, now)
        except ArgumentError as error:
            # One report that cannot be is no reason to lose what came with it.
            self._sorter.refused(report, str(error))

    def _report(self, report: SymbolStatus | ConnectionEvent, now: int) -> None:
        if isinstance(report, SymbolStatus):
            self._journal.append_status(report.symbol, report.status)
            return
        self._journal.append_connection(report)
        self._follow(report)
        if report.is_up:
            self.ask_again(now, report.source)
        else:
            since = to_ns(report.timestamp, self._session_data.timezone)
            if report.source == _SOURCE:
                since = self._unanswered_since(since, now)
            self._unheard_since.setdefault(report.source, since)
        if report.is_up and report.source != _SOURCE:
            # What was missed is asked for at once, also what was asked for in vain; and the next bar has its time to come.
            self._look_at, self._insists = now, True
            self._quality.try_again()
            self._arrived = now

    def ask_again(self, now: int, source: str | None = None) -> None:
        """Have the bars asked for again that may have been corrected while nobody listened; to one source, or all."""
        if source is None:
            # Those that are down stay so.
            since = list(self._unheard_since.values())
        else:
            since = [ts for ts in [self._unheard_since.pop(source, None)] if ts]
        if since:
            self._quality.ask_again(min(since) - _YOUNG, now)

    def _unanswered_since(self, since: int, now: int) -> int:
        """The begin of the earliest outage about which history may not have answered when nobody was there any more."""
        for outage in reversed(self._session_data._evidence.outages(now)):
            if outage.end >= since - _ANSWERED:
                since = min(since, outage.start)
        return since

    def _is_silence(self, ns: int) -> bool:
        """Whether so long a pause is longer than any between the bars of a feed."""
        return ns > 3 * self._shortest + self._gap_grace

    def _follow(self, report: ConnectionEvent) -> None:
        """Know whether the feed is there; that nobody listened says nothing of it."""
        if report.source == _SOURCE:
            return
        if self._is_connected and not report.is_up:
            self.outages += 1
        self._is_connected = report.is_up

    def _tell(self, batch: Batch, now: int, earliest: int | None) -> None:
        known = None if earliest is None else earliest + self._step
        self.lag = max(0, now - known) if known is not None else self.lag
        self._processor.tell(batch, now, earliest=known)

    def _look(self, batch: Batch, now: int) -> None:
        """Have what is missing looked for: when a bar should have come by now, and soon after bars that came late."""
        if batch.has_updates:
            if not self._updated:
                self._look_at = min(self._look_at, now + _GATHER)
            self._updated |= {
                bar.symbol for bar, kind in batch.changes() if kind != "new"
            }
        if now >= self._look_at and self._looks:
            if SILENCE in self._unheard_since:
                self.ask_again(now, SILENCE)
            self._look_at = next_after(now, self._step, self._gap_grace)
            filler = self._quality.filler
            asked = () if filler is None or filler.is_idle else filler.open
            self._quality.look(self._updated.union(asked), insists=self._insists)
            self._updated, self._insists = set(), False
        self._quality.apply_ready()

    def _count(self, batch: Batch) -> None:
        instants, base_bars, derived_bars = self._before
        self.instants = instants + batch.instants
        self.base_bars = base_bars + batch.base_bars
        self.derived_bars = derived_bars + batch.derived_bars

    def _note_filled(self, fillings: Sequence[Filling]) -> None:
        session_start = self._session_data._times().start
        for filling in fillings:
            self._filled[filling.symbol] += filling.filled
            self.stretches.put(filling, session_start=session_start)

    @property
    def _running(self) -> Live:
        if self._live is None:
            text = "the session takes no bars; begin() starts it"
            raise StateError(text)
        return self._live


def next_after(now: int, step: int, after: int) -> int:
    """The first instant after ``now`` that lies ``after`` behind a multiple of a step."""
    return ((now - after) // step + 1) * step + after
