"""Derived series where something unusual happens: trimmed history, late registration, bars that anchors would cut."""

from __future__ import annotations

import threading
import warnings
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tapeloom import BarData, Bars, SessionData
from tapeloom._core import resample
from tapeloom.calendars import get_session_table
from tapeloom.errors import (
    ArgumentError,
    IntervalError,
    TapeloomError,
    UnknownSymbolError,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tapeloom._core import SessionTable

US = get_session_table("US_EQUITY")
MONDAY = US.sessions_before((date(2025, 6, 30) - date(1970, 1, 1)).days)


def bars_at(
    ts: NDArray[np.int64], interval: str = "1m", table: SessionTable = US
) -> Bars:
    price: NDArray[np.float64] = (np.arange(ts.size) % 7).astype(np.float64) + 100
    return Bars.from_columns(
        "AAA",
        interval,
        ts=ts,
        open=price,
        high=price + 1,
        low=price - 1,
        close=price,
        volume=price,
        zone=US.zone,
        table=table,
    )


def minutes(first: int, last: int) -> Bars:
    return bars_at(np.concatenate([US.grid(at, "1m") for at in range(first, last)]))


def test_an_interval_that_is_registered_late_counts_each_bar_once() -> None:
    session = SessionData()
    session.register_symbol("AAA")
    session.start_new_session(date(2025, 7, 2))
    session._load_history("AAA", [MONDAY, MONDAY + 1], minutes(MONDAY, MONDAY + 2))
    today = minutes(MONDAY + 2, MONDAY + 3)
    session.add_bars_batch("AAA", today[:100])

    session.register_symbol("AAA", derived=["1w", "5m", "1d"])

    week = session.get_forming_bar("AAA", "1w")
    assert week is not None
    assert week.constituents == 390 * 2 + 100
    day = session.get_forming_bar("AAA", "1d")
    assert day is not None
    assert day.constituents == 100
    assert session.get_bar_count("AAA", "5m") == 20


def test_a_late_bar_of_trimmed_history_leaves_what_was_derived_before() -> None:
    session = SessionData(historical_bars_trailing_days=5)
    session.register_symbol("AAA", derived=["5m", "1d", "1w"])
    for at in range(MONDAY, MONDAY + 3):
        session.start_new_session(
            date.fromordinal(719_163 + int(US.dates[at])), roll=True
        )
        session.add_bars_batch("AAA", minutes(at, at + 1).drop_rows([17]))
    session._set_history_days("1m", 1)
    session.start_new_session(date(2025, 7, 3), roll=True)
    before = session.get_bars("AAA", "5m", scope="history")
    days = session.get_bars("AAA", "1d", scope="history")
    assert days.constituents.tolist() == [389] * 3
    forming = session.get_forming_bar("AAA", "1w")
    assert forming is not None
    assert forming.constituents == 389 * 3

    late = minutes(MONDAY, MONDAY + 1)[17]
    session.add_bar("AAA", late)

    assert session.get_bars("AAA", "5m", scope="history") == before
    assert session.get_bars("AAA", "1d", scope="history") == days
    forming = session.get_forming_bar("AAA", "1w")
    assert forming is not None
    assert forming.constituents in (389 * 3, 389 * 3 + 1)


def test_a_late_bar_after_the_week_is_over_replaces_the_week() -> None:
    session = SessionData()
    session.register_symbol("AAA", derived=["1w"])
    for at in range(MONDAY, MONDAY + 4):
        session.start_new_session(
            date.fromordinal(719_163 + int(US.dates[at])), roll=True
        )
        rows = [] if at != MONDAY + 2 else [200]
        session.add_bars_batch("AAA", minutes(at, at + 1).drop_rows(rows))
    week = session.get_latest_bar("AAA", "1w")
    assert week is not None
    assert week.constituents == 390 * 3 + 210 - 1

    session.add_bar("AAA", minutes(MONDAY + 2, MONDAY + 3)[200])

    week = session.get_latest_bar("AAA", "1w")
    assert week is not None
    assert (week.constituents, week.flags & 64) == (390 * 3 + 210, 0)


def test_a_week_ends_though_the_session_after_it_begins_afresh() -> None:
    session = SessionData()
    session.register_symbol("AAA", derived=["1w"])
    for at in range(MONDAY, MONDAY + 3):
        session.start_new_session(
            date.fromordinal(719_163 + int(US.dates[at])), roll=True
        )
        session.add_bars_batch("AAA", minutes(at, at + 1))

    session.start_new_session(date(2025, 7, 7), roll=False)

    (week,) = session.get_bars("AAA", "1w", scope="history")
    assert (week.constituents, week.flags & 64) == (390 * 2, 64)


@pytest.mark.parametrize(
    ("group", "base", "target", "anchor"),
    [("US_EQUITY", "1h", "2h", "clock"), ("JP_EQUITY", "1h", "2h", "segment")],
)
def test_buckets_that_would_cut_a_base_bar_in_two_are_refused(
    group: str, base: str, target: str, anchor: str
) -> None:
    table = get_session_table(group)
    hours = bars_at(table.grid(9_000, base), base, table)
    with pytest.raises(IntervalError, match=f"{base} bars cannot be aggregated"):
        resample([hours], [target], table, anchor=anchor)
    session = SessionData(group, anchor=anchor)
    session.session_table  # noqa: B018  (derived intervals need it)
    with pytest.raises(IntervalError, match=f"{base} bars cannot be aggregated"):
        session.register_symbol("AAA", base_interval=base, derived=[target])
    assert session.get_active_symbols() == set()


def test_a_base_longer_than_a_session_feeds_nothing() -> None:
    session = SessionData()
    with pytest.raises(IntervalError, match="use '1d' as the base"):
        session.register_symbol("AAA", base_interval="2d", derived=["4d"])
    assert session.get_active_symbols() == set()


def test_late_bars_by_the_thousand_are_settled_once_per_bucket() -> None:
    table = get_session_table("CRYPTO")
    at = table.index_of((date(2025, 7, 2) - date(1970, 1, 1)).days)
    assert at is not None
    grid = table.grid(at, "1s")[:40_000]
    session = SessionData("CRYPTO")
    session.register_symbol("AAA", base_interval="1s", derived=["1m", "1h", "1d"])
    session.start_new_session(date(2025, 7, 2))
    session.add_bars_batch("AAA", bars_at(grid[::2], "1s", table))

    session.add_bars_batch("AAA", bars_at(grid[1::2], "1s", table))

    whole = bars_at(np.sort(grid), "1s", table)
    assert session.get_bar_count("AAA") == grid.size
    derived = session.get_bars("AAA", "1m")
    expected = whole.aggregate("1m", table=table)[: len(derived)]
    assert derived.constituents.tolist() == expected.constituents.tolist()


def test_a_symbol_that_goes_while_another_thread_writes_gets_no_bars_of_others() -> (
    None
):
    session = SessionData()
    grid = US.grid(MONDAY, "1m")
    stop = threading.Event()

    def empty_again_and_again() -> None:
        names = ["AAA", "BBB"]
        while not stop.is_set():
            session.clear_all()
            names.reverse()
            for name in names:
                session.register_symbol(name)

    thread = threading.Thread(target=empty_again_and_again)
    thread.start()
    try:
        for at in range(3_000):
            bar = BarData("AAA", int(grid[at % 390]), 1, 1, 1, 1, 111.0)
            try:
                session.add_bar("AAA", bar)
            except TapeloomError as error:
                assert isinstance(error, UnknownSymbolError)  # noqa: PT017  (any other is the fault looked for)
            with warnings.catch_warnings():
                # Nobody keeps BBB at this moment: an answer like any other.
                warnings.simplefilter("ignore")
                others = session.get_bars("BBB").volume
            assert 111.0 not in others
    finally:
        stop.set()
        thread.join()


def test_derived_and_stored_bars_are_not_joined() -> None:
    stored = minutes(MONDAY, MONDAY + 1).aggregate("5m", table=US)
    plain = bars_at(US.grid(MONDAY + 1, "5m"), "5m")
    with pytest.raises(ArgumentError, match="some are not"):
        Bars.concat([stored, plain])
