"""How often a source of history is asked: its quota, calls at the same time, no call in vain."""

from __future__ import annotations

import pytest

from tapeloom.session.gap_filler import GapFiller
from tapeloom.session.gap_state import Retries
from tapeloom.session.quality_manager import DataQualityManager
from tapeloom.session.session_grids import SessionGrids
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
from tests.session.vendor import Played, Vendor, whole_day
from tests.strategies import bar_at

THIN = 3_000


@pytest.fixture
def truth() -> Tape:
    return half_day()


def thin_market(minutes: int) -> tuple[Played, Tape]:
    """Symbols that trade every seventh minute, each in its own."""
    names = [f"T{number:04d}" for number in range(THIN)]
    tape = {
        name: {
            at(minute): bar_at(at(minute))
            for minute in range(minutes)
            if (minute + number) % 7 == 0
        }
        for number, name in enumerate(names)
    }
    return Played(HALF, tape), tape


def test_three_thousand_thin_symbols_stay_within_a_quota() -> None:
    minutes, quota = 12, 4
    played, tape = thin_market(minutes)
    vendor = Vendor(tape, most_requests=100, requests_per_minute=quota)
    live = Live(played, vendor)
    manager = DataQualityManager(played.session, on_gap="fill", history_source=vendor)
    manager._filler = live.filler
    live.filler._grids = live.filler._merger._grids = manager._grids
    manager.start_session()
    for minute in range(1, minutes + 1):
        played.to_minute(minute)
        live.seconds = 60.0 * minute
        before = len(vendor.calls)
        manager.after_batch()
        live.executor.run()
        manager.apply_ready()
        assert len(vendor.calls) - before <= quota
    assert max(map(len, vendor.calls)) == 100
    # What had to wait was joined: all of it is asked for in a few more minutes.
    for minute in range(minutes + 1, minutes + 20):
        live.seconds = 60.0 * minute
        live.filler.apply_ready()
        live.executor.run()
    live.filler.apply_ready()
    assert live.filler._jobs == {}
    assert all(gap.attempts == 1 for gap in played.session.get_gaps("T0003"))
    # A request for each missing minute would be 30,857 in 309 calls.
    assert len(vendor.calls) < 100


def test_without_threads_a_call_over_the_quota_is_waited_for(truth: Tape) -> None:
    played = Played(HALF, without(truth, 5))
    seconds = [0.0]
    paused: list[float] = []

    def pause(wait: float) -> None:
        paused.append(wait)
        seconds[0] += wait

    vendor = Vendor(truth, most_requests=1, requests_per_minute=1)
    filler = GapFiller(
        played.session,
        vendor,
        grids=SessionGrids(played.session),
        retries=Retries(),
        instant=lambda: played.session._clock or 0,
        now=lambda: 0.0,
        quota_clock=lambda: seconds[0],
        pause=pause,
    )
    played.to_minute(8)
    filler.detect("AAPL", at(5), at(6))
    filler.detect("MSFT", at(5), at(6))
    filler.apply_ready()
    assert len(vendor.calls) == 2
    assert paused == [60.0]


def test_no_more_than_four_calls_are_out(truth: Tape) -> None:
    names = [f"S{number}" for number in range(9)]
    tape = whole_day(HALF, names)
    played = Played(HALF, without(tape, 5))
    live = Live(played, Vendor(tape, most_requests=1))
    played.to_minute(8)
    for name in names:
        live.filler.detect(name, at(5), at(6))
    sizes = []
    while live.filler._jobs:
        live.filler.apply_ready()
        sizes.append(len(live.executor.waiting))
        live.executor.run()
    assert sizes == [4, 4, 1, 0]
    assert list(played.session.get_gaps()) == []


def test_no_bar_is_a_reason_to_ask_again(truth: Tape) -> None:
    vendor = Vendor({}, failures=1)
    played = Played(HALF, without({"AAPL": truth["AAPL"]}, 5))
    walk(played, filling(played, vendor, retry_interval_seconds=600), 1, 200)
    assert len(vendor.calls) == 2
