"""Derived bars of the core beside slices of a list, under both rules of completeness."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeloom import _core
from tapeloom.bars import Bars
from tapeloom.calendars import get_session_table
from tapeloom.session_data import SessionData
from tests.compare import bar_data, columns, counts_of, derived_facts, plain_derived
from tests.core.loaded import MARKETS, bars_of, loaded_rows, stretch_of
from tests.days import ALL_MARKETS, HONG_KONG, TOKYO, US, Market, us_day
from tests.reference.bars import Bar
from tests.reference.derived import DERIVED, PARTIAL, derive
from tests.reference.gaps import expected_starts
from tests.reference.schedule import HOUR, MINUTE, TradingDay, interval_ns
from tests.strategies import bar_at, fewer, present_starts

FULL = us_day("2025-07-02")
TARGETS = ("5m", "7m", "15m", "1h", "4h", "1d")
LATE = 128


def session_of(
    day: TradingDay, group: str = "US_EQUITY", completeness: str = "any"
) -> SessionData:
    session = SessionData(exchange_group=group, completeness=completeness)
    session.register_symbol("AAA", base_interval="1m", derived=TARGETS)
    session.start_new_session(day.date)
    return session


def all_derived(session: SessionData) -> dict[str, list[tuple[Bar, int, int]]]:
    return {
        target: plain_derived(session.get_bars("AAA", target)) for target in TARGETS
    }


def expected_derived(
    day: TradingDay, bars: list[Bar], completeness: str, clock: int
) -> dict[str, list[tuple[Bar, int, int]]]:
    by_start = {bar.ts: bar for bar in bars}
    return {
        target: derived_facts(
            derive(
                day,
                by_start,
                MINUTE,
                interval_ns(target),
                completeness=completeness,
                clock=clock,
            )
        )
        for target in TARGETS
    }


@pytest.mark.parametrize("completeness", ["any", "complete"])
@pytest.mark.parametrize("market", ALL_MARKETS, ids=lambda market: market.group)
@fewer(2)
@given(data=st.data())
def test_derived_bars_are_those_of_the_buckets(
    market: Market, completeness: str, data: st.DataObject
) -> None:
    day = data.draw(st.sampled_from(market.days))
    bars = [bar_at(ts) for ts in data.draw(present_starts(day))]
    session = session_of(day, market.group, completeness)
    stop = data.draw(st.integers(0, min(len(bars), 60)))
    for number, bar in enumerate(bars[:stop], start=1):
        session.add_bar("AAA", bar_data("AAA", bar))
        assert all_derived(session) == expected_derived(
            day, bars[:number], completeness, bar.ts + MINUTE
        )
    session.add_bars_batch("AAA", columns(bars[stop:]))
    session.end_session()
    assert all_derived(session) == expected_derived(day, bars, completeness, day.close)


@pytest.mark.parametrize("completeness", ["any", "complete"])
@fewer(2)
@given(data=st.data())
def test_streaming_a_batch_and_late_filling_agree_to_the_last_bit(
    completeness: str, data: st.DataObject
) -> None:
    day = data.draw(st.sampled_from(US.days))
    bars = [bar_at(ts) for ts in data.draw(present_starts(day))]
    one_by_one, at_once, backwards = (
        session_of(day, completeness=completeness) for _ in range(3)
    )
    for bar in bars:
        one_by_one.add_bar("AAA", bar_data("AAA", bar))
    at_once.add_bars_batch("AAA", columns(bars))
    for bar in reversed(bars):
        backwards.add_bar("AAA", bar_data("AAA", bar))
    for session in (one_by_one, at_once, backwards):
        session.end_session()
    assert all_derived(one_by_one) == all_derived(at_once) == all_derived(backwards)


@pytest.mark.parametrize("completeness", ["any", "complete"])
@pytest.mark.parametrize("anchor", ["session", "segment", "clock"])
@pytest.mark.parametrize("group", MARKETS)
@fewer(4)
@given(data=st.data())
def test_bars_that_arrive_in_any_order_agree_with_whole_columns(
    group: str, anchor: str, completeness: str, data: st.DataObject
) -> None:
    base = data.draw(st.sampled_from(["1m", "15m"]))
    (day,) = data.draw(stretch_of(group, most=1))
    rows = data.draw(loaded_rows([day], base))
    step = interval_ns(base)
    assert step is not None
    rows = [row for row in rows if (row.ts - day.open) % step == 0]
    targets = [t for t in TARGETS if _core.Interval(base).divides(t) and t != base]
    session = SessionData(
        exchange_group=group, completeness=completeness, anchor=anchor
    )
    session.register_symbol("AAA", base_interval=base, derived=targets)
    session.start_new_session(day.date)
    for bar in shuffled(rows, Random(data.draw(st.integers(0, 99)))):
        session.add_bar("AAA", bar_data("AAA", bar, base))
    session.end_session()
    table = get_session_table(group)
    (whole,) = _core.resample(
        [bars_of(rows, base, table)],
        targets,
        table,
        completeness=completeness,
        anchor=anchor,
    )
    for target, bars in zip(targets, whole, strict=True):
        assert plain_derived(session.get_bars("AAA", target)) == plain_derived(bars)


def shuffled(rows: list[Bar], rng: Random) -> list[Bar]:
    """Rows in an order of arrival: some late ones come last, in any order. Equal starts keep theirs."""
    late = {row.ts for row in rows if rng.random() < 0.1}
    places = {row.ts: rng.randrange(10) for row in rows}
    held = sorted(
        (row for row in rows if row.ts in late), key=lambda row: places[row.ts]
    )
    return [row for row in rows if row.ts not in late] + held


@pytest.mark.parametrize(
    ("market", "day", "target", "constituents"),
    [
        (US, 6, "5m", [5] * 78),
        (US, 6, "1h", [60] * 6 + [30]),
        (US, 6, "4h", [240, 150]),
        (US, 6, "1d", [390]),
        (US, 7, "5m", [5] * 42),
        (US, 7, "1h", [60, 60, 60, 30]),
        (US, 7, "1d", [210]),
        (TOKYO, 0, "1h", [60, 60, 30, 30, 60, 60]),
        (TOKYO, 1, "1d", [330]),
        (HONG_KONG, 0, "1h", [60, 60, 30, 30, 60, 60, 30]),
        (HONG_KONG, 1, "1h", [60, 60, 30]),
    ],
)
def test_a_whole_session_fills_every_bucket(
    market: Market, day: int, target: str, constituents: list[int]
) -> None:
    trading_day = market.days[day]
    session = session_of(trading_day, market.group, "complete")
    session.add_bars_batch(
        "AAA", columns([bar_at(ts) for ts in expected_starts(trading_day, MINUTE)])
    )
    session.end_session()
    found = session.get_bars("AAA", target)
    assert counts_of(found) == constituents
    assert set(found.flags.tolist()) == {DERIVED}


def minutes_without_0942() -> list[int]:
    return [
        ts
        for ts in range(FULL.open, FULL.open + 20 * MINUTE, MINUTE)
        if ts != FULL.open + 12 * MINUTE
    ]


@pytest.mark.parametrize("completeness", ["any", "complete"])
def test_a_late_minute_makes_its_bucket_whole_in_its_place(completeness: str) -> None:
    session = session_of(FULL, completeness=completeness)
    for ts in minutes_without_0942():
        session.add_bar("AAA", bar_data("AAA", bar_at(ts)))
    before = session.get_bars("AAA", "5m")
    partial = [] if completeness == "complete" else [4]
    assert counts_of(before) == [5, 5, *partial, 5]
    session.add_bar("AAA", bar_data("AAA", bar_at(FULL.open + 39 * MINUTE)))
    session.add_bar("AAA", bar_data("AAA", bar_at(FULL.open + 12 * MINUTE)))
    after = session.get_bars("AAA", "5m", end=FULL.open + 20 * MINUTE)
    assert counts_of(after) == [5, 5, 5, 5]
    assert [bool(flag & LATE) for flag in after.flags.tolist()] == [
        False,
        False,
        True,
        False,
    ]
    assert not any(flag & PARTIAL for flag in after.flags.tolist())
    assert counts_of(before) == [5, 5, *partial, 5]
    latest = session.get_latest_bar("AAA", "5m")
    assert latest is not None
    assert latest.ts == FULL.open + (35 if completeness == "any" else 15) * MINUTE


def test_a_correction_inside_an_emitted_bucket_replaces_its_bar() -> None:
    session = session_of(FULL)
    for ts in range(FULL.open, FULL.open + 10 * MINUTE, MINUTE):
        session.add_bar("AAA", bar_data("AAA", bar_at(ts)))
    corrected = Bar(FULL.open + MINUTE, 600.0, 700.0, 1.0, 650.0, 5.5)
    session.add_bar("AAA", bar_data("AAA", corrected))
    first = session.get_bars("AAA", "5m")[0]
    assert (first.high, first.low) == (700.0, 1.0)
    assert len(session.get_bars("AAA", "5m")) == 2


def test_bars_outside_regular_hours_take_no_part() -> None:
    session = session_of(FULL)
    for ts in (FULL.open - MINUTE, FULL.open, FULL.close, FULL.close + HOUR):
        session.add_bar("AAA", bar_data("AAA", bar_at(ts)))
    assert counts_of(session.get_bars("AAA", "1d")) == [1]
    assert session.get_bars("AAA", "5m").ts.tolist() == [FULL.open]


def test_a_bucket_ends_with_the_clock_of_the_store_and_not_of_its_symbol() -> None:
    session = session_of(FULL)
    session.add_bar("AAA", bar_data("AAA", bar_at(FULL.open)))
    session.register_symbol("BBB", base_interval="1m")
    assert len(session.get_bars("AAA", "5m")) == 0
    session.add_bar("BBB", bar_data("BBB", bar_at(FULL.open + 4 * MINUTE)))
    assert counts_of(session.get_bars("AAA", "5m")) == [1]


def test_a_derived_bar_carries_its_interval_its_end_and_its_partial_count() -> None:
    session = session_of(FULL)
    for ts in (FULL.open, FULL.open + 5 * MINUTE, FULL.open + 9 * MINUTE):
        session.add_bar("AAA", bar_data("AAA", bar_at(ts)))
    first = session.get_bars("AAA", "5m")[0]
    assert (str(first.interval), first.constituents, first.flags & PARTIAL) == (
        "5m",
        1,
        PARTIAL,
    )
    assert first.available_at == first.end
    assert (first.end - first.timestamp).total_seconds() == 300


def test_the_last_short_bucket_and_the_day_end_at_the_close() -> None:
    session = session_of(FULL)
    session.add_bar("AAA", bar_data("AAA", bar_at(FULL.close - MINUTE)))
    ends = {
        target: session.get_bars("AAA", target)[-1].end for target in ("1h", "4h", "1d")
    }
    assert len(set(ends.values())) == 1
    assert (ends["1h"].hour, ends["1h"].minute) == (16, 0)


def test_a_derived_interval_asked_for_later_is_filled_from_what_is_stored() -> None:
    session = SessionData()
    session.register_symbol("AAA", base_interval="1m")
    session.start_new_session(FULL.date)
    bars = [bar_at(ts) for ts in minutes_without_0942()]
    session.add_bars_batch("AAA", columns(bars))
    session.register_symbol("AAA", derived=("5m",))
    expected = derive(
        FULL,
        {bar.ts: bar for bar in bars},
        MINUTE,
        5 * MINUTE,
        clock=FULL.open + 20 * MINUTE,
    )
    assert plain_derived(session.get_bars("AAA", "5m")) == derived_facts(expected)


def test_a_held_read_of_derived_bars_is_what_it_was() -> None:
    session = session_of(FULL)
    for ts in minutes_without_0942():
        session.add_bar("AAA", bar_data("AAA", bar_at(ts)))
    held: Bars = session.get_bars("AAA", "5m")
    bytes_before = [held.volume.tobytes(), held.close.tobytes(), held.flags.tobytes()]
    session.add_bar("AAA", bar_data("AAA", bar_at(FULL.open + 12 * MINUTE)))
    session.end_session()
    assert [
        held.volume.tobytes(),
        held.close.tobytes(),
        held.flags.tobytes(),
    ] == bytes_before


@pytest.mark.parametrize("completeness", ["any", "complete"])
def test_bars_that_come_after_their_bucket_has_ended_still_fill_it(
    completeness: str,
) -> None:
    session = session_of(FULL, completeness=completeness)
    session.register_symbol("BBB", base_interval="1m", derived=("5m",))
    session.add_bars_batch(
        "AAA", columns([bar_at(ts) for ts in minutes_without_0942()])
    )
    # One symbol after the other: the clock stands at 09:50 when the first bar of this one comes.
    for ts in minutes_without_0942():
        session.add_bar("BBB", bar_data("BBB", bar_at(ts)))
    assert counts_of(session.get_bars("BBB", "5m")) == counts_of(
        session.get_bars("AAA", "5m")
    )


def test_bars_that_come_after_the_session_has_ended_still_fill_their_buckets() -> None:
    session = session_of(FULL)
    session.end_session()
    bars = [bar_at(ts) for ts in minutes_without_0942()]
    for bar in bars:
        session.add_bar("AAA", bar_data("AAA", bar))
    assert all_derived(session) == expected_derived(FULL, bars, "any", FULL.close)
