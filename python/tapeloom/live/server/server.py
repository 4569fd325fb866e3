"""``FeedServer``: the sockets, the thread and the clock around a player."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import secrets
from contextlib import suppress
from datetime import datetime
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Self, TypeVar

from tapeloom.calendars.clock import LiveClock
from tapeloom.errors import (
    FeedError,
    MissingDependencyError,
    StateError,
)
from tapeloom.live.credentials import Secret
from tapeloom.live.pace import Pace
from tapeloom.live.recording import Recording
from tapeloom.live.server.gate import CONTROL, Gate
from tapeloom.live.server.listener import Listener
from tapeloom.live.server.player import Player
from tapeloom.timestamps import from_ns, to_ns
from tapeloom.waiting import result_of, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from tapeloom.live.recording import RecordingLike
    from tapeloom.live.server.fault import Fault
    from tapeloom.timestamps import TimestampLike

__all__ = ["FeedServer"]

_log = logging.getLogger("tapeloom.live.server")
_T = TypeVar("_T")

_HOST = "127.0.0.1"
_SLICE = 0.05
# Turns of the event loop from when a connection is accepted until its handler runs, and some more.
_ARRIVAL = 8


class FeedServer:
    """Alpaca's stream and history on this machine, from a recording: programs connect to it as they do to the vendor.

    It listens on the loopback address only. The stream is at ``stream_url`` (JSON, or MessagePack for a client that asks
    for it), the history at ``history_url``, and faults can be sent as JSON to the websocket at ``control_url``. One
    library serves all three: the server of websockets also answers plain requests of HTTP, and the history needs no more.

    Market time stands still until ``advance_to()``, or runs at ``speed`` once the first client has subscribed. Bars are
    sent when they end; the history has those that ended. A recording has no trade counts and average prices: both are
    null.

    Parameters
    ----------
    data
        What ``Recording`` takes: a folder of bars, a ``DataManager``, ``Bars`` by symbol.
    symbols, interval, exchange_group
        As of ``Recording``.
    start
        Where market time begins; a naive time is wall time of the exchange. By default the start of the first bar. What lies before is history.
    speed
        How many seconds of the market pass in one, above 0; ``None`` lets it stand still.
    faults
        What is to go wrong; those with an instant begin then, the others at once.
    key, secret
        What a client has to give; by default anything will do.
    port
        Where to listen; 0 takes any that is free.
    clock
        Nanoseconds of a clock that nobody sets, for ``speed``.

    Raises
    ------
    ArgumentError
        If a value breaks its rule.
    MissingDataError
        If nothing is recorded.

    Examples
    --------
    >>> with FeedServer("data", speed=60) as server:  # doctest: +SKIP
    ...     feed = AlpacaFeed("any", "thing", url_override=server.stream_url)
    """

    def __init__(
        self,
        data: RecordingLike,
        *,
        symbols: Iterable[str] | None = None,
        interval: str = "1m",
        exchange_group: str = "US_EQUITY",
        start: TimestampLike | None = None,
        speed: float | None = None,
        faults: Iterable[Fault] = (),
        key: str | Secret | None = None,
        secret: str | Secret | None = None,
        port: int = 0,
        clock: Callable[[], int] | None = None,
    ) -> None:
        # What is shown comes first: a traceback shows an object that is not finished.
        self._loop: asyncio.AbstractEventLoop | None = None
        key = Secret(key) if isinstance(key, str) else key
        secret = Secret(secret) if isinstance(secret, str) else secret
        recording = Recording(
            data, symbols=symbols, interval=interval, exchange_group=exchange_group
        )
        self._pace = (
            None
            if speed is None
            else Pace(speed, clock or LiveClock().monotonic_ns, runs=True)
        )
        begin = (
            recording.span[0]
            if start is None
            else to_ns(start, recording.zone, name="start")
        )
        self._player = Player(
            recording,
            start=begin,
            faults=faults,
            sessions=lambda: self._listener.subscribers,
        )
        self._listener = Listener(
            self._player,
            Gate(self._player, key=key, secret=secret, market=self._market),
        )
        # Tells one market from the next at the same address.
        self._name = secrets.token_hex(4)
        self._is_running = False
        self._port = port
        self._thread: Thread | None = None
        self._stop: asyncio.Event | None = None
        self._ended = Event()

    def __repr__(self) -> str:
        at = self.stream_url if self._loop is not None else "not started"
        return f"FeedServer({at})"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def stream_url(self) -> str:
        """Address of the stream, for ``url_override``."""
        return f"ws://{_HOST}:{self._listening()}/v2/iex"

    @property
    def history_url(self) -> str:
        """Address of the history, for ``url_override``."""
        return f"http://{_HOST}:{self._listening()}"

    @property
    def control_url(self) -> str:
        """Address of the websocket that takes faults as JSON; each is answered with a JSON object."""
        return f"ws://{_HOST}:{self._listening()}{CONTROL}"

    @property
    def now(self) -> datetime:
        """What time it is in the market, aware, in the exchange's zone."""
        return from_ns(self._player.now, self._player.recording.zone)

    @property
    def symbols(self) -> tuple[str, ...]:
        """What is recorded, normalised."""
        return self._player.recording.symbols

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to happen."""
        return self._player.next_instant is None

    def start(self) -> Self:
        """Listen, in a thread of its own; ``with`` does it too.

        Raises
        ------
        StateError
            If it was started.
        FeedError
            If the port cannot be listened on.
        MissingDependencyError
            If the extra ``live`` is not installed.
        """
        if self._thread is not None:
            raise StateError("this server was started; make another FeedServer")
        try:
            import msgpack  # noqa: F401
            import websockets  # noqa: F401
        except ImportError as error:
            text = f"{error.name} is not installed; run: pip install 'tapeloom[live]'"
            raise MissingDependencyError(text, extra="live") from error
        listening: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._thread = Thread(
            target=self._run, args=(listening,), name="tapeloom-server", daemon=True
        )
        self._thread.start()
        try:
            result_of(listening)
        except OSError as error:
            text = f"cannot listen on {_HOST}:{self._port}: {error.strerror or error}; port 0 takes one that is free"
            raise FeedError(text, port=self._port) from error
        return self

    def close(self) -> None:
        """End all connections and the thread; may be called twice."""
        loop, stop = self._loop, self._stop
        if self._thread is None or loop is None or stop is None:
            return
        if self._thread.is_alive():
            # Not begun any more where it ends just now.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(stop.set)
        self.wait()

    def advance_to(self, at: TimestampLike) -> None:
        """Let market time go on to an instant; returns once all that happened was handed to the clients' sockets.

        Parameters
        ----------
        at
            A naive time is wall time of the exchange.

        Raises
        ------
        ArgumentError
            If it lies before ``now``.
        StateError
            If market time runs by itself, or the server does not listen.
        """
        if self._pace is not None:
            text = "market time runs by itself; leave speed out to advance it by hand"
            raise StateError(text)
        until = to_ns(at, self._player.recording.zone, name="at")
        self._in_loop(self._advance(until))

    def inject(self, fault: Fault) -> None:
        """Let something go wrong, at its instant or at once; returns once it has begun or stands in the plan.

        Raises
        ------
        ArgumentError
            If its instant is over, or its symbols are not recorded.
        StateError
            If the server does not listen.
        """
        self._in_loop(self._inject(fault))

    def wait_for_subscribers(self, count: int = 1, timeout: float = 30.0) -> None:
        """Wait until this many clients are subscribed to something.

        Parameters
        ----------
        count
            At least so many.
        timeout
            Seconds.

        Raises
        ------
        FeedError
            If they are not, in time.
        """
        try:
            self._in_loop(self._listener.wait_for(count, timeout))
        except TimeoutError:
            text = f"fewer than {count} clients subscribed within {timeout:g} s"
            raise FeedError(text, expected=count) from None

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the server ends; ``False`` if it still runs after so many seconds."""
        thread, ended = self._thread, self._ended
        if thread is None:
            return True
        # A join that is interrupted takes the thread for ended. A forked child has none, and nobody who says so.
        if not wait_for(lambda s: ended.wait(s) or not thread.is_alive(), timeout):
            return False
        thread.join()
        return True

    def _market(self) -> dict[str, Any]:
        """Where market time is and how fast it runs, for a clock that follows it."""
        pace = self._pace
        return {
            "market": self._name,
            "now_ns": pace.now() if pace and self._is_running else self._player.now,
            "end_ns": self._player.recording.span[1],
            "is_running": self._is_running,
            "speed": None if pace is None else pace.speed,
        }

    def _listening(self) -> int:
        if self._loop is None:
            raise StateError(
                "this server does not listen; call start(), or use it with 'with'"
            )
        return self._port

    def _in_loop(self, work: Coroutine[Any, Any, _T]) -> _T:
        loop = self._loop
        if loop is None or self._thread is None or not self._thread.is_alive():
            work.close()
            raise StateError(
                "this server does not listen; call start(), or use it with 'with'"
            )
        return result_of(asyncio.run_coroutine_threadsafe(work, loop))

    def _run(self, listening: concurrent.futures.Future[None]) -> None:
        try:
            asyncio.run(self._serve(listening))
        finally:
            self._ended.set()

    async def _serve(self, listening: concurrent.futures.Future[None]) -> None:
        self._stop = asyncio.Event()
        try:
            server = await self._listener.listen(_HOST, self._port)
        except OSError as error:
            listening.set_exception(error)
            return
        async with server:
            self._port = int(next(iter(server.sockets)).getsockname()[1])
            self._loop = asyncio.get_running_loop()
            listening.set_result(None)
            player = asyncio.create_task(self._run_market())
            try:
                await self._stop.wait()
            finally:
                player.cancel()
                # Nobody new is let in. Who was at this very moment arrives, and is closed with the others: asyncio
                # would leave the connection open for ever.
                for listening_socket in server.sockets:
                    asyncio.get_running_loop().remove_reader(listening_socket.fileno())
                for _ in range(_ARRIVAL):
                    await asyncio.sleep(0)

    async def _run_market(self) -> None:
        """Let market time run from the first subscription on."""
        if self._pace is None:
            return
        await self._listener.wait_for(1)
        self._pace.begin(self._player.now)
        self._is_running = True
        while True:
            self._player.play_until(self._pace.now())
            instant = self._player.next_instant
            left = _SLICE if instant is None else self._pace.seconds_until(instant)
            # In slices, so that requests and faults find the market where it is.
            await asyncio.sleep(min(left, _SLICE))

    async def _advance(self, until: int) -> None:
        self._player.play_until(until)
        await self._listener.flushed()

    async def _inject(self, fault: Fault) -> None:
        self._player.inject(fault)
        await self._listener.flushed()
