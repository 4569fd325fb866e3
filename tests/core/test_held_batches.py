"""Batches that somebody keeps tell the same for ever, whatever became of the store and of the merge meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tapeloom import Bars, SessionData
from tapeloom._core import Replay
from tapeloom.calendars import get_session_table
from tapeloom.calendars.days import from_day
from tests.strategies import fewer

if TYPE_CHECKING:
    from tapeloom._core import Batch

TABLE = get_session_table("US_EQUITY")
SESSION = 9_000
MINUTE = 60_000_000_000
GRID = TABLE.grid(SESSION, "1m")
#: Minutes in order, some of them twice with other values: the minute and a salt.
Rows = list[tuple[int, int]]
Told = tuple[str, int, float, str]


def bars_of(symbol: str, rows: Rows) -> Bars:
    price = np.array([1.0 + minute + salt for minute, salt in rows])
    return Bars.from_columns(
        symbol,
        "1m",
        ts=GRID[[minute for minute, _ in rows]],
        open=price,
        high=price,
        low=price,
        close=price,
        volume=price,
        zone=TABLE.zone,
        table=TABLE,
    )


def played(tape: dict[str, Rows], derived: list[str]) -> list[Batch]:
    session = SessionData()
    for symbol in tape:
        session.register_symbol(symbol, base_interval="1m", derived=derived)
    session.start_new_session(from_day(int(TABLE.dates[SESSION])))
    replay = Replay(
        session,
        [(symbol, bars_of(symbol, rows)) for symbol, rows in tape.items()],
        close=int(TABLE.closes[SESSION]),
    )
    batches = []
    while not (batch := replay.run(each_instant=True)).ended:
        batches.append(batch)
    # What the replay held goes with it.
    del replay, session
    return batches


def told(batch: Batch) -> list[Told]:
    return [
        (bar.symbol, bar.ts, bar.close, kind)
        for bar, kind in batch.changes()
        if bar.interval == "1m"
    ]


def expected(tape: dict[str, Rows]) -> dict[int, list[Told]]:
    """By instant each minute once, as its last row has it: one that is changed in its instant is new to everybody."""
    found: dict[int, list[Told]] = {}
    for minute in range(len(GRID)):
        start = int(GRID[minute])
        for symbol, rows in tape.items():
            salts = [salt for at, salt in rows if at == minute]
            if salts:
                here = (symbol, start, 1.0 + minute + salts[-1], "new")
                found.setdefault(start + MINUTE, []).append(here)
    return found


@st.composite
def tapes(draw: st.DrawFn) -> dict[str, Rows]:
    row = st.tuples(st.integers(0, 389), st.integers(0, 2))
    rows = st.lists(row, max_size=40).map(lambda rows: sorted(rows, key=lambda r: r[0]))
    return {symbol: draw(rows) for symbol in ("AAA", "BBB", "CCC")}


@fewer(2)
@given(tape=tapes(), derived=st.sampled_from([[], ["5m"], ["5m", "1d"]]))
def test_batches_that_are_asked_at_the_end_tell_what_each_instant_brought(
    tape: dict[str, Rows], derived: list[str]
) -> None:
    batches = played(tape, derived)

    got = {batch.ts: told(batch) for batch in batches}
    assert {ts: changes for ts, changes in got.items() if changes} == expected(tape)
    assert not any(batch.has_updates for batch in batches)
    # The first without the list, the second with it.
    again = played(tape, derived)
    assert [len(batch) for batch in again] == [len(batch.changes()) for batch in again]


def test_the_memory_of_rows_that_a_batch_holds_is_not_used_for_later_ones() -> None:
    # More rows than the merge places at once.
    everything = [(minute, 0) for minute in range(390)]
    tape = {f"S{number:02}": everything for number in range(60)}

    batches = played(tape, [])

    assert {batch.ts: told(batch) for batch in batches} == expected(tape)


def test_only_intervals_that_are_waited_for_wake() -> None:
    session = SessionData()
    session.register_symbol("AAA", base_interval="1m", derived=["5m"])
    session.start_new_session(from_day(int(TABLE.dates[SESSION])))
    rows = [(minute, 0) for minute in range(12)]
    replay = Replay(
        session, [("AAA", bars_of("AAA", rows))], close=int(TABLE.closes[SESSION])
    )

    first = replay.run(intervals=["5m"])
    second = replay.run(intervals=["1m"])

    assert [bar.interval for bar in first.bars] == ["1m", "5m"]
    assert first.ts == int(GRID[5])
    assert [(bar.interval, bar.ts) for bar in second.bars] == [("1m", int(GRID[5]))]
