"""A cursor follows a series to the end of its session, however late it looks."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeloom import BarData, SessionData

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
    # Only the end of the session ends the bucket that was forming.
    assert found.volume.tolist() == ([5.0, 2.0] if how == "end" else [5.0])


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
