"""Quotes and ticks: as values, kept in order of time, the newest 10,000 of each."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import sys
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeloom.errors import (
    ArgumentError,
    ArgumentTypeError,
    MissingDependencyError,
    NonexistentTimeError,
    SymbolError,
    TapeloomWarning,
    TimestampError,
    TimestampUnitError,
    UnknownSymbolError,
)
from tapeloom.quotes import Quote, TickData
from tapeloom.session_data import SessionData, quotes
from tapeloom.session_data.quotes import NewestQuotes
from tapeloom.statuses import ConnectionEvent, TradingStatus
from tests.session_data.made import (
    DAY,
    MINUTE,
    OPEN,
    fill,
    minute,
    quote,
    session_of,
    tick,
)
from tests.strategies import fewer

NEW_YORK = ZoneInfo("America/New_York")


def test_values_are_frozen_slotted_and_hashable() -> None:
    for value in (quote("AAPL", 0), tick("AAPL", 0)):
        assert not hasattr(value, "__dict__")
        with pytest.raises(FrozenInstanceError):
            value.symbol = "MSFT"  # type: ignore[misc]
        assert pickle.loads(pickle.dumps(value)) == value
        assert {value: 1}[pickle.loads(pickle.dumps(value))] == 1


def test_the_same_instant_in_two_zones_is_one_quote() -> None:
    there = Quote("AAPL", datetime(2025, 7, 2, 9, 30, tzinfo=NEW_YORK), 1, 2)
    here = Quote(" aapl ", datetime(2025, 7, 2, 13, 30, tzinfo=UTC), 1, 2)
    stamped = Quote("AAPL", np.datetime64("2025-07-02T13:30"), 1, 2)
    assert there == here == stamped
    assert len({there, here, stamped, Quote("AAPL", OPEN, 1, 2)}) == 1
    assert there != Quote("AAPL", datetime(2025, 7, 2, 9, 30), 1, 2)  # noqa: DTZ001


def test_a_time_without_a_zone_is_wall_time_of_the_exchange_once_it_is_added() -> None:
    given_tick = TickData("AAPL", datetime(2025, 7, 2, 9, 30), 100, 5)  # noqa: DTZ001
    with pytest.raises(TimestampError, match="has no zone; the session"):
        _ = given_tick.ts
    session = session_of("AAPL")
    session.append_tick("AAPL", given_tick)
    (kept,) = session.get_ticks("AAPL", 1)
    assert kept.ts == OPEN
    assert kept.timestamp.tzinfo == NEW_YORK


def test_nanoseconds_of_a_quote_are_kept() -> None:
    session = session_of("AAPL")
    session.append_quote("AAPL", Quote("AAPL", OPEN + 1, 1, 2))
    assert session.get_quotes("AAPL", 1).ts.tolist() == [OPEN + 1]


def test_a_quote_has_sizes_of_zero_and_comes_from_the_feed_unless_it_says_otherwise() -> (
    None
):
    made = Quote("AAPL", OPEN, 1, 2)
    assert (made.bid_size, made.ask_size, made.source) == (0.0, 0.0, "feed")


def test_crossed_and_one_sided_quotes_are_accepted() -> None:
    assert Quote("AAPL", OPEN, 2, 1).bid > Quote("AAPL", OPEN, 2, 1).ask
    assert Quote("AAPL", OPEN, 0, 1).bid == 0.0


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("", OPEN, 1, 1), SymbolError, "symbol ''"),
        (("A", OPEN, 0, 1), ArgumentError, r"price of A .* is 0\.0; .* above 0"),
        (("A", OPEN, float("nan"), 1), ArgumentError, "is nan; it must be finite"),
        (("A", OPEN, float("inf"), 1), ArgumentError, "is inf; it must be finite"),
        (("A", OPEN, 1, -1), ArgumentError, r"size of A .* is -1\.0; .* 0 or more"),
        (("A", OPEN, "1", 1), ArgumentTypeError, r"'1' \(str\); it must be a number"),
        (("A", OPEN, True, 1), ArgumentTypeError, r"True \(bool\)"),
        (("A", None, 1, 1), ArgumentTypeError, "timestamp is None"),
        (("A", "09:30", 1, 1), ArgumentTypeError, "timestamp is '09:30'"),
        (("A", OPEN // 10**9, 1, 1), TimestampUnitError, "looks like seconds"),
    ],
)
def test_a_tick_that_breaks_a_rule_says_which(
    arguments: tuple[Any, ...], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        TickData(*arguments)


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"bid": -1}, ArgumentError, r"bid of A .* is -1\.0; it must be finite and 0"),
        ({"ask": float("nan")}, ArgumentError, "ask of A .* is nan"),
        ({"bid_size": -2}, ArgumentError, "bid_size of A"),
        ({"ask_size": None}, ArgumentTypeError, r"ask_size of A .* None \(NoneType\)"),
        ({"source": ""}, ArgumentError, "source is ''; it must be a word"),
        ({"source": 3}, ArgumentTypeError, "source is 3"),
    ],
)
def test_a_quote_that_breaks_a_rule_says_which(
    changed: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        Quote("A", OPEN, **{"bid": 1, "ask": 2, **changed})


def test_quotes_come_back_oldest_first_with_columns() -> None:
    session = session_of("AAPL")
    for number in (0, 1, 2):
        session.append_quote("AAPL", quote("AAPL", number, 99.0 + number))
    read = session.get_quotes(" aapl", 2)
    assert read.symbol == "AAPL"
    assert read.ts.tolist() == [minute(1), minute(2)]
    assert (read.bid.tolist(), read.ask.tolist()) == ([100, 101], [100.5, 101.5])
    assert (read.bid_size.tolist(), read.ask_size.tolist()) == ([3, 3], [4, 4])
    assert len(read) == 2
    assert read[-1] == session.get_latest_quote("AAPL")
    assert read[:1] == session.get_quotes("AAPL", 2)[:1]
    assert [one.bid for one in read] == [100, 101]
    assert "AAPL" in repr(read)


def test_ticks_come_back_oldest_first_with_columns() -> None:
    session = session_of("AAPL")
    for number in (0, 1, 2):
        session.append_tick("AAPL", tick("AAPL", number, 99.0 + number))
    read = session.get_ticks("AAPL", 2)
    assert read.ts.tolist() == [minute(1), minute(2)]
    assert (read.price.tolist(), read.size.tolist()) == ([100, 101], [5, 5])
    assert read.to_list() == list(read)


def test_columns_of_quotes_cannot_be_written_and_a_read_keeps_what_it_showed() -> None:
    session = session_of("AAPL")
    session.append_quote("AAPL", quote("AAPL", 0))
    read = session.get_quotes("AAPL", 10)
    session.append_quote("AAPL", quote("AAPL", 1))
    session.start_new_session(DAY)
    assert read.bid.tolist() == [99.0]
    with pytest.raises(ValueError, match="read-only"):
        read.bid[0] = 1.0


def test_other_tools_read_quotes() -> None:
    session = session_of("AAPL")
    session.append_quote("AAPL", quote("AAPL", 0))
    read = session.get_quotes("AAPL", 10)
    frame = read.to_pandas()
    assert str(frame.index.dtype) == "datetime64[ns, America/New_York]"
    assert frame["bid"].tolist() == [99.0]
    names = ["ts", "bid", "ask", "bid_size", "ask_size", "source"]
    assert pa.table(read).column_names == names
    assert read.to_polars().equals(pl.DataFrame(read))
    assert pa.schema(read) == read.to_arrow().schema
    assert session.get_quotes("AAPL", 0).to_arrow().schema == read.to_arrow().schema


def test_a_late_quote_is_put_in_its_place_and_never_becomes_the_latest() -> None:
    session = session_of("AAPL")
    for number in (0, 5, 2):
        session.append_quote("AAPL", quote("AAPL", number))
    assert session.get_quotes("AAPL", 9).ts.tolist() == [
        minute(number) for number in (0, 2, 5)
    ]
    latest = session.get_latest_quote("AAPL")
    assert latest is not None
    assert latest.ts == minute(5)


def test_quotes_of_one_instant_stay_in_order_of_arrival() -> None:
    session = session_of("AAPL")
    for bid in (1.0, 2.0, 3.0):
        session.append_quote("AAPL", quote("AAPL", 0, bid))
    session.append_quote("AAPL", quote("AAPL", -1, 4.0))
    assert session.get_quotes("AAPL", 9).bid.tolist() == [4.0, 1.0, 2.0, 3.0]


def test_the_first_quote_registers_its_symbol() -> None:
    session = SessionData()
    session.append_quote("aapl", quote("AAPL", 0))
    session.append_tick("MSFT", tick("MSFT", 0))
    assert session.get_active_symbols() == {"AAPL", "MSFT"}
    assert session["AAPL"].base_interval == "1m"


def test_a_bad_quote_changes_nothing() -> None:
    session = SessionData()
    with pytest.raises(ArgumentError, match="a quote of MSFT cannot be added to AAPL"):
        session.append_quote("AAPL", quote("MSFT", 0))
    with pytest.raises(ArgumentError, match="a tick of MSFT cannot be added to AAPL"):
        session.append_tick("AAPL", tick("MSFT", 0))
    with pytest.raises(ArgumentTypeError, match=r"quote is TickData; .* a Quote"):
        session.append_quote("AAPL", tick("AAPL", 0))  # type: ignore[arg-type]
    with pytest.raises(ArgumentTypeError, match=r"tick is float; .* a TickData"):
        session.append_tick("AAPL", 1.0)  # type: ignore[arg-type]
    left_out = datetime(2025, 3, 9, 2, 30)  # noqa: DTZ001
    with pytest.raises(NonexistentTimeError):
        session.append_tick("AAPL", TickData("AAPL", left_out, 1, 1))
    assert session.get_active_symbols() == set()


def test_a_new_session_begins_without_quotes_and_ticks() -> None:
    session = session_of("AAPL")
    session.append_quote("AAPL", quote("AAPL", 0))
    session.append_tick("AAPL", tick("AAPL", 0))
    session.start_new_session(DAY)
    assert session.get_latest_quote("AAPL") is None
    assert len(session.get_ticks("AAPL", 9)) == 0
    assert session.get_active_symbols() == {"AAPL"}


@pytest.mark.parametrize(
    ("n", "error", "message"),
    [
        (-1, ArgumentError, "n is -1; it must be 0 or more"),
        (1.5, ArgumentTypeError, r"n is 1\.5 \(float\); give an integer"),
        (True, ArgumentTypeError, r"n is True \(bool\)"),
        (None, ArgumentTypeError, "n is None"),
    ],
)
def test_a_number_of_quotes_that_is_none_says_so(
    n: Any, error: type[Exception], message: str
) -> None:
    session = session_of("AAPL")
    for read in (session.get_quotes, session.get_ticks):
        with pytest.raises(error, match=message):
            read("AAPL", n)


def test_quotes_of_an_unknown_symbol_read_as_none_with_a_warning() -> None:
    session = session_of("AAPL")
    with pytest.warns(TapeloomWarning, match="symbol APPL is not kept; .* 'AAPL'"):
        assert session.get_latest_quote("appl") is None
    # Once per name.
    assert len(session.get_quotes("APPL", 5)) == 0
    assert len(session.get_ticks("APPL", 5)) == 0
    strict = session_of("AAPL", strict=True)
    with pytest.raises(UnknownSymbolError, match="did you mean 'AAPL'"):
        strict.get_latest_quote("APPL")
    with pytest.raises(UnknownSymbolError, match="did you mean 'AAPL'"):
        strict.get_ticks("APPL", 0)


@fewer(2)
@given(
    numbers=st.lists(st.integers(0, 30), max_size=60),
    most=st.integers(1, 12),
    n=st.integers(0, 40),
)
def test_the_newest_by_time_are_kept_whatever_the_order_of_arrival(
    numbers: list[int], most: int, n: int
) -> None:
    session = session_of("AAPL")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quotes, "MOST_KEPT", most)
        for size, number in enumerate(numbers):
            made = TickData("AAPL", minute(number), 1.0, size)
            session.append_tick("AAPL", made)
        # A stable sort by time is the oracle: what it puts before the newest is dropped.
        arrived = [(minute(number), size) for size, number in enumerate(numbers)]
        in_order = sorted(arrived, key=lambda row: row[0])
        read = session.get_ticks("AAPL", n)
        newest = in_order[-most:][-n:] if n else []
        assert [(row.ts, row.size) for row in read] == newest
        times = session._newest.tick_times("AAPL")
        assert times.tolist() == [ts for ts, _ in in_order[-most:]]
        since = session._newest.ticks_since("AAPL")
        dropped = in_order[:-most]
        if not in_order:
            assert since is None
        else:
            assert since == (dropped[-1][0] + 1 if dropped else in_order[0][0])


def test_ten_thousand_of_each_are_kept() -> None:
    session = session_of("AAPL")
    for number in range(25_000):
        made = TickData("AAPL", OPEN + number, 1.0, 1.0)
        session.append_tick("AAPL", made)
    read = session.get_ticks("AAPL", 1_000_000)
    assert (len(read), read[0].ts) == (10_000, OPEN + 15_000)
    assert session._newest.ticks_since("AAPL") == OPEN + 15_000


@pytest.mark.parametrize("zone", [None, NEW_YORK])
def test_nanoseconds_survive_a_replaced_field(zone: ZoneInfo | None) -> None:
    made = TickData("AAPL", OPEN + 1, 100, 5)
    if zone is not None:
        made = made.resolved(zone)
    dearer = dataclasses.replace(made, price=101)
    assert (dearer.ts, dearer.price, dearer.size) == (OPEN + 1, 101.0, 5.0)
    assert dearer != made
    assert dataclasses.replace(dearer, price=100) == made
    when: Any = OPEN + MINUTE
    assert dataclasses.replace(made, timestamp=when).ts == when
    for again in (pickle.loads(pickle.dumps(made)), copy.deepcopy(made)):
        assert (again, again.ts) == (made, OPEN + 1)


def test_fields_of_a_tick_and_a_quote_are_those_that_were_given() -> None:
    made = TickData("AAPL", OPEN + 1, 100, 5)
    assert list(dataclasses.asdict(made)) == ["symbol", "timestamp", "price", "size"]
    assert len(dataclasses.astuple(made)) == 4
    assert "_instant" not in dataclasses.asdict(quote("AAPL", 0))
    assert TickData.__match_args__ == ("symbol", "timestamp", "price", "size")


def test_a_tick_that_no_float_can_hold_is_refused() -> None:
    with pytest.raises(
        ArgumentError, match=r"price of A .* must be finite and above 0"
    ):
        TickData("A", OPEN, 10**400, 1)


def test_no_quote_of_an_active_session_lies_after_its_clock() -> None:
    session = session_of("AAPL")
    handle = session["AAPL"]
    fill(session, "AAPL", range(2))
    session.set_session_active(True)
    for number in (1, 2, 3):
        session.append_quote("AAPL", quote("AAPL", number))
        session.append_tick("AAPL", tick("AAPL", number))
    for clock in (2, 3):
        latest = session.get_latest_quote("AAPL")
        assert latest is not None
        assert latest.ts == minute(clock)
        for read in (session.get_quotes("AAPL", 9), session.get_ticks("AAPL", 9)):
            assert read.ts.tolist() == [minute(n) for n in range(1, clock + 1)]
        assert handle.quotes.ts[-1] == handle.ticks.ts[-1] == minute(clock)
        told = session.to_dict()["symbols"]["AAPL"]
        assert told["quotes"]["ts"][-1] == told["ticks"]["ts"][-1] == minute(clock)
        fill(session, "AAPL", [clock])


def test_a_session_that_is_fed_by_hand_knows_a_quote_when_it_is_appended() -> None:
    session = session_of("AAPL")
    fill(session, "AAPL", range(2))
    session.append_quote("AAPL", quote("AAPL", 2.5))
    latest = session.get_latest_quote("AAPL")
    assert latest is not None
    assert latest.ts == minute(2.5)
    assert session._clock == minute(2)


@fewer(2)
@given(
    numbers=st.lists(st.integers(0, 40), max_size=80),
    more=st.lists(st.integers(21, 40), max_size=60),
    most=st.integers(1, 12),
)
def test_ticks_after_an_instant_do_not_change_what_is_known_up_to_it(
    numbers: list[int], more: list[int], most: int
) -> None:
    clock = minute(20)
    first, second = NewestQuotes(), NewestQuotes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quotes, "MOST_KEPT", most)
        for number in numbers:
            first.add(tick("AAPL", number), 0, clock, is_ahead=False)
        for number in [n for n in numbers if n <= 20]:
            second.add(tick("AAPL", number), 0, clock, is_ahead=False)
        for number in more:
            first.add(tick("AAPL", number), 0, clock, is_ahead=False)
        found = [
            (kept.tick_times("AAPL", clock).tolist(), kept.ticks_since("AAPL", clock))
            for kept in (first, second)
        ]
        assert found[0] == found[1]
        early = sorted(minute(n) for n in numbers if n <= 20)
        assert found[0][0] == early[-most:]
        # Once the clock has come so far, it says what was let go.
        every = sorted(minute(n) for n in (*numbers, *more))
        since, kept = first.ticks_since("AAPL"), first.tick_times("AAPL").tolist()
        assert kept == every[-most:]
        assert since == (
            every[-most - 1] + 1 if len(every) > most else next(iter(every), None)
        )


def test_gaps_are_judged_without_the_ticks_after_the_clock() -> None:
    session = session_of("AAPL")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quotes, "MOST_KEPT", 4)
        for number in (0.5, 3.5):
            session.append_tick("AAPL", tick("AAPL", number))
        fill(session, "AAPL", [0, 3])
        before = [gap.cause for gap in session.get_gaps("AAPL")]
        for number in range(5, 30):
            session.append_tick("AAPL", tick("AAPL", number))
        assert [gap.cause for gap in session.get_gaps("AAPL")] == before
        assert before == ["no_trade"]


def test_quotes_of_nothing_keep_the_types_of_their_columns() -> None:
    session = session_of("AAPL")
    empty = session.get_quotes("AAPL", 0).to_pandas()
    session.append_quote("AAPL", quote("AAPL", 0))
    full = session.get_quotes("AAPL", 1).to_pandas()
    assert empty.dtypes.equals(full.dtypes)
    assert empty.index.dtype == full.index.dtype


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_quotes_say_which_library_is_missing(
    library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = session_of("AAPL").get_quotes("AAPL", 1)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingDependencyError, match=rf"tapeloom\[{library}\]"):
        getattr(read, f"to_{library}")()


def test_ticks_and_quotes_show_themselves_as_a_table() -> None:
    session = session_of("<B>")
    for number in range(20):
        session.append_tick("<B>", tick("<B>", number))
    ticks = session.get_ticks("<B>", 20)
    assert repr(ticks).splitlines()[:3] == [
        "Ticks('<B>', 20 ticks)",
        "timestamp               price  size",
        "2025-07-02 09:30-04:00    100     5",
    ]
    assert len(repr(ticks).splitlines()) == 13
    page = ticks._repr_html_()
    assert "<B>" not in page
    assert "10 more" in page
    assert repr(session.get_quotes("<B>", 1)) == "Quotes('<B>', 0 quotes)"


@pytest.mark.parametrize("when", ["x", None, 1.5, OPEN // 10**9])
def test_a_status_at_what_is_no_time_is_refused(when: Any) -> None:
    for make in (
        lambda: TradingStatus(when, "halted"),
        lambda: ConnectionEvent(when, is_up=True),
    ):
        with pytest.raises(ArgumentError, match="timestamp"):
            make()
