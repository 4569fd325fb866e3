"""When the bars of an ordered column are known, beside the reference for each bar alone."""

from __future__ import annotations

from datetime import date

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tapeloom._core import Interval
from tapeloom.calendars import get_session_table
from tests.reference.schedule import MINUTE, TradingDay, known_at, trading_day
from tests.session.memory import JULY

LENGTHS = st.sampled_from([1, 5, 60, 150])
HONG_KONG = [
    trading_day(date(2025, 7, day), "09:30-12:00 13:00-16:00", "Asia/Hong_Kong")
    for day in (2, 3, 4, 7)
]


@given(
    days=st.sampled_from([("US_EQUITY", JULY), ("XHKG", HONG_KONG)]),
    length=LENGTHS,
    bounds=st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted),
    step=st.sampled_from([1, 2, 7, 30]),
)
def test_a_column_is_known_as_each_of_its_bars_is(
    days: tuple[str, list[TradingDay]], length: int, bounds: list[float], step: int
) -> None:
    name, sessions = days
    first, last = sessions[0].span[0], sessions[-1].span[1]
    # From anywhere to anywhere, nights and days without a session included.
    begin, end = (int((last - first) // MINUTE * part) for part in bounds)
    ts = first + np.arange(begin, end, step, dtype=np.int64) * MINUTE

    found = get_session_table(name).known_at(ts, Interval(f"{length}m"))

    def alone(at: int) -> int:
        day = next((d for d in sessions if d.span[0] <= at < d.span[1]), None)
        return (
            at + length * MINUTE if day is None else known_at(at, length * MINUTE, day)
        )

    assert found.tolist() == [alone(at) for at in ts.tolist()]


@given(length=LENGTHS, day=st.sampled_from(JULY), ends=st.integers(-200, 1))
def test_the_bars_of_one_session_end_with_it_at_the_latest(
    length: int, day: TradingDay, ends: int
) -> None:
    stop = day.close + ends * MINUTE
    ts = np.arange(day.open, stop, MINUTE, dtype=np.int64)
    found = get_session_table("US_EQUITY").known_at(ts, Interval(f"{length}m"))
    assert found.tolist() == [known_at(at, length * MINUTE, day) for at in ts.tolist()]
