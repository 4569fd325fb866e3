"""Recordings made up for the tests, and ways to wait for what a feed does without waiting for time to pass."""

from __future__ import annotations

import asyncio
from datetime import datetime
from queue import Queue
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np

from tapeloom.bars import Bars

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tapeloom.live import FeedEvent

__all__ = ["MINUTE", "OPEN", "ZONE", "Gate", "at", "bars_of", "take"]

ZONE = ZoneInfo("America/New_York")
OPEN = int(datetime(2025, 7, 2, 9, 30, tzinfo=ZONE).timestamp()) * 10**9
MINUTE = 60 * 10**9


def at(minutes: float) -> int:
    """Return the instant so many minutes after the open, ns UTC."""
    return OPEN + round(minutes * MINUTE)


def bars_of(symbol: str, count: int = 10, *, first: float = 100.0) -> Bars:
    """Return minute bars from the open on, each with values of its own."""
    opens = first + np.arange(count, dtype=np.float64)
    return Bars.from_columns(
        symbol,
        "1m",
        ts=OPEN + np.arange(count, dtype=np.int64) * MINUTE,
        open=opens,
        high=opens + 1.0,
        low=opens - 1.0,
        close=opens + 0.5,
        volume=opens * 10.0,
        zone=ZONE,
    )


def take(events: Iterator[FeedEvent], count: int) -> list[FeedEvent]:
    """Return the next events, waiting for them."""
    return [next(events) for _ in range(count)]


class Gate:
    """Stands for the waiting between two attempts: the feed waits until the test lets it go on."""

    def __init__(self) -> None:
        self._waiting: Queue[
            tuple[float, asyncio.AbstractEventLoop, asyncio.Future[None]]
        ] = Queue()

    async def __call__(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        until: asyncio.Future[None] = loop.create_future()
        self._waiting.put((seconds, loop, until))
        await until

    @property
    def is_waiting(self) -> bool:
        """Whether the feed waits now."""
        return not self._waiting.empty()

    def reached(self) -> tuple[float, Callable[[], object]]:
        """Wait until the feed waits; returns the seconds it means to, and what lets it go on."""
        seconds, loop, until = self._waiting.get(timeout=60)
        return seconds, lambda: loop.call_soon_threadsafe(until.set_result, None)

    def open(self) -> float:
        """Let the feed try again once it waits; returns the seconds it meant to wait."""
        seconds, let_go = self.reached()
        let_go()
        return seconds
