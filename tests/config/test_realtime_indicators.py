"""Real-time indicators in a configuration and its plan: their rules, their interval, the history they need."""

from __future__ import annotations

import json
import math
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.strategies import fewer

from tapeloom.calendars import TimeManager
from tapeloom.calendars.days import to_day
from tapeloom.config import HistoryNeed, SessionConfig, StreamPlan, WarmUp
from tapeloom.errors import ConfigError, PlanError


class Stored:
    """A catalog of one symbol with bars at all times."""

    def __init__(self, *intervals: str) -> None:
        self._intervals = list(intervals)

    def get_symbols(self) -> list[str]:
        return ["AAPL"]

    def get_intervals(self, _symbol: str) -> list[str]:
        return self._intervals

    def get_ranges(self, _symbol: str, _interval: str) -> list[tuple[int, int]]:
        return [(0, 4 * 10**18)]


def given_with(indicators: object, **data: Any) -> dict[str, Any]:
    return {
        "session_name": "indicators",
        "mode": "backtest",
        "backtest_config": {"start_date": "2025-07-02", "end_date": "2025-07-07"},
        "session_data_config": {
            "symbols": ["AAPL"],
            "streams": ["1m"],
            "indicators": indicators,
            **data,
        },
    }


def plan_of(
    indicators: dict[str, Any],
    *stored: str,
    streams: tuple[str, ...] = ("1m",),
    **data: Any,
) -> StreamPlan:
    config = SessionConfig.from_dict(
        given_with(indicators, streams=list(streams), **data)
    )
    return StreamPlan.build(config, Stored(*stored), TimeManager())


def errors_of(indicators: object, **data: Any) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        SessionConfig.from_dict(given_with(indicators, **data))
    errors: list[tuple[str, str]] = caught.value.facts["errors"]  # type: ignore[assignment]
    return {path.removeprefix("session_data_config."): text for path, text in errors}


ALL_TYPES: dict[str, dict[str, Any]] = {
    "a": {"type": "sma", "period": 20},
    "b": {"type": "ema", "period": 1, "interval": 5, "field": "high"},
    "c": {"type": "rsi", "period": 14, "warmup": False},
    "d": {"type": "atr", "period": 14, "interval": "1d"},
    "e": {"type": "vwap"},
    "f": {"type": "stdev", "period": 2, "field": "volume"},
    "g": {"type": "high", "period": 20, "field": "high"},
    "h": {"type": "low", "period": 20, "field": "low"},
}


def test_every_type_is_accepted_with_its_defaults_and_survives_a_round_trip() -> None:
    config = SessionConfig.from_dict(given_with(ALL_TYPES))

    found = config.session_data_config.indicators
    assert list(found) == list(ALL_TYPES)
    assert (found["a"].interval, found["a"].field, found["a"].warmup) == (
        None,
        "close",
        True,
    )
    assert found["b"].interval == "5m"
    for again in (
        config.model_dump(),
        json.loads(config.model_dump_json(by_alias=True)),
    ):
        assert SessionConfig.from_dict(again) == config
    assert hash(config) == hash(SessionConfig.from_dict(given_with(ALL_TYPES)))


def test_all_faults_are_told_at_once_with_what_is_near() -> None:
    assert errors_of(
        {
            "a": {"type": "smaa", "period": 20},
            "b": {"type": "rsi", "perid": 14},
            "c": {"type": "stdev", "period": 1},
            "d": {"type": "vwap", "period": 5},
            "e": {"type": "ema", "period": 0},
            "f": {"type": "atr", "period": 14, "field": "high"},
            "g": {"type": "sma", "period": True},
            "h": {"type": "sma", "period": 3, "interval": "0m"},
            "i": {"type": "sma", "period": 3, "field": "vol"},
            "j": {"period": 3},
            "k": {"type": "low", "period": 10**30},
            "l": None,
        }
    ) == {
        "indicators.a.type": "'smaa' must be one of 'sma', 'ema', 'rsi', 'atr', 'vwap', 'stdev', 'high', 'low'; did you mean 'sma'?",
        "indicators.b.perid": "unknown key; did you mean 'period'?",
        "indicators.b.period": "missing; 'rsi' needs a number of bars, such as 20",
        "indicators.c.period": "1 must be at least 2 for 'stdev'; one bar has no deviation",
        "indicators.d.period": "is not for 'vwap': it begins with each session; leave it out",
        "indicators.e.period": "0 must be at least 1",
        "indicators.f.field": "is not for 'atr': it is made of high, low and close; leave it out",
        "indicators.g.period": "true where a whole number is required",
        "indicators.h.interval": "interval '0m': must be above zero",
        "indicators.i.field": "'vol' must be one of 'open', 'high', 'low', 'close', 'volume'; did you mean 'volume'?",
        "indicators.j.type": "missing; it is required",
        "indicators.k.period": f"{10**30} must be at most 100000",
        "indicators.l": "null where an object: {...} is required",
    }  # fmt: skip


def test_a_base_that_does_not_serve_an_indicator_is_an_error() -> None:
    fives = {"a": {"type": "sma", "period": 20, "interval": "1m"}}

    found = errors_of(fives, streams=["5m"], bars={"base_interval": "5m"})

    assert found == {
        "indicators.a.interval": "'1m' is not served by base_interval '5m', which does not divide it"
    }


def test_a_base_longer_than_a_session_is_an_error() -> None:
    assert errors_of({}, streams=["1w"], bars={"base_interval": "1w"}) == {
        "bars.base_interval": "'1w' is longer than a session; the longest base is '1d'"
    }


def test_the_base_serves_every_interval_of_an_indicator() -> None:
    fast = {"fast": {"type": "sma", "period": 3, "interval": "1m"}}

    (plan,) = plan_of(fast, "1m", "5m", streams=("5m",)).symbols
    (without,) = plan_of({}, "1m", "5m", streams=("5m",)).symbols

    assert (plan.base, without.base) == ("1m", "5m")
    assert plan.streams[0].reason == "coarsest stored interval dividing 1m, 5m"
    with pytest.raises(PlanError, match="5m does not divide 1m and 5m"):
        plan_of(fast, "5m", streams=("5m",))


def test_an_interval_that_only_an_indicator_follows_is_derived_and_says_for_whom() -> (
    None
):
    slow = {
        "slow": {"type": "ema", "period": 3, "interval": "15m"},
        "slower": {"type": "atr", "period": 3, "interval": "15m"},
    }

    (plan,) = plan_of(slow, "1m").symbols

    assert plan.derived == ("15m",)
    assert (plan.streams[1].action, plan.streams[1].reason) == (
        "GENERATED",
        "15 x 1m, for slow, slower",
    )


def test_the_plan_says_how_many_days_a_warm_up_needs() -> None:
    specs: dict[str, Any] = {
        # Before July 7 lies a half day of 210 minutes: two days hold 390 bars, and not one.
        "sma": {"type": "sma", "period": 390},
        "rsi": {"type": "rsi", "period": 390, "interval": "1m"},
        "cold": {"type": "sma", "period": 390, "warmup": False},
        "vwap": {"type": "vwap"},
        "days": {"type": "high", "period": 20, "interval": "1d"},
        "weeks": {"type": "low", "period": 3, "interval": "1w"},
    }

    (plan,) = plan_of(specs, "1m").symbols

    assert plan.warm_ups == (
        WarmUp("sma", "1m", 390, 2),
        WarmUp("rsi", "1m", 391, 2),
        WarmUp("days", "1d", 20, 20),
        WarmUp("weeks", "1w", 3, 20),
    )
    assert plan.history == (HistoryNeed("1m", "20d", ("sma", "rsi", "days", "weeks")),)
    assert plan.kept_days == {}
    assert plan.to_dict()["warm_ups"][0] == {
        "name": "sma",
        "interval": "1m",
        "bars": 390,
        "days": 2,
    }


def test_history_that_is_kept_anyhow_serves_a_warm_up() -> None:
    kept = {"data": [{"trailing_days": 3, "intervals": ["1m"]}]}
    specs = {"sma": {"type": "sma", "period": 20}}

    (plan,) = plan_of(specs, "1m", historical=kept).symbols

    assert plan.history == (HistoryNeed("1m", "3d", ("configured", "sma")),)


@fewer(2)
@given(
    bars=st.integers(1, 3_000),
    minutes=st.sampled_from([1, 5, 15, 60, 240]),
    start=st.integers(0, 150),
    length=st.integers(0, 10),
)
def test_the_days_of_a_warm_up_are_the_fewest_that_hold_its_bars(
    bars: int, minutes: int, start: int, length: int
) -> None:
    manager = TimeManager()
    dates = manager.get_trading_dates_in_range(date(2018, 1, 1), date(2025, 12, 31))
    window = dates[1_600 + start : 1_601 + start + length]
    given = given_with({"a": {"type": "sma", "period": bars, "interval": minutes}})
    given["backtest_config"] = {"start_date": window[0], "end_date": window[-1]}

    plan = StreamPlan.build(SessionConfig.from_dict(given), Stored("1m"), manager)

    lengths = []
    for day in window:
        left, back = bars, dates.index(day)
        while left > 0:
            back -= 1
            opened, closed = manager.get_market_hours_datetime(dates[back])  # type: ignore[misc]
            left -= math.ceil((closed - opened).total_seconds() / 60 / minutes)
        lengths.append(dates.index(day) - back)
    assert plan.symbols[0].warm_ups[0].days == max(lengths)


def test_a_session_before_the_table_reaches_far_enough_takes_all_there_is() -> None:
    manager = TimeManager()
    index = manager.session_table.index_of(to_day(date(2025, 7, 7)))
    far = {"a": {"type": "sma", "period": 100_000, "interval": "1d"}}

    (plan,) = plan_of(far, "1m").symbols

    assert plan.warm_ups[0].days == index
