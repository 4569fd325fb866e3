"""Gaps of the running session filled from a source of history: what is asked when, what comes of it, what it says."""

from __future__ import annotations

import logging
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from threading import Event, current_thread
from threading import enumerate as enumerate_threads
from typing import TYPE_CHECKING, Any

import pytest

from tapeloom.bars import Bars, Provenance
from tapeloom.calendars import TimeManager
from tapeloom.errors import ArgumentError, ArgumentTypeError
from tapeloom.gap import Cause
from tapeloom.gap.record import EvidenceRecord
from tapeloom.quotes import TickData
from tapeloom.session.gap_answers import failure_of, sift
from tapeloom.session.gap_filler import GapFiller
from tapeloom.session.gap_requests import Ask
from tapeloom.session.gap_state import Retries
from tapeloom.session.quality_manager import DataQualityManager
from tapeloom.session.session_grids import SessionGrids
from tapeloom.statuses import ConnectionEvent, TradingStatus
from tests.compare import bar_data, columns, instant, stored
from tests.days import us_day
from tests.reference.gaps import expected_starts
from tests.reference.schedule import MINUTE, SECOND
from tests.session.vendor import Played, Vendor, whole_day
from tests.strategies import bar_at

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tapeloom.history_source import HistoryRequest
    from tests.reference.bars import Bar

HALF = us_day("2025-07-03")
FULL = us_day("2025-07-02")
LOG = "tapeloom.gap_filler"
Tape = dict[str, dict[int, "Bar"]]


def at(minute: int) -> int:
    """Start of a minute of the half day, counted from the open."""
    return HALF.open + minute * MINUTE


def without(truth: Tape, *minutes: int) -> Tape:
    """The bars of all symbols but for some minutes."""
    gone = {at(minute) for minute in minutes}
    return {
        symbol: {ts: bar for ts, bar in bars.items() if ts not in gone}
        for symbol, bars in truth.items()
    }


def filling(played: Played, source: object, **options: Any) -> DataQualityManager:
    manager = DataQualityManager(
        played.session,
        on_gap="fill",
        history_source=source,  # type: ignore[arg-type]
        **options,
    )
    manager.start_session()
    return manager


def walk(played: Played, manager: DataQualityManager, first: int, last: int) -> None:
    """Play minute after minute, ``first`` and ``last`` included."""
    for minute in range(first, last + 1):
        batch = played.to_minute(minute)
        manager.after_batch(batch)


class Held(Executor):
    """Runs what it is given when the test says so."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], object]] = []

    def submit(self, call: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.waiting.append(lambda: call(*args, **kwargs))
        return Future()

    def run(self) -> None:
        waiting, self.waiting = self.waiting, []
        for call in waiting:
            call()


class Live:
    """A filler whose clocks and threads are the test's."""

    def __init__(self, played: Played, source: object, **retries: Any) -> None:
        self.played = played
        self.seconds = 0.0
        self.executor = Held()
        self.woken = 0
        self.filler = GapFiller(
            played.session,
            source,  # type: ignore[arg-type]
            grids=SessionGrids(played.session),
            retries=Retries(**retries),
            instant=lambda: played.session._clock or 0,
            now=lambda: self.seconds,
            executor=self.executor,
            wake=self._wake,
            quota_clock=lambda: self.seconds,
        )

    def _wake(self) -> None:
        self.woken += 1


@pytest.fixture
def truth() -> Tape:
    return whole_day(HALF, ["AAPL", "MSFT"])


# A backtest: at once


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


# What the source does not have


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


# Failures


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


# Live: on other threads


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


# How often


THIN = 3_000


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
