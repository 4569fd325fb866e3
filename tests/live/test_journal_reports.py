"""What the report of a live session counts: each bar once, those of a process before it too, no other session's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from tapeloom import SessionData
from tapeloom._core import Live
from tests.compare import bar_data
from tests.live.made import DAY, MINUTE, OPEN, bar
from tests.live.simulated_day import tape
from tests.live.test_simulated_weeks import (
    SYMBOLS,
    TUESDAY,
    WEDNESDAY,
    Desktop,
    truth_of,
)
from tests.reference.schedule import SECOND

if TYPE_CHECKING:
    from pathlib import Path


def derived_in(store: SessionData) -> int:
    return sum(store.get_bar_count(name, "5m") for name in store._symbols)


def test_each_session_of_a_run_counts_its_own_bars(tmp_path: Path) -> None:
    run = Desktop(tmp_path).run(TUESDAY.open - MINUTE, [TUESDAY, WEDNESDAY])
    run.run()
    minutes = (TUESDAY.close - TUESDAY.open) // MINUTE
    for report in run.reports:
        assert report.bars == len(SYMBOLS) * minutes
        assert report.derived_bars == len(SYMBOLS) * minutes // 5


def test_a_session_that_goes_on_counts_what_its_journal_has(tmp_path: Path) -> None:
    desktop = Desktop(tmp_path)
    events = tape(truth_of(TUESDAY))
    # One bar comes twice before the end of the first process, another after it.
    for at in (2, 8):
        ts = TUESDAY.open + at * MINUTE
        events.append(
            (ts + MINUTE + SECOND, bar_data("AAA", truth_of(TUESDAY)["AAA"][ts]))
        )
    events.sort(key=lambda event: event[0])
    stop = TUESDAY.open + 6 * MINUTE + 2 * SECOND
    first = desktop.run(TUESDAY.open - MINUTE, [TUESDAY], events=events)
    first.run(stop)
    assert derived_in(first.store) == len(SYMBOLS)
    first.journal.close()
    rest = [each for each in events if each[0] >= stop]
    again = desktop.run(stop, [TUESDAY], events=rest)
    again.run()
    (report,) = again.reports
    minutes = (TUESDAY.close - TUESDAY.open) // MINUTE
    assert report.bars == len(SYMBOLS) * minutes
    assert report.duplicates == 2
    assert report.derived_bars == len(SYMBOLS) * minutes // 5


@settings(max_examples=60, deadline=None)
@given(
    numbers=st.lists(st.integers(0, 29), min_size=1, max_size=60),
    closes=st.lists(st.sampled_from([10.25, 10.5, 10.75]), min_size=60, max_size=60),
)
def test_a_derived_bar_that_late_and_corrected_bars_replace_is_counted_once(
    numbers: list[int], closes: list[float]
) -> None:
    store = SessionData()
    store.start_new_session(DAY)
    store.register_symbol("AAPL", base_interval="1m", derived=["5m"])
    live = Live(store, grace=2 * SECOND, tolerance=SECOND)
    clock = OPEN
    for number, close in zip(numbers, closes, strict=False):
        clock = max(clock, OPEN + (number + 1) * MINUTE)
        batch, _ = live.step([bar(number, close=close)], clock)
    batch, _ = live.step([], clock + 3 * SECOND)
    assert batch.derived_bars == store.get_bar_count("AAPL", "5m")
