"""A client of the server that does not read is let go; the market does not wait for it."""

from __future__ import annotations

import asyncio

from tapeloom.live.server.stream_session import StreamSession


class Connection:
    """A socket that nobody reads from."""

    def __init__(self) -> None:
        self.aborted = 0
        self.transport = self

    def abort(self) -> None:
        self.aborted += 1


async def _flooded(frames: int) -> tuple[Connection, StreamSession]:
    connection = Connection()
    session = StreamSession(
        connection,
        packed=False,
        accepts=lambda key, secret: True,
        refuses=lambda what: False,
        changed=lambda: None,
    )
    session.is_subscribed = True
    for _ in range(frames):
        session.put_frame("[]")
    return connection, session


def test_a_client_may_be_4096_frames_behind() -> None:
    connection, session = asyncio.run(_flooded(4_096))
    assert (connection.aborted, session.is_subscribed) == (0, True)


def test_a_client_that_is_further_behind_is_let_go() -> None:
    connection, session = asyncio.run(_flooded(4_097))
    assert (connection.aborted, session.is_subscribed) == (1, False)
