"""The states that a stretch of missing bars goes through while it is filled: which one follows when. No bars, no calls."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tapeloom.errors import ArgumentError, ArgumentTypeError
from tapeloom.gap.filling import Filling, FillStatus

__all__ = ["FillJob", "Retries"]

_LONGEST_DELAY_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class Retries:
    """How often a failed request is tried and how long to wait between: doubling, at most 15 minutes.

    Parameters
    ----------
    most
        Tries in all, 1-20.
    interval_seconds
        Before the second try, at least 1.
    """

    most: int = 5
    interval_seconds: float = 60.0

    def __post_init__(self) -> None:
        """Refuse what the configuration refuses."""
        _require_number(self.most, "max_retries", whole=True)
        _require_number(self.interval_seconds, "retry_interval_seconds", whole=False)
        if not 1 <= self.most <= 20:
            near = 1 if self.most < 1 else 20
            text = f"max_retries is {self.most}; it must be from 1 to 20; the nearest is {near}"
            raise ArgumentError(text, got=self.most)
        if not 1 <= self.interval_seconds < float("inf"):
            text = f"retry_interval_seconds is {self.interval_seconds}; it must be finite and 1 or more"
            raise ArgumentError(text, got=self.interval_seconds)

    def delay_seconds(self, attempts: int) -> float:
        """Return how long to wait after so many tries."""
        delay = self.interval_seconds * 2.0 ** (attempts - 1)
        return min(delay, _LONGEST_DELAY_SECONDS)


def _require_number(value: object, name: str, *, whole: bool) -> None:
    kinds = int if whole else int | float
    if isinstance(value, bool) or not isinstance(value, kinds):
        text = f"{name} is {value!r} ({type(value).__name__}); it must be {'an integer' if whole else 'a number'}"
        raise ArgumentTypeError(text, got=value)


@dataclass(slots=True)
class FillJob:
    """One stretch on its way. ``next_try`` counts seconds on the clock of the tries."""

    filling: Filling
    next_try: float

    @property
    def asks_again(self) -> bool:
        """Whether it asks for bars that are there: they may have been corrected while nobody listened."""
        return not self.filling.missing

    def request(self, instant: int) -> Filling:
        """Begin a try."""
        self.filling = replace(
            self.filling,
            status=FillStatus.REQUESTED,
            attempts=self.filling.attempts + 1,
            last_attempt=instant,
            reason="",
        )
        return self.filling

    def answer(self, came: int, left: int, instant: int, corrected: int = 0) -> Filling:
        """Settle after a good answer: so many bars of it came, so many are still missing, so many were corrected."""
        filled = self.filling.filled + came
        self.filling = replace(self.filling, corrected=corrected)
        if not left:
            status = FillStatus.FILLED
        elif left < self.filling.missing:
            status = FillStatus.PARTIAL
        else:
            status = FillStatus.ABANDONED
        return self._settle(status, instant, filled=filled)

    def fail(self, reason: str, retries: Retries, now: float, instant: int) -> Filling:
        """Wait for the next try after a failed one, or give up after the last."""
        self.filling = replace(self.filling, reason=reason)
        if self.filling.attempts >= retries.most:
            return self._settle(FillStatus.ABANDONED, instant)
        self.next_try = now + retries.delay_seconds(self.filling.attempts)
        self.filling = replace(self.filling, status=FillStatus.DETECTED)
        return self.filling

    def abandon(self, reason: str, instant: int) -> Filling:
        """Give up without a further try."""
        self.filling = replace(self.filling, reason=reason)
        return self._settle(FillStatus.ABANDONED, instant)

    def _settle(
        self, status: FillStatus, instant: int, *, filled: int | None = None
    ) -> Filling:
        self.filling = replace(
            self.filling,
            status=status,
            settled=instant,
            filled=self.filling.filled if filled is None else filled,
        )
        return self.filling
