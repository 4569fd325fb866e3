"""Bars that are pickled come back equal and end at the same instants, with little of their session table."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, date
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeloom import Bars
from tests.tables.markets import DAY, FIELDS, TOKYO, US, minutes, session_of

INTERVALS = ["1m", "7m", "1h", "4h", "1d", "2d", "3d", "1w", "2w"]


def again(bars: Bars) -> Bars:
    found: Bars = pickle.loads(pickle.dumps(bars))
    return found


def assert_same(found: Bars, bars: Bars) -> None:
    assert found == bars
    assert found.constituents.tolist() == bars.constituents.tolist()
    assert (found.zone, found.anchor, found.is_derived) == (
        bars.zone,
        bars.anchor,
        bars.is_derived,
    )
    assert [bar.available_at for bar in found] == [bar.available_at for bar in bars]


@given(
    day=st.dates(date(1990, 1, 2), date(2034, 12, 1)),
    sessions=st.integers(1, 9),
    interval=st.sampled_from(INTERVALS),
    table=st.sampled_from([US, TOKYO]),
    step=st.integers(1, 50),
)
def test_bars_of_any_day_and_interval_end_at_the_same_instants(
    day: date, sessions: int, interval: str, table: object, step: int
) -> None:
    market = US if table is US else TOKYO
    days = market.dates.astype("M8[D]").astype(date)
    first = days[np.searchsorted(market.dates, np.datetime64(day).astype(int))]
    base = minutes(day=first, sessions=sessions, table=market)
    kept = base.drop_rows([row for row in range(len(base)) if row % step])
    bars = kept.aggregate(interval, table=market) if interval != "1m" else kept

    assert_same(again(bars), bars)


@pytest.mark.parametrize("anchor", ["session", "segment", "clock"])
def test_derived_bars_keep_the_anchor_of_their_buckets(anchor: str) -> None:
    bars = minutes(table=TOKYO).aggregate("4h", table=TOKYO, anchor=anchor)

    assert_same(again(bars), bars)


@pytest.mark.parametrize("day", [date(2024, 12, 23), date(2019, 12, 30)])
def test_weeks_that_reach_over_the_new_year_end_in_the_new_year(day: date) -> None:
    bars = minutes(day=day, sessions=8).aggregate("2w", table=US)

    assert_same(again(bars), bars)


def test_pickled_minutes_of_a_session_are_little_more_than_their_columns() -> None:
    bars = minutes()
    columns = sum(column.nbytes for column in bars.to_numpy().values())

    assert len(bars) == 390
    assert len(pickle.dumps(bars)) < columns + 2_000 < 60_000


def test_weekly_bars_take_the_sessions_of_their_years_along_and_no_more() -> None:
    week = minutes(sessions=2).aggregate("1w", table=US)
    table = again(week).table

    assert table is not None
    days = table.dates.astype("M8[D]").astype(str)
    assert (days[0], days[-1], len(days)) == ("2024-12-30", "2025-12-26", 249)


def test_the_table_that_comes_back_says_that_it_covers_no_more() -> None:
    table = again(minutes(sessions=2)).table

    assert table is not None
    assert (len(table), table.last_day - table.first_day) == (2, 1)
    assert table.fingerprint != US.fingerprint
    assert not table.covered[0] <= int(US.opens[0]) < table.covered[1]


def test_bars_pickled_twice_are_the_same_bytes() -> None:
    once = pickle.dumps(minutes())

    assert pickle.dumps(pickle.loads(once)) == once


def test_a_view_of_a_session_is_pickled_with_what_it_shows_only() -> None:
    session = session_of("AAPL", bars=100)
    held = session.get_last_n_bars("AAPL", 5)
    session.add_bars_batch("AAPL", minutes()[100:])

    assert_same(again(held), held)
    assert len(pickle.dumps(held)) < 3_000


@pytest.mark.parametrize("interval", ["1m", "1d"])
def test_bars_outside_every_session_and_without_a_table_keep_their_ends(
    interval: str,
) -> None:
    sunday = minutes()[:1].ts + 4 * 86_400 * 10**9
    price = np.ones(1)
    prices: dict[str, Any] = dict.fromkeys(FIELDS, price)
    for table in (US, None):
        bars = Bars.from_columns(
            "AAPL", interval, ts=sunday, zone=UTC, table=table, **prices
        )
        found = again(bars)
        assert found == bars
        assert found.table is None
        assert found[0].end == bars[0].end


def test_empty_bars_come_back_empty() -> None:
    for bars in (minutes()[:0], minutes().aggregate("5m", table=US)[:0]):
        assert_same(again(bars), bars)


def test_a_copy_of_what_never_changes_is_the_same_object() -> None:
    bars = minutes()

    assert copy.copy(bars) is bars
    assert copy.deepcopy(bars) is bars


def test_dates_of_the_market_are_those_of_the_made_up_bars() -> None:
    assert minutes()[0].timestamp.date() == DAY
