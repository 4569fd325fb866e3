"""Events of a feed one after the other, whether it hands them out by itself or asynchronously."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tapeloom.live.feed import Feed, FeedEvent

__all__ = ["events_of"]


def events_of(feed: Feed) -> Iterator[FeedEvent]:
    """Return the events of a feed in order, waiting for each; an asynchronous feed runs in an event loop of this thread.

    Its loop runs only while an event is waited for, so that a feed is not read faster than it is listened to.

    Raises
    ------
    FeedError
        While iterating: the feed stopped for good.
    RuntimeError
        If the feed is asynchronous and this thread runs an event loop already; take the events in another thread.
    """
    events = feed.events()
    if not isinstance(events, AsyncIterable):
        yield from events
        return
    following = aiter(events)
    with asyncio.Runner() as runner:
        while True:
            try:
                event = runner.run(_next(following))
            except StopAsyncIteration:
                return
            yield event


async def _next(events: AsyncIterator[FeedEvent]) -> FeedEvent:
    return await anext(events)
