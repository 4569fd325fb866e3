"""What a session table answers about an instant, against a search through the list of its sessions."""

from __future__ import annotations

from functools import cache
from typing import Any

import exchange_calendars
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.calendars.made_up_tables import edges, instants, lookup_of, lookups, table_of
from tests.reference.schedule import MINUTE
from tests.reference.session_lookup import Lookup

from tapeloom._core import SessionTable
from tapeloom.calendars import get_session_table
from tapeloom.errors import (
    ArgumentTypeError,
    OutOfCalendarError,
    TimestampError,
    TimestampUnitError,
)

MARKETS = ["XNYS", "CMES", "XTKS", "XHKG", "24/5", "24/7"]
NEIGHBOURS = ["next_open", "next_close", "previous_open", "previous_close"]


@cache
def listed(market: str) -> Lookup:
    return lookup_of(get_session_table(market))


def answers(table: SessionTable | Lookup, ts: int) -> dict[str, object]:
    """What a table or a list of sessions says about an instant; ``None`` where it knows of no such session."""
    found: dict[str, object] = {
        "is_open": table.is_open(ts),
        "is_open extended": table.is_open(ts, True),
        "session_type": table.session_type(ts),
        "session_of": table.session_of(ts),
    }
    for name in NEIGHBOURS:
        try:
            found[name] = getattr(table, name)(ts)
        except OutOfCalendarError:
            found[name] = None
    return found


@pytest.mark.parametrize("market", MARKETS)
@given(data=st.data())
@settings(max_examples=20)
def test_a_market_answers_as_a_search_through_its_sessions_does(
    market: str, data: st.DataObject
) -> None:
    table, lookup = get_session_table(market), listed(market)
    start, end = table.covered
    for ts in data.draw(instants(lookup)):
        if start <= ts < end:
            assert answers(table, ts) == answers(lookup, ts)


@given(data=st.data())
@settings(max_examples=150)
def test_a_made_up_table_answers_as_a_search_through_its_sessions_does(
    data: st.DataObject,
) -> None:
    lookup = data.draw(lookups())
    table = table_of(lookup)
    beside = [
        edge + shift
        for session in lookup.sessions
        for edge in edges(session)
        for shift in (-1, 0, 1)
    ]
    for ts in {*beside, *data.draw(instants(lookup))}:
        assert answers(table, ts) == answers(lookup, ts)


@pytest.mark.parametrize("market", MARKETS)
def test_at_every_edge_of_a_market_one_nanosecond_changes_the_answer(
    market: str,
) -> None:
    table = get_session_table(market)
    starts, ends = table.segment_starts, table.segment_ends
    assert table.is_open(starts).all()
    assert table.is_open(ends - 1).all()
    # Where one stretch begins, another may end.
    before, after = starts[1:] - 1, ends[:-1]
    assert (table.is_open(before) == np.isin(before + 1, ends)).all()
    assert (table.is_open(after) == np.isin(after, starts)).all()


@pytest.mark.parametrize("market", MARKETS)
def test_the_neighbours_of_every_edge_are_the_sessions_beside_it(market: str) -> None:
    table = get_session_table(market)
    opens, closes = table.opens, table.closes
    assert (table.next_open(opens[:-1]) == opens[1:]).all()
    assert (table.next_open(opens[1:] - 1) == opens[1:]).all()
    assert (table.previous_open(opens[1:]) == opens[:-1]).all()
    assert (table.next_close(closes[:-1]) == closes[1:]).all()
    assert (table.next_close(opens) == closes).all()
    assert (table.previous_open(closes[:-1] - 1) == opens[:-1]).all()


@pytest.mark.parametrize("market", MARKETS)
def test_at_a_close_the_previous_close_is_that_of_the_session_before(
    market: str,
) -> None:
    closes = get_session_table(market).closes[:-1]
    assert (get_session_table(market).previous_close(closes[1:]) == closes[:-1]).all()


@pytest.mark.parametrize("market", MARKETS)
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=5)
def test_a_column_of_instants_is_answered_as_each_of_them_is(
    market: str, seed: int
) -> None:
    table = get_session_table(market)
    low, high = table.closes[1], table.opens[-2]
    column = np.random.default_rng(seed).integers(low, high, 200)
    for name in ["is_open", "session_of", *NEIGHBOURS]:
        ask = getattr(table, name)
        alone = [ask(ts) for ts in column.tolist()]
        expected = [-1 if found is None else found for found in alone]
        assert ask(column).tolist() == expected
        assert ask(column.astype("datetime64[ns]")).tolist() == expected
    extended = [table.is_open(ts, include_extended=True) for ts in column.tolist()]
    assert table.is_open(column, include_extended=True).tolist() == extended


@pytest.mark.parametrize("unit", ["ns", "us", "ms", "s", "m", "h", "D"])
def test_a_column_of_dates_keeps_its_own_unit(unit: str) -> None:
    table = get_session_table("CRYPTO")
    column = np.array(["2025-07-02", "2025-07-03"], dtype=f"datetime64[{unit}]")
    expected = column.astype("datetime64[D]").astype(np.int64)
    assert table.dates[table.session_of(column)].tolist() == expected.tolist()


def test_answers_to_a_column_have_one_type_and_length() -> None:
    table = get_session_table("XNYS")
    column = table.opens[100:110]
    types = {
        "is_open": np.bool_,
        "session_of": np.int64,
        "next_open": np.int64,
        "previous_close": np.int64,
    }
    for name, dtype in types.items():
        ask = getattr(table, name)
        assert (ask(column).dtype, ask(column).shape) == (dtype, (10,))
        assert (ask(column[:0]).dtype, ask(column[:0]).shape) == (dtype, (0,))


def test_a_column_need_not_lie_in_one_piece_of_memory() -> None:
    table = get_session_table("XNYS")
    assert table.is_open(table.opens[::-3]).all()


@pytest.mark.parametrize("name", ["is_open", *NEIGHBOURS])
def test_what_the_table_does_not_cover_names_its_row(name: str) -> None:
    table = get_session_table("XNYS")
    start, end = table.covered
    inside = int(table.opens[100])
    for row, outside in enumerate((start - 1, end, end + 1), start=1):
        column = np.array([inside] * row + [outside, inside])
        with pytest.raises(
            OutOfCalendarError, match=rf"ts in row {row} is .* lies outside .* of XNYS"
        ) as caught:
            getattr(table, name)(column)
        assert caught.value.got == outside
        with pytest.raises(OutOfCalendarError, match=r"ts is .* lies outside"):
            getattr(table, name)(outside)


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("next_open", -1),
        ("next_close", -1),
        ("previous_open", 0),
        ("previous_close", 0),
    ],
)
def test_beyond_the_last_session_there_is_no_neighbour(name: str, row: int) -> None:
    table = get_session_table("XNYS")
    edge = int((table.opens if name.endswith("open") else table.closes)[row])
    for ts in (edge, np.array([edge])):
        with pytest.raises(
            OutOfCalendarError, match=r"has no (later|earlier) session in the"
        ):
            getattr(table, name)(ts)


def test_what_belongs_to_no_session_has_no_position() -> None:
    table = get_session_table("XNYS")
    saturday = np.datetime64("2025-07-05T16:00")
    assert table.session_of(saturday) is None
    assert table.session_of(np.array([saturday])).tolist() == [-1]


@pytest.mark.parametrize(
    "column",
    [
        np.array([1.5]),
        np.array([[10**18]]),
        np.array([True]),
        np.array(["2025-07-02"]),
        np.array([10**9], dtype=np.int32),
        np.array([1], dtype="timedelta64[ns]"),
    ],
)
def test_an_array_of_anything_else_is_an_error(column: Any) -> None:
    table = get_session_table("XNYS")
    for name in ["is_open", "session_of", *NEIGHBOURS]:
        with pytest.raises(ArgumentTypeError, match="give 1-d int64 nanoseconds"):
            getattr(table, name)(column)


def test_seconds_are_not_nanoseconds() -> None:
    table = get_session_table("XNYS")
    with pytest.raises(TimestampUnitError, match="looks like seconds"):
        table.is_open(1_751_463_000)
    for ask in (table.is_open, table.session_of):
        with pytest.raises(TimestampUnitError, match="looks like seconds"):
            ask(np.array([1_751_463_000]))


@pytest.mark.parametrize("ts", [2**63, -(2**63) - 1, 10**30])
def test_an_int_beyond_int64_is_an_error_of_ours(ts: int) -> None:
    table = get_session_table("XNYS")
    for name in ["is_open", "session_of", *NEIGHBOURS]:
        with pytest.raises(TimestampError):
            getattr(table, name)(ts)


@pytest.mark.parametrize("unit", ["us", "s", "D"])
def test_a_date_beyond_int64_nanoseconds_is_not_read_as_another_one(unit: str) -> None:
    # 2**64 nanoseconds after a day of 2025 they begin anew.
    column = np.array(["2610-01-17T12:00"], dtype=f"datetime64[{unit}]")
    table = get_session_table("CRYPTO")
    for name in ["is_open", "session_of", *NEIGHBOURS]:
        with pytest.raises((TimestampError, OutOfCalendarError)):
            getattr(table, name)(column)


def test_a_missing_time_in_a_column_is_an_error() -> None:
    table = get_session_table("XNYS")
    for ask in (table.is_open, table.session_of):
        with pytest.raises(ArgumentTypeError, match="NaT"):
            ask(np.array(["2025-07-02", "NaT"], dtype="datetime64[ns]"))


def test_a_column_outside_names_its_first_row() -> None:
    table = get_session_table("XNYS")
    column = np.array(["2025-07-02", "1980-01-01", "1970-01-01"], dtype="datetime64[s]")
    with pytest.raises(OutOfCalendarError, match="ts in row 1 is 1979-12-31"):
        table.is_open(column)


@pytest.mark.parametrize("market", ["XNYS", "CMES", "XTKS", "XHKG"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_minutes_are_answered_as_exchange_calendars_answers_them(market: str) -> None:
    calendar = exchange_calendars.get_calendar(
        market, start="2015-01-05", end="2025-12-30"
    )
    table = get_session_table(market)
    first, last = calendar.opens.iloc[10].value, calendar.closes.iloc[-10].value
    minutes = np.random.default_rng(7).integers(first // MINUTE, last // MINUTE, 200)
    edges = [
        bound + shift * MINUTE
        for column in (calendar.opens_nanos, calendar.closes_nanos)
        for bound in column[10:-10:200].tolist()
        for shift in (-1, 0, 1)
    ]
    for ts in [*(minutes * MINUTE).tolist(), *edges]:
        minute = np.datetime64(ts, "ns")
        stamp = exchange_calendars.exchange_calendar.pd.Timestamp(minute, tz="UTC")
        for name in NEIGHBOURS:
            assert getattr(table, name)(ts) == getattr(calendar, name)(stamp).value
        # By default its minutes are labelled by their start, the close left out, as ours are.
        assert table.is_open(ts) == calendar.is_open_on_minute(stamp)
