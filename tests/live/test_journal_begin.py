"""Processes that end while they begin a journal, or the next file of one: whoever comes after goes on."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tapeloom import SessionData
from tapeloom._core import JournalReader
from tapeloom.calendars.time_manager import TimeManager
from tapeloom.errors import AlreadyOpenError, JournalError
from tapeloom.live.journal import SessionJournal
from tapeloom.live.journal_files import JournalFiles
from tapeloom.live.journal_header import Patience
from tapeloom.live.recovery import recover
from tests.live.made import DAY, SetClock, bar, begun
from tests.live.test_journal_failures import child

if TYPE_CHECKING:
    from collections.abc import Callable

#: Bytes behind which the system ends a process that writes them. The claim, the two slots of the witness, the first page,
#: the header of the log, the log of the table, and that of the first record lie behind one of these; behind the last nothing.
LIMITS = [0, 8, 32, 40, 64, 100, 512, 4096, 4128, 5000, 8252, 9000, 32 << 20]

#: Children of one process, which has loaded all they need: each has a folder and a limit of its own.
ENDED = """
import os, resource, signal, sys
from pathlib import Path
from tapeloom import SessionData
from tapeloom.live.journal import SessionJournal
from tests.live.made import bar, begun

def limit(size):
    # As a kill at this very write: the interpreter would turn it into an error.
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

def begin(path, size):
    session = SessionData()
    # It may be kept in a file, which is not what is meant here.
    session.session_table
    limit(size)
    SessionJournal(path, session)

def reopen(path, size):
    journal = begun(SessionJournal(path, SessionData()))
    journal.add_bar("AAPL", bar(0))
    journal._journal.stop("a disk that is gone")
    limit(size)
    journal.reopen()

work, root, name = globals()[sys.argv[1]], Path(sys.argv[2]), sys.argv[3]
for size in map(int, sys.argv[4:]):
    folder = root / str(size)
    folder.mkdir()
    child = os.fork()
    if child == 0:
        work(folder / name, size)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""

pytestmark = pytest.mark.skipif(
    not hasattr(signal, "SIGXFSZ"), reason="this system ends no process for its files"
)


def files(folder: Path) -> JournalFiles:
    return JournalFiles(
        folder,
        mode="strict",
        patience=Patience(2_000_000_000, 1_000_000_000),
        config={},
        time_manager=TimeManager(mode="live", clock=SetClock()),
        storage=None,
    )


@pytest.fixture(scope="module", params=["begin", "reopen"])
def ended(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, dict[int, Path]]:
    """What processes leave behind that are ended at each limit, while they begin a journal or its next file."""
    root = tmp_path_factory.mktemp(request.param)
    with child(ENDED, request.param, root, f"{DAY}.journal", *LIMITS) as process:
        assert process.stdout is not None
        said = [int(line) for line in process.stdout.read().split()]
    assert said == [-signal.SIGXFSZ] * (len(LIMITS) - 1) + [0]
    return request.param, {limit: root / str(limit) for limit in LIMITS}


def test_each_limit_meets_another_write(ended: tuple[str, dict[int, Path]]) -> None:
    met = set()
    for limit, folder in ended[1].items():
        there = {file.name: file.stat().st_size for file in folder.iterdir()}
        met.add(tuple(sorted((name, size < limit) for name, size in there.items())))
    assert len(met) > 6, met


@pytest.mark.parametrize("limit", LIMITS)
def test_a_process_that_ends_while_it_begins_a_file_is_in_nobodys_way(
    ended: tuple[str, dict[int, Path]],
    tmp_path: Path,
    limit: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    kind, folders = ended
    folder = tmp_path / "journals"
    shutil.copytree(folders[limit], folder)
    path = folder / f"{DAY}.journal"
    left = [
        file.name
        for file in folder.iterdir()
        if file.suffix != ".owner" and (kind == "begin" or ".journal.1" in file.name)
    ]
    made = files(folder)
    with made.open(DAY, SessionData) as journal:
        bars = 0
        if kind == "reopen":
            # All that was acknowledged in the file before.
            bars = 1
            assert journal.session_data.get_bar_count("AAPL") == bars
        elif journal.session_data.current_session_date is None:
            begun(journal)
        journal.add_bar("AAPL", bar(bars))
        assert journal._journal is not None
        journal._journal.stop("a disk that is gone")
        journal.reopen()
        journal.add_bar("AAPL", bar(bars + 1))
    assert recover(path).get_bar_count("AAPL") == bars + 2
    aside = [file.name for file in folder.glob("*.unbegun-1*")]
    if kind == "begin":
        # Where its header was on disk the journal goes on, and nothing is set aside.
        assert bool(aside) == bool(left and journal.recovery is None)
    else:
        assert not aside
    # What holds nothing is told of, be it set aside or left out.
    was_begun = limit == LIMITS[-1]
    assert ("was never begun" in caplog.text) == bool(left and not was_begun)


@pytest.mark.parametrize("kind", ["records", "witness", "log", "another", "next"])
def test_nothing_that_may_hold_a_record_is_set_aside(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "day.journal"
    with SessionJournal(path, SessionData()) as journal:
        begun(journal)
    witness, log = (tmp_path / f"day.journal{end}" for end in (".witness", "-wal"))
    if kind == "witness":
        # The file was lost, and what was acknowledged in it is known.
        path.unlink()
        log.unlink()
    elif kind == "log":
        # So was what is in the log.
        path.write_bytes(b"")
        log.write_bytes(b"x" * 5000)
        witness.unlink()
    elif kind == "another":
        path.write_bytes(b"a table of prices")
        witness.unlink()
    elif kind == "next":
        witness.write_bytes(b"")
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert JournalReader.set_aside(path, owner="a test") is None
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


@pytest.mark.parametrize("at", [0, 10, 32 + 8, 32 + 24, 32 + 24 + 100, 5000])
def test_a_log_that_is_damaged_is_none_of_a_journal_never_begun(
    tmp_path: Path, at: int
) -> None:
    first = tmp_path / "first"
    first.mkdir()
    journal = begun(SessionJournal(first / "day.journal", SessionData()))
    for minute in range(3):
        journal.add_bar("AAPL", bar(minute))
    # As a kill leaves them, before anything was taken out of the log.
    left = tmp_path / "left"
    shutil.copytree(first, left, ignore=shutil.ignore_patterns("*.owner"))
    journal.close()
    log = left / "day.journal-wal"
    content = bytearray(log.read_bytes())
    content[at] ^= 1
    log.write_bytes(content)
    before = {file.name: file.read_bytes() for file in left.iterdir()}
    path = left / "day.journal"
    assert JournalReader.set_aside(path, owner="a test") is None
    assert JournalReader.unbegun(path, owner="a test") is None
    assert {name: (left / name).read_bytes() for name in before} == before


def test_a_journal_that_somebody_is_about_to_begin_is_not_set_aside(
    tmp_path: Path,
) -> None:
    path = tmp_path / "day.journal"
    with (
        SessionJournal(path, SessionData()),
        pytest.raises(AlreadyOpenError),
    ):
        JournalReader.set_aside(path, owner="a test")


def test_a_file_that_cannot_be_begun_uses_up_no_number(tmp_path: Path) -> None:
    path = tmp_path / "day.journal"
    journal = begun(SessionJournal(path, SessionData()))
    stop: Callable[[], Any] = lambda: journal._journal.stop("gone")  # type: ignore[union-attr]  # noqa: E731  # it is strict
    stop()
    # A folder that is there no more, and one more file that was never begun.
    elsewhere = tmp_path / "elsewhere"
    with pytest.raises(JournalError):
        journal.reopen(elsewhere / "day.journal")
    hidden = tmp_path.with_name("hidden")
    shutil.move(tmp_path, hidden)
    with pytest.raises(JournalError):
        journal.reopen()
    shutil.move(hidden, tmp_path)
    assert journal.reopen() == tmp_path / "day.journal.1"
    journal.add_bar("AAPL", bar(0))
    journal.close()
    assert recover(path).get_bar_count("AAPL") == 1
