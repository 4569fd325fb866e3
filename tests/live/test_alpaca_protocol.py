"""The protocol that hands messages over where they come in, beside the library's own, which it must never differ from."""

from __future__ import annotations

import asyncio
import struct
from itertools import pairwise
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeloom.errors import FeedError
from tapeloom.live.alpaca_client import StreamConnection
from tapeloom.live.alpaca_messages import UnreadableFrameError
from tapeloom.live.alpaca_protocol import protocol_class
from tapeloom.live.loading_client import loading_client

with loading_client():
    from websockets.extensions.permessage_deflate import PerMessageDeflate
    from websockets.frames import Frame, Opcode
    from websockets.legacy.client import WebSocketClientProtocol
    from websockets.protocol import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

MOST = 100_000
Message = str | bytes


class Wire(asyncio.Transport):
    """The transport below a protocol: keeps what it sends."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = bytearray()
        self.is_aborted = False

    def write(self, data: Any) -> None:
        self.sent += data

    def is_closing(self) -> bool:
        return self.is_aborted

    def close(self) -> None:
        self.is_aborted = True

    abort = close

    def can_write_eof(self) -> bool:
        return False

    def set_write_buffer_limits(self, *_: Any, **__: Any) -> None:
        """It never fills."""

    def pause_reading(self) -> None:
        """Whoever feeds the protocol goes on."""

    resume_reading = pause_reading


def opened(protocol: Any, *, is_compressed: bool) -> Wire:
    """Let a protocol stand after its handshake."""
    wire = Wire()
    protocol.connection_made(wire)
    if is_compressed:
        protocol.extensions = [PerMessageDeflate(False, False, 15, 15)]
    protocol.connection_open()
    return wire


def made(kind: Any) -> Any:
    return kind(ping_interval=None, max_size=MOST, max_queue=None, close_timeout=0.01)


def taker(found: list[Message]) -> Callable[[list[Message]], bool]:
    """Takes messages, and always wants more."""

    def take(messages: list[Message]) -> bool:
        assert messages
        found.extend(messages)
        return True

    return take


async def ended(protocol: Any) -> None:
    """Let go of a protocol, and of its tasks."""
    protocol.transfer_data_task.cancel()
    protocol.connection_lost(None)
    await asyncio.wait([protocol.transfer_data_task, protocol.close_connection_task])


async def settle() -> None:
    """Let the library's task read all that it can: each piece of a frame takes it a turn of the loop at most."""
    for _ in range(60):
        await asyncio.sleep(0)


async def taking(*, is_compressed: bool) -> tuple[Any, list[Message]]:
    """Return a protocol whose messages are taken at once, and where they are put."""
    protocol = made(protocol_class())
    opened(protocol, is_compressed=is_compressed)
    await settle()
    found: list[Message] = []
    protocol.take_at_once = taker(found)
    return protocol, found


async def read(
    pieces: Iterable[tuple[bytes, bool]], *, is_compressed: bool, at_once: bool
) -> tuple[list[Message], bytes, int | None]:
    """Return the messages in some bytes, what was answered, and the code of the end if there was one.

    After each piece of the bytes, which are as they might come from a socket, the library may have time to read or not.
    """
    protocol = made(protocol_class() if at_once else WebSocketClientProtocol)
    wire = opened(protocol, is_compressed=is_compressed)
    found: list[Message] = []
    await settle()
    if at_once:
        protocol.take_at_once = taker(found)
    for piece, is_slow in pieces:
        if at_once:
            room = protocol.get_buffer(-1)
            for first in range(0, len(piece), len(room)):
                part = piece[first : first + len(room)]
                room[: len(part)] = part
                protocol.buffer_updated(len(part))
        else:
            protocol.data_received(piece)
        if is_slow:
            await settle()
    await settle()
    found += protocol.messages
    code = None
    if protocol.state is not State.OPEN:
        code = protocol.close_sent.code if protocol.close_sent else 1006
    sent = bytes(wire.sent)
    await ended(protocol)
    return found, sent, code


def frames_of(message: Message, parts: int, extension: Any) -> list[bytes]:
    """A message as a server sends it, in so many frames."""
    opcode = Opcode.TEXT if isinstance(message, str) else Opcode.BINARY
    content = message.encode() if isinstance(message, str) else message
    size = max(1, -(-len(content) // parts))
    pieces = [content[n : n + size] for n in range(0, len(content), size)] or [b""]
    return [
        Frame(opcode if n == 0 else Opcode.CONT, piece, fin=n == len(pieces) - 1)
        .serialize(mask=False, extensions=extension)
        for n, piece in enumerate(pieces)
    ]  # fmt: skip


def cut(content: bytes, at: Iterable[int], slow: Sequence[bool]) -> list[Any]:
    edges = [0, *sorted(n % (len(content) + 1) for n in at), len(content)]
    pieces = [content[a:b] for a, b in pairwise(edges)]
    return [
        (piece, slow[n % len(slow)] if slow else True)
        for n, piece in enumerate(pieces)
        if piece
    ]


messages = st.one_of(
    st.text(max_size=40),
    st.binary(max_size=300),
    st.integers(120, 70_000).map(lambda size: bytes(size % 251 for _ in range(size))),
)
scripts = st.lists(
    st.one_of(
        st.tuples(messages, st.sampled_from([1, 1, 1, 2, 5])),
        st.just("ping"),
        st.just("pong"),
    ),
    max_size=12,
)


@given(
    script=scripts,
    is_compressed=st.booleans(),
    at=st.lists(st.integers(0, 10**6), max_size=12),
    slow=st.lists(st.booleans(), max_size=4),
)
def test_messages_come_as_they_do_from_the_library_however_their_bytes_are_cut(
    script: list[Any], is_compressed: bool, at: list[int], slow: list[bool]
) -> None:
    extension = [PerMessageDeflate(False, False, 15, 15)] if is_compressed else None
    content = b""
    sent: list[Message] = []
    for each in script:
        if isinstance(each, str):
            opcode = Opcode.PING if each == "ping" else Opcode.PONG
            content += Frame(opcode, b"here").serialize(mask=False)
            continue
        message, parts = each
        sent.append(message)
        content += b"".join(frames_of(message, parts, extension))
    pieces = cut(content, at, slow)
    plain = asyncio.run(read(pieces, is_compressed=is_compressed, at_once=False))
    found = asyncio.run(read(pieces, is_compressed=is_compressed, at_once=True))
    assert found[0] == sent
    assert found[2] == plain[2] is None
    # A mask is drawn anew for each answer.
    assert len(found[1]) == len(plain[1])


WRONG = {
    "too large": (struct.pack("!BBQ", 0x82, 127, MOST + 1) + bytes(9), False),
    "more than is allowed once inflated": (
        frames_of(bytes(MOST + 1), 1, [PerMessageDeflate(False, False, 15, 15)])[0],
        True,
    ),
    "nothing that can be inflated": (b"\xc2\x03\xff\xff\xff", True),
    "compressed, which was not agreed on": (b"\xc2\x01a", False),
    "text that is none": (b"\x81\x02\xff\xff", False),
    "masked": (b"\x82\x81abcd?", False),
    "a part of no message": (b"\x80\x01a", False),
    "of an unknown kind": (b"\x83\x01a", False),
    "reserved bits": (b"\xb2\x01a", False),
    "the end": (Frame(Opcode.CLOSE, struct.pack("!H", 1001)).serialize(mask=False), False),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("is_slow", [True, False])
def test_what_ends_a_connection_ends_it_as_in_the_library(
    wrong: str, is_slow: bool
) -> None:
    frame, is_compressed = WRONG[wrong]
    extension = [PerMessageDeflate(False, False, 15, 15)] if is_compressed else None
    before = frames_of(b"good", 1, extension)[0]
    after = frames_of(b"never read", 1, extension)[0]
    pieces = [(before, True), (frame, is_slow), (after, True)]
    ends = [
        asyncio.run(read(pieces, is_compressed=is_compressed, at_once=at_once))
        for at_once in (False, True)
    ]
    assert ends[0][0] == ends[1][0] == [b"good"]
    assert ends[0][2] == ends[1][2]
    assert ends[0][2] is not None


def test_a_message_is_taken_before_the_loop_turns() -> None:
    async def taken() -> list[Message]:
        protocol, found = await taking(is_compressed=False)
        content = b"".join(frames_of(b"%d" % n, 1, None)[0] for n in range(3))
        protocol.get_buffer(-1)[: len(content)] = content
        protocol.buffer_updated(len(content))
        before_the_turn = list(found)
        await ended(protocol)
        return before_the_turn

    assert asyncio.run(taken()) == [b"0", b"1", b"2"]


def test_a_burst_is_taken_at_once_wherever_it_is_cut() -> None:
    """Also with pings in it, and where the library has read nothing meanwhile."""

    async def taken(size: int, *, is_compressed: bool) -> list[Message]:
        extension = [PerMessageDeflate(False, False, 15, 15)] if is_compressed else None
        content = Frame(Opcode.PING, b"here").serialize(mask=False)
        for number in range(200):
            content += frames_of(b"%d" % number * 50, 1, extension)[0]
            if number == 77:
                content += Frame(Opcode.PONG, b"").serialize(mask=False)
        protocol, found = await taking(is_compressed=is_compressed)
        for at in range(0, len(content), size):
            piece = content[at : at + size]
            protocol.get_buffer(-1)[: len(piece)] = piece
            protocol.buffer_updated(len(piece))
        before_the_turn = list(found)
        await ended(protocol)
        return before_the_turn

    for size in (1, 2, 3, 100, 4_096):
        for is_compressed in (False, True):
            found = asyncio.run(taken(size, is_compressed=is_compressed))
            assert found == [b"%d" % number * 50 for number in range(200)]


def test_who_wants_no_more_leaves_the_rest_to_the_queue() -> None:
    async def order() -> tuple[list[Message], list[Message]]:
        protocol = made(protocol_class())
        opened(protocol, is_compressed=False)
        found: list[Message] = []
        await settle()

        def take(messages: list[Message]) -> bool:
            found.extend(messages)
            return False

        protocol.take_at_once = take
        parts = [frames_of(b"%d" % n, 1, None)[0] for n in range(4)]
        # A ping is answered when all before it is handed over.
        ping = Frame(Opcode.PING, b"here").serialize(mask=False)
        # The last one is no text that can be read: nobody has to decode it any more.
        wrong = b"\x81\x02\xff\xff"
        protocol.data_received(b"".join([*parts[:2], ping, *parts[2:], wrong]))
        await settle()
        queued = list(protocol.messages)
        await ended(protocol)
        return found, queued

    assert asyncio.run(order()) == ([b"0", b"1"], [b"2", b"3"])


def test_nothing_is_taken_once_the_connection_is_given_up() -> None:
    async def taken() -> list[Message]:
        protocol, found = await taking(is_compressed=False)
        protocol.data_received(frames_of(b"before", 1, None)[0])
        # As it does where pings are not answered.
        protocol.fail_connection(1011, "keepalive ping timeout")
        protocol.data_received(frames_of(b"after", 1, None)[0])
        await settle()
        await ended(protocol)
        return found

    assert asyncio.run(taken()) == [b"before"]


def test_messages_that_wait_in_the_queue_stay_first() -> None:
    async def order() -> list[Message]:
        protocol = made(protocol_class())
        opened(protocol, is_compressed=False)
        await settle()
        protocol.data_received(frames_of(b"first", 1, None)[0])
        await settle()
        found: list[Message] = []
        protocol.take_at_once = taker(found)
        protocol.data_received(frames_of(b"second", 1, None)[0])
        assert found == []
        await settle()
        waiting = [await protocol.recv(), await protocol.recv()]
        protocol.data_received(frames_of(b"third", 1, None)[0])
        await settle()
        await ended(protocol)
        return waiting + found

    assert asyncio.run(order()) == [b"first", b"second", b"third"]


class Odd(BaseException):
    """What nobody expects."""


class Queued:
    """A websocket with one message in its queue."""

    async def recv(self) -> bytes:
        frame: bytes = msgpack.packb([])
        return frame


@pytest.mark.parametrize("error", [ValueError, Odd])
def test_reading_ends_with_whatever_the_taker_of_a_queued_message_raises(
    error: type[BaseException],
) -> None:
    connection = object.__new__(StreamConnection)
    connection._early = []
    connection._stream = SimpleNamespace(_ws=Queued())

    def take(messages: list[Any]) -> None:
        raise error("no room")

    async def read_on() -> None:
        await connection.read_into(take)

    with pytest.raises(error, match="no room"):
        asyncio.run(read_on())


class Pushing:
    """A websocket whose frames come together."""

    take_at_once: Callable[[list[Message]], bool]

    def __init__(self, frames: list[Message]) -> None:
        self.frames = frames
        self.wants_more: bool | None = None

    async def recv(self) -> bytes:
        self.wants_more = self.take_at_once(self.frames)
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (b"\xc1", UnreadableFrameError),
        (msgpack.packb([{"T": "error", "code": 409, "msg": "no"}]), FeedError),
        (msgpack.packb([{"T": "error", "code": 500, "msg": "no"}]), ConnectionError),
    ],
)
def test_of_frames_that_come_together_those_before_a_wrong_one_are_taken(
    wrong: bytes, error: type[Exception]
) -> None:
    socket = Pushing(
        [msgpack.packb([1, 2]), msgpack.packb([3]), wrong, msgpack.packb([4])]
    )
    connection = object.__new__(StreamConnection)
    connection._early = []
    connection._stream = SimpleNamespace(_ws=socket)
    taken: list[list[Any]] = []
    with pytest.raises(error):
        asyncio.run(connection.read_into(taken.append))
    assert taken == [[1, 2, 3]]
    assert socket.wants_more is False
