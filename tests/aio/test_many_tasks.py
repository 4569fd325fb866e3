"""A thousand tasks follow a few series while other threads write: each is told what the oracle says."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from random import Random
from threading import Barrier, Semaphore
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tapeloom.errors import StateError
from tapeloom.session_data.aio import AsyncSessionData
from tapeloom.session_data.wake import Wakers
from tests.aio.tape import SERIES, morning, new_session, play, row_of, told
from tests.reference.news import Row, is_true_tale, newer_in_steps, records

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from tapeloom import BarData, SessionData
    from tapeloom.session_data.aio import BarStream
    from tests.aio.tape import Series, Step
    from tests.reference.news import News

TASKS = 1_000
MINUTES = 40
#: Seconds after which a test is lost; nothing waits so long.
LOST = 100


class Follower(NamedTuple):
    """What a task follows, how, and what it was told."""

    series: Series
    way: str
    rows: list[Row]

    def should_hear(self, steps: list[dict[Series, News]]) -> list[list[Row]]:
        """What is heard of each step."""
        told = [step[self.series] for step in steps]
        if self.way == "all":
            return told
        newer = newer_in_steps(told)
        # Who waits anew after each bar gets one of those that come at once.
        return newer if self.way == "new" else [rows[:1] for rows in newer]

    def may_have_heard(self, steps: list[dict[Series, News]]) -> bool:
        """Whether this is what one hears who looks only now and then."""
        news = [step[self.series] for step in steps]
        if self.way == "all":
            return is_true_tale(self.rows, news)
        stamps = [row.bar.ts for row in self.rows]
        had = {row for told in news for row in told}
        is_whole = self.way == "wait" or set(records(news)) <= set(stamps)
        rises = stamps == sorted(set(stamps))
        return is_whole and rises and set(self.rows) <= had


def followers(number: int) -> list[Follower]:
    ways = ("all", "new", "all", "wait")
    return [
        Follower(SERIES[k % len(SERIES)], ways[k // len(SERIES) % len(ways)], [])
        for k in range(number)
    ]


def start(
    aio: AsyncSessionData, follower: Follower, heard: Semaphore
) -> Coroutine[None, None, None]:
    """Follow from here on; the coroutine goes on to the end of the session."""
    if follower.way == "wait":
        coming = aio.wait_for_bar(*follower.series)
        return _wait_again(aio, follower, coming, heard)
    stream = aio.stream(*follower.series, updates=follower.way == "all")
    return _read(stream, follower, heard)


async def _read(stream: BarStream, follower: Follower, heard: Semaphore) -> None:
    async for bar in stream:
        follower.rows.append(row_of(bar))
        heard.release()


async def _wait_again(
    aio: AsyncSessionData,
    follower: Follower,
    coming: Coroutine[Any, Any, BarData],
    heard: Semaphore,
) -> None:
    try:
        while True:
            bar = await coming
            coming = aio.wait_for_bar(*follower.series)
            follower.rows.append(row_of(bar))
            heard.release()
    except StateError:
        return


def write_in_step(
    session: SessionData, steps: list[Step], heard: Semaphore, counts: list[int]
) -> None:
    """Write each step when everybody has heard of the one before."""
    try:
        for step, count in zip(steps, counts, strict=True):
            play(session, step)
            for _ in range(count):
                assert heard.acquire(timeout=LOST)
    finally:
        session.end_session()


def write_ahead(
    session: SessionData, steps: list[Step], heard: Semaphore, seed: int
) -> None:
    """Write, and look round now and then until somebody has heard something."""
    rng = Random(seed)
    try:
        for step in steps:
            play(session, step)
            if rng.random() < 0.5:
                heard.acquire(timeout=1)
    finally:
        session.end_session()


def test_a_thousand_tasks_hear_every_change_in_order() -> None:
    steps = morning(seed=1, minutes=MINUTES)
    expected = told(steps)
    session, heard = new_session(), Semaphore(0)
    aio, tasks = AsyncSessionData(session), followers(TASKS)
    should = [task.should_hear(expected) for task in tasks]
    counts = [sum(len(rows[at]) for rows in should) for at in range(len(steps))]

    async def main() -> None:
        running = [asyncio.create_task(start(aio, task, heard)) for task in tasks]
        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(write_in_step, session, steps, heard, counts)
            await asyncio.gather(*running)
            writing.result()

    asyncio.run(main())
    for task, rows in zip(tasks, should, strict=True):
        assert task.rows == [row for step in rows for row in step]
    assert len(Wakers.of(session)) == 0
    assert session.wakers[-1] is None


def run_ahead(seed: int, tasks: list[Follower], cancelled: int = 0) -> None:
    """Play a morning that waits for nobody in full; cancel some of the tasks on the way."""
    steps, rng = morning(seed, MINUTES), Random(seed)
    session, heard = new_session(), Semaphore(0)
    aio = AsyncSessionData(session)

    async def main() -> None:
        running = [asyncio.create_task(start(aio, task, heard)) for task in tasks]
        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(write_ahead, session, steps, heard, seed)
            for at in rng.sample(range(len(tasks)), cancelled):
                for _ in range(rng.randrange(4)):
                    await asyncio.sleep(0)
                running[at].cancel()
                tasks[at].rows.clear()
                gone.add(at)
            await asyncio.gather(*running, return_exceptions=True)
            writing.result()

    gone: set[int] = set()
    asyncio.run(main())
    expected = told(steps)
    staying = [task for at, task in enumerate(tasks) if at not in gone]
    assert all(task.may_have_heard(expected) for task in staying)
    assert len(Wakers.of(session)) == 0
    assert session.wakers[-1] is None


@pytest.mark.parametrize("seed", range(2, 5))
def test_tasks_that_fall_behind_miss_nothing(seed: int) -> None:
    run_ahead(seed, followers(TASKS))


@pytest.mark.parametrize("seed", range(5, 9))
def test_cancelled_tasks_leave_no_trace_and_take_nothing_from_others(seed: int) -> None:
    run_ahead(seed, followers(TASKS // 2), cancelled=TASKS // 4)


def test_event_loops_of_two_threads_follow_one_session() -> None:
    steps = morning(seed=9, minutes=MINUTES)
    session, heard, ready = new_session(), Semaphore(0), Barrier(3)
    halves = [followers(96), followers(96)]

    async def follow(tasks: list[Follower]) -> None:
        # Each loop has its own; both wake through the same session.
        aio = AsyncSessionData(session)
        running = [asyncio.create_task(start(aio, task, heard)) for task in tasks]
        ready.wait(LOST)
        await asyncio.gather(*running)

    with ThreadPoolExecutor(2) as pool:
        loops = [pool.submit(lambda half: asyncio.run(follow(half)), h) for h in halves]
        ready.wait(LOST)
        write_ahead(session, steps, heard, seed=9)
        for loop in loops:
            loop.result(LOST)
    expected = told(steps)
    assert all(task.may_have_heard(expected) for half in halves for task in half)
    assert len(Wakers.of(session)) == 0
    assert session.wakers[-1] is None
