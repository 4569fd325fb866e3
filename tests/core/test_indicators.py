"""Values of days, rolling averages and extremes, and averages of each minute beside loops over lists."""

from __future__ import annotations

from datetime import date
from math import nan
from random import Random
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeloom import _core
from tapeloom.calendars import get_session_table
from tapeloom.errors import ArgumentError, IntervalError
from tests.core.loaded import (
    MARKETS,
    bars_of,
    days_of,
    loaded_rows,
    row_at,
    stretch_of,
    window,
)
from tests.reference import indicators as reference
from tests.reference.gaps import expected_starts
from tests.reference.schedule import MINUTE, interval_ns
from tests.strategies import fewer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

FIELDS = ("open", "high", "low", "close", "volume")
# Ties, nothing, and values that swallow others.
CELLS = st.sampled_from([nan, nan, 1.0, 2.0, 2.0, 0.1, 0.3, -5.0, 1e16, 9_876_543.21])
ROWS = st.lists(CELLS, max_size=40)


def bits(values: Sequence[float] | NDArray[np.float64]) -> list[str]:
    """Values in a form that is equal for equal bits, and for any two NaN."""
    return [float(value).hex() for value in values]


@pytest.mark.parametrize("group", MARKETS)
@fewer(2)
@given(data=st.data())
def test_values_of_days_are_those_of_their_bars(
    group: str, data: st.DataObject
) -> None:
    table = get_session_table(group)
    days = data.draw(stretch_of(group))
    intervals = data.draw(
        st.lists(
            st.sampled_from(["30s", "1m", "5m", "1h", "1d"]), min_size=1, max_size=3
        )
    )
    every = [data.draw(loaded_rows(days, interval)) for interval in intervals]
    sources = [
        bars_of(rows, interval, table)
        for rows, interval in zip(every, intervals, strict=True)
    ]
    # Rows of sessions that were not asked for take no part.
    low = data.draw(st.integers(0, len(days) - 1))
    asked = days[low : data.draw(st.integers(low, len(days)))]
    first = window(table, days)[0] + low
    for field in FIELDS:
        found = _core.daily_values(
            sources, table, first=first, last=first + len(asked), field=field
        )
        assert found.dtype == np.float64
        assert found.shape == (len(sources), len(asked))
        for row, rows, interval in zip(found, every, intervals, strict=True):
            values = [
                reference.day_value(
                    reference.day_bars(day, rows, interval_ns(interval)), field
                )
                for day in asked
            ]
            assert bits(row) == bits(values), (field, interval)


@pytest.mark.parametrize("group", MARKETS)
@fewer(2)
@given(data=st.data())
def test_the_average_of_a_minute_is_over_the_days_that_have_it(
    group: str, data: st.DataObject
) -> None:
    table = get_session_table(group)
    days = data.draw(stretch_of(group))
    every = [data.draw(loaded_rows(days, "1m")) for _ in range(2)]
    sources = [bars_of(rows, "1m", table) for rows in every]
    first = window(table, days)[0]
    chosen = sorted(
        data.draw(st.sets(st.integers(0, len(days) - 1), max_size=len(days)))
    )
    slots = data.draw(st.sampled_from([0, 1, 90, 390, 2_000]))
    field = data.draw(st.sampled_from(FIELDS))
    values, used = _core.minute_average(
        sources, table, [first + at for at in chosen], field=field, slots=slots
    )
    assert (values.shape, used.shape) == ((2, slots), (2, slots))
    assert (values.dtype.name, used.dtype.name) == ("float64", "int32")
    for value, count, rows in zip(values, used, every, strict=True):
        expected = reference.minute_average(
            [days[at] for at in chosen], rows, field, slots
        )
        assert (bits(value), count.tolist()) == (bits(expected[0]), expected[1])


@given(rows=st.lists(ROWS, max_size=3), days=st.integers(1, 45), data=st.data())
def test_rolling_averages_are_means_of_the_newest_days(
    rows: list[list[float]], days: int, data: st.DataObject
) -> None:
    width = min((len(row) for row in rows), default=0)
    values = np.array([row[:width] for row in rows], dtype=np.float64)
    values = values.reshape(len(rows), width)
    skip = data.draw(
        st.none() | st.lists(st.booleans(), min_size=width, max_size=width)
    )
    averages, used = _core.rolling_average(
        values, days, skip=None if skip is None else np.array(skip, dtype=np.bool_)
    )
    assert averages.shape == used.shape == (len(rows), width + 1)
    assert (averages.dtype.name, used.dtype.name) == ("float64", "int32")
    for row, average, count in zip(values.tolist(), averages, used, strict=True):
        expected = reference.rolling_average(row, days, skip)
        assert (bits(average), count.tolist()) == (bits(expected[0]), expected[1])


@pytest.mark.parametrize("kind", ["max", "min"])
@given(rows=st.lists(ROWS, max_size=3), data=st.data())
def test_rolling_extremes_are_those_of_each_window(
    kind: str, rows: list[list[float]], data: st.DataObject
) -> None:
    width = min((len(row) for row in rows), default=0)
    values = np.array([row[:width] for row in rows], dtype=np.float64)
    values = values.reshape(len(rows), width)
    starts: list[int] = []
    for at in range(width + 1):
        starts.append(data.draw(st.integers(starts[-1] if starts else 0, at)))
    extremes, positions = _core.rolling_extreme(
        values, np.array(starts, dtype=np.int64), kind
    )
    assert (extremes.dtype.name, positions.dtype.name) == ("float64", "int32")
    for row, extreme, position in zip(
        values.tolist(), extremes, positions, strict=True
    ):
        expected = reference.rolling_extreme(row, starts, kind)
        assert bits(extreme) == bits([one.value for one in expected])
        assert position.tolist() == [one.position for one in expected]


def test_any_number_of_threads_gives_the_same_values() -> None:
    table = get_session_table("US_EQUITY")
    days = list(days_of("US_EQUITY", date(2025, 6, 2), date(2025, 7, 31)))
    starts = [ts for day in days for ts in expected_starts(day, MINUTE)]
    sources = []
    for number in range(12):
        rng = Random(number)
        rows = [row_at(ts, rng) for ts in starts if rng.random() < 0.9]
        sources.append(bars_of(rows, "1m", table))
    first, last = window(table, days)
    found = []
    for threads in (1, 2, 3, 64):
        daily = _core.daily_values(
            sources, table, first=first, last=last, field="volume", threads=threads
        )
        minutes, used = _core.minute_average(
            sources,
            table,
            range(first, last),
            field="volume",
            slots=390,
            threads=threads,
        )
        found.append((daily.tobytes(), minutes.tobytes(), used.tobytes()))
    assert found == [found[0]] * 4


def test_a_total_keeps_small_volumes_beside_large_ones() -> None:
    day = days_of("US_EQUITY", date(2025, 7, 2), date(2025, 7, 2))[0]
    rows = [
        row_at(ts, Random(1))._replace(volume=1e16 if ts == day.open else 0.1)
        for ts in expected_starts(day, MINUTE)
    ]
    table = get_session_table("US_EQUITY")
    first, last = window(table, [day])
    ((total,),) = _core.daily_values(
        [bars_of(rows, "1m", table)], table, first=first, last=last, field="volume"
    )
    assert total == 1e16 + 38.0  # 389 tenths, and doubles are two apart up there
    assert 1e16 + 0.1 == 1e16


def test_the_value_of_a_day_knows_only_its_regular_hours() -> None:
    day = days_of("US_EQUITY", date(2025, 7, 3), date(2025, 7, 3))[0]
    inside = [row_at(ts, Random(ts)) for ts in (day.open, day.close - MINUTE)]
    outside = [
        row_at(ts, Random(1))._replace(high=1e9, low=1e-9, volume=1e9)
        for ts in (day.open - MINUTE, day.close, day.close + 60 * MINUTE)
    ]
    rows = sorted(inside + outside, key=lambda row: row.ts)
    table = get_session_table("US_EQUITY")
    first, last = window(table, [day])
    source = bars_of(rows, "1m", table)
    found = [
        float(
            _core.daily_values([source], table, first=first, last=last, field=field)[
                0, 0
            ]
        )
        for field in FIELDS
    ]
    assert found == [
        inside[0].open,
        max(bar.high for bar in inside),
        min(bar.low for bar in inside),
        inside[1].close,
        inside[0].volume + inside[1].volume,
    ]


@pytest.mark.parametrize(
    ("interval", "fault", "error", "text"),
    [
        ("1m", {"field": "vwap"}, ArgumentError, "field is 'vwap'"),
        ("1m", {"first": 5, "last": 4}, ArgumentError, "first is 5"),
        ("1m", {"threads": 0}, ArgumentError, "threads is 0"),
        ("1w", {}, IntervalError, "1w"),
    ],
)
def test_faults_of_daily_values_are_errors(
    interval: str, fault: dict[str, object], error: type[Exception], text: str
) -> None:
    table = get_session_table("US_EQUITY")
    source = bars_of([row_at(int(table.opens[4]), Random(1))], interval, table)
    arguments: dict[str, object] = {"first": 0, "last": 9, "field": "close"} | fault
    with pytest.raises(error, match=text):
        _core.daily_values([source], table, **arguments)  # type: ignore[arg-type]  # wrong arguments are the point


def test_faults_of_minute_averages_are_errors() -> None:
    table = get_session_table("US_EQUITY")
    row = row_at(int(table.opens[4]), Random(1))
    five = bars_of([row], "5m", table)
    with pytest.raises(ArgumentError, match="1m"):
        _core.minute_average([five], table, [4], field="close", slots=390)
    one = bars_of([row], "1m", table)
    for sessions in ([5, 4], [4, 4], [len(table)]):
        with pytest.raises(ArgumentError, match="sessions"):
            _core.minute_average([one], table, sessions, field="close", slots=390)


def test_faults_of_rolling_values_are_errors() -> None:
    values = np.ones((2, 3))
    with pytest.raises(ArgumentError, match="days"):
        _core.rolling_average(values, 0)
    with pytest.raises(ArgumentError, match="skip"):
        _core.rolling_average(values, 1, skip=np.zeros(4, dtype=np.bool_))
    starts = np.zeros(4, dtype=np.int64)
    with pytest.raises(ArgumentError, match="kind"):
        _core.rolling_extreme(values, starts, "most")
    for wrong in ([0, 0, 0], [0, 1, 0, 0], [0, 2, 2, 2], [-1, 0, 0, 0]):
        with pytest.raises(ArgumentError, match="starts"):
            _core.rolling_extreme(values, np.array(wrong, dtype=np.int64), "max")


def test_columns_that_do_not_lie_row_by_row_are_refused() -> None:
    # In Fortran order the same memory reads as other rows.
    for values in (np.arange(6.0).reshape(3, 2).T, np.arange(8.0).reshape(2, 4)[:, :2]):
        with pytest.raises(ArgumentError, match="contiguous"):
            _core.rolling_average(values, 1)
        with pytest.raises(ArgumentError, match="contiguous"):
            _core.rolling_extreme(
                values, np.zeros(values.shape[1] + 1, np.int64), "max"
            )


@pytest.mark.parametrize("positions", [False, True])
def test_large_answers_that_somebody_holds_are_never_written_again(
    positions: bool,
) -> None:
    """Large ones lie in memory that is used again."""
    values = np.random.default_rng(5).normal(50, 1, (300, 252))
    starts = np.maximum(np.arange(253) - 20, 0)

    def extremes(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return _core.rolling_extreme(values, starts, "max", positions=positions)[0]

    kept = extremes(values)
    row, before = kept[7], kept.copy()
    for change in range(1, 4):
        later = extremes(values + change)
        np.testing.assert_allclose(later, before + change)
        np.testing.assert_array_equal(kept, before)
    del kept
    extremes(values + 9)
    np.testing.assert_array_equal(row, before[7])
    np.testing.assert_array_equal(extremes(values), before)
