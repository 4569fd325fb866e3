"""When the machine slept: stretches in which the wall clock went on and nobody could listen."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tapeloom.calendars.clock import Clock, ClockJump

__all__ = ["Absences"]

#: A clock that is put right moves by less, and no connection is lost by so short a sleep; ns.
_SHORTEST = 10_000_000_000


class Absences:
    """Reads off a clock when the machine slept.

    While it sleeps its wall clock goes on and its monotonic clock stands, which a ``LiveClock`` sees as a jump forward. A wall
    clock that somebody sets forward looks the same. Other clocks do not jump. Where the monotonic clock goes on during a
    sleep, as on Windows, nothing is seen.

    Parameters
    ----------
    clock
        That of the session; what it saw before does not count.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        seen = self._jumps
        self._last = seen[-1] if seen else None

    def take(self) -> list[tuple[int, int]]:
        """Return the absences since the last call, each from when to when, ns UTC, oldest first."""
        jumps = self._jumps
        if not jumps or jumps[-1] is self._last:
            return []
        fresh = []
        for jump in reversed(jumps):
            if jump is self._last:
                break
            fresh.append((jump.before, jump.after))
        self._last = jumps[-1]
        return [span for span in reversed(fresh) if span[1] - span[0] >= _SHORTEST]

    @property
    def _jumps(self) -> tuple[ClockJump, ...]:
        found: tuple[ClockJump, ...] = getattr(self._clock, "jumps", ())
        return found
