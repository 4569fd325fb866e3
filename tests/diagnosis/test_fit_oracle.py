"""How stamps fit under many shifts at once, beside the same count one stamp after the other."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeloom.calendars import get_session_table
from tapeloom.diagnosis.fit import Sessions
from tests.core.loaded import MARKETS, stretch_of, window
from tests.reference.gaps import expected_starts
from tests.reference.readings import Fit, fit
from tests.reference.schedule import MINUTE, SECOND, interval_ns
from tests.strategies import fewer

if TYPE_CHECKING:
    from tests.reference.schedule import TradingDay

QUARTER = 15 * MINUTE


@pytest.mark.parametrize("group", MARKETS)
@fewer(2)
@given(data=st.data())
def test_a_fit_is_that_of_the_sets(group: str, data: st.DataObject) -> None:
    table = get_session_table(group)
    days = data.draw(stretch_of(group, most=3))
    interval = data.draw(st.sampled_from(["1m", "5m", "15m", "30m", "1h", "90m"]))
    step = interval_ns(interval)
    assert step is not None
    stamps = drawn_stamps(days, step, Random(data.draw(st.integers(0, 2**32))))
    # Many shifts are counted in another way than a few.
    some = data.draw(st.lists(st.integers(-56, 56), min_size=1, max_size=4))
    others = list(range(-56, 57)) if data.draw(st.booleans()) else []
    shifts = some + others
    first, last = window(table, days)
    sessions = Sessions.between(table, step, first, last)
    found = sessions.fit(
        np.array(stamps, np.int64), np.array(shifts, np.int64) * QUARTER
    )
    trading = [
        (int(table.pre_opens[at]), int(table.post_closes[at]))
        for at in range(first, last)
    ]
    for at, shift in enumerate(some):
        expected = fit(days, trading, stamps, step, shift * QUARTER)
        columns = (found.hits, found.due, found.within)
        assert Fit(*(int(column[at]) for column in columns)) == expected
    assert sessions.due.tolist() == [len(expected_starts(day, step)) for day in days]


def drawn_stamps(days: list[TradingDay], step: int, rng: Random) -> list[int]:
    """Rising stamps: some of the grid, and some from anywhere, of few remainders."""
    grid = [ts for day in days for ts in expected_starts(day, step)]
    kept = {ts for ts in grid if rng.random() < rng.choice([0.1, 0.6, 1.0])}
    low, high = days[0].span[0], days[-1].span[1]
    kept |= {
        rng.randrange(low // MINUTE, high // MINUTE) * MINUTE
        + rng.choice([0, 7 * SECOND])
        for _ in range(rng.randrange(40))
    }
    return sorted(ts for ts in kept if rng.random() < 0.9) or grid[:1]


def test_without_stamps_or_sessions_nothing_fits() -> None:
    table = get_session_table("US_EQUITY")
    none, one = np.empty(0, np.int64), np.zeros(1, np.int64)
    for sessions, stamps in (
        (Sessions.between(table, MINUTE, 10, 12), none),
        (Sessions.between(table, MINUTE, 10, 10), one),
    ):
        found = sessions.fit(stamps, one)
        assert [c.tolist() for c in (found.hits, found.due, found.within)] == [[0]] * 3
