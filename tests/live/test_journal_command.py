"""``tapeloom journal``: verified, salvaged, exported."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from tapeloom import DataManager, SessionData
from tapeloom.cli.app import app
from tapeloom.errors import ArgumentError, JournalError, StorageError
from tapeloom.live import journal_export
from tapeloom.live.journal import SessionJournal
from tapeloom.live.recovery import Recovery, recover
from tests.live.made import OPEN, bar, begun

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result


def command(*args: object) -> Result:
    return CliRunner().invoke(app, ["journal", *map(str, args)])


@pytest.fixture
def day(tmp_path: Path) -> Path:
    path = tmp_path / "day.journal"
    with begun(SessionJournal(path, SessionData())) as journal:
        for number in range(30):
            journal.add_bar("AAPL", bar(number))
            journal.add_bar("MSFT", bar(number, "MSFT"))
        journal.add_bar("AAPL", bar(3, close=12.5), is_correction=True)
        journal.end_session()
    return path


def damage(path: Path) -> None:
    """Change a bit or two of the correction; the log was folded into the file when it was closed."""
    # Wherever the page was copied to when the tree grew.
    sound, flipped = struct.pack("<d", 12.5), struct.pack("<d", 12.75)
    path.write_bytes(path.read_bytes().replace(sound, flipped))


def test_verify_says_what_a_whole_journal_holds(day: Path) -> None:
    done = command("verify", day)
    assert done.exit_code == 0
    assert "61 bars" in done.stdout
    said = json.loads(command("verify", day, "--json").stdout)
    assert said["bars"] == 61
    assert said["last_seq"] == said["witnessed_seq"] == said["records"]
    assert said["holes"] == []


def test_verify_names_the_first_damaged_record(day: Path) -> None:
    damage(day)
    done = command("verify", day)
    assert done.exit_code == 3
    assert "damaged from record" in done.stderr
    assert "salvage" in done.stderr


def test_verify_of_what_is_no_journal_says_so(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("hello")
    for name, words in (("x", "no journal"), ("y", "no such journal")):
        done = command("verify", tmp_path / name)
        assert done.exit_code == 3
        assert words in done.stderr


def test_verify_of_a_journal_that_is_written_names_who_does(tmp_path: Path) -> None:
    path = tmp_path / "day.journal"
    with SessionJournal(path, SessionData()):
        done = command("verify", path)
    assert done.exit_code == 3
    assert "is open already, by process" in done.stderr


def test_salvage_keeps_the_rest_and_says_what_was_lost(
    day: Path, tmp_path: Path
) -> None:
    whole = recover(day)
    damage(day)
    saved = tmp_path / "saved.journal"
    done = command("salvage", day, "--out", saved, "--json")
    assert done.exit_code == 1
    said = json.loads(done.stdout)
    (lost,) = said["lost"]
    assert lost["first_seq"] == lost["last_seq"]
    assert "checksum" in lost["cause"]
    session = recover(saved)
    assert session.get_bars("MSFT") == whole.get_bars("MSFT")
    assert whole.get_bars("AAPL").close[3] == 12.5
    assert session.get_bars("AAPL").close.tolist() == [10.5] * 30
    assert session.session_ended
    with Recovery(saved) as found:
        (hole,) = found.check().holes
    assert hole[0] == 1
    verified = command("verify", saved)
    assert verified.exit_code == 0
    assert "hole: 1 record lost" in verified.stderr


def test_salvage_of_a_whole_journal_is_a_copy(day: Path, tmp_path: Path) -> None:
    saved = tmp_path / "saved.journal"
    assert command("salvage", day, "--out", saved).exit_code == 0
    assert recover(saved).state_hash() == recover(day).state_hash()
    with pytest.raises(ArgumentError, match="the journal itself"):
        journal_export.salvage(day, day)
    with pytest.raises(JournalError, match="there already"):
        journal_export.salvage(day, saved)


def test_export_writes_the_bars_and_removes_the_journal_after_reading_them_back(
    day: Path, tmp_path: Path
) -> None:
    bars = {name: recover(day).get_bars(name) for name in ("AAPL", "MSFT")}
    data = tmp_path / "data"
    kept = command("export", day, "--data", data)
    assert kept.exit_code == 0, kept.stderr
    assert day.exists()
    done = command("export", day, "--data", data, "--remove", "--json")
    assert done.exit_code == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["symbols"], said["bars"], said["is_removed"]) == (2, 60, True)
    assert list(tmp_path.glob("day.journal*")) == []
    manager = DataManager(str(data))
    for name, rows in bars.items():
        stored = manager.read(name, "1m", OPEN, OPEN + 10**15)
        assert stored.close.tolist() == rows.close.tolist()
        assert stored.ts.tolist() == rows.ts.tolist()


def test_what_reads_back_otherwise_keeps_the_journal(
    day: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = DataManager.read

    def forgetful(self: DataManager, *args: Any) -> Any:
        return real(self, *args)[1:]

    monkeypatch.setattr(DataManager, "read", forgetful)
    with pytest.raises(StorageError, match="reads back otherwise"):
        journal_export.export(day, tmp_path / "data", remove=True)
    assert day.exists()


def test_a_salvaged_journal_with_holes_is_not_removed(
    day: Path, tmp_path: Path
) -> None:
    damage(day)
    saved = tmp_path / "saved.journal"
    journal_export.salvage(day, saved)
    with pytest.raises(JournalError, match="has 1 hole on record"):
        journal_export.export(saved, tmp_path / "data", remove=True)
    assert not (tmp_path / "data").exists()
    assert journal_export.export(saved, tmp_path / "data").bars == 60
    assert saved.exists()


def test_bars_of_a_symbol_whose_name_was_lost_are_counted_as_refused(
    day: Path, tmp_path: Path
) -> None:
    whole = recover(day)
    # Wherever the page was copied to when the tree grew.
    day.write_bytes(day.read_bytes().replace(b"MSFT", b"MSFU"))
    saved = tmp_path / "saved.journal"
    journal_export.salvage(day, saved)
    with Recovery(saved) as found:
        session, report = found.replay()
    assert session.get_bars("AAPL") == whole.get_bars("AAPL")
    assert session._symbols == ["AAPL"]
    assert report.refused >= 30
    assert len(report.holes) == 1
