"""What an import asks its store for is what the store would say each time, asked far less often."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.importing.memory_store import MemoryStore

from tapeloom import Bars
from tapeloom.errors import CorruptFileError
from tapeloom.importing import stored as stored_module
from tapeloom.importing.stored import Stored

if TYPE_CHECKING:
    from tapeloom.intervals import IntervalLike

HOUR = 3_600 * 10**9
BEGIN = 1_751_463_000 * 10**9
KEY = ("AAPL", "1h")


class CountedStore(MemoryStore):
    """Says how often it was read, and fails where it is damaged."""

    def __init__(self) -> None:
        super().__init__(Path("nowhere"))
        self.asked: list[tuple[int | None, int | None]] = []
        self.damaged: int | None = None

    def read(
        self, symbol: str, interval: IntervalLike, start: int | None, end: int | None
    ) -> Bars:
        self.asked.append((start, end))
        found = super().read(symbol, interval, start, end)
        if self.damaged is not None and self.damaged in found.ts:
            text = "damaged"
            raise CorruptFileError(text)
        return found


def bars_at(hours: list[int], value: float = 1.0) -> Bars:
    same = np.full(len(hours), value)
    ts = BEGIN + np.array(sorted(hours), np.int64) * HOUR
    return Bars.from_columns(
        *KEY, ts=ts, open=same, high=same, low=same, close=same, volume=same, zone=UTC
    )


def store_of(hours: list[int]) -> CountedStore:
    store = CountedStore()
    store.bars[KEY] = bars_at(hours)
    return store


def hours_of(bars: Bars | None) -> list[int]:
    return [] if bars is None else ((bars.ts - BEGIN) // HOUR).tolist()


@given(
    kept=st.lists(st.integers(0, 2_000), min_size=1, max_size=60, unique=True),
    asked=st.lists(
        st.tuples(st.integers(-50, 2_050), st.integers(0, 300)), max_size=30
    ),
    damaged=st.integers(0, 2_000),
)
def test_an_answer_is_what_lies_in_the_range(
    kept: list[int], asked: list[tuple[int, int]], damaged: int
) -> None:
    store = store_of(kept)
    store.damaged = BEGIN + damaged * HOUR
    stored = Stored(store)
    for first, length in asked:
        expected = sorted(h for h in kept if first <= h <= first + length)
        bounds = BEGIN + first * HOUR, BEGIN + (first + length) * HOUR
        if damaged in expected:
            with pytest.raises(CorruptFileError):
                stored.within(KEY, *bounds)
        else:
            assert hours_of(stored.within(KEY, *bounds)) == expected


def test_sources_that_follow_each_other_are_answered_by_few_reads() -> None:
    store = store_of(list(range(24 * 40)))
    stored = Stored(store)
    for day in range(40):
        first = BEGIN + day * 24 * HOUR
        found = hours_of(stored.within(KEY, first, first + 23 * HOUR))
        assert found == list(range(24 * day, 24 * day + 24))
    assert len(store.asked) == 5


def test_a_series_that_is_asked_for_once_is_not_read_ahead() -> None:
    store = store_of(list(range(100)))
    Stored(store).within(KEY, BEGIN, BEGIN + 5 * HOUR)
    assert store.asked == [(BEGIN, BEGIN + 5 * HOUR + 1)]


def test_what_is_written_is_seen_after_it_is_forgotten() -> None:
    store = store_of(list(range(100)))
    stored = Stored(store)
    stored.within(KEY, BEGIN, BEGIN)
    stored.within(KEY, BEGIN, BEGIN)
    store.bars[KEY] = bars_at(list(range(100)), value=2.0)

    before = stored.within(KEY, BEGIN + HOUR, BEGIN + HOUR)
    stored.forget()
    after = stored.within(KEY, BEGIN + HOUR, BEGIN + HOUR)

    assert before is not None
    assert after is not None
    assert (before.close.tolist(), after.close.tolist()) == ([1.0], [2.0])


def test_no_more_bars_are_kept_than_there_is_room_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stored_module, "_MOST_KEPT", 50)
    store = store_of(list(range(1_000)))
    for symbol in ("MSFT", "NVDA"):
        store.bars[symbol, "1h"] = store.bars[KEY]
    stored = Stored(store)
    for hour in range(0, 100, 10):
        for symbol in ("AAPL", "MSFT", "NVDA"):
            first = BEGIN + hour * HOUR
            found = hours_of(stored.within((symbol, "1h"), first, first + HOUR))
            assert found == [hour, hour + 1]
    # The first series takes all the room; the others are read each time.
    assert len(store.asked) == 2 + 10 + 10
