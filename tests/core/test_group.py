"""The newest bars of many symbols, aligned on time."""

from __future__ import annotations

import math
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeloom import BarData, SessionData
from tapeloom.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Mapping

MINUTE = 60_000_000_000
DAY = date(2025, 7, 2)
FIELDS = ("open", "high", "low", "close", "volume")
SYMBOLS = ("AAPL", "MSFT", "RIVN")


def session(day: date = DAY) -> SessionData:
    session_data = SessionData()
    session_data.start_new_session(day)
    for symbol in SYMBOLS:
        session_data.register_symbol(symbol, derived=["5m"])
    return session_data


def minute(session_data: SessionData, symbol: str, number: int) -> BarData:
    start = session_data.start_time
    assert start is not None
    ts = int(start.timestamp()) * 10**9 + number * MINUTE
    close = 100.0 + number + SYMBOLS.index(symbol) / 10
    return BarData(symbol, ts, close, close + 1, close - 1, close, number)


def newest_by_hand(session_data: SessionData, n: int, scope: str) -> dict[str, Any]:
    """The same, bar by bar."""
    bars = {
        symbol: {
            bar.ts: bar for bar in session_data.get_last_n_bars(symbol, n, scope=scope)
        }
        for symbol in SYMBOLS
    }
    times = sorted({ts for one in bars.values() for ts in one})
    times = times[len(times) - min(n, len(times)) :]
    rows = {
        field: [
            [
                getattr(bars[s][ts], field) if ts in bars[s] else math.nan
                for s in SYMBOLS
            ]
            for ts in times
        ]
        for field in FIELDS
    }
    flags = [
        [bars[s][ts].flags if ts in bars[s] else 0 for s in SYMBOLS] for ts in times
    ]
    return {"ts": times, **rows, "flags": flags}


def same(found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    assert list(found) == ["ts", *FIELDS, "flags"]
    assert found["ts"].tolist() == expected["ts"]
    shape = (len(expected["ts"]), len(SYMBOLS))
    for name in (*FIELDS, "flags"):
        assert found[name].shape == shape
        wanted = np.array(expected[name], dtype=found[name].dtype).reshape(shape)
        np.testing.assert_array_equal(found[name], wanted)


@given(
    minutes=st.lists(
        st.sets(st.integers(0, 30)), min_size=len(SYMBOLS), max_size=len(SYMBOLS)
    ),
    earlier=st.booleans(),
    n=st.integers(0, 40),
    scope=st.sampled_from(["session", "history", "all"]),
)
def test_the_newest_times_of_all_symbols_are_aligned(
    minutes: list[set[int]], earlier: bool, n: int, scope: str
) -> None:
    session_data = session(date(2025, 7, 1) if earlier else DAY)
    if earlier:
        for symbol, numbers in zip(SYMBOLS, minutes[::-1], strict=True):
            for number in sorted(numbers):
                session_data.add_bar(symbol, minute(session_data, symbol, number))
        session_data.start_new_session(DAY, roll=True)
    for symbol, numbers in zip(SYMBOLS, minutes, strict=True):
        for number in sorted(numbers):
            session_data.add_bar(symbol, minute(session_data, symbol, number))
    found = session_data.group(SYMBOLS).last(n, scope=scope)
    same(found, newest_by_hand(session_data, n, scope))


def test_symbols_with_the_same_minutes_need_no_alignment() -> None:
    session_data = session()
    for number in range(25):
        for symbol in SYMBOLS:
            session_data.add_bar(symbol, minute(session_data, symbol, number))
    found = session_data.group(SYMBOLS).last(20)
    same(found, newest_by_hand(session_data, 20, "session"))
    assert found["close"][-1].tolist() == [124.0, 124.1, 124.2]
    assert found["close"][:, 1].flags.contiguous


def test_a_derived_interval_is_aligned_like_any_other() -> None:
    session_data = session()
    for number in range(11):
        session_data.add_bar("AAPL", minute(session_data, "AAPL", number))
    found = session_data.group(["AAPL", "MSFT"], "5m").last(3)
    assert found["close"][:, 0].tolist() == [104.0, 109.0]
    assert np.isnan(found["close"][:, 1]).all()


def test_a_symbol_that_nobody_keeps_is_absent_until_it_is_registered() -> None:
    session_data = session()
    session_data.add_bar("AAPL", minute(session_data, "AAPL", 0))
    group = session_data.group(["AAPL", "TSLA"])
    assert np.isnan(group.last(5)["close"][:, 1]).all()
    session_data.register_symbol("TSLA")
    start = session_data.start_time
    assert start is not None
    session_data.add_bar("TSLA", BarData("TSLA", start, 1, 1, 1, 1, 1))
    assert group.last(5)["close"].tolist() == [[100.0, 1.0]]


def test_no_bars_and_no_symbols_give_empty_columns() -> None:
    session_data = session()
    assert session_data.group(SYMBOLS).last(5)["close"].shape == (0, 3)
    assert session_data.group([]).last(5)["close"].shape == (0, 0)


def test_bad_arguments_are_named() -> None:
    group = session().group(SYMBOLS)
    with pytest.raises(ArgumentError, match="n is -1; it must be 0 or more"):
        group.last(-1)
    with pytest.raises(ArgumentError, match="scope is 'week'"):
        group.last(1, scope="week")


def test_what_was_handed_out_never_changes() -> None:
    session_data = session()
    session_data.add_bar("AAPL", minute(session_data, "AAPL", 0))
    held = session_data.group(SYMBOLS).last(3)
    session_data.add_bar("AAPL", minute(session_data, "AAPL", 1))
    assert held["close"][:, 0].tolist() == [100.0]


def test_a_part_of_a_large_answer_that_somebody_holds_never_changes() -> None:
    session_data = SessionData()
    session_data.start_new_session(DAY)
    symbols = [f"S{number:02}" for number in range(30)]
    for number, symbol in enumerate(symbols):
        session_data.register_symbol(symbol)
        for at in range(150):
            bar = minute(session_data, "AAPL", at)
            price = bar.close + number
            values = (price, price + 1, price - 1, price, float(at + number))
            session_data.add_bar(symbol, BarData(symbol, bar.ts, *values, "1m"))
    group = session_data.group(symbols)

    def taken(n: int) -> dict[str, Any]:
        found: dict[str, Any] = group.last(n)
        for field in FIELDS:
            # Whatever its user writes is his own.
            expected = [
                [getattr(bar, field) for bar in session_data.get_last_n_bars(name, n)]
                for name in symbols
            ]
            assert found[field].T.tolist() == expected
        return found

    held: list[tuple[Any, Any]] = []
    for turn, field in enumerate((*FIELDS, *FIELDS)):
        # One column of each answer stays, one of them as a part of it.
        found = taken(150 - turn)
        kept = found[field] if turn % 2 else found[field][3:7, 5]
        held.append((kept, kept.copy()))
        if field != "high":
            found["high"][...] = -1.0
    for kept, copy in held:
        assert np.array_equal(kept, copy)
