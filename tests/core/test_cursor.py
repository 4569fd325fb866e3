"""A cursor follows a series to the end of its session, however late it looks."""

from __future__ import annotations

import random
from datetime import date, datetime, time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeloom import BarData, SessionData
from tapeloom.errors import InternalError

if TYPE_CHECKING:
    from tapeloom._core import Cursor

MINUTE = 60_000_000_000
OPEN = 1_751_463_000_000_000_000  # 2025-07-02 09:30 New York


def bar(number: int, close: float = 10.0) -> BarData:
    return BarData("AAPL", OPEN + number * MINUTE, close, close, close, close, 1)


def running() -> SessionData:
    session_data = SessionData()
    session_data.start_new_session(date(2025, 7, 2))
    session_data.register_symbol("AAPL", derived=["5m"])
    return session_data


@given(
    arrivals=st.lists(
        st.tuples(st.integers(0, 40), st.sampled_from([10.0, 11.0]), st.booleans()),
        max_size=60,
    )
)
def test_every_change_is_handed_out_once_with_its_newest_values(
    arrivals: list[tuple[int, float, bool]],
) -> None:
    session_data = running()
    cursor = session_data._cursor("AAPL", "1m")
    kept: dict[int, float] = {}
    changed: dict[int, float] = {}
    for number, close, looks in arrivals:
        session_data.add_bar("AAPL", bar(number, close))
        if kept.get(number) != close:
            kept[number] = changed[number] = close
        if looks:
            assert cursor.has_news() == bool(changed)
            found, ended = cursor.take()
            assert not ended
            numbers = ((found.ts - OPEN) // MINUTE).tolist()
            assert dict(zip(numbers, found.close.tolist(), strict=True)) == changed
            assert numbers == sorted(numbers)
            changed.clear()
    session_data.start_new_session(date(2025, 7, 3), roll=True)
    found, ended = cursor.take()
    assert ended
    assert len(found) == len(changed)
    assert cursor.take()[1]
    assert not cursor.has_news()


@pytest.mark.parametrize(
    "how", ["end", "start", "roll", "clear", "clear all", "remove"]
)
def test_the_rest_of_a_session_that_is_over_is_still_handed_out(how: str) -> None:
    session_data = running()
    cursor = session_data._cursor("AAPL", "5m")
    for number in range(7):
        session_data.add_bar("AAPL", bar(number))
    if how == "end":
        session_data.end_session()
    elif how == "clear":
        session_data.clear_session_bars()
    elif how == "clear all":
        session_data.clear_all()
    elif how == "remove":
        session_data._remove("AAPL")
    else:
        session_data.start_new_session(date(2025, 7, 3), roll=how == "roll")
    found, ended = cursor.take()
    assert ended
    # What was forming becomes a bar where the session's bars are kept.
    assert found.volume.tolist() == ([5.0, 2.0] if how in ("end", "roll") else [5.0])


def test_a_cursor_that_is_made_between_sessions_follows_the_next_one() -> None:
    session_data = running()
    session_data.add_bar("AAPL", bar(0))
    session_data.end_session()
    cursor = session_data._cursor("AAPL", "1m")
    assert cursor.take()[1] is False
    session_data.start_new_session(date(2025, 7, 3))
    next_day = BarData("AAPL", OPEN + 86_400 * 10**9, 1, 1, 1, 1, 1)
    session_data.add_bar("AAPL", next_day)
    found, ended = cursor.take()
    assert (found.ts.tolist(), ended) == ([next_day.ts], False)


def test_who_waits_is_told_once_for_each_epoch() -> None:
    session_data = running()
    told: list[int] = []
    session_data._set_waker(lambda: told.append(session_data.epoch))
    before = session_data.epoch
    session_data.add_bar("AAPL", bar(0))
    session_data.add_bars_batch("AAPL", [bar(1), bar(2)])
    session_data.get_ingest_counts("AAPL")
    session_data.end_session()
    assert told == [before + 1, before + 2, before + 3]
    session_data._set_waker(None)
    session_data.start_new_session(date(2025, 7, 3))
    assert len(told) == 3


DAYS = [date(2025, 7, day) for day in (7, 8, 9, 10, 11, 14, 15)]
FOLLOWED = ("1m", "5m", "1h", "1d", "1w")
State = dict[int, tuple[float, float, int]]


def state(session_data: SessionData, interval: str) -> State:
    bars = session_data.get_bars("AAPL", interval)
    return {bar.ts: (bar.close, bar.volume, bar.constituents or 0) for bar in bars}


def apply_news(cursor: Cursor, known: State) -> bool:
    """Take what is new into a copy kept by hand; whether the session is over."""
    news, ended = cursor.take()
    stamps = news.ts.tolist()
    assert stamps == sorted(set(stamps))
    for bar in news:
        known[bar.ts] = (bar.close, bar.volume, bar.constituents or 0)
    assert not cursor.has_news()
    return ended


@pytest.mark.parametrize("seed", range(30))
def test_a_copy_kept_by_a_cursor_is_the_session(seed: int) -> None:
    """Bars in time and late, corrections, batches, bars of earlier days, emptied history, weeks over the night."""
    choose = random.Random(seed)
    session_data = SessionData(
        completeness=choose.choice(["any", "complete"]),
        no_trade=choose.choice(["gap", "expected"]),
    )
    session_data.register_symbol("AAPL", derived=FOLLOWED[1:])

    def made(day: date, minute: int) -> BarData:
        at = datetime.combine(day, time(minute // 60, minute % 60))
        price = float(choose.randint(1, 9))
        volume = float(choose.randint(1, 5))
        return BarData("AAPL", at, price, price, price, price, volume)

    for number, day in enumerate(DAYS):
        session_data.start_new_session(day, roll=choose.random() < 0.7)
        copies: list[tuple[str, Cursor, State]] = []
        minute = 570
        for _ in range(choose.randint(0, 50)):
            what = choose.random()
            if what < 0.35:
                minute = min(minute + choose.choice([1, 1, 1, 2, 7, 30]), 959)
                session_data.add_bar("AAPL", made(day, minute))
            elif what < 0.42:
                minutes = range(minute, min(minute + choose.randint(1, 60), 959))
                batch = [made(day, at) for at in minutes]
                session_data.add_bars_batch("AAPL", batch)
                minute = max([minute, *minutes])
            elif what < 0.57:
                session_data.add_bar("AAPL", made(day, choose.randint(560, minute)))
            elif what < 0.62 and number:
                earlier = made(DAYS[choose.randrange(number)], choose.randint(570, 959))
                session_data.add_bar("AAPL", earlier)
            elif what < 0.65:
                session_data.clear_historical_bars()
            elif what < 0.8 or not copies:
                interval = choose.choice(FOLLOWED)
                cursor = session_data._cursor("AAPL", interval)
                copies.append((interval, cursor, state(session_data, interval)))
            else:
                interval, cursor, known = choose.choice(copies)
                assert not apply_news(cursor, known)
                assert known == state(session_data, interval)
        session_data.end_session()
        for interval, cursor, known in copies:
            assert apply_news(cursor, known)
            assert known == state(session_data, interval)


def test_the_bars_of_buckets_that_the_next_session_ends_are_handed_out() -> None:
    session_data = running()
    fives = session_data._cursor("AAPL", "5m")
    for number in range(3):
        session_data.add_bar("AAPL", bar(number))
    session_data.start_new_session(date(2025, 7, 3), roll=True)
    found, ended = fives.take()
    assert (found.volume.tolist(), ended) == ([3.0], True)


@pytest.mark.parametrize("how", ["a late bar", "another interval", "no session yet"])
def test_what_came_before_a_cursor_does_not_end_it(how: str) -> None:
    session_data = SessionData() if how == "no session yet" else running()
    session_data.add_bar("AAPL", bar(5))
    if how != "no session yet":
        session_data.end_session()
    if how == "a late bar":
        session_data.add_bar("AAPL", bar(3))
    session_data.register_symbol("AAPL", derived=["15m"])
    cursor = session_data._cursor("AAPL", "1m")
    session_data.start_new_session(date(2025, 7, 7))
    # 2025-07-07 09:30 New York.
    session_data.add_bar(
        "AAPL", BarData("AAPL", 1_751_895_000_000_000_000, 1, 1, 1, 1, 1)
    )
    found, ended = cursor.take()
    assert (len(found), ended) == (1, False)


def test_who_follows_a_session_that_failed_is_told() -> None:
    session_data = running()
    cursor = session_data._cursor("AAPL", "1m")
    told: list[bool] = []
    session_data._set_waker(lambda: told.append(cursor.has_news()))
    with pytest.raises(InternalError):
        session_data._fail()
    assert told == [True]
    with pytest.raises(InternalError):
        cursor.take()


def test_an_interrupt_while_others_are_told_reaches_the_one_who_writes() -> None:
    session_data = running()

    def interrupted() -> None:
        raise KeyboardInterrupt

    session_data._set_waker(interrupted)
    with pytest.raises(KeyboardInterrupt):
        session_data.add_bar("AAPL", bar(0))
    session_data._set_waker(None)
    assert session_data.get_bar_count("AAPL") == 1
