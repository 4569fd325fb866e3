"""The protocol of the client's websocket, which hands each message over in the moment its last byte is there.

The library reads frames in a task of its own: from a stream, two or three small pieces a frame, and each wait is another turn
of the event loop. At thousands of bars a second, one in a message, that is the larger part of a bar's way.
"""

from __future__ import annotations

from asyncio import BufferedProtocol
from functools import cache
from typing import TYPE_CHECKING, Any

from tapeloom.live.loading_client import loading_client

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["protocol_class"]

# First bytes of a data frame that is a whole message: text or binary, and compressed or not (RFC 6455, 5.2; RFC 7692, 6).
_WHOLE = frozenset((0x81, 0x82, 0xC1, 0xC2))
# Those of a ping and a pong, which may stand between any frames.
_PING_OR_PONG = frozenset((0x89, 0x8A))
_TAKEN = _WHOLE | _PING_OR_PONG
_COMPRESSED = 0x40
# Bytes read at once at most. Asked for bytes, the event loop makes room for four times as many, whatever comes: fresh memory
# for each message takes longer than reading and decoding it.
_READ_SIZE = 65_536
# Lengths that stand for the size of the number that follows.
_TWO_BYTES, _EIGHT_BYTES = 126, 127


@cache
def protocol_class() -> Any:
    """Return the client's protocol, with ``take_at_once``: whatever is set there is called with the messages from then on.

    Messages are taken where their bytes come in, those that come together at once, if each is one frame and nothing before it
    waits. All else the library reads as ever: the parts of a message, pings and the end, a very large frame, and what is no
    proper frame. Both decode with the same extensions, in order. ``take_at_once`` returns whether it wants more; if not, the
    library queues the rest. What it raises is not caught here.

    Raises
    ------
    MissingDependencyError
        If the client is not installed.
    """
    with loading_client():
        from websockets.frames import Frame, Opcode
        from websockets.legacy.client import WebSocketClientProtocol

    class Protocol(WebSocketClientProtocol, BufferedProtocol):
        take_at_once: Callable[[list[str | bytes]], bool] | None = None
        # Whether the library has read all it was given but pings and pongs, and waits for the begin of a message.
        _is_between = False
        # The begin of a frame whose rest is still to come.
        _begun = b""

        def __init__(self, *args: Any, **more: Any) -> None:
            super().__init__(*args, **more)
            self._room = memoryview(bytearray(_READ_SIZE))

        def get_buffer(self, sizehint: int) -> memoryview:
            return self._room

        def buffer_updated(self, nbytes: int) -> None:
            self.data_received(bytes(self._room[:nbytes]))

        def data_received(self, data: bytes) -> None:
            if self._begun:
                data, self._begun = self._begun + data, b""
            if self._is_between:
                data = self._after_whole_messages(data)
            if data:
                self._is_between = False
                super().data_received(data)

        async def read_message(self) -> Any:
            while True:
                # The stream does not tell otherwise whether it is empty; of one that does not tell at all, it is not.
                self._is_between = not getattr(self.reader, "_buffer", True)
                message = await super().read_message()
                # Never past those that wait in the queue.
                if message is None or self.take_at_once is None or self.messages:
                    return message
                self._take([message])

        @property
        def _takes(self) -> bool:
            # Never past those that wait in the queue.
            return self.take_at_once is not None and self.open and not self.messages

        def _take(self, messages: list[str | bytes]) -> None:
            if messages and self.take_at_once and not self.take_at_once(messages):
                self.take_at_once = None

        def _after_whole_messages(self, data: bytes) -> bytes:
            """Hand over the messages that some bytes begin with; return what the library is to read."""
            at = size = 0
            found: list[str | bytes] = []
            # Asked after each hand-over: whoever takes messages may end the connection.
            while self._takes:
                start, stop = _frame(data, at, self.max_size)
                if stop > len(data):
                    self._begun, data = data[at:], b""
                if stop == at or not data:
                    self._take(found)
                    break
                if data[at] in _PING_OR_PONG:
                    self._take(found)
                    found, size = [], 0
                    super().data_received(data[at:stop])
                else:
                    try:
                        message = self._message(data[at], data[start:stop])
                    except Exception as error:
                        self._take(found)
                        # It ends the connection in the same way as one that the library comes upon itself.
                        self.reader.set_exception(error)
                        self._is_between = False
                        return b""
                    found.append(message)
                    size += len(message)
                    if size >= _READ_SIZE:
                        self._take(found)
                        found, size = [], 0
                at = stop
            return data[at:] if at else data

        def _message(self, head: int, payload: bytes) -> str | bytes:
            opcode = Opcode(head & 0x0F)
            if head & _COMPRESSED:
                frame = Frame(opcode, payload, rsv1=True)
                for extension in reversed(self.extensions):
                    frame = extension.decode(frame, max_size=self.max_size)
                frame.check()
                payload = bytes(frame.data)
            return payload.decode() if opcode is Opcode.TEXT else payload

    return Protocol


def _frame(data: bytes, at: int, max_size: int | None) -> tuple[int, int]:
    """Return where the content of the frame at a position begins and ends, as far as it is one to be taken here.

    An end beyond the bytes says that the rest is still to come, of a frame that is not very large; one at the position that
    the library is to read the frame.
    """
    if at == len(data) or data[at] not in _TAKEN:
        return at, at
    start = at + 2
    if start > len(data):
        return start, start
    # The highest bit would say that it is masked, which a server must not do: no length is as large, and the library tells.
    length = data[at + 1]
    if length in (_TWO_BYTES, _EIGHT_BYTES) and data[at] in _WHOLE:
        start += 2 if length == _TWO_BYTES else 8
        if start > len(data):
            return start, start
        length = int.from_bytes(data[at + 2 : start])
    elif length >= _TWO_BYTES:
        return at, at
    stop = start + length
    is_too_large = max_size is not None and length > max_size
    if is_too_large or (stop > len(data) and stop - at > _READ_SIZE):
        return at, at
    return start, stop
