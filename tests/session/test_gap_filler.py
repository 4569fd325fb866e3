"""Gaps of the running session filled at once from a source of history: what is asked, what comes of it, what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tapeloom.bars import Bars, Provenance
from tapeloom.errors import ArgumentError, ArgumentTypeError
from tapeloom.session.gap_answers import sift
from tapeloom.session.gap_requests import Ask
from tapeloom.session.session_grids import SessionGrids
from tests.compare import bar_data, columns, stored
from tests.reference.gaps import expected_starts
from tests.reference.schedule import MINUTE
from tests.session.gap_filling import (
    HALF,
    Live,
    Tape,
    at,
    filling,
    half_day,
    walk,
    without,
)
from tests.session.vendor import Played, Vendor
from tests.strategies import bar_at

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tapeloom.history_source import HistoryRequest


@pytest.fixture
def truth() -> Tape:
    return half_day()


def test_a_filled_day_is_the_undisturbed_day(truth: Tape) -> None:
    whole = Played(HALF, truth, derived=("5m", "1d"))
    whole.to(HALF.close)
    whole.end()
    played = Played(HALF, without(truth, 5, 6, 7, 40, 209), derived=("5m", "1d"))
    manager = filling(played, Vendor(truth))
    walk(played, manager, 1, 210)
    played.end()
    manager.end_session()
    assert played.session.state_hash() == whole.session.state_hash()
    assert list(played.session.get_gaps()) == []
    assert played.session.get_quality("AAPL") == 100.0
    five = played.session.get_bars("AAPL", "5m")
    assert not (five.flags & Provenance.PARTIAL).any()


def test_filled_bars_say_that_they_were_fetched_and_stay_in_the_session(
    truth: Tape,
) -> None:
    played = Played(HALF, without(truth, 5))
    walk(played, filling(played, Vendor(truth)), 1, 8)
    bar = played.session.get_bars("AAPL")[5]
    assert bar.ts == at(5)
    assert bar.flags & Provenance.BACKFILLED
    assert not bar.flags & Provenance.STREAMED
    rest = [each.flags for each in played.session.get_bars("AAPL") if each != bar]
    assert all(flags & Provenance.STREAMED for flags in rest)
    assert not any(flags & Provenance.BACKFILLED for flags in rest)
    assert played.session.get_bar_count("AAPL", scope="history") == 0
    said = played.session.explain("AAPL", "09:35")
    assert (said.status, said.attempts) == ("present", 1)
    assert "backfilled" in said.text


def test_a_gap_is_filled_before_the_next_batch(truth: Tape) -> None:
    played = Played(HALF, without(truth, 5))
    manager = filling(played, Vendor(truth))
    walk(played, manager, 1, 5)
    assert played.session.get_bar_count("AAPL") == 5
    walk(played, manager, 6, 6)
    assert played.session.get_bar_count("AAPL") == 6


def test_nobody_is_asked_for_what_is_not_known_yet(truth: Tape) -> None:
    played = Played(HALF, without(truth, 3, 4, 5, 30))
    vendor = Vendor(truth)
    manager = filling(played, vendor)
    for minute in range(1, 60):
        manager.after_batch(played.to_minute(minute))
        assert all(each.end <= at(minute) for call in vendor.calls for each in call)
    assert len(vendor.calls) == 4


def test_a_gap_that_all_symbols_share_is_one_call(truth: Tape) -> None:
    played = Played(HALF, without(truth, 3))
    vendor = Vendor(truth)
    walk(played, filling(played, vendor), 1, 10)
    assert [[each.symbol for each in call] for call in vendor.calls] == [
        ["AAPL", "MSFT"]
    ]


def test_rows_that_are_not_known_at_the_clock_are_refused(truth: Tape) -> None:
    played = Played(HALF, without(truth, *range(20)))
    session = played.session
    filler = Live(played, Vendor(truth)).filler
    filler.detect("AAPL", at(0), at(10))
    (job,) = filler._jobs.values()
    grid = SessionGrids(session).of("AAPL")
    assert grid is not None
    rows = [truth["AAPL"][at(minute)] for minute in range(12)]
    given: dict[str, Any] = {**columns(rows)}
    bars = Bars.from_columns("AAPL", "1m", **given, zone=session.timezone)
    sifted = sift(bars, Ask((job.filling,)), grid, clock=at(4), zone=session.timezone)
    assert sifted.bars is not None
    assert sifted.bars.ts.tolist() == [at(minute) for minute in range(4)]
    assert (sifted.outside, sifted.off_grid, sifted.too_early) == (2, 0, 6)


@pytest.mark.parametrize("form", ["bars", "pandas", "polars", "arrow", "arrays"])
def test_an_answer_may_have_any_form_that_bars_have(truth: Tape, form: str) -> None:
    class Typed(Vendor):
        def fetch(self, requests: Sequence[HistoryRequest]) -> Sequence[object]:
            answers = super().fetch(requests)
            return [self.shaped(answer) for answer in answers]

        def shaped(self, rows: Any) -> object:
            session = Played(HALF, {}).session
            session.add_bars_batch("AAPL", rows)
            bars = session.get_bars("AAPL")
            forms: dict[str, Callable[[], object]] = {
                "bars": lambda: bars,
                "pandas": bars.to_pandas,
                "polars": bars.to_polars,
                "arrow": bars.to_arrow,
                "arrays": lambda: {
                    name: getattr(bars, name)
                    for name in ("ts", "open", "high", "low", "close", "volume")
                },
            }
            return forms[form]()

    played = Played(HALF, without({"AAPL": truth["AAPL"]}, 5, 9))
    walk(played, filling(played, Typed(truth)), 1, 12)
    rows = [truth["AAPL"][at(minute)] for minute in range(12)]
    assert stored(played.session.get_bars("AAPL")) == rows


def test_gaps_of_other_intervals_are_filled() -> None:
    day = HALF
    rows = {ts: bar_at(ts) for ts in expected_starts(day, 5 * MINUTE)}
    played = Played(day, {})
    played.session.register_symbol("AAPL", base_interval="5m", derived=["1h"])

    class Coarse:
        def fetch(self, requests: Sequence[HistoryRequest]) -> Sequence[object]:
            assert [each.interval for each in requests] == ["5m"]
            return [[bar_data("AAPL", rows[at(5)], "5m")]]

    manager = filling(played, Coarse())
    for minute in (0, 10):
        played.session.add_bar("AAPL", bar_data("AAPL", rows[at(minute)], "5m"))
    played.to_minute(15)
    manager.after_batch()
    assert stored(played.session.get_bars("AAPL")) == [
        rows[at(minute)] for minute in (0, 5, 10)
    ]


# What is refused


@pytest.mark.parametrize("limit", [0, -3])
def test_a_source_that_states_a_limit_below_one_is_refused(limit: int) -> None:
    played = Played(HALF, {})
    with pytest.raises(ArgumentError, match="must be 1 or more"):
        filling(played, Vendor({}, most_requests=limit))
    with pytest.raises(ArgumentError, match="must be 1 or more"):
        filling(played, Vendor({}, requests_per_minute=limit))


def test_a_source_without_fetch_is_refused() -> None:
    with pytest.raises(ArgumentTypeError, match="it must have fetch"):
        filling(Played(HALF, {}), object())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"max_retries": 0},
            "max_retries is 0; it must be from 1 to 20; the nearest is 1",
        ),
        ({"max_retries": 21}, "the nearest is 20"),
        ({"max_retries": True}, "max_retries is True"),
        ({"max_retries": 2.5}, "it must be an integer"),
        ({"retry_interval_seconds": 0.5}, "it must be finite and 1 or more"),
        ({"retry_interval_seconds": float("inf")}, "it must be finite"),
        ({"retry_interval_seconds": float("nan")}, "it must be finite"),
        ({"retry_interval_seconds": "60"}, "it must be a number"),
    ],
)
def test_tries_out_of_range_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        filling(Played(HALF, {}), Vendor({}), **options)
