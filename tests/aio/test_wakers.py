"""Who is woken: one call per event loop and epoch, none when nobody waits, and never one too few."""

from __future__ import annotations

import asyncio
import gc
import logging
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING, TypeVarTuple, Unpack

import pytest

from tapeloom import BarData
from tapeloom.session_data.aio import AsyncSessionData
from tapeloom.session_data.wake import Wakers
from tests.aio.tape import DAY, Watched, new_session
from tests.reference.schedule import MINUTE

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Context

Ts = TypeVarTuple("Ts")


class CountingLoop(asyncio.SelectorEventLoop):
    """An event loop that counts how often other threads called it."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def call_soon_threadsafe(
        self,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.Handle:
        self.calls += 1
        return super().call_soon_threadsafe(callback, *args, context=context)


def add(session: Watched, minute: int) -> None:
    ts = DAY.open + minute * MINUTE
    session.add_bar("AAA", BarData("AAA", ts, 10, 11, 9, 10, 100))


async def tasks_that_wait(
    aio: AsyncSessionData, number: int
) -> list[asyncio.Task[BarData]]:
    tasks = [asyncio.create_task(aio.wait_for_bar("AAA")) for _ in range(number)]
    await asyncio.sleep(0)
    return tasks


@pytest.fixture
def session() -> Watched:
    return new_session()


def test_a_loop_is_called_once_per_epoch_for_all_its_tasks(session: Watched) -> None:
    aio = AsyncSessionData(session)

    async def main() -> int:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, CountingLoop)
        before = session.epoch
        for minute in range(10):
            tasks = await tasks_that_wait(aio, 50)
            add(session, minute)
            await asyncio.gather(*tasks)
        assert session.epoch - before == 10
        return loop.calls

    with asyncio.Runner(loop_factory=CountingLoop) as runner:
        assert runner.run(main()) == 10


def test_epochs_that_come_before_the_loop_looks_are_one_call(session: Watched) -> None:
    aio = AsyncSessionData(session)

    async def main() -> int:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, CountingLoop)
        tasks = await tasks_that_wait(aio, 50)
        for minute in range(100):
            add(session, minute)
        await asyncio.gather(*tasks)
        return loop.calls

    with asyncio.Runner(loop_factory=CountingLoop) as runner:
        assert runner.run(main()) == 1


def test_each_of_several_loops_is_called_once_per_epoch(session: Watched) -> None:
    ready = Barrier(4)

    async def main() -> int:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, CountingLoop)
        tasks = await tasks_that_wait(AsyncSessionData(session), 20)
        ready.wait(60)
        await asyncio.gather(*tasks)
        return loop.calls

    def run() -> int:
        with asyncio.Runner(loop_factory=CountingLoop) as runner:
            return runner.run(main())

    with ThreadPoolExecutor(3) as pool:
        loops = [pool.submit(run) for _ in range(3)]
        ready.wait(60)
        add(session, 0)
        assert [loop.result(60) for loop in loops] == [1, 1, 1]
    assert session.wakers[-1] is None


def test_the_store_is_asked_to_call_only_while_somebody_waits(session: Watched) -> None:
    aio = AsyncSessionData(session)

    async def main() -> None:
        stream = aio.stream("AAA")
        add(session, 0)
        # What is there already is read without waiting.
        await anext(stream)
        assert session.wakers == []
        tasks = await tasks_that_wait(aio, 3)
        assert len(session.wakers) == 1
        add(session, 1)
        await asyncio.gather(*tasks)
        assert session.wakers[1:] == [None]
        add(session, 2)
        assert len(session.wakers) == 2

    asyncio.run(main())


def test_tasks_that_wait_for_another_series_go_on_waiting(session: Watched) -> None:
    aio = AsyncSessionData(session)

    async def main() -> None:
        other = asyncio.create_task(aio.wait_for_bar("BBB"))
        (task,) = await tasks_that_wait(aio, 1)
        add(session, 0)
        await task
        assert not other.done()
        assert len(Wakers.of(session)) == 1
        other.cancel()
        await asyncio.gather(other, return_exceptions=True)
        assert len(Wakers.of(session)) == 0

    asyncio.run(main())


def test_an_epoch_that_comes_out_just_before_a_task_is_added_is_seen() -> None:
    class Hasty(Watched):
        def _set_waker(self, waker: Callable[[], object] | None) -> None:
            if waker is not None:
                add(self, 0)
            super()._set_waker(waker)

    session = Hasty()
    session.register_symbol("AAA")

    async def main() -> None:
        async with asyncio.timeout(60):
            await AsyncSessionData(session).wait_for_bar("AAA")

    asyncio.run(main())


def test_an_epoch_that_comes_out_just_after_a_look_wakes(session: Watched) -> None:
    looks: list[int] = []

    def is_due() -> bool:
        looks.append(session.get_bar_count("AAA"))
        # After the look of the task that begins to wait, and after the one that its event loop takes for it.
        if len(looks) in (2, 3):
            add(session, len(looks))
        return looks[-1] > 1

    async def main() -> None:
        async with asyncio.timeout(60):
            await Wakers.of(session).wait(is_due)

    asyncio.run(main())
    assert looks == [0, 0, 1, 2]


def test_a_loop_that_was_closed_with_waiting_tasks_is_dropped_at_the_next_epoch(
    session: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    aio = AsyncSessionData(session)
    loop = asyncio.new_event_loop()
    tasks = loop.run_until_complete(tasks_that_wait(aio, 2))
    # Rung and never looked.
    add(session, 0)
    loop.close()
    assert len(Wakers.of(session)) == 2
    add(session, 1)
    assert len(Wakers.of(session)) == 0
    assert session.wakers[-1] is None
    with caplog.at_level(logging.CRITICAL, "asyncio"):
        # asyncio complains of the tasks that nobody will ever run.
        del tasks
        gc.collect()
    add(session, 2)
    assert session.get_bar_count("AAA") == 3


def test_all_views_of_a_session_share_its_wakers(session: Watched) -> None:
    first, second = AsyncSessionData(session), AsyncSessionData(session)

    async def main() -> None:
        tasks = [
            *await tasks_that_wait(first, 2),
            *await tasks_that_wait(second, 2),
        ]
        assert len(Wakers.of(session)) == 4
        add(session, 0)
        await asyncio.gather(*tasks)

    asyncio.run(main())
