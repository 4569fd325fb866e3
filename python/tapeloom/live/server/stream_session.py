"""One client of the stream: control messages in, data out."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tapeloom.live.server.wire import decode, encode, error_message

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tapeloom.live.server.wire import Message

__all__ = ["StreamSession"]

_CHANNELS = {
    "bars": "b",
    "updatedBars": "u",
    "dailyBars": "d",
    "trades": "t",
    "quotes": "q",
    "statuses": "s",
    "lulds": "l",
}
_MESSAGES_A_FRAME = 500
# Frames that wait for a client; one that falls further behind is let go, as the vendor does.
_MOST_WAITING = 4_096


class StreamSession:
    """What a connection is subscribed to, and the frames that wait to be sent on it.

    Parameters
    ----------
    connection
        The open websocket.
    packed
        MessagePack instead of JSON.
    accepts
        Whether a key and a secret are right.
    refuses
        Asked with ``"auth"``, ``"connections"`` or ``"subscription"``: whether this attempt is turned away.
    changed
        Called after each change of the subscription.
    """

    def __init__(
        self,
        connection: Any,
        *,
        packed: bool,
        accepts: Callable[[object, object], bool],
        refuses: Callable[[str], bool],
        changed: Callable[[], None],
    ) -> None:
        self.connection = connection
        self.is_subscribed = False
        self._packed = packed
        self._accepts = accepts
        self._refuses = refuses
        self._changed = changed
        self._is_authenticated = False
        self._symbols: dict[str, set[str]] = {name: set() for name in _CHANNELS}
        self._frames: asyncio.Queue[str | bytes] = asyncio.Queue(_MOST_WAITING)

    async def run(self) -> None:
        """Serve the connection until it ends."""
        sender = asyncio.create_task(self._send())
        try:
            self._put([{"T": "success", "msg": "connected"}])
            async for frame in self.connection:
                if not self._answer(frame):
                    await self.flushed()
                    return
        finally:
            sender.cancel()
            # Nobody will send what is left; whoever waits for that waits no longer.
            while not self._frames.empty():
                self._frames.get_nowait()
                self._frames.task_done()

    def offer(self, messages: Sequence[Message]) -> None:
        """Send what the client is subscribed to."""
        wanted = [m for m in messages if self._wants(m)]
        for first in range(0, len(wanted), _MESSAGES_A_FRAME):
            self._put(wanted[first : first + _MESSAGES_A_FRAME])

    def put_frame(self, frame: str | bytes) -> None:
        """Send a frame as it is, whatever it holds; text to a client of JSON."""
        if self._frames.full():
            self.drop()
            return
        self._frames.put_nowait(frame)

    def drop(self) -> None:
        """Break the connection without a farewell."""
        self.is_subscribed = False
        self.connection.transport.abort()

    def raw(self, messages: Any) -> str | bytes:
        """Return whatever can be encoded in the encoding of this client."""
        import json

        import msgpack

        packed: bytes = msgpack.packb(messages) if self._packed else b""
        return packed if self._packed else json.dumps(messages)

    async def flushed(self) -> None:
        """Wait until all frames were handed to the socket, or the connection ended."""
        done = asyncio.create_task(self._frames.join())
        closed = asyncio.create_task(self.connection.wait_closed())
        await asyncio.wait({done, closed}, return_when=asyncio.FIRST_COMPLETED)
        done.cancel()
        closed.cancel()

    def _answer(self, frame: str | bytes) -> bool:
        """Do what a control message asks for; ``False`` if the connection is to end."""
        try:
            message = decode(frame, packed=self._packed)
        except (ValueError, RecursionError):
            self._put([error_message(400)])
            return True
        action = message.get("action")
        if action == "auth":
            return self._authenticate(message)
        if not self._is_authenticated:
            self._put([error_message(401)])
            return True
        if action in ("subscribe", "unsubscribe"):
            return self._subscribe(message, adds=action == "subscribe")
        self._put([error_message(400)])
        return True

    def _authenticate(self, message: Message) -> bool:
        if self._is_authenticated:
            self._put([error_message(403)])
            return True
        if self._refuses("connections"):
            self._put([error_message(406)])
            return False
        if self._refuses("auth") or not self._accepts(
            message.get("key"), message.get("secret")
        ):
            self._put([error_message(402)])
            return False
        self._is_authenticated = True
        self._put([{"T": "success", "msg": "authenticated"}])
        return True

    def _subscribe(self, message: Message, *, adds: bool) -> bool:
        asked = {name: message[name] for name in message if name != "action"}
        lists = all(
            isinstance(names, list) and all(isinstance(name, str) for name in names)
            for names in asked.values()
        )
        if not lists:
            self._put([error_message(400)])
            return True
        if any(name not in _CHANNELS for name in asked):
            self._put([error_message(410)])
            return True
        if adds and self._refuses("subscription"):
            self._put([error_message(409)])
            return False
        for channel, names in asked.items():
            held = self._symbols[channel]
            self._symbols[channel] = held | set(names) if adds else held - set(names)
        self.is_subscribed = any(self._symbols.values())
        state = {name: sorted(names) for name, names in self._symbols.items()}
        self._put([{"T": "subscription", **state}])
        self._changed()
        return True

    def _wants(self, message: Message) -> bool:
        for channel, kind in _CHANNELS.items():
            if message["T"] == kind:
                names = self._symbols[channel]
                return message["S"] in names or "*" in names
        return False

    def _put(self, messages: Sequence[Message]) -> None:
        if self._frames.full():
            self.drop()
            return
        self._frames.put_nowait(encode(messages, packed=self._packed))

    async def _send(self) -> None:
        from websockets.exceptions import ConnectionClosed

        while True:
            frame = await self._frames.get()
            try:
                await self.connection.send(frame)
            except ConnectionClosed:
                continue
            finally:
                self._frames.task_done()
