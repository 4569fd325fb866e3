"""Tells how far a run is: about ten times a second, at the end of each session, when it pauses and goes on."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tapeloom.session.result import ProgressEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tapeloom._core import SessionTable
    from tapeloom.calendars.time_manager import TimeManager

__all__ = ["ProgressReporter"]

_SECONDS = 0.1
_NS = 1_000_000_000


class ProgressReporter:
    """Makes an event now and then and hands it over.

    Parameters
    ----------
    table
        The session table.
    sessions
        Positions of the window's sessions in it, rising.
    time_manager
        Clock of the run.
    speed
        At which multiple of real time the clock runs; 0 where none does.
    extended
        Whether sessions last from the start of pre-market to the end of post-market.
    now
        Seconds that only rise.
    """

    def __init__(
        self,
        table: SessionTable,
        sessions: Sequence[int],
        time_manager: TimeManager,
        *,
        speed: float = 0.0,
        extended: bool = False,
        now: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._starts = table.pre_opens if extended else table.opens
        self._ends = table.post_closes if extended else table.closes
        self._sessions = sessions
        self._time_manager = time_manager
        self._speed = speed
        self._now = now
        # What was played when the first event was due, and when that was: what an earlier run did took no time of this.
        self._first: tuple[float, float] | None = None
        self._paused_at: float | None = None
        self._next = 0.0
        self._done = 0
        #: Who is told; ``None`` while nobody is.
        self.call: Callable[[ProgressEvent], object] | None = None

    def tell(
        self,
        done: int,
        bars: int,
        seconds: float,
        *,
        lag_seconds: float = 0.0,
        is_paused: bool = False,
    ) -> None:
        """Say where the run stands, if it is time to: a tenth of a second after the last time, or when something changed.

        Parameters
        ----------
        done
            Sessions that are over.
        bars
            Base bars delivered so far.
        seconds
            Wall time they took, loading apart.
        lag_seconds
            How late the newest batch was, seconds of the market's clock.
        is_paused
            Whether the run waits. To begin and to end a pause is told at once.
        """
        if self.call is None:
            return
        now = self._now()
        turned = is_paused is not (self._paused_at is not None)
        if now < self._next and done == self._done and not turned:
            return
        self._next = now + _SECONDS if done == self._done else 0.0
        self._done = done
        share = done + self._share_played(done)
        if self._first is None:
            self._first = now, share
        if turned:
            self._turn(now, is_paused=is_paused)
        remaining = (
            self._seconds_of_clock(done) if self._speed else self._estimate(now, share)
        )
        self.call(
            ProgressEvent(
                sessions_done=done,
                sessions_total=len(self._sessions),
                clock=self._time_manager.get_current_time(),
                bars=bars,
                bars_per_second=bars / seconds if seconds > 0 else 0.0,
                remaining_seconds=remaining,
                speed=self._speed,
                lag_seconds=lag_seconds,
                is_paused=is_paused,
            )
        )

    def _turn(self, now: float, *, is_paused: bool) -> None:
        """Begin or end a pause, whose time says nothing about the pace of the run."""
        if is_paused:
            self._paused_at = now
            return
        assert self._first is not None
        assert self._paused_at is not None
        began, share = self._first
        self._first = began + now - self._paused_at, share
        self._paused_at = None

    def _estimate(self, now: float, share: float) -> float | None:
        """How long the rest takes at the pace so far; ``None`` while there is none."""
        if share == len(self._sessions):
            return 0.0
        assert self._first is not None
        began, at_first = self._first
        taken = (now if self._paused_at is None else self._paused_at) - began
        if taken <= 0 or share <= at_first:
            return None
        return taken * (len(self._sessions) - share) / (share - at_first)

    def _seconds_of_clock(self, done: int) -> float:
        """How long the clock needs for what it has not come to; nights take no time."""
        left = self._sessions[done:]
        market = sum(int(self._ends[at]) - int(self._starts[at]) for at in left)
        if left:
            start, end = int(self._starts[left[0]]), int(self._ends[left[0]])
            market -= min(end, max(start, self._time_manager.clock.now_ns())) - start
        return market / _NS / self._speed

    def _share_played(self, done: int) -> float:
        """How much of the running session is over, 0 to 1."""
        if done == len(self._sessions):
            return 0.0
        index = self._sessions[done]
        start, end = int(self._starts[index]), int(self._ends[index])
        now = self._time_manager.clock.now_ns()
        return min(1.0, max(0.0, (now - start) / (end - start)))
