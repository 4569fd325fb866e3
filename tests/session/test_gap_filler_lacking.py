"""What the source of history does not have: asked for once, with what the minutes say for themselves."""

from __future__ import annotations

import pytest

from tapeloom.gap import Cause
from tapeloom.gap.record import EvidenceRecord
from tapeloom.quotes import TickData
from tapeloom.statuses import ConnectionEvent, TradingStatus
from tests.compare import instant
from tests.reference.schedule import SECOND
from tests.session.gap_filling import (
    HALF,
    Tape,
    at,
    filling,
    half_day,
    walk,
    without,
)
from tests.session.vendor import Played, Vendor


@pytest.fixture
def truth() -> Tape:
    return half_day()


def test_what_the_source_does_not_have_is_asked_for_once_and_had_no_trade(
    truth: Tape,
) -> None:
    lacking = without({"AAPL": truth["AAPL"]}, 5, 6)
    vendor = Vendor(lacking)
    played = Played(HALF, lacking)
    walk(played, filling(played, vendor), 1, 200)
    assert len(vendor.calls) == 2
    (gap,) = played.session.get_gaps("AAPL")
    assert (gap.status, gap.attempts, gap.missing) == ("abandoned", 1, 2)
    assert (gap.cause, gap.evidence) == (
        Cause.NO_TRADE,
        "history was asked at 09:37 and has none",
    )
    assert gap.last_attempt == instant(at(7))
    assert gap.last_attempt.tzinfo is played.session.timezone


def test_a_trade_in_a_minute_that_the_source_lacks_is_a_hole_of_the_vendor(
    truth: Tape,
) -> None:
    lacking = without({"AAPL": truth["AAPL"]}, 5)
    played = Played(HALF, lacking)
    manager = filling(played, Vendor(lacking))
    walk(played, manager, 1, 5)
    played.session.append_tick(
        "AAPL", TickData("AAPL", instant(at(5) + 20 * SECOND), 100.0, 10)
    )
    walk(played, manager, 6, 8)
    (gap,) = played.session.get_gaps("AAPL")
    assert gap.cause is Cause.VENDOR_HOLE
    assert gap.evidence == (
        "history was asked at 09:36 and has none; a trade was seen at 09:35:20"
    )


def test_a_halt_stays_the_cause_whatever_the_source_has_not(truth: Tape) -> None:
    lacking = without({"AAPL": truth["AAPL"]}, 5)
    played = Played(HALF, lacking)
    played.session.append_status("AAPL", TradingStatus(instant(at(5)), "halted"))
    walk(played, filling(played, Vendor(lacking)), 1, 8)
    (gap,) = played.session.get_gaps("AAPL")
    assert gap.cause is Cause.HALT


def test_minutes_known_to_be_free_of_trades_are_not_asked_for(truth: Tape) -> None:
    lacking = without({"AAPL": truth["AAPL"]}, 5)
    vendor = Vendor(truth)
    played = Played(HALF, lacking)
    played.session.set_gap_cause("AAPL", instant(at(5)), instant(at(6)), "no_trade")
    manager = filling(played, vendor)
    walk(played, manager, 1, 8)
    assert vendor.calls == []
    (gap,) = played.session.get_gaps("AAPL")
    assert (gap.status, gap.attempts) == ("abandoned", 0)


def test_minutes_expected_to_be_free_of_trades_are_not_asked_for(truth: Tape) -> None:
    lacking = without({"AAPL": truth["AAPL"]}, 5, 6, 208, 209)
    vendor = Vendor(truth)
    played = Played(HALF, lacking, no_trade="expected")
    manager = filling(played, vendor)
    walk(played, manager, 1, 209)
    assert vendor.calls == []
    walk(played, manager, 210, 210)
    # No bar comes after them: at the close they are due.
    (call,) = vendor.calls
    assert [(each.start, each.end) for each in call] == [(at(208), at(210))]


def test_minutes_in_an_outage_are_asked_for_though_none_without_a_trade_is_due(
    truth: Tape,
) -> None:
    played = Played(HALF, without({"AAPL": truth["AAPL"]}, 5, 6), no_trade="expected")
    vendor = Vendor(truth)
    manager = filling(played, vendor)
    walk(played, manager, 1, 5)
    played.session.append_connection(
        ConnectionEvent(instant(at(5)), is_up=False, source="feed")
    )
    played.session.append_connection(
        ConnectionEvent(instant(at(7)), is_up=True, source="feed")
    )
    walk(played, manager, 6, 7)
    assert vendor.calls == []
    walk(played, manager, 8, 8)
    assert [(each.start, each.end) for each in vendor.calls[0]] == [(at(5), at(7))]
    assert played.session.get_bar_count("AAPL") == 8


def test_a_gap_of_which_a_part_is_still_to_be_asked_for_has_no_cause_yet(
    truth: Tape,
) -> None:
    lacking = without({"AAPL": truth["AAPL"]}, 5, 6)
    played = Played(HALF, lacking)
    vendor = Vendor(lacking)
    manager = filling(played, vendor)
    walk(played, manager, 1, 6)
    vendor.failures = 9
    walk(played, manager, 7, 7)
    (gap,) = played.session.get_gaps("AAPL")
    assert (gap.missing, gap.cause) == (2, Cause.UNKNOWN)
    assert (gap.status, gap.attempts) == ("detected", 1)


def test_a_gap_of_two_stretches_shows_the_one_that_was_tried_more_often(
    truth: Tape,
) -> None:
    played = Played(HALF, without({"AAPL": truth["AAPL"]}, 5, 6))
    vendor = Vendor(truth, failures=9)
    manager = filling(played, vendor, retry_interval_seconds=60)
    walk(played, manager, 1, 7)
    (gap,) = played.session.get_gaps("AAPL")
    assert (gap.missing, gap.status, gap.attempts) == (2, "detected", 2)
    assert gap.last_attempt == instant(at(7))


def test_what_history_was_asked_for_later_is_not_known_before() -> None:
    record = EvidenceRecord()
    record.add_asked("AAPL", at(5), at(6), at(9))
    assert record.asked("AAPL", at(9) - 1) == []
    assert len(record.asked("AAPL", at(9))) == 1


def test_an_answer_in_part_leaves_the_rest_as_partial(truth: Tape) -> None:
    played = Played(HALF, without({"AAPL": truth["AAPL"]}, 5, 6, 7, 8))
    vendor = Vendor(without(truth, 7, 8))
    manager = filling(played, vendor)
    # Looked at once: one stretch.
    played.to_minute(12)
    manager.after_batch()
    (gap,) = played.session.get_gaps("AAPL")
    assert (gap.start, gap.missing) == (instant(at(7)), 2)
    assert (gap.status, gap.attempts) == ("partial", 1)
    assert manager.fill_lines() == [
        "AAPL 09:35\N{EN DASH}09:39: 4 missing for 0 s, filled 2/4 from history, which has no others"
    ]
