"""Calls of a source of history that fail, and answers that cannot be used: when it is asked again, what is said."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from tapeloom.gap import Cause
from tapeloom.session.gap_answers import failure_of
from tests.compare import bar_data, instant, stored
from tests.session.gap_filling import (
    HALF,
    LOG,
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


@pytest.fixture
def truth() -> Tape:
    return half_day()


def test_tries_are_spaced_twice_as_far_each_time_up_to_a_quarter_of_an_hour(
    truth: Tape,
) -> None:
    vendor = Vendor(truth, failures=100)
    played = Played(HALF, without({"AAPL": truth["AAPL"]}, 5))
    asked_at = []
    manager = filling(played, vendor, max_retries=7, retry_interval_seconds=120)
    for minute in range(1, 120):
        before = len(vendor.calls)
        manager.after_batch(played.to_minute(minute))
        asked_at += [minute] * (len(vendor.calls) - before)
    assert asked_at == [6, 8, 12, 20, 35, 50, 65]
    (gap,) = played.session.get_gaps("AAPL")
    assert (gap.status, gap.attempts, gap.last_attempt) == (
        "abandoned",
        7,
        instant(at(65)),
    )
    assert gap.cause is Cause.UNKNOWN
    said = played.session.explain("AAPL", "09:35")
    assert said.attempts == 7
    assert "history was asked 7 times" in said.text
    assert manager.fill_lines() == [
        "AAPL 09:35\N{EN DASH}09:36: 1 missing for 3540 s, filled 0/1 from history, "
        "abandoned after 7 tries: VendorError: no line"
    ]


def test_a_gap_is_filled_by_a_later_try_and_the_report_says_for_how_long_it_was(
    truth: Tape,
) -> None:
    vendor = Vendor(truth, failures=2)
    played = Played(HALF, without({"AAPL": truth["AAPL"]}, 5))
    manager = filling(played, vendor)
    walk(played, manager, 1, 30)
    assert manager.fill_lines() == [
        "AAPL 09:35\N{EN DASH}09:36: 1 missing for 180 s, filled 1/1 from history"
    ]


def test_once_the_line_is_up_again_nothing_waits_for_its_next_try(truth: Tape) -> None:
    vendor = Vendor(truth, failures=3)
    played = Played(HALF, without({"AAPL": truth["AAPL"]}, 5, 6, 7))
    manager = filling(played, vendor, retry_interval_seconds=900)
    walk(played, manager, 1, 8)
    assert manager.apply_ready() == []
    manager.try_again()
    manager.apply_ready()
    assert [(each.start, each.end) for each in vendor.calls[3]] == [(at(5), at(8))]
    assert list(played.session.get_gaps()) == []


@pytest.mark.parametrize("leaves", [False, True])
def test_what_was_given_up_while_the_line_was_down_is_asked_for_once_it_is_up(
    truth: Tape, leaves: bool
) -> None:
    vendor = Vendor(truth, failures=1)
    played = Played(HALF, without({"AAPL": truth["AAPL"]}, 5))
    manager = filling(played, vendor, max_retries=1)
    walk(played, manager, 1, 30)
    (gap,) = played.session.get_gaps("AAPL")
    assert (gap.status, len(vendor.calls)) == ("abandoned", 1)
    if leaves:
        played._replay.close()
        played.session.remove_symbol("AAPL")
    manager.try_again()
    manager.apply_ready()
    assert len(vendor.calls) == (1 if leaves else 2)
    assert list(played.session.get_gaps()) == []
    # Once: what history does not have is not asked for again.
    manager.try_again()
    manager.apply_ready()
    assert len(vendor.calls) == (1 if leaves else 2)


def test_what_was_given_up_yesterday_is_not_asked_for_today(truth: Tape) -> None:
    vendor = Vendor(truth, failures=1)
    played = Played(HALF, without({"AAPL": truth["AAPL"]}, 5))
    manager = filling(played, vendor, max_retries=1)
    walk(played, manager, 1, 30)
    manager.start_session()
    manager.try_again()
    manager.apply_ready()
    assert len(vendor.calls) == 1


def test_gaps_that_wait_are_joined_into_one_request(truth: Tape) -> None:
    vendor = Vendor(truth, failures=3)
    played = Played(HALF, without({"AAPL": truth["AAPL"]}, 5, 7, 9))
    manager = filling(played, vendor, retry_interval_seconds=900)
    walk(played, manager, 1, 20)
    assert [len(call) for call in vendor.calls] == [1, 1, 1]
    played.to_minute(30)
    manager.after_batch()
    assert [(each.start, each.end) for each in vendor.calls[3]] == [(at(5), at(10))]
    assert list(played.session.get_gaps()) == []


def test_a_failure_is_logged_with_what_the_source_said(
    truth: Tape, caplog: pytest.LogCaptureFixture
) -> None:
    vendor = Vendor(truth, failures=1)
    vendor.message = "403 for https://u:pw@x.test/bars?api_key=abc123&s=AAPL"
    played = Played(HALF, without(truth, 5))
    with caplog.at_level(logging.WARNING, LOG):
        walk(played, filling(played, vendor), 1, 6)
    assert caplog.messages == [
        "history of AAPL, MSFT: VendorError: 403 for https://***@x.test/bars?api_key=***&s=AAPL"
    ]


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("Authorization: Bearer eyJhbGci.x-y", "Authorization: Bearer ***"),
        (
            "{'APCA-API-SECRET-KEY': 'q1 w2', 'n': 1}",
            "{'APCA-API-SECRET-KEY': ***, 'n': 1}",
        ),
        ("token=abc; try again", "token=***; try again"),
        ("password = hunter2", "password = ***"),
        ("secret: s3cr3t, key: k", "secret: ***, key: ***"),
        ("access_token=a.b.c&x=1", "access_token=***&x=1"),
        ("no route to host", "no route to host"),
    ],
)
def test_what_looks_like_a_secret_is_left_out(said: str, kept: str) -> None:
    assert failure_of(ValueError(said)) == f"ValueError: {kept}"


def test_a_long_message_is_cut(truth: Tape) -> None:
    assert len(failure_of(ValueError("<html>" * 1_000))) < 400


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (None, "HistorySourceError: fetch() returned NoneType"),
        ("bars", "HistorySourceError: fetch() returned str"),
        ([], "HistorySourceError: fetch() returned 0 answers to 1 requests"),
        ([None], "ArgumentTypeError"),
        ([[1, 2]], "ArgumentTypeError"),
        ([[bar_data("MSFT", bar_at(at(5)))]], "ArgumentError"),
        ([{"MSFT": [bar_data("MSFT", bar_at(at(5)))]}], "ArgumentError"),
        ([[bar_data("AAPL", bar_at(at(5)), "5m")]], "ArgumentError"),
    ],
)
def test_an_answer_that_cannot_be_read_is_a_failed_try_and_no_empty_one(
    truth: Tape, answers: object, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    class Junk:
        def fetch(self, requests: object) -> Any:
            return answers

    played = Played(HALF, without({"AAPL": truth["AAPL"]}, 5))
    manager = filling(played, Junk())
    with caplog.at_level(logging.WARNING, LOG):
        walk(played, manager, 1, 6)
    assert caplog.messages[0].startswith(f"history of AAPL: {said}")
    (gap,) = played.session.get_gaps("AAPL")
    assert (gap.status, gap.attempts, gap.cause) == ("detected", 1, Cause.UNKNOWN)
    filler = manager.filler
    assert filler is not None
    assert filler.counts.failures == 1


def test_an_invalid_bar_is_refused_with_a_warning_and_is_no_proof_of_no_trade(
    truth: Tape, caplog: pytest.LogCaptureFixture
) -> None:
    broken = {"AAPL": {at(5): truth["AAPL"][at(5)]._replace(high=-1.0)}}
    played = Played(HALF, without({"AAPL": truth["AAPL"]}, 5))
    with caplog.at_level(logging.WARNING, LOG):
        walk(played, filling(played, Vendor(broken)), 1, 6)
    assert "1 invalid bars" in caplog.text
    (gap,) = played.session.get_gaps("AAPL")
    assert (gap.status, gap.cause) == ("abandoned", Cause.UNKNOWN)


def test_a_store_that_refuses_changes_takes_what_it_lacks_and_nothing_else(
    truth: Tape,
) -> None:
    played = Played(HALF, without({"AAPL": truth["AAPL"]}, 5, 6), on_duplicate="error")
    other = bar_at(at(5), 99)
    live = Live(played, Vendor(truth))
    played.to_minute(8)
    live.filler.detect("AAPL", at(5), at(7))
    live.filler.apply_ready()
    # Minute 5 comes by itself, with other values, while history is asked.
    played.session.add_bar("AAPL", bar_data("AAPL", other))
    live.executor.run()
    live.filler.apply_ready()
    assert stored(played.session.get_bars("AAPL"))[5:7] == [
        other,
        truth["AAPL"][at(6)],
    ]
    assert live.filler.counts.refused == 1
    assert live.filler.counts.bars.offered == 1
    assert played.session.get_ingest_counts("AAPL").rejected == 0
