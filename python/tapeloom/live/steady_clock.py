"""The clock of a live session, which never goes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tapeloom.session.flow import flow_warning

if TYPE_CHECKING:
    from tapeloom.calendars.clock import Clock

__all__ = ["SteadyClock"]

_SECOND = 1_000_000_000


class SteadyClock:
    """Another clock; where that is set back, it stands still until that is made up for. One thread asks at a time.

    Parameters
    ----------
    clock
        The wall clock.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._latest, self._is_set_back = 0, False

    def now(self) -> int:
        """Return the instant, ns UTC."""
        now = self._clock.now_ns()
        if now < self._latest - _SECOND and not self._is_set_back:
            seconds = (self._latest - now) / _SECOND
            text = "the wall clock was set back by %.1f s; the session's clock stands still until then"
            flow_warning("3.b", text, seconds)
        self._is_set_back = now < self._latest
        self._latest = max(now, self._latest)
        return self._latest
