"""What a feed went through: counted by the feed, read by whoever asks for its health."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

__all__ = ["FeedHealth", "FeedRecord"]


@dataclass(frozen=True, slots=True)
class FeedHealth:
    """What a feed went through so far."""

    is_up: bool
    """Whether the subscription is confirmed and the connection stands."""
    attempts: int
    """How often it tried to connect."""
    outages: int
    """How often the connection was lost, or could not be had at first."""
    overruns: int
    """How often it gave the connection up because the session did not take its events in time."""
    queued: int
    """How many events wait to be taken."""
    capacity: int
    """How many may wait."""
    received: dict[str, int] = field(default_factory=dict)
    """Messages by the vendor's word for their kind; those of no known kind are ``"other"``."""
    ignored: dict[str, int] = field(default_factory=dict)
    """Those among them that a session has no place for, such as daily bars."""
    malformed: int = 0
    """Messages and frames that could not be read."""
    last_failure: str = ""
    """Why the last connection ended or did not come about."""


@dataclass(slots=True)
class FeedRecord:
    """The same while it changes; one thread writes it."""

    is_up: bool = False
    attempts: int = 0
    outages: int = 0
    overruns: int = 0
    malformed: int = 0
    last_failure: str = ""
    received: Counter[str] = field(default_factory=Counter)
    ignored: Counter[str] = field(default_factory=Counter)

    def health(self, *, queued: int, capacity: int) -> FeedHealth:
        """Return it as it is now."""
        return FeedHealth(
            is_up=self.is_up,
            attempts=self.attempts,
            outages=self.outages,
            overruns=self.overruns,
            queued=queued,
            capacity=capacity,
            received=dict(self.received),
            ignored=dict(self.ignored),
            malformed=self.malformed,
            last_failure=self.last_failure,
        )
