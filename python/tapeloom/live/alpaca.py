"""``AlpacaFeed``: the vendor's stream as a feed that tells of every outage."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
from collections import deque
from contextlib import suppress
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any

from tapeloom._core import BarData
from tapeloom.calendars.clock import LiveClock
from tapeloom.errors import ArgumentError, FeedError, StateError, did_you_mean
from tapeloom.live.alpaca_client import ENVIRONMENT, StreamConnection, check_address
from tapeloom.live.alpaca_messages import (
    CONTROL,
    KINDS,
    SOURCE,
    UnreadableFrameError,
    event_of,
)
from tapeloom.live.alpaca_subscription import Subscription, subscription
from tapeloom.live.backoff import Backoff
from tapeloom.live.busy_polling import new_event_loop
from tapeloom.live.credentials import Credentials, hidden
from tapeloom.live.event_queue import CAPACITY, EventQueue
from tapeloom.live.feed import CHANNELS, MalformedMessage
from tapeloom.live.feed_health import FeedRecord
from tapeloom.statuses import ConnectionEvent
from tapeloom.waiting import result_of, wait_for

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence
    from random import Random

    from tapeloom.calendars.clock import Clock
    from tapeloom.live.credentials import SecretLike
    from tapeloom.live.feed import FeedEvent
    from tapeloom.live.feed_health import FeedHealth

__all__ = ["AlpacaFeed"]

_log = logging.getLogger("tapeloom.live.alpaca")

# How long the socket is left unread for want of room before the connection is given up.
_PUSH_BACK = 0.25


class _OverrunError(Exception):
    """There was no room for the rest of what was read."""

    def __init__(self, events: list[FeedEvent]) -> None:
        super().__init__("no room")
        self.events = events


class AlpacaFeed:
    """Minute bars, corrections, trades, quotes and halts of US equities, as Alpaca streams them.

    It connects in a thread of its own through the vendor's client, and reconnects by itself, waiting 1 to 30 seconds. Each
    loss of the connection is a ``ConnectionEvent`` in the stream of events, before whatever comes after it. It fills
    nothing. Where its 65,536 events are not taken in time it stops reading; after 250 ms it gives the connection up, which
    is an outage like any other: closed bars that were read are never dropped.

    Parameters
    ----------
    key, secret
        Text, ``Secret``, or a function that returns the text, such as one that asks a keyring; it is called for each
        connection. By default ``APCA_API_KEY_ID`` and ``APCA_API_SECRET_KEY`` of the environment, or ``ALPACA_API_KEY``
        and ``ALPACA_SECRET_KEY``. They are never shown.
    data_feed
        ``"iex"`` or ``"sip"``.
    url_override
        Another address than the vendor's, such as that of a ``FeedServer``.
    clock
        What time it is when the connection goes up or down; by default the clock of this machine.
    random
        Where the jitter of the waiting times comes from.
    wait
        How to wait a number of seconds before the next attempt; by default real seconds, cut short by ``close()``.
    capacity
        How many events may wait to be taken.

    Raises
    ------
    ArgumentError
        If there are no credentials, ``data_feed`` is another word, or the address of another kind.
    """

    def __init__(
        self,
        key: SecretLike | None = None,
        secret: SecretLike | None = None,
        *,
        data_feed: str = "iex",
        url_override: str | None = None,
        clock: Clock | None = None,
        random: Random | None = None,
        wait: Callable[[float], Awaitable[object]] | None = None,
        capacity: int = CAPACITY,
    ) -> None:
        # What is shown comes first: a traceback shows an object that is not finished.
        self._data_feed = data_feed
        self._record = FeedRecord()
        key = hidden(key)
        secret = hidden(secret)
        if data_feed not in ("iex", "sip"):
            near = did_you_mean(str(data_feed), ("iex", "sip"))
            text = f"data_feed is {data_feed!r}; it must be 'iex' or 'sip'{near}"
            raise ArgumentError(text, got=data_feed)
        check_address(url_override, ("wss", "ws"))
        self._given = (key, secret)
        self._credentials()
        self._url = url_override
        self._clock = clock or LiveClock()
        self._backoff = Backoff(random=random)
        self._wait = wait or asyncio.sleep
        self._capacity = capacity
        self._queue = EventQueue(capacity)
        # Whether that queue is somebody else's.
        self._pushes = False
        self._asked = Subscription((), ())
        self._lock = Lock()
        self._thread: Thread | None = None
        self._task: tuple[asyncio.AbstractEventLoop, asyncio.Task[None]] | None = None
        self._is_closing = False
        # Set once the first attempt is decided, whichever way.
        self._decided = Event()
        self._refusal: Exception | None = None
        self._told_down = False
        self._connection: StreamConnection | None = None
        # Told how many events came.
        self._earn: Callable[[int], object] = int
        # Changes of the subscription that are on their way; the loop itself would forget them.
        self._changes: set[asyncio.Future[None]] = set()
        # One future per change of the subscription that is not confirmed yet.
        self._unconfirmed: deque[asyncio.Future[None]] = deque()

    def __repr__(self) -> str:
        return f"AlpacaFeed(data_feed={self._data_feed!r}, is_up={self._record.is_up})"

    @property
    def intervals(self) -> tuple[str, ...]:
        """The one interval that is streamed, ``("1m",)``."""
        return ("1m",)

    @property
    def channels(self) -> tuple[str, ...]:
        """What can be asked for; all of ``tapeloom.live.feed.CHANNELS``."""
        return CHANNELS

    def connect(
        self, symbols: Sequence[str], channels: Sequence[str] = ("bars",)
    ) -> None:
        """Connect and subscribe. Returns once the first attempt is decided; one that failed for now goes on by itself.

        Called again, it replaces what is streamed, over the same connection. It returns once the vendor has confirmed that,
        after ``push_into`` at once; while the connection is down, the next one will ask for it.

        Parameters
        ----------
        symbols
            Which symbols; ``"*"`` is all of them.
        channels
            What of them, out of ``channels``.

        Raises
        ------
        FeedError
            If credentials or subscription are refused; the feed has stopped then.
        ArgumentError
            If nothing is asked for, or a word is no channel.
        StateError
            If it was closed or has stopped.
        MissingDependencyError
            If the vendor's client is not installed.
        """
        asked = subscription(symbols, channels)
        with self._lock:
            is_first = self._thread is None
            if self._is_closing or (self._decided.is_set() and not self._is_running()):
                raise StateError("this feed was closed; make another AlpacaFeed")
            if is_first:
                # Here, so that a missing client is told to the caller.
                self._open(asked)
            self._asked = asked
            if is_first:
                name = "tapeloom-feed"
                self._thread = Thread(target=self._run, name=name, daemon=True)
                self._thread.start()
        wait_for(self._decided.wait)
        if not is_first:
            self._replace(asked)
        if self._refusal is not None:
            raise self._refusal

    def push_into(self, queue: EventQueue) -> None:
        """Push events into a queue of somebody else, who takes them from there: one hand-over less. Before ``connect``."""
        if self._thread is not None:
            raise StateError("this feed is connected; its events are in events()")
        self._queue, self._capacity = queue, queue.capacity
        self._pushes = True

    def events(self) -> Iterator[FeedEvent]:
        """Return the events in the order of their arrival; waits for the next one, ends after ``close()``.

        Raises
        ------
        FeedError
            While iterating: a later attempt to connect was refused.
        """
        return iter(self._queue)

    def close(self) -> None:
        """End the connection and its thread; see ``Feed.close``."""
        with self._lock:
            self._is_closing = True
            thread, running = self._thread, self._task
        self._queue.close()
        if running is not None:
            loop, task = running
            if not loop.is_closed():
                loop.call_soon_threadsafe(task.cancel)
        if thread is not None:
            thread.join()

    def health(self) -> FeedHealth:
        """Return what the feed went through so far."""
        return self._record.health(queued=len(self._queue), capacity=self._capacity)

    def _credentials(self) -> Credentials:
        return Credentials.found(*self._given, names=ENVIRONMENT)

    def _is_running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _open(self, asked: Subscription) -> StreamConnection:
        return StreamConnection(
            self._credentials(),
            asked,
            data_feed=self._data_feed,
            url_override=self._url,
        )

    def _run(self) -> None:
        error: Exception | None = None
        try:
            loop, self._earn = new_event_loop()
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                runner.run(self._stay_connected())
        except asyncio.CancelledError:
            pass
        except Exception as failed:
            self._refusal = error = failed
        finally:
            self._record.is_up = False
            # It holds a descriptor of the loop that has ended.
            self._earn = int
            self._queue.close(error)
            self._decided.set()

    async def _stay_connected(self) -> None:
        running = asyncio.current_task()
        with self._lock:
            if running is None or self._is_closing:
                return
            self._task = asyncio.get_running_loop(), running
        while True:
            self._record.attempts += 1
            connection = self._open(self._asked)
            try:
                await connection.open()
                self._connection = connection
                self._up()
                # It may have changed while the connection was opened.
                await self._ask_for(self._asked)
                await connection.read_into(self._take)
            except FeedError as error:
                # Before those who wait for a confirmation are let go: it is what they will tell.
                self._refusal = error
                if self._record.is_up:
                    self._down(str(error))
                raise
            except ConnectionError as error:
                self._down(str(error))
            except _OverrunError as error:
                await connection.close()
                self._record.overruns += 1
                _log.warning("no room for %d events", len(error.events))
                for event in error.events:
                    self._tell(event)
                self._down("the session did not take its events in time")
            except UnreadableFrameError as error:
                self._record.malformed += 1
                self._tell(error.event)
                self._down(f"a frame cannot be read: {error}")
            finally:
                self._record.is_up = False
                self._connection = None
                self._confirm(all_of_them=True)
                await connection.close()
            seconds = self._backoff.next()
            _log.warning(
                "connection lost (%s); trying again in %.1f s",
                self._record.last_failure,
                seconds,
            )
            await self._wait(seconds)

    def _up(self) -> None:
        self._record.is_up, self._told_down = True, False
        _log.info("connected")
        self._tell(ConnectionEvent(self._clock.now_ns(), True, SOURCE))
        self._decided.set()

    def _down(self, failure: str) -> None:
        self._record.last_failure = failure
        self._record.is_up = False
        if not self._told_down:
            self._told_down = True
            self._record.outages += 1
            self._tell(ConnectionEvent(self._clock.now_ns(), False, SOURCE))
        self._decided.set()

    def _replace(self, asked: Subscription) -> None:
        """Ask for something else over the open connection, from any thread.

        Waits for the confirmation, but not where the events go into a queue of somebody else: who empties it may be the one
        that asks, and a full one is what this feed waits for.
        """
        if self._task is None:
            return
        if self._pushes:
            # Not even begun where the feed ended meanwhile.
            with suppress(RuntimeError):
                self._task[0].call_soon_threadsafe(self._begin_change, asked)
            return
        change = self._change(asked)
        try:
            asked_for = asyncio.run_coroutine_threadsafe(change, self._task[0])
            # A loop that has run for the last time and is not closed yet takes it, and never begins it.
            result_of(asked_for, worker=self._thread)
        except (concurrent.futures.CancelledError, RuntimeError):
            # The feed ended meanwhile; whatever ended it is told by its events.
            change.close()

    def _begin_change(self, asked: Subscription) -> None:
        change = asyncio.ensure_future(self._change(asked))
        self._changes.add(change)
        change.add_done_callback(self._changes.discard)

    async def _change(self, asked: Subscription) -> None:
        for confirmation in await self._ask_for(asked):
            await confirmation

    async def _ask_for(self, asked: Subscription) -> list[asyncio.Future[None]]:
        """Ask for something else; what comes back is done once all that is asked for is confirmed, or the connection ended."""
        if self._connection is None:
            return []
        loop = asyncio.get_running_loop()
        # Before anything is sent: the first answer may come while the second message goes out.
        answers = self._connection.answers_to(asked)
        self._unconfirmed += [loop.create_future() for _ in range(answers)]
        # Whoever reads from a connection that ends learns that too, and the next one asks for it.
        with suppress(ConnectionError):
            await self._connection.change(asked)
        # Those of a change that somebody else has asked for just before, too: it may be the same.
        return list(self._unconfirmed)

    def _confirm(self, *, all_of_them: bool = False) -> None:
        for _ in range(len(self._unconfirmed) if all_of_them else 1):
            if self._unconfirmed:
                confirmation = self._unconfirmed.popleft()
                if not confirmation.done():
                    confirmation.set_result(None)

    def _take(self, messages: list[Any]) -> None:
        """Hand over the events of frames; without room the socket is not read, and after a while given up."""
        events = [event for event in map(self._event_of, messages) if event is not None]
        if not events:
            return
        self._earn(len(events))
        number = self._queue.put_all(events, _PUSH_BACK)
        if number < len(events) and not self._is_closing:
            raise _OverrunError(events[number:])

    def _event_of(self, message: object) -> FeedEvent | None:
        if type(message) is BarData:
            self._record.received["b"] += 1
            self._backoff.reset()
            return message
        word = message.get("T") if isinstance(message, dict) else None
        # Of words that nobody knows there may be any number.
        kind = word if isinstance(word, str) and word in KINDS else "other"
        self._record.received[kind] += 1
        if kind in CONTROL:
            if kind == "subscription":
                self._confirm()
            return None
        event = event_of(message)
        if event is None:
            self._record.ignored[kind] += 1
        elif isinstance(event, MalformedMessage):
            self._record.malformed += 1
        else:
            self._backoff.reset()
        return event

    def _tell(self, event: FeedEvent) -> None:
        # However long it takes: nothing that was read is dropped. close() ends the wait.
        self._queue.put(event)
