"""Coarser bars of whole columns beside the buckets of every session, one by one."""

from __future__ import annotations

from datetime import date
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeloom import _core
from tapeloom.bars import Bars
from tapeloom.calendars import get_session_table
from tests.compare import derived_facts, plain_derived, stored
from tests.core.loaded import (
    MARKETS,
    bars_of,
    days_of,
    loaded_rows,
    row_at,
    stretch_of,
)
from tests.reference.derived import DERIVED, PARTIAL, resample
from tests.reference.gaps import expected_starts
from tests.reference.schedule import MINUTE, TradingDay
from tests.strategies import fewer

ANCHORS = ("session", "segment", "clock")
# The clock buckets of a session that runs past midnight go on from its first day, so its lengths divide a day.
WITHIN = ("2m", "5m", "10m", "15m", "30m", "45m", "1h", "90m", "2h", "4h", "1d")
ACROSS = ("2d", "3d", "5d", "250d", "1w", "2w", "52w")
BASES = ("30s", "1m", "5m", "15m", "30m")


def zone_of(group: str) -> str:
    return str(get_session_table(group).zone)


def around(days: list[TradingDay], group: str) -> list[TradingDay]:
    """All sessions of the years that groups of these can reach."""
    first, last = days[0].date.year - 1, days[-1].date.year + 1
    return list(days_of(group, date(first, 1, 1), date(last, 12, 31)))


def coarser(base: str, targets: tuple[str, ...]) -> list[str]:
    found = [t for t in targets if _core.Interval(base).divides(t) and t != base]
    assert found
    return found


def assert_is_derived(found: Bars, interval: str) -> None:
    assert (found.symbol, found.interval) == ("AAA", _core.Interval(interval).text)
    assert set(found.flags.tolist()) <= {DERIVED, DERIVED | PARTIAL}


def same(left: list[list[Bars]], right: list[list[Bars]]) -> bool:
    """Whether bars, counts and all, are equal to the last bit."""

    def facts(bars: Bars) -> tuple[object, ...]:
        values = [column.tobytes() for column in bars.to_numpy().values()]
        return (bars.symbol, bars.interval, values, bars.constituents.tobytes())

    return [[facts(b) for b in row] for row in left] == [
        [facts(b) for b in row] for row in right
    ]


@pytest.mark.parametrize("completeness", ["any", "complete"])
@pytest.mark.parametrize("anchor", ANCHORS)
@pytest.mark.parametrize("group", MARKETS)
@fewer(3)
@given(data=st.data())
def test_resampled_bars_are_those_of_the_buckets(
    group: str, anchor: str, completeness: str, data: st.DataObject
) -> None:
    table = get_session_table(group)
    days = data.draw(stretch_of(group))
    base = data.draw(st.sampled_from(BASES[1:] if len(days) > 2 else BASES))
    rows = data.draw(loaded_rows(days, base))
    targets = data.draw(
        st.lists(
            st.sampled_from(coarser(base, WITHIN) + list(ACROSS)),
            min_size=1,
            max_size=4,
        )
    )
    (found,) = _core.resample(
        [bars_of(rows, base, table)],
        targets,
        table,
        completeness=completeness,
        anchor=anchor,
    )
    everywhere = around(days, group)
    for bars, target in zip(found, targets, strict=True):
        assert_is_derived(bars, target)
        assert plain_derived(bars) == derived_facts(
            resample(
                everywhere,
                rows,
                base,
                target,
                completeness=completeness,
                anchor=anchor,
                zone=zone_of(group),
            )
        ), target


@pytest.mark.parametrize("completeness", ["any", "complete"])
@pytest.mark.parametrize("base", ["1h", "2h", "4h"])
@pytest.mark.parametrize("group", MARKETS)
@fewer(4)
@given(data=st.data())
def test_hours_and_days_follow_from_hours(
    group: str, base: str, completeness: str, data: st.DataObject
) -> None:
    table = get_session_table(group)
    days = data.draw(stretch_of(group))
    rows = data.draw(loaded_rows(days, base))
    targets = coarser(base, ("2h", "4h", "6h", "12h", "1d", "2d", "1w"))
    (found,) = _core.resample(
        [bars_of(rows, base, table)], targets, table, completeness=completeness
    )
    for bars, target in zip(found, targets, strict=True):
        expected = resample(
            around(days, group), rows, base, target, completeness=completeness
        )
        assert plain_derived(bars) == derived_facts(expected), target


@pytest.mark.parametrize("completeness", ["any", "complete"])
@fewer(4)
@given(data=st.data())
def test_seconds_become_minutes_hours_and_days(
    completeness: str, data: st.DataObject
) -> None:
    table = get_session_table("US_EQUITY")
    (day,) = data.draw(stretch_of("US_EQUITY", most=1))
    rows = data.draw(loaded_rows([day], "1s"))
    targets = ["10s", "1m", "7m", "1h", "1d", "1w"]
    (found,) = _core.resample(
        [bars_of(rows, "1s", table)], targets, table, completeness=completeness
    )
    everywhere = around([day], "US_EQUITY")
    for bars, target in zip(found, targets, strict=True):
        expected = resample(everywhere, rows, "1s", target, completeness=completeness)
        assert plain_derived(bars) == derived_facts(expected), target


@pytest.mark.parametrize("completeness", ["any", "complete"])
@pytest.mark.parametrize("group", MARKETS)
@fewer(4)
@given(data=st.data())
def test_days_become_groups_of_days_and_weeks(
    group: str, completeness: str, data: st.DataObject
) -> None:
    table = get_session_table(group)
    first = data.draw(st.sampled_from([date(2020, 12, 1), date(2024, 12, 27)]))
    days = list(days_of(group, first, date(first.year + 1, 3, 31)))
    rows = data.draw(loaded_rows(days, "1d"))
    targets = list(ACROSS)
    (found,) = _core.resample(
        [bars_of(rows, "1d", table)], targets, table, completeness=completeness
    )
    everywhere = around(days, group)
    for bars, target in zip(found, targets, strict=True):
        expected = resample(everywhere, rows, "1d", target, completeness=completeness)
        assert plain_derived(bars) == derived_facts(expected), target


@pytest.mark.parametrize("anchor", ANCHORS)
@pytest.mark.parametrize("group", MARKETS)
@fewer(4)
@given(data=st.data())
def test_all_targets_at_once_are_each_target_alone(
    group: str, anchor: str, data: st.DataObject
) -> None:
    table = get_session_table(group)
    days = data.draw(stretch_of(group))
    sources = [
        bars_of(data.draw(loaded_rows(days, base)), base, table)
        for base in data.draw(
            st.lists(st.sampled_from(BASES[1:3]), min_size=1, max_size=3)
        )
    ]
    targets = ["1h", "15m", "10m", "1d", "15m", "1w", "2d"]
    at_once = _core.resample(sources, targets, table, anchor=anchor)
    alone = [
        [
            _core.resample([source], [target], table, anchor=anchor)[0][0]
            for target in targets
        ]
        for source in sources
    ]
    one_by_one = [
        [source.aggregate(target, table=table, anchor=anchor) for target in targets]
        for source in sources
    ]
    assert same(at_once, alone)
    assert same(at_once, one_by_one)


def test_any_number_of_threads_gives_the_same_bars() -> None:
    table = get_session_table("US_EQUITY")
    days = days_of("US_EQUITY", date(2025, 6, 2), date(2025, 7, 31))
    starts = [ts for day in days for ts in expected_starts(day, MINUTE)]
    sources = []
    for number in range(12):
        rng = Random(number)
        rows = [row_at(ts, rng) for ts in starts if rng.random() < 0.97]
        sources.append(bars_of(rows, "1m", table))
    assert sum(map(len, sources)) > 150_000
    targets = ["5m", "1h", "1d", "1w"]
    single = _core.resample(sources, targets, table, threads=1)
    for threads in (2, 3, 64):
        assert same(single, _core.resample(sources, targets, table, threads=threads))


@fewer(2)
@given(data=st.data())
def test_coarser_bars_in_two_steps_have_the_prices_of_one(data: st.DataObject) -> None:
    table = get_session_table("JP_EQUITY")
    days = data.draw(stretch_of("JP_EQUITY"))
    base = bars_of(data.draw(loaded_rows(days, "1m")), "1m", table)
    quarter = base.aggregate("15m", table=table)
    for target in ("30m", "1h", "1d"):
        direct, stepwise = (
            stored(bars.aggregate(target, table=table)) for bars in (base, quarter)
        )
        assert [bar[:5] for bar in direct] == [bar[:5] for bar in stepwise]


def many_bars(seed: int) -> Bars:
    """As many minutes as make an answer whose memory is used again."""
    table = get_session_table("US_EQUITY")
    ts = np.concatenate([table.grid(index, "1m") for index in range(200)])
    rng = np.random.default_rng(seed)
    price = rng.integers(100, 200, ts.size).astype(float)
    volume = rng.integers(0, 1_000, ts.size).astype(float)
    columns = {"open": price, "high": price + 1, "low": price - 1, "close": price}
    return Bars.from_columns(
        "AAA", "1m", ts=ts, volume=volume, **columns, zone=table.zone, table=table
    )


def test_bars_and_columns_that_somebody_keeps_never_become_another_answer() -> None:
    table = get_session_table("US_EQUITY")
    intervals = ["5m", "1h", "1d"]
    first, second = many_bars(1), many_bars(2)
    assert len(first) > 65_536
    kept = _core.resample([first], intervals, table)[0]
    column, view = kept[0].high, kept[1][3:9]
    facts = [bars.to_numpy()["close"].tobytes() for bars in kept]
    of_column, of_view = column.tobytes(), view.close.tobytes()
    one_left = kept[2]
    del kept
    for _ in range(3):
        _core.resample([second], intervals, table)
    assert column.tobytes() == of_column
    assert view.close.tobytes() == of_view
    assert one_left.to_numpy()["close"].tobytes() == facts[2]


def test_an_answer_in_used_memory_is_the_one_in_new_memory() -> None:
    table = get_session_table("US_EQUITY")
    intervals = ["5m", "1h", "1d"]
    first, second = many_bars(1), many_bars(2)
    kept = [_core.resample([bars], intervals, table) for bars in (first, second)]
    # All that came before is held, so these lie elsewhere; then they let go of it, and the last ones lie there.
    for _ in range(3):
        for bars, found in zip((second, first), reversed(kept), strict=True):
            assert same(_core.resample([bars], intervals, table), found)
