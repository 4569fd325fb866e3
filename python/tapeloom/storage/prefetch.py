"""Loads the next block in the background while the present one is used. It knows no bars.

A block is what one read brings into memory; the present one and the next are there at a time.
"""

from __future__ import annotations

from threading import Event, Thread
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from tapeloom.errors import StateError
from tapeloom.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

__all__ = ["Prefetch", "blocks_of"]

_Block = TypeVar("_Block")

#: What one read may bring into memory.
MOST_BYTES = 256 * 2**20
#: Sessions a read brings at most, where nobody says how many: enough for a read to be worth its call.
MOST_SESSIONS = 5


def blocks_of(
    session_bytes: list[int], *, prefetch_days: int | None = None
) -> list[range]:
    """Return which sessions each read brings.

    Parameters
    ----------
    session_bytes
        What the bars of each session take, in order.
    prefetch_days
        Sessions of a read; ``None`` means 5, or as many as fit 256 MiB if those are fewer. At least one.

    Returns
    -------
    list of range
        Positions of the sessions of each block, all in order.
    """
    found, first, filled = [], 0, 0
    for at, size in enumerate(session_bytes):
        if prefetch_days is None:
            full = at - first == MOST_SESSIONS or filled + size > MOST_BYTES
        else:
            full = at - first == prefetch_days
        if full and at > first:
            found.append(range(first, at))
            first, filled = at, 0
        filled += size
    if first < len(session_bytes):
        found.append(range(first, len(session_bytes)))
    return found


class Prefetch(Generic[_Block]):
    """Hands out blocks in order and loads each next one meanwhile.

    A thread lives as long as one load takes, so that nothing waits for it when the process ends.

    Parameters
    ----------
    load
        Loads the block of a number; asks the event now and then whether the load is no longer wanted.
    count
        Number of blocks.
    ahead
        Whether to load the next block in the background; without it each is loaded when it is taken.
    """

    def __init__(
        self,
        load: Callable[[int, Event], _Block],
        count: int,
        *,
        ahead: bool = True,
    ) -> None:
        self._load = load
        self._count = count
        self._ahead = ahead
        self._next = 0
        self._cancelled = Event()
        self._running: _Load[_Block] | None = None

    def take(self) -> _Block:
        """Return the next block, as soon as it is there, and begin to load the one after it.

        Raises
        ------
        StateError
            If there is no further block, or this was closed.
        Exception
            What loading the block raised.
        """
        if self._cancelled.is_set() or self._next >= self._count:
            text = "there is no further block: all were taken, or the loading was ended"
            raise StateError(text)
        if self._running is None:
            block = self._load(self._next, self._cancelled)
        else:
            # An interrupt leaves it to the next call, or to who closes this.
            self._running.wait()
            running, self._running = self._running, None
            block = running.result()
        self._next += 1
        if self._ahead and self._next < self._count:
            self._running = _begun(self._load, self._next, self._cancelled)
        return block

    def close(self) -> None:
        """End the loading; the block that is being loaded is dropped. May be called twice."""
        self._cancelled.set()
        running, self._running = self._running, None
        if running is not None:
            running.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        # Nobody waits for a block that nobody can take.
        self._cancelled.set()


class _Load(Generic[_Block]):
    """One load in a thread of its own."""

    def __init__(
        self, load: Callable[[int, Event], _Block], number: int, cancelled: Event
    ) -> None:
        self._found: list[_Block] = []
        self._error: BaseException | None = None
        self._done = Event()

        def run() -> None:
            try:
                self._found.append(load(number, cancelled))
            except BaseException as error:
                self._error = error
            finally:
                self._done.set()

        self._thread = Thread(target=run, name="tapeloom-prefetch")
        self._thread.start()

    def wait(self) -> None:
        # A join that is interrupted takes the thread for ended, and the next one would not wait for it.
        wait_for(self._done.wait)
        self._thread.join()

    def result(self) -> _Block:
        if self._error is not None:
            raise self._error
        return self._found.pop()


def _begun(
    load: Callable[[int, Event], _Block], number: int, cancelled: Event
) -> _Load[_Block] | None:
    try:
        return _Load(load, number, cancelled)
    except RuntimeError:
        # The system has no thread to give: the block is loaded when it is taken.
        return None
