"""What is asked of rows in stretches, beside looking at one row after the other."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tapeloom import Bars
from tapeloom.calendars import get_session_table

TABLE = get_session_table("US_EQUITY")
FIRST = 9_000
HOUR = 3_600_000_000_000
BEGIN = int(TABLE.span_starts[FIRST])
NAMES = ("ts", "open", "high", "low", "close", "volume", "flags")
#: Starts by the hour over some two weeks: nights, a weekend and breaks of any kind among them.
HOURS = st.lists(st.integers(0, 400), max_size=60).map(sorted)
PRICES = st.sampled_from([0.0, 1.0, 1.39, 1.4, 1.41, 2.0, float("nan")])


def bars_at(hours: list[int], opens: list[float], closes: list[float]) -> Bars:
    count = len(hours)
    return Bars.from_columns(
        "AAA",
        "1h",
        ts=BEGIN + np.array(hours, dtype=np.int64) * HOUR,
        open=np.array(opens[:count]),
        high=np.ones(count),
        low=np.ones(count),
        close=np.array(closes[:count]),
        volume=np.arange(count, dtype=np.float64),
        zone=TABLE.zone,
        table=TABLE,
    )


def with_starts(hours: list[int]) -> Bars:
    ones = [1.0] * len(hours)
    return bars_at(hours, ones, ones)


@given(HOURS, st.lists(st.integers(0, 400), max_size=12, unique=True).map(sorted))
def test_rows_within_stretches_are_those_that_start_in_one(
    hours: list[int], edges: list[int]
) -> None:
    bars = with_starts(hours)
    pairs = list(zip(edges[::2], edges[1::2], strict=False))
    stretches = [(BEGIN + a * HOUR, BEGIN + b * HOUR) for a, b in pairs]

    found = bars.within(stretches)

    kept = [
        row for row, hour in enumerate(hours) if any(a <= hour < b for a, b in pairs)
    ]
    for name in NAMES:
        assert getattr(found, name).tolist() == getattr(bars, name)[kept].tolist()


def test_rows_that_follow_each_other_share_memory() -> None:
    bars = with_starts(list(range(40)))
    stretches = [(BEGIN + a * HOUR, BEGIN + (a + 8) * HOUR) for a in (0, 8, 16)]

    found = bars.within(stretches)

    assert np.shares_memory(found.close, bars.close)
    assert np.shares_memory(Bars.concat([bars[:5], bars[5:]]).volume, bars.volume)


@given(HOURS)
def test_sessions_with_bars_are_those_of_each_bar(hours: list[int]) -> None:
    bars = with_starts(hours)
    each = [TABLE.session_of(int(ts)) for ts in bars.ts]

    assert TABLE.sessions_with(bars) == sorted({at for at in each if at is not None})


@given(st.lists(st.tuples(PRICES, PRICES), max_size=20), st.integers(0, 300))
def test_jumps_are_opens_far_from_the_close_before(
    prices: list[tuple[float, float]], before: int
) -> None:
    # Far into a stretch and over its end as well.
    quiet = [(1.0, 1.0)] * before
    opens, closes = map(list, zip(*quiet, *prices, (1.0, 1.0), strict=True))
    bars = bars_at(list(range(len(opens))), opens, closes)

    found = bars.find_jumps(1.4)

    expected = []
    for row in range(1, len(opens)):
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.float64(opens[row]) / np.float64(closes[row - 1])
        if ratio > 1.4 or ratio < 1 / 1.4:
            expected.append(row)
    assert found == expected
