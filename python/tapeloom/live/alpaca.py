"""``AlpacaFeed``: the vendor's stream as a feed that tells of every outage."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from dataclasses import dataclass, field
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any

from tapeloom.bars import normalise_symbol
from tapeloom.calendars.clock import LiveClock
from tapeloom.errors import ArgumentError, FeedError, StateError, did_you_mean
from tapeloom.live.alpaca_client import ENVIRONMENT, StreamConnection, check_address
from tapeloom.live.alpaca_messages import (
    CONTROL,
    SOURCE,
    UnreadableFrameError,
    event_of,
)
from tapeloom.live.backoff import Backoff
from tapeloom.live.credentials import Credentials
from tapeloom.live.event_queue import CAPACITY, EventQueue
from tapeloom.live.feed import CHANNELS, MalformedMessage
from tapeloom.statuses import ConnectionEvent

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence
    from random import Random

    from tapeloom.calendars.clock import Clock
    from tapeloom.live.credentials import SecretLike
    from tapeloom.live.feed import FeedEvent

__all__ = ["AlpacaFeed", "FeedHealth"]

_log = logging.getLogger("tapeloom.live.alpaca")

_SUBSCRIBE = {
    "bars": "subscribe_bars",
    "updated_bars": "subscribe_updated_bars",
    "trades": "subscribe_trades",
    "quotes": "subscribe_quotes",
    "statuses": "subscribe_trading_statuses",
}
# How long the socket is left unread for want of room before the connection is given up.
_PUSH_BACK = 0.25


class _OverrunError(Exception):
    """There was no room for the rest of what was read."""

    def __init__(self, events: list[FeedEvent]) -> None:
        super().__init__("no room")
        self.events = events


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
    """Messages by the vendor's word for their kind."""
    ignored: dict[str, int] = field(default_factory=dict)
    """Those among them that a session has no place for, such as daily bars."""
    malformed: int = 0
    """Messages and frames that could not be read."""
    last_failure: str = ""
    """Why the last connection ended or did not come about."""


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
        if data_feed not in ("iex", "sip"):
            near = did_you_mean(str(data_feed), ("iex", "sip"))
            text = f"data_feed is {data_feed!r}; it must be 'iex' or 'sip'{near}"
            raise ArgumentError(text, got=data_feed)
        check_address(url_override, ("wss", "ws"))
        self._given = (key, secret)
        self._credentials()
        self._data_feed = data_feed
        self._url = url_override
        self._clock = clock or LiveClock()
        self._backoff = Backoff(random=random)
        self._wait = wait or asyncio.sleep
        self._capacity = capacity
        self._queue = EventQueue(capacity)
        self._handlers: dict[str, tuple[str, ...]] = {}
        self._lock = Lock()
        self._thread: Thread | None = None
        self._task: tuple[asyncio.AbstractEventLoop, asyncio.Task[None]] | None = None
        self._is_closing = False
        # Set once the first attempt is decided, whichever way.
        self._decided = Event()
        self._refusal: FeedError | None = None
        self._is_up = False
        self._told_down = False
        self._attempts = self._outages = self._overruns = 0
        self._malformed = 0
        self._received: Counter[str] = Counter()
        self._ignored: Counter[str] = Counter()
        self._last_failure = ""

    def __repr__(self) -> str:
        return f"AlpacaFeed(data_feed={self._data_feed!r}, is_up={self._is_up})"

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

        Parameters
        ----------
        symbols
            Which symbols; ``"*"`` is all of them.
        channels
            What of them, out of ``channels``.

        Raises
        ------
        FeedError
            If credentials or subscription are refused.
        ArgumentError
            If nothing is asked for, or a word is no channel.
        StateError
            If it is connected, or was closed.
        MissingDependencyError
            If the vendor's client is not installed.
        """
        handlers = _handlers(symbols, channels)
        with self._lock:
            if self._thread is not None or self._is_closing:
                what = "was closed" if self._is_closing else "is connected"
                raise StateError(f"this feed {what}; make another AlpacaFeed")
            # Here, so that a missing client is told to the caller.
            self._connection(handlers)
            self._handlers = handlers
            self._thread = Thread(target=self._run, name="tapeloom-feed", daemon=True)
            self._thread.start()
        self._decided.wait()
        if self._refusal is not None:
            raise self._refusal

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
        return FeedHealth(
            is_up=self._is_up,
            attempts=self._attempts,
            outages=self._outages,
            overruns=self._overruns,
            queued=len(self._queue),
            capacity=self._capacity,
            received=dict(self._received),
            ignored=dict(self._ignored),
            malformed=self._malformed,
            last_failure=self._last_failure,
        )

    def _credentials(self) -> Credentials:
        return Credentials.found(*self._given, names=ENVIRONMENT)

    def _connection(self, handlers: dict[str, tuple[str, ...]]) -> StreamConnection:
        return StreamConnection(
            self._credentials(),
            handlers,
            data_feed=self._data_feed,
            url_override=self._url,
        )

    def _run(self) -> None:
        error: Exception | None = None
        try:
            asyncio.run(self._stay_connected())
        except asyncio.CancelledError:
            pass
        except Exception as failed:
            error = failed
            if not self._decided.is_set() and isinstance(failed, FeedError):
                self._refusal = failed
        finally:
            self._is_up = False
            self._queue.close(error)
            self._decided.set()

    async def _stay_connected(self) -> None:
        running = asyncio.current_task()
        with self._lock:
            if running is None or self._is_closing:
                return
            self._task = asyncio.get_running_loop(), running
        while True:
            self._attempts += 1
            connection = self._connection(self._handlers)
            try:
                await connection.open()
                self._up()
                while True:
                    self._take(await connection.read())
            except FeedError as error:
                if self._is_up:
                    self._down(str(error))
                raise
            except ConnectionError as error:
                self._down(str(error))
            except _OverrunError as error:
                await connection.close()
                self._overruns += 1
                _log.warning("no room for %d events", len(error.events))
                for event in error.events:
                    self._tell(event)
                self._down("the session did not take its events in time")
            except UnreadableFrameError as error:
                self._malformed += 1
                self._tell(error.event)
                self._down(f"a frame cannot be read: {error}")
            finally:
                self._is_up = False
                await connection.close()
            seconds = self._backoff.next()
            _log.warning(
                "connection lost (%s); trying again in %.1f s",
                self._last_failure,
                seconds,
            )
            await self._wait(seconds)

    def _up(self) -> None:
        self._is_up, self._told_down = True, False
        _log.info("connected")
        self._tell(ConnectionEvent(self._clock.now_ns(), True, SOURCE))
        self._decided.set()

    def _down(self, failure: str) -> None:
        self._last_failure = failure
        self._is_up = False
        if not self._told_down:
            self._told_down = True
            self._outages += 1
            self._tell(ConnectionEvent(self._clock.now_ns(), False, SOURCE))
        self._decided.set()

    def _take(self, messages: list[Any]) -> None:
        """Hand over the events of a frame; without room the socket is not read, and after a while given up."""
        events = [event for event in map(self._event_of, messages) if event is not None]
        for number, event in enumerate(events):
            if not self._queue.put(event, _PUSH_BACK):
                raise _OverrunError(events[number:])

    def _event_of(self, message: object) -> FeedEvent | None:
        kind = str(message.get("T")) if isinstance(message, dict) else ""
        self._received[kind] += 1
        if kind in CONTROL:
            return None
        event = event_of(message)
        if event is None:
            self._ignored[kind] += 1
        elif isinstance(event, MalformedMessage):
            self._malformed += 1
        else:
            self._backoff.reset()
        return event

    def _tell(self, event: FeedEvent) -> None:
        # However long it takes: nothing that was read is dropped. close() ends the wait.
        self._queue.put(event)


def _handlers(
    symbols: Sequence[str], channels: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    if isinstance(symbols, str) or isinstance(channels, str):
        text = f"symbols is {symbols!r} and channels {channels!r}; both must be lists, such as ['AAPL']"
        raise ArgumentError(text)
    names = tuple(dict.fromkeys(normalise_symbol(symbol) for symbol in symbols))
    for channel in channels:
        if channel not in CHANNELS:
            near = did_you_mean(str(channel), CHANNELS)
            text = (
                f"channel is {channel!r}; it must be one of {', '.join(CHANNELS)}{near}"
            )
            raise ArgumentError(text, got=channel)
    if not names or not channels:
        text = (
            f"{'symbols' if not names else 'channels'} is empty; ask for at least one"
        )
        raise ArgumentError(text)
    return {_SUBSCRIBE[channel]: names for channel in dict.fromkeys(channels)}
