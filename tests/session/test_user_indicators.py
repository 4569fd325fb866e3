"""Indicators of the user: each bar once and in order, from the beginning again where something before changed."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeloom.errors import AnalysisError, ArgumentError, ArgumentTypeError
from tapeloom.session.realtime_indicators import RealtimeIndicators
from tests.compare import bar_data
from tests.days import US
from tests.session.test_realtime_indicators import SYMBOLS, counting, session_with
from tests.session_data.made import bar, fill, session_of
from tests.strategies import arrivals, fewer

if TYPE_CHECKING:
    from tapeloom.bars import BarData
    from tapeloom.session_data import SessionData


class Tape:
    """Keeps what it was given since it was reset."""

    def __init__(self, keep: int | None = None) -> None:
        self.keep = keep
        self.rows: list[tuple[int, float]] = []
        self.resets = 0

    def update(self, bar: BarData) -> tuple[tuple[int, float], ...]:
        self.rows.append((bar.ts, bar.close))
        return tuple(self.rows if self.keep is None else self.rows[-self.keep :])

    def reset(self) -> None:
        self.rows = []
        self.resets += 1


@fewer(3)
@given(data=st.data())
def test_an_object_has_had_the_present_bars_in_order_whatever_came_when(
    data: st.DataObject,
) -> None:
    days = US.days[4:7]
    session = session_with(US)
    indicators = RealtimeIndicators(session)
    indicators.add("tape", Tape)
    indicators.add("cold", Tape, warmup=False)
    indicators.add("tape5", Tape, interval="5m")
    specs = {"tape": ("1m", True), "cold": ("1m", False), "tape5": ("5m", True)}
    for number, day in enumerate(days):
        session.start_new_session(day.date, roll=number > 0)
        assert indicators.values() == {"tape": {}, "cold": {}, "tape5": {}}
        indicators.start_session()
        before = days[number - 1] if number else None
        for arrival in data.draw(arrivals(day, before=before)):
            bars = [bar_data(arrival.symbol, b) for b in arrival.bars]
            session.add_bars_batch(arrival.symbol, bars, on_invalid="skip")
            indicators.after()
            for symbol in SYMBOLS:
                for name, (interval, warmup) in specs.items():
                    scopes = ["history", "session"] if warmup else ["session"]
                    expected = tuple(
                        (b.ts, b.close)
                        for scope in scopes
                        for b in counting(session, days, symbol, interval, scope)
                    )
                    found = session.get_realtime_indicator(symbol, name) or ()
                    assert found == expected, (symbol, name)
                    assert indicators.count(symbol, name) == len(expected)
        session.end_session()


def test_bars_in_order_are_given_once_and_a_late_one_begins_anew() -> None:
    session = session_of("AAPL")
    tape = Tape()
    indicators = RealtimeIndicators(session)
    indicators.add("tape", tape, symbols=["AAPL"])
    indicators.start_session()
    assert tape.resets == 1
    fill(session, "AAPL", [0, 1, 3])
    indicators.after()
    fill(session, "AAPL", [4])
    indicators.after()
    indicators.after()
    assert [close for _, close in tape.rows] == [100.0, 101.0, 103.0, 104.0]
    assert tape.resets == 1
    fill(session, "AAPL", [2])
    indicators.after()
    assert [close for _, close in tape.rows] == [100.0, 101.0, 102.0, 103.0, 104.0]
    assert tape.resets == 2


def test_a_function_reads_the_session_and_is_called_with_each_new_bar() -> None:
    session = session_of("AAPL", "MSFT", derived=["5m"])
    seen: list[tuple[str, str, float]] = []

    def spread(session: SessionData, bar: BarData) -> float:
        seen.append((bar.symbol, bar.interval, bar.close))
        last = session.get_last_n_bars(bar.symbol, 3)
        return float(last.close.max() - last.close.min())

    indicators = RealtimeIndicators(session)
    indicators.add("spread5", spread, interval="5m")
    indicators.add("spread", spread)
    assert indicators.wakes_for == ["1m", "5m"]
    assert indicators.core is None
    indicators.start_session()
    for number in range(5):
        fill(session, "MSFT", [number])
        fill(session, "AAPL", [number])
    indicators.after()
    # The finest interval first, then the symbols in their order.
    assert seen == [
        *(("AAPL", "1m", 100.0 + n) for n in range(5)),
        *(("MSFT", "1m", 100.0 + n) for n in range(5)),
        ("AAPL", "5m", 104.0),
        ("MSFT", "5m", 104.0),
    ]
    assert session.get_realtime_indicator("AAPL", "spread") == 2.0
    seen.clear()
    session.add_bar("AAPL", bar("AAPL", 3, 90.0))
    indicators.after()
    # What changed is looked at from the newest bar.
    assert seen == [("AAPL", "1m", 104.0), ("AAPL", "5m", 104.0)]
    assert session.get_realtime_indicator("AAPL", "spread") == 14.0


def test_each_symbol_has_an_object_of_its_own() -> None:
    session = session_of("AAPL", "MSFT")
    indicators = RealtimeIndicators(session)
    indicators.add("two", partial(Tape, 2))
    indicators.add("one", lambda: Tape(1))
    for symbol in ("AAPL", "MSFT"):
        fill(session, symbol, range(3))
        session.add_bar(symbol, bar(symbol, 3, 7.0 if symbol == "AAPL" else 8.0))
    indicators.after()
    closes = {
        (symbol, name): [c for _, c in session.get_realtime_indicator(symbol, name)]
        for symbol in ("AAPL", "MSFT")
        for name in ("one", "two")
    }
    assert closes == {
        ("AAPL", "one"): [7.0],
        ("AAPL", "two"): [102.0, 7.0],
        ("MSFT", "one"): [8.0],
        ("MSFT", "two"): [102.0, 8.0],
    }


class Fragile(Tape):
    """Breaks at one price."""

    def update(self, bar: BarData) -> tuple[tuple[int, float], ...]:
        if bar.close == 101.0 and bar.symbol == "AAPL":
            raise ZeroDivisionError("no such price")
        return super().update(bar)


def test_what_raises_is_named_and_the_others_get_their_bars() -> None:
    session = session_of("AAPL", "MSFT")
    indicators = RealtimeIndicators(session)
    indicators.add("fragile", Fragile)
    indicators.add("tape", Tape)
    for symbol in ("AAPL", "MSFT"):
        fill(session, symbol, [0, 1])
    text = "indicator fragile failed at 2025-07-02 09:32:00-04:00 on the 1m bars of AAPL: ZeroDivisionError"
    with pytest.raises(AnalysisError, match=text) as caught:
        indicators.after()
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert (caught.value.symbol, caught.value.indicator) == ("AAPL", "fragile")
    assert str(caught.value.time) == "2025-07-02 09:32:00-04:00"
    assert session.get_realtime_indicator("AAPL", "fragile") is None
    for symbol, name in (("AAPL", "tape"), ("MSFT", "tape"), ("MSFT", "fragile")):
        assert len(session.get_realtime_indicator(symbol, name)) == 2
    indicators.after()
    fill(session, "AAPL", [2])
    indicators.after()
    assert len(session.get_realtime_indicator("AAPL", "tape")) == 3


def test_a_value_that_could_change_afterwards_is_refused() -> None:
    session = session_of("AAPL")
    indicators = RealtimeIndicators(session)
    indicators.add("rows", lambda session, bar: [bar.close])
    fill(session, "AAPL", [0])
    with pytest.raises(AnalysisError, match="ArgumentTypeError: value is a list"):
        indicators.after()


class OnlyUpdate:
    def update(self, bar: BarData) -> float:
        return bar.close


async def coroutine(session: SessionData, bar: BarData) -> float:
    return bar.close


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        (5, r"is 5 \(int\); it must have update\(bar\) and reset\(\)"),
        (OnlyUpdate, "is the class OnlyUpdate; it must have"),
        (OnlyUpdate(), "must have update"),
        (OnlyUpdate.update, "function f|made"),
        (lambda: 5, r"made 5 \(int\), which must have update"),
        (coroutine, "is async"),
        (lambda a, b, c: 1.0, "function f"),
    ],
)
def test_what_is_no_indicator_is_refused(given_: Any, message: str) -> None:
    session = session_of("AAPL")
    indicators = RealtimeIndicators(session)
    if given_ is OnlyUpdate.update:
        # Two arguments: a function, as far as anybody can tell.
        indicators.add("x", given_)
        return
    with pytest.raises(ArgumentTypeError, match=message):
        indicators.add("x", given_)
    assert "x" not in indicators
    assert indicators.wakes_for == []


def test_one_object_cannot_follow_several_symbols() -> None:
    session = session_of("AAPL", "MSFT")
    indicators = RealtimeIndicators(session)
    for symbols in ("all", ["AAPL", "MSFT"]):
        with pytest.raises(ArgumentError, match=r"one object.*give the class Tape"):
            indicators.add("tape", Tape(), symbols=symbols)
    with pytest.raises(ArgumentTypeError, match="warmup is 'no'"):
        indicators.add("tape", Tape, warmup="no")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="say interval and warmup beside it"):
        indicators.add("mean", {"type": "sma", "period": 2}, interval="1m")
