"""A signal between one producer and one consumer as three numbers."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Signal"]


@dataclass
class Signal:
    """What was made, seen at the last wake, and acknowledged."""

    counts_overruns: bool
    produced: int = 0
    seen: int = 0
    acknowledged: int = 0
    overruns: int = 0
    backpressure: int = 0
    is_closed: bool = False

    @property
    def is_ready(self) -> bool:
        return self.produced > self.acknowledged

    def signal(self) -> None:
        if self.counts_overruns and self.is_ready:
            self.overruns += 1
        self.produced += 1

    def wake(self) -> bool:
        if self.is_ready:
            self.seen = self.produced
        return self.is_ready

    def reset(self) -> None:
        self.acknowledged = self.seen

    def hand_over(self) -> bool:
        if self.is_ready:
            self.backpressure += 1
        return not self.is_ready
