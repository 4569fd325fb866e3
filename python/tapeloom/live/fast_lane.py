"""Takes bars into a live session on the thread that brings them, while the run itself has nothing to do."""

from __future__ import annotations

from functools import partial
from threading import Lock
from time import perf_counter_ns
from typing import TYPE_CHECKING, NoReturn, Self

from tapeloom._core import BarData
from tapeloom.live.feed import UpdatedBar
from tapeloom.quotes import Quote, TickData

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from tapeloom.live.event_queue import EventQueue
    from tapeloom.live.feed import FeedEvent
    from tapeloom.live.journal import SessionJournal
    from tapeloom.live.live_player import LivePlayer
    from tapeloom.live.steady_clock import SteadyClock
    from tapeloom.session.control import RunControl

__all__ = ["FastLane"]

#: More events than these keep a socket unread for too long.
_MOST_AT_ONCE = 100
#: Who brings the next ones sooner than this, ns, brings very many: together they take less time each.
_PAUSE = 5_000
#: What a step takes in without looking at anything else. Connections and halts concern the whole run.
_TAKEN = frozenset((BarData, UpdatedBar, Quote, TickData))


class FastLane:
    """The right to advance a session, of which there is one; and its use by the thread of a feed.

    The run has it in each of its turns: ``with lane``. While it waits for the next, it leaves the lane open until something
    is due, and a thread with bars takes the step itself: they are in the session without waiting for another thread to wake
    up. That thread never waits for its turn, and for a disk only a moment: the rest of a step whose records are not on disk
    by then is left to the run. So are the analyses and whatever else follows from a step, since that thread calls nobody; and
    until all of that is done the lane is closed. So is it as long as earlier events are queued: the order of the events stays
    that in which they were brought.

    Parameters
    ----------
    inbox
        Where all other events wait.
    journal, player
        What the steps are written to, and who takes them.
    clock
        The clock of the session.
    control
        Whether the run is to end.
    """

    def __init__(
        self,
        inbox: EventQueue,
        journal: SessionJournal,
        player: LivePlayer,
        *,
        clock: SteadyClock,
        control: RunControl,
    ) -> None:
        self._inbox = inbox
        self._journal = journal
        self._player = player
        self._clock = clock
        self._control = control
        self._right = Lock()
        # When it is not open any more, ns UTC.
        self._until = 0
        self._rest: Callable[[], object] | None = None
        self._took_at = 0
        #: Steps that were taken on a feed's thread.
        self.steps = 0

    def __enter__(self) -> Self:
        # Closed first: who brings bars all the time keeps nobody waiting.
        self._until = 0
        self._right.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._right.release()

    def open(self, until: int | None) -> None:
        """Let bars be taken until an instant, ns UTC, or the next turn.

        Whoever calls has the right, has done all, and knows that the player takes bars at once.
        """
        self._until = 0 if until is None else until

    def is_open(self, now: int) -> bool:
        """Whether nothing is due at an instant, ns UTC, and nothing was left to the run."""
        return now < self._until and self._rest is None

    def finish(self) -> None:
        """Do what the last step left to the run; whoever calls has the right.

        Raises
        ------
        BaseException
            What that raises, or what the step itself raised.
        """
        rest, self._rest = self._rest, None
        if rest is not None:
            rest()

    def take(self, events: Sequence[FeedEvent]) -> bool:
        """Take events into the session now; ``False`` if that cannot be, and nothing has happened.

        What goes wrong in the step is no matter of the feed: the run raises it in its next turn.
        """
        # Asked before there is the right, too: as a rule it is this that says no.
        if not self._until or len(events) > _MOST_AT_ONCE:
            return False
        if not self._right.acquire(blocking=False):
            return False
        try:
            if not self._may_take(events):
                return False
            now = self._clock.now()
            if now >= self._until:
                return False
            self._step(events, now)
        finally:
            self._right.release()
        if self._rest is not None:
            self._inbox.wake()
        return True

    def _may_take(self, events: Sequence[FeedEvent]) -> bool:
        return (
            self._rest is None
            and not len(self._inbox)
            and not self._control.is_stopping
            and perf_counter_ns() - self._took_at > _PAUSE
            and self._journal.takes_at_once
            and _TAKEN.issuperset(map(type, events))
        )

    def _step(self, events: Sequence[FeedEvent], now: int) -> None:
        try:
            self._rest = self._player.take_at_once(events, now)
        except Exception as error:
            self._rest = partial(_raise, error)
        except BaseException as error:
            # Half a step may have been done, so the run ends with it too.
            self._rest = partial(_raise, error)
            raise
        finally:
            self.steps += 1
            self._took_at = perf_counter_ns()


def _raise(error: BaseException) -> NoReturn:
    raise error
