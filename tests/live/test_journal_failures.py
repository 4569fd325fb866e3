"""Disks that are full, processes that are killed, forks, and two that want one journal."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tapeloom import SessionData
from tapeloom.errors import AlreadyOpenError, JournalError
from tapeloom.live.journal import SessionJournal
from tapeloom.live.recovery import recover, verify
from tests.live.made import MINUTE, OPEN, bar, begun, facts

ROOT = Path(__file__).parents[2]
#: How often a process is killed; 1,000 in a long run.
KILLS = int(os.environ.get("TAPELOOM_KILLS", "8"))

WRITER = """
import itertools, sys
from pathlib import Path
from tapeloom import SessionData
from tapeloom.live.journal import SessionJournal
from tests.live.made import DAY, bar, begun

path, mode = Path(sys.argv[1]), sys.argv[2]
if path.exists():
    journal = SessionJournal.resume(path, mode=mode)
    # A relaxed one may have been killed before its first commit.
    if journal.session_data.current_session_date is None:
        journal.start_new_session(DAY)
    journal.register_symbol("AAPL", derived=["5m"])
else:
    journal = begun(SessionJournal(path, SessionData(), mode=mode))
first = journal.session_data.get_bar_count("AAPL", scope="all")
for number in itertools.count(first):
    journal.add_bar("AAPL", bar(number % 390, close=10 + number / 1000))
    if mode == "strict":
        print("ack", journal.last_seq, flush=True)
    else:
        print("ack", journal.durable_seq, flush=True)
"""


def child(code: str, *args: object, **options: Any) -> subprocess.Popen[str]:
    env = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(ROOT / "python"), str(ROOT)])
    }
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, args)],
        stdout=subprocess.PIPE,
        text=True,
        env=env,
        **options,
    )


@pytest.mark.parametrize("mode", ["strict", "relaxed"])
def test_a_killed_session_loses_nothing_that_it_acknowledged(
    tmp_path: Path, mode: str
) -> None:
    moments = random.Random(11)
    for kill in range(KILLS // 2):
        # Every fourth begins anew; the others go on with what the killed one left.
        path = tmp_path / f"{kill // 4}.journal"
        acknowledged, left = 0, moments.randint(1, 60)
        with child(WRITER, path, mode) as process:
            assert process.stdout is not None
            while left:
                acknowledged = int(process.stdout.readline().split()[1])
                left -= 1
            process.kill()
            said = process.stdout.read().splitlines()[:-1]
        acknowledged = max([acknowledged, *(int(line.split()[1]) for line in said)])
        session = recover(path)
        session.register_symbol("AAPL")
        revisions = session.get_revisions("AAPL")
        count = session.get_bar_count("AAPL") + len(revisions)
        journal = SessionJournal.resume(path)
        assert journal.durable_seq >= acknowledged, f"kill {kill}"
        # Bars are numbered from 0 on, and the 391st corrects the first: no hole, no double.
        assert journal.recovery is not None
        assert journal.recovery.bars == session.get_ingest_counts("AAPL").offered
        assert session.get_bars("AAPL").ts.tolist() == [
            OPEN + n * 60_000_000_000 for n in range(min(count, 390))
        ]
        journal.close()


STEPPER = """
import itertools, sys
from pathlib import Path
from tapeloom import SessionData
from tapeloom._core import Live
from tapeloom.live.journal import SessionJournal
from tapeloom.live.journal_header import Patience
from tests.live.made import DAY, MINUTE, OPEN, bar

path, mode = Path(sys.argv[1]), sys.argv[2]
if path.exists():
    journal = SessionJournal.resume(path, mode=mode)
else:
    patience = Patience(2_000_000_000, 1_000_000_000)
    journal = SessionJournal(path, SessionData(), mode=mode, patience=patience)
session = journal.session_data
if session.current_session_date is None:
    journal.start_new_session(DAY)
for name in ("AAPL", "MSFT"):
    journal.register_symbol(name, base_interval="1m", derived=["5m"])
live = Live(session, grace=journal.patience.grace_ns, tolerance=journal.patience.tolerance_ns)
for number in itertools.count(session.get_bar_count("AAPL")):
    clock = OPEN + (number + 1) * MINUTE
    # Two of a minute at once, and one from the hour before again.
    bars = [bar(number), bar(number, "MSFT"), bar(max(0, number - 7), close=10.75)]
    journal.step(live, bars, clock, corrections=[2])
    journal.step(live, [], clock + 3_000_000_000)
    print("ack", journal.last_seq if mode == "strict" else journal.durable_seq, flush=True)
"""


@pytest.mark.parametrize("mode", ["strict", "relaxed"])
def test_a_killed_live_session_loses_no_step_that_it_acknowledged_and_halves_none(
    tmp_path: Path, mode: str
) -> None:
    moments = random.Random(12)
    for kill in range(KILLS // 2):
        # Every fourth begins anew; the others go on with what the killed one left.
        path = tmp_path / f"{kill // 4}.journal"
        left = moments.randint(1, 60)
        with child(STEPPER, path, mode) as process:
            assert process.stdout is not None
            said = [process.stdout.readline() for _ in range(left)]
            process.kill()
            said += process.stdout.read().splitlines()[:-1]
        acknowledged = max(int(line.split()[1]) for line in said)
        session = recover(path)
        assert verify(path).last_seq >= acknowledged, f"kill {kill}"
        with SessionJournal.resume(path) as journal:
            assert facts(journal.session_data) == facts(session)
        # A relaxed one may have been killed before they were on disk.
        for name in ("AAPL", "MSFT"):
            session.register_symbol(name)
        count = session.get_bar_count("AAPL")
        # Every step as a whole, each once: whoever goes on takes up where the last whole one ended.
        whole = [OPEN + n * MINUTE for n in range(count)]
        assert session.get_bars("AAPL").ts.tolist() == whole
        assert session.get_bars("MSFT").ts.tolist() == whole
        closes = session.get_bars("AAPL").close.tolist()
        again = max(1, count - 7) if count else 0
        assert closes == [10.75] * again + [10.5] * (count - again)
        counts = session.get_ingest_counts("AAPL")
        assert (counts.offered, counts.balanced) == (2 * count, True)


FULL = """
import json, resource, sys
from tapeloom import SessionData, TapeloomError
from tapeloom.errors import JournalError
from tapeloom.live.journal import SessionJournal
from tests.live.made import bar, begun

path, limit = sys.argv[1], int(sys.argv[2])
journal = begun(SessionJournal(path, SessionData()))
if limit:
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
acknowledged = 0
try:
    for number in range(390):
        journal.add_bar("AAPL", bar(number))
        acknowledged += 1
    raise SystemExit("the disk never filled up")
except JournalError as error:
    cause = str(error)
count = journal.session_data.get_bar_count("AAPL")
refused = 0
for _ in range(3):
    try:
        journal.add_bar("AAPL", bar(389))
    except JournalError:
        refused += 1
said = {"acknowledged": acknowledged, "count": count, "refused": refused, "cause": cause, "state": journal.state}
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    journal.reopen()
    journal.add_bar("AAPL", bar(acknowledged))
    said["hash"] = journal.session_data.state_hash()
    journal.close()
print(json.dumps(said))
"""


TOO_FULL = """
import resource, sys
from tapeloom import SessionData
from tapeloom.errors import JournalError
from tapeloom.live.journal import SessionJournal
from tests.live.made import begun

path, limits = sys.argv[1], list(map(int, sys.argv[2:]))
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
failed = 0
for limit in limits:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        SessionJournal(path, SessionData())
    except JournalError:
        failed += 1
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
begun(SessionJournal(path, SessionData())).close()
print(failed)
"""


def test_a_journal_that_a_full_disk_does_not_let_begin_is_not_in_the_way_of_the_next_try(
    tmp_path: Path,
) -> None:
    path = tmp_path / "day.journal"
    # Claimed, opened, made, its table made, its header written: each of them fails once.
    limits = [0, 100, 4096, 5000, 9000]
    with child(TOO_FULL, path, *limits) as process:
        assert process.stdout is not None
        assert process.stdout.read().split() == [str(len(limits))]
    assert recover(path).current_session_date is not None


def test_a_full_disk_ends_the_journal_and_a_next_file_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "day.journal"
    with child(FULL, path, 65_536) as process:
        assert process.stdout is not None
        said = json.loads(process.stdout.read())
    assert process.returncode == 0
    assert said["acknowledged"] == said["count"] > 0
    assert (said["refused"], said["state"]) == (3, "degraded")
    assert "write failed" in said["cause"] or "checkpoint failed" in said["cause"]
    session = recover(path)
    assert session.state_hash() == said["hash"]
    assert session.get_bar_count("AAPL") == said["acknowledged"] + 1


SYNCS = (["fsync"], ["fdatasync"])

SYNCED = """
import sys
from tapeloom import SessionData
from tapeloom.live.journal import SessionJournal
from tests.live.made import bar, begun

with begun(SessionJournal(sys.argv[1], SessionData())) as journal:
    for number in range(200):
        journal.add_bar("AAPL", bar(number))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems sync otherwise")
def test_a_bar_is_one_sync_that_leaves_out_the_times_of_the_file(
    tmp_path: Path,
) -> None:
    log = tmp_path / "syncs"
    trace = ["strace", "-f", "-c", "-o", str(log), "-e", "trace=fsync,fdatasync"]
    code = [sys.executable, "-c", SYNCED, str(tmp_path / "day.journal")]
    env = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(ROOT / "python"), str(ROOT)])
    }
    try:
        traced = subprocess.run(
            [*trace, *code], capture_output=True, text=True, check=False, env=env
        )
    except FileNotFoundError:
        pytest.skip("there is no strace here")
    if "PTRACE" in traced.stderr:
        pytest.skip(f"nothing can be traced here: {traced.stderr.strip()}")
    assert traced.returncode == 0, traced.stderr
    lines = [line.split() for line in log.read_text().splitlines()]
    calls = {line[-1]: int(line[3]) for line in lines if line[-1:] in SYNCS}
    # Besides the bars: the table, header, symbols and date, the witness, two folds of the log.
    assert 200 <= calls["fdatasync"] <= 230
    # The folder, whose names must be on disk as well.
    assert calls["fsync"] <= 5


def test_a_small_disk_that_fills_up_loses_nothing_that_was_acknowledged(
    tmp_path: Path,
) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(small)]
    try:
        mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command here")
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    try:
        path = small / "day.journal"
        with child(FULL, path, 0) as process:
            assert process.stdout is not None
            said = json.loads(process.stdout.read())
        assert said["acknowledged"] == said["count"] > 0
        elsewhere = tmp_path / "copied"
        elsewhere.mkdir()
        for file in small.iterdir():
            (elsewhere / file.name).write_bytes(file.read_bytes())
        session = recover(elsewhere / "day.journal")
        assert session.get_bar_count("AAPL") >= said["acknowledged"]
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_second_process_is_told_who_writes_the_journal(tmp_path: Path) -> None:
    path = tmp_path / "day.journal"
    with child(WRITER, path, "strict") as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            with pytest.raises(AlreadyOpenError, match=f"process {process.pid} "):
                recover(path)
        finally:
            process.kill()
    # The claim ends with the process.
    assert recover(path).get_bar_count("AAPL") > 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_is_refused_and_the_parent_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "day.journal"
    code = """
import gc, os, sys, warnings
warnings.simplefilter("ignore")
from tapeloom import SessionData
from tapeloom.errors import ForkedSessionError
from tapeloom.live.journal import SessionJournal
from tests.live.made import bar, begun

journal = begun(SessionJournal(sys.argv[1], SessionData()))
child = os.fork()
if child == 0:
    try:
        journal.add_bar("AAPL", bar(0))
    except ForkedSessionError:
        del journal
        gc.collect()
        os._exit(7)
    os._exit(1)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
journal.add_bar("AAPL", bar(1))
journal.close()
print(status)
"""
    with child(code, path) as process:
        assert process.stdout is not None
        assert process.stdout.read().split() == ["7"]
    assert recover(path).get_bar_count("AAPL") == 1


class Interrupted:
    """A journal whose next call of a name is interrupted, before or after it has done its work."""

    def __init__(self, journal: Any, name: str, *, after: bool) -> None:
        self._journal, self._name, self._after = journal, name, after

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._journal, name)
        if name != self._name:
            return real

        def call(*args: Any, **options: Any) -> Any:
            self._name = ""
            if self._after:
                real(*args, **options)
            raise KeyboardInterrupt

        return call


@pytest.mark.parametrize("after", [False, True])
def test_an_interrupt_while_the_disk_works_comes_when_the_bar_is_safe(
    tmp_path: Path, after: bool
) -> None:
    path = tmp_path / "day.journal"
    journal = begun(SessionJournal(path, SessionData()))
    journal._journal = Interrupted(journal._journal, "wait_durable", after=after)  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt):
        journal.add_bar("AAPL", bar(0))
    assert journal.session_data.get_bar_count("AAPL") == 1
    journal.add_bar("AAPL", bar(1))
    written = facts(journal.session_data)
    journal.close()
    assert facts(recover(path)) == written


def test_an_interrupt_between_disk_and_session_stops_the_journal_aloud(
    tmp_path: Path,
) -> None:
    path = tmp_path / "day.journal"
    journal = begun(SessionJournal(path, SessionData()))
    journal._journal = Interrupted(journal._journal, "put_each", after=True)  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt):
        journal.add_bar("AAPL", bar(0))
    assert journal.state == "degraded"
    with pytest.raises(JournalError, match="interrupted between disk and session"):
        journal.add_bar("AAPL", bar(1))
    journal.reopen()
    journal.add_bar("AAPL", bar(1))
    journal.close()
    assert recover(path).get_bars("AAPL").ts[-1] == bar(1).ts


def test_a_recovered_session_is_one_like_any_other(tmp_path: Path) -> None:
    path = tmp_path / "day.journal"
    with begun(SessionJournal(path, SessionData())) as journal:
        journal.add_bar("AAPL", bar(0))
    session = recover(path)
    session.add_bar("AAPL", bar(1))
    assert facts(session)["hash"] != facts(recover(path))["hash"]
