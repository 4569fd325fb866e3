"""A whole backtest beside nested loops: its instants, the bars of each and what the store then answers."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tapeloom
from tapeloom.errors import (
    AnalysisError,
    ArgumentError,
    ArgumentTypeError,
    PlanError,
    StateError,
)
from tests.compare import columns, long_columns, plain
from tests.days import ALL_MARKETS, MARKETS_IN_PAIRS, Market, us_day
from tests.reference import replay as reference
from tests.reference.bars import Bar
from tests.reference.derived import DERIVED, PARTIAL, Derived
from tests.reference.gaps import due_starts, expected_starts, missing_runs, quality
from tests.reference.schedule import MINUTE, SECOND, TradingDay, to_ns
from tests.strategies import bar_at, fewer, streams

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tapeloom import Batches
    from tapeloom._core import Batch
    from tapeloom.bars import BarData
    from tapeloom.session_data import SessionData

FULL = us_day("2025-07-02")
HALF = us_day("2025-07-03")
INTERVALS = ("1m", "5m", "1h", "1d")
Tape = dict[str, list[Bar]]
# Symbol, interval, values, number of base bars, PARTIAL or not.
Told = tuple[str, str, Bar, int | None, bool]


def replayed(
    tape: Tape,
    days: Sequence[TradingDay],
    group: str,
    intervals: Sequence[str],
    *,
    completeness: str = "any",
) -> Batches:
    return tapeloom.replay(
        long_columns(tape),
        start=days[0].date,
        end=days[-1].date,
        intervals=intervals,
        exchange_group=group,
        bars={"completeness": completeness},
    )


def told(bar: BarData) -> Told:
    partial = bool(bar.flags & PARTIAL)
    return (
        bar.symbol,
        str(bar.interval),
        plain(bar),
        bar.constituents if partial else None,
        partial,
    )


def expected_told(item: reference.Item) -> Told:
    if isinstance(item.bar, Derived):
        partial = bool(item.bar.flags & PARTIAL)
        values = Bar(*item.bar[:6])
        return (
            item.symbol,
            item.interval,
            values,
            item.bar.constituents if partial else None,
            partial,
        )
    return (item.symbol, item.interval, item.bar, None, False)


@pytest.mark.parametrize("completeness", ["any", "complete"])
@pytest.mark.parametrize("market", ALL_MARKETS, ids=lambda market: market.group)
@fewer(2)
@given(data=st.data())
def test_batches_are_those_of_the_reference(
    market: Market, completeness: str, data: st.DataObject
) -> None:
    day = data.draw(st.sampled_from(market.days))
    intervals = data.draw(
        st.sampled_from([("1m",), ("1m", "5m"), INTERVALS, ("1d", "1m", "15m", "5m")])
    )
    tape = data.draw(streams([day]))
    got = [
        (batch.ts, [told(bar) for bar in batch.bars])
        for batch in replayed(
            tape, [day], market.group, intervals, completeness=completeness
        )
    ]
    coarse = [interval for interval in intervals if interval != "1m"]
    expected = reference.replay([day], tape, derived=coarse, completeness=completeness)
    assert got == [
        (batch.ts, [expected_told(item) for item in batch.items]) for batch in expected
    ]


@pytest.mark.parametrize(
    "market", MARKETS_IN_PAIRS, ids=lambda m: f"{m.group} {m.days[0].date}"
)
@fewer(2)
@given(data=st.data())
def test_sessions_follow_each_other(market: Market, data: st.DataObject) -> None:
    tape = data.draw(streams(market.days, symbols=("AAA", "BBB")))
    got = [
        (batch.ts, len(batch.bars))
        for batch in replayed(tape, market.days, market.group, ("1m", "5m"))
    ]
    expected = reference.replay(market.days, tape, derived=["5m"])
    assert got == [(batch.ts, len(batch.items)) for batch in expected]


@fewer(5)
@given(data=st.data())
def test_at_each_instant_the_store_holds_what_is_known_and_nothing_else(
    data: st.DataObject,
) -> None:
    day = data.draw(st.sampled_from([FULL, HALF]))
    tape = data.draw(streams([day]))
    for batch in replayed(tape, [day], "US_EQUITY", ("1m", "5m", "1d")):
        assert to_ns(batch.time.replace(microsecond=0)) == batch.ts
        assert str(batch.time.tzinfo) == "America/New_York"
        for symbol, bars in tape.items():
            assert_known(batch.session, symbol, bars, day=day, clock=batch.ts)


def assert_known(
    session: SessionData,
    symbol: str,
    bars: Sequence[Bar],
    *,
    day: TradingDay,
    clock: int,
) -> None:
    due = due_starts(day, MINUTE, clock)
    known = {bar.ts: bar for bar in bars if bar.ts in due}
    latest = session.get_latest_bar(symbol)
    assert (None if latest is None else plain(latest)) == (
        known[max(known)] if known else None
    )
    assert session.get_bar_count(symbol) == len(known)
    assert session.get_quality(symbol) == pytest.approx(quality(due, known))
    runs = [
        (to_ns(gap.start), to_ns(gap.end), gap.missing)
        for gap in session.get_gaps(symbol)
    ]
    assert runs == missing_runs(day, MINUTE, due, set(known))
    for target in ("5m", "1d"):
        assert all(bar.flags & DERIVED for bar in session.get_bars(symbol, target))
        assert all(to_ns(bar.end) <= clock for bar in session.get_bars(symbol, target))


class Recorder:
    """An analysis that writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.batches: list[int] = []
        self.ends: list[tuple[object, bool]] = []

    def on_bar(self, session: SessionData, bar: BarData) -> None:
        self.told.append(told(bar))

    def on_batch(self, session: SessionData, batch: Batch) -> None:
        self.batches.append(batch.ts)

    def on_session_end(self, session: SessionData) -> None:
        self.ends.append((session.current_session_date, session.session_ended))


@fewer(2)
@given(data=st.data())
def test_an_analysis_is_told_the_same_as_an_iterator(data: st.DataObject) -> None:
    tape = data.draw(streams([FULL, HALF], symbols=("AAA", "BBB")))
    iterated = [
        (b.ts, [told(bar) for bar in b.bars])
        for b in replayed(tape, [FULL, HALF], "US_EQUITY", ("1m", "5m"))
    ]
    recorder = Recorder()
    result = tapeloom.replay(
        long_columns(tape),
        start=FULL.date,
        end=HALF.date,
        intervals=("1m", "5m"),
        analysis=recorder,
    )
    assert recorder.batches == [ts for ts, _ in iterated]
    assert recorder.told == [item for _, items in iterated for item in items]
    assert recorder.ends == [(FULL.date, True), (HALF.date, True)]
    assert [report.instants for report in result.sessions] == [
        sum(FULL.open < ts <= FULL.close for ts, _ in iterated),
        sum(HALF.open < ts <= HALF.close for ts, _ in iterated),
    ]


@given(data=st.data())
def test_the_report_counts_every_row_of_the_data(data: st.DataObject) -> None:
    tape = data.draw(streams([HALF]))
    recorder = Recorder()
    result = tapeloom.replay(
        long_columns(tape), start=HALF.date, end=HALF.date, analysis=recorder
    )
    (report,) = result.sessions
    grid = set(expected_starts(HALF, MINUTE))
    present = {symbol: {bar.ts for bar in bars} & grid for symbol, bars in tape.items()}
    assert report.present == sum(len(starts) for starts in present.values())
    assert report.expected == 210 * len(tape)
    assert report.missing == report.expected - report.present
    outside = {symbol: {bar.ts for bar in bars} - grid for symbol, bars in tape.items()}
    assert report.out_of_session == sum(len(starts) for starts in outside.values())
    repeated, conflicting = repeats(tape, grid)
    assert (report.duplicates, report.corrections) == (repeated, conflicting)
    runs = [
        missing_runs(HALF, MINUTE, sorted(grid), starts) for starts in present.values()
    ]
    assert report.gaps == sum(len(found) for found in runs)
    assert report.longest_gap == max(
        (run.missing for found in runs for run in found), default=0
    )


def repeats(tape: Tape, grid: set[int]) -> tuple[int, int]:
    """Return how many regular rows repeat the row before them, and how many contradict it."""
    counts: Counter[bool] = Counter()
    for bars in tape.values():
        kept: dict[int, Bar] = {}
        for bar in bars:
            if bar.ts in kept:
                counts[kept[bar.ts] == bar] += bar.ts in grid
            kept[bar.ts] = bar
    return counts[True], counts[False]


def test_the_end_of_a_bucket_is_an_instant_even_when_no_bar_arrives_then() -> None:
    tape = {"AAA": [bar_at(FULL.open), bar_at(FULL.open + 7 * MINUTE)]}
    batches = list(replayed(tape, [FULL], "US_EQUITY", ("1m", "5m", "1d")))
    minutes = [(batch.ts - FULL.open) // MINUTE for batch in batches]
    assert minutes == [1, 5, 8, 10, 390]
    assert [[str(bar.interval) for bar in batch.bars] for batch in batches] == [
        ["1m"],
        ["5m"],
        ["1m"],
        ["5m"],
        ["1d"],
    ]


def test_no_instant_lies_outside_the_session() -> None:
    outside = [FULL.open - MINUTE, FULL.close, FULL.close + 30 * MINUTE]
    tape = {
        "AAA": [bar_at(ts) for ts in sorted([FULL.open, FULL.close - MINUTE, *outside])]
    }
    batches = list(replayed(tape, [FULL], "US_EQUITY", ("1m",)))
    assert [batch.ts for batch in batches] == [FULL.open + MINUTE, FULL.close]
    assert batches[-1].session.get_bar_count("AAA") == 2


def test_a_bar_off_the_grid_is_kept_aside_and_counted() -> None:
    tape = {
        "AAA": [
            bar_at(FULL.open),
            bar_at(FULL.open + 90 * SECOND),
            bar_at(FULL.open + 3 * MINUTE),
        ]
    }
    recorder = Recorder()
    result = tapeloom.replay(
        long_columns(tape), start=FULL.date, end=FULL.date, analysis=recorder
    )
    assert [values.ts for _, _, values, _, _ in recorder.told] == [
        FULL.open,
        FULL.open + 3 * MINUTE,
    ]
    assert result.sessions[0].quarantined == 1
    assert result.sessions[0].present == 2


def test_symbols_of_one_instant_come_in_the_order_of_the_mapping() -> None:
    frames = {
        symbol: columns([bar_at(FULL.open), bar_at(FULL.open + MINUTE)])
        for symbol in ("MSFT", "AAPL", "IBM")
    }
    batches = tapeloom.replay(frames, start=FULL.date, end=FULL.date)
    assert [[bar.symbol for bar in batch.bars] for batch in batches] == [
        ["MSFT", "AAPL", "IBM"]
    ] * 2


def test_two_replays_of_the_same_data_are_the_same() -> None:
    tape = {
        name: [bar_at(ts, salt) for ts in expected_starts(HALF, MINUTE)]
        for salt, name in enumerate("ABC")
    }
    first, second = (
        [
            (b.ts, [told(bar) for bar in b.bars])
            for b in replayed(tape, [HALF], "US_EQUITY", INTERVALS)
        ]
        for _ in range(2)
    )
    assert first == second
    assert len(first) == 210


def test_a_window_around_a_closed_day_leaves_it_out() -> None:
    days = [us_day("2025-07-03"), us_day("2025-07-07")]
    tape = {"AAA": [bar_at(ts) for day in days for ts in expected_starts(day, MINUTE)]}
    recorder = Recorder()
    result = tapeloom.replay(long_columns(tape), analysis=recorder)
    assert [report.session_date for report in result.sessions] == [
        day.date for day in days
    ]
    assert [report.present for report in result.sessions] == [210, 390]
    assert [report.is_early_close for report in result.sessions] == [True, False]


@pytest.mark.parametrize("intervals", [("1m", "5m"), ("5m", "1m")])
def test_history_holds_the_base_bars_of_the_days_before_and_no_other(
    intervals: tuple[str, ...],
) -> None:
    days = [us_day("2025-07-02"), us_day("2025-07-03"), us_day("2025-07-07")]
    tape = {"AAA": [bar_at(ts) for day in days for ts in expected_starts(day, MINUTE)]}
    batches = tapeloom.replay(
        long_columns(tape),
        start=days[2].date,
        end=days[2].date,
        intervals=intervals,
        history_days=1,
    )
    first = next(iter(batches))
    history = first.session.get_bars("AAA", scope="history")
    assert history.ts.tolist() == expected_starts(days[1], MINUTE)
    assert first.session.get_quality("AAA", scope="history") == 100.0
    assert len(first.session.get_all_bars("AAA")) == 211


def test_history_rolls_from_session_to_session() -> None:
    days = [us_day("2025-07-02"), us_day("2025-07-03"), us_day("2025-07-07")]
    tape = {"AAA": [bar_at(ts) for day in days for ts in expected_starts(day, MINUTE)]}
    held: dict[object, list[int]] = {}
    for batch in tapeloom.replay(
        long_columns(tape), intervals=("1m", "5m"), history_days=1
    ):
        held[batch.time.date()] = batch.session.get_bars(
            "AAA", scope="history"
        ).ts.tolist()
    before = [[], *(expected_starts(day, MINUTE) for day in days[:2])]
    assert held == {day.date: starts for day, starts in zip(days, before, strict=True)}


def test_the_session_belongs_to_the_replay_while_it_runs() -> None:
    tape = {"AAA": [bar_at(ts) for ts in expected_starts(HALF, MINUTE)]}
    batches = tapeloom.replay(long_columns(tape))
    session = next(iter(batches)).session
    for forbidden in (
        lambda: session.start_new_session(FULL.date),
        session.end_session,
        session.clear_session_bars,
        session.clear_historical_bars,
        session.clear_all,
    ):
        with pytest.raises(StateError, match="running"):
            forbidden()
    assert session.get_bar_count("AAA") == 1


def test_a_replay_that_is_left_half_way_gives_its_store_back() -> None:
    tape = {"AAA": [bar_at(ts) for ts in expected_starts(HALF, MINUTE)]}
    batches = tapeloom.replay(long_columns(tape))
    for batch in batches:
        if batch.session.get_bar_count("AAA") == 10:
            break
    session = batches.session_data
    batches.close()
    assert not session.is_active
    session.start_new_session(FULL.date)
    assert session.get_bar_count("AAA") == 0


def test_a_store_is_free_again_after_an_analysis_has_failed() -> None:
    tape = {"AAA": [bar_at(ts) for ts in expected_starts(HALF, MINUTE)]}
    seen: list[SessionData] = []

    def fail(session: SessionData, bar: BarData) -> None:
        seen.append(session)
        text = f"no {bar.symbol}"
        raise KeyError(text)

    with pytest.raises(AnalysisError, match="1m bar of AAA") as raised:
        tapeloom.replay(long_columns(tape), analysis=fail)
    assert isinstance(raised.value.__cause__, KeyError)
    assert len(seen) == 1
    seen[0].end_session()
    assert seen[0].session_ended


def test_stored_daily_bars_are_known_at_the_close_half_days_too() -> None:
    days = [us_day("2025-07-02"), us_day("2025-07-03"), us_day("2025-07-07")]
    bars = [
        tapeloom.BarData("DAY", day.open, 10, 11, 9, 10, 100, interval="1d")
        for day in days
    ]
    batches = list(tapeloom.replay(bars, intervals=["1d"]))
    assert [batch.ts for batch in batches] == [day.close for day in days]
    assert all(batch.bars[0].end == batch.time for batch in batches)


def test_bars_on_a_day_without_a_session_are_counted_in_a_warning() -> None:
    days = [us_day("2025-07-03"), us_day("2025-07-07")]
    holiday = [days[0].open + 24 * 60 * MINUTE + k * MINUTE for k in range(9)]
    stamps = [ts for day in days for ts in expected_starts(day, MINUTE)]
    tape = {"AAA": [bar_at(ts) for ts in sorted([*stamps, *holiday])]}
    result = tapeloom.replay(long_columns(tape), analysis=Recorder())
    (warning,) = result.warnings
    assert (warning.kind, warning.count, warning.symbols) == ("no session", 9, ("AAA",))


@pytest.mark.parametrize(("minutes", "bars"), [(60, 7), (30, 6)])
def test_a_few_regular_bars_of_a_longer_interval_are_not_taken_for_minutes(
    minutes: int, bars: int
) -> None:
    tape = {"AAA": [bar_at(FULL.open + k * minutes * MINUTE) for k in range(bars)]}
    with pytest.raises(PlanError, match="does not divide"):
        tapeloom.replay(long_columns(tape))


def test_a_record_keeps_its_stamp_and_its_symbol() -> None:
    tape = {"AAA": [bar_at(HALF.open)]}
    session = next(iter(tapeloom.replay(long_columns(tape)))).session
    session.record(" aaa ", x=1)
    assert session.records[0]["symbol"] == "AAA"
    with pytest.raises(ArgumentError, match="'time'"):
        session.record("AAA", time=5)


@pytest.mark.parametrize("completeness", ["any", "complete"])
def test_history_that_is_aggregated_follows_the_rules_of_the_session(
    completeness: str,
) -> None:
    days = [us_day("2025-07-02"), us_day("2025-07-03")]
    # Every seventh minute is missing: no bucket of 15 minutes is whole, some of 5 are.
    stamps = [ts for day in days for ts in expected_starts(day, MINUTE)]
    kept = [ts for k, ts in enumerate(stamps) if k % 7]
    result = tapeloom.replay(
        long_columns({"AAA": [bar_at(ts) for ts in kept]}),
        start=days[1].date,
        intervals=("1m", "5m"),
        history_days=1,
        analysis=Recorder(),
        bars={"completeness": completeness},
    )
    five = result.session_data.get_bars("AAA", "5m", scope="history")
    base = result.session_data.get_bars("AAA", scope="history")
    fresh = base.aggregate(
        "5m", table=result.session_data.session_table, completeness=completeness
    )
    assert five.ts.tolist() == fresh.ts.tolist()
    assert five.volume.tolist() == fresh.volume.tolist()


def test_an_async_analysis_is_refused() -> None:
    async def later(session: SessionData, bar: BarData) -> None:
        session.record(bar.symbol)

    with pytest.raises(ArgumentTypeError, match="async"):
        tapeloom.replay(long_columns({"AAA": [bar_at(HALF.open)]}), analysis=later)
