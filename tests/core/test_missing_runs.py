"""Missing bars of whole columns beside sets of starts, session by session."""

from __future__ import annotations

from datetime import date
from random import Random
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeloom import _core
from tapeloom.calendars import get_session_table
from tapeloom.errors import ArgumentError, IntervalError
from tapeloom.session_data import SessionData
from tests.compare import columns, gap_runs
from tests.core.loaded import (
    MARKETS,
    bars_of,
    days_of,
    loaded_rows,
    row_at,
    stretch_of,
    window,
)
from tests.reference.gaps import Counts, Run, expected_starts, loaded_gaps
from tests.reference.schedule import HOUR, MINUTE, TradingDay, interval_ns
from tests.strategies import fewer

if TYPE_CHECKING:
    from tapeloom.bars import Bars

INTERVALS = ("30s", "1m", "5m", "15m", "1h", "1d")


def found_in(
    sources: list[Bars], group: str, days: list[TradingDay], threads: int = 2
) -> list[tuple[list[Run], Counts]]:
    """Runs and counts of each source, as the reference gives them."""
    table = get_session_table(group)
    first, last = window(table, days)
    runs, counts = _core.missing_runs(
        sources, table, first=first, last=last, threads=threads
    )
    types = {name: column.dtype.name for name, column in runs.items()}
    assert types == {
        "source": "int32",
        "start": "int64",
        "end": "int64",
        "bars": "int32",
    }
    assert {column.dtype.name for column in counts.values()} == {"int64"}
    assert (np.diff(runs["source"]) >= 0).all()
    facts = [runs[name] for name in ("start", "end", "bars")]
    found = []
    for number in range(len(sources)):
        mine = runs["source"] == number
        of_source = zip(*(column[mine].tolist() for column in facts), strict=True)
        figures = {name: int(column[number]) for name, column in counts.items()}
        found.append(([Run(*run) for run in of_source], Counts(**figures)))
    return found


@pytest.mark.parametrize("group", MARKETS)
@fewer(2)
@given(data=st.data())
def test_runs_and_counts_are_those_of_the_sets(group: str, data: st.DataObject) -> None:
    table = get_session_table(group)
    days = data.draw(stretch_of(group))
    intervals = data.draw(st.lists(st.sampled_from(INTERVALS), min_size=1, max_size=3))
    every = [data.draw(loaded_rows(days, interval)) for interval in intervals]
    sources = [
        bars_of(rows, interval, table)
        for rows, interval in zip(every, intervals, strict=True)
    ]
    # Also sessions that the rows reach beyond on both sides.
    low = data.draw(st.integers(0, len(days) - 1))
    asked = days[low : data.draw(st.integers(low + 1, len(days)))]
    expected = [
        loaded_gaps(asked, [row.ts for row in rows], interval_ns(interval))
        for rows, interval in zip(every, intervals, strict=True)
    ]
    assert found_in(sources, group, asked) == expected


@pytest.mark.parametrize("group", MARKETS)
@fewer(4)
@given(data=st.data())
def test_every_row_of_the_sessions_ends_in_one_place(
    group: str, data: st.DataObject
) -> None:
    table = get_session_table(group)
    days = data.draw(stretch_of(group))
    rows = data.draw(loaded_rows(days, "1m"))
    ((runs, counts),) = found_in([bars_of(rows, "1m", table)], group, days)
    assert counts.expected == counts.present + counts.missing
    assert counts.missing == sum(run.missing for run in runs)
    placed = counts.present + counts.duplicates + counts.off_grid
    assert placed + counts.out_of_session == len(rows)


@fewer(2)
@given(data=st.data())
def test_runs_are_the_gaps_of_a_session_that_was_streamed(data: st.DataObject) -> None:
    group = data.draw(st.sampled_from(["US_EQUITY", "JP_EQUITY", "HK_EQUITY"]))
    (day,) = data.draw(stretch_of(group, most=1))
    rows = data.draw(loaded_rows([day], "1m"))
    on_step = [row for row in rows if (row.ts - day.open) % MINUTE == 0]
    session = SessionData(exchange_group=group)
    session.register_symbol("AAA", base_interval="1m")
    session.start_new_session(day.date)
    session.add_bars_batch("AAA", columns(on_step))
    session.end_session()
    source = bars_of(on_step, "1m", get_session_table(group))
    ((runs, counts),) = found_in([source], group, [day])
    assert runs == gap_runs(session, "AAA")
    quality = session.get_quality("AAA")
    assert quality == pytest.approx(100 * counts.present / counts.expected)


def test_any_number_of_threads_gives_the_same_runs() -> None:
    table = get_session_table("US_EQUITY")
    days = list(days_of("US_EQUITY", date(2025, 6, 2), date(2025, 7, 31)))
    starts = [ts for day in days for ts in expected_starts(day, MINUTE)]
    sources = []
    for number in range(12):
        rng = Random(number)
        rows = [row_at(ts, rng) for ts in starts if rng.random() < 0.9]
        sources.append(bars_of(rows, "1m", table))
    single = found_in(sources, "US_EQUITY", days, threads=1)
    for threads in (2, 3, 64):
        assert found_in(sources, "US_EQUITY", days, threads=threads) == single


def test_a_break_and_a_night_separate_two_runs() -> None:
    days = list(days_of("JP_EQUITY", date(2025, 7, 2), date(2025, 7, 3)))
    source = bars_of([], "1m", get_session_table("JP_EQUITY"))
    ((runs, counts),) = found_in([source], "JP_EQUITY", days)
    stretches = [stretch for day in days for stretch in day.segments]
    assert [(run.start, run.end) for run in runs] == stretches
    assert [run.missing for run in runs] == [150, 180, 150, 180]
    assert counts == Counts(660, 0, 660, 0, 0, 0)


def test_sessions_that_touch_at_midnight_have_runs_of_their_own() -> None:
    days = list(days_of("CRYPTO", date(2025, 7, 5), date(2025, 7, 6)))
    source = bars_of([], "1h", get_session_table("CRYPTO"))
    ((runs, _),) = found_in([source], "CRYPTO", days)
    assert [(run.start, run.end, run.missing) for run in runs] == [
        (*day.span, 24) for day in days
    ]


def test_the_last_missing_hour_ends_where_trading_does() -> None:
    day = days_of("JP_EQUITY", date(2025, 7, 2), date(2025, 7, 2))[0]
    rows = [row_at(day.open + n * HOUR, Random(n)) for n in (0, 1, 4, 5)]
    source = bars_of(rows, "1h", get_session_table("JP_EQUITY"))
    ((runs, counts),) = found_in([source], "JP_EQUITY", [day])
    lunch = day.segments[0][1]
    assert runs == [
        Run(lunch - HOUR // 2, lunch, 1),
        Run(lunch + HOUR // 2, lunch + 3 * HOUR // 2, 1),
        Run(day.close - HOUR // 2, day.close, 1),
    ]
    assert (counts.expected, counts.present) == (7, 4)


def test_each_kind_of_row_is_counted_in_its_place() -> None:
    day = days_of("JP_EQUITY", date(2025, 7, 2), date(2025, 7, 2))[0]
    lunch = day.segments[0][1]
    offsets = {
        "present": [day.open, day.close - MINUTE],
        "off_grid": [day.open + 1, day.open + 90 * 10**9],
        "out_of_session": [day.open - MINUTE, lunch, lunch + 1, day.close],
        "duplicates": [day.open, day.open, day.open + 1, lunch],
        "not asked for": [day.span[0] - MINUTE, day.span[1]],
    }
    starts = sorted(ts for some in offsets.values() for ts in some)
    rows = [row_at(ts, Random(ts)) for ts in starts]
    source = bars_of(rows, "1m", get_session_table("JP_EQUITY"))
    ((_, counts),) = found_in([source], "JP_EQUITY", [day])
    assert counts == Counts(330, 2, 328, 4, 2, 4)


def test_rows_of_a_weekend_between_two_sessions_are_out_of_session() -> None:
    days = list(days_of("US_EQUITY", date(2025, 7, 3), date(2025, 7, 7)))
    saturday = days[0].span[1] + 24 * HOUR
    source = bars_of(
        [row_at(saturday, Random(1))], "1m", get_session_table("US_EQUITY")
    )
    ((_, counts),) = found_in([source], "US_EQUITY", days)
    assert counts == Counts(600, 0, 600, 0, 0, 1)


def test_a_row_in_a_break_is_out_of_session_though_an_hour_reaches_over_it() -> None:
    day = days_of("JP_EQUITY", date(2025, 7, 2), date(2025, 7, 2))[0]
    in_break = day.segments[0][1] + 45 * MINUTE
    rows = [row_at(in_break, Random(1))]
    source = bars_of(rows, "1h", get_session_table("JP_EQUITY"))
    ((_, counts),) = found_in([source], "JP_EQUITY", [day])
    assert (counts.off_grid, counts.out_of_session) == (0, 1)


def test_no_session_asked_for_and_no_source_give_nothing() -> None:
    table = get_session_table("US_EQUITY")
    runs, counts = _core.missing_runs([], table, first=0, last=10)
    assert [len(column) for column in (*runs.values(), *counts.values())] == [0] * 10
    ts = int(table.opens[9000])
    source = bars_of([row_at(ts, Random(1))], "1m", table)
    runs, counts = _core.missing_runs([source], table, first=9000, last=9000)
    assert len(runs["start"]) == 0
    assert [column.tolist() for column in counts.values()] == [[0]] * 6


def test_faults_of_the_call_are_errors() -> None:
    table = get_session_table("US_EQUITY")
    source = bars_of([row_at(int(table.opens[9000]), Random(1))], "1w", table)
    with pytest.raises(IntervalError):
        _core.missing_runs([source], table, first=9000, last=9001)
    for first, last in ((5, 4), (0, len(table) + 1)):
        with pytest.raises(ArgumentError, match="first"):
            _core.missing_runs([], table, first=first, last=last)
    with pytest.raises(ArgumentError, match="threads"):
        _core.missing_runs([], table, first=0, last=1, threads=0)
