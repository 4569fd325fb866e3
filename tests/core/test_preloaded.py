"""A replay puts the rows of a source where they will be read before they are known. Nobody can tell."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tapeloom import BarData, Bars, SessionData
from tapeloom._core import Replay
from tapeloom.calendars import get_session_table
from tapeloom.calendars.days import from_day
from tapeloom.errors import StateError
from tests.core.test_forks import in_child

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

TABLE = get_session_table("US_EQUITY")
SESSION = 9_000
MINUTE = 60_000_000_000
GRID = TABLE.grid(SESSION, "1m")
CLOSE = int(TABLE.closes[SESSION])
#: Minute of the session, price, and whether half a minute off the grid.
Row = tuple[int, float, bool]
#: After which instant somebody adds a bar, of how many minutes later, with a price.
Added = tuple[int, int, float]


def start_of(row: Row) -> int:
    minute, _, is_off = row
    return int(GRID[0]) + minute * MINUTE + is_off * MINUTE // 2


def bars_of(symbol: str, rows: Sequence[Row]) -> Bars:
    price = np.array([price for _, price, _ in rows])
    return Bars.from_columns(
        symbol,
        "1m",
        ts=np.array([start_of(row) for row in rows], dtype=np.int64),
        open=price,
        high=price + 1.0,
        low=price - 1.0,
        close=price + 0.5,
        volume=price * 10.0,
        zone=TABLE.zone,
        table=TABLE,
    )


def session_of(symbols: Sequence[str]) -> SessionData:
    session = SessionData()
    for symbol in symbols:
        session.register_symbol(symbol, base_interval="1m", derived=["5m"])
    session.start_new_session(from_day(int(TABLE.dates[SESSION])))
    return session


def state_of(session: SessionData) -> dict[str, Any]:
    found: dict[str, Any] = session.to_dict()
    for symbol in session.get_active_symbols():
        for interval in ("1m", "5m"):
            bars = session.get_bars(symbol, interval)
            found[f"{symbol} {interval}"] = [(bar, bar.flags) for bar in bars]
        found[f"{symbol} revisions"] = session.get_revisions(symbol)
    return found


def played(
    sources: list[tuple[str, Bars]], symbols: Sequence[str], added: Sequence[Added]
) -> tuple[list[dict[str, Any]], SessionData]:
    """The states after each instant, with bars that somebody else adds in between."""
    session = session_of(symbols)
    replay = Replay(session, sources, close=CLOSE)
    states = []
    instant = 0
    while not (batch := replay.run(each_instant=True)).ended:
        states.append(state_of(session) | {"told": batch.changes()})
        for after, minutes, price in added:
            if after == instant:
                ts = batch.ts + minutes * MINUTE
                bar = BarData("AAA", ts, price, price + 1, price - 1, price, 7.0)
                session.add_bar("AAA", bar)
        instant += 1
    return [*states, state_of(session)], session


# What a source has of one minute: as a rule the bar, else nothing, the bar twice, another off the grid.
KINDS: dict[str, Callable[[int], list[Row]]] = {
    "there": lambda minute: [(minute, 10.0 + minute, False)],
    "missing": lambda _: [],
    "twice": lambda minute: [(minute, 10.0, False), (minute, 9.0, False)],
    "off": lambda minute: [(minute, 10.0, False), (minute, 9.0, True)],
}
ROWS = st.lists(
    st.sampled_from(["there"] * 6 + ["missing"] * 3 + ["twice", "off"]),
    min_size=8,
    max_size=24,
).map(
    lambda kinds: [
        row
        for minute, kind in enumerate(kinds, start=-2)
        for row in KINDS[kind](minute)
    ]
)
# By others: a bar of one of the last or next minutes.
ADDED = st.lists(
    st.tuples(st.integers(0, 20), st.integers(-2, 2), st.sampled_from([9.0, 11.0])),
    min_size=2,
    max_size=10,
)


# A bar of somebody else in the place of one that the source lacks, and in front of what it has.
@example(
    rows=[(minute, 10.0 + minute, False) for minute in range(9) if minute != 4],
    other=[],
    added=[(3, 0, 9.0)],
    cut=9,
)
@given(rows=ROWS, other=ROWS, added=ADDED, cut=st.integers(0, 24))
def test_rows_of_one_source_and_of_two_that_are_not_preloaded_play_the_same(
    rows: list[Row], other: list[Row], added: list[Added], cut: int
) -> None:
    symbols = ("AAA", "BBB")
    rest = ("BBB", bars_of("BBB", other))
    whole = [("AAA", bars_of("AAA", rows)), rest]
    # Two sources of one symbol may bring its rows in any order, so that none of them lies ready.
    halves = [
        ("AAA", bars_of("AAA", rows[:cut])),
        ("AAA", bars_of("AAA", rows[cut:])),
        rest,
    ]

    assert played(whole, symbols, added)[0] == played(halves, symbols, added)[0]


def test_what_is_preloaded_is_in_no_view_and_no_column() -> None:
    rows: list[Row] = [(minute, 100.0 + minute, False) for minute in range(390)]
    session = session_of(["AAA"])
    replay = Replay(session, [("AAA", bars_of("AAA", rows))], close=CLOSE)
    batch = replay.run(each_instant=True)

    bars = session.get_bars("AAA")
    assert (batch.ts, len(bars)) == (int(GRID[1]), 1)
    assert bars.close.base is not None
    assert not isinstance(bars.close.base, np.ndarray)
    assert bars.close.tolist() == [100.5]
    assert session.get_bars("AAA", scope="all").ts.tolist() == [int(GRID[0])]
    assert session.get_bars_since("AAA", int(GRID[0])).ts.tolist() == [int(GRID[0])]
    assert session.get_last_n_bars("AAA", 390).ts.tolist() == [int(GRID[0])]


def test_what_was_preloaded_is_gone_with_a_replay_that_was_left() -> None:
    rows: list[Row] = [(minute, 100.0, False) for minute in range(390)]
    session = session_of(["AAA"])
    left = Replay(session, [("AAA", bars_of("AAA", rows))], close=CLOSE)
    left.run(until=int(GRID[10]))
    left.close()
    # Another brings other values for the same minutes.
    others: list[Row] = [(minute, 50.0, False) for minute in range(10, 390, 2)]
    Replay(session, [("AAA", bars_of("AAA", others))], close=CLOSE).run()

    closes = session.get_bars("AAA").close
    assert closes.tolist() == [100.5] * 10 + [50.5] * 190


def many(symbols: int) -> tuple[list[str], list[tuple[str, Bars]]]:
    """More rows than the merge places at once, so that it goes on beside the replay."""
    rows: list[Row] = [(minute, 100.0 + minute, False) for minute in range(390)]
    names = [f"S{number:03}" for number in range(symbols)]
    return names, [(name, bars_of(name, rows)) for name in names]


TASKS = Path("/proc/self/task")


def helpers() -> int:
    found = 0
    for task in TASKS.iterdir():
        # One may end meanwhile.
        with suppress(OSError):
            found += (task / "comm").read_text().strip() == "tapeloom-merge"
    return found


def are_there(many: int) -> bool:
    """Whether so many helpers are there. One has its name a moment after its begin, and is seen a moment after its end."""
    for _ in range(100_000):
        if helpers() == many:
            return True
        os.sched_yield()
    return False


@pytest.mark.skipif(not TASKS.exists(), reason="threads have no names to see here")
@pytest.mark.skipif(
    len(getattr(os, "sched_getaffinity", lambda _: (0,))(0)) < 2,
    reason="one processor merges alone",
)
def test_a_replay_of_many_rows_has_a_helper_until_it_ends() -> None:
    names, sources = many(60)
    for until in (int(GRID[0]), int(GRID[100])):
        left = Replay(session_of(names), sources, close=CLOSE)
        left.run(until=until)
        assert are_there(1)
        del left
        assert are_there(0)
    for ends in ("closed", "played"):
        session = session_of(names)
        replay = Replay(session, sources, close=CLOSE)
        replay.run(until=int(GRID[100]))
        if ends == "closed":
            replay.close()
        else:
            replay.run()
            assert [session.get_bar_count(name) for name in names] == [390] * 60
        assert are_there(0)
        assert replay.run().ended


def test_bars_of_others_stay_while_rows_are_put_in_their_places() -> None:
    names, sources = many(60)
    # Two sources of one symbol: none of their rows has a place.
    halves = [
        (name, part) for name, bars in sources for part in (bars[:200], bars[200:])
    ]

    def ends(given: list[tuple[str, Bars]]) -> list[Any]:
        session = session_of(names)
        replay = Replay(session, given, close=CLOSE)
        found: list[Any] = []
        for number, minute in enumerate((2, 50, 130, 200, 300)):
            replay.run(until=int(GRID[minute]))
            # The next bar before it comes, and the last one again with other values.
            for name, ts in (
                (names[2 * number], GRID[minute]),
                (names[2 * number + 1], GRID[minute - 1]),
            ):
                session.add_bar(name, BarData(name, int(ts), 9.0, 10.0, 8.0, 9.5, 7.0))
            bars = [session.get_bars(name) for name in names]
            found += [(each, each.ts.tolist(), each.close.tolist()) for each in bars]
        replay.run()
        for bars, stamps, closes in found:
            assert (bars.ts.tolist(), bars.close.tolist()) == (stamps, closes)
        seen = [each[1:] for each in found]
        return [seen, [session.get_bars(name).to_list() for name in names]]

    assert ends(sources) == ends(halves)


def test_a_symbol_stays_while_any_replay_plays() -> None:
    rows: list[Row] = [(minute, 100.0, False) for minute in range(20)]
    session = session_of(["AAA", "BBB", "CCC"])
    first = Replay(session, [("BBB", bars_of("BBB", rows))], close=CLOSE)
    first.run(until=int(GRID[5]))
    Replay(session, [("CCC", bars_of("CCC", rows[:3]))], close=CLOSE).run()
    with pytest.raises(StateError, match="a replay is running"):
        session.remove_symbol("AAA")
    first.run()
    counts = [session.get_bar_count(name) for name in ("AAA", "BBB", "CCC")]
    assert counts == [0, 20, 3]
    session.remove_symbol("AAA")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_fork_in_the_middle_of_a_merge_ends_and_the_parent_goes_on() -> None:
    names, sources = many(60)
    session = session_of(names)
    running = [Replay(session, sources, close=CLOSE)]
    running[0].run(until=int(GRID[100]))

    def lets_go() -> bool:
        running.clear()
        return True

    assert in_child(lets_go)
    running[0].run()
    assert [session.get_bar_count(name) for name in names] == [390] * 60
