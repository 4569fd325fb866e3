"""Streams of bars and waits for one: where they begin, what they hand out, how they end."""

from __future__ import annotations

import asyncio
from datetime import date
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tapeloom import BarData, Provenance, SessionData
from tapeloom.errors import (
    ArgumentError,
    ArgumentTypeError,
    IntervalError,
    StateError,
    SymbolError,
    UnknownSeriesError,
    UnknownSymbolError,
)
from tapeloom.session_data.aio import AsyncSessionData
from tapeloom.session_data.wake import Wakers
from tests.aio.tape import DAY, SERIES, morning, new_session, play, row_of, told
from tests.reference.schedule import MINUTE

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from tapeloom._core import Cursor
    from tapeloom.intervals import IntervalLike
    from tapeloom.session_data.aio import BarStream

NEXT_DAY = date(2025, 7, 3)
EARLIER_DAY = date(2025, 7, 1)


def bar(minute: int, close: float = 10.5, *, start: int = DAY.open) -> BarData:
    return BarData("AAA", start + minute * MINUTE, 10, 20, 9, close, 100)


def add(session: SessionData, *minutes: int, close: float = 10.5) -> None:
    for minute in minutes:
        session.add_bar("AAA", bar(minute, close))


def minutes_of(bars: list[BarData]) -> list[int]:
    return [(found.ts - DAY.open) // MINUTE for found in bars]


def run(coroutine: Coroutine[Any, Any, object]) -> None:
    asyncio.run(coroutine)


async def some(stream: BarStream, n: int) -> list[BarData]:
    return [await anext(stream) for _ in range(n)]


async def rest(stream: BarStream) -> list[BarData]:
    return [found async for found in stream]


async def settle(aio: AsyncSessionData, waiting: int) -> None:
    """Let the other tasks run until so many wait."""
    while len(Wakers.of(aio._session_data)) != waiting:
        await asyncio.sleep(0)


@pytest.fixture
def session() -> SessionData:
    return new_session()


@pytest.fixture
def aio(session: SessionData) -> AsyncSessionData:
    return AsyncSessionData(session)


def test_a_stream_begins_behind_what_is_known_when_it_is_made(
    session: SessionData, aio: AsyncSessionData
) -> None:
    add(session, 0, 1)
    stream = aio.stream("aaa ", 1)
    add(session, 2, 3)
    assert minutes_of(asyncio.run(some(stream, 2))) == [2, 3]


def test_a_bar_that_comes_while_a_stream_is_made_lies_before_it() -> None:
    class Hasty(SessionData):
        def _cursor(self, symbol: str, interval: IntervalLike) -> Cursor:
            cursor = super()._cursor(symbol, interval)
            if not self.get_bar_count("AAA"):
                add(self, 0)
            return cursor

    session = Hasty()
    session.register_symbol("AAA")
    stream = AsyncSessionData(session).stream("AAA", updates=False)
    add(session, 1)
    assert minutes_of(asyncio.run(some(stream, 1))) == [1]


def test_a_stream_of_a_derived_series_hands_out_its_bars(
    session: SessionData, aio: AsyncSessionData
) -> None:
    stream = aio.stream("AAA", "5m")
    add(session, *range(7))
    session.end_session()
    assert minutes_of(asyncio.run(rest(stream))) == [0, 5]


def test_late_and_corrected_bars_are_handed_out_with_their_flags(
    session: SessionData, aio: AsyncSessionData
) -> None:
    add(session, 0)

    async def main() -> None:
        stream = aio.stream("AAA")
        add(session, 3)
        assert minutes_of(await some(stream, 1)) == [3]
        add(session, 1)
        (late,) = await some(stream, 1)
        add(session, 0, close=11)
        (corrected,) = await some(stream, 1)
        assert Provenance.LATE in Provenance(late.flags)
        assert Provenance.CORRECTED in Provenance(corrected.flags)
        assert (corrected.ts, corrected.close) == (DAY.open, 11)

    run(main())


def test_without_updates_late_and_corrected_bars_are_passed_over(
    session: SessionData, aio: AsyncSessionData
) -> None:
    add(session, 0, 2)

    async def main() -> None:
        stream = aio.stream("AAA", updates=False)
        add(session, 1)
        add(session, 2, close=12)
        add(session, 3, 5)
        assert minutes_of(await some(stream, 2)) == [3, 5]
        add(session, 4)
        add(session, 5, close=13)
        add(session, 6)
        assert minutes_of(await some(stream, 1)) == [6]

    run(main())


def test_a_bar_that_changes_before_it_is_read_comes_once_with_its_newest_values(
    session: SessionData, aio: AsyncSessionData
) -> None:
    stream = aio.stream("AAA", updates=False)
    add(session, 0)
    add(session, 0, close=12)
    session.end_session()
    (only,) = asyncio.run(rest(stream))
    assert only.close == 12


def test_a_slow_reader_gets_the_whole_session_after_the_next_one_has_begun(
    session: SessionData, aio: AsyncSessionData
) -> None:
    stream = aio.stream("AAA")
    add(session, *range(300))
    session.end_session()
    session.start_new_session(NEXT_DAY)
    session.add_bar("AAA", bar(0, start=DAY.open + 24 * 60 * MINUTE))
    session.clear_all()
    assert minutes_of(asyncio.run(rest(stream))) == list(range(300))


@pytest.mark.parametrize(
    "end",
    [
        SessionData.end_session,
        SessionData.clear_session_bars,
        SessionData.clear_all,
        lambda session: session.remove_symbol("AAA"),
        lambda session: session.start_new_session(NEXT_DAY),
        lambda session: session.start_new_session(NEXT_DAY, roll=True),
    ],
    ids=["end", "clear session", "clear all", "remove", "next session", "roll"],
)
def test_a_stream_ends_and_a_wait_is_a_state_error_when_the_session_ends(
    session: SessionData, aio: AsyncSessionData, end: Any
) -> None:
    async def main() -> None:
        reading = asyncio.create_task(rest(aio.stream("AAA")))
        waiting = asyncio.create_task(aio.wait_for_bar("AAA", "5m"))
        await settle(aio, 2)
        add(session, 0)
        end(session)
        assert minutes_of(await reading) == [0]
        # Where its bars are kept, the end of a session brings the 5m bar that was forming.
        handle = session.get_symbol_data("AAA")
        if handle is not None and handle.get_bar_count("5m", scope="all"):
            assert minutes_of([await waiting]) == [0]
        else:
            with pytest.raises(StateError, match="the session ended and no bar came"):
                await waiting

    run(main())


def test_an_ended_stream_stays_ended(
    session: SessionData, aio: AsyncSessionData
) -> None:
    stream = aio.stream("AAA")
    session.end_session()

    async def main() -> None:
        for _ in range(2):
            with pytest.raises(StopAsyncIteration):
                await anext(stream)

    run(main())


@pytest.mark.parametrize("day", [NEXT_DAY, EARLIER_DAY])
def test_a_stream_made_after_the_end_follows_the_next_session(
    session: SessionData, aio: AsyncSessionData, day: date
) -> None:
    add(session, 5)
    session.end_session()
    stream = aio.stream("AAA", updates=False)
    session.start_new_session(day)
    start = DAY.open + (day - DAY.date).days * 24 * 60 * MINUTE
    session.add_bar("AAA", bar(0, start=start))
    session.end_session()
    assert [found.ts for found in asyncio.run(rest(stream))] == [start]


def test_a_wait_after_the_end_is_a_state_error_at_once(
    session: SessionData, aio: AsyncSessionData
) -> None:
    session.end_session()
    with pytest.raises(StateError, match="wait again when the next one is running"):
        _ = aio.wait_for_bar("AAA")


def test_a_wait_returns_the_first_bar_after_the_call_even_if_it_is_awaited_later(
    session: SessionData, aio: AsyncSessionData
) -> None:
    add(session, 0)
    coming = aio.wait_for_bar("AAA", "1m")
    add(session, 1, 2)
    assert minutes_of([asyncio.run(coming)]) == [1]


def test_a_wait_passes_over_late_and_corrected_bars(
    session: SessionData, aio: AsyncSessionData
) -> None:
    add(session, 0, 5)

    async def main() -> None:
        waiting = asyncio.create_task(aio.wait_for_bar("AAA", timeout=60))
        for close, minute in ((1, 3), (11, 5), (1, 6)):
            await settle(aio, 1)
            add(session, minute, close=10 + close / 10)
        assert minutes_of([await waiting]) == [6]

    run(main())


def test_a_wait_without_a_bar_times_out_and_leaves_no_trace(
    aio: AsyncSessionData,
) -> None:
    async def main() -> None:
        for timeout in (0, 0.001):
            with pytest.raises(TimeoutError):
                await aio.wait_for_bar("AAA", "1m", timeout=timeout)
        assert len(Wakers.of(aio._session_data)) == 0

    run(main())


def test_a_read_that_is_cancelled_at_any_point_loses_nothing() -> None:
    steps = morning(seed=20, minutes=40)
    session, rng = new_session(), Random(20)
    aio = AsyncSessionData(session)
    streams = {series: aio.stream(*series) for series in SERIES}
    found: dict[tuple[str, str], list[Any]] = {series: [] for series in SERIES}

    async def look(series: tuple[str, str]) -> None:
        """Begin to read, and give it up after a while."""
        reading = asyncio.ensure_future(anext(streams[series]))
        for _ in range(rng.randrange(4)):
            await asyncio.sleep(0)
        reading.cancel()
        (result,) = await asyncio.gather(reading, return_exceptions=True)
        if isinstance(result, BarData):
            found[series].append(row_of(result))

    async def main() -> None:
        for step, news in zip(steps, told(steps)[:-1], strict=True):
            looking = [asyncio.create_task(look(s)) for s in rng.choices(SERIES, k=9)]
            await asyncio.sleep(0)
            play(session, step)
            await asyncio.gather(*looking)
            # Everybody reads up to here, so that what comes next is told apart.
            for series in SERIES:
                expected[series] += news[series]
                missing = len(expected[series]) - len(found[series])
                bars = await some(streams[series], missing)
                found[series] += [row_of(b) for b in bars]

    expected: dict[tuple[str, str], list[Any]] = {series: [] for series in SERIES}
    run(main())
    assert found == expected
    assert len(Wakers.of(session)) == 0


def test_closing_a_stream_ends_a_read_that_waits(aio: AsyncSessionData) -> None:
    async def main() -> None:
        async with aio.stream("AAA") as stream:
            reading = asyncio.create_task(rest(stream))
            await settle(aio, 1)
        assert await reading == []
        assert len(Wakers.of(aio._session_data)) == 0

    run(main())


def test_a_closed_stream_drops_what_was_not_read(
    session: SessionData, aio: AsyncSessionData
) -> None:
    async def main() -> None:
        stream = aio.stream("AAA")
        add(session, 0, 1, 2)
        assert minutes_of(await some(stream, 1)) == [0]
        await stream.aclose()
        assert await rest(stream) == []

    run(main())


def test_a_reader_with_much_to_read_leaves_the_loop_to_others(
    session: SessionData, aio: AsyncSessionData
) -> None:
    async def main() -> None:
        turns: list[int] = []

        async def other() -> None:
            while True:
                turns.append(len(turns))
                await asyncio.sleep(0)

        running = asyncio.create_task(other())
        stream = aio.stream("AAA")
        for minute in range(5):
            # Each read finds a bar that is there already.
            add(session, minute)
            await anext(stream)
        running.cancel()
        assert len(turns) >= 5

    run(main())


def test_two_tasks_that_share_a_stream_get_each_bar_once(
    session: SessionData, aio: AsyncSessionData
) -> None:
    async def main() -> None:
        stream = aio.stream("AAA")
        reading = [asyncio.create_task(rest(stream)) for _ in range(2)]
        await settle(aio, 2)
        for minutes in (range(9), range(9, 20)):
            add(session, *minutes)
            await asyncio.sleep(0)
        session.end_session()
        bars = [bar for part in await asyncio.gather(*reading) for bar in part]
        assert sorted(minutes_of(bars)) == list(range(20))

    run(main())


def test_a_series_that_nobody_keeps_cannot_be_followed(aio: AsyncSessionData) -> None:
    for call in (aio.stream, aio.wait_for_bar):
        with pytest.raises(UnknownSymbolError, match="AAAA is not kept; did you mean"):
            call("AAAA")
        with pytest.raises(UnknownSeriesError, match="AAA has no 15m bars; kept: 1m"):
            call("AAA", "15m")
        with pytest.raises(SymbolError):
            call(" ")
        with pytest.raises(IntervalError):
            call("AAA", "5 minutes")


@pytest.mark.parametrize(
    ("timeout", "kind", "text"),
    [
        (-1, ArgumentError, "timeout is -1; it must be 0 or more seconds"),
        (float("nan"), ArgumentError, "timeout is nan; it must be 0 or more"),
        ("5", ArgumentTypeError, r"timeout is '5' \(str\); give seconds such as 2.5"),
        (True, ArgumentTypeError, "timeout is True"),
        (10**400, ArgumentError, "timeout is too large for a number of seconds"),
    ],
)
def test_a_timeout_that_is_no_number_of_seconds_is_refused(
    aio: AsyncSessionData, timeout: Any, kind: type[ArgumentError], text: str
) -> None:
    with pytest.raises(kind, match=text):
        _ = aio.wait_for_bar("AAA", timeout=timeout)
    assert len(Wakers.of(aio._session_data)) == 0


def test_a_bar_that_is_there_is_returned_whatever_the_timeout(
    session: SessionData, aio: AsyncSessionData
) -> None:
    async def main() -> None:
        for minute in (0, 2):
            coming = aio.wait_for_bar("AAA", timeout=0)
            add(session, 0, close=11.0 + minute)
            add(session, minute)
            assert minutes_of([await coming]) == [minute]
        # A late one is none that it waits for.
        coming = aio.wait_for_bar("AAA", timeout=0)
        add(session, 1)
        with pytest.raises(TimeoutError):
            await coming

    run(main())


@pytest.mark.parametrize("timeout", [np.int64(5), np.float32(0.5), 2**60])
def test_every_number_of_seconds_is_a_timeout(
    timeout: Any, session: SessionData, aio: AsyncSessionData
) -> None:
    async def main() -> None:
        coming = aio.wait_for_bar("AAA", timeout=timeout)
        add(session, 0)
        assert minutes_of([await coming]) == [0]

    run(main())


def test_updates_are_wanted_or_not(aio: AsyncSessionData) -> None:
    with pytest.raises(ArgumentTypeError, match=r"updates is 'no' \(str\)"):
        aio.stream("AAA", updates="no")  # type: ignore[arg-type]
