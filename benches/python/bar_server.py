"""A process that pushes minute bars in the vendor's protocol at a rate; each says in its volume when it was sent.

Run as ``python bar_server.py SYMBOLS MINUTES OPEN RATE FRAME``: the instant of the open in ns, bars a second, bars a frame. It
prints its port, then ``go`` when a client has subscribed, and goes on when it reads a line.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

import msgpack
import websockets

MINUTE = 60_000_000_000


def stamp(ns: int) -> msgpack.Timestamp:
    return msgpack.Timestamp(ns // 10**9, ns % 10**9)


async def push(
    socket: Any, names: list[str], minutes: int, opened: int, rate: float, frame: int
) -> None:
    async def send(messages: list[dict[str, object]]) -> None:
        await socket.send(msgpack.packb(messages))

    await send([{"T": "success", "msg": "connected"}])
    await socket.recv()
    await send([{"T": "success", "msg": "authenticated"}])
    await socket.recv()
    await send([{"T": "subscription", "bars": names}])
    print("go", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    began, sent = time.monotonic(), 0
    prices = {"o": 10.0, "h": 11.0, "l": 9.0, "c": 10.5, "n": 5, "vw": 10.2}
    for minute in range(minutes):
        start = stamp(opened + minute * MINUTE)
        for first in range(0, len(names), frame):
            left = began + sent / rate - time.monotonic()
            if left > 0.0005:
                await asyncio.sleep(left)
            part = names[first : first + frame]
            now = time.monotonic_ns() // 1_000
            await send(
                [{"T": "b", "S": n, "t": start, "v": now, **prices} for n in part]
            )
            sent += len(part)
    await asyncio.Future()


async def main(
    symbols: int, minutes: int, opened: int, rate: float, frame: int
) -> None:
    names = [f"S{n:05}" for n in range(symbols)]

    async def handler(socket: Any) -> None:
        await push(socket, names, minutes, opened, rate, frame)

    async with websockets.serve(handler, "127.0.0.1", 0, max_size=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.Future()


if __name__ == "__main__":
    _, *given = sys.argv
    asyncio.run(
        main(
            int(given[0]), int(given[1]), int(given[2]), float(given[3]), int(given[4])
        )
    )
