"""Runs live sessions on a thread of its own: what such a run is asked. What it does on the thread is in ``live_thread.py``."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from tapeloom.bars import normalise_symbol
from tapeloom.errors import StateError
from tapeloom.live.event_queue import CAPACITY, EventQueue
from tapeloom.live.inlet import Inlet
from tapeloom.live.live_health import LiveHealth, LiveState, SymbolState
from tapeloom.live.live_parts import LiveParts
from tapeloom.live.live_player import Stage
from tapeloom.live.live_thread import MOST_AT_ONCE, LiveThread
from tapeloom.session.flow import flow
from tapeloom.session.own_process import OwnProcess
from tapeloom.session.source_notes import source_warnings
from tapeloom.session.symbol_changes import Change, SymbolChanges
from tapeloom.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tapeloom.actions import Actions
    from tapeloom.calendars.time_manager import TimeManager
    from tapeloom.config.session_config import SessionConfig
    from tapeloom.config.stream_plan import StreamPlan
    from tapeloom.history_source import HistorySource
    from tapeloom.live.feed import Feed, FeedEvent
    from tapeloom.live.journal import SessionJournal
    from tapeloom.live.journal_files import JournalFiles
    from tapeloom.live.journal_header import Patience
    from tapeloom.live.live_player import Timing
    from tapeloom.live.recovery import JournalReport
    from tapeloom.session.analysis_engine import AnalysisEngine
    from tapeloom.session.asked_indicator import AskedIndicator
    from tapeloom.session.result import RunWarning
    from tapeloom.storage.bar_source import BarSource

__all__ = ["LiveCoordinator"]

_log = logging.getLogger("tapeloom.live")

_SECOND = 1_000_000_000


class LiveCoordinator(LiveThread):
    """Runs the sessions of a feed until it is stopped, or for so many sessions.

    Parameters
    ----------
    config
        The configuration: indicators, when a symbol is late, what is done about gaps.
    journal
        Writes the session; its ``session_data`` is the store.
    files
        What becomes of the journal at the end of a session.
    source
        Bars of earlier days.
    plan
        What is streamed, derived and kept as history.
    feed
        Where bars come from.
    history_source
        Whom to ask for what the feed did not bring; ``None``: gaps are recorded, not filled.
    time_manager
        Clock and calendar; its mode is ``"live"``.
    engine
        The analyses.
    patience, gap_grace
        As of :class:`LiveSession`.
    timing, sessions
        As of :class:`LivePlayer`.
    plan_of
        Makes the plan of a symbol that joins, of its name and its streams.
    actions
        Splits, by which history is restated.
    asked_indicators
        Indicators that are added to the real-time ones.
    capacity
        How many events may wait.
    """

    def __init__(
        self,
        config: SessionConfig,
        journal: SessionJournal,
        files: JournalFiles,
        source: BarSource,
        plan: StreamPlan,
        *,
        feed: Feed,
        history_source: HistorySource | None,
        time_manager: TimeManager,
        engine: AnalysisEngine,
        patience: Patience,
        gap_grace: int,
        timing: Timing | None = None,
        sessions: int | None = None,
        plan_of: Callable[[str, Sequence[str] | None], StreamPlan] | None = None,
        actions: Actions | None = None,
        asked_indicators: Sequence[AskedIndicator] = (),
        capacity: int = CAPACITY,
    ) -> None:
        self._prepare(time_manager.clock, journal, files)
        self._source = source
        self._feed = feed
        self._channels = _channels(plan, feed)
        self._plan_of = plan_of
        self._process = OwnProcess()
        self._is_begun = False
        inbox = EventQueue(capacity)
        parts = LiveParts.of(
            config,
            journal,
            files,
            source,
            plan,
            history_source=history_source,
            stream_source=feed,
            time_manager=time_manager,
            engine=engine,
            patience=patience,
            gap_grace=gap_grace,
            timing=timing,
            sessions=sessions,
            actions=actions,
            asked_indicators=asked_indicators,
            metrics=self.metrics,
            call=self._analyses.run,
            wake=inbox.wake,
            # Tries are spaced by the seconds of the session's clock, which nobody sets.
            now=lambda: time.monotonic() * self._speed,
            on_end=self._keep,
        )
        changes = SymbolChanges(symbol.symbol for symbol in plan.symbols)
        self._connect(inbox, Inlet(feed, inbox), parts, changes)
        self.tally, self.quality = parts.tally, parts.quality
        self.indicators = parts.indicators
        self._session = parts.session

    # What a run is asked

    @property
    def is_running(self) -> bool:
        """Whether a call of ``run`` or a thread of ``start`` is at work."""
        return self._is_begun and not self.is_finished

    @property
    def stopped_early(self) -> bool:
        """Whether the run ended before the end of its sessions."""
        return self.is_finished and not self._player.is_over

    @property
    def overruns(self) -> int:
        """How often the feed gave its connection up because its events were not taken in time."""
        return self._inlet.overruns

    @property
    def lag_seconds(self) -> float:
        """How long after it was known the newest bar was taken."""
        return self._session.lag / _SECOND

    @property
    def catching_up(self) -> frozenset[str]:
        """Symbols that are late: their bars are stored, their analysis calls wait."""
        return self._parts.lag.catching_up

    @property
    def stage(self) -> Stage:
        """How far the session is."""
        return self._player.stage

    @property
    def recovery(self) -> JournalReport | None:
        """What was found in the journal that the run goes on with; ``None`` if it began a new one."""
        return self._journal.recovery

    @property
    def aside(self) -> list[tuple[FeedEvent, str]]:
        """The newest 1,000 events that nothing could be done with, each with the reason, in order of arrival.

        Bars that break a rule are among them: they are counted as rejected and end no run. Messages that could not be
        read too.
        """
        return list(self._session.sorter.aside)

    def is_mine(self) -> bool:
        """Return whether the calling thread is one of the run's, or is inside a batch of it."""
        return self._runner == threading.get_ident() or self._analyses.is_mine

    def source_warnings(self) -> list[RunWarning]:
        """Return what the source of history had to say about its files."""
        return source_warnings(self._source.notes)

    def health(self) -> LiveHealth:
        """Return how the session is doing, symbol by symbol; from any thread. O(symbols)."""
        now = self._clock.now_ns()
        session = self._session
        symbols = session.symbols(now)
        filler = self.quality.filler
        bounds = {
            "events": (len(self._inbox), self._inbox.capacity),
            **({} if filler is None else filler.bounds),
        }
        journal = self._journal.health()
        bounds["journal"] = (journal["queue"], journal["queue_bound"])
        bounds["owed"] = (session.owed, MOST_AT_ONCE)
        aside, fills = session.sorter.aside, session.fills
        assert aside.maxlen is not None
        bounds["aside"] = (len(aside), aside.maxlen)
        bounds["fills"] = (len(fills), session.stretches.most)
        counts = {name: session.sorter.counts[name] for name in _COUNTS}
        counts["overruns"] = self.overruns
        return LiveHealth(
            state=self._state_of({health.state for health in symbols.values()}),
            clock=now,
            session_date=self._player.session_date,
            symbols=symbols,
            is_connected=session.is_connected,
            outages=session.outages,
            feed=self._inlet.health(),
            journal=journal,
            bounds=bounds,
            counts=counts,
            lag_seconds=self.lag_seconds,
            fills=fills,
        )

    def _state_of(self, states: set[SymbolState]) -> LiveState:
        if self._is_degraded:
            return LiveState.DEGRADED
        if self.is_finished or self._player.is_over:
            return LiveState.CLOSED
        if self._player.is_warming:
            return LiveState.WARMING
        if self.stage in (Stage.NIGHT, Stage.WAITING):
            return LiveState.WAITING
        worst = ("STALE", "GAP", "FILLING")
        found = next((word for word in worst if SymbolState(word) in states), "LIVE")
        return LiveState(found)

    # The run

    def run(self) -> None:
        """Run on threads of its own and wait for the end; Ctrl-C stops it.

        Raises
        ------
        StateError
            If the run is at work already, or over.
        FeedError
            If the feed refuses credentials or subscription.
        AnalysisError, GapError
            What ended the run; the store holds everything up to then.
        """
        try:
            self.start()
            self.wait()
        except BaseException:
            self.stop()
            raise

    def start(self) -> None:
        """Connect, and run on the thread ``tapeloom-coordinator``; the analyses get one of their own.

        While the run waits, bars are taken in on the thread that brings them; see ``FastLane``.

        Raises
        ------
        StateError
            If the run is at work already, or over.
        """
        self._process.require("run")
        if self._is_begun:
            text = (
                "the run is at work already, or over; a new one needs a new coordinator"
            )
            raise StateError(text)
        self._is_begun = True
        self.metrics.start_backtest()
        self._analyses.begin_thread()
        self._thread = threading.Thread(
            target=self._drive, name="tapeloom-coordinator", daemon=True
        )
        self._thread.start()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the run is over, and raise what ended it before its time; see ``SessionCoordinator.wait``."""
        self._process.require("run")
        if self.is_mine():
            text = "wait() was called from inside the run, which has to end first"
            raise StateError(text)
        if not self._waited(self._is_over, timeout):
            return False
        if self.error is not None:
            raise self.error
        return True

    def pause(self) -> None:
        """Raise ``StateError``: the market does not wait."""
        text = "a live run cannot be paused: the market does not wait; stop() ends it, and it goes on where the journal ends"
        raise StateError(text)

    def resume(self) -> None:
        """Raise ``StateError``, as ``pause``."""
        self.pause()

    def stop(self, timeout: float | None = 10.0) -> bool:
        """End the run after the present batch, from any state and thread. The journal stays, and is gone on with.

        Returns
        -------
        bool
            Whether everything has ended within ``timeout`` seconds.
        """
        self._process.require("run")
        self.control.stop()
        self._inbox.wake()
        if self.is_finished:
            return True
        if self.is_mine():
            return False
        if not self._is_begun:
            self._is_begun = True
            self._finish()
            return True
        if self._waited(self._finished, timeout):
            return True
        where = (
            "its analysis does not return" if self._analyses.is_calling else "it loads"
        )
        text = f"the run did not end within {timeout} s: {where}"
        self._fail(StateError(text))
        self._is_over.set()
        self._analyses.close(0)
        return False

    def leave(self, timeout: float) -> None:
        """Wait a moment for the threads, because the process ends."""
        if self._thread is not None:
            self._thread.join(timeout)

    def _waited(self, event: threading.Event, timeout: float | None) -> bool:
        if not wait_for(event.wait, timeout):
            return False
        if self._thread is not None and self.is_finished:
            self._thread.join()
        return True

    # Symbols that come and go

    def add_symbol(self, symbol: str, *, streams: Sequence[str] | None = None) -> None:
        """Stream one more symbol: its history is loaded, its bars so far are fetched, then it streams.

        Raises
        ------
        ArgumentError
            If it streams already.
        StateError
            If the run is over, or nobody can plan for it.
        """
        name = normalise_symbol(symbol)
        self._changes.require_new(name)
        self._require_unfinished("add_symbol")
        if self._plan_of is None:
            text = "this run was not told how to plan for a symbol that joins"
            raise StateError(text)
        plan = self._plan_of(name, streams)

        def add() -> None:
            self._parts.add(plan)
            self._follow_symbols()
            flow("3.a", "Symbol %s added", name, symbol=name)

        self._changes.ask(Change(name, True, add))
        self._inbox.wake()

    def remove_symbol(self, symbol: str) -> None:
        """Stop streaming a symbol: its data go.

        Raises
        ------
        UnknownSymbolError
            If it does not stream.
        """
        name = normalise_symbol(symbol)
        self._changes.require_known(name)
        self._require_unfinished("remove_symbol")

        def remove() -> None:
            self._parts.remove(name)
            self._follow_symbols()
            flow("3.a", "Symbol %s removed", name, symbol=name)

        self._changes.ask(Change(name, False, remove))
        self._inbox.wake()

    def _follow_symbols(self) -> None:
        self._player.follow_symbols(self._steady.now())
        self._feed.connect(self._journal.session_data._symbols, self._channels)

    def _require_unfinished(self, method: str) -> None:
        self._process.require("run")
        if self.is_finished:
            text = f"the run is over; {method}() has nothing to change"
            raise StateError(text)


_COUNTS = (
    "events",
    "bars",
    "corrections",
    "reports",
    "quotes",
    "ticks",
    "superseded",
    "refused",
    "not_subscribed",
    "other_interval",
    "outside_hours",
    "malformed",
    "unknown",
)


def _channels(plan: StreamPlan, feed: Feed) -> list[str]:
    """What to ask the feed for: bars with their corrections and statuses where it has them, and what the plan streams."""
    wanted = {"bars", "updated_bars", "statuses"}
    streamed = {s.stream for p in plan.symbols for s in p.streams}
    wanted |= streamed & {"quotes"}
    return [channel for channel in feed.channels if channel in wanted]
