"""Tells how far a run is: about ten times a second and at the end of each session."""

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
    """

    def __init__(
        self, table: SessionTable, sessions: Sequence[int], time_manager: TimeManager
    ) -> None:
        self._table = table
        self._sessions = sessions
        self._time_manager = time_manager
        self._began: float | None = None
        self._next = 0.0
        self._done = 0
        #: Who is told; ``None`` while nobody is.
        self.call: Callable[[ProgressEvent], object] | None = None

    def tell(self, done: int, bars: int, seconds: float) -> None:
        """Say where the run stands, if it is time to: a tenth of a second after the last time, or at a session's end.

        Parameters
        ----------
        done
            Sessions that are over.
        bars
            Base bars delivered so far.
        seconds
            Wall time they took, loading apart.
        """
        if self.call is None:
            return
        now = time.perf_counter()
        if self._began is None:
            self._began = now
        if now < self._next and done == self._done:
            return
        self._next = now + _SECONDS if done == self._done else 0.0
        self._done = done
        share = done + self._share_played(done)
        remaining = (
            (now - self._began) * (len(self._sessions) - share) / share
            if share
            else None
        )
        self.call(
            ProgressEvent(
                sessions_done=done,
                sessions_total=len(self._sessions),
                clock=self._time_manager.get_current_time(),
                bars=bars,
                bars_per_second=bars / seconds if seconds > 0 else 0.0,
                remaining_seconds=remaining,
            )
        )

    def _share_played(self, done: int) -> float:
        """How much of the running session is over, 0 to 1."""
        if done == len(self._sessions):
            return 0.0
        index = self._sessions[done]
        start, end = int(self._table.opens[index]), int(self._table.closes[index])
        now = self._time_manager.clock.now_ns()
        return min(1.0, max(0.0, (now - start) / (end - start)))
