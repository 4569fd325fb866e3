"""Counts of loaded series, session by session, beside the same counts row after row; causes beside those of a session."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeloom.calendars import get_session_table
from tapeloom.checking import Window, check_source, gaps_in_source
from tapeloom.checking.counts import count
from tapeloom.session_data import SessionData
from tapeloom.storage import FrameSource
from tests.core.loaded import MARKETS, bars_of, loaded_rows, row_at, stretch_of
from tests.reference.check import DayCounts, day_counts
from tests.reference.gaps import Run, loaded_gaps
from tests.reference.schedule import MINUTE, interval_ns, to_ns
from tests.strategies import fewer

if TYPE_CHECKING:
    from tapeloom._core import SessionTable
    from tapeloom.bars import Bars
    from tapeloom.checking import CheckReport, SessionCheck
    from tests.reference.schedule import TradingDay

INTERVALS = ("1m", "5m", "15m", "1h", "1d")


def checked(
    bars: list[Bars], table: SessionTable, days: list[TradingDay]
) -> CheckReport:
    """The report over the dates of some days."""
    source = FrameSource({one.symbol: one for one in bars}, allow_negative_prices=True)
    dates = Window(days[0].date, days[-1].date)
    return check_source(source, table, exchange_group="X", window=dates)


def plain(row: SessionCheck) -> DayCounts:
    return DayCounts(
        row.bars,
        row.expected,
        row.present,
        row.before_open,
        row.at_or_after_close,
        row.duplicates,
        row.in_break + row.off_grid,
        row.zero_volume,
    )


@pytest.mark.parametrize("group", MARKETS)
@fewer(2)
@given(data=st.data())
def test_counts_of_each_session_are_those_of_its_rows(
    group: str, data: st.DataObject
) -> None:
    table = get_session_table(group)
    days = data.draw(stretch_of(group, most=4))
    interval = data.draw(st.sampled_from(INTERVALS))
    rows = data.draw(loaded_rows(days, interval))
    report = checked([bars_of(rows, interval, table)], table, days)
    assert [row.session for row in report.sessions] == [day.date for day in days]
    step = interval_ns(interval)
    for row, day in zip(report.sessions, days, strict=True):
        found = plain(row)
        expected = day_counts(day, rows, step)
        # A row off the grid that comes twice is a stray twice, where it lies in a break.
        assert found._replace(strays=0) == expected._replace(strays=0), day.date
        assert expected.strays <= found.strays <= expected.strays + expected.duplicates
    assert_sums(report)


def assert_sums(report: CheckReport) -> None:
    (row,) = report.symbols
    for name in ("expected", "present", "missing", "gaps", "before_open", "in_break"):
        assert getattr(row, name) == sum(getattr(s, name) for s in report.sessions)
    assert row.missing == sum(gap.missing for gap in report.gaps)
    assert row.longest_gap == max((gap.missing for gap in report.gaps), default=0)
    assert row.bars == row.no_session + sum(s.bars for s in report.sessions)
    assert row.duplicates >= row.conflicts


@pytest.mark.parametrize("group", MARKETS)
@fewer(4)
@given(data=st.data())
def test_gaps_are_the_runs_of_the_grid(group: str, data: st.DataObject) -> None:
    table = get_session_table(group)
    days = data.draw(stretch_of(group, most=3))
    interval = data.draw(st.sampled_from(INTERVALS))
    rows = data.draw(loaded_rows(days, interval))
    source = FrameSource({"AAA": bars_of(rows, interval, table)})
    found = gaps_in_source(source, table, window=Window(days[0].date, days[-1].date))
    runs = [Run(to_ns(gap.start), to_ns(gap.end), gap.missing) for gap in found]
    assert runs == loaded_gaps(days, [row.ts for row in rows], interval_ns(interval))[0]


@fewer(4)
@given(data=st.data())
def test_causes_are_those_that_a_session_finds(data: st.DataObject) -> None:
    table = get_session_table("US_EQUITY")
    day = data.draw(stretch_of("US_EQUITY", most=1))[0]
    names = ["AAA", "BBB", "CCC", "DDD"][: data.draw(st.integers(1, 4))]
    bars = []
    for name in names:
        drawn = data.draw(loaded_rows([day], "1m"))
        # A store keeps one of those that come twice, and none out of hours.
        rows = {row.ts: row for row in drawn if day.is_regular(row.ts)}
        on_grid = [row for ts, row in rows.items() if (ts - day.open) % MINUTE == 0]
        bars.append(bars_of(on_grid, "1m", table, name))
    session = SessionData()
    for name in names:
        session.register_symbol(name, base_interval="1m")
    session.start_new_session(day.date)
    for one in bars:
        session.add_bars_batch(one.symbol, one)
    session.end_session()
    found = checked(bars, table, [day]).gaps
    facts = [(g.symbol, g.start, g.end, g.missing, g.cause) for g in found]
    assert facts == [
        (g.symbol, g.start, g.end, g.missing, g.cause) for g in session.get_gaps()
    ]
    said = {g.evidence for g in found if g.evidence}
    assert said - {"there is no bar of the whole session"} <= {
        g.evidence for g in session.get_gaps()
    }


@pytest.mark.parametrize("group", ["HK_EQUITY", "JP_EQUITY"])
def test_a_bar_that_begins_in_a_break_and_is_expected_is_no_stray(group: str) -> None:
    table = get_session_table(group)
    first = table.sessions_before(20_000)
    grid = table.grid(first, "1h")
    starts, ends = table.segments(first)[0][1], table.segments(first)[1][0]
    assert group == "JP_EQUITY" or ((starts <= grid) & (grid < ends)).any()
    rows = [row_at(ts, Random(1)) for ts in grid.tolist()]
    counts = count(bars_of(rows, "1h", table), table, first, first + 1)
    assert counts.in_break.tolist() == counts.off_grid.tolist() == [0]
    assert counts.missing.tolist() == [0]
