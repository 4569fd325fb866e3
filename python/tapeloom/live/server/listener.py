"""The sockets: the clients that are connected, and the control connection that takes faults."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tapeloom.errors import TapeloomError
from tapeloom.live.alpaca_client import quiet
from tapeloom.live.server.fault import fault_of
from tapeloom.live.server.gate import CONTROL
from tapeloom.live.server.stream_session import StreamSession
from tapeloom.timestamps import from_ns

if TYPE_CHECKING:
    from websockets.asyncio.server import Server, ServerConnection

    from tapeloom.live.server.gate import Gate
    from tapeloom.live.server.player import Player

__all__ = ["Listener"]

_LARGEST_INPUT = 2**20


class Listener:
    """Serves the stream and the control connection. Used by the thread of the event loop only.

    Parameters
    ----------
    player
        Whose market it is.
    gate
        Who may come in.
    """

    def __init__(self, player: Player, gate: Gate) -> None:
        self._player = player
        self._gate = gate
        self._sessions: list[StreamSession] = []
        # One future per caller that waits for subscriptions, and how many it wants.
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    @property
    def subscribers(self) -> list[StreamSession]:
        """The clients that are subscribed to something, oldest connection first."""
        return [session for session in self._sessions if session.is_subscribed]

    async def listen(self, host: str, port: int) -> Server:
        """Open the socket; ``OSError`` if that cannot be done."""
        from websockets.asyncio.server import serve

        return await serve(
            self._handle,
            host,
            port,
            # A page in a browser says where it comes from; it has no business here.
            origins=[None],
            process_request=self._gate.answer,
            compression=None,
            max_size=_LARGEST_INPUT,
            close_timeout=1,
            logger=quiet("tapeloom.live.server.websocket"),
        )

    async def flushed(self) -> None:
        """Wait until all that was to be sent was handed to the sockets."""
        await asyncio.gather(*(session.flushed() for session in self._sessions))

    async def wait_for(self, count: int, timeout: float | None = None) -> None:
        """Wait until this many clients are subscribed; ``TimeoutError`` if they are not, in so many seconds."""
        if len(self.subscribers) >= count:
            return
        enough: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((count, enough))
        async with asyncio.timeout(timeout):
            await enough

    async def _handle(self, connection: ServerConnection) -> None:
        request = connection.request
        if request is None:
            return
        if urlsplit(request.path).path == CONTROL:
            with suppress(_broken()):
                await self._take_faults(connection)
            return
        session = StreamSession(
            connection,
            packed="msgpack" in request.headers.get("Content-Type", ""),
            accepts=self._gate.accepts,
            refuses=self._player.refuses,
            changed=self._tell_changed,
        )
        self._sessions.append(session)
        try:
            with suppress(_broken()):
                await session.run()
        finally:
            self._sessions.remove(session)

    async def _take_faults(self, connection: ServerConnection) -> None:
        async for text in connection:
            try:
                given = json.loads(text)
                if not isinstance(given, dict):
                    raise ValueError('give a JSON object such as {"fault": "drop"}')
                self._player.inject(fault_of(given))
            except (TapeloomError, ValueError, RecursionError) as error:
                answer: dict[str, Any] = {"ok": False, "error": str(error)}
            else:
                now = from_ns(self._player.now, self._player.recording.zone)
                answer = {"ok": True, "now": now.isoformat()}
            await connection.send(json.dumps(answer))

    def _tell_changed(self) -> None:
        known = len(self.subscribers)
        for count, enough in self._waiting:
            if known >= count and not enough.done():
                enough.set_result(None)
        self._waiting = [waiter for waiter in self._waiting if not waiter[1].done()]


def _broken() -> type[Exception]:
    """What a connection raises that ended without a farewell, which is the clients' right."""
    from websockets.exceptions import ConnectionClosed

    broken: type[Exception] = ConnectionClosed
    return broken
