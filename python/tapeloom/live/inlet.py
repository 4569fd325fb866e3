"""Where a feed pours into the queue of a session: by itself where it can, or by a thread that takes its events."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from tapeloom.live.feed_health import FeedHealth
from tapeloom.live.iteration import events_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tapeloom.live.event_queue import EventQueue
    from tapeloom.live.feed import Feed

__all__ = ["Inlet"]

_JOIN_SECONDS = 2.0


class Inlet:
    """One feed and the queue it fills. A full queue makes the feed wait: nothing is read faster than it is taken.

    Parameters
    ----------
    feed
        The feed. One with ``push_into(queue)`` is given the queue itself.
    queue
        Where its events go. It is closed when they end.
    """

    def __init__(self, feed: Feed, queue: EventQueue) -> None:
        self._feed = feed
        self._queue = queue
        self._thread: threading.Thread | None = None

    def open(self, symbols: Sequence[str], channels: Sequence[str]) -> None:
        """Subscribe, and let events come.

        Raises
        ------
        FeedError
            If credentials or subscription are refused.
        """
        push_into: Any = getattr(self._feed, "push_into", None)
        if push_into is not None:
            push_into(self._queue)
            self._feed.connect(symbols, channels)
            return
        self._feed.connect(symbols, channels)
        self._thread = threading.Thread(
            target=self._pour, name="tapeloom-feed-reader", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """End the connection; a feed that goes on pushing is left behind."""
        self._queue.close()
        self._feed.close()
        if self._thread is not None:
            self._thread.join(_JOIN_SECONDS)

    def health(self) -> FeedHealth | None:
        """What the feed says of itself, if it does."""
        asked: Any = getattr(self._feed, "health", None)
        found = None if asked is None else asked()
        return found if isinstance(found, FeedHealth) else None

    @property
    def overruns(self) -> int:
        """How often the feed gave up because its events were not taken in time."""
        health = self.health()
        return 0 if health is None else health.overruns

    def _pour(self) -> None:
        error: Exception | None = None
        try:
            for event in events_of(self._feed):
                if not self._queue.put(event):
                    return
        except Exception as failed:
            error = failed
        self._queue.close(error)
