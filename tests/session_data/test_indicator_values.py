"""Indicators beside the bars: historical ones stay, real-time ones go with their session."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pytest

from tapeloom.errors import (
    ArgumentError,
    ArgumentTypeError,
    SymbolError,
    TapeloomError,
    TapeloomWarning,
)
from tapeloom.indicators import HistoricalIndicator
from tapeloom.session_data import SessionData
from tests.session_data.made import DAY, session_of


def test_a_global_value_is_read_by_its_name() -> None:
    session = session_of("AAPL")
    session.set_historical_indicator("market_average", 1.5)
    assert session.get_historical_indicator("market_average") == 1.5
    assert session.get_historical_indicator(" market_average ") == 1.5
    assert session.get_historical_indicator("AAPL", "market_average") is None


def test_a_value_of_one_symbol_is_read_with_and_without_it() -> None:
    session = session_of("AAPL", "MSFT")
    session.set_historical_indicator(" aapl", "avg_volume", 100)
    assert session.get_historical_indicator("AAPL", "avg_volume") == 100
    assert session.get_historical_indicator("avg_volume") == 100
    assert session.get_historical_indicator("MSFT", "avg_volume") is None


def test_the_short_form_is_refused_where_several_symbols_have_the_indicator() -> None:
    session = session_of("AAPL", "MSFT")
    session.set_historical_indicator("MSFT", "avg_volume", 1)
    session.set_historical_indicator("AAPL", "avg_volume", 2)
    message = r"'avg_volume' has values of 2 symbols \(AAPL, MSFT\); name one, such as \('AAPL', 'avg_volume'\)"
    with pytest.raises(TapeloomError, match=message) as caught:
        session.get_historical_indicator("avg_volume")
    assert type(caught.value).__name__ == "AmbiguousIndicatorError"
    assert isinstance(caught.value, ArgumentError)
    session.set_historical_indicator("avg_volume", 3)
    assert session.get_historical_indicator("avg_volume") == 3
    assert session.get_historical_indicator("MSFT", "avg_volume") == 1


def test_an_indicator_that_nobody_set_is_none() -> None:
    session = session_of("AAPL")
    assert session.get_historical_indicator("sma") is None
    assert session.get_historical_indicator("AAPL", "sma") is None
    assert session.get_historical_indicator_info("AAPL", "sma") is None
    assert session.get_realtime_indicator("AAPL", "sma") is None


def test_a_computed_indicator_tells_what_it_rests_on() -> None:
    session = session_of("AAPL")
    days = (date(2025, 6, 30), date(2025, 7, 1))
    highest = HistoricalIndicator(12.0, 2, 250, days, date_of_extreme=days[0])
    session.set_historical_indicator("AAPL", "high_1y", highest)
    assert session.get_historical_indicator("AAPL", "high_1y") == 12.0
    info = session.get_historical_indicator_info("AAPL", "high_1y")
    assert info is not None
    assert (info.value, info.n_used, info.n_requested) == (12.0, 2, 250)
    assert (info.dates, info.date_of_extreme, info.counts) == (days, days[0], None)


def test_a_plain_value_does_not_pretend_to_know_what_it_rests_on() -> None:
    session = session_of("AAPL")
    session.set_historical_indicator("AAPL", "beta", 1.1)
    info = session.get_historical_indicator_info("AAPL", "beta")
    assert info is not None
    assert info.value == 1.1
    assert (info.n_used, info.n_requested, info.counts, info.dates) == (None,) * 4


def test_an_array_is_kept_as_a_copy_that_nobody_can_write() -> None:
    session = session_of("AAPL")
    profile = np.arange(390.0)
    session.set_historical_indicator("AAPL", "profile", profile)
    profile[0] = 99.0
    kept = session.get_historical_indicator("AAPL", "profile")
    assert kept[0] == 0.0
    with pytest.raises(ValueError, match="read-only"):
        kept[0] = 1.0


def test_a_new_session_forgets_real_time_values_and_keeps_historical_ones() -> None:
    session = session_of("AAPL")
    session.set_historical_indicator("AAPL", "avg_volume", 100)
    session.set_realtime_indicator(" aapl", "vwap", 101.5)
    assert session.get_realtime_indicator("AAPL", "vwap") == 101.5
    session.start_new_session(DAY)
    assert session.get_realtime_indicator("AAPL", "vwap") is None
    assert session.get_historical_indicator("AAPL", "avg_volume") == 100
    session.clear_all()
    assert session.get_historical_indicator("avg_volume") is None


def test_a_value_may_come_before_its_symbol_does() -> None:
    session = SessionData()
    session.set_historical_indicator("AAPL", "avg_volume", 100)
    assert session.get_historical_indicator("AAPL", "avg_volume") == 100
    with pytest.warns(TapeloomWarning, match="AAPL is not kept"):
        assert session.get_historical_indicator("AAPL", "other") is None


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("", ArgumentError, "name is ''; it must hold printable characters"),
        (" \t", ArgumentError, "it must hold printable characters"),
        ("a\nb", ArgumentError, "it must hold printable characters"),
        (5, ArgumentTypeError, r"name is 5 \(int\); it must be text such as"),
        (None, ArgumentTypeError, r"name is None \(NoneType\)"),
    ],
)
def test_a_malformed_name_always_raises(
    name: Any, error: type[Exception], message: str
) -> None:
    session = session_of("AAPL")
    for call in (
        lambda: session.set_historical_indicator(name, 1),
        lambda: session.set_historical_indicator("AAPL", name, 1),
        lambda: session.get_historical_indicator(name),
        lambda: session.get_historical_indicator("AAPL", name),
        lambda: session.get_historical_indicator_info("AAPL", name),
        lambda: session.set_realtime_indicator("AAPL", name, 1),
        lambda: session.get_realtime_indicator("AAPL", name),
    ):
        with pytest.raises(error, match=message):
            call()


def test_a_malformed_symbol_of_a_value_always_raises() -> None:
    session = session_of("AAPL")
    with pytest.raises(SymbolError):
        session.set_historical_indicator(" ", "sma", 1)
    with pytest.raises(SymbolError):
        session.set_realtime_indicator("", "sma", 1)
    with pytest.raises(ArgumentTypeError, match="symbol is int"):
        session.set_realtime_indicator(5, "sma", 1)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "value",
    [[1.0], {"upper": 2.0}, ([1.0],), {1.0}, np.array([[1.0], None], object)],
    ids=lambda value: type(value).__name__,
)
def test_a_value_that_may_change_afterwards_is_refused(value: Any) -> None:
    session = session_of("AAPL")
    rests = HistoricalIndicator(value, 1, 1, (DAY,))
    refused = pytest.raises(ArgumentTypeError, match="may change after it was set")
    with refused:
        session.set_historical_indicator("band", value)
    with refused:
        session.set_historical_indicator("AAPL", "band", rests)
    with refused:
        session.set_realtime_indicator("AAPL", "band", value)
    assert session.to_dict()["indicators"] == {"historical": {}, "realtime": {}}


def test_arrays_of_a_computed_indicator_are_kept_as_copies() -> None:
    session = session_of("AAPL")
    profile, counts = np.arange(3.0), np.arange(3, dtype=np.int32)
    found = HistoricalIndicator(profile, 1, 1, (DAY,), counts)
    session.set_historical_indicator("AAPL", "profile", found)
    profile[0], counts[0] = 9.0, 9
    info = session.get_historical_indicator_info("AAPL", "profile")
    assert info is not None
    assert info.counts is not None
    assert (info.value.tolist(), info.counts.tolist()) == ([0, 1, 2], [0, 1, 2])
    assert not info.value.flags.writeable


@pytest.mark.parametrize("value", [1.5, None, "up", (1, "x"), DAY, frozenset({1})])
def test_a_value_that_cannot_change_is_kept_as_it_is(value: Any) -> None:
    session = session_of("AAPL")
    session.set_realtime_indicator("AAPL", "kind", value)
    assert session.get_realtime_indicator("AAPL", "kind") is value
