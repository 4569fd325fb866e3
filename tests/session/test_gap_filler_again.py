"""Bars that are there are asked for again where nobody listened: who may have corrected them was not heard."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tapeloom.session.session_grids import Grid
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
from tests.session.vendor import Asked, Played, Vendor

if TYPE_CHECKING:
    from tapeloom.session.quality_manager import DataQualityManager

#: The one that is corrected, and when it is asked for again.
TEN, NOW = 10, 20


@pytest.fixture
def market() -> Tape:
    """The day as the vendor has it in the end."""
    return half_day()


@pytest.fixture
def heard(market: Tape) -> Tape:
    """The day as it was pushed: one bar of one symbol in its first edition."""
    bar = market["AAPL"][at(TEN)]
    first = bar._replace(close=bar.low, volume=bar.volume + 1)
    return {**market, "AAPL": {**market["AAPL"], at(TEN): first}}


def told(manager: DataQualityManager) -> list[str]:
    lines: list[str] = []
    times = manager._session_data._times()
    manager.add_fill_listener(
        lambda fillings: lines.extend(each.line(times) for each in fillings)
    )
    return lines


def test_a_correction_that_nobody_heard_is_found(market: Tape, heard: Tape) -> None:
    played, vendor = Played(HALF, heard, derived=("5m",)), Vendor(market)
    manager = filling(played, vendor)
    walk(played, manager, 1, NOW)
    assert vendor.calls == []
    lines = told(manager)
    manager.ask_again(at(TEN), at(NOW))
    manager.apply_ready()
    whole = Played(HALF, market, derived=("5m",))
    whole.to_minute(NOW)
    assert played.session.state_hash() == whole.session.state_hash()
    assert lines == [
        "AAPL 09:40\N{EN DASH}09:41: asked for again, 1 corrected while nobody listened"
    ]
    assert manager.fill_lines() == lines
    (revision,) = played.session.get_revisions("AAPL")
    assert revision is not None
    # The bars of one stretch are one request, those of all symbols one call.
    assert vendor.calls == [
        [Asked("AAPL", at(TEN), at(NOW)), Asked("MSFT", at(TEN), at(NOW))]
    ]


def test_where_nothing_was_corrected_nobody_notices(market: Tape) -> None:
    played, vendor = Played(HALF, market), Vendor(market)
    manager = filling(played, vendor)
    walk(played, manager, 1, NOW)
    before, lines = played.session.state_hash(), told(manager)
    manager.ask_again(at(TEN), at(NOW))
    filler = manager.filler
    assert filler is not None
    # What is there is no gap, whatever becomes of the question.
    assert (filler.open, filler.is_idle) == ({}, False)
    assert manager.apply_ready() == []
    assert filler.is_idle
    assert (lines, manager.fill_lines()) == ([], [])
    assert played.session.state_hash() == before
    assert list(played.session.get_revisions("AAPL")) == []
    assert len(vendor.calls) == 1


def test_only_what_is_there_is_asked_for(market: Tape) -> None:
    lacking = without(market, 12, 13, 16)
    played, vendor = Played(HALF, lacking), Vendor(lacking)
    manager = filling(played, vendor)
    walk(played, manager, 1, NOW)
    vendor.calls.clear()
    manager.ask_again(at(TEN) + 1, at(NOW))
    manager.apply_ready()
    # Stretches that are close together are one request: the first bar is the one that ends after the instant.
    assert vendor.calls == [
        [Asked("AAPL", at(TEN), at(NOW)), Asked("MSFT", at(TEN), at(NOW))]
    ]
    assert played.session.get_bar_count("AAPL") == NOW - 3


def test_a_question_that_fails_is_asked_again_and_then_when_the_line_is_up(
    market: Tape, heard: Tape
) -> None:
    vendor = Vendor(market, failures=3)
    played = Played(HALF, {"AAPL": heard["AAPL"]})
    manager = filling(played, vendor, max_retries=2, retry_interval_seconds=60)
    walk(played, manager, 1, NOW)
    manager.ask_again(at(TEN), at(NOW))
    walk(played, manager, NOW + 1, NOW + 5)
    assert len(vendor.calls) == 2
    assert manager.filler is not None
    assert manager.filler.is_idle
    for calls in (3, 4):
        manager.try_again()
        manager.apply_ready()
        played.to_minute(NOW + 5 + calls)
        assert len(vendor.calls) == calls
    bar = played.session.get_bars("AAPL")[TEN]
    assert bar.close == market["AAPL"][at(TEN)].close


def test_it_waits_for_nobody_and_ends_with_the_session(market: Tape) -> None:
    played = Played(HALF, market)
    played.to_minute(NOW)
    live = Live(played, Vendor(market))
    for _ in range(2):
        live.filler.ask_again("AAPL", at(TEN), at(NOW))
        live.filler.ask_again("NOBODY", at(TEN), at(NOW))
    assert live.filler.apply_ready() == []
    assert len(live.executor.waiting) == 1
    # Bars that come late settle what is missing, and not this.
    live.filler.review(["AAPL"])
    assert not live.filler.is_idle
    live.filler.start_session()
    live.executor.run()
    assert live.filler.apply_ready() == []
    assert live.filler.is_idle


def test_an_answer_that_is_on_its_way_is_none_to_what_is_asked_later(
    market: Tape, heard: Tape
) -> None:
    played, vendor = Played(HALF, heard), Vendor(heard)
    played.to_minute(NOW)
    live = Live(played, vendor)
    live.filler.ask_again("AAPL", at(TEN), at(NOW))
    live.filler.apply_ready()
    # The vendor answers as it was said, and corrects it while nobody listens again.
    live.executor.run()
    vendor.truth = market
    live.filler.ask_again("AAPL", at(TEN), at(NOW))
    live.filler.apply_ready()
    live.executor.run()
    live.filler.apply_ready()
    assert live.filler.is_idle
    bar = played.session.get_bars("AAPL")[TEN]
    assert bar.close == market["AAPL"][at(TEN)].close


def test_what_is_asked_later_makes_what_waits_longer(market: Tape, heard: Tape) -> None:
    played, vendor = Played(HALF, {"AAPL": heard["AAPL"]}), Vendor(market, failures=1)
    manager = filling(played, vendor, retry_interval_seconds=60)
    walk(played, manager, 1, 8)
    manager.ask_again(at(5), at(8))
    manager.apply_ready()
    walk(played, manager, 9, 9)
    played.to_minute(NOW)
    manager.ask_again(at(5), at(NOW))
    manager.apply_ready()
    assert vendor.calls[-1] == [Asked("AAPL", at(5), at(NOW))]
    bar = played.session.get_bars("AAPL")[TEN]
    assert bar.close == market["AAPL"][at(TEN)].close


def test_what_the_session_does_not_know_to_be_due_yet_is_not_asked_for_again(
    market: Tape,
) -> None:
    lacking = without({"AAPL": market["AAPL"]}, 18, 19)
    played, vendor = Played(HALF, lacking), Vendor(market)
    manager = filling(played, vendor)
    walk(played, manager, 1, 18)
    counts: list[tuple[int, int]] = []
    manager.add_fill_listener(
        lambda fillings: counts.extend((f.filled, f.corrected) for f in fillings)
    )
    manager.ask_again(at(TEN), at(NOW))
    played.to_minute(NOW)
    manager.look(["AAPL"], insists=True)
    manager.apply_ready()
    assert vendor.calls[0][0] == Asked("AAPL", at(TEN), at(NOW))
    assert (sum(f for f, _ in counts), sum(c for _, c in counts)) == (2, 0)


@pytest.mark.parametrize(
    ("since", "until", "stretches"),
    [
        (0, 100, [(0, 20), (40, 60), (70, 100)]),
        (10, 100, [(10, 20), (40, 60), (70, 100)]),
        (9, 99, [(0, 20), (40, 60), (70, 90)]),
        (20, 40, []),
        (25, 45, []),
        (25, 50, [(40, 50)]),
        (100, 200, []),
        (50, 10, []),
    ],
)
def test_what_is_there_is_what_does_not_miss(
    since: int, until: int, stretches: list[tuple[int, int]]
) -> None:
    starts = np.arange(0, 100, 10, dtype=np.int64)
    grid = Grid(starts, starts + 10)
    missing = [(20, 40, 2), (60, 70, 1)]
    assert grid.without(missing, since, until) == stretches
