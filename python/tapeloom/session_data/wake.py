"""Wakes the tasks that wait for a store, once per event loop and epoch. It knows nothing of bars."""

from __future__ import annotations

import asyncio
from threading import Lock, RLock
from typing import TYPE_CHECKING
from weakref import WeakMethod

if TYPE_CHECKING:
    from collections.abc import Callable

    from tapeloom._core import Store

__all__ = ["Wakers"]


class Wakers:
    """The tasks that wait for one store, on any number of event loops.

    The store calls :meth:`wake` only while somebody waits, so a write that nobody waits for costs nothing.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._bells: dict[asyncio.AbstractEventLoop, _Bell] = {}
        self._is_set = False
        # Taken again where the collector closes a forgotten coroutine in the middle of what is done under it.
        self._lock = RLock()

    @classmethod
    def of(cls, store: Store) -> Wakers:
        """Return the wakers of a store, the same ones to every caller: a store calls only one."""
        # One step, whatever threads come at once.
        wakers: Wakers = vars(store).setdefault("_wakers", cls(store))
        return wakers

    def __len__(self) -> int:
        """Return how many tasks wait."""
        return sum(len(bell.waiters) for bell in list(self._bells.values()))

    async def wait(self, is_due: Callable[[], bool]) -> None:
        """Return when a condition holds. It is looked at now and after each epoch, on the event loop of the task.

        The task is suspended at least once, so that one with much to read leaves the loop to others now and then.
        """
        if not is_due():
            loop = asyncio.get_running_loop()
            waiter = _Waiter(is_due, loop.create_future())
            self._add(loop, waiter)
            try:
                # After it was added: an epoch before that is seen here, one after that wakes.
                if not is_due():
                    await waiter.woken
                    return
            finally:
                self._remove(loop, waiter)
        await asyncio.sleep(0)

    def wake(self) -> None:
        """Let every event loop look at what its tasks wait for. Callable from any thread; waits for none."""
        for bell in list(self._bells.values()):
            if not bell.ring():
                self._forget(bell)

    def _add(self, loop: asyncio.AbstractEventLoop, waiter: _Waiter) -> None:
        with self._lock:
            bell = self._bells.get(loop) or _Bell(loop)
            bell.waiters[waiter] = None
            self._bells[loop] = bell
            if not self._is_set:
                self._is_set = True
                # Weakly: the store would keep itself alive through what it calls.
                wake = WeakMethod(self.wake)
                self._store._set_waker(lambda: _call(wake))

    def _remove(self, loop: asyncio.AbstractEventLoop, waiter: _Waiter) -> None:
        with self._lock:
            bell = self._bells.get(loop)
            if bell is None:
                return
            bell.waiters.pop(waiter, None)
            if not bell.waiters:
                self._forget(bell)

    def _forget(self, bell: _Bell) -> None:
        with self._lock:
            self._bells.pop(bell.loop, None)
            if self._is_set and not self._bells:
                self._is_set = False
                self._store._set_waker(None)


class _Waiter:
    """A task that waits for a condition."""

    __slots__ = ("is_due", "woken")

    def __init__(self, is_due: Callable[[], bool], woken: asyncio.Future[None]) -> None:
        self.is_due = is_due
        self.woken = woken


class _Bell:
    """One event loop with the tasks that wait on it."""

    __slots__ = ("_is_rung", "loop", "waiters")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        # A dict, so that tasks go on in the order in which they began to wait.
        self.waiters: dict[_Waiter, None] = {}
        # Nobody ever waits for this lock: taking it asks and answers in one step whether the loop was told already.
        self._is_rung = Lock()

    def ring(self) -> bool:
        """Tell the loop to look, once until it has; ``False`` if it is closed."""
        if self.loop.is_closed():
            return False
        if self._is_rung.acquire(blocking=False):
            try:
                self.loop.call_soon_threadsafe(self._look)
            except RuntimeError:
                # Closed in between.
                return False
            except BaseException:
                # An interrupt: the loop may not have been told, so the next epoch tells it.
                self._fall_silent()
                raise
        return True

    def _fall_silent(self) -> None:
        # Rung or not: after an interrupt nobody knows.
        self._is_rung.acquire(blocking=False)
        self._is_rung.release()

    def _look(self) -> None:
        # Before looking: what comes out from here on rings again.
        self._fall_silent()
        for waiter in list(self.waiters):
            if not waiter.woken.done() and waiter.is_due():
                waiter.woken.set_result(None)


def _call(wake: WeakMethod[Callable[[], None]]) -> None:
    call = wake()
    if call is not None:
        call()
