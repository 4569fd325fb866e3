"""Bars that arrive in a running session: whatever their order, the store ends as a replay of them in order leaves it."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeloom import BarData, SessionData
from tapeloom._core import Live
from tapeloom.errors import ArgumentError, StateError, UnknownSymbolError
from tests.reference.schedule import MINUTE
from tests.session.memory import JULY
from tests.strategies import fewer

if TYPE_CHECKING:
    from collections.abc import Sequence

DAY = next(day for day in JULY if day.date == date(2025, 7, 3))
OPEN, CLOSE = DAY.open, DAY.close
SECOND = 1_000_000_000


def session(*symbols: str, **policies: str) -> SessionData:
    made = SessionData(**policies)  # type: ignore[arg-type]
    made.start_new_session(DAY.date)
    for symbol in symbols or ("AAA", "BBB"):
        made.register_symbol(symbol, base_interval="1m", derived=["5m", "1d"])
    return made


def bar(symbol: str, minute: int, price: float = 9.0, flags: int = 0) -> BarData:
    ts = OPEN + minute * MINUTE
    return BarData(symbol, ts, price, price, price, price, 5.0, "1m", flags)


def live(store: SessionData, *, grace: int = 2 * SECOND) -> Live:
    return Live(store, grace=grace, tolerance=SECOND)


def at(minute: int, seconds: float = 0) -> int:
    """The instant at which a minute's bar is known, and some seconds."""
    return OPEN + (minute + 1) * MINUTE + int(seconds * SECOND)


def told(changes: Sequence[tuple[BarData, str]]) -> list[tuple[str, str, int, str]]:
    return [
        (b.symbol, b.interval, (b.ts - OPEN) // MINUTE, kind) for b, kind in changes
    ]


def test_a_whole_bucket_ends_at_once_and_one_that_lacks_a_bar_after_the_grace() -> None:
    store = session()
    running = live(store)
    for minute in range(4):
        running.step([bar("AAA", minute), bar("BBB", minute)], at(minute))
    batch, refused = running.step([bar("AAA", 4)], at(4, 0.3))
    assert refused == []
    assert told(batch.changes()) == [("AAA", "1m", 4, "new"), ("AAA", "5m", 0, "new")]
    batch, _ = running.step([], at(4, 1.9))
    assert told(batch.changes()) == []
    batch, _ = running.step([], at(4, 2))
    assert told(batch.changes()) == [("BBB", "5m", 0, "new")]
    assert batch.bars[0].constituents == 4
    # The bar that was missing comes after all: it is new, the bucket is made again.
    batch, _ = running.step([bar("BBB", 4, 8.0)], at(4, 5))
    assert told(batch.changes()) == [
        ("BBB", "1m", 4, "new"),
        ("BBB", "5m", 0, "late"),
    ]
    assert batch.bars[1].constituents == 5


def test_the_clock_never_goes_back_and_each_step_is_one_epoch() -> None:
    store = session()
    running = live(store)
    first, _ = running.step([bar("AAA", 0), bar("BBB", 0)], at(0, 1))
    second, _ = running.step([], at(0))
    assert (first.ts, second.ts) == (at(0, 1), at(0, 1))
    assert second.epoch == first.epoch + 1


def test_a_bar_that_ends_after_the_clock_is_kept_aside() -> None:
    store = session()
    running = live(store)
    running.step([bar("AAA", 0)], at(0, -0.5))
    batch, _ = running.step([bar("AAA", 5)], at(0))
    assert told(batch.changes()) == []
    (aside,) = store.get_quarantine("AAA")
    assert aside[1] == "after_clock"
    counts = store.get_ingest_counts("AAA")
    assert (counts.accepted, counts.quarantined, counts.balanced) == (1, 1, True)


def test_a_bar_that_breaks_a_rule_is_refused_alone() -> None:
    store = session()
    running = live(store)
    broken = BarData("AAA", OPEN, 9.0, 8.0, 9.0, 9.0, 5.0, "1m")
    batch, refused = running.step([bar("BBB", 0), broken, bar("AAA", 0)], at(0))
    assert [position for position, _ in refused] == [1]
    assert "high" in refused[0][1]
    assert told(batch.changes()) == [("AAA", "1m", 0, "new"), ("BBB", "1m", 0, "new")]
    counts = store.get_ingest_counts("AAA")
    assert (counts.accepted, counts.rejected, counts.balanced) == (1, 1, True)


def test_what_does_not_belong_is_an_error_before_anything_is_taken() -> None:
    store = session()
    running = live(store)
    with pytest.raises(UnknownSymbolError, match="CCC arrived, which is not kept"):
        running.step([bar("AAA", 0), bar("CCC", 0)], at(0))
    other = BarData("AAA", OPEN, 9.0, 9.0, 9.0, 9.0, 5.0, "5m")
    with pytest.raises(ArgumentError, match="base interval is 1m"):
        running.step([bar("AAA", 0), other], at(0))
    assert store.get_bar_count("AAA") == 0
    with pytest.raises(ArgumentError, match="0 or more"):
        Live(store, grace=-1, tolerance=0)
    with pytest.raises(StateError):
        store.remove_symbol("AAA")
    running.close()
    store.remove_symbol("AAA")


arrivals = st.lists(
    st.tuples(
        st.sampled_from(["AAA", "BBB"]),
        st.integers(0, 40),
        st.sampled_from([8.0, 9.0, 10.0]),
        # How many minutes after it is known it comes.
        st.integers(0, 12),
    ),
    max_size=80,
)


@given(rows=arrivals, completeness=st.sampled_from(["any", "complete"]))
@fewer(150)
def test_any_arrival_ends_as_the_same_bars_in_order(
    rows: list[tuple[str, int, float, int]], completeness: str
) -> None:
    store = session(completeness=completeness)
    running = live(store)
    kept: dict[tuple[str, int], float] = {}
    for clock in range(60):
        now = [row for row in rows if row[1] + row[3] == clock]
        _, refused = running.step([bar(s, m, p) for s, m, p, _ in now], at(clock, 0.5))
        assert refused == []
        kept |= {(symbol, minute): price for symbol, minute, price, _ in now}
    running.close()
    store.end_session()
    plain = session(completeness=completeness)
    for symbol, minute in sorted(kept, key=lambda key: key[1]):
        plain.add_bar(symbol, bar(symbol, minute, kept[symbol, minute]))
    plain.end_session()
    assert store.state_hash() == plain.state_hash()
    for symbol in ("AAA", "BBB"):
        assert store.get_ingest_counts(symbol).balanced
        assert store.get_quality(symbol) == plain.get_quality(symbol)
        assert store.get_session_metrics(symbol) == plain.get_session_metrics(symbol)
        for interval in ("5m", "1d"):
            mine, theirs = (s.get_bars(symbol, interval) for s in (store, plain))
            assert mine.constituents.tolist() == theirs.constituents.tolist()
