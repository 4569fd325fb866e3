"""After any number of sessions history is what loading it afresh would give, for every interval and symbol."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tapeloom
from tapeloom.actions import Action, Actions
from tapeloom.bars import Provenance
from tapeloom.calendars.days import to_day
from tapeloom.errors import InvalidBarError
from tapeloom.storage import DataManager
from tests.compare import columns, stored
from tests.reference import history as reference
from tests.reference.bars import Bar
from tests.reference.derived import compensated_sum, derive, resample
from tests.reference.gaps import expected_starts, extended_starts
from tests.reference.history import Split
from tests.reference.schedule import MINUTE
from tests.session.history_run import (
    Run,
    Tapes,
    config,
    dates_in,
    minutes_of,
    warnings_of,
)
from tests.session.memory import JULY, us_days
from tests.strategies import bar_at, fewer, present_extended, present_starts

if TYPE_CHECKING:
    from pathlib import Path

    from tapeloom._core import Bars
    from tapeloom.session_data import SessionData
    from tests.reference.schedule import TradingDay

MONDAY = date(2025, 7, 7)
#: Which way a bar came here, and when, does not matter to what it is.
WAY = Provenance.IMPORTED | Provenance.STREAMED | Provenance.LATE
SYMBOLS = ["AAA", "BBB"]
modes = st.sampled_from(["off", "show", "full"])


def what_it_is(bars: Bars) -> tuple[list[Bar], list[int], list[int]]:
    flags = bars.flags & ~np.uint8(WAY)
    made = bars.constituents.tolist() if bars.is_derived else [0] * len(bars)
    return stored(bars), flags.tolist(), made


def found(store: SessionData, symbol: str, interval: str) -> object:
    return what_it_is(store.get_bars(symbol, interval, scope="history"))


def days_of(salt: int) -> list[Bar]:
    """Stored daily bars that are not those of the minutes."""
    return [bar_at(day.open, salt) for day in JULY]


def weeks_of(salt: int) -> list[Bar]:
    first: dict[int, int] = {}
    for day in JULY:
        first.setdefault(day.date.isocalendar().week, day.open)
    return [bar_at(ts, salt) for ts in first.values()]


@st.composite
def tapes(draw: st.DrawFn) -> Tapes:
    """Minutes of two symbols with holes, and stored bars of other intervals for some."""
    found: Tapes = {}
    for symbol in SYMBOLS:
        holed = draw(st.sets(st.sampled_from(range(len(JULY))), max_size=4))
        rows = [
            bar_at(ts)
            for at, day in enumerate(JULY)
            for ts in (
                draw(present_starts(day))
                if at in holed
                else expected_starts(day, MINUTE)
            )
        ]
        rows += [bar_at(day.open) for day in JULY]
        rows += [bar_at(ts) for day in JULY for ts in draw(present_extended(day))]
        found[symbol, "1m"] = sorted({bar.ts: bar for bar in rows}.values())
        if draw(st.booleans()):
            found[symbol, "1d"] = days_of(3)
        if draw(st.booleans()):
            found[symbol, "15m"] = [
                bar_at(ts, 4)
                for day in JULY
                for starts in (expected_starts, extended_starts)
                for ts in starts(day, 15 * MINUTE)
            ]
            found[symbol, "15m"].sort()
        if draw(st.booleans()):
            found[symbol, "1w"] = weeks_of(5)
    return found


@st.composite
def histories(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Days of history by interval, for all symbols or one of them."""
    entries: list[dict[str, Any]] = []
    for interval in draw(
        st.lists(
            st.sampled_from(["5m", "15m", "1d", "2d", "1w"]), min_size=1, unique=True
        )
    ):
        whom = draw(st.sampled_from(["all", ["AAA"], ["BBB"]]))
        days = draw(st.integers(1, 6))
        entries.append(
            {"trailing_days": days, "intervals": [interval], "apply_to": whom}
        )
    if draw(st.booleans()):
        whom = draw(st.sampled_from(["all", ["AAA"], ["BBB"]]))
        days = draw(st.integers(1, 4))
        entries.append({"trailing_days": days, "intervals": ["1m"], "apply_to": whom})
    return entries


@fewer(4)
@given(data=st.data(), tape=tapes(), entries=histories(), mode=modes)
def test_a_rolled_history_equals_one_loaded_afresh_at_every_interval(
    data: st.DataObject, tape: Tapes, entries: list[dict[str, Any]], mode: str
) -> None:
    first = data.draw(st.integers(4, len(JULY) - 2))
    days = JULY[first : first + data.draw(st.integers(2, 6))]
    when = data.draw(st.sampled_from([None, *(day.date for day in days)]))
    actions = Actions([] if when is None else [Action("AAA", when, 0.5, 2.0)])
    streams = ("1m", *data.draw(st.lists(st.sampled_from(["5m", "1d"]), unique=True)))
    bars = {"extended_hours": mode}
    asked = config(entries, symbols=SYMBOLS, streams=streams, bars=bars)
    rolled = Run(tape, asked, actions)

    for day in days:
        afresh = Run(tape, asked, actions).begin(day.date)
        store = rolled.begin(day.date)
        for symbol in SYMBOLS:
            handle = store.get_symbol_data(symbol)
            assert handle is not None
            for interval in handle.intervals:
                where = day.date, symbol, interval
                assert found(store, symbol, interval) == found(
                    afresh, symbol, interval
                ), where
                assert store.get_quality(
                    symbol, interval, scope="history"
                ) == pytest.approx(
                    afresh.get_quality(symbol, interval, scope="history")
                ), where
        rolled.play(day)


def test_a_stored_daily_bar_stays_when_its_session_becomes_history() -> None:
    entries = [
        {"trailing_days": 2, "intervals": ["1m"]},
        {"trailing_days": 4, "intervals": ["1d"]},
    ]
    run = Run(
        {("AAA", "1m"): minutes_of(JULY), ("AAA", "1d"): days_of(3)},
        config(entries, symbols=["AAA"], streams=("1m", "1d")),
    )

    for day in JULY[5:]:
        found = run.begin(day.date).get_bars("AAA", "1d", scope="history")
        past = reference.trailing(JULY, day.date, 4)
        assert stored(found) == [bar_at(one.open, 3) for one in past]
        run.play(day)


def test_a_symbol_keeps_no_derived_history_that_is_meant_for_another() -> None:
    entries = [{"trailing_days": 3, "intervals": ["1d"], "apply_to": ["AAA"]}]
    run = Run(
        {(symbol, "1m"): minutes_of(JULY) for symbol in SYMBOLS},
        config(entries, symbols=SYMBOLS, streams=("1m", "1d")),
    )

    for day in JULY[5:]:
        store = run.begin(day.date)
        past = reference.trailing(JULY, day.date, 3)
        found = store.get_bars("AAA", "1d", scope="history").ts.tolist()
        assert found == [one.open for one in past]
        assert store.get_bar_count("BBB", "1d", scope="history") == 0
        run.play(day)


def test_each_symbol_keeps_as_many_days_as_were_asked_for_it() -> None:
    entries = [
        {"trailing_days": 3, "intervals": ["1m"], "apply_to": ["AAA"]},
        {"trailing_days": 1, "intervals": ["1m"], "apply_to": ["BBB"]},
    ]
    symbols = [*SYMBOLS, "CCC"]
    run = Run(
        {(symbol, "1m"): minutes_of(JULY) for symbol in symbols},
        config(entries, symbols=symbols, streams=("1m", "5m")),
    )

    for day in JULY[5:]:
        store = run.begin(day.date)
        for symbol, number in zip(symbols, (3, 1, 0), strict=True):
            before = [one.date for one in JULY if one.date < day.date]
            past = before[len(before) - number :]
            assert dates_in(store, symbol) == past
            assert dates_in(store, symbol, "5m") == past
        run.play(day)


def test_a_late_bar_of_the_last_session_is_in_the_history_made_of_it() -> None:
    # The store rolls the days of AAA, beside those that are stored of BBB.
    entries = [{"trailing_days": 3, "intervals": ["1d"]}]
    tape = {(symbol, "1m"): minutes_of(JULY) for symbol in SYMBOLS}
    run = Run(tape | {("BBB", "1d"): days_of(3)}, config(entries, symbols=SYMBOLS))
    friday = next(day for day in JULY if day.date == date(2025, 7, 3))
    run.begin(friday.date)
    run.play(friday)
    high = bar_at(friday.open)._replace(high=10_000.0)
    run.store.add_bars_batch("AAA", {k: [v] for k, v in high._asdict().items()})

    found = run.begin(MONDAY).get_bars("AAA", "1d", scope="history")

    assert found.high[-1] == 10_000.0
    assert len(found) == 3


def test_days_of_the_base_are_rolled_beside_stored_days_of_another_symbol() -> None:
    entries = [{"trailing_days": 3, "intervals": ["1d"]}]
    tape = {(symbol, "1m"): minutes_of(JULY) for symbol in SYMBOLS}
    asked = config(entries, symbols=SYMBOLS)
    run = Run(tape | {("BBB", "1d"): days_of(3)}, asked)
    run.begin(JULY[7].date)
    run.play(JULY[7])

    index = run.table.index_of(to_day(JULY[8].date))
    assert index is not None
    run.store.start_new_session(JULY[8].date, roll=True)
    run.history.prepare(index)

    past = [day.open for day in JULY[5:8]]
    assert run.store.get_bars("AAA", "1d", scope="history").ts.tolist() == past


def test_a_week_that_is_not_over_is_no_history() -> None:
    run = Run(
        {("AAA", "1m"): minutes_of(JULY), ("AAA", "1w"): weeks_of(5)},
        config([{"trailing_days": 5, "intervals": ["1w"]}], symbols=["AAA"]),
    )
    weeks = weeks_of(5)

    for day in JULY[5:]:
        week = day.date.isocalendar().week
        found = stored(run.begin(day.date).get_bars("AAA", "1w", scope="history"))
        reached = {
            d.date.isocalendar().week for d in reference.trailing(JULY, day.date, 5)
        }
        assert found == [
            bar
            for bar, number in zip(weeks, (26, 27, 28), strict=True)
            if number in reached and number < week
        ]
        run.play(day)


def test_garbage_from_the_session_on_changes_no_history_of_weeks() -> None:
    entries = [{"trailing_days": 10, "intervals": ["1w", "2d"]}]
    asked = config(entries, symbols=["AAA"])
    clean = {("AAA", "1m"): minutes_of(JULY), ("AAA", "1w"): weeks_of(5)}
    monday = next(day for day in JULY if day.date == MONDAY)
    # The week of July 7 has a stored bar that knows its end.
    garbage = {
        key: [b if b.ts < monday.open else bar_at(b.ts, 99) for b in rows]
        for key, rows in clean.items()
    }

    for day in [day for day in JULY if day.date >= MONDAY][:1]:
        one, other = (Run(tape, asked).begin(day.date) for tape in (clean, garbage))
        for interval in ("1w", "2d"):
            assert what_it_is(
                one.get_bars("AAA", interval, scope="history")
            ) == what_it_is(other.get_bars("AAA", interval, scope="history"))


def test_weeks_that_are_not_stored_are_made_of_days_or_of_the_base() -> None:
    year = us_days(date(2025, 1, 1), date(2025, 7, 10))
    entries = [{"trailing_days": 8, "intervals": ["1w"]}]
    minutes = minutes_of(JULY)
    run = Run({("AAA", "1m"): minutes}, config(entries, symbols=["AAA"]))
    of_days = Run(
        {("AAA", "1m"): minutes, ("AAA", "1d"): days_of(3)},
        config(entries, symbols=["AAA"]),
    )

    made = stored(run.begin(MONDAY).get_bars("AAA", "1w", scope="history"))
    of_stored = of_days.begin(MONDAY).get_bars("AAA", "1w", scope="history")

    before = [bar for bar in minutes if bar.ts < JULY[9].open]
    expected = resample(year, before, "1m", "1w")
    assert made == [Bar(*bar[:6]) for bar in expected]
    days = [bar for bar in days_of(3) if bar.ts < JULY[9].open]
    assert stored(of_stored) == [
        Bar(*bar[:6]) for bar in resample(year, days, "1d", "1w")
    ]
    assert not (of_stored.flags & np.uint8(Provenance.DERIVED)).any()
    assert warnings_of(run) == []


def test_weeks_are_restated_day_by_day_where_a_split_lies_inside() -> None:
    entries = [{"trailing_days": 4, "intervals": ["1w"]}]
    split = date(2025, 7, 2)
    run = Run(
        {("AAA", "1m"): minutes_of(JULY)},
        config(entries, symbols=["AAA"]),
        Actions([Action("AAA", split, 0.25, 4.0)]),
    )

    (found,) = stored(run.begin(MONDAY).get_bars("AAA", "1w", scope="history"))

    rows = [
        bar
        for day in JULY
        if day.date.isocalendar().week == 27
        for bar in reference.restated(
            minutes_of([day]), day.date, [Split(split, 4.0)], MONDAY
        )
    ]
    assert found.high == max(bar.high for bar in rows)
    assert found.low == min(bar.low for bar in rows)
    assert found.volume == compensated_sum(bar.volume for bar in rows)


def test_a_fault_of_stored_days_comes_at_the_session_that_would_read_it(
    tmp_path: Path,
) -> None:
    manager = DataManager(tmp_path)
    manager.write_bars("AAA", "1m", columns(minutes_of(JULY)))
    manager.write_bars("AAA", "1d", columns(days_of(3)))
    (file,) = (tmp_path / "bars").rglob("interval=1d/**/*.parquet")
    table = pq.ParquetFile(file).read()
    highs = table["high"].to_numpy().copy()
    highs[[day.date for day in JULY].index(MONDAY)] = np.nan
    at = table.schema.get_field_index("high")
    foreign = table.set_column(at, "high", pa.array(highs))
    pq.write_table(foreign.replace_schema_metadata(None), file)
    entries = [{"trailing_days": 3, "intervals": ["1d"]}]
    seen: list[date | None] = []

    class Looking:
        def on_session_start(self, session: SessionData) -> None:
            seen.append(session.current_session_date)

    with pytest.raises(InvalidBarError, match="high"):
        tapeloom.run(
            config(entries, symbols=["AAA"]), Looking(), data=tmp_path, progress=False
        )

    # July 8 is the first session with July 7 in its history.
    assert seen[-1] == MONDAY


def test_a_run_whose_history_would_be_finer_than_its_base_runs_without_it(
    tmp_path: Path,
) -> None:
    manager = DataManager(tmp_path)
    manager.write_bars("AAA", "1m", columns(minutes_of(JULY)))
    fives = [bar_at(ts) for day in JULY for ts in expected_starts(day, 5 * MINUTE)]
    manager.write_bars("AAA", "5m", columns(fives))
    entries = [{"trailing_days": 2, "intervals": ["1m", "5m"]}]

    result = tapeloom.run(
        config(entries, symbols=["AAA"], streams=("5m",)), data=tmp_path, progress=False
    )

    assert result.plan.symbols[0].kept_days == {"5m": 2}
    assert "history_dropped" in [warning.kind for warning in result.warnings]


def test_a_run_keeps_the_stored_days_of_one_symbol_beside_the_made_ones_of_another(
    tmp_path: Path,
) -> None:
    manager = DataManager(tmp_path)
    for symbol in SYMBOLS:
        manager.write_bars(symbol, "1m", columns(minutes_of(JULY)))
    manager.write_bars("AAA", "1d", columns(days_of(3)))
    entries = [{"trailing_days": 3, "intervals": ["1d"]}]
    seen: dict[date, dict[str, list[Bar]]] = {}

    class Looking:
        def on_session_start(self, session: SessionData) -> None:
            assert session.current_session_date is not None
            seen[session.current_session_date] = {
                symbol: stored(session.get_bars(symbol, "1d", scope="history"))
                for symbol in SYMBOLS
            }

    tapeloom.run(
        config(entries, symbols=SYMBOLS), Looking(), data=tmp_path, progress=False
    )

    for day in JULY[3:]:
        past = reference.trailing(JULY, day.date, 3)
        assert seen[day.date]["AAA"] == [bar_at(one.open, 3) for one in past]
        assert seen[day.date]["BBB"] == [
            Bar(*made[:6])
            for one in past
            for made in derive(one, {b.ts: b for b in minutes_of([one])}, MINUTE, None)
        ]


@pytest.mark.parametrize("has_stored_days", [False, True])
def test_a_symbol_that_enters_the_universe_has_the_days_before_it(
    tmp_path: Path, has_stored_days: bool
) -> None:
    manager = DataManager(tmp_path)
    for symbol in SYMBOLS:
        manager.write_bars(symbol, "1m", columns(minutes_of(JULY)))
    if has_stored_days:
        # The daily history of AAA is taken along then.
        manager.write_bars("BBB", "1d", columns(days_of(3)))
    entries = [
        {"trailing_days": 2, "intervals": ["1m"]},
        {"trailing_days": 4, "intervals": ["1d"]},
    ]
    asked = config(entries, symbols=["AAA"], streams=("1m", "5m")).model_dump()
    # In at first, out for three sessions, and in again after a half day.
    spells = [("2025-06-01", "2025-06-27"), ("2025-07-03", "2025-07-03")]
    rows = [{"date_from": a, "date_to": b, "symbol": "AAA"} for a, b in spells]
    table = [*rows, {"date_from": "2025-07-08", "symbol": "AAA"}, {"symbol": "BBB"}]
    asked["session_data_config"]["symbols"] = {"table": table}
    seen: dict[tuple[date | None, str], list[Bar]] = {}

    class Looking:
        def on_session_start(self, session: SessionData) -> None:
            for interval in ("1m", "5m", "1d"):
                bars = session.get_bars("AAA", interval, scope="history")
                seen[session.current_session_date, interval] = stored(bars)

    tapeloom.run(asked, Looking(), data=tmp_path, progress=False)

    listed = [
        day
        for day in JULY[5:]
        if day.date.isoformat()
        in ("2025-07-03", "2025-07-08", "2025-07-09", "2025-07-10")
    ]
    assert len(listed) == 4
    for day in listed:
        for interval, count in (("1m", 2), ("5m", 2), ("1d", 4)):
            expected = [
                bar
                for past in reference.trailing(JULY, day.date, count)
                for bar in bars_of(past, interval)
            ]
            assert seen[day.date, interval] == expected, (day.date, interval)


def bars_of(day: TradingDay, interval: str) -> list[Bar]:
    rows = minutes_of([day])
    if interval == "1m":
        return rows
    target = None if interval == "1d" else 5 * MINUTE
    by_start = {bar.ts: bar for bar in rows}
    return [Bar(*made[:6]) for made in derive(day, by_start, MINUTE, target)]


def test_real_stored_bars_are_in_history_as_they_are_stored(real_data: Path) -> None:
    series: dict[str, dict[date, list[float]]] = {"15m": {}, "1d": {}}
    for interval, found in series.items():
        folder = real_data / f"bars/us_equity/interval={interval}/symbol=AAPL"
        (file,) = folder.glob("*.parquet")
        table = pq.read_table(file, partitioning=None).to_pydict()
        for ts, volume in zip(table["ts"], table["volume"], strict=True):
            found.setdefault(ts.date(), []).append(float(volume))
    entries = [{"trailing_days": 2, "intervals": ["15m", "1d"]}]
    asked = config(entries, symbols=["AAPL"], streams=("1m", "15m")).model_dump()
    asked["backtest_config"] |= {"start_date": "2019-02-13", "end_date": "2019-02-15"}
    seen: dict[date, dict[str, list[float]]] = {}

    class Looking:
        def on_session_start(self, session: SessionData) -> None:
            assert session.current_session_date is not None
            seen[session.current_session_date] = {
                interval: session.get_bars(
                    "AAPL", interval, scope="history"
                ).volume.tolist()
                for interval in series
            }

    tapeloom.run(asked, Looking(), data=real_data, progress=False)

    assert list(seen) == [date(2019, 2, day) for day in (13, 14, 15)]
    for day, history in seen.items():
        for interval, found in series.items():
            days = [date(2019, 2, day.day - 2), date(2019, 2, day.day - 1)]
            assert history[interval] == [v for one in days for v in found[one]]
