"""The core's grid and gaps beside sets of starts."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeloom._core import SessionTable
from tapeloom.calendars import get_session_table, to_day
from tapeloom.session_data import SessionData
from tests.compare import bar_data, columns, gap_runs
from tests.days import ALL_MARKETS, TOKYO, Market, us_day
from tests.reference import gaps
from tests.reference.schedule import MINUTE, TradingDay, interval_ns, to_ns
from tests.strategies import bar_at, fewer, present_starts, segmented_sessions

FULL = us_day("2025-07-02")


def table_of(days: list[TradingDay]) -> SessionTable:
    segments = [segment for day in days for segment in day.segments]
    opens = np.array([day.open for day in days], dtype=np.int64)
    closes = np.array([day.close for day in days], dtype=np.int64)
    return SessionTable(
        calendar="made up",
        zone=ZoneInfo("UTC"),
        fingerprint="none",
        first_day=to_day(days[0].date),
        last_day=to_day(days[-1].date),
        covered=(days[0].span[0], days[-1].span[1]),
        dates=np.array([to_day(day.date) for day in days], dtype=np.int32),
        segment_offsets=np.cumsum(
            [0] + [len(day.segments) for day in days], dtype=np.int64
        ),
        segment_starts=np.array([start for start, _ in segments], dtype=np.int64),
        segment_ends=np.array([end for _, end in segments], dtype=np.int64),
        pre_opens=opens,
        post_closes=closes,
        span_starts=np.array([day.span[0] for day in days], dtype=np.int64),
        span_ends=np.array([day.span[1] for day in days], dtype=np.int64),
    )


@given(
    days=segmented_sessions(),
    interval=st.sampled_from(["30s", "1m", "3m", "5m", "15m", "1d"]),
)
def test_the_grid_is_steps_from_the_open_inside_regular_hours(
    days: list[TradingDay], interval: str
) -> None:
    table = table_of(days)
    for index, day in enumerate(days):
        assert table.grid(index, interval).tolist() == gaps.expected_starts(
            day, interval_ns(interval)
        )


@given(days=segmented_sessions(), hours=st.integers(-30, 100))
def test_an_instant_belongs_to_the_session_whose_span_holds_it(
    days: list[TradingDay], hours: int
) -> None:
    ts = days[0].span[0] + hours * 60 * MINUTE
    held = [index for index, day in enumerate(days) if day.span[0] <= ts < day.span[1]]
    assert table_of(days).session_of(ts) == (held[0] if held else None)


@pytest.mark.parametrize("market", ALL_MARKETS, ids=lambda market: market.group)
def test_the_days_of_these_tests_are_those_of_the_calendar(market: Market) -> None:
    table = get_session_table(market.group)
    for day in market.days:
        index = table.index_of(to_day(day.date))
        assert index is not None
        first, last = table.segment_offsets[index : index + 2]
        starts, ends = (
            table.segment_starts[first:last].tolist(),
            table.segment_ends[first:last].tolist(),
        )
        assert tuple(zip(starts, ends, strict=True)) == day.segments
        assert (table.span_starts[index], table.span_ends[index]) == day.span


@pytest.mark.parametrize("market", ALL_MARKETS, ids=lambda market: market.group)
@given(data=st.data())
def test_gaps_are_the_runs_of_due_starts_that_did_not_come(
    market: Market, data: st.DataObject
) -> None:
    day = data.draw(st.sampled_from(market.days))
    present = data.draw(present_starts(day))
    session = SessionData(exchange_group=market.group)
    session.register_symbol("AAA", base_interval="1m")
    session.start_new_session(day.date)
    session.add_bars_batch("AAA", columns([bar_at(ts) for ts in present]))
    clock = present[-1] + MINUTE if present else None
    due = gaps.due_starts(day, MINUTE, clock)
    assert gap_runs(session, "AAA") == gaps.missing_runs(day, MINUTE, due, set(present))
    session.end_session()
    due = gaps.expected_starts(day, MINUTE)
    assert gap_runs(session, "AAA") == gaps.missing_runs(day, MINUTE, due, set(present))


@fewer(4)
@given(data=st.data())
def test_filling_a_gap_bar_by_bar_ends_without_one(data: st.DataObject) -> None:
    present = data.draw(present_starts(FULL))
    absent = sorted(set(gaps.expected_starts(FULL, MINUTE)) - set(present))
    order = data.draw(st.permutations(absent)) if len(absent) < 40 else absent[::-1]
    session = SessionData()
    session.register_symbol("AAA", base_interval="1m")
    session.start_new_session(FULL.date)
    session.add_bars_batch("AAA", columns([bar_at(ts) for ts in present]))
    session.end_session()
    here = set(present)
    for ts in order:
        session.add_bar("AAA", bar_data("AAA", bar_at(ts)))
        here.add(ts)
        due = gaps.expected_starts(FULL, MINUTE)
        assert gap_runs(session, "AAA") == gaps.missing_runs(FULL, MINUTE, due, here)


@pytest.mark.parametrize("interval", ["30s", "5m", "15m"])
def test_gaps_follow_the_base_interval(interval: str) -> None:
    step = interval_ns(interval)
    assert step is not None
    grid = gaps.expected_starts(FULL, step)
    present = [ts for index, ts in enumerate(grid) if index % 5 not in (2, 3)]
    session = SessionData()
    session.register_symbol("AAA", base_interval=interval)
    session.start_new_session(FULL.date)
    session.add_bars_batch("AAA", columns([bar_at(ts) for ts in present]))
    session.end_session()
    assert gap_runs(session, "AAA") == gaps.missing_runs(FULL, step, grid, set(present))


def test_asking_again_does_not_change_a_gap() -> None:
    session = SessionData()
    session.start_new_session(FULL.date)
    session.add_bar("AAA", bar_data("AAA", bar_at(FULL.open + 10 * MINUTE)))
    assert session.get_gaps("AAA") == session.get_gaps("AAA")


def test_a_gap_names_its_symbol_its_interval_and_aware_bounds() -> None:
    session = SessionData()
    session.start_new_session(FULL.date)
    session.add_bar("aaa", bar_data("aaa", bar_at(FULL.open + 10 * MINUTE)))
    (gap,) = session.get_gaps("AAA")
    assert (gap.symbol, str(gap.interval), gap.missing) == ("AAA", "1m", 10)
    assert str(gap.start.tzinfo) == "America/New_York"
    assert (to_ns(gap.start), to_ns(gap.end)) == (FULL.open, FULL.open + 10 * MINUTE)


def test_a_session_without_a_bar_has_one_gap_per_stretch() -> None:
    day = TOKYO.days[0]
    session = SessionData(exchange_group="JP_EQUITY")
    session.register_symbol("7203", base_interval="1m")
    session.start_new_session(day.date)
    assert session.get_gaps("7203") == []
    session.end_session()
    assert [gap.missing for gap in session.get_gaps("7203")] == [150, 150]


def test_before_a_session_there_is_no_gap() -> None:
    session = SessionData()
    session.add_bar("AAA", bar_data("AAA", bar_at(FULL.open + 10 * MINUTE)))
    assert session.get_gaps("AAA") == []


def test_a_gap_is_the_same_by_the_cores_presence_and_by_the_grid() -> None:
    session = SessionData()
    session.start_new_session(FULL.date)
    for minute in (0, 1, 7, 8, 30, 99):
        bar = bar_at(FULL.open + minute * MINUTE)
        session.add_bar("AAA", bar_data("AAA", bar))
        assert gap_runs(session, "AAA") == session._missing("AAA")
