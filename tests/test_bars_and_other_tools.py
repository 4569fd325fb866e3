"""Bars in pandas, polars, Arrow, DuckDB, NumPy and notebooks hold the values of their columns and never change."""

from __future__ import annotations

import contextlib
import io
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeloom import Bars, SessionData
from tapeloom.columns import read_frame
from tapeloom.errors import MissingDependencyError
from tapeloom.tables import bars as tables
from tests.tables.markets import COLUMNS, FIELDS, US, minutes, session_of

if TYPE_CHECKING:
    from collections.abc import Callable

Values = dict[str, list[Any]]


def of_columns(bars: Bars) -> Values:
    return {name: getattr(bars, name).tolist() for name in COLUMNS}


def of_arrow(table: pa.Table) -> Values:
    columns = {name: table[name].to_pylist() for name in COLUMNS[1:]}
    return {"ts": table["ts"].cast(pa.int64()).to_pylist(), **columns}


def of_polars(frame: pl.DataFrame) -> Values:
    return (
        frame.select(COLUMNS)
        .with_columns(ts=pl.col("ts").to_physical())
        .to_dict(as_series=False)
    )


def of_pandas(frame: pd.DataFrame) -> Values:
    ts = frame.index.tz_convert("UTC").tz_localize(None).to_numpy().astype("M8[ns]")
    columns = {name: frame[name].tolist() for name in COLUMNS[1:]}
    return {"ts": ts.astype(np.int64).tolist(), **columns}


def of_duckdb(bars: Bars) -> Values:
    assert len(bars) >= 0
    relation = duckdb.sql("select epoch_ns(ts) as ts, * exclude ts from bars")
    assert relation is not None
    found = relation.fetchnumpy()
    return {name: found[name].tolist() for name in COLUMNS}


def of_structured(bars: Bars) -> Values:
    rows = bars.to_numpy(structured=True)
    return {name: rows[name].tolist() for name in COLUMNS}


READERS: dict[str, Callable[[Bars], Values]] = {
    "to_arrow": lambda bars: of_arrow(bars.to_arrow()),
    "pyarrow.table": lambda bars: of_arrow(pa.table(bars)),
    "to_polars": lambda bars: of_polars(bars.to_polars()),
    "polars.DataFrame": lambda bars: of_polars(pl.DataFrame(bars)),
    "to_pandas": lambda bars: of_pandas(bars.to_pandas()),
    "duckdb": of_duckdb,
    "structured array": of_structured,
}


@st.composite
def some_bars(draw: st.DrawFn) -> Bars:
    """Bars with any values, in any order, in one piece of memory or several."""
    count = draw(st.integers(0, 20))

    def column(values: st.SearchStrategy[Any], dtype: type) -> np.ndarray[Any, Any]:
        return np.array(draw(st.lists(values, min_size=count, max_size=count)), dtype)

    numbers = st.floats(allow_nan=False, allow_infinity=False)
    prices: dict[str, Any] = {name: column(numbers, np.float64) for name in FIELDS}
    bars = Bars.from_columns(
        "AAPL",
        "1m",
        ts=column(st.integers(-(2**62), 2**62), np.int64),
        flags=column(st.integers(0, 255), np.uint8),
        zone=US.zone,
        **prices,
    )
    cut = draw(st.integers(0, count))
    return Bars.concat([bars[:cut], bars[cut:]])


@pytest.mark.parametrize("read", READERS.values(), ids=READERS.keys())
@given(bars=some_bars())
def test_every_tool_reads_the_values_of_the_columns(
    read: Callable[[Bars], Values], bars: Bars
) -> None:
    assert read(bars) == of_columns(bars)


@pytest.mark.parametrize("read", READERS.values(), ids=READERS.keys())
def test_a_held_view_reads_the_same_after_the_session_went_on(
    read: Callable[[Bars], Values],
) -> None:
    session = session_of("AAPL")
    held = session.get_last_n_bars("AAPL", 20)
    before = read(held)
    session.add_bars_batch("AAPL", minutes()[100:])
    session.clear_all()

    assert read(held) == before


MAKERS: dict[str, Callable[[Bars], Any]] = {
    "pandas": Bars.to_pandas,
    "polars": Bars.to_polars,
    "arrow": Bars.to_arrow,
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())
def test_a_table_alone_keeps_its_memory(make: Callable[[Bars], Any]) -> None:
    session = session_of("AAPL")
    table = make(session.get_last_n_bars("AAPL", 20))
    expected = minutes()[80:100].close.tolist()
    session.add_bars_batch("AAPL", minutes()[100:])
    session.clear_all()
    # Fresh memory of the same sizes, so that freed columns would be written over.
    noise = [np.full(400, -1.0) for _ in range(2_000)]

    assert table["close"].to_numpy().tolist() == expected
    assert len(noise) == 2_000


def test_pandas_columns_are_views_that_cannot_write_into_the_store() -> None:
    bars = minutes()
    frame = bars.to_pandas()
    changed = frame.copy()
    changed.iloc[0, 0] = 1.0

    for name in COLUMNS[1:]:
        column = frame[name].to_numpy()
        assert np.shares_memory(column, getattr(bars, name))
        assert not column.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        frame.iloc[0, 0] = 1.0
    assert bars.open[0] == 100.0
    assert changed.iloc[0, 0] == 1.0


def test_the_pandas_index_has_nanoseconds_in_the_zone_of_the_exchange() -> None:
    frame = minutes().to_pandas()

    assert str(frame.index.dtype) == "datetime64[ns, America/New_York]"
    assert frame.index.name == "timestamp"
    assert [str(at) for at in frame.between_time("09:30", "09:31").index] == [
        "2025-07-02 09:30:00-04:00",
        "2025-07-02 09:31:00-04:00",
    ]


def test_arrow_columns_share_memory_with_the_bars() -> None:
    bars = minutes()
    table = bars.to_arrow()

    for name in COLUMNS:
        column = table[name].chunk(0)
        address = column.buffers()[1].address
        assert address == getattr(bars, name).ctypes.data


def test_the_arrow_schema_says_whose_bars_they_are_and_what_they_hold() -> None:
    bars = minutes()
    schema = bars.to_arrow().schema

    assert schema.metadata == {b"symbol": b"AAPL", b"interval": b"1m"}
    assert schema.field("ts").type == pa.timestamp("ns", "UTC")
    assert schema.field("flags").type == pa.uint8()
    assert pa.schema(bars).equals(schema, check_metadata=True)


def test_derived_bars_tell_arrow_how_many_bars_are_in_them() -> None:
    derived = minutes().aggregate("1h", table=US)

    assert derived.to_arrow()["constituents"].to_pylist() == [60] * 6 + [30]
    assert pl.DataFrame(derived)["constituents"].dtype == pl.Int32
    assert pl.DataFrame(derived[:0]).schema == pl.DataFrame(derived).schema


def test_empty_bars_have_the_columns_and_types_of_full_ones() -> None:
    bars = minutes()

    assert bars[:0].to_arrow().schema.equals(bars.to_arrow().schema)
    assert bars[:0].to_pandas().dtypes.equals(bars.to_pandas().dtypes)
    assert bars[:0].to_pandas().index.dtype == bars.to_pandas().index.dtype
    assert bars[:0].to_numpy(structured=True).dtype.names == COLUMNS


def test_a_structured_array_is_a_copy() -> None:
    bars = minutes()
    rows = bars.to_numpy(structured=True)
    rows["close"] = 0

    assert bars.close[0] == 100.0


def test_bars_show_their_first_and_last_rows_as_a_table() -> None:
    lines = repr(minutes()).splitlines()

    assert lines[0] == "Bars('AAPL', '1m', 390 bars)"
    assert lines[1].split() == ["timestamp", *FIELDS, "flags"]
    assert lines[2].split() == [
        "2025-07-02",
        "09:30-04:00",
        "100.000",
        "100.250",
        "99.750",
        "100.000",
        "10",
    ]
    assert lines[3].split()[-1] == "streamed"
    assert lines[7] == "..."
    assert lines[12].split()[:2] == ["2025-07-02", "15:59-04:00"]
    assert len(lines) == 13


def test_few_bars_and_none_are_shown_whole() -> None:
    assert repr(minutes()[:0]) == "Bars('AAPL', '1m', 0 bars)"
    assert repr(minutes()[:1]).splitlines()[0] == "Bars('AAPL', '1m', 1 bar)"
    assert len(repr(minutes()[:10]).splitlines()) == 12


def test_flags_are_shown_as_words() -> None:
    derived = minutes()[:7].aggregate("5m", table=US)

    assert repr(derived).splitlines()[-1].endswith("derived partial")


def test_the_html_of_a_symbol_with_signs_is_escaped() -> None:
    html = minutes("<B>&C")[:3]._repr_html_()

    assert "<B>" not in html
    assert "&lt;B&gt;&amp;C" in html


def packed(bars: Bars) -> np.ndarray[Any, Any]:
    """A structured array whose fields lie off their natural places."""
    rows = bars.to_numpy(structured=True)
    names = rows.dtype.names
    assert names is not None
    return rows.astype([(name, rows.dtype[name]) for name in names])


FRAMES: dict[str, Callable[[Bars], object]] = {
    "bars": lambda bars: bars,
    "pandas": Bars.to_pandas,
    "polars": Bars.to_polars,
    "Arrow": Bars.to_arrow,
    "structured array": lambda bars: bars.to_numpy(structured=True),
    "packed array": packed,
    "fields of a packed array": lambda bars: {n: packed(bars)[n] for n in COLUMNS},
    "list": Bars.to_list,
    "records of pandas": lambda bars: bars.to_pandas().reset_index().itertuples(),
}


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES.keys())
def test_what_bars_give_they_take_back(frame: Callable[[Bars], object]) -> None:
    bars = minutes()

    found = read_frame(frame(bars), zone=US.zone, table=US, symbol="AAPL")
    assert found["AAPL"] == bars


def test_a_whole_session_can_be_read_back() -> None:
    session, other = session_of("AAPL", "MSFT"), SessionData()
    for symbol, bars in read_frame(session.to_polars(), zone=US.zone).items():
        other.add_bars_batch(symbol, bars)

    assert other.get_bars("MSFT") == session.get_bars("MSFT")


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_library_that_is_not_installed_is_named(
    library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)

    with pytest.raises(
        MissingDependencyError, match=rf"pip install 'tapeloom\[{library}\]'"
    ):
        getattr(tables, f"to_{library}")(minutes())


def test_pandas_is_enough_for_pandas() -> None:
    code = """
import sys
sys.modules["pyarrow"] = None
import numpy as np
from datetime import UTC
from tapeloom import Bars
prices = dict.fromkeys(("open", "high", "low", "close", "volume"), np.ones(2))
bars = Bars.from_columns("A", "1m", ts=np.arange(2) * 60_000_000_000, zone=UTC, **prices)
print(len(bars.to_pandas()), len(repr(bars)) > 0)
"""
    seen = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )

    assert (seen.stdout.split(), seen.stderr) == (["2", "True"], "")


def test_the_example_of_the_guide_for_talib_prints_what_the_page_says() -> None:
    pytest.importorskip("talib", reason="TA-Lib is not installed; pip install TA-Lib")
    page = Path(__file__).parent.parent / "docs" / "guide" / "bars-and-other-tools.md"
    blocks = re.findall(
        r"```python( needs=talib)?\n(.*?)```\n(?:\n```text\n(.*?)```)?",
        page.read_text(encoding="utf-8"),
        re.DOTALL,
    )
    names: dict[str, object] = {"__name__": page.stem}
    seen = []
    for needs, code, expected in blocks:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            # The page does not postpone its annotations, as this file does.
            exec(compile(code, page.name, "exec", dont_inherit=True), names)
        if needs:
            seen.append((printed.getvalue(), expected))

    assert seen
    assert all(printed == expected for printed, expected in seen)
