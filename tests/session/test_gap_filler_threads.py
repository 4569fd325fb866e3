"""History asked on other threads: nobody waits, and answers are merged when they are there."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event, current_thread
from threading import enumerate as enumerate_threads
from typing import TYPE_CHECKING

import pytest

from tapeloom.calendars import TimeManager
from tests.compare import bar_data, stored
from tests.days import us_day
from tests.reference.schedule import SECOND
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
    from collections.abc import Sequence

    from tapeloom.history_source import HistoryRequest


@pytest.fixture
def truth() -> Tape:
    return half_day()


def test_asking_waits_for_nobody_and_the_answer_is_merged_when_it_is_there(
    truth: Tape,
) -> None:
    played = Played(HALF, without({"AAPL": truth["AAPL"]}, 5))
    live = Live(played, Vendor(truth))
    played.to_minute(8)
    live.filler.detect("AAPL", at(5), at(6))
    assert live.filler.seconds_until_next == 0.0
    assert live.filler.apply_ready() == []
    (gap,) = played.session.get_gaps("AAPL")
    assert (gap.status, gap.attempts) == ("requested", 1)
    assert live.filler.seconds_until_next is None
    assert live.woken == 0
    live.executor.run()
    assert live.woken == 1
    assert played.session.get_bar_count("AAPL") == 7
    (settled,) = live.filler.apply_ready()
    assert (settled.symbol, settled.filled, settled.status) == ("AAPL", 1, "filled")
    assert played.session.get_bar_count("AAPL") == 8


def test_a_bar_that_comes_while_history_is_asked_is_corrected_or_a_duplicate(
    truth: Tape,
) -> None:
    played = Played(HALF, without({"AAPL": truth["AAPL"]}, 5, 6), derived=("5m",))
    live = Live(played, Vendor(truth))
    played.to_minute(15)
    live.filler.detect("AAPL", at(5), at(7))
    live.filler.apply_ready()
    played.session.add_bar("AAPL", bar_data("AAPL", bar_at(at(5), 99)))
    played.session.add_bar("AAPL", bar_data("AAPL", truth["AAPL"][at(6)]))
    live.executor.run()
    (settled,) = live.filler.apply_ready()
    assert (settled.status, settled.filled) == ("filled", 0)
    counts = live.filler.counts.bars
    assert (counts.corrections, counts.duplicates) == (1, 1)
    assert stored(played.session.get_bars("AAPL"))[5] == truth["AAPL"][at(5)]
    whole = Played(HALF, {"AAPL": truth["AAPL"]}, derived=("5m",))
    whole.to_minute(15)
    assert played.session.state_hash() == whole.session.state_hash()


def test_a_gap_that_closed_by_itself_is_not_asked_for(truth: Tape) -> None:
    vendor = Vendor(truth, failures=1)
    played = Played(HALF, without({"AAPL": truth["AAPL"]}, 5))
    manager = filling(played, vendor)
    walk(played, manager, 1, 6)
    played.session.add_bar("AAPL", bar_data("AAPL", truth["AAPL"][at(5)]))
    walk(played, manager, 7, 20)
    assert len(vendor.calls) == 1
    assert manager.fill_lines() == [
        "AAPL 09:35\N{EN DASH}09:36: 1 missing for 60 s, came late by themselves"
    ]


def test_a_bar_that_comes_while_a_try_fails_settles_its_gap(truth: Tape) -> None:
    played = Played(HALF, without({"AAPL": truth["AAPL"]}, 5))
    live = Live(played, Vendor(truth, failures=1))
    played.to_minute(8)
    live.filler.detect("AAPL", at(5), at(6))
    live.filler.apply_ready()
    played.session.add_bar("AAPL", bar_data("AAPL", truth["AAPL"][at(5)]))
    live.executor.run()
    (settled,) = live.filler.apply_ready()
    assert (settled.status, settled.filled) == ("filled", 0)


def test_an_answer_that_comes_after_its_session_is_dropped(truth: Tape) -> None:
    played = Played(HALF, without({"AAPL": truth["AAPL"]}, 5))
    live = Live(played, Vendor(truth))
    played.to_minute(210)
    live.filler.detect("AAPL", at(5), at(6))
    live.filler.apply_ready()
    played.end()
    played.session.start_new_session(us_day("2025-07-07").date, roll=True)
    live.filler.start_session()
    live.executor.run()
    live.filler.apply_ready()
    assert played.session.get_bar_count("AAPL", scope="history") == 209
    (gap,) = played.session.get_gaps("AAPL", scope="history")
    assert (gap.status, gap.attempts) == ("abandoned", 1)


def test_an_answer_for_a_symbol_that_was_removed_is_dropped(truth: Tape) -> None:
    played = Played(HALF, without(truth, 5))
    live = Live(played, Vendor(truth))
    played.to_minute(8)
    for symbol in truth:
        live.filler.detect(symbol, at(5), at(6))
    live.filler.apply_ready()
    played._replay.close()
    played.session.remove_symbol("AAPL")
    live.executor.run()
    (settled,) = live.filler.apply_ready()
    assert settled.symbol == "MSFT"
    assert played.session.get_bar_count("MSFT") == 8
    assert "AAPL" not in played.session


def test_calls_are_made_on_other_threads_and_their_answers_wait_for_the_writer(
    truth: Tape,
) -> None:
    played = Played(HALF, without(truth, 5, 6, 7))
    answered = Event()
    with ThreadPoolExecutor(2) as pool:
        manager = filling(played, Vendor(truth), executor=pool, wake=answered.set)
        played.to_minute(10)
        manager.after_batch()
        assert answered.wait(60)
        settled = manager.apply_ready()
    assert {each.symbol for each in settled} == {"AAPL", "MSFT"}
    assert list(played.session.get_gaps()) == []


def test_a_live_session_asks_on_threads_of_its_own_and_leaves_none(truth: Tape) -> None:
    class Fixed:
        def now_ns(self) -> int:
            return at(10) + 5 * SECOND

    played = Played(HALF, without(truth, 5))
    asking: list[str] = []
    answered = Event()

    class Named(Vendor):
        def fetch(self, requests: Sequence[HistoryRequest]) -> Sequence[object]:
            asking.append(current_thread().name)
            return super().fetch(requests)

    live = TimeManager("US_EQUITY", mode="live", clock=Fixed())
    manager = filling(played, Named(truth), time_manager=live, wake=answered.set)
    played.to_minute(10)
    manager.after_batch()
    assert answered.wait(60)
    manager.apply_ready()
    assert [name.rpartition("_")[0] for name in asking] == ["tapeloom-gap-filler"]
    (filled,) = played.session._fills.of("AAPL")
    assert filled.last_attempt == at(10) + 5 * SECOND
    assert list(played.session.get_gaps()) == []
    mine = [
        each
        for each in enumerate_threads()
        if each.name.startswith("tapeloom-gap-filler")
    ]
    manager.close()
    for thread in mine:
        thread.join(60)
        assert not thread.is_alive()
