"""The methods of a session as coroutines."""

from __future__ import annotations

import asyncio
import inspect
import subprocess
import sys
from typing import Any

import pytest

from tapeloom import BarData, SessionData
from tapeloom.errors import ArgumentError
from tapeloom.session_data.aio import AsyncSessionData
from tests.aio.tape import DAY, morning, new_session, play

METHODS = sorted(
    name
    for name in dir(SessionData)
    if not name.startswith("_") and callable(getattr(SessionData, name))
)


def test_every_public_method_of_a_session_is_there_and_nothing_else() -> None:
    own = {"stream", "wait_for_bar"}
    there = {name for name in vars(AsyncSessionData) if not name.startswith("_")}
    assert there == {*METHODS, *own}


@pytest.mark.parametrize("name", METHODS)
def test_a_method_is_a_coroutine_with_the_same_name_arguments_and_text(
    name: str,
) -> None:
    here, there = getattr(AsyncSessionData, name), getattr(SessionData, name)
    assert inspect.iscoroutinefunction(here)
    assert (here.__name__, here.__doc__) == (there.__name__, there.__doc__)
    assert inspect.signature(here) == inspect.signature(there)


READS = {
    "get_latest_bar": ("AAA", "5m"),
    "get_last_n_bars": ("AAA", 3),
    "get_bars_since": ("AAA", DAY.open),
    "get_bar_count": ("BBB", "1m"),
    "get_latest_bars_multi": (["AAA", "BBB"],),
    "get_session_metrics": ("CCC",),
    "get_quality": ("CCC",),
    "get_gaps": ("DDD",),
    "get_ingest_counts": (),
    "state_hash": (),
}


@pytest.mark.parametrize("name", READS)
def test_a_read_answers_as_the_session_does(name: str) -> None:
    session = new_session()
    for step in morning(seed=30, minutes=12):
        play(session, step)
    args = READS[name]
    answer = asyncio.run(getattr(AsyncSessionData(session), name)(*args))
    assert answer == getattr(session, name)(*args)


def test_writing_and_the_life_of_a_session_work_from_a_coroutine() -> None:
    session = SessionData()
    aio = AsyncSessionData(session)

    async def main() -> None:
        await aio.start_new_session(DAY.date)
        await aio.register_symbol("AAA", derived=["5m"])
        await aio.add_bar("AAA", BarData("AAA", DAY.open, 10, 11, 9, 10, 100))
        await aio.end_session()

    asyncio.run(main())
    assert session.get_bar_count("AAA") == session.get_bar_count("AAA", "5m") == 1
    assert session.session_ended


def test_a_method_that_a_derived_class_has_of_its_own_is_called() -> None:
    class Doubling(SessionData):
        def get_bar_count(self, symbol: str, *args: Any, **kwargs: Any) -> int:
            return 2 * super().get_bar_count(symbol, *args, **kwargs)

    session = Doubling()
    session.add_bar("AAA", BarData("AAA", DAY.open, 10, 11, 9, 10, 100))
    assert asyncio.run(AsyncSessionData(session).get_bar_count("AAA")) == 2


def test_an_error_comes_out_of_the_coroutine() -> None:
    with pytest.raises(ArgumentError, match="-1"):
        asyncio.run(AsyncSessionData(new_session()).get_last_n_bars("AAA", -1))


def test_a_session_without_asyncio_does_not_load_it() -> None:
    code = (
        "import sys, tapeloom; tapeloom.SessionData(); print('asyncio' in sys.modules)"
    )
    seen = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert seen.stdout.strip() == "False"
