"""Indicators of history before each session: the values of a computation from scratch, and never a bar from the open on."""

from __future__ import annotations

import math
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tapeloom
from tapeloom.actions import Action, Actions
from tapeloom.calendars import TimeManager
from tapeloom.calendars.days import to_day
from tapeloom.config import SessionConfig, StreamPlan
from tapeloom.session.indicators import SessionIndicators
from tapeloom.session_data import SessionData
from tests.compare import columns
from tests.reference import history, indicators
from tests.reference.bars import Bar
from tests.reference.gaps import expected_starts
from tests.reference.history import Split
from tests.reference.schedule import MINUTE, TradingDay
from tests.session.memory import JULY, MARCH, MemorySource
from tests.strategies import bar_at, fewer, present_starts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tapeloom.session_data.indicator_values import IndicatorInfo

HALF_DAY = date(2025, 7, 3)
Tapes = dict[tuple[str, str], list[Bar]]
SPECS: dict[str, dict[str, Any]] = {
    "avg_volume": {"type": "trailing_average", "period": "4d"},
    "avg_full": {"type": "trailing_average", "period": "3d", "skip_early_close": True},
    "avg_close_week": {"type": "trailing_average", "period": "1w", "field": "close"},
    "avg_minute": {"type": "trailing_average", "period": "3d", "granularity": "minute"},
    "avg_minute_full": {
        "type": "trailing_average",
        "period": "3d",
        "granularity": "minute",
        "field": "high",
        "skip_early_close": True,
    },
    "high": {"type": "trailing_max", "period": "2w"},
    "low_month": {"type": "trailing_min", "period": "1m"},
    "open_max": {"type": "trailing_max", "period": "5d", "field": "open"},
}


def config(
    specs: dict[str, Any],
    days: Sequence[TradingDay] = JULY,
    *,
    symbols: tuple[str, ...] = ("AAA",),
    **historical: Any,
) -> SessionConfig:
    return SessionConfig.from_dict(
        {
            "session_name": "indicators",
            "mode": "backtest",
            "backtest_config": {"start_date": days[0].date, "end_date": days[-1].date},
            "session_data_config": {
                "symbols": list(symbols),
                "streams": ["1m"],
                "historical": {"indicators": specs, **historical},
            },
        }
    )


class Run:
    """Indicators prepared session by session, as a run does it."""

    def __init__(
        self,
        tapes: Tapes,
        asked: SessionConfig,
        days: Sequence[TradingDay],
        actions: Actions | None = None,
    ) -> None:
        self.source = MemorySource(tapes)
        self.store = SessionData()
        self.plan = StreamPlan.build(asked, self.source)
        for plan in self.plan.symbols:
            self.store.register_symbol(plan.symbol, base_interval=plan.base)
        table = self.store.session_table
        found = [table.index_of(to_day(day.date)) for day in days]
        self.indices = [index for index in found if index is not None]
        self.indicators = SessionIndicators(
            self.store,
            self.source,
            self.plan,
            asked.session_data_config.historical.indicators,
            time_manager=TimeManager(),
            sessions=self.indices,
            actions=Actions() if actions is None else actions,
        )

    def info(self, name: str, symbol: str = "AAA") -> IndicatorInfo:
        found = self.store.get_historical_indicator_info(symbol, name)
        assert found is not None
        return found


def past_days(
    spec: dict[str, Any], days: Sequence[TradingDay], today: date
) -> list[TradingDay]:
    """The days of a period before a session."""
    skips = spec.get("skip_early_close", False)
    known = [d for d in days if d.date < today and not (skips and d.date == HALF_DAY)]
    if spec["period"].endswith("d"):
        return known[-int(spec["period"][:-1]) :]
    start = indicators.period_start(today, spec["period"])
    return [day for day in known if day.date >= start]


def expected_value(
    spec: dict[str, Any],
    rows: Sequence[Bar],
    days: Sequence[TradingDay],
    today: date,
    splits: Sequence[Split] = (),
) -> tuple[list[float], int]:
    """The value, of minutes one each, and the number of days behind it."""
    used = past_days(spec, days, today)
    of_day = [
        history.restated(
            indicators.day_bars(day, rows, MINUTE), day.date, splits, today
        )
        for day in used
    ]
    kind = spec["type"]
    usual = {"trailing_max": "high", "trailing_min": "low"}.get(kind, "volume")
    field = spec.get("field", usual)
    if spec.get("granularity") == "minute":
        restated = [bar for bars in of_day for bar in bars]
        means, _ = indicators.minute_average(used, restated, field, 390)
        return means, sum(1 for bars in of_day if bars)
    values = [indicators.day_value(bars, field) for bars in of_day]
    known = [value for value in values if value == value]
    if kind == "trailing_average":
        mean, _ = indicators.mean(values)
        return [mean], len(known)
    return [(max if kind == "trailing_max" else min)(known, default=math.nan)], len(
        known
    )


def compare(
    run: Run,
    name: str,
    spec: dict[str, Any],
    expected: tuple[list[float], int],
) -> None:
    info = run.info(name)
    np.testing.assert_allclose(np.atleast_1d(info.value), expected[0], rtol=1e-12)
    assert info.n_used == expected[1]


@fewer(4)
@given(data=st.data())
def test_every_kind_equals_a_computation_from_scratch_before_each_session(
    data: st.DataObject,
) -> None:
    rows = [bar_at(ts) for day in JULY for ts in data.draw(present_starts(day))]
    rows = [*rows, bar_at(JULY[-1].open)]
    tape = sorted({bar.ts: bar for bar in rows}.values())
    when = data.draw(st.sampled_from([day.date for day in JULY]))
    shares = data.draw(st.sampled_from([1.0, 4.0]))
    window = JULY[data.draw(st.integers(0, 8)) :]
    actions = Actions([Action("AAA", when, 1 / shares, shares)])
    run = Run({("AAA", "1m"): tape}, config(SPECS), window, actions)

    for index, day in zip(run.indices, window, strict=True):
        run.indicators.prepare(index)
        for name, spec in SPECS.items():
            splits = [Split(when, shares)]
            compare(run, name, spec, expected_value(spec, tape, JULY, day.date, splits))


def minutes_of(days: Sequence[TradingDay]) -> list[Bar]:
    return [bar_at(ts) for day in days for ts in expected_starts(day, MINUTE)]


def test_stored_daily_bars_come_before_minutes() -> None:
    daily = [Bar(d.open, 1.0, 2.0, 0.5, 1.5, 100.0 + n) for n, d in enumerate(JULY)]
    tapes = {("AAA", "1m"): minutes_of(JULY), ("AAA", "1d"): daily}
    run = Run(tapes, config({"a": SPECS["avg_volume"]}), JULY[6:])

    run.indicators.prepare(run.indices[0])

    assert run.info("a").value == np.mean([102.0, 103.0, 104.0, 105.0])
    assert {interval for _, interval, *_ in run.source.reads} == {"1d"}


def test_finer_bars_make_the_minutes_where_none_are_stored() -> None:
    days = JULY[:3]
    seconds = [
        bar_at(ts) for day in days for ts in expected_starts(day, 30 * 10**9)[:8]
    ]
    asked = config({"a": SPECS["avg_minute"]})
    run = Run({("AAA", "30s"): seconds}, asked, JULY[3:4])

    run.indicators.prepare(run.indices[0])

    volume = run.info("a").value
    pairs = [
        seconds[8 * d + 0].volume + seconds[8 * d + 1].volume for d in range(len(days))
    ]
    assert volume[0] == pytest.approx(sum(pairs) / 3)
    assert np.isfinite(volume).sum() == 4


def test_an_indicator_that_nothing_stored_serves_is_nan_and_the_plan_says_so() -> None:
    days = {("AAA", "1d"): [bar_at(day.open) for day in JULY]}
    asked = SessionConfig.from_dict(
        config({"a": SPECS["avg_minute"]}).model_dump()
        | {"session_data_config": {"symbols": ["AAA"], "streams": ["1d"], "historical": {"indicators": {"a": SPECS["avg_minute"]}}}}
    )  # fmt: skip
    run = Run(days, asked, JULY[5:])

    run.indicators.prepare(run.indices[0])

    info = run.info("a")
    assert np.isnan(info.value).all()
    assert (len(info.value), info.n_used, info.n_requested) == (390, 0, 3)
    assert [w.kind for w in run.plan.warnings] == ["indicator_empty"]


def test_too_little_history_is_visible() -> None:
    run = Run({("AAA", "1m"): minutes_of(JULY[7:])}, config(SPECS), JULY[7:])

    run.indicators.prepare(run.indices[0])
    none = run.info("avg_volume")
    run.indicators.prepare(run.indices[1])
    one = run.info("avg_volume")

    assert math.isnan(none.value)
    assert (none.n_used, none.n_requested) == (0, 4)
    assert (one.n_used, one.n_requested) == (1, 4)
    assert one.dates == (JULY[7].date,)


def test_half_days_count_for_their_minutes_only_and_can_be_left_out() -> None:
    tape = [
        Bar(ts, 1.0, 1.0, 1.0, 1.0, 10.0 if day.date == HALF_DAY else 4.0)
        for day in JULY
        for ts in expected_starts(day, MINUTE)
    ]
    average = {"type": "trailing_average", "period": "2d"}
    specs: dict[str, dict[str, object]] = {
        "minute": {**average, "granularity": "minute"},
        "full": {**average, "skip_early_close": True},
        "day": {**average},
    }
    monday = [day for day in JULY if day.date == date(2025, 7, 7)]
    run = Run({("AAA", "1m"): tape}, config(specs), monday)

    run.indicators.prepare(run.indices[0])

    minutes = run.info("minute").value
    assert minutes[0] == 7.0
    assert minutes[209] == 7.0
    assert minutes[210] == 4.0
    assert run.info("full").value == 390 * 4.0
    assert run.info("full").dates == (date(2025, 7, 1), date(2025, 7, 2))
    assert run.info("day").value == (210 * 10.0 + 390 * 4.0) / 2


def test_minutes_are_counted_from_the_open_across_a_clock_change() -> None:
    tape = [
        Bar(ts, 1.0, 1.0, 1.0, 1.0, float(minute))
        for day in MARCH
        for minute, ts in enumerate(expected_starts(day, MINUTE))
    ]
    spec = {"a": {"type": "trailing_average", "period": "5d", "granularity": "minute"}}
    run = Run({("AAA", "1m"): tape}, config(spec, MARCH), MARCH[5:])

    for index in run.indices:
        run.indicators.prepare(index)
        assert run.info("a").value.tolist() == list(range(390))


@fewer(4)
@given(data=st.data())
def test_poison_from_the_open_on_changes_no_value(data: st.DataObject) -> None:
    day = data.draw(st.sampled_from(JULY[3:]))
    clean = minutes_of(JULY)
    poison = [
        bar if bar.ts < day.open else Bar(bar.ts, 1e9, 1e9, 1e9, 1e9, 1e12)
        for bar in clean
    ]
    later = Actions([Action("AAA", JULY[-1].date, 0.001, 1000.0)])
    runs = [
        Run({("AAA", "1m"): clean}, config(SPECS), JULY[2:]),
        Run(
            {("AAA", "1m"): poison},
            config(SPECS),
            JULY[2:],
            later if day.date < JULY[-1].date else None,
        ),
    ]

    for run in runs:
        for index, at in zip(run.indices, JULY[2:], strict=True):
            if at.date <= day.date:
                run.indicators.prepare(index)

    for name in SPECS:
        one, other = (run.info(name) for run in runs)
        assert np.array_equal(one.value, other.value, equal_nan=True)
        assert (one.n_used, one.dates) == (other.n_used, other.dates)


def test_bars_are_read_in_few_pieces_however_many_sessions_there_are() -> None:
    run = Run({("AAA", "1m"): minutes_of(JULY)}, config(SPECS), JULY[5:])

    for index in run.indices:
        run.indicators.prepare(index)

    # Once for days and once for minutes.
    assert len(run.source.reads) == 2


def test_what_only_indicators_need_is_not_kept_in_history(tmp_path: Path) -> None:
    from tapeloom.storage import DataManager

    DataManager(tmp_path).write_bars("AAA", "1m", columns(minutes_of(JULY)))
    asked = config(
        {"a": SPECS["avg_volume"]},
        JULY[6:8],
        data=[{"trailing_days": 1, "intervals": ["1m"]}],
    )
    seen = []

    class Looking:
        def on_session_start(self, session: SessionData) -> None:
            bars = session.get_bars("AAA", scope="history")
            days = {when.date() for when in bars.timestamps}
            seen.append((days, session.get_historical_indicator("AAA", "a")))

    result = tapeloom.run(asked, Looking(), data=tmp_path, progress=False)

    tape = minutes_of(JULY)
    for at, (days, value) in zip((6, 7), seen, strict=True):
        assert days == {JULY[at - 1].date}
        expected, _ = expected_value(SPECS["avg_volume"], tape, JULY, JULY[at].date)
        assert value == pytest.approx(expected[0])
    assert "1m 4 days (a)" in str(result.plan)
