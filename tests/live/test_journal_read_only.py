"""Reading a journal leaves nothing behind, and does without a claim where nothing can be written."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from tapeloom import SessionData
from tapeloom.cli.app import app
from tapeloom.errors import AlreadyOpenError, JournalError
from tapeloom.live import journal_export
from tapeloom.live.journal import SessionJournal
from tapeloom.live.recovery import recover, verify
from tests.live.made import bar, begun

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="files of claims stay where open ones cannot go"
)

NOBODY = 65_534


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def copied(path: Path, into: Path) -> Path:
    """What matters of a journal, in a folder of its own: neither an empty log nor who had it."""
    into.mkdir()
    for ending in ("", "-wal", ".witness"):
        file = path.with_name(path.name + ending)
        if file.stat().st_size:
            shutil.copy(file, into)
    return into / path.name


def written(path: Path) -> SessionJournal:
    journal = begun(SessionJournal(path, SessionData()))
    for number in range(30):
        journal.add_bar("AAPL", bar(number))
    return journal


@pytest.fixture(params=["closed", "as a crash leaves it"])
def journal(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    source = tmp_path / "day.journal"
    writer = written(source)
    if request.param == "closed":
        writer.close()
        return copied(source, tmp_path / "copy")
    with writer:
        return copied(source, tmp_path / "copy")


@contextmanager
def nothing_can_be_written(folder: Path) -> Iterator[None]:
    """Have a folder like one of a read-only medium; whom no file is refused is somebody else meanwhile."""
    for file in folder.iterdir():
        file.chmod(0o444)
    folder.chmod(0o555)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
        folder.chmod(0o755)


@pytest.fixture
def medium() -> Iterator[Path]:
    """A folder that everybody finds, unlike that of a test."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_verifying_leaves_nothing_behind(journal: Path) -> None:
    before = contents(journal.parent)
    done = CliRunner().invoke(app, ["journal", "verify", str(journal)])
    assert done.exit_code == 0, done.output
    assert contents(journal.parent) == before


def test_nothing_is_left_beside_what_is_no_journal(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    done = CliRunner().invoke(app, ["journal", "verify", str(tmp_path / "notes.txt")])
    assert done.exit_code == 3
    assert [file.name for file in tmp_path.iterdir()] == ["notes.txt"]


def test_a_journal_that_was_verified_is_gone_on_with(journal: Path) -> None:
    records = verify(journal).records
    with SessionJournal.resume(journal) as resumed:
        assert resumed.session_data.get_bar_count("AAPL") == 30
        with pytest.raises(AlreadyOpenError, match="by process"):
            verify(journal)
    assert verify(journal).records >= records


def test_where_nothing_can_be_written_reading_needs_no_claim(
    journal: Path, medium: Path, tmp_path: Path
) -> None:
    whole, report = recover(journal).state_hash(), verify(journal)
    # What is loaded at its first use is there before files are refused.
    assert journal_export.export(journal, tmp_path / "bars").bars == 30
    shown = Path(shutil.copytree(journal.parent, medium / "day")) / journal.name
    before = contents(shown.parent)
    with nothing_can_be_written(shown.parent):
        assert verify(shown).chain == report.chain
        assert recover(shown).state_hash() == whole
        for claims in (
            lambda: journal_export.export(shown, medium / "bars", remove=True),
            lambda: journal_export.salvage(shown, medium / "saved.journal"),
        ):
            with pytest.raises(JournalError, match="claiming the journal failed"):
                claims()
    assert contents(shown.parent) == before
