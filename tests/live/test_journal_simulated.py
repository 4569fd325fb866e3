"""A journal on a simulated disk: no file, no thread, and the same end each time, whatever fails."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeloom import SessionData
from tapeloom._core import Live
from tapeloom.errors import AlreadyOpenError, ArgumentError, JournalError
from tapeloom.live.journal import SessionJournal, SimulatedDisk
from tapeloom.live.journal_header import Patience
from tapeloom.live.recovery import journal_bars, recover, verify
from tests.live.made import DAY, MINUTE, OPEN, SetClock, bar, facts

if TYPE_CHECKING:
    from collections.abc import Iterable

SECOND = 1_000_000_000
PATIENCE = Patience(2 * SECOND, SECOND)
PATH = Path("day.journal")
TASKS = Path("/proc/self/task")


def begun(disk: SimulatedDisk, mode: str) -> SessionJournal:
    journal = SessionJournal(
        PATH, SessionData(), mode=mode, clock=SetClock(), patience=PATIENCE, disk=disk
    )
    journal.start_new_session(DAY)
    journal.register_symbol("AAPL", base_interval="1m", derived=["5m"])
    journal.flush()
    return journal


def live(session: SessionData) -> Live:
    return Live(session, grace=PATIENCE.grace_ns, tolerance=PATIENCE.tolerance_ns)


def steps(
    journal: SessionJournal, numbers: Iterable[int]
) -> list[tuple[int, int, Any]]:
    """Take steps until the disk fails; what was on disk, acknowledged or not, and known after each."""
    running = live(journal.session_data)
    found = [(journal.last_seq, journal.durable_seq, facts(journal.session_data))]
    try:
        for at, number in enumerate(numbers):
            journal.step(running, [bar(number)], OPEN + (at + 8) * MINUTE)
            found.append(
                (journal.last_seq, journal.durable_seq, facts(journal.session_data))
            )
    except JournalError:
        pass
    running.close()
    return found


def ended(
    mode: str, size: int, fails: int, *, keeps: bool, numbers: list[int]
) -> tuple[object, ...]:
    """One simulation: steps, a disk that fails, a crash, what is recovered. Proven on the way."""
    disk = SimulatedDisk(commit_records=size)
    journal = begun(disk, mode)
    disk.fail_after(fails, keeps_failed=keeps)
    went = steps(journal, numbers)
    known = {seq: then for seq, _, then in went}
    acknowledged = max(went[-1][0] if mode == "strict" else 0, journal.durable_seq)
    disk.crash()
    report = verify(PATH, disk=disk)
    found = facts(recover(PATH, disk=disk))
    assert acknowledged <= report.last_seq <= journal.last_seq
    # A prefix of what was offered. One that was never acknowledged may be on disk all the same.
    if report.last_seq in known:
        assert found == known[report.last_seq]
    else:
        assert keeps
    return disk.operations, report.last_seq, report.chain, found["hash"]


@settings(max_examples=150, deadline=None)
@given(
    mode=st.sampled_from(["strict", "relaxed"]),
    size=st.integers(1, 7),
    fails=st.integers(0, 40),
    keeps=st.booleans(),
    numbers=st.lists(st.integers(0, 9), max_size=20),
)
def test_what_is_recovered_is_a_prefix_with_all_that_was_acknowledged(
    mode: str, size: int, fails: int, keeps: bool, numbers: list[int]
) -> None:
    first = ended(mode, size, fails, keeps=keeps, numbers=numbers)
    assert ended(mode, size, fails, keeps=keeps, numbers=numbers) == first


def test_a_relaxed_journal_loses_in_a_crash_what_was_not_committed() -> None:
    disk = SimulatedDisk(commit_records=4)
    journal = begun(disk, "relaxed")
    known = steps(journal, range(6))
    assert (journal.last_seq, journal.durable_seq) == (known[0][0] + 6, known[0][0] + 4)
    disk.crash()
    assert facts(recover(PATH, disk=disk)) == known[4][2]


def test_after_a_crash_the_old_one_writes_no_more_and_a_new_one_goes_on() -> None:
    disk = SimulatedDisk()
    old = begun(disk, "strict")
    steps(old, range(3))
    with pytest.raises(AlreadyOpenError, match="somebody in this simulation"):
        recover(PATH, disk=disk)
    disk.crash()
    new = SessionJournal.resume(PATH, disk=disk)
    assert new.patience == PATIENCE
    running = live(old.session_data)
    with pytest.raises(JournalError, match="the machine is gone"):
        old.step(running, [bar(3)], OPEN + 20 * MINUTE)
    del old, running
    with pytest.raises(AlreadyOpenError):
        recover(PATH, disk=disk)
    written = steps(new, range(3, 6))[-1][2]
    assert len(written["flags"]["AAPL"]) == 6
    new.close()
    assert facts(recover(PATH, disk=disk)) == written
    assert list(journal_bars(PATH, disk=disk)) == ["AAPL"]


def test_a_journal_that_failed_goes_on_in_a_next_file() -> None:
    disk = SimulatedDisk()
    journal = begun(disk, "strict")
    disk.fail_after(4)
    steps(journal, range(9))
    assert journal.state == "degraded"
    assert "no space left" in str(journal.health()["cause"])
    journal.reopen()
    written = steps(journal, range(3, 6))[-1][2]
    disk.crash()
    assert disk.paths == [PATH, Path("day.journal.1")]
    assert facts(recover(PATH, disk=disk)) == written


@pytest.mark.skipif(not TASKS.exists(), reason="no /proc here")
def test_neither_file_nor_thread_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    threads = len(list(TASKS.iterdir()))
    journal = begun(SimulatedDisk(), "strict")
    steps(journal, range(3))
    assert len(list(TASKS.iterdir())) == threads
    journal.close()
    assert list(tmp_path.iterdir()) == []


def test_what_a_simulated_disk_cannot_do_is_said() -> None:
    with pytest.raises(ArgumentError, match="commit_records is 0"):
        SimulatedDisk(commit_records=0)
    disk = SimulatedDisk()
    with pytest.raises(JournalError, match=r"day\.journal"):
        recover(PATH, disk=disk)
    begun(disk, "strict").close()
    with pytest.raises(JournalError, match="resume"):
        begun(disk, "strict")


@pytest.mark.parametrize("is_last", [False, True])
def test_a_file_that_a_broken_disk_never_let_begin_does_not_stop_a_recovery(
    is_last: bool,
) -> None:
    disk = SimulatedDisk()
    journal = begun(disk, "strict")
    disk.fail_after(0)
    with pytest.raises(JournalError):
        journal.register_symbol("MSFT")
    disk.fail_after(0)
    with pytest.raises(JournalError):
        journal.reopen()
    if not is_last:
        journal.reopen()
        journal.register_symbol("NVDA")
    known = facts(journal.session_data)
    disk.crash()
    again = SessionJournal.resume(PATH, disk=disk)
    assert facts(again.session_data) == known
    # What is written from here on is found too.
    again.register_symbol("AMD")
    again.close()
    assert "AMD" in recover(PATH, disk=disk)._symbols
