"""What was written through a journal is there again after a crash."""

from __future__ import annotations

import logging
import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeloom import (
    BarData,
    Bars,
    ConnectionEvent,
    SessionData,
    TapeloomError,
    TimeManager,
    TradingStatus,
    replay,
)
from tapeloom.errors import (
    AlreadyOpenError,
    ArgumentError,
    ArgumentTypeError,
    InvalidBarError,
    JournalError,
    JournalTruncatedError,
    StateError,
)
from tapeloom.live.journal import SessionJournal
from tapeloom.live.recovery import journal_bars, recover, verify
from tests.live.made import DAY, MINUTE, OPEN, SetClock, bar, begun, facts

MODES = pytest.mark.parametrize("mode", ["strict", "relaxed"])


def bars_of(numbers: list[int], closes: list[float], symbol: str) -> Bars:
    close = np.array(closes)
    tens = np.full(len(numbers), 10.0)
    return Bars.from_columns(
        symbol,
        "1m",
        ts=OPEN + np.array(numbers, dtype=np.int64) * MINUTE,
        open=tens,
        high=np.maximum(11.0, close),
        low=np.minimum(10.0, close),
        close=close,
        volume=tens / 2,
        zone=UTC,
    )


symbols = st.sampled_from(["AAPL", "MSFT", "BRK.B"])
# Beyond the day, off the grid of nothing, and a close below the low of an invalid bar.
numbers = st.integers(-400, 500)
closes = st.sampled_from([10.0, 10.5, 10.25, -1.0, float("nan")])
steps = st.one_of(
    st.tuples(st.just("bar"), symbols, numbers, closes),
    st.tuples(
        st.just("batch"),
        symbols,
        st.lists(st.tuples(numbers, closes), min_size=1, max_size=6),
        st.sampled_from([None, "error", "skip"]),
    ),
    st.tuples(st.just("register"), symbols, st.sampled_from(["1m", "5m", None])),
    st.tuples(st.just("derive"), symbols, st.sampled_from(["5m", "15m", "1d"])),
    st.tuples(st.just("remove"), symbols),
    st.tuples(st.just("start"), st.integers(0, 3), st.booleans()),
    st.tuples(st.just("end")),
    st.tuples(st.just("clear"), st.sampled_from(["session", "history"])),
    st.tuples(st.just("status"), symbols, numbers),
    st.tuples(st.just("connection"), numbers, st.booleans()),
)


def do(target: Any, step: tuple[Any, ...]) -> object:
    """One step on a journal or, without one, on a session: the outcome or the kind of error."""
    try:
        # As text: one NaN is not another.
        return repr(done(target, step))
    except TapeloomError as error:
        return type(error)


def done(target: Any, step: tuple[Any, ...]) -> object:
    what, *given = step
    if what == "bar":
        name, number, close = given
        ts = OPEN + number * MINUTE
        high = max(11.0, close)
        return target.add_bar(name, BarData(name, ts, 10.0, high, 10.0, close, 5.0))
    if what == "batch":
        name, rows, on_invalid = given
        batch = bars_of([n for n, _ in rows], [c for _, c in rows], name)
        return target.add_bars_batch(name, batch, on_invalid=on_invalid)
    if what == "register":
        target.register_symbol(given[0], base_interval=given[1])
    elif what == "derive":
        target.register_symbol(given[0], derived=[given[1]])
    elif what == "remove":
        target.remove_symbol(given[0])
    elif what == "start":
        days = [DAY, date(2025, 7, 3), date(2025, 7, 1), date(2025, 7, 5)]
        target.start_new_session(days[given[0]], roll=given[1])
    elif what == "end":
        target.end_session()
    elif what == "status":
        at = OPEN + given[1] * MINUTE
        target.append_status(given[0], TradingStatus(at, "halted", "news"))
    elif what == "connection":
        target.append_connection(
            ConnectionEvent(OPEN + given[0] * MINUTE, given[1], "feed")
        )
    elif isinstance(target, SessionJournal):
        target.clear(given[0])
    elif given[0] == "session":
        target.clear_session_bars()
    else:
        target.clear_historical_bars()
    return None


@settings(max_examples=60, deadline=None)
@given(plan=st.lists(steps, max_size=25), relaxed=st.booleans())
def test_a_recovered_session_knows_what_the_written_one_and_one_without_a_journal_know(
    plan: list[tuple[Any, ...]], relaxed: bool, tmp_path_factory: Any
) -> None:
    path = tmp_path_factory.mktemp("journal") / "day.journal"
    plain = SessionData()
    _ = plain.session_table
    with SessionJournal(
        path, SessionData(), mode="relaxed" if relaxed else "strict", clock=SetClock()
    ) as journal:
        for step in plan:
            assert do(journal, step) == do(plain, step), step
        written = facts(journal.session_data)
    assert written == facts(plain)
    assert facts(recover(path)) == written
    shutil.rmtree(path.parent)


@MODES
def test_a_journal_goes_on_where_it_was_left(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "day.journal"
    whole = SessionData()
    with begun(SessionJournal(path, SessionData(), mode=mode)) as journal:
        for number in range(7):
            journal.add_bar("AAPL", bar(number))
    with SessionJournal.resume(path, mode=mode) as journal:
        assert journal.recovery is not None
        assert journal.recovery.bars == 7
        for number in range(7, 12):
            journal.add_bar("AAPL", bar(number))
        journal.add_bar("NEW", bar(0, "NEW"))
        journal.end_session()
        written = facts(journal.session_data)
    assert facts(recover(path)) == written
    assert verify(path).bars == 13
    whole.start_new_session(DAY)
    whole.register_symbol("AAPL", derived=["5m"])
    for number in range(12):
        whole.add_bar("AAPL", bar(number))
    whole.end_session()
    assert written["metrics"]["AAPL"] == whole.get_session_metrics("AAPL")


@MODES
def test_the_journal_replayed_as_a_backtest_has_the_same_state(
    tmp_path: Path, mode: str
) -> None:
    path = tmp_path / "day.journal"
    with begun(SessionJournal(path, SessionData(), mode=mode)) as journal:
        for number in [0, 1, 2, 5, 4, 3, 6, 8, 9, 10, 389]:
            journal.add_bar("AAPL", bar(number))
            journal.add_bar("MSFT", bar(number, "MSFT"))
        journal.add_bar("AAPL", bar(2, close=12.0), is_correction=True)
        journal.register_symbol("MSFT", derived=["5m"])
        journal.end_session()
        live = journal.session_data.state_hash()
    batches = replay(
        journal_bars(path), start=DAY, end=DAY, intervals=("1m", "5m"), progress=False
    )
    for _ in batches:
        pass
    assert batches.session_data.state_hash() == live


def test_a_copy_taken_at_any_moment_recovers_to_what_was_acknowledged_then(
    tmp_path: Path,
) -> None:
    # Whatever comes later, garbage or not, changes no answer of before.
    path = tmp_path / "day.journal"
    then = []
    with begun(SessionJournal(path, SessionData())) as journal:
        for number in range(12):
            garbage = 1e9 if number >= 6 else 10.5
            journal.add_bar("AAPL", bar(number, close=garbage))
            copied = tmp_path / f"at{number}"
            copied.mkdir()
            for file in tmp_path.glob("day.journal*"):
                shutil.copy(file, copied)
            then.append((copied / "day.journal", facts(journal.session_data)))
    for copy, known in then:
        assert facts(recover(copy)) == known


def test_threads_that_write_together_leave_one_order(tmp_path: Path) -> None:
    path = tmp_path / "day.journal"
    with begun(SessionJournal(path, SessionData())) as journal:

        def write(name: str) -> None:
            for number in range(40):
                journal.add_bar(name, bar(number, name))
                # All of them at the same series too: the last one counts.
                journal.add_bar("MSFT", bar(number, "MSFT", close=10 + len(name) / 10))

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(write, ["A", "BB", "CCC", "DDDD"]))
        written = facts(journal.session_data)
    assert facts(recover(path)) == written
    report = verify(path)
    assert report.bars == 4 * 80
    assert report.commits < report.records


def test_many_bars_of_many_symbols_are_one_wait(tmp_path: Path) -> None:
    path = tmp_path / "day.journal"
    with begun(SessionJournal(path, SessionData())) as journal:
        before = journal.last_seq
        given = [(name, bar(0, name)) for name in (f"S{n}" for n in range(500))]
        outcomes = journal.add_bars([*given, ("S0", bar(1, "S0", float("nan")))])
        assert outcomes[:500] == ["accepted"] * 500
        assert isinstance(outcomes[500], InvalidBarError)
        assert journal.add_bars([]) == []
        written = facts(journal.session_data)
    assert facts(recover(path)) == written
    assert verify(path).commits < before + 510


def test_an_argument_that_cannot_be_used_writes_nothing(tmp_path: Path) -> None:
    with begun(SessionJournal(tmp_path / "day.journal", SessionData())) as journal:
        before = journal.last_seq
        with pytest.raises(ArgumentTypeError):
            journal.add_bar("AAPL", 1.0)  # type: ignore[arg-type]
        with pytest.raises(ArgumentError):
            journal.add_bar("AAPL", bar(0, "MSFT"))
        with pytest.raises(ArgumentTypeError):
            journal.register_symbol("AAPL", derived="5m")
        with pytest.raises(ArgumentTypeError):
            journal.start_new_session("2025-07-02")  # type: ignore[arg-type]
        with pytest.raises(ArgumentTypeError):
            journal.append_status("AAPL", "halted")  # type: ignore[arg-type]
        with pytest.raises(ArgumentTypeError):
            journal.append_connection(True)  # type: ignore[arg-type]
        with pytest.raises(ArgumentError):
            journal.add_bars_batch("AAPL", [], on_invalid="drop")
        with pytest.raises(ArgumentError):
            journal.clear("some")
        assert journal.last_seq == before


def test_a_journal_begins_with_an_empty_session_and_a_known_mode(
    tmp_path: Path,
) -> None:
    used = SessionData()
    used.register_symbol("AAPL")
    with pytest.raises(StateError, match="empty one"):
        SessionJournal(tmp_path / "day.journal", used)
    with pytest.raises(ArgumentError, match="'strict'"):
        SessionJournal(tmp_path / "day.journal", SessionData(), mode="fast")
    with pytest.raises(ArgumentError, match="stall_seconds"):
        SessionJournal(tmp_path / "day.journal", SessionData(), stall_seconds=0)
    assert list(tmp_path.iterdir()) == []


def test_off_writes_no_file(tmp_path: Path) -> None:
    with begun(
        SessionJournal(tmp_path / "x.journal", SessionData(), mode="off")
    ) as journal:
        assert journal.add_bar("AAPL", bar(0)) == "accepted"
        assert journal.durable_seq == 0
    assert list(tmp_path.iterdir()) == []


def test_a_closed_journal_changes_nothing(tmp_path: Path) -> None:
    journal = begun(SessionJournal(tmp_path / "day.journal", SessionData()))
    journal.close()
    journal.close()
    with pytest.raises(StateError, match="closed"):
        journal.add_bar("AAPL", bar(0))
    assert journal.session_data.get_bar_count("AAPL") == 0
    assert journal.state == "closed"


def test_nobody_else_opens_a_journal_that_is_written(tmp_path: Path) -> None:
    path = tmp_path / "day.journal"
    with begun(SessionJournal(path, SessionData())):
        for attempt in (recover, verify, SessionJournal.resume):
            with pytest.raises(AlreadyOpenError, match="by process") as caught:
                attempt(path)
            assert "process" in str(caught.value.owner)
    assert verify(path).records > 0


def test_nothing_that_is_there_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "day.journal"
    SessionJournal(path, SessionData()).close()
    with pytest.raises(JournalError, match="resume"):
        SessionJournal(path, SessionData())


def test_acknowledged_records_that_are_missing_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "day.journal"
    begun(SessionJournal(path, SessionData())).close()
    older = tmp_path / "older"
    shutil.copy(path, older)
    with SessionJournal.resume(path) as journal:
        journal.add_bar("AAPL", bar(0))
    shutil.copy(older, path)
    with pytest.raises(JournalTruncatedError) as caught:
        recover(path)
    assert caught.value.last_seq < caught.value.witnessed_seq  # type: ignore[operator]


def test_a_long_journal_is_read_piece_by_piece_to_the_same_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "day.journal"
    with begun(SessionJournal(path, SessionData())) as journal:
        for number in range(60):
            journal.add_bars([("AAPL", bar(number)), ("MSFT", bar(number, "MSFT"))])
    at_once, whole = facts(recover(path)), verify(path)
    for rows in (1, 7, 64):
        monkeypatch.setattr("tapeloom.live.journal_reading._ROWS", rows)
        assert facts(recover(path)) == at_once
        found = verify(path)
        assert (found.records, found.chain) == (whole.records, whole.chain)
    content = bytearray(path.read_bytes())
    # The volume of one of the last bars, in its little-endian column.
    at = content.index(np.float64(155.0).tobytes())
    content[at] ^= 1
    path.write_bytes(content)
    found_at = set()
    for rows in (1, 7, 200_000):
        monkeypatch.setattr("tapeloom.live.journal_reading._ROWS", rows)
        with pytest.raises(JournalError, match="checksum") as refused:
            recover(path)
        found_at.add(refused.value.first_seq)
        # Nobody has it any more, not even who read ahead.
        with pytest.raises(JournalError, match="checksum"):
            verify(path)
    assert len(found_at) == 1


def test_another_calendar_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "day.journal"
    begun(SessionJournal(path, SessionData())).close()
    other = TimeManager(overlay={"XNYS": {"2025-07-02": "closed"}})
    with pytest.raises(JournalError, match="session table") as caught:
        recover(path, time_manager=other)
    assert caught.value.got == other.calendar.table.fingerprint
    assert recover(path).current_session_date == DAY


def test_policies_are_those_of_the_session_that_was_written(tmp_path: Path) -> None:
    path = tmp_path / "day.journal"
    session = SessionData(
        on_duplicate="ignore",
        on_invalid="skip",
        allow_negative_prices=True,
        completeness="complete",
        max_symbols=7,
        historical_bars_trailing_days=3,
        strict=True,
        measure_history_quality=False,
    )
    SessionJournal(path, session).close()
    found = recover(path)
    assert found.policies == session.policies
    assert found.historical_bars_trailing_days == 3
    assert (found._strict, found._measures) == (session._strict, session._measures)


def add_all(journal: SessionJournal, count: int) -> None:
    for number in range(count):
        journal.add_bar("AAPL", bar(number % 300))


def test_a_disk_that_stalls_is_given_up_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # A span so short that no disk keeps it: what counts is who is told what.
    journal = begun(SessionJournal(tmp_path / "day.journal", SessionData()))
    journal._stall = 1e-9
    with (
        caplog.at_level(logging.WARNING, "tapeloom.journal"),
        pytest.raises(JournalError, match="has not taken record"),
    ):
        add_all(journal, 10_000)
    assert "has not taken record" in caplog.text
    assert journal.state == "degraded"
    journal._stall = 10.0
    journal.reopen()
    journal.add_bar("AAPL", bar(5, close=10.75))
    written = facts(journal.session_data)
    journal.close()
    assert facts(recover(tmp_path / "day.journal")) == written


@MODES
def test_reopening_goes_on_in_a_next_file(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "day.journal"
    journal = begun(SessionJournal(path, SessionData(), mode=mode))
    for number in range(5):
        journal.add_bar("AAPL", bar(number))
    with pytest.raises(StateError, match="running"):
        journal.reopen()
    for n in (1, 2):
        assert journal._journal is not None
        journal._journal.stop("no space left on device")
        assert journal.state == "degraded"
        with pytest.raises(JournalError, match="no space left"):
            journal.add_bar("AAPL", bar(5))
        assert journal.session_data.get_bar_count("AAPL") >= 5
        assert journal.reopen() == tmp_path / f"day.journal.{n}"
        journal.add_bar("AAPL", bar(5 + n))
        journal.add_bar(f"NEW{n}", bar(0, f"NEW{n}"))
    journal.end_session()
    written = facts(journal.session_data)
    journal.close()
    assert facts(recover(path)) == written
    with SessionJournal.resume(path, mode=mode) as journal:
        assert journal.path == tmp_path / "day.journal.2"
        journal.add_bar("MSFT", bar(1, "MSFT"))
        written = facts(journal.session_data)
    assert facts(recover(path)) == written


def test_the_health_of_a_journal_names_cause_and_bounds(tmp_path: Path) -> None:
    journal = begun(SessionJournal(tmp_path / "day.journal", SessionData()))
    said = journal.health()
    assert said["state"] == "running"
    assert said["durable_seq"] == said["last_seq"] == journal.durable_seq > 0
    assert said["queue_bound"] == 65_536
    assert journal._journal is not None
    journal._journal.stop("no space left on device")
    assert "no space left" in journal.health()["cause"]
    with pytest.raises(JournalError):
        journal.close()
