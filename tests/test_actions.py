"""A table of splits restates what lies before them, and never looks ahead."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeloom._core import Bars
from tapeloom.actions import Action, Actions, split_jumps
from tapeloom.calendars import get_session_table
from tapeloom.errors import (
    ArgumentError,
    ArgumentTypeError,
    CorruptFileError,
    DataError,
    MissingDataError,
)
from tapeloom.storage import DataManager
from tests.compare import columns, stored
from tests.days import US
from tests.reference import history as reference
from tests.reference.bars import Bar
from tests.reference.history import Split

if TYPE_CHECKING:
    from pathlib import Path

TABLE = get_session_table("US_EQUITY")
DAYS = US.days
SEVEN = Action("AAPL", date(2014, 6, 9), 1 / 7, 7.0)


def bars_of(rows: list[Bar], interval: str = "1m") -> Bars:
    given: dict[str, Any] = {**columns(rows)}
    return Bars.from_columns("AAA", interval, **given, zone=TABLE.zone, table=TABLE)


def some_bars() -> list[Bar]:
    """Three bars of each day; one lies after the close."""
    return [
        Bar(ts, 100.0, 104.0, 96.0, 102.0, 50.0)
        for day in DAYS
        for ts in (day.open, day.close - 60 * 10**9, day.close + 60 * 10**9)
    ]


splits = st.lists(
    st.tuples(
        st.sampled_from([day.date for day in DAYS] + [date(2025, 7, 4), date(2030, 1, 1)]),
        st.sampled_from([2.0, 4.0, 0.125]),
    ),
    max_size=4,
    unique_by=lambda pair: pair[0],
)  # fmt: skip


@given(splits=splits, today=st.sampled_from(DAYS))
def test_bars_are_restated_as_by_a_loop_over_the_actions(
    splits: list[tuple[date, float]], today: object
) -> None:
    until = today.date  # type: ignore[attr-defined]
    known = [day for day in DAYS if day.date <= until]
    rows = [row for row in some_bars() if row.ts < known[-1].span[1]]
    actions = Actions(Action("AAA", when, 1 / n, n) for when, n in splits)

    found = stored(actions.restated(bars_of(rows), until, TABLE))

    expected = [
        bar
        for day in known
        for bar in reference.restated(
            [row for row in rows if day.span[0] <= row.ts < day.span[1]],
            day.date,
            [Split(*split) for split in splits],
            until,
        )
    ]
    assert found == expected


def test_an_action_after_the_session_changes_nothing() -> None:
    bars = bars_of(some_bars())
    later = Actions([Action("AAA", date(2025, 7, 8), 0.5, 2.0)])

    assert later.restated(bars, date(2025, 7, 7), TABLE) is bars
    assert later.restated(bars, date(2025, 7, 8), TABLE) != bars


def test_bars_of_other_symbols_stay_as_they_are() -> None:
    bars = bars_of(some_bars())

    assert Actions([SEVEN]).restated(bars, date(2025, 7, 7), TABLE) is bars


def test_derived_bars_keep_their_counts() -> None:
    made = bars_of(some_bars()[:2]).aggregate("1d", table=TABLE)
    half = Actions([Action("aaa", DAYS[1].date, 0.5, 2.0)])

    found = half.restated(made, DAYS[1].date, TABLE)

    assert found.is_derived
    assert found.constituents.tolist() == made.constituents.tolist()
    assert (found.high.tolist(), found.volume.tolist()) == ([52.0], [200.0])
    assert found.flags.tolist() == made.flags.tolist()


CSV = "symbol,ex_date,price_factor,volume_factor\naapl,2014-06-09,0.5,2\nTRUE,2020-08-31,0.25,4\n"
ROWS = [
    Action("AAPL", date(2014, 6, 9), 0.5, 2.0),
    Action("TRUE", date(2020, 8, 31), 0.25, 4.0),
]


def test_a_table_is_read_from_csv_parquet_dicts_and_frames(tmp_path: Path) -> None:
    import pandas as pd
    import polars as pl

    (tmp_path / "a.csv").write_text(CSV)
    columns = {
        "symbol": ["AAPL", "TRUE"],
        "ex_date": [date(2014, 6, 9), date(2020, 8, 31)],
        "price_factor": [0.5, 0.25],
        "volume_factor": [2, 4],
    }
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    as_text = columns | {"ex_date": ["2014-06-09", "2020-08-31"]}
    tables = [
        tmp_path / "a.csv",
        str(tmp_path / "a.parquet"),
        columns,
        as_text,
        pd.DataFrame(columns),
        pl.DataFrame(columns),
        Actions(ROWS),
    ]

    for table in tables:
        assert list(Actions.of(table)) == ROWS


def test_the_table_beside_the_data_is_found(tmp_path: Path) -> None:
    assert len(Actions.beside(tmp_path)) == 0
    (tmp_path / "actions.csv").write_text(CSV)
    assert Actions.beside(tmp_path) == Actions(ROWS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("0.5", "0"), r"row 0: price_factor is 0.* above 0"),
        (("0.5", "nan"), "row 0: price_factor is None"),
        ((",2\n", ",-2\n"), "row 0: volume_factor is -2"),
        (("0.25", "a"), "row 0: price_factor is '0.5'"),
        (("2020-08-31", "31.8.2020"), "row 1: ex_date is '31.8.2020'"),
        (("TRUE,2020-08-31", "AAPL,2014-06-09"), "row 1: AAPL has two actions"),
        (("aapl", " "), "row 0: symbol"),
        (("ex_date", "exdate"), "no column 'ex_date'; did you mean 'exdate'"),
    ],
)
def test_a_row_that_breaks_a_rule_is_named_with_its_file(
    tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    (tmp_path / "actions.csv").write_text(CSV.replace(*change))

    with pytest.raises(DataError, match=message) as caught:
        Actions.beside(tmp_path)

    assert "actions.csv" in str(caught.value)


def test_a_column_that_comes_twice_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "actions.csv"
    file.write_text(
        "symbol,symbol,ex_date,price_factor,volume_factor\nA,A,2025-01-02,0.5,2\n"
    )

    with pytest.raises(DataError, match="actions have 2 columns 'symbol'"):
        Actions.of(file)


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArgumentTypeError, match="actions are int"):
        Actions.of(5)
    with pytest.raises(
        ArgumentTypeError, match=r"row 0 is \('A',\); it must be Action"
    ):
        Actions([("A",)])  # type: ignore[list-item]
    uneven = {"symbol": ["A"], "ex_date": [], "price_factor": [], "volume_factor": []}
    with pytest.raises(ArgumentTypeError, match="no table with columns of one length"):
        Actions.of(uneven)
    with pytest.raises(ArgumentError, match="no column 'symbol'"):
        Actions.of({"a": [1]})
    with pytest.raises(MissingDataError, match="does not exist"):
        Actions.of(tmp_path / "none.csv")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 nothing PAR1")
    with pytest.raises(CorruptFileError, match=r"bad\.parquet"):
        Actions.of(tmp_path / "bad.parquet")


@pytest.mark.parametrize(
    ("ratio", "like"),
    [(1 / 7, "7:1"), (0.51, "2:1"), (0.655, "3:2"), (10.2, "1:10"), (1.5, "2:3")],
)
def test_an_open_far_from_the_close_before_it_looks_like_a_split(
    ratio: float, like: str
) -> None:
    price = np.array([100.0, 100.0, 100.0 * ratio, 100.0 * ratio])
    first, second = DAYS[-2], DAYS[-1]
    rows = [
        Bar(ts, p, p, p, p, 1.0)
        for ts, p in zip(
            [first.open, first.close - 1, second.open, second.close - 1],
            price.tolist(),
            strict=True,
        )
    ]

    (jump,) = split_jumps(bars_of(rows), TABLE)

    assert (jump.session_date, jump.like) == (second.date, like)
    assert jump.ratio == pytest.approx(ratio)


@pytest.mark.parametrize("ratio", [1.0, 0.9, 1.3, 0.72, 0.59, 1.8])
def test_an_ordinary_night_does_not(ratio: float) -> None:
    after = 10.0 * ratio
    rows = [
        Bar(DAYS[-2].open, 10.0, 10.0, 10.0, 10.0, 1.0),
        Bar(DAYS[-1].open, after, after, after, after, 1.0),
    ]

    assert split_jumps(bars_of(rows), TABLE) == []


def test_a_jump_within_a_session_is_no_split() -> None:
    rows = [
        Bar(DAYS[-1].open, 10.0, 10.0, 10.0, 10.0, 1.0),
        Bar(DAYS[-1].open + 60 * 10**9, 5.0, 5.0, 5.0, 5.0, 1.0),
    ]

    assert split_jumps(bars_of(rows), TABLE) == []


def test_a_real_split_of_seven_to_one_is_found_and_restated(real_data: Path) -> None:
    source = DataManager(real_data, exchange_group="US_EQUITY")
    start, end = (TABLE.index_of(day) for day in (16226, 16230))
    assert start is not None
    assert end is not None
    read = source.read(
        "AAPL", "1m", int(TABLE.span_starts[start]), int(TABLE.span_ends[end])
    )
    parts = [read.between(*s) for i in range(start, end + 1) for s in TABLE.segments(i)]
    bars = Bars.concat(parts)

    (jump,) = split_jumps(bars, TABLE)
    restated = Actions([SEVEN]).restated(bars, date(2014, 6, 9), TABLE)

    assert (jump.session_date, jump.like) == (date(2014, 6, 9), "7:1")
    assert split_jumps(restated, TABLE) == []
    assert len(bars) == 1170
    # The ex-date's own session stays as it traded.
    assert restated[-390:] == bars[-390:]
    assert restated.close[0] == pytest.approx(bars.close[0] / 7)
    assert restated.volume[0] == bars.volume[0] * 7


def test_actions_between_two_dates_are_those_after_the_first() -> None:
    actions = Actions(ROWS)

    assert actions.between(date(2014, 6, 8), date(2014, 6, 9)) == (ROWS[0],)
    assert actions.between(date(2014, 6, 9), date(2020, 8, 30)) == ()
