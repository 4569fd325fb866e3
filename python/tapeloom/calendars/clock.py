"""Clocks: where the time of a session comes from. The only file that reads the wall clock."""

from __future__ import annotations

import time
from datetime import UTC
from typing import Protocol

from tapeloom.errors import ClockError, StateError
from tapeloom.timestamps import from_ns

__all__ = ["BacktestClock", "Clock", "WallClock"]


class Clock(Protocol):
    """Whatever can say what time it is."""

    def now_ns(self) -> int:
        """Return the present instant in nanoseconds since 1970-01-01 UTC."""
        ...


class WallClock:
    """The clock of this machine."""

    def now_ns(self) -> int:
        """Return the present instant in nanoseconds since 1970-01-01 UTC."""
        return time.time_ns()


class BacktestClock:
    """A clock that stands still until it is set, and is set forward only.

    One thread sets it, any number may read it.

    Parameters
    ----------
    start
        First instant in nanoseconds UTC; ``None`` leaves the clock unset.
    """

    def __init__(self, start: int | None = None) -> None:
        self._now = start

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

    def set_ns(self, ns: int) -> None:
        """Move the clock forward to an instant in nanoseconds UTC; the same instant is allowed.

        Raises
        ------
        ClockError
            If the instant lies before the one the clock stands at.
        """
        if self._now is not None and ns < self._now:
            asked, now = (from_ns(at, UTC).isoformat() for at in (ns, self._now))
            text = f"ts is {asked}, before the simulated clock at {now}, which only moves forward;"
            text += " use reset_backtest_clock() to go back"
            raise ClockError(text, got=ns, expected=self._now)
        self._now = ns

    def reset(self, ns: int | None = None) -> None:
        """Set the clock to any instant in nanoseconds UTC, or unset it."""
        self._now = ns
