"""What a source of history is asked, in how few calls, and how many calls a minute. It asks nobody."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tapeloom.errors import ArgumentError, ArgumentTypeError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tapeloom.gap.filling import Filling

__all__ = ["Ask", "Quota", "joined", "limit_of"]

#: Stretches of a symbol no further apart than this become one request.
_NEAR_NS = 3_600_000_000_000
_MINUTE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Ask:
    """One request: some stretches of a symbol that are close together, oldest first."""

    parts: tuple[Filling, ...]

    @property
    def symbol(self) -> str:
        """The symbol of all parts."""
        return self.parts[0].symbol

    @property
    def interval(self) -> str:
        """The interval of all parts."""
        return self.parts[0].interval

    @property
    def start(self) -> int:
        """Start of the first part, ns UTC."""
        return self.parts[0].start

    @property
    def end(self) -> int:
        """End of the last part, ns UTC."""
        return self.parts[-1].end


def joined(fillings: Iterable[Filling]) -> list[Ask]:
    """Return the requests for some stretches of one symbol, neighbours joined, oldest first."""
    asks: list[Ask] = []
    near: list[Filling] = []
    for filling in sorted(fillings, key=lambda each: each.start):
        if near and filling.start - near[-1].end > _NEAR_NS:
            asks.append(Ask(tuple(near)))
            near = []
        near.append(filling)
    return [*asks, Ask(tuple(near))] if near else asks


class Quota:
    """At most so many calls in any 60 s.

    Parameters
    ----------
    calls_per_minute
        ``None`` means any number.
    """

    def __init__(self, calls_per_minute: int | None) -> None:
        self._most = calls_per_minute
        self._taken: deque[float] = deque(maxlen=calls_per_minute)

    def wait_seconds(self, now: float) -> float:
        """Return in how many seconds the next call is allowed; 0.0 means at once."""
        if self._most is None or len(self._taken) < self._most:
            return 0.0
        return max(0.0, self._taken[0] + _MINUTE_SECONDS - now)

    def take(self, now: float) -> None:
        """Count a call."""
        if self._most is not None:
            self._taken.append(now)


def limit_of(source: object, name: str, default: int | None) -> int | None:
    """Return a limit that a source states of itself, ``default`` where it states none.

    Raises
    ------
    ArgumentError
        If it is below 1; ``ArgumentTypeError`` for what is no integer.
    """
    stated = getattr(source, name, None)
    if stated is None:
        return default
    if isinstance(stated, bool) or not isinstance(stated, int):
        text = f"{name} of the history source is {stated!r} ({type(stated).__name__}); it must be an integer of 1 or more"
        raise ArgumentTypeError(text, got=stated)
    if stated < 1:
        text = f"{name} of the history source is {stated}; it must be 1 or more"
        raise ArgumentError(text, got=stated)
    return stated
