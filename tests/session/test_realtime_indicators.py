"""Built-in indicators: whatever came in which order, a value is what a fresh pass over the present bars gives."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeloom._core import RealtimeIndicators as CoreIndicators
from tapeloom._core import Replay
from tapeloom.bars import Bars, Provenance
from tapeloom.errors import (
    ArgumentError,
    ArgumentTypeError,
    UnknownSeriesError,
    UnknownSymbolError,
)
from tapeloom.session.realtime_indicators import RealtimeIndicators
from tapeloom.session_data import SessionData
from tests.compare import bar_data, columns, stored
from tests.days import HONG_KONG, US, Market
from tests.reference.bars import Bar
from tests.reference.gaps import expected_starts
from tests.reference.realtime import exact_value, value
from tests.reference.schedule import HOUR, MINUTE
from tests.session_data.made import bar, fill, session_of
from tests.strategies import arrivals, bar_at, fewer, streams

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.reference.schedule import TradingDay

SPECS: dict[str, dict[str, Any]] = {
    "sma1": {"type": "sma", "period": 1},
    "sma7": {"type": "sma", "period": 7, "field": "volume"},
    "sma cold": {"type": "sma", "period": 20, "warmup": False},
    "ema9": {"type": "ema", "period": 9, "interval": "1m"},
    "rsi5": {"type": "rsi", "period": 5},
    "rsi5m": {"type": "rsi", "period": 2, "interval": "5m", "field": "open"},
    "atr5": {"type": "atr", "period": 5},
    "atr5m": {"type": "atr", "period": 3, "interval": "5m", "warmup": False},
    "vwap": {"type": "vwap"},
    "vwap5m": {"type": "vwap", "interval": "5m"},
    "stdev2": {"type": "stdev", "period": 2},
    "stdev11": {"type": "stdev", "period": 11, "field": "high"},
    "high4": {"type": "high", "period": 4, "field": "high"},
    "low6": {"type": "low", "period": 6, "interval": "5m", "field": "low"},
    "high1d": {"type": "high", "period": 1, "interval": "1d"},
}
SYMBOLS = ("AAA", "BBB")
OUT_OF_HOURS = int(Provenance.EXTENDED)


def counting(
    session: SessionData,
    days: Iterable[TradingDay],
    symbol: str,
    interval: str,
    scope: str,
) -> list[Bar]:
    """Return the present bars that count, oldest first: those of regular hours."""
    bars = session.get_bars(symbol, interval, scope=scope)
    flags = bars.flags.tolist()
    kept = [b for b, f in zip(stored(bars), flags, strict=True) if not f & OUT_OF_HOURS]
    if scope == "session":
        return kept
    return [b for b in kept if any(day.is_regular(b.ts) for day in days)]


def fresh(
    session: SessionData, days: Iterable[TradingDay], symbol: str, name: str
) -> tuple[float | None, int]:
    """Return value and count as a fresh pass over the present bars has them."""
    spec = dict(SPECS[name])
    interval = spec.pop("interval", "1m")
    history, own = (
        counting(session, days, symbol, interval, scope)
        for scope in ("history", "session")
    )
    return value(spec.pop("type"), history, own, **spec)


def image(number: float | None) -> str | None:
    return None if number is None else float(number).hex()


def differences(
    session: SessionData,
    indicators: RealtimeIndicators,
    days: Iterable[TradingDay],
    symbols: Iterable[str] = SYMBOLS,
) -> list[object]:
    """Return each value that is not the fresh one to the last bit, and each count."""
    found: list[object] = []
    for symbol in symbols:
        for name in SPECS:
            expected, count = fresh(session, days, symbol, name)
            got = session.get_realtime_indicator(symbol, name)
            known = (image(got), indicators.count(symbol, name))
            if known != (image(expected), count):
                found.append((symbol, name, known, (image(expected), count)))
    return found


def session_with(market: Market, symbols: Sequence[str] = SYMBOLS) -> SessionData:
    session = SessionData(market.group, historical_bars_trailing_days=2)
    for symbol in symbols:
        session.register_symbol(symbol, derived=["5m", "1d"])
    return session


@pytest.mark.parametrize("market", [US, HONG_KONG], ids=lambda market: market.group)
@fewer(3)
@given(data=st.data())
def test_values_are_those_of_a_fresh_pass_whatever_came_in_which_order(
    market: Market, data: st.DataObject
) -> None:
    days = market.days[:3]
    session = session_with(market)
    indicators = RealtimeIndicators(session, SPECS)
    for number, day in enumerate(days):
        session.start_new_session(day.date, roll=number > 0)
        assert session.get_realtime_indicator("AAA", "sma1") is None
        indicators.start_session()
        assert differences(session, indicators, days) == []
        before = days[number - 1] if number else None
        for arrival in data.draw(arrivals(day, before=before)):
            bars = [bar_data(arrival.symbol, b) for b in arrival.bars]
            if arrival.is_batch:
                session.add_bars_batch(arrival.symbol, bars, on_invalid="skip")
            else:
                for one in bars:
                    try:
                        session.add_bar(arrival.symbol, one)
                    except ArgumentError:
                        continue
            indicators.after()
            assert differences(session, indicators, days, [arrival.symbol]) == []
        session.end_session()
        indicators.after()
        assert differences(session, indicators, days) == []


def replay_of(
    session: SessionData,
    indicators: RealtimeIndicators,
    tape: dict[str, list[Bar]],
    day: TradingDay,
) -> Replay:
    sources = []
    for symbol, bars in tape.items():
        mine = [b for b in bars if day.span[0] <= b.ts < day.span[1]]
        given: dict[str, Any] = {**columns(mine)}
        made = Bars.from_columns(symbol, "1m", **given, zone=session.timezone)
        sources.append((symbol, made))
    return Replay(session, sources, close=day.close, indicators=indicators.core)


@fewer(4)
@given(data=st.data())
def test_a_replay_computes_values_before_each_epoch_and_bars_in_between_count(
    data: st.DataObject,
) -> None:
    days = US.days[6:8]
    tape = data.draw(streams(days, symbols=SYMBOLS))
    session = session_with(US)
    indicators = RealtimeIndicators(session, SPECS)
    rng = Random(data.draw(st.integers(0, 999)))
    for number, day in enumerate(days):
        session.start_new_session(day.date, roll=number > 0)
        indicators.start_session()
        replay = replay_of(session, indicators, tape, day)
        step = 0
        while not (batch := replay.run(each_instant=True)).ended:
            step += 1
            if step % 37 == 0:
                assert differences(session, indicators, days) == []
            if rng.random() < 0.02:
                # What an analysis writes counts at once for who follows, else with the next instant.
                ts = rng.choice(expected_starts(day, MINUTE))
                if ts < batch.ts:
                    session.add_bar("AAA", bar_data("AAA", bar_at(ts, 77)))
                    if rng.random() < 0.5:
                        indicators.after(batch)
                        assert differences(session, indicators, days) == []
        assert differences(session, indicators, days) == []
        replay.close()
        session.end_session()


def readings(
    tape: dict[str, list[Bar]], days: Sequence[TradingDay], until: int
) -> dict[int, dict[str, object]]:
    """Return by instant up to ``until`` all values, and what a user's indicator saw."""
    session = session_with(US)
    indicators = RealtimeIndicators(session, SPECS)
    indicators.add("turnover", Turnover)
    indicators.add("seen", lambda s, b: (b.ts, len(s.get_all_bars(b.symbol))))
    known: dict[int, dict[str, object]] = {}
    for number, day in enumerate(days):
        session.start_new_session(day.date, roll=number > 0)
        indicators.start_session()
        replay = replay_of(session, indicators, tape, day)
        while not (batch := replay.run(each_instant=True)).ended and batch.ts <= until:
            indicators.after(batch)
            known[batch.ts] = {
                f"{symbol} {name}": repr(session.get_realtime_indicator(symbol, name))
                for symbol in SYMBOLS
                for name in (*SPECS, "turnover", "seen")
            }
        replay.close()
        if batch.ts > until:
            break
    return known


class Turnover:
    """Sums up price times volume."""

    def __init__(self) -> None:
        self.reset()

    def update(self, bar: Any) -> float:
        self.total += bar.close * bar.volume
        return self.total

    def reset(self) -> None:
        self.total = 0.0


@fewer(4)
@given(data=st.data())
def test_garbage_after_an_instant_changes_no_value_at_or_before_it(
    data: st.DataObject,
) -> None:
    days = US.days[6:8]
    tape = data.draw(streams(days, symbols=SYMBOLS))
    cut = days[1].open + data.draw(st.integers(1, 200)) * MINUTE
    rng = Random(data.draw(st.integers(0, 999)))
    places = [
        ts
        for ts in (*expected_starts(days[1], MINUTE), days[1].close + HOUR)
        if ts + MINUTE > cut
    ]
    garbage = {}
    for symbol, bars in tape.items():
        kept = [b for b in bars if b.ts + MINUTE <= cut]
        low = rng.choice([1e-9, 1e9])
        absurd = [Bar(ts, low, low * 9, low, low, 1e15) for ts in places]
        garbage[symbol] = kept + [b for b in absurd if rng.random() < 0.6]
    clean, poisoned = (readings(t, days, cut) for t in (tape, garbage))
    instants = [ts for ts in sorted({*clean, *poisoned}) if ts <= cut]
    nothing: dict[str, object] = {}
    assert [
        ts for ts in instants if clean.get(ts, nothing) != poisoned.get(ts, nothing)
    ] == []
    assert instants


def walk(seed: int, length: int = 900) -> list[Bar]:
    """Return the bars of a random walk from the open on."""
    rng = np.random.default_rng(seed)
    closes = 100.0 * np.exp(np.cumsum(rng.normal(0, 0.002, length)))
    highs, lows = closes * (1 + rng.random(length) / 99), closes * 0.995
    volumes = rng.integers(1, 10_000, length).astype(float)
    rows = zip(closes, highs, lows, volumes, strict=True)
    return [
        Bar(at * MINUTE, float(c), float(h), float(low), float(c), float(v))
        for at, (c, h, low, v) in enumerate(rows)
    ]


@pytest.mark.parametrize("period", [2, 3, 14, 50])
def test_values_agree_with_ta_lib(period: int) -> None:
    talib = pytest.importorskip("talib")
    bars = walk(period)
    high, low, close = (
        np.array([getattr(b, name) for b in bars]) for name in ("high", "low", "close")
    )
    of_sample = np.sqrt(period / (period - 1))
    expected = {
        "sma": talib.SMA(close, period),
        "ema": talib.EMA(close, period),
        "rsi": talib.RSI(close, period),
        "atr": talib.ATR(high, low, close, period),
        "stdev": talib.STDDEV(close, period) * of_sample,
        "high": talib.MAX(close, period),
        "low": talib.MIN(close, period),
    }
    session = SessionData()
    session.register_symbol("AAA")
    specs = {kind: {"type": kind, "period": period} for kind in expected}
    indicators = RealtimeIndicators(session, specs)
    found: dict[str, list[float | None]] = {kind: [] for kind in expected}
    for b in bars:
        session.add_bar("AAA", bar_data("AAA", b._replace(ts=b.ts + US.days[6].open)))
        indicators.after()
        for kind, values in found.items():
            values.append(session.get_realtime_indicator("AAA", kind))
    for kind, column in expected.items():
        got = np.array([np.nan if v is None else v for v in found[kind]])
        assert np.isnan(got).tolist() == np.isnan(column).tolist(), kind
        np.testing.assert_allclose(got, column, rtol=1e-9, atol=1e-9, err_msg=kind)


@given(data=st.data())
def test_sums_lose_nothing_that_matters_however_long_the_session(
    data: st.DataObject,
) -> None:
    period = data.draw(st.integers(2, 30))
    level = data.draw(st.sampled_from([1.0, 1e4, 1e8]))
    rng = Random(data.draw(st.integers(0, 999)))
    closes = [level + rng.random() for _ in range(200)]
    # One that is far too large must be gone with the window.
    closes[data.draw(st.integers(0, 50))] = level * 1e6
    bars = [Bar(at, c, c, c, c, 1.0) for at, c in enumerate(closes)]
    for kind in ("sma", "stdev"):
        found, _ = value(kind, [], bars, period=period)
        exact = exact_value(kind, [], bars, period=period)
        assert found == pytest.approx(exact, rel=1e-9 if kind == "sma" else 1e-6)


def test_a_value_is_none_until_there_are_enough_bars() -> None:
    session = session_of("AAPL")
    needed = {
        "sma": 3,
        "ema": 3,
        "high": 3,
        "low": 3,
        "stdev": 3,
        "rsi": 4,
        "atr": 4,
        "vwap": 1,
    }
    indicators = RealtimeIndicators(
        session,
        {kind: {"type": kind, "period": 3} for kind in needed if kind != "vwap"}
        | {"vwap": {"type": "vwap"}},
    )
    for number in range(5):
        fill(session, "AAPL", [number])
        indicators.after()
        for kind, bars in needed.items():
            found = session.get_realtime_indicator("AAPL", kind)
            assert (found is None) == (number + 1 < bars), (kind, number)
    assert session.get_realtime_indicator(" aapl ", " rsi ") == 100.0


def test_an_average_price_is_none_until_something_is_traded() -> None:
    session = session_of("AAPL")
    indicators = RealtimeIndicators(session, {"vwap": {"type": "vwap"}})
    session.add_bar("AAPL", bar("AAPL", 0, volume=0.0))
    indicators.after()
    assert session.get_realtime_indicator("AAPL", "vwap") is None
    session.add_bar("AAPL", bar("AAPL", 1, 50.0, volume=4.0))
    indicators.after()
    metrics = session.get_session_metrics("AAPL")
    assert session.get_realtime_indicator("AAPL", "vwap") == metrics["vwap"] == 50.0


def test_bars_out_of_hours_count_only_where_they_are_asked_for() -> None:
    specs = {"mean": {"type": "sma", "period": 1}}
    for extended, expected in ((False, 100.0), (True, 107.0)):
        session = session_of("AAPL")
        indicators = RealtimeIndicators(session, specs, extended=extended)
        session.add_bar("AAPL", bar("AAPL", 0))
        session.add_bar("AAPL", bar("AAPL", 390, 107.0))
        indicators.after()
        assert session.get_realtime_indicator("AAPL", "mean") == expected


def test_a_computed_name_and_a_set_one_do_not_meet() -> None:
    session = session_of("AAPL")
    session.set_realtime_indicator("AAPL", "mine", 1.0)
    indicators = RealtimeIndicators(session, {"mean": {"type": "sma", "period": 1}})
    with pytest.raises(ArgumentError, match="'mean', whose values are computed"):
        session.set_realtime_indicator("AAPL", "mean", 2.0)
    with pytest.raises(ArgumentError, match="'mine', which is set by"):
        indicators.add("mine", {"type": "sma", "period": 1})
    with pytest.raises(ArgumentError, match="'mean', which is added already"):
        indicators.add("mean", {"type": "sma", "period": 2})
    session.set_realtime_indicator("AAPL", "mine", 3.0)
    fill(session, "AAPL", [0])
    indicators.after()
    assert session.get_realtime_indicator("AAPL", "mine") == 3.0
    assert session.to_dict()["indicators"]["realtime"] == {
        "mine": {"AAPL": 3.0},
        "mean": {"AAPL": 100.0},
    }
    session.clear_all()
    session.register_symbol("AAPL")
    session.set_realtime_indicator("AAPL", "mean", 2.0)
    assert session.get_realtime_indicator("AAPL", "mean") == 2.0


def test_symbols_that_come_and_go_have_values_while_they_are_kept() -> None:
    session = session_of("AAPL", "MSFT")
    indicators = RealtimeIndicators(session, {"mean": {"type": "sma", "period": 2}})
    fill(session, "MSFT", [0, 1])
    session.register_symbol("NVDA")
    fill(session, "NVDA", [0, 1, 2])
    indicators.add_symbol(" nvda")
    assert session.get_realtime_indicator("NVDA", "mean") == 101.5
    session.remove_symbol("AAPL")
    fill(session, "MSFT", [2])
    indicators.after()
    assert session.get_realtime_indicator("MSFT", "mean") == 101.5
    assert indicators.values() == {"mean": {"MSFT": 101.5, "NVDA": 101.5}}
    with pytest.warns(UserWarning, match="AAPL is not kept"):
        assert session.get_realtime_indicator("AAPL", "mean") is None
    session.register_symbol("AAPL")
    fill(session, "AAPL", [0, 1])
    indicators.add_symbol("AAPL")
    assert session.get_realtime_indicator("AAPL", "mean") == 100.5


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"type": "smaa", "period": 2}, "is 'smaa'.*did you mean 'sma'"),
        ({"type": "sma"}, "sma: period is missing"),
        ({"type": "sma", "period": 0}, "sma with period 0: period must be at least 1"),
        ({"type": "stdev", "period": 1}, "at least 2 bars"),
        ({"type": "rsi", "period": 2_000_000}, "at most 1,000,000"),
        ({"type": "vwap", "period": 3}, "leave period out"),
        ({"type": "atr", "period": 3, "field": "volume"}, "leave field out"),
        ({"type": "sma", "period": 3, "field": "clos"}, "did you mean 'close'"),
        ({"type": "sma", "perod": 3}, "has no 'perod'; did you mean 'period'"),
        ({"type": "sma", "period": -1}, "period is -1"),
    ],
)
def test_a_specification_that_breaks_a_rule_says_which(
    spec: dict[str, Any], message: str
) -> None:
    session = session_of("AAPL")
    indicators = RealtimeIndicators(session)
    with pytest.raises(ArgumentError, match=message):
        indicators.add("x", spec)
    assert "x" not in indicators
    assert indicators.core is None


def test_what_is_no_specification_is_refused_before_anything_is_added() -> None:
    session = session_of("AAPL")
    indicators = RealtimeIndicators(session)
    for spec in (
        {"type": 5, "period": 2},
        {"type": "sma", "period": 2.5},
        {"type": "sma", "period": True},
        {"type": "sma", "period": 2, "warmup": "yes"},
    ):
        with pytest.raises(ArgumentTypeError):
            indicators.add("x", spec)
    with pytest.raises(UnknownSeriesError, match="needs 5m bars of AAPL; kept: 1m"):
        indicators.add("x", {"type": "sma", "period": 2, "interval": "5m"})
    with pytest.raises(UnknownSymbolError, match=r"AAPLE.*did you mean 'AAPL'"):
        indicators.add("x", {"type": "sma", "period": 2}, symbols=["AAPLE"])
    with pytest.raises(ArgumentError, match="must be 'all' or a list"):
        indicators.add("x", {"type": "sma", "period": 2}, symbols="AAPL")
    assert "x" not in indicators


def test_a_replay_refuses_indicators_of_another_session() -> None:
    one, other = session_of("AAPL"), session_of("AAPL")
    with pytest.raises(ArgumentError, match="belong to another session"):
        Replay(one, [], close=0, indicators=CoreIndicators(other))


def test_the_core_names_what_nobody_keeps_and_adds_nothing() -> None:
    core = CoreIndicators(session_of("AAPL"))
    with pytest.raises(UnknownSymbolError):
        core.add("x", ["AAPL", "MSFT"], "1m", "sma", period=2)
    with pytest.raises(UnknownSeriesError):
        core.add("x", ["AAPL"], "5m", "sma", period=2)
    with pytest.raises(UnknownSymbolError):
        core.watch("MSFT", "1m")
    assert core.value("AAPL", "x") is None
    assert core.count("AAPL", "x") == 0
