"""One field of many symbols as times x symbols, beside dicts that are looked up cell by cell."""

from __future__ import annotations

import math
import pickle
import sys
from datetime import date
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeloom.bars import Bars
from tapeloom.errors import (
    ArgumentError,
    ArgumentTypeError,
    MissingDependencyError,
    TapeloomWarning,
    UnknownSymbolError,
)
from tapeloom.panel import FIELDS, Panel, place, times_met
from tapeloom.session_data import SessionData
from tests.core.test_store import SYMBOLS, feed, pair, policies
from tests.days import ALL_MARKETS, Market
from tests.reference.gaps import due_starts
from tests.reference.schedule import MINUTE, known_at
from tests.session_data.made import DAY, OPEN, bar, fill, minute, session_of
from tests.strategies import arrivals, fewer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.reference.session import Store

NEXT_DAY = date(2025, 7, 3)


def made(symbol: str, starts: Sequence[int]) -> Bars:
    """Return bars whose close is the position in their start."""
    ts = np.array(sorted(starts), dtype=np.int64)
    price = ts / 1e3
    return Bars.from_columns(
        symbol,
        "1m",
        ts=ts,
        open=price,
        high=price,
        low=price,
        close=price,
        volume=price,
        zone=SessionData().timezone,
    )


def looked_up(
    cells: Sequence[Mapping[int, float]], grid: Sequence[int]
) -> list[list[float | None]]:
    """Return a row of values for each time, ``None`` where a symbol has none."""
    return [[each.get(ts) for each in cells] for ts in grid]


def plain_values(panel: Panel) -> list[list[float | None]]:
    return [
        [None if math.isnan(cell) else cell for cell in row]
        for row in panel.values.tolist()
    ]


@given(
    grid=st.lists(st.integers(0, 60), unique=True).map(sorted),
    starts=st.lists(st.lists(st.integers(-5, 65), unique=True), max_size=4),
)
def test_bars_are_placed_where_a_dict_would_find_them(
    grid: list[int], starts: list[list[int]]
) -> None:
    parts = [made("A", each) for each in starts]
    values = place(parts, np.array(grid, dtype=np.int64), "close")
    expected = looked_up([{ts: ts / 1e3 for ts in each} for each in starts], grid)
    assert values.shape == (len(grid), len(starts))
    for row, cells in zip(values.tolist(), expected, strict=True):
        assert [None if math.isnan(cell) else cell for cell in row] == cells


@given(starts=st.lists(st.lists(st.integers(0, 50), unique=True), max_size=4))
def test_times_met_are_those_of_any_symbol(starts: list[list[int]]) -> None:
    parts = [made("A", each) for each in starts]
    assert times_met([*parts, None]).tolist() == sorted({t for s in starts for t in s})


def test_a_symbol_without_bars_is_a_column_of_nan() -> None:
    grid = np.arange(3, dtype=np.int64)
    assert np.isnan(place([None, made("A", [])], grid, "close")).all()


@pytest.mark.parametrize("market", ALL_MARKETS, ids=lambda market: market.group)
@fewer(2)
@given(data=st.data())
def test_a_matrix_has_every_due_minute_and_what_came_of_it(
    market: Market, data: st.DataObject
) -> None:
    session, store = pair(market, data.draw(policies))
    index = data.draw(st.integers(0, len(market.days) - 1))
    day, before = market.days[index], market.days[index - 1] if index else None
    session.start_new_session(day.date)
    store.start_session(day.date)
    for arrival in data.draw(arrivals(day, before=before)):
        feed(session, store, arrival)
    if data.draw(st.booleans()):
        session.end_session()
        store.end_session()
    field = data.draw(st.sampled_from(FIELDS))
    names = data.draw(st.permutations(SYMBOLS))
    today = store.due()
    panel = session.matrix(field, names)
    assert (panel.symbols, panel.field, panel.interval) == (tuple(names), field, "1m")
    assert panel.ts.tolist() == today
    assert plain_values(panel) == cells_of(store, names, field, "session", today)
    past = [
        ts
        for other in market.days
        if any(
            other.span[0] <= kept.ts < other.span[1]
            for name in names
            for kept in store.bars(name, "history")
        )
        for ts in due_starts(other, MINUTE, other.close)
    ]
    for scope, grid in (("history", past), ("all", past + today)):
        panel = session.matrix(field, names, scope=scope)
        assert panel.ts.tolist() == grid
        assert plain_values(panel) == cells_of(store, names, field, scope, grid)


def cells_of(
    store: Store, names: Sequence[str], field: str, scope: str, grid: Sequence[int]
) -> list[list[float | None]]:
    kept = [
        {bar.ts: getattr(bar, field) for bar in store.bars(n, scope)} for n in names
    ]
    return looked_up(kept, grid)


@pytest.mark.parametrize("market", ALL_MARKETS, ids=lambda market: market.group)
@fewer(4)
@given(data=st.data())
def test_a_matrix_of_derived_bars_has_the_buckets_that_have_ended(
    market: Market, data: st.DataObject
) -> None:
    session, store = pair(market, data.draw(policies))
    day = data.draw(st.sampled_from(market.days))
    session.start_new_session(day.date)
    store.start_session(day.date)
    for arrival in data.draw(arrivals(day)):
        feed(session, store, arrival)
    for interval, step in (("5m", 5 * MINUTE), ("1h", 60 * MINUTE)):
        panel = session.matrix("close", SYMBOLS, interval)
        assert panel.ts.tolist() == due_starts(day, step, store.now)
        kept = [
            {bar.ts: bar.close for bar in store.derived(name, interval)}
            for name in SYMBOLS
        ]
        assert plain_values(panel) == looked_up(kept, panel.ts.tolist())


@pytest.mark.parametrize("anchor", ["clock", "segment"])
@pytest.mark.parametrize("interval", ["1h", "45m"])
def test_buckets_of_another_anchor_have_their_own_times(
    anchor: str, interval: str
) -> None:
    market = next(market for market in ALL_MARKETS if market.group == "JP_EQUITY")
    session = SessionData("JP_EQUITY", anchor=anchor)
    session.register_symbol("AAPL", derived=[interval])
    day = market.days[-1]
    session.start_new_session(day.date)
    for ts in due_starts(day, MINUTE, day.close):
        whole = bar("AAPL", (ts - OPEN) / MINUTE)
        session.add_bar("AAPL", whole)
        panel = session.matrix("close", interval=interval)
        # No minute is missing: each bucket that has ended is there.
        bars = session.get_bars("AAPL", interval)
        assert panel.ts.tolist() == bars.ts.tolist()
        assert not np.isnan(panel.values).any()


def test_a_matrix_ends_at_the_clock() -> None:
    session = session_of("AAPL", "MSFT")
    assert session.matrix("close").shape == (0, 2)
    fill(session, "AAPL", [0, 3])
    panel = session.matrix("close")
    assert panel.ts.tolist() == [minute(number) for number in range(4)]
    fill(session, "MSFT", [5])
    assert session.matrix("close").shape == (6, 2)
    assert panel.shape == (4, 2)


def test_bars_of_other_hours_are_not_on_the_grid() -> None:
    session = session_of("AAPL")
    fill(session, "AAPL", [-30, 0])
    assert session.matrix("close").ts.tolist() == [minute(0)]


def test_without_a_schedule_the_times_are_those_of_the_bars() -> None:
    session = SessionData()
    fill(session, "AAPL", [0, 7])
    fill(session, "MSFT", [3])
    panel = session.matrix("close")
    assert panel.ts.tolist() == [minute(0), minute(3), minute(7)]
    assert plain_values(panel) == [[100.0, None], [None, 103.0], [107.0, None]]


def test_intervals_above_a_day_have_the_times_of_their_bars() -> None:
    session = session_of("AAPL", derived=["1w"])
    assert session.matrix("close", interval="1w").shape == (0, 1)


def test_a_date_without_trading_has_no_times() -> None:
    session = SessionData()
    session.register_symbol("AAPL")
    session.start_new_session(date(2025, 7, 4))
    fill(session, "AAPL", [2 * 24 * 60])
    assert session.matrix("close").shape == (0, 1)


def test_a_range_of_a_matrix_is_half_open() -> None:
    session = session_of("AAPL")
    fill(session, "AAPL", range(10))
    panel = session.matrix("close", start=minute(2), end=minute(4))
    assert panel["AAPL"].tolist() == [102.0, 103.0]
    assert session.matrix("close", start=minute(4), end=minute(4)).shape == (0, 1)
    assert session.matrix("close", start=minute(9)).shape == (1, 1)
    with pytest.raises(ArgumentError, match=r"start .* is after end .*\[start, end\)"):
        session.matrix("close", start=minute(4), end=minute(2))


def test_a_column_comes_once_in_the_order_asked_for() -> None:
    session = session_of("AAPL", "MSFT", "IBM")
    assert session.matrix("close").symbols == ("AAPL", "MSFT", "IBM")
    panel = session.matrix("close", [" ibm", "AAPL", "IBM"])
    assert panel.symbols == ("IBM", "AAPL")


def test_a_field_that_bars_do_not_have_is_refused() -> None:
    session = session_of("AAPL")
    message = "field is 'clsoe'; it must be one of .*; did you mean 'close'"
    with pytest.raises(ArgumentError, match=message):
        session.matrix("clsoe")
    with pytest.raises(ArgumentError, match="field is None"):
        session.matrix(None)  # type: ignore[arg-type]


def test_symbols_of_different_base_intervals_need_an_interval() -> None:
    session = session_of("AAPL")
    session.register_symbol("MSFT", base_interval="5m")
    message = r"different base intervals \(AAPL 1m, MSFT 5m\); name the interval"
    with pytest.raises(ArgumentError, match=message):
        session.matrix("close")
    with pytest.warns(TapeloomWarning, match="MSFT has no 1m bars; kept: 5m"):
        assert session.matrix("close", interval="1m").symbols == ("AAPL", "MSFT")


def test_an_unknown_symbol_is_a_column_of_nan_with_a_warning() -> None:
    session = session_of("AAPL")
    fill(session, "AAPL", [0])
    with pytest.warns(TapeloomWarning, match="symbol MSFT is not kept"):
        panel = session.matrix("close", ["AAPL", "MSFT"])
    assert plain_values(panel) == [[100.0, None]]


def test_an_empty_session_has_an_empty_matrix() -> None:
    panel = SessionData().matrix("close")
    assert (panel.shape, panel.symbols, panel.interval) == ((0, 0), (), "1m")
    assert len(panel.to_pandas()) == len(panel.to_arrow()) == 0


def filled() -> Panel:
    session = session_of("AAPL", "MSFT")
    fill(session, "AAPL", range(3))
    fill(session, "MSFT", [1])
    return session.matrix("close")


def test_a_panel_hands_out_columns_by_symbol() -> None:
    panel = filled()
    assert panel[" aapl"].tolist() == [100.0, 101.0, 102.0]
    assert np.shares_memory(panel["AAPL"], panel.values)
    assert list(panel) == ["AAPL", "MSFT"]
    assert len(panel) == 3
    with pytest.raises(UnknownSymbolError, match="did you mean 'MSFT'"):
        _ = panel["MFST"]
    with pytest.raises(ArgumentTypeError, match=r"give text such as 'AAPL'"):
        _ = panel[0]  # type: ignore[index]


def test_a_panel_cannot_be_written() -> None:
    panel = filled()
    for cells in (panel.values, panel.ts, panel["AAPL"]):
        with pytest.raises(ValueError, match="read-only"):
            cells[0] = 1
    with pytest.raises(AttributeError):
        panel.field = "open"  # type: ignore[misc]


def test_other_tools_read_a_panel() -> None:
    panel = filled()
    frame = panel.to_pandas()
    assert list(frame.columns) == ["AAPL", "MSFT"]
    assert str(frame.index.dtype) == "datetime64[ns, America/New_York]"
    assert frame.index[0] == panel.timestamps[0]
    assert np.shares_memory(frame.to_numpy(), panel.values)
    wide = pl.DataFrame(panel)
    assert wide.columns == ["timestamp", "AAPL", "MSFT"]
    assert wide.equals(panel.to_polars())
    assert pa.table(panel)["AAPL"].to_pylist() == [100.0, 101.0, 102.0]
    assert pa.schema(panel).field("timestamp").type == pa.timestamp("ns", "UTC")
    assert np.asarray(panel) is panel.values
    assert np.array(panel).flags.writeable
    assert np.nanmax(panel) == 102.0


def test_a_panel_survives_pickling_and_stays_read_only() -> None:
    panel = filled()
    again: Panel = pickle.loads(pickle.dumps(panel))
    assert np.array_equal(again.values, panel.values, equal_nan=True)
    assert again.ts.tolist() == panel.ts.tolist()
    assert (again.symbols, again.zone) == (panel.symbols, panel.zone)
    assert not again.values.flags.writeable
    assert again.values.flags.f_contiguous


def test_a_panel_says_what_it_is() -> None:
    assert repr(filled()).splitlines() == [
        "Panel('close', '1m', 3 times x 2 symbols)",
        "timestamp               AAPL  MSFT",
        "2025-07-02 09:30-04:00   100   nan",
        "2025-07-02 09:31-04:00   101   101",
        "2025-07-02 09:32-04:00   102   nan",
    ]
    assert repr(SessionData().matrix("open")) == (
        "Panel('open', '1m', 0 times x 0 symbols)"
    )


def test_panels_are_equal_where_their_cells_and_times_are() -> None:
    panel, session = filled(), session_of("AAPL", "MSFT")
    assert panel == filled() == pickle.loads(pickle.dumps(panel))
    fill(session, "AAPL", range(3))
    assert panel != session.matrix("close")
    fill(session, "MSFT", [1])
    assert panel == session.matrix("close")
    assert panel != session.matrix("close", ["MSFT", "AAPL"])
    assert panel != session.matrix("high")
    assert panel != session.matrix("close", end=minute(2))
    assert panel != panel.values.tolist()
    with pytest.raises(TypeError, match="unhashable"):
        hash(panel)


def test_a_symbol_that_is_called_as_a_column_of_bars_keeps_its_name_everywhere() -> (
    None
):
    session = session_of("TS", "AAPL")
    fill(session, "TS", range(3))
    panel = session.matrix("close")
    assert panel.symbols == ("TS", "AAPL")
    relation = duckdb.sql("from panel")
    assert relation is not None
    assert relation.columns == ["timestamp", "TS", "AAPL"]


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_panel_says_which_library_is_missing(
    library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = filled()
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingDependencyError, match=rf"tapeloom\[{library}\]"):
        getattr(panel, f"to_{library}")()


def test_the_page_of_a_panel_is_escaped_and_short() -> None:
    session = session_of(*(f"<B>{number}" for number in range(20)))
    fill(session, "<B>0", range(100))
    page: Any = session.matrix("close")._repr_html_()
    assert "<B>" not in page
    assert "&lt;B&gt;0" in page
    assert "100 times x 20 symbols" in page
    assert page.count("<tr>") == 12
    assert "90 more" in page


def test_a_bar_that_ends_with_its_session_is_due_at_the_close() -> None:
    session = session_of("AAPL", derived=["1h"])
    assert session.current_session_date == DAY
    fill(session, "AAPL", range(390))
    hours = session.matrix("close", interval="1h")
    assert hours.ts[-1] == minute(360)
    us = next(market for market in ALL_MARKETS if market.group == "US_EQUITY")
    day = next(each for each in us.days if each.date == DAY)
    assert known_at(int(hours.ts[-1]), 60 * MINUTE, day) == day.close
