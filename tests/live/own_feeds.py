"""Feeds of one's own, as users write them: nothing is inherited, each says what it has and hands out events."""

from __future__ import annotations

import asyncio
from queue import Queue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from tapeloom.live import FeedEvent

__all__ = ["AsyncFeed", "QueueFeed"]


class QueueFeed:
    """Whatever is put into a queue; ``None`` ends it."""

    intervals = ("1m",)
    channels = ("bars",)

    def __init__(self) -> None:
        self.queue: Queue[FeedEvent | Exception | None] = Queue()
        self.symbols: Sequence[str] = ()

    def connect(self, symbols: Sequence[str], channels: Sequence[str]) -> None:
        self.symbols = list(symbols)

    def events(self) -> Iterator[FeedEvent]:
        while (event := self.queue.get()) is not None:
            if isinstance(event, Exception):
                raise event
            yield event

    def close(self) -> None:
        self.queue.put(None)


class AsyncFeed(QueueFeed):
    """The same for programs of asyncio."""

    async def events(self) -> AsyncIterator[FeedEvent]:  # type: ignore[override]  # a Feed may be either
        while (event := await asyncio.to_thread(self.queue.get)) is not None:
            if isinstance(event, Exception):
                raise event
            yield event
