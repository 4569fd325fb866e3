"""Bars are snapshots: read-only views that survive whatever happens to their series, their store and their session."""

from __future__ import annotations

import copy
import gc
import pickle
import threading
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeloom import BarData, Bars, SessionData
from tapeloom._core import Replay
from tapeloom.bars import normalise_symbol
from tapeloom.calendars import get_session_table
from tapeloom.calendars.days import to_day
from tapeloom.errors import (
    ArgumentError,
    ArgumentTypeError,
    SymbolError,
    TimestampError,
)

MINUTE = 60_000_000_000
TABLE = get_session_table("US_EQUITY")
DAY = date(2025, 7, 2)
FIELDS = ("ts", "open", "high", "low", "close", "volume", "flags", "constituents")


def grid(day: date) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    index = TABLE.index_of(to_day(day))
    assert index is not None
    return TABLE.grid(index, "1m")


def minute_bars(symbol: str, ts: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Bars:
    # Every value tells its minute, so that a torn row would show.
    price = 1.0 + (ts // MINUTE % 100_000).astype(float)
    return Bars.from_columns(
        symbol,
        "1m",
        ts=ts,
        open=price,
        high=price,
        low=price,
        close=price,
        volume=price,
        zone=TABLE.zone,
        table=TABLE,
    )


def session_with(symbol: str, minutes: int) -> SessionData:
    session = SessionData()
    session.register_symbol(symbol, derived=["5m", "1d"])
    session.start_new_session(DAY)
    session.add_bars_batch(symbol, minute_bars(symbol, grid(DAY)[:minutes]))
    return session


def image(bars: Bars) -> list[bytes]:
    return [getattr(bars, field).tobytes() for field in FIELDS]


def test_columns_cannot_be_written() -> None:
    bars = session_with("AAA", 30).get_bars("AAA", "5m")
    for field in FIELDS:
        with pytest.raises(ValueError, match="read-only"):
            getattr(bars, field)[0] = 0


def test_columns_of_the_newest_bars_share_the_memory_of_the_store() -> None:
    session = session_with("AAA", 30)
    first, second = (
        session.get_last_n_bars("AAA", 20),
        session.get_last_n_bars("AAA", 5),
    )
    assert np.shares_memory(first.close, second.close)
    assert np.shares_memory(first[3:].close, first.close)


def test_a_view_survives_corrections_late_bars_rolls_sessions_and_the_store() -> None:
    session = session_with("AAA", 60)
    held = {name: session.get_bars("AAA", name) for name in ("1m", "5m")} | {
        "last": session.get_last_n_bars("AAA", 7)
    }
    before = {name: image(bars) for name, bars in held.items()}
    ts = grid(DAY)
    for minute in (3, 7, 59):
        bar = BarData("AAA", int(ts[minute]), 9, 9, 9, 9, 9)
        assert session.add_bar("AAA", bar) == "correction"
    session.add_bars_batch("AAA", minute_bars("AAA", ts[60:]))
    session.end_session()
    for day in (date(2025, 7, 3), date(2025, 7, 7)):
        session.start_new_session(day, roll=True)
        session.add_bars_batch("AAA", minute_bars("AAA", grid(day)))
    session.clear_session_bars()
    session.clear_historical_bars()
    session.clear_all()
    del session
    gc.collect()
    # Fresh memory of the same sizes, so that a freed segment would be written over.
    noise = [np.full(400, -1.0) for _ in range(2_000)]
    assert {name: image(bars) for name, bars in held.items()} == before
    assert len(noise) == 2_000


def test_an_array_alone_keeps_its_memory_alive() -> None:
    close = session_with("AAA", 60).get_bars("AAA").close
    expected = minute_bars("AAA", grid(DAY)[:60]).close.tolist()
    gc.collect()
    assert close.tolist() == expected


def test_bars_that_span_sessions_are_joined_and_equal_their_parts() -> None:
    session = SessionData()
    days = (DAY, date(2025, 7, 3), date(2025, 7, 7))
    for day in days:
        session.start_new_session(day, roll=True)
        session.add_bars_batch("AAA", minute_bars("AAA", grid(day)))
    everything = session.get_all_bars("AAA")
    assert (
        everything.ts.tolist() == np.concatenate([grid(day) for day in days]).tolist()
    )
    assert [bar.ts for bar in everything[388:392]] == everything.ts[388:392].tolist()


def test_a_reader_on_another_thread_never_sees_half_an_instant() -> None:
    symbols = [f"S{n:02}" for n in range(40)]
    session = SessionData()
    for symbol in symbols:
        session.register_symbol(symbol, derived=["5m"])
    session.start_new_session(DAY)
    index = TABLE.index_of(to_day(DAY))
    assert index is not None
    sources = [(symbol, minute_bars(symbol, grid(DAY))) for symbol in symbols]
    replay = Replay(session, sources, close=int(TABLE.closes[index]))
    ended = threading.Event()
    torn: list[object] = []
    seen: set[int] = set()

    def read() -> None:
        while not ended.is_set():
            latest = session.get_latest_bars_multi(symbols)
            stamps = {None if bar is None else bar.ts for bar in latest.values()}
            if len(stamps) != 1:
                torn.append(stamps)
            last = session.get_last_n_bars("S00", 30)
            if (last.close != last.volume).any() or (np.diff(last.ts) != MINUTE).any():
                torn.append(last)
            seen.update(stamp for stamp in stamps if stamp is not None)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    try:
        while not replay.run(each_instant=True).ended:
            pass
    finally:
        ended.set()
        for reader in readers:
            reader.join()
    assert torn == []
    assert seen <= set(grid(DAY).tolist())


def test_indexing_follows_sequences() -> None:
    bars = session_with("AAA", 10).get_bars("AAA")
    assert bars[-1].ts == bars.ts[-1]
    assert len(bars[2:5]) == 3
    assert len(bars[5:2]) == len(bars[50:]) == 0
    assert [bar.ts for bar in bars] == bars.ts.tolist()
    with pytest.raises(IndexError):
        bars[10]
    with pytest.raises(ArgumentError, match="step is 2"):
        bars[::2]


def test_empty_bars_have_empty_columns_of_the_same_types() -> None:
    full = session_with("AAA", 10).get_bars("AAA")
    empty = full[:0]
    for field in FIELDS:
        column = getattr(empty, field)
        assert (column.shape, column.dtype) == ((0,), getattr(full, field).dtype)


def test_whether_rows_are_in_order_is_said_of_each_part_by_itself() -> None:
    minutes = grid(DAY)[:8]
    bars = minute_bars("AAA", minutes[[0, 1, 2, 5, 3, 4, 6, 7]])
    for asked_before in (False, True):
        if asked_before:
            assert not bars.is_sorted()
        assert bars[:4].is_sorted()
        assert bars[4:].is_sorted()
        assert not bars[3:5].is_sorted()
        assert not bars[1:7][1:].is_sorted()
    in_order = bars.sorted()
    assert in_order.is_sorted()
    part = in_order[2:][1:4]
    assert part.is_sorted()
    assert part.ts.tolist() == minutes[3:6].tolist()
    # Put together again they may be out of order.
    assert not Bars.concat([in_order[4:], in_order[:4]]).is_sorted()
    assert Bars.concat([in_order[:4], in_order[4:]]).is_sorted()


def test_a_replay_refuses_a_part_that_is_out_of_order() -> None:
    minutes = grid(DAY)[:8]
    bars = minute_bars("AAA", minutes[[0, 1, 2, 5, 3, 4, 6, 7]])
    assert not bars.is_sorted()
    session = session_with("AAA", 0)
    close = int(grid(DAY)[-1]) + MINUTE
    with pytest.raises(ArgumentError, match="not sorted"):
        Replay(session, [("AAA", bars[1:6])], close=close)
    Replay(session, [("AAA", bars[:4])], close=close).close()


def test_rows_that_break_a_rule_are_found_as_often_as_they_are_looked_for() -> None:
    bars = minute_bars("AAA", grid(DAY)[:6])
    columns = {field: getattr(bars, field).copy() for field in FIELDS[:6]}
    for field in ("open", "high", "low", "close"):
        columns[field][4] = -1.0
    below = Bars.from_columns("AAA", "1m", **columns, zone=TABLE.zone)
    for _ in range(2):
        assert bars.find_invalid() == []
        assert below.find_invalid(allow_negative_prices=True) == []
        assert [row for row, *_ in below.find_invalid()] == [4]
        assert [row for row, *_ in below[3:].find_invalid()] == [1]
        assert below[:4].find_invalid() == []


def test_equality_compares_symbol_interval_and_columns() -> None:
    bars = session_with("AAA", 10).get_bars("AAA")
    assert bars == session_with("AAA", 10).get_bars("AAA")
    assert bars != session_with("AAA", 9).get_bars("AAA")
    assert bars != session_with("BBB", 10).get_bars("BBB")


def test_a_bar_is_a_frozen_value() -> None:
    bar = session_with("AAA", 10).get_bars("AAA", "5m")[0]
    for copied in (pickle.loads(pickle.dumps(bar)), copy.copy(bar)):
        assert copied == bar
        assert hash(copied) == hash(bar)
        assert (copied.flags, copied.constituents) == (bar.flags, 5)
    with pytest.raises(TypeError, match="cannot be changed"):
        bar.close = 1.0  # type: ignore[misc]


def test_times_of_a_bar_are_aware_and_its_end_is_when_it_is_known() -> None:
    bar = session_with("AAA", 10).get_latest_bar("AAA")
    assert bar is not None
    assert bar.timestamp == datetime(2025, 7, 2, 13, 39, tzinfo=UTC)
    assert bar.timestamp.tzinfo is TABLE.zone
    assert bar.end == bar.available_at == bar.timestamp + timedelta(minutes=1)


def test_a_naive_bar_keeps_its_time_as_given_until_a_session_resolves_it() -> None:
    at = datetime(2025, 7, 2, 9, 30)  # noqa: DTZ001 (wall time of the exchange)
    bar = BarData("AAA", at, 1, 1, 1, 1, 1)
    assert bar.timestamp == at
    with pytest.raises(TimestampError, match="without a zone"):
        _ = bar.ts
    session = SessionData()
    session.add_bar("AAA", bar)
    stored = session.get_latest_bar("AAA")
    assert stored is not None
    assert stored.ts == grid(DAY)[0]


@pytest.mark.parametrize(
    ("column", "value", "text"),
    [
        ("close", np.zeros(2), "column close has 2 rows, expected 3"),
        ("close", np.zeros((3, 1)), "column close must be a 1-d float64 array"),
        (
            "volume",
            np.zeros(3, dtype=np.int64),
            "column volume must be a 1-d float64 array",
        ),
        ("ts", np.zeros(3), "column ts must be a 1-d int64 array"),
    ],
)
def test_columns_of_another_form_are_named(
    column: str, value: object, text: str
) -> None:
    columns: dict[str, object] = dict.fromkeys(
        ("open", "high", "low", "close", "volume"), np.ones(3)
    )
    columns |= {"ts": np.arange(3), column: value}
    with pytest.raises((ArgumentError, ArgumentTypeError), match=text):
        Bars.from_columns("AAA", "1m", zone=UTC, **columns)  # type: ignore[call-overload]


def test_strided_columns_are_copied_row_by_row() -> None:
    every_other = np.arange(10.0)[::2]
    bars = Bars.from_columns(
        "AAA",
        "1m",
        ts=np.arange(10)[::2],
        open=every_other,
        high=every_other,
        low=every_other,
        close=every_other,
        volume=every_other,
        zone=UTC,
    )
    assert bars.close.tolist() == [0, 2, 4, 6, 8]


@given(st.text(max_size=5) | st.text("aB.\u00df \t", max_size=5))
def test_a_symbol_is_written_as_all_are_compared_and_kept_as_given_where_it_cannot_be(
    spelt: str,
) -> None:
    try:
        name = normalise_symbol(spelt)
    except SymbolError:
        name = spelt
    bar = BarData(spelt, 0, 1, 1, 1, 1, 1)
    bars = minute_bars(spelt, grid(DAY)[:2])
    assert bar.symbol == bars.symbol == bars[0].symbol == name
    assert bar == BarData(name, 0, 1, 1, 1, 1, 1)
    assert hash(bar) == hash(BarData(name, 0, 1, 1, 1, 1, 1))
    assert pickle.loads(pickle.dumps(bar)) == bar


def test_a_bar_of_no_symbol_is_refused_where_it_is_added() -> None:
    for symbol in ("", " ", "A\x00"):
        with pytest.raises(SymbolError):
            SessionData().add_bar(
                "AAA", BarData(symbol, int(grid(DAY)[0]), 1, 1, 1, 1, 1)
            )
