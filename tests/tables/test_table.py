"""Rows of a dataclass are a sequence, and a table to every other tool."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import IntFlag, StrEnum
from operator import add
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeloom.tables import Table
from tapeloom.tables.column import kind_of

if TYPE_CHECKING:
    from decimal import Decimal

NEW_YORK = ZoneInfo("America/New_York")
OPEN = datetime(2025, 7, 2, 9, 30, tzinfo=NEW_YORK)


class Cause(StrEnum):
    HALT = "halt"
    UNKNOWN = "unknown"


class Bits(IntFlag):
    A = 1
    B = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """A row with a column of every kind."""

    symbol: str
    at: datetime
    missing: int
    quality: float | None
    cause: Cause
    bits: Bits
    whole: bool
    day: date
    lasted: timedelta
    last_attempt: datetime | None
    steps: tuple[int, ...]
    note: Decimal | None = None

    @property
    def doubled(self) -> int:
        return 2 * self.missing


class Findings(Table[Finding], also=("doubled",)):
    """Findings."""


def finding(minute: int = 0, **changes: Any) -> Finding:
    row = Finding(
        symbol="AAPL",
        at=OPEN + timedelta(minutes=minute),
        missing=minute,
        quality=None if minute else 99.5,
        cause=Cause.HALT,
        bits=Bits.A | Bits.B,
        whole=not minute,
        day=OPEN.date(),
        lasted=timedelta(minutes=minute),
        last_attempt=None,
        steps=(1, 2),
    )
    return replace(row, **changes)


ROWS = [finding(0), finding(1), finding(2, symbol="MSFT")]
TYPES = {
    "symbol": pa.string(),
    "at": pa.timestamp("ns", "UTC"),
    "missing": pa.int64(),
    "quality": pa.float64(),
    "cause": pa.string(),
    "bits": pa.int64(),
    "whole": pa.bool_(),
    "day": pa.date32(),
    "lasted": pa.duration("ns"),
    "last_attempt": pa.timestamp("ns", "UTC"),
    "steps": pa.list_(pa.int64()),
    "note": pa.string(),
    "doubled": pa.int64(),
}


@given(st.lists(st.sampled_from(ROWS)), st.slices(5), st.sampled_from(ROWS))
def test_a_table_reads_as_the_list_of_its_rows(
    rows: list[Finding], part: slice, row: Finding
) -> None:
    table = Findings(rows)

    assert table == rows
    assert rows == table
    assert [len(table), list(table), list(reversed(table)), table.count(row)] == [
        len(rows),
        rows,
        rows[::-1],
        rows.count(row),
    ]
    assert (row in table) == (row in rows)
    assert isinstance(table[part], Findings)
    assert table[part] == rows[part]
    assert add(table, [row]) == [*rows, row]
    assert add([row], table) == [row, *rows]


def test_a_table_never_changes() -> None:
    rows = list(ROWS)
    table = Findings(rows)
    rows.clear()

    assert len(table) == 3
    with pytest.raises(TypeError):
        table[0] = ROWS[1]  # type: ignore[index]
    assert hash(table) == hash(Findings(ROWS))
    assert table != ROWS[:2]
    assert table != "AAPL"


def test_indexing_fails_as_that_of_a_list_does() -> None:
    with pytest.raises(IndexError):
        Findings(ROWS)[3]
    with pytest.raises(ValueError, match="not in tuple"):
        Findings(ROWS).index(finding(9))


@pytest.mark.parametrize("rows", [ROWS, []], ids=["rows", "no rows"])
def test_an_arrow_table_has_the_types_of_the_dataclass(rows: list[Finding]) -> None:
    found = Findings(rows).to_arrow()

    assert dict(zip(found.column_names, found.schema.types, strict=True)) == TYPES
    assert found.num_rows == len(rows)


def test_values_come_out_as_they_went_in() -> None:
    found = pa.table(Findings(ROWS)).to_pylist()

    assert [(r["symbol"], r["quality"], r["cause"], r["steps"]) for r in found] == [
        ("AAPL", 99.5, "halt", [1, 2]),
        ("AAPL", None, "halt", [1, 2]),
        ("MSFT", None, "halt", [1, 2]),
    ]
    assert [(r["at"], r["bits"], r["doubled"]) for r in found] == [
        (row.at, 3, row.doubled) for row in ROWS
    ]


@pytest.mark.parametrize("rows", [ROWS, []], ids=["rows", "no rows"])
def test_polars_and_duckdb_read_a_table(rows: list[Finding]) -> None:
    findings = Findings(rows)
    frame = pl.DataFrame(findings)
    relation = duckdb.sql("select symbol, missing, cause from findings")

    assert relation is not None
    assert frame.equals(findings.to_polars())
    assert frame.schema["at"] == pl.Datetime("ns", "UTC")
    assert frame["at"].to_list() == [row.at for row in rows]
    assert relation.fetchall() == [(r.symbol, r.missing, r.cause.value) for r in rows]


def test_pandas_has_aware_times_plain_values_and_missing_ones() -> None:
    frame = Findings(ROWS).to_pandas()

    assert list(frame) == list(TYPES)
    assert str(frame["at"].dtype) == "datetime64[ns, America/New_York]"
    assert frame["at"].tolist() == [row.at for row in ROWS]
    assert frame["last_attempt"].isna().all()
    assert str(frame["last_attempt"].dtype) == "datetime64[ns, America/New_York]"
    assert frame["cause"].tolist() == ["halt"] * 3
    assert frame["quality"].isna().tolist() == [False, True, True]
    assert frame["lasted"].sum() == timedelta(minutes=3)
    assert frame["day"].dt.day.tolist() == [2, 2, 2]


def test_a_pandas_frame_without_rows_has_the_types_of_one_with_rows() -> None:
    full, empty = Findings([finding(0)]).to_pandas(), Findings().to_pandas()
    zoned = ["at", "last_attempt"]

    assert full.drop(columns=zoned).dtypes.equals(empty.drop(columns=zoned).dtypes)
    assert {str(empty[name].dtype) for name in zoned} == {"datetime64[ns, UTC]"}


def test_whole_numbers_with_a_missing_one_stay_whole_in_pandas() -> None:
    @dataclass(frozen=True)
    class Count:
        n: int | None

    class Counts(Table[Count]):
        pass

    assert str(Counts([Count(1), Count(None)]).to_pandas()["n"].dtype) == "Int64"


def test_columns_are_lists_of_what_the_rows_hold() -> None:
    columns = Findings(ROWS).columns()

    assert columns["cause"] == [Cause.HALT] * 3
    assert columns["at"][0] is ROWS[0].at
    assert list(columns) == list(TYPES)


def test_a_table_shows_as_text_and_html() -> None:
    @dataclass(frozen=True)
    class Fill:
        symbol: str
        price: float

    class Fills(Table[Fill]):
        pass

    fills = Fills([Fill("A<B>", 9.5), Fill("MSFT", 10.25)])
    assert repr(fills) == "Fills(2 rows)\nsymbol  price\nA<B>     9.50\nMSFT    10.25"
    assert "A&lt;B&gt;" in fills._repr_html_()
    assert repr(Fills()) == "Fills(0 rows)"
    assert len(repr(Fills([Fill("A", 1.0)] * 1000)).splitlines()) == 13


def test_a_pickled_table_is_equal() -> None:
    assert pickle.loads(pickle.dumps(Findings(ROWS))) == Findings(ROWS)


@pytest.mark.parametrize(
    ("annotation", "kind"),
    [
        (int, "int"),
        (bool, "bool"),
        (datetime, "time"),
        (date, "date"),
        (str | None, "text"),
        (int | float, "float"),
        (int | str, "text"),
        (Literal["a", "b"], "text"),
        (list[str], "list of text"),
        (Sequence[float], "list of float"),
        (tuple[int, str], "text"),
        (Cause, "text"),
        (Bits, "int"),
        (dict, "text"),
        (np.float64, "float"),
        (None, "text"),
    ],
)
def test_an_annotation_says_what_a_column_holds(annotation: Any, kind: str) -> None:
    assert kind_of(annotation) == kind


def test_a_frame_of_pandas_made_from_the_rows_has_the_same_fields() -> None:
    assert pd.DataFrame(Findings(ROWS))["symbol"].tolist() == ["AAPL", "AAPL", "MSFT"]
