"""How a live session is doing, symbol by symbol. Values only; whoever runs the session makes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from tapeloom.live.feed_health import FeedHealth

__all__ = ["KEEP_NEWEST", "LiveHealth", "LiveState", "SymbolHealth", "SymbolState"]

#: Of ``LiveHealth.bounds`` those that are no queues: they keep the newest so many for whoever asks, and nobody waits for them.
KEEP_NEWEST = frozenset({"aside", "fills"})


class SymbolState(StrEnum):
    """How far the bars of a symbol are those that there should be."""

    LIVE = "LIVE"
    """Nothing is looked for: every bar that is due is there, or it is settled that it will not come."""
    GAP = "GAP"
    """Bars are missing, and nobody has been asked for them yet."""
    FILLING = "FILLING"
    """The source of history was asked for missing bars."""
    STALE = "STALE"
    """The feed is down: nothing new can come."""


class LiveState(StrEnum):
    """How a session as a whole is doing: the state of its worst symbol, or what stands above all of them."""

    WARMING = "WARMING"
    """The session begins: its history and its bars so far are fetched, and what the feed pushes waits for them."""
    WAITING = "WAITING"
    """The session has not opened."""
    LIVE = "LIVE"
    GAP = "GAP"
    FILLING = "FILLING"
    STALE = "STALE"
    DEGRADED = "DEGRADED"
    """The journal cannot be written: nothing more is taken, what is stored stays readable."""
    CLOSED = "CLOSED"
    """The session is over."""


@dataclass(frozen=True, slots=True)
class SymbolHealth:
    """How one symbol is doing."""

    symbol: str
    state: SymbolState
    lag_seconds: float | None
    """How long ago its newest bar ended; ``None`` before its first one."""
    last_bar: int | None
    """End of its newest bar, ns UTC."""
    gaps: int
    """Stretches of missing bars of this session."""
    missing: int
    """Bars of this session that are due and missing."""
    filled: int
    """Bars of this session that history had."""


@dataclass(frozen=True, slots=True)
class LiveHealth:
    """How a live session is doing."""

    state: LiveState
    clock: int
    """Instant, ns UTC."""
    session_date: date | None
    """Of the session that runs, or that comes next."""
    symbols: Mapping[str, SymbolHealth]
    """By symbol, in configured order."""
    is_connected: bool
    outages: int
    """How often the connection was lost since the session began."""
    feed: FeedHealth | None
    """What the feed says of itself, if it does."""
    journal: Mapping[str, Any]
    """State and numbers of the journal; see ``SessionJournal.health``."""
    bounds: Mapping[str, tuple[int, int]]
    """How full each queue is, and of how much; and so of what keeps the newest, see ``KEEP_NEWEST``."""
    counts: Mapping[str, int]
    """What came: ``events``, ``bars``, ``corrections``, and what nothing could be done with."""
    lag_seconds: float
    """How long ago the newest bar was known when the store took it."""
    fills: tuple[str, ...] = field(default=())
    """The newest sentences on what was missing and what became of it, the newest change last. Minutes side by side are one
    stretch, and many symbols that lacked the same bars are counted."""
