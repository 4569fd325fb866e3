"""A whole session is one table, and stays what it was when it was read."""

from __future__ import annotations

import re
from datetime import datetime
from html import escape
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from tapeloom import SessionData
from tests.tables.markets import FIELDS, minutes, session_of

NAMES = ["symbol", "interval", "ts", *FIELDS, "flags"]


def test_rows_are_in_the_order_of_symbols_then_of_time() -> None:
    session = session_of("MSFT", "AAPL")
    table = pa.table(session)

    assert table.column_names == NAMES
    assert table["symbol"].to_pylist() == ["MSFT"] * 100 + ["AAPL"] * 100
    for name in FIELDS:
        expected = [getattr(session.get_bars(s), name) for s in ("MSFT", "AAPL")]
        assert table[name].to_pylist() == np.concatenate(expected).tolist()
    ts = session.get_bars("AAPL").ts.tolist()
    assert table["ts"].cast(pa.int64()).to_pylist() == ts * 2


def test_every_tool_reads_the_same_rows() -> None:
    session = session_of("MSFT", "AAPL")
    frame = pl.DataFrame(session)
    pandas = session.to_pandas()
    relation = duckdb.sql("select close from session where symbol = 'AAPL'")

    assert relation is not None
    assert frame.equals(session.to_polars())
    assert frame.columns == NAMES
    assert frame["symbol"].to_list() == pandas["symbol"].tolist()
    assert frame["close"].to_list() == pandas["close"].tolist()
    assert [price for (price,) in relation.fetchall()] == session.get_bars(
        "AAPL"
    ).close.tolist()


def test_pandas_has_times_in_the_zone_of_the_exchange() -> None:
    frame = session_of("AAPL").to_pandas()

    assert frame.index.name == "timestamp"
    assert frame.index[0] == datetime(
        2025, 7, 2, 9, 30, tzinfo=ZoneInfo("America/New_York")
    )
    assert str(frame.index.dtype) == "datetime64[ns, America/New_York]"
    assert frame["flags"].dtype == np.uint8


def test_a_derived_interval_is_a_table_of_its_own() -> None:
    session = session_of("MSFT", "AAPL")
    session.register_symbol("IBM")

    found = session.to_arrow("5m")
    assert found.num_rows == 40
    assert set(found["symbol"].to_pylist()) == {"MSFT", "AAPL"}
    assert len(session.to_pandas("5m")) == len(session.to_polars("5m")) == 40


@pytest.mark.parametrize("session", [SessionData(), session_of("AAPL", bars=0)])
def test_a_session_without_bars_keeps_its_columns_and_types(
    session: SessionData,
) -> None:
    full = session_of("MSFT")

    assert pa.table(session).schema == pa.table(full).schema
    assert pl.DataFrame(session).schema == pl.DataFrame(full).schema
    assert session.to_pandas().dtypes.equals(full.to_pandas().dtypes)
    assert pa.schema(session) == pa.table(full).schema


def test_a_table_that_is_held_does_not_change() -> None:
    session = session_of("AAPL")
    held = [pa.table(session), pl.DataFrame(session), session.to_pandas()]
    before = [table["close"].to_numpy().tolist() for table in held]
    session.add_bars_batch("AAPL", minutes()[100:])
    session.clear_all()

    assert [table["close"].to_numpy().tolist() for table in held] == before
    assert len(before[0]) == 100


def test_prices_share_memory_with_the_session() -> None:
    session = session_of("AAPL")
    column = pa.table(session)["close"].chunk(0)

    assert np.shares_memory(column.to_numpy(), session.get_bars("AAPL").close)


def test_bars_of_several_base_intervals_are_told_apart() -> None:
    session = session_of("AAPL")
    session.register_symbol("SPY", base_interval="5m")
    session.add_bars_batch("SPY", minutes("SPY", interval="5m")[:2])
    expected = ["1m"] * 100 + ["5m"] * 2

    assert pa.table(session)["interval"].to_pylist() == expected
    assert pl.DataFrame(session)["interval"].to_list() == expected
    assert session.to_pandas()["interval"].tolist() == expected
    assert set(session.to_arrow("5m")["interval"].to_pylist()) == {"5m"}


def rows_of(session: SessionData) -> list[list[str]]:
    """Return the texts of the table that a notebook shows, row by row."""
    page = session._repr_html_()
    rows = re.findall(r"<tr>(.*?)</tr>", page)
    return [re.findall(r">([^<]+)</t[dh]>", row) for row in rows]


def test_a_session_shows_how_far_each_symbol_has_come() -> None:
    session = session_of("MSFT", "AAPL")
    session.register_symbol("IBM")

    assert escape(repr(session)) in session._repr_html_()
    rows = rows_of(session)
    assert rows[0] == ["symbol", "interval", "bars", "newest", "close"]
    assert rows[1] == ["MSFT", "1m", "100", "2025-07-02 11:09-04:00", "112.375"]
    assert rows[3] == ["IBM", "1m", "0", "-", "-"]


def test_a_large_session_shows_its_first_and_last_symbols() -> None:
    session = SessionData()
    for n in range(500):
        session.register_symbol(f"S{n:03}")

    assert len(rows_of(session)) == 12
    assert "490 more" in session._repr_html_()
