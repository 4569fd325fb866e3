"""What a rehearsal is to go through, and how it ended: values only."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from tapeloom.errors import ArgumentError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Outcome", "Plan"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is rehearsed. Minutes are counted from the open.

    By default half a day, the one after Thanksgiving: its 210 minutes last 42 s.
    """

    day: date = date(2024, 11, 29)
    speed: float = 300.0
    """Seconds of the market that pass in one."""
    symbols: tuple[str, ...] = ()
    """Whose bars; all of the market if empty."""
    history_days: int = 1
    """Sessions before the day, fetched from the server before it begins."""
    breaks_after: int = 30
    broken_minutes: int = 10
    lost_after: int = 60
    lost_symbol: str = "CORVEX"
    lost_bars: int = 3
    """These bars are not streamed, though the connection stands."""
    killed_after: int = 95

    def __post_init__(self) -> None:
        """Refuse a speed at which nothing would happen."""
        if not 0 < self.speed < float("inf"):
            text = f"speed is {self.speed:g}; it must be a finite number above 0, such as 300"
            raise ArgumentError(text, got=self.speed)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended. The hashes are those of ``SessionData.state_hash()`` at the close."""

    day: date
    speed: float
    symbols: int
    bars: int
    filled: int
    """Bars that the stream did not bring and history had."""
    missing: int
    """Bars of minutes without a trade: neither had them."""
    disturbances: tuple[tuple[str, ...], ...]
    """The states that the first start, the outage and the second start went through."""
    recovered_bars: int
    """Bars that the journal held when the process was started again."""
    recovery_seconds: float
    hashes: dict[str, str]
    """``live``, ``recovered``, ``replayed``, ``undisturbed``."""
    journal: Path = field(repr=False)

    @property
    def is_same(self) -> bool:
        """Whether all four are equal."""
        return len(set(self.hashes.values())) == 1

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON would have it."""
        return {
            "day": self.day.isoformat(),
            "speed": self.speed,
            "symbols": self.symbols,
            "bars": self.bars,
            "filled": self.filled,
            "missing": self.missing,
            "disturbances": [list(states) for states in self.disturbances],
            "recovered_bars": self.recovered_bars,
            "recovery_seconds": self.recovery_seconds,
            "state_hashes": dict(self.hashes),
            "is_same": self.is_same,
            "journal": str(self.journal),
        }
