"""``bar_server.py`` as a process of its own, how long its bars are on their way, and the vendor's client alone on them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "OPEN",
    "PATIENCE",
    "BareSyncs",
    "Seen",
    "ServedBars",
    "ways_to_the_client",
]

# 2025-07-02, 09:30 in New York.
OPEN = 1_751_463_000_000_000_000
PATIENCE = 120.0
_SERVER = Path(__file__).with_name("bar_server.py")


class Seen:
    """Number and instant, ns of the monotonic clock, of each bar that was seen.

    Not as pairs: the collector of garbage would count them, and look through all that the program has for their sake.
    """

    def __init__(self) -> None:
        self.numbers: list[float] = []
        self.instants: list[int] = []

    def __len__(self) -> int:
        return len(self.instants)

    def note(self, number: float, instant: int) -> None:
        self.numbers.append(number)
        self.instants.append(instant)


class ServedBars:
    """The server, from its start on; see there for what is asked of it."""

    def __init__(self, symbols: int, minutes: int, rate: float, frame: int) -> None:
        self._frame = frame
        self.bars = symbols * minutes
        self.names = [f"S{number:05}" for number in range(symbols)]
        asked = [str(each) for each in (symbols, minutes, OPEN, rate, frame)]
        self._process = subprocess.Popen(
            [sys.executable, str(_SERVER), *asked],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.url = f"ws://127.0.0.1:{self._line()}"

    def wait_until_subscribed(self) -> None:
        assert self._line() == "go"

    def begin(self) -> None:
        """Let the bars come."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def ways(self, seen: Seen) -> NDArray[np.float64]:
        """Return how long bars were on their way, seconds."""
        sent = np.array(self._line().split(), dtype=np.int64)
        numbers = np.array(seen.numbers, dtype=np.int64)
        arrived = np.array(seen.instants, dtype=np.int64)
        found: NDArray[np.float64] = (arrived - sent[numbers // self._frame]) / 1e9
        return found

    def close(self) -> None:
        self._process.kill()
        # Closes its pipes too.
        self._process.communicate()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


class BareSyncs:
    """Writes and syncs, one after another, in a thread: what a disk takes, and getting to run again, without any journal.

    The file has its length beforehand, and nothing else of it changes.

    Parameters
    ----------
    path
        A file to make, on the disk that is meant.
    size
        Bytes of each write.
    pace
        Seconds from the begin of one to that of the next, where the disk is as fast.
    """

    def __init__(self, path: Path, size: int, pace: float) -> None:
        self._size, self._pace = size, pace
        self._file = os.open(path, os.O_RDWR | os.O_CREAT)
        self._length = 1_000 * size
        os.pwrite(self._file, bytes(self._length), 0)
        os.fsync(self._file)
        #: Seconds of each.
        self.times: list[float] = []
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> BareSyncs:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()
        os.close(self._file)

    def _run(self) -> None:
        content, at = os.urandom(self._size), 0
        left = 0.0
        while not self._is_over.wait(max(0.0, left)):
            began = time.perf_counter()
            os.pwrite(self._file, content, at)
            os.fdatasync(self._file)
            self.times.append(time.perf_counter() - began)
            left = self._pace - self.times[-1]
            at = (at + self._size) % self._length


def ways_to_the_client(symbols: int, rate: float, frame: int) -> NDArray[np.float64]:
    """Return how long the bars of a minute take to a handler of the vendor's client that does nothing but note the time."""
    from alpaca.data.live.stock import StockDataStream

    served = ServedBars(symbols, 1, rate, frame)
    seen = Seen()
    done = threading.Event()

    async def note(bar: Any) -> None:
        seen.note(bar.volume, time.monotonic_ns())
        if len(seen) == served.bars:
            done.set()

    stream = StockDataStream("key", "secret", url_override=served.url)
    stream.subscribe_bars(note, *served.names)
    thread = threading.Thread(target=stream.run)
    thread.start()
    try:
        served.wait_until_subscribed()
        time.sleep(0.1)
        served.begin()
        assert done.wait(PATIENCE)
        return served.ways(seen)
    finally:
        stream.stop()
        served.close()
        thread.join()
