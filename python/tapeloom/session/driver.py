"""Plays a run batch after batch: at once, by the clock, or as far as somebody asks; and ends it, once, from any state."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from tapeloom.errors import ClockError, StateError
from tapeloom.session.flow import flow, flow_error
from tapeloom.session.hand_off import EDGE
from tapeloom.session.wheel import Wheel
from tapeloom.timestamps import from_ns
from tapeloom.waiting import SLICE_SECONDS
from tapeloom.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tapeloom._core import Batch
    from tapeloom.calendars.time_manager import TimeManager
    from tapeloom.session.control import RunControl
    from tapeloom.session.hand_off import AnalysisSide
    from tapeloom.session.metrics import PerformanceMetrics
    from tapeloom.session.pacing import Pace
    from tapeloom.session.player import SessionPlayer
    from tapeloom.session.symbol_changes import Change, SymbolChanges

__all__ = ["Driver"]


class Driver:
    """Decides when the next batch is played, and by whom.

    Parameters
    ----------
    player
        Plays a batch.
    control
        Whether the run goes on, waits or ends.
    changes
        Symbols that are to come and go.
    analyses
        Makes the calls of the analyses.
    pace
        The clock the run keeps pace with; ``None`` where it keeps none.
    time_manager
        Clock of the run.
    metrics
        Takes what waited.
    tell_progress
        Called after each batch.
    """

    def __init__(
        self,
        player: SessionPlayer,
        control: RunControl,
        changes: SymbolChanges,
        analyses: AnalysisSide,
        *,
        pace: Pace | None,
        time_manager: TimeManager,
        metrics: PerformanceMetrics,
        tell_progress: Callable[[], None],
    ) -> None:
        self._player = player
        self._control = control
        self._changes = changes
        self._analyses = analyses
        self._pace = pace
        self._time_manager = time_manager
        self._metrics = metrics
        self._tell_progress = tell_progress
        self.wheel = Wheel()
        self._runner: int | None = None
        #: Set when the run is over and everything is let go of.
        self.finished = threading.Event()
        #: Set when nobody needs to wait any more: the run is over, or was left behind in an analysis that does not return.
        self.is_over = threading.Event()
        #: Batches that were due, by the clock, before the one before them was acknowledged.
        self.overruns = 0
        #: What ended the run before its time.
        self.error: BaseException | None = None

    @property
    def is_finished(self) -> bool:
        """Whether the run is over: played to its end, stopped or failed."""
        return self.finished.is_set()

    @property
    def is_mine(self) -> bool:
        """Whether the calling thread plays the run, or is inside a batch of it."""
        return (
            self.wheel.is_mine
            or self._runner == threading.get_ident()
            or self._analyses.is_mine
        )

    # The whole window

    def drive(self) -> None:
        """Play on until the run is over, stopped or failed; whatever fails is kept in ``error``."""
        try:
            self._runner = threading.get_ident()
            while self._goes_on():
                with self.wheel.held():
                    goes_on, due = self._play_some()
                self._make_waiting_changes()
                if not goes_on:
                    break
                if self._pace is not None and due is not None:
                    deadline = self._pace.deadline(due)
                    slice_end = self._pace.now() + SLICE_SECONDS
                    self._control.sleep_until(min(deadline, slice_end))
        except BaseException as error:
            self.wheel.abandon()
            self.fail(error)
        finally:
            with self.wheel.held():
                self.finish()
            self._runner = None

    def _goes_on(self) -> bool:
        """Wait while the run is paused; return whether it goes on. The clock it keeps pace with stands still meanwhile."""
        while self._control.is_paused:
            with self.wheel.held():
                self._stand_still()
            if not self._control.wait_while_paused():
                return False
        return not self._control.is_stopping

    def _play_some(self) -> tuple[bool, int | None]:
        """Play on; return whether the run does, and the instant that is to be waited for."""
        # What asked for a pause since the last batch comes before the next one.
        if self._control.is_paused:
            self._stand_still()
            return True, None
        if not self._is_ready():
            return False, None
        # So does what the start of a session asked for.
        if self._control.is_paused:
            self._stand_still()
            return True, None
        if self._pace is not None:
            return True, self._play_what_is_due(self._pace)
        self._play_on()
        return True, None

    def _play_on(self) -> None:
        """Play to the end of the session, or until somebody wants something else between two batches."""
        player, control, changes = self._player, self._control, self._changes
        while True:
            player.advance(wanted=player.wakes, until=None)
            self._tell_progress()
            if changes or control.is_interrupted or not player.is_streaming:
                return

    def _stand_still(self) -> None:
        self._tell_progress()
        if self._pace is not None:
            self._pace.seen_at(None)

    def _play_what_is_due(self, pace: Pace) -> int | None:
        """Play what the clock has reached; return the next instant at which something is due if that is later."""
        now = self._time_manager.clock.now_ns()
        if not pace.stands_at(now):
            # A session began, or the run was paused or stepped: nights and pauses take no time of the market.
            pace.start(now)
        due = self._player.next_ns()
        market = pace.market_ns()
        if market < due:
            now = max(now, market)
            self._time_manager.stand_at(now)
        else:
            pace.is_playing = True
            try:
                self._player.advance(wanted=self._player.wakes, until=market)
            finally:
                pace.is_playing = False
            now = self._time_manager.clock.now_ns()
            # The close itself comes in a step of its own, at the instant of the last bars.
            if (
                self._player.is_streaming
                and now < self._player.next_ns() <= pace.market_ns()
            ):
                self.overruns += 1
                self._metrics.record_backpressure(EDGE)
        pace.seen_at(now)
        self._tell_progress()
        return due if market < due else None

    def end(self, error: BaseException) -> None:
        """End the run where ``drive`` was left by an interrupt that came while it dealt with the one before."""
        self.wheel.abandon()
        self._runner = None
        self.fail(error)
        with self.wheel.held():
            self.finish()

    # A part of it

    def step(self) -> Batch | None:
        """Play one batch and return it; ``None`` when the run is over."""
        if self.is_finished:
            return None
        with self._played_by_hand():
            while self._is_ready():
                batch = self._player.advance(wanted=None, until=None)
                self._tell_progress()
                if batch is not None:
                    return batch
        return None

    def run_until(self, until: int) -> None:
        """Play what is known by an instant (ns UTC) and set the clock to it.

        Raises
        ------
        ClockError
            If the clock stands behind it already; nothing is played then.
        """
        if self.is_finished:
            return
        with self._played_by_hand():
            self._player.open()
            self._require_ahead(until)
            while self._is_begun_by(until) and self._is_ready():
                self._player.advance(wanted=self._player.wakes, until=until)
                self._tell_progress()
                if self._player.has_reached(until):
                    break
            if self.is_finished:
                return
            if not self._player.is_streaming:
                self._player.call_alerts(until)
            self._time_manager.stand_at(until)

    @contextlib.contextmanager
    def _played_by_hand(self) -> Iterator[None]:
        try:
            with self.wheel.held():
                yield
        except _NotAheadError as refused:
            # Before anything was played.
            raise refused.error from None
        except BaseException as error:
            self.wheel.abandon()
            self.fail(error)
            with self.wheel.held():
                self.finish()
            raise
        self._make_waiting_changes()

    def _require_ahead(self, until: int) -> None:
        now = self._time_manager.clock.now_ns()
        if until < now:
            zone = self._time_manager.get_market_timezone()
            asked, stands = from_ns(until, zone), from_ns(now, zone)
            text = (
                f"ts is {asked}, before the clock at {stands}, which only moves forward"
            )
            raise _NotAheadError(ClockError(text, got=asked, expected=stands))

    def _is_begun_by(self, until: int) -> bool:
        return self._player.is_streaming or (
            not self._player.is_over and self._player.start_ns <= until
        )

    # Between two batches

    def _is_ready(self) -> bool:
        """Make the changes that were asked for, begin the next session where none runs; return whether one does."""
        if self._must_end():
            return False
        self._player.open()
        self._make_changes()
        if not self._player.is_streaming:
            if self._player.is_over:
                self._player.settle()
                self.finish()
                return False
            self._player.begin(lambda: self._control.is_stopping)
            # What the start of the session asked for comes before its first batch.
            self._make_changes()
        return not self._must_end()

    def _must_end(self) -> bool:
        if self._control.is_stopping:
            self.finish()
        return self.is_finished

    def change(self, change: Change) -> None:
        """Make a change between two batches: now if none is being played, or else after it."""
        self._changes.ask(change)
        self._make_waiting_changes(change)
        self._control.wake()

    def _make_waiting_changes(self, mine: Change | None = None) -> None:
        """Make what is asked for, unless somebody plays, who will do so.

        Whoever lets go of the wheel looks once more: a change may have been asked for while it was held.
        """
        while self._changes and not self.is_mine_by_batch and self.wheel.take(0):
            try:
                if self.is_finished:
                    return
                self._make_changes(mine)
            finally:
                self.wheel.let_go()

    @property
    def is_mine_by_batch(self) -> bool:
        """Whether the calling thread is inside a batch."""
        return self.wheel.is_mine or self._analyses.is_mine

    def _make_changes(self, mine: Change | None = None) -> None:
        while (change := self._changes.take()) is not None:
            try:
                change.make()
            except BaseException as error:
                self._changes.failed(change)
                if mine is None or change is mine:
                    raise
                # Who asked for it has left; it is as if a configured symbol could not be loaded.
                self.fail(error)
                self._control.stop()

    # The end

    def fail(self, error: BaseException) -> None:
        """Note what ended the run; only the first counts."""
        if self.error is None:
            self.error = error
            if isinstance(error, KeyboardInterrupt):
                flow("3.a", "Interrupted")
            else:
                flow_error("3", "%s: %s", type(error).__name__, error)

    def leave_behind(self, timeout: float | None) -> None:
        """Give up waiting for a call that does not return: its thread ends when it does."""
        where = (
            "its analysis does not return" if self._analyses.is_calling else "it loads"
        )
        text = f"the run did not end within {timeout} s: {where}"
        self.fail(StateError(text))
        self.is_over.set()
        self._analyses.close(0)

    def finish_here(self, timeout: float | None) -> bool:
        """Let go of everything on the calling thread, where none plays; return whether that could be done in time."""
        try:
            if not self.wheel.take(timeout):
                return False
            self.finish()
            return True
        finally:
            self.wheel.abandon()

    def finish(self) -> None:
        """Let go of everything; the wheel must be held. Doing so twice changes nothing."""
        if self.is_finished:
            return
        try:
            if self.error is None:
                # Nothing is dropped at a stop: who was late hears of the bars that waited.
                self._player.flush()
        except BaseException as error:
            self.fail(error)
        try:
            self._player.close()
        except BaseException as error:
            self.fail(error)
            # An interrupt left some of it; what cannot be let go of stays so.
            with contextlib.suppress(Exception):
                self._player.close()
        self._analyses.close(0 if self.is_over.is_set() else None)
        self.finished.set()
        self.is_over.set()
        done, total = self._player.progress
        flow("3", "Complete - %d of %s", done, counted(total, "session"))


class _NotAheadError(Exception):
    """Carries a refusal past what ends a run."""

    def __init__(self, error: ClockError) -> None:
        self.error = error
