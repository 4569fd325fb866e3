"""Clocks: where the time of a session comes from. The only file that reads the wall clock."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, timedelta
from threading import RLock
from typing import Protocol

from tapeloom.errors import ArgumentError, ArgumentTypeError, ClockError, StateError
from tapeloom.timestamps import from_ns, to_ns

__all__ = ["BacktestClock", "Clock", "ClockJump", "LiveClock"]

_log = logging.getLogger("tapeloom.clock")

_KEPT_JUMPS = 100
# 500 ppm, the fastest that Linux slews a clock: one nanosecond in this many.
_ELAPSED_PER_SLEW = 2_000


class Clock(Protocol):
    """Whatever can say what time it is."""

    def now_ns(self) -> int:
        """Return the present instant in nanoseconds since 1970-01-01 UTC."""
        ...


@dataclass(frozen=True, slots=True)
class ClockJump:
    """The wall clock moved by itself: it was set, or the machine slept."""

    before: int
    """What the wall clock would have shown without the jump, ns UTC."""
    after: int
    """What it showed instead, ns UTC."""

    @property
    def size(self) -> timedelta:
        """How far the wall clock moved, to the microsecond; negative if it was set back."""
        return timedelta(microseconds=(self.after - self.before) / 1_000)


class LiveClock:
    """The clock of this machine, which never runs backwards.

    Set back, it stands still until the wall clock has caught up. At each reading the wall clock is
    compared with the monotonic one: a difference since the last reading of more than ``tolerance``
    plus 500 ppm of the time between is a jump. A clock that is slewed, as by NTP or to smear a leap
    second, does not jump; a machine that slept jumps forward. Any number of threads may read it, and a
    signal handler.

    Parameters
    ----------
    wall
        Returns the wall clock, ns UTC.
    monotonic
        Returns nanoseconds of a clock that nobody sets.
    tolerance
        How far the wall clock may move by itself between two readings, at least 0.
    on_jump
        Called once with each ``ClockJump``, in the thread whose reading found it, before that reading
        returns. What it raises is raised there; the jump has been noted by then. It may read the clock.

    Raises
    ------
    ArgumentTypeError
        If ``wall``, ``monotonic`` or ``on_jump`` cannot be called, or ``tolerance`` is no ``timedelta``.
    ArgumentError
        If ``tolerance`` is negative.
    """

    def __init__(
        self,
        *,
        wall: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], int] = time.monotonic_ns,
        tolerance: timedelta = timedelta(milliseconds=250),
        on_jump: Callable[[ClockJump], object] | None = None,
    ) -> None:
        _check_callable("wall", wall)
        _check_callable("monotonic", monotonic)
        if on_jump is not None:
            _check_callable("on_jump", on_jump)
        self._wall = wall
        self._monotonic = monotonic
        self._tolerance = _tolerance_ns(tolerance)
        self._on_jump = on_jump
        # A signal handler may read the clock while the thread it interrupts does.
        self._lock = RLock()
        self._jumps: deque[ClockJump] = deque(maxlen=_KEPT_JUMPS)
        # The pair of the last reading, and the largest instant returned.
        self._last: tuple[int, int] | None = None
        self._shown: int | None = None

    def now_ns(self) -> int:
        """Return the present instant in nanoseconds since 1970-01-01 UTC, never less than before."""
        with self._lock:
            wall, jump = self._read()
            shown = self._shown
            if shown is None or wall > shown:
                self._shown = shown = wall
        if jump is not None:
            self._tell(jump)
        return shown

    def monotonic_ns(self) -> int:
        """Return nanoseconds since some instant, for timeouts: a clock that nobody sets."""
        return self._monotonic()

    @property
    def jumps(self) -> tuple[ClockJump, ...]:
        """The newest 100 jumps, oldest first."""
        with self._lock:
            return tuple(self._jumps)

    def resync(self) -> None:
        """Accept the wall clock as it is now, backwards too; a jump not seen before is still told."""
        with self._lock:
            self._shown, jump = self._read()
        if jump is not None:
            self._tell(jump)

    def _read(self) -> tuple[int, ClockJump | None]:
        # Only while holding the lock: readings of two threads must not overtake each other.
        wall, monotonic = self._wall(), self._monotonic()
        jump = self._jump_to(wall, monotonic)
        if jump is not None:
            # A thread held up between the two clocks sees them differ; a second pair tells.
            wall, monotonic = self._wall(), self._monotonic()
            jump = self._jump_to(wall, monotonic)
            if jump is not None:
                self._jumps.append(jump)
        self._last = (wall, monotonic)
        return wall, jump

    def _jump_to(self, wall: int, monotonic: int) -> ClockJump | None:
        if self._last is None:
            return None
        wall_before, monotonic_before = self._last
        elapsed = monotonic - monotonic_before
        expected = wall_before + elapsed
        allowed = self._tolerance + max(elapsed, 0) // _ELAPSED_PER_SLEW
        if -allowed <= wall - expected <= allowed:
            return None
        return ClockJump(before=expected, after=wall)

    def _tell(self, jump: ClockJump) -> None:
        # Outside the lock: both calls may take long, and either may read this clock.
        way = "back" if jump.after < jump.before else "forward"
        before, after = (
            from_ns(at, UTC).isoformat() for at in (jump.before, jump.after)
        )
        _log.warning(
            "the wall clock jumped %s by %s: it shows %s, not %s",
            way,
            abs(jump.size),
            after,
            before,
        )
        if self._on_jump is not None:
            self._on_jump(jump)


class BacktestClock:
    """A clock that stands still until it is set, and is set forward only.

    One thread sets it, any number may read it.

    Parameters
    ----------
    start
        First instant in nanoseconds UTC; ``None`` leaves the clock unset.
    """

    def __init__(self, start: int | None = None) -> None:
        self._now = None if start is None else to_ns(start, UTC, name="start")

    def now_ns(self) -> int:
        """Return the instant the clock stands at, in nanoseconds UTC.

        Raises
        ------
        StateError
            If the clock has not been set.
        """
        if self._now is None:
            text = "the simulated clock has not been set; call init_backtest() or set_backtest_time()"
            raise StateError(text)
        return self._now

    @property
    def is_set(self) -> bool:
        """Whether the clock stands anywhere."""
        return self._now is not None

    def set_ns(self, ns: int) -> None:
        """Move the clock forward to an instant in nanoseconds UTC; the same instant is allowed.

        Raises
        ------
        ClockError
            If the instant lies before the one the clock stands at.
        """
        self.check_forward(ns)
        self._now = ns

    def check_forward(self, ns: int) -> None:
        """Raise the error of ``set_ns`` for an instant that the clock cannot be set to."""
        if self._now is not None and ns < self._now:
            asked, now = (from_ns(at, UTC).isoformat() for at in (ns, self._now))
            text = f"ts is {asked}, before the simulated clock at {now}, which only moves forward;"
            text += " use reset_backtest_clock() to go back"
            raise ClockError(text, got=ns, expected=self._now)

    def reset(self, ns: int | None = None) -> None:
        """Set the clock to any instant in nanoseconds UTC, or unset it."""
        self._now = ns


def _check_callable(name: str, value: object) -> None:
    if not callable(value):
        text = f"{name} is {value!r} ({type(value).__name__}); give something that can be called"
        raise ArgumentTypeError(text, got=value)


def _tolerance_ns(tolerance: timedelta) -> int:
    if not isinstance(tolerance, timedelta):
        text = f"tolerance is {tolerance!r} ({type(tolerance).__name__}); give a timedelta such as"
        text += " timedelta(milliseconds=250)"
        raise ArgumentTypeError(text, got=tolerance)
    if tolerance < timedelta():
        text = f"tolerance is {tolerance!r}; it must be 0 or more"
        raise ArgumentError(text, got=tolerance)
    return tolerance // timedelta(microseconds=1) * 1_000
