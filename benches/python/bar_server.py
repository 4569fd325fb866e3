"""A process that pushes minute bars in the vendor's protocol at a rate; the volume of each is its number, 0 first.

Run as ``python bar_server.py SYMBOLS MINUTES OPEN RATE FRAME``: the instant of the open in ns, bars a second, bars a frame. It
prints its port, then ``go`` when a client has subscribed, and goes on when it reads a line. At the end it prints when the
socket got each frame, in ns of the monotonic clock: what a vendor's server does before is no part of the way.

Frames are compressed, as the vendor's are. They go out evenly: 5,000 a second are one every 200 us.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from typing import Any

import msgpack
import websockets
from websockets.frames import Frame, Opcode

MINUTE = 60_000_000_000


def stamp(ns: int) -> msgpack.Timestamp:
    return msgpack.Timestamp(ns // 10**9, ns % 10**9)


async def wait_until(instant: float) -> None:
    """Wait for an instant of the monotonic clock. The event loop rounds up to milliseconds, and would send in bursts."""
    while (left := instant - time.monotonic()) > 0:
        if left > 0.002:
            await asyncio.sleep(left - 0.002)
        else:
            time.sleep(max(0.0, left - 0.00005))
    # Whoever else has something to do, such as answering to a ping.
    await asyncio.sleep(0)


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
    # The client's rubbish is not ours, but ours would show in its times.
    gc.freeze()
    times: list[int] = []
    began, sent = time.monotonic(), 0
    prices = {"o": 10.0, "h": 11.0, "l": 9.0, "c": 10.5, "n": 5, "vw": 10.2}
    for minute in range(minutes):
        start = stamp(opened + minute * MINUTE)
        for first in range(0, len(names), frame):
            await wait_until(began + sent / rate)
            part = names[first : first + frame]
            bars = [
                {"T": "b", "S": name, "t": start, "v": sent + at, **prices}
                for at, name in enumerate(part)
            ]
            frame_bytes = Frame(Opcode.BINARY, msgpack.packb(bars)).serialize(
                mask=False, extensions=socket.protocol.extensions
            )
            times.append(time.monotonic_ns())
            socket.transport.write(frame_bytes)
            sent += len(part)
    print(" ".join(map(str, times)), flush=True)
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
