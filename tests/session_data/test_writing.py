"""Symbols and bars that are put in: what each writing method does, and what it refuses."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from tapeloom.bars import BarData, Provenance
from tapeloom.errors import (
    ArgumentError,
    ArgumentTypeError,
    CapacityError,
    DuplicateBarError,
    IntervalError,
    InvalidBarError,
    NonexistentTimeError,
    SeriesConflictError,
    SymbolError,
)
from tapeloom.ingest import IngestCounts
from tapeloom.session_data import SessionData
from tests.session_data.made import OPEN, bar, fill, minute, session_of


def test_registering_again_changes_nothing() -> None:
    session = session_of("AAPL", derived=["5m"])
    fill(session, "AAPL", range(10))
    again = session.register_symbol(" aapl", base_interval="1m", derived=["5m"])
    assert again.symbol == "AAPL"
    assert again.intervals == ["1m", "5m"]
    assert again.get_bar_count("5m") == 2


def test_a_symbol_that_is_registered_without_an_interval_has_minutes() -> None:
    assert SessionData().register_symbol("AAPL").base_interval == "1m"


def test_the_first_bar_fixes_the_base_interval() -> None:
    session = SessionData()
    session.add_bar("AAPL", bar("AAPL", 0, interval="5m"))
    assert session["AAPL"].base_interval == "5m"


def test_a_new_derived_interval_is_filled_from_what_is_stored() -> None:
    session = session_of("AAPL")
    fill(session, "AAPL", range(12))
    handle = session.register_symbol("AAPL", derived=["5m"])
    assert handle.get_bars("5m").ts.tolist() == [minute(0), minute(5)]


def test_another_base_interval_is_a_conflict() -> None:
    session = session_of("AAPL")
    with pytest.raises(SeriesConflictError, match="AAPL has the base interval 1m"):
        session.register_symbol("AAPL", base_interval="5m")
    with pytest.raises(SeriesConflictError, match="AAPL has the base interval 1m"):
        session.add_bar("AAPL", bar("AAPL", 0, interval="5m"))
    assert session["AAPL"].intervals == ["1m"]


@pytest.mark.parametrize("derived", ["5m", 5, None])
def test_derived_intervals_come_as_a_list(derived: Any) -> None:
    session = SessionData()
    with pytest.raises(ArgumentTypeError, match=r"give a list such as \['5m'\]"):
        session.register_symbol("AAPL", derived=derived)
    assert session.get_active_symbols() == set()


def test_an_interval_that_the_base_does_not_divide_is_refused() -> None:
    session = SessionData()
    with pytest.raises(IntervalError, match="1m does not divide 90s"):
        session.register_symbol("AAPL", derived=["90s"])
    assert session.get_active_symbols() == set()


@pytest.mark.parametrize("symbol", ["", " \n", "A\0B"])
def test_a_symbol_that_cannot_be_printed_is_refused_by_every_writer(
    symbol: str,
) -> None:
    session = SessionData()
    for write in (
        lambda: session.register_symbol(symbol),
        lambda: session.add_bar(symbol, bar("AAPL", 0)),
        lambda: session.append_bar(symbol, "1m", bar("AAPL", 0)),
        lambda: session.add_bars_batch(symbol, [bar("AAPL", 0)]),
        lambda: session.remove_symbol(symbol),
    ):
        with pytest.raises(SymbolError, match="must hold printable characters"):
            write()
    assert session.get_active_symbols() == set()


def test_one_symbol_more_than_allowed_is_an_error() -> None:
    session = SessionData(max_symbols=1)
    session.register_symbol("AAPL")
    with pytest.raises(CapacityError, match="1"):
        session.register_symbol("MSFT")
    session.remove_symbol("AAPL")
    session.register_symbol("MSFT")


def test_a_bar_is_registered_with_its_symbol_and_flagged() -> None:
    session = session_of()
    assert session.add_bar("aapl", bar("AAPL", 0)) == "accepted"
    assert session.get_bars("AAPL").flags.tolist() == [Provenance.STREAMED]


@pytest.mark.parametrize("way", [Provenance.BACKFILLED, Provenance.IMPORTED])
@pytest.mark.parametrize("at_once", [False, True])
def test_a_bar_that_came_another_way_is_not_called_streamed(
    way: Provenance, at_once: bool
) -> None:
    session = session_of("AAPL")
    session.register_symbol("AAPL", derived=["5m"])
    given = [bar("AAPL", 0), bar("AAPL", 1, flags=way), bar("AAPL", 2)]
    if at_once:
        session.add_bars_batch("AAPL", given)
    else:
        for each in given:
            session.add_bar("AAPL", each)
    streamed = Provenance.STREAMED
    assert session.get_bars("AAPL").flags.tolist() == [streamed, way, streamed]


def test_a_bar_of_another_symbol_is_refused() -> None:
    session = session_of("AAPL")
    with pytest.raises(ArgumentError, match="a bar of MSFT cannot be added to AAPL"):
        session.add_bar("AAPL", bar("MSFT", 0))
    with pytest.raises(ArgumentError, match="a bar of MSFT cannot be added to AAPL"):
        session.append_bar("AAPL", "1m", bar("MSFT", 0))
    with pytest.raises(ArgumentError, match="MSFT"):
        session.add_bars_batch("AAPL", [bar("MSFT", 0)])
    assert session.get_ingest_counts() == IngestCounts()


def test_what_is_no_bar_is_refused_before_anything_is_registered() -> None:
    session = SessionData()
    with pytest.raises(ArgumentTypeError, match="bar is int; it must be a BarData"):
        session.add_bar("AAPL", 3)  # type: ignore[arg-type]
    with pytest.raises(ArgumentTypeError, match="bar is NoneType; it must be a BarDa"):
        session.append_bar("AAPL", "1m", None)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="interval is 5m but the bar of AAPL has"):
        session.append_bar("AAPL", "5m", bar("AAPL", 0))
    assert session.get_active_symbols() == set()


def test_a_named_series_takes_the_bars_of_its_base_alone() -> None:
    session = session_of("AAPL", derived=["5m"])
    assert session.append_bar("AAPL", "1m", bar("AAPL", 0)) == "accepted"
    with pytest.raises(SeriesConflictError, match="AAPL has the base interval 1m"):
        session.append_bar("AAPL", "5m", bar("AAPL", 0, interval="5m"))
    assert session.append_bar("NEW", "5m", bar("NEW", 0, interval="5m")) == "accepted"
    assert session["NEW"].base_interval == "5m"


def test_a_bar_at_wall_time_is_read_in_the_zone_of_the_exchange() -> None:
    session = session_of("AAPL")
    opening = datetime(2025, 7, 2, 9, 30)  # noqa: DTZ001
    session.add_bar("AAPL", BarData("AAPL", opening, 1, 1, 1, 1, 1))
    assert session.get_bars("AAPL").ts.tolist() == [OPEN]
    left_out = BarData("AAPL", datetime(2025, 3, 9, 2, 30), 1, 1, 1, 1, 1)  # noqa: DTZ001
    with pytest.raises(NonexistentTimeError):
        session.add_bar("AAPL", left_out)
    assert session.get_ingest_counts("AAPL").offered == 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((float("nan"), 1, 1, 1, 1), "open is NaN"),
        ((1, float("inf"), 1, 1, 1), "high is inf"),
        ((2, 1, 2, 2, 1), "low is 2"),
        ((5, 4, 1, 2, 1), "open is 5"),
        ((2, 4, 1, 5, 1), "close is 5"),
        ((2, 4, 1, 2, -1), "volume is -1"),
        ((2, 4, 0, 2, 1), "low is 0"),
    ],
)
def test_an_invalid_bar_says_symbol_time_field_value_and_rule(
    values: tuple[float, float, float, float, float], message: str
) -> None:
    session = session_of("AAPL")
    invalid = BarData("AAPL", minute(3), *values)
    with pytest.raises(InvalidBarError, match=message) as caught:
        session.add_bar("AAPL", invalid)
    assert "AAPL" in str(caught.value)
    assert "2025-07-02T13:33" in str(caught.value)
    counts = session.get_ingest_counts("AAPL")
    assert (counts.offered, counts.rejected, counts.balanced) == (1, 1, True)
    assert session.get_bar_count("AAPL") == 0


def test_prices_of_zero_and_below_are_accepted_where_they_are_allowed() -> None:
    session = session_of("CL", allow_negative_prices=True)
    negative = BarData("CL", OPEN, -1, 0, -2, -1, 0)
    assert session.add_bar("CL", negative) == "accepted"


def test_every_outcome_of_an_offered_bar_is_counted_once() -> None:
    session = session_of("AAPL")
    offered = {
        "accepted": bar("AAPL", 5),
        "late": bar("AAPL", 3),
        "duplicate": bar("AAPL", 5),
        "correction": bar("AAPL", 5, 50.0),
        "quarantined": bar("AAPL", 5.5),
    }
    outcomes = [str(session.add_bar("AAPL", each)) for each in offered.values()]
    assert outcomes == list(offered)
    with pytest.raises(InvalidBarError):
        session.add_bar("AAPL", bar("AAPL", 6, volume=-1))
    assert session.get_ingest_counts("AAPL") == IngestCounts(6, 1, 1, 1, 1, 1, 1)
    assert session.get_bars("AAPL").flags.tolist() == [
        Provenance.STREAMED | Provenance.LATE,
        Provenance.STREAMED | Provenance.CORRECTED,
    ]


def test_a_late_bar_never_becomes_the_latest() -> None:
    session = session_of("AAPL")
    fill(session, "AAPL", [5, 3])
    latest = session.get_latest_bar("AAPL")
    assert latest is not None
    assert latest.ts == minute(5)


def test_a_key_that_comes_again_is_treated_as_the_policy_says() -> None:
    for policy, close in (("replace", 50.0), ("ignore", 100.0), ("error", 100.0)):
        session = session_of("AAPL", on_duplicate=policy)
        fill(session, "AAPL", [0])
        if policy == "error":
            with pytest.raises(DuplicateBarError, match="AAPL"):
                session.add_bar("AAPL", bar("AAPL", 0, 50.0))
        else:
            session.add_bar("AAPL", bar("AAPL", 0, 50.0))
        assert session.get_bars("AAPL").close.tolist() == [close]
        assert session.get_ingest_counts("AAPL").balanced


def test_a_bar_of_an_earlier_session_goes_to_history_and_a_later_one_aside() -> None:
    session = session_of("AAPL")
    assert session.add_bar("AAPL", bar("AAPL", -24 * 60)) == "accepted"
    assert session.add_bar("AAPL", bar("AAPL", 24 * 60)) == "quarantined"
    assert session.get_bar_count("AAPL", scope="history") == 1
    assert session.get_bar_count("AAPL") == 0
    assert session.get_ingest_counts("AAPL").accepted == 1


def test_a_batch_is_one_arrival_in_any_order() -> None:
    session = session_of("AAPL")
    report = session.add_bars_batch("AAPL", [bar("AAPL", each) for each in (4, 0, 2)])
    assert report.counts == IngestCounts(offered=3, accepted=3)
    assert session.get_bars("AAPL").ts.tolist() == [minute(0), minute(2), minute(4)]


def test_equal_keys_of_a_batch_are_applied_in_the_given_order() -> None:
    session = session_of("AAPL")
    twice = [bar("AAPL", 0, 100.0), bar("AAPL", 0, 50.0), bar("AAPL", 0, 50.0)]
    counts = session.add_bars_batch("AAPL", twice).counts
    assert (counts.accepted, counts.corrections, counts.duplicates) == (1, 1, 1)
    assert session.get_bars("AAPL").close.tolist() == [50.0]


def test_a_batch_with_an_invalid_row_is_refused_as_a_whole_or_without_it() -> None:
    rows = [bar("AAPL", 0), bar("AAPL", 1, volume=-1), bar("AAPL", 2)]
    session = session_of("AAPL")
    with pytest.raises(InvalidBarError, match="row 1"):
        session.add_bars_batch("AAPL", rows)
    assert session.get_bar_count("AAPL") == 0
    report = session.add_bars_batch("AAPL", rows, on_invalid="skip")
    assert report.counts == IngestCounts(offered=3, accepted=2, rejected=1)
    assert [(row, field) for row, field, _, _ in report.skipped] == [(1, "volume")]
    assert session.get_ingest_counts("AAPL") == IngestCounts(6, 2, rejected=4)
    with pytest.raises(ArgumentError, match="it must be 'error' or 'skip'"):
        session.add_bars_batch("AAPL", rows, on_invalid="drop")


def test_a_policy_that_does_not_exist_is_refused() -> None:
    for name in ("on_duplicate", "on_invalid", "completeness", "anchor"):
        with pytest.raises(ArgumentError, match=name):
            SessionData(**{name: "none"})  # type: ignore[arg-type]
        with pytest.raises(ArgumentTypeError, match=f"{name} is int"):
            SessionData(**{name: 1})  # type: ignore[arg-type]


@pytest.mark.parametrize("nothing", [[], (), iter(())])
def test_a_batch_of_nothing_registers_its_symbol(nothing: Any) -> None:
    session = SessionData()
    report = session.add_bars_batch("NEW", nothing, "5m")
    assert report.counts == IngestCounts()
    assert session["NEW"].base_interval == "5m"
    session.add_bars_batch("OTHER", [])
    assert session["OTHER"].base_interval == "1m"


def test_a_word_for_invalid_rows_is_checked_first() -> None:
    session = SessionData()
    with pytest.raises(ArgumentError, match="on_invalid is 'bogus'"):
        session.add_bars_batch("NEW", [], on_invalid="bogus")
    with pytest.raises(ArgumentError, match="on_invalid is 'bogus'"):
        session.add_bars_batch("NEW", 5, on_invalid="bogus")
    assert session.get_active_symbols() == set()
