"""Live sessions with a clock, a feed and a vendor that are simulated: no thread, no socket, no real time."""

from __future__ import annotations

import heapq
import itertools
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple
from zoneinfo import ZoneInfo

from tapeloom import SessionData, TimeManager
from tapeloom.bars import no_bars
from tapeloom.config.session_config import SessionConfig
from tapeloom.config.stream_plan import StreamPlan
from tapeloom.errors import JournalError
from tapeloom.live.journal import SessionJournal
from tapeloom.live.journal_files import JournalFiles
from tapeloom.live.journal_header import Patience
from tapeloom.live.live_parts import LiveParts
from tapeloom.live.live_player import Stage, Timing
from tapeloom.session.analysis_engine import AnalysisEngine
from tapeloom.session.metrics import PerformanceMetrics
from tapeloom.statuses import ConnectionEvent
from tests.compare import bar_data
from tests.live.made import SetClock
from tests.reference.schedule import MINUTE, SECOND

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from concurrent.futures import Future
    from datetime import date
    from pathlib import Path

    from tapeloom.live.feed import FeedEvent
    from tapeloom.session.result import SessionReport
    from tapeloom.storage.bar_source import BarSource
    from tests.reference.bars import Bar

__all__ = [
    "NINE_FORTY",
    "Desk",
    "Handed",
    "SimulatedRun",
    "closing_at",
    "config_of",
    "live_manager",
    "tape",
]

#: Wall time at which the sessions of most simulated days close: ten minutes, so that thousands can be played.
NINE_FORTY = "09:40"

_ZONE = ZoneInfo("America/New_York")

#: Wall seconds between the end of a bar and its arrival.
ON_TIME = SECOND // 2


class Desk:
    """Makes the calls of history a while after they are asked for: an executor without threads."""

    def __init__(self, clock: SetClock, delay: int = SECOND) -> None:
        self._clock = clock
        self._delay = delay
        self._calls: list[tuple[int, int, Callable[[], object]]] = []
        self._numbers = itertools.count()

    @property
    def next_ns(self) -> int | None:
        return self._calls[0][0] if self._calls else None

    def submit(self, call: Callable[..., object], *arguments: object) -> Future[Any]:
        at = self._clock.now + self._delay
        job = lambda: call(*arguments)  # noqa: E731  # a closure over these arguments
        heapq.heappush(self._calls, (at, next(self._numbers), job))
        return None  # type: ignore[return-value]  # nobody waits for it

    def run_due(self) -> None:
        while self._calls and self._calls[0][0] <= self._clock.now:
            heapq.heappop(self._calls)[2]()

    def shutdown(self, **_: object) -> None:
        self._calls.clear()


def live_manager(clock: SetClock, close: str | None, *days: date) -> TimeManager:
    """A live time manager whose clock is set by hand, with another close on some days."""
    overlay = None if close is None else closing_at(close, *days)
    return TimeManager(mode="live", clock=clock, overlay=overlay)


def closing_at(close: str, *days: date) -> dict[str, Any]:
    """The correction of a calendar that closes some days at a wall time."""
    hours = {"regular": ["09:30", close]}
    return {"XNYS": {day.isoformat(): hours for day in days}}


def config_of(symbols: Iterable[str], **changes: Any) -> SessionConfig:
    """A configuration of some symbols with 1m and 5m bars; ``changes`` go into ``session_data_config``."""
    return SessionConfig.from_dict(
        {
            "session_name": "simulated",
            "mode": "backtest",
            "backtest_config": {"start_date": "2025-07-02", "end_date": "2025-07-02"},
            "session_data_config": {
                "symbols": list(symbols),
                "streams": ["1m", "5m"],
                **changes,
            },
        }
    )


def tape(
    truth: Mapping[str, Mapping[int, Bar]], delay: int = ON_TIME
) -> list[tuple[int, FeedEvent]]:
    """What a feed without faults pushes: when, and what."""
    events: list[tuple[int, FeedEvent]] = [
        (ts + MINUTE + delay, bar_data(symbol, rows[ts]))
        for symbol, rows in truth.items()
        for ts in rows
    ]
    return sorted(events, key=lambda event: event[0])


class NoPast:
    """A source of history that has nothing, and knows that minutes could be had."""

    notes: ClassVar[list[Any]] = []

    def __init__(self, symbols: Iterable[str]) -> None:
        self._symbols = list(symbols)

    def get_symbols(self) -> list[str]:
        return self._symbols

    def get_intervals(self, symbol: str) -> list[str]:
        return ["1m"]

    def get_range(self, symbol: str, interval: str) -> tuple[int, int] | None:
        return (0, 2**62)

    def get_ranges(self, symbol: str, interval: str) -> list[tuple[int, int]]:
        return [(0, 2**62)]

    def read(self, symbol: str, interval: str, start: int, end: int) -> Any:
        return no_bars(symbol, interval, _ZONE)


class Handed(NamedTuple):
    """What a run was handed at an instant, and how far it was."""

    at: int
    stage: Stage
    is_open: bool
    events: list[FeedEvent]


class SimulatedRun:
    """One live run: what happens when is known beforehand.

    Parameters
    ----------
    time_manager
        Live, over ``clock``.
    events
        Instant of arrival and event, in order.
    vendor
        Who is asked for what is missing; ``None``: nobody.
    begin
        When the run begins, ns UTC.
    journal
        The journal; one that writes nothing if not given.
    sleeps
        Stretches in which the machine sleeps.
    changes
        When and how symbols come and go: each is called with the run.
    failures
        When and how the disk fails.
    """

    def __init__(
        self,
        config: SessionConfig,
        time_manager: TimeManager,
        clock: SetClock,
        events: Iterable[tuple[int, FeedEvent]],
        *,
        begin: int,
        vendor: Any = None,
        delay: int = SECOND,
        sessions: int | None = 1,
        journal: SessionJournal | None = None,
        files: JournalFiles | None = None,
        path: Path | None = None,
        past: BarSource | None = None,
        analysis: Any = None,
        plan: StreamPlan | None = None,
        sleeps: Sequence[tuple[int, int]] = (),
        changes: Sequence[tuple[int, Callable[[SimulatedRun], object]]] = (),
        failures: Sequence[tuple[int, Callable[[], object]]] = (),
    ) -> None:
        self.clock = clock
        clock.now = begin
        patience = Patience(2 * SECOND, SECOND)
        symbols = config.session_data_config.symbols
        assert isinstance(symbols, tuple)
        source: Any = NoPast(symbols) if past is None else past
        if plan is None:
            plan = StreamPlan.build(
                config, source, time_manager, start=begin, end=begin + 1
            )
        if journal is None:
            store = SessionData(time_manager=time_manager)
            journal = SessionJournal("unwritten", store, mode="off")
        if files is None:
            files = JournalFiles(
                path,
                mode="off",
                patience=patience,
                config={},
                time_manager=time_manager,
                storage=None,
            )
        self.journal = journal
        self.store = journal.session_data
        self.engine = AnalysisEngine(self.store)
        if analysis is not None:
            self.engine.add(analysis)
        self.desk = Desk(clock, delay)
        self.reports: list[SessionReport] = []
        self.parts = LiveParts.of(
            config,
            journal,
            files,
            source,
            plan,
            history_source=vendor,
            stream_source=None,
            time_manager=time_manager,
            engine=self.engine,
            patience=patience,
            gap_grace=5 * SECOND,
            metrics=PerformanceMetrics(),
            call=_call,
            wake=lambda: None,
            on_end=self._end,
            timing=Timing(),
            sessions=sessions,
            executor=self.desk,  # type: ignore[arg-type]  # what is used of one
            now=lambda: clock.now / SECOND,
        )
        self.player = self.parts.player
        self.events = [(begin, ConnectionEvent(begin, True, "feed")), *events]
        self._files = files
        self._sleeps = sorted(sleeps)
        self._changes = list(changes)
        self._failures = list(failures)
        self._reopen_at: int | None = None
        self._at = 0
        #: What the run was handed, step by step; the steps of the clock among them.
        self.handed: list[Handed] = []
        self.hash_at_close: list[str] = []
        self.player.find(begin)

    def _end(self, report: SessionReport) -> None:
        self.reports.append(report)
        self.hash_at_close.append(self.store.state_hash())
        self.parts.past.finish()
        self._files.keep(self.journal)

    def run(self, until: int | None = None) -> None:
        """Let happen what does until an instant, or until the run is over."""
        while not self.player.is_over:
            due = self._next()
            if until is not None and due > until:
                self.clock.now = max(self.clock.now, until)
                return
            self.clock.now = max(self.clock.now, due)
            self.desk.run_due()
            while self._failures and self._failures[0][0] <= self.clock.now:
                self._failures.pop(0)[1]()
            if self._can_write():
                self._turn()

    def _turn(self) -> None:
        """What the coordinator's thread does in a turn."""
        now = self.clock.now
        try:
            while self._changes and self._changes[0][0] <= now:
                self._changes[0][1](self)
                self._changes.pop(0)
            while self._sleeps and self._sleeps[0][1] <= now:
                self.player.note_absence(*self._sleeps.pop(0))
            events = self._arrived()
            stage, is_open = self.player.stage, self.parts.session.is_open
            self.handed.append(Handed(now, stage, is_open, events))
            self.player.advance(events, now)
            self.after_turn(now)
        except JournalError:
            if self.journal.state != "degraded":
                raise
            self._reopen_at = now + SECOND

    def after_turn(self, now: int) -> None:
        """Look at the run after each turn."""

    def _can_write(self) -> bool:
        if self._reopen_at is None:
            return True
        if self.clock.now < self._reopen_at:
            return False
        try:
            self.journal.reopen()
        except JournalError:
            self._reopen_at = self.clock.now + SECOND
            return False
        self._reopen_at = None
        return True

    def _next(self) -> int:
        """The next instant at which something happens, and the machine is awake."""
        if self._reopen_at is not None:
            return self._awake(self._reopen_at)
        due = [
            at
            for at in (self.player.next_due(self.clock.now), self.desk.next_ns)
            if at is not None
        ]
        if self.player.takes_events and self._at < len(self.events):
            due.append(self.events[self._at][0])
        if self._changes:
            due.append(self._changes[0][0])
        return self._awake(min(due))

    def _awake(self, due: int) -> int:
        for start, end in self._sleeps:
            if start <= due < end:
                due = end
        return due

    def _arrived(self) -> list[FeedEvent]:
        if not self.player.takes_events:
            return []
        first, events, now = self._at, self.events, self.clock.now
        while self._at < len(events) and events[self._at][0] <= now:
            self._at += 1
        return [event for _, event in events[first : self._at]]


def _call(call: Callable[[], object]) -> None:
    call()
