"""A whole session for other tools: as a dict that JSON holds, and as one table."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from tapeloom.errors import ArgumentError, ArgumentTypeError
from tapeloom.indicators import HistoricalIndicator
from tapeloom.session_data import SessionData
from tapeloom.statuses import TradingStatus
from tests.session_data.made import (
    DAY,
    MINUTE,
    bar,
    fill,
    minute,
    quote,
    session_of,
    tick,
)


def through_json(value: dict[str, Any]) -> Any:
    return json.loads(json.dumps(value, allow_nan=False))


def test_the_state_of_a_session_goes_through_json_unchanged() -> None:
    session = session_of("AAPL", "MSFT", derived=["5m"])
    fill(session, "AAPL", [0, 1, 3, 5])
    session.append_quote("AAPL", quote("AAPL", 1))
    session.append_tick("AAPL", tick("AAPL", 1))
    state = session.to_dict()
    assert through_json(state) == state
    assert state["session_date"] == "2025-07-02"
    assert (state["epoch"], state["clock"]) == (session.epoch, minute(6))
    assert state["kept"] == list(state["symbols"]) == ["AAPL", "MSFT"]
    apple = state["symbols"]["AAPL"]
    assert apple["base_interval"] == "1m"
    assert apple["bars"]["1m"]["close"] == [100.0, 101.0, 103.0, 105.0]
    assert apple["bars"]["1m"]["ts"] == session.get_bars("AAPL").ts.tolist()
    assert apple["bars"]["5m"]["constituents"] == [3]
    assert apple["metrics"]["last_update"] == "2025-07-02T09:35:00-04:00"
    assert apple["quality"] == pytest.approx(400 / 6)
    assert [gap["missing"] for gap in apple["gaps"]] == [1, 1]
    assert apple["gaps"][0]["start"] == "2025-07-02T09:32:00-04:00"
    assert apple["counts"]["accepted"] == 4
    assert apple["quotes"]["bid"] == [99.0]
    assert apple["ticks"]["price"] == [100.0]
    assert state["symbols"]["MSFT"]["metrics"]["session_high"] is None


def test_a_session_that_holds_nothing_has_a_state_too() -> None:
    state = SessionData().to_dict()
    assert through_json(state) == state
    assert state["symbols"] == {}
    assert state["session_date"] is state["clock"] is None


def test_indicators_are_part_of_the_state_as_plain_values() -> None:
    session = session_of("AAPL")
    profile = np.array([1.0, np.nan])
    average = HistoricalIndicator(profile, 1, 10, (DAY,), np.array([1, 0], np.int32))
    session.set_historical_indicator("AAPL", "profile", average)
    session.set_historical_indicator("vix", np.float64(20.0))
    session.set_realtime_indicator("AAPL", "ema", 1.5)
    values = through_json(session.to_dict())["indicators"]
    assert values["historical"]["vix"] == {"": 20.0}
    kept = values["historical"]["profile"]["AAPL"]
    assert (kept["value"], kept["counts"]) == ([1.0, None], [1, 0])
    assert (kept["n_used"], kept["dates"]) == (1, ["2025-07-02"])
    assert values["realtime"] == {"ema": {"AAPL": 1.5}}


def news_of(answer: dict[str, Any]) -> dict[str, dict[str, list[int]]]:
    """Return the starts of the bars that an answer tells, by symbol and interval, where there are any."""
    found = {
        symbol: {i: bars["ts"] for i, bars in told["bars"].items() if bars["ts"]}
        for symbol, told in answer["symbols"].items()
    }
    return {symbol: bars for symbol, bars in found.items() if bars}


def test_only_bars_that_came_or_changed_after_an_epoch_are_told_again() -> None:
    session = session_of("AAPL", "MSFT", "IBM", derived=["5m"])
    for symbol in ("AAPL", "MSFT", "IBM"):
        fill(session, symbol, range(3))
    before = session.to_dict()["epoch"]
    assert news_of(session.to_dict(before)) == {}
    session.add_bar("AAPL", bar("AAPL", 3))
    session.add_bar("MSFT", bar("MSFT", 1, 50.0))
    changed = session.to_dict(before)
    assert changed["since_epoch"] == before
    assert changed["kept"] == ["AAPL", "MSFT", "IBM"]
    assert news_of(changed) == {
        "AAPL": {"1m": [minute(3)]},
        "MSFT": {"1m": [minute(1)]},
    }
    assert changed["symbols"]["MSFT"]["bars"]["1m"]["close"] == [50.0]
    assert news_of(session.to_dict(changed["epoch"])) == {}


def test_quality_and_gaps_of_all_symbols_are_told_each_time() -> None:
    session = session_of("AAPL", "MSFT", no_trade="expected")
    fill(session, "AAPL", [0, 2])
    before = session.to_dict()["epoch"]
    halt = TradingStatus(minute(1), "halted")
    session.append_status("AAPL", halt)
    session.append_status("AAPL", TradingStatus(minute(2), "trading"))
    session.set_quality("MSFT", None, 50.0)
    told = session.to_dict(before)["symbols"]
    assert (told["AAPL"]["quality"], told["MSFT"]["quality"]) == (
        pytest.approx(200 / 3),
        50.0,
    )
    assert [gap["cause"] for gap in told["AAPL"]["gaps"]] == ["halt"]
    assert told["AAPL"]["quality"] == session.get_quality("AAPL")


def test_a_quote_is_told_where_it_came_and_nowhere_else() -> None:
    session = session_of("AAPL", "MSFT")
    fill(session, "AAPL", [0])
    before = session.to_dict()["epoch"]
    session.append_quote("MSFT", quote("MSFT", 0))
    told = session.to_dict(before)["symbols"]
    assert told["AAPL"]["quotes"] is told["AAPL"]["ticks"] is None
    assert told["MSFT"]["quotes"]["ts"] == [minute(0)]
    assert told["MSFT"]["ticks"]["ts"] == []
    fill(session, "AAPL", [1])
    after = session.to_dict(session.epoch)["symbols"]
    assert after["MSFT"]["quotes"] is None


def test_a_quote_that_the_clock_reaches_later_is_told_then() -> None:
    session = session_of("AAPL", "MSFT")
    fill(session, "AAPL", [0])
    session.set_session_active(True)
    session.append_quote("MSFT", quote("MSFT", 1.5))
    before = session.to_dict()
    assert before["symbols"]["MSFT"]["quotes"]["ts"] == []
    fill(session, "AAPL", [1])
    told = session.to_dict(before["epoch"])["symbols"]
    assert told["MSFT"]["quotes"]["ts"] == [minute(1.5)]


def test_answers_put_together_are_the_whole_state() -> None:
    session = session_of("AAPL", derived=["5m"])
    kept: dict[str, dict[int, list[float]]] = {"1m": {}, "5m": {}}
    epoch = 0
    for number in (0, 1, 2, 4, 5, 3, 9, 7, 10, 3, 12):
        session.add_bar("AAPL", bar("AAPL", number, 100.0 + number * 2))
        answer = session.to_dict(epoch)
        epoch = answer["epoch"]
        for interval, columns in answer["symbols"]["AAPL"]["bars"].items():
            rows = zip(columns["ts"], columns["close"], columns["volume"], strict=True)
            kept[interval].update({ts: [close, volume] for ts, close, volume in rows})
    for interval, found in kept.items():
        whole = session.get_bars("AAPL", interval)
        assert sorted(found) == whole.ts.tolist()
        assert [found[ts][0] for ts in sorted(found)] == whole.close.tolist()
        assert [found[ts][1] for ts in sorted(found)] == whole.volume.tolist()


@pytest.mark.parametrize(
    ("since", "error", "message"),
    [
        (-1, ArgumentError, "since_epoch is -1; this session is at epoch 2"),
        (99, ArgumentError, "so it must be from 0 to 2"),
        (1.5, ArgumentTypeError, r"since_epoch is 1\.5 \(float\)"),
        (True, ArgumentTypeError, r"since_epoch is True \(bool\)"),
    ],
)
def test_an_epoch_that_never_was_is_refused(
    since: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        session_of("AAPL").to_dict(since)


def test_a_session_is_one_table_with_a_symbol_column() -> None:
    session = session_of("MSFT", "AAPL", derived=["5m"])
    fill(session, "AAPL", range(6))
    fill(session, "MSFT", range(2))
    table = pa.table(session)
    names = ["symbol", "interval", "ts", "open", "high", "low", "close", "volume"]
    assert table.column_names == [*names, "flags"]
    assert table["symbol"].to_pylist() == ["MSFT"] * 2 + ["AAPL"] * 6
    assert table.equals(session.to_arrow())
    assert pa.schema(session) == table.schema
    assert session.to_arrow("5m")["symbol"].to_pylist() == ["MSFT", "AAPL"]
    assert pl.DataFrame(session).equals(session.to_polars())
    assert session.to_pandas()["close"].tolist() == table["close"].to_pylist()
    assert isinstance(session.to_pandas().index, pd.DatetimeIndex)
    found = duckdb.sql("select symbol, count(*) from session group by 1 order by 1")
    assert found is not None
    assert found.fetchall() == [("AAPL", 6), ("MSFT", 2)]


def test_a_table_keeps_what_it_showed() -> None:
    session = session_of("AAPL")
    fill(session, "AAPL", range(3))
    table = pa.table(session)
    session.add_bar("AAPL", bar("AAPL", 0, 50.0))
    session.start_new_session(date(2025, 7, 3))
    assert table["close"].to_pylist() == [100.0, 101.0, 102.0]


def test_the_page_of_a_session_names_its_symbols_escaped() -> None:
    session = session_of("<B>")
    page = session._repr_html_()
    assert "<B>" not in page
    assert "&lt;B&gt;" in page


def test_the_state_hash_is_that_of_the_bars_alone() -> None:
    plain, noted = session_of("AAPL"), session_of("AAPL")
    for session in (plain, noted):
        fill(session, "AAPL", range(3))
    noted.append_tick("AAPL", tick("AAPL", 1))
    noted.set_realtime_indicator("AAPL", "ema", 1.0)
    assert plain.state_hash() == noted.state_hash()
    assert len(plain.state_hash()) == 64
    assert minute(1) - minute(0) == MINUTE
