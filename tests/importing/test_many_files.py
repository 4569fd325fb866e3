"""Many files in one import: in order, one bad file among them, again after a stop, with progress."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.importing.made_up import MINUTE, day, lines
from tests.importing.memory_store import MemoryStore

from tapeloom import DataManager
from tapeloom.errors import (
    ArgumentError,
    CorruptFileError,
    MissingDataError,
    StorageError,
    SymbolError,
)
from tapeloom.importing import ImportMismatchError, ImportProgress, import_bars

if TYPE_CHECKING:
    from pathlib import Path

    from tests.importing.conftest import WriteText


@pytest.fixture
def folder(tmp_path: Path, write_text: WriteText) -> Path:
    """Three symbols, one file each, in folders of any shape."""
    for name in ("AAPL_1m.csv", "tech/MSFT_1m.csv", "tech/old/IBM_1m.tsv"):
        delimiter = "\t" if name.endswith("tsv") else ","
        write_text(name, lines(day()).replace(",", delimiter))
    write_text("readme.md", "hello")
    write_text(".hidden.csv", "x")
    return tmp_path / "in"


def statuses(report: Any) -> list[str]:
    return [f.status for f in report.files]


def test_a_folder_is_imported_at_any_depth(store: MemoryStore, folder: Path) -> None:
    report = import_bars(folder, into=store)
    assert report.symbols == ["AAPL", "IBM", "MSFT"]
    assert report.bars == 3 * 390


def test_a_pattern_names_files(store: MemoryStore, folder: Path) -> None:
    report = import_bars(f"{folder}/**/*.csv", into=store)
    assert report.symbols == ["AAPL", "MSFT"]


def test_a_list_names_files(store: MemoryStore, folder: Path) -> None:
    report = import_bars([folder / "AAPL_1m.csv", folder / "tech/old"], into=store)
    assert report.symbols == ["AAPL", "IBM"]


def test_one_bad_file_does_not_stop_the_others(
    store: MemoryStore, folder: Path, write_text: WriteText
) -> None:
    write_text("BAD_1m.csv.gz", b"no gzip at all")
    report = import_bars(folder, into=store)
    assert statuses(report) == ["imported", "failed", "imported", "imported"]
    (bad,) = report.failed
    assert isinstance(bad.error, CorruptFileError)
    assert report.bars == 3 * 390


def test_a_single_bad_file_raises(store: MemoryStore, write_text: WriteText) -> None:
    with pytest.raises(CorruptFileError):
        import_bars(write_text("BAD_1m.csv.gz", b"no gzip at all"), into=store)


@pytest.fixture
def file_by_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches so small that each file is written by itself."""
    monkeypatch.setattr("tapeloom.importing.job.BATCH_BARS", 1)


@pytest.mark.usefixtures("file_by_file")
def test_an_import_goes_on_where_it_was_stopped(
    store: MemoryStore, folder: Path
) -> None:
    class StopError(Exception):
        pass

    def stop(at: ImportProgress) -> None:
        if at.done == 2:
            raise StopError

    with pytest.raises(StopError):
        import_bars(folder, into=store, progress=stop)
    again = MemoryStore(folder.parent / "data")
    report = import_bars(folder, into=again)
    assert statuses(report) == ["already_imported", "already_imported", "imported"]
    assert again.writes == 1


def test_an_import_that_is_repeated_writes_nothing(
    store: MemoryStore, folder: Path
) -> None:
    import_bars(folder, into=store)
    report = import_bars(folder, into=store)
    assert set(statuses(report)) == {"already_imported"}
    assert store.writes == 3


def test_a_file_that_changed_is_imported_again(
    store: MemoryStore, folder: Path, write_text: WriteText
) -> None:
    import_bars(folder, into=store)
    write_text("AAPL_1m.csv", lines(day(count=391)))
    report = import_bars(folder, into=store)
    assert statuses(report) == ["imported", "already_imported", "already_imported"]
    assert len(store.bars["AAPL", "1m"]) == 391


def test_a_file_is_imported_again_with_other_options(
    store: MemoryStore, folder: Path
) -> None:
    import_bars(folder, into=store)
    report = import_bars(folder, into=store, on_duplicate="replace")
    assert set(statuses(report)) == {"imported"}


def test_a_file_whose_bars_are_gone_is_imported_again(
    store: MemoryStore, folder: Path
) -> None:
    import_bars(folder, into=store)
    (folder.parent / "data" / "IBM.written").unlink()
    report = import_bars(folder, into=store)
    assert statuses(report).count("imported") == 1


def test_resuming_can_be_left_out(store: MemoryStore, folder: Path) -> None:
    import_bars(folder, into=store)
    assert set(statuses(import_bars(folder, into=store, resume=False))) == {"imported"}


def test_a_damaged_record_is_as_none(store: MemoryStore, folder: Path) -> None:
    import_bars(folder, into=store)
    for record in (folder.parent / "data" / "imports").iterdir():
        record.write_text("{")
    assert set(statuses(import_bars(folder, into=store))) == {"imported"}


def test_the_record_of_a_file_says_how_it_was_read(
    store: MemoryStore, write_text: WriteText, tmp_path: Path
) -> None:
    path = write_text("AAPL_1m.csv", lines(day(), late=MINUTE))
    import_bars(path, into=store, auto=True)
    (record,) = (tmp_path / "data" / "imports").iterdir()
    content = json.loads(record.read_text())
    assert content["applied"] == {"label": "end"}
    assert content["source"] == str(path)
    assert content["written"] == ["AAPL.written"]


def test_progress_tells_what_is_read_and_what_is_written(
    store: MemoryStore, folder: Path
) -> None:
    seen: list[ImportProgress] = []
    import_bars(folder, into=store, progress=seen.append)
    assert [(p.read, p.done, p.total, p.bars) for p in seen] == [
        (1, 0, 3, 0),
        (2, 0, 3, 0),
        (3, 0, 3, 0),
        (3, 3, 3, 1170),
    ]
    assert seen[0].source.endswith("AAPL_1m.csv")


@pytest.mark.usefixtures("file_by_file")
def test_bars_that_wait_are_written_when_there_are_many(
    store: MemoryStore, folder: Path
) -> None:
    seen: list[ImportProgress] = []
    import_bars(folder, into=store, progress=seen.append)
    assert [(p.read, p.done) for p in seen][:4] == [(1, 0), (1, 1), (2, 1), (2, 2)]


def test_days_in_files_of_their_own_become_one_series(
    store: MemoryStore, tmp_path: Path, write_text: WriteText
) -> None:
    for n, date in ((0, "2025-07-02"), (5, "2025-07-07"), (6, "2025-07-08")):
        write_text(f"AAPL_{date}.csv", lines(day(days=n)))
    report = import_bars(tmp_path / "in", into=store)
    assert report.is_clean
    expected = [r.ts for n in (0, 5, 6) for r in day(days=n)]
    assert store.bars["AAPL", "1m"].ts.tolist() == expected


def test_bars_that_are_stored_with_other_values_need_a_word(
    store: MemoryStore, write_text: WriteText
) -> None:
    import_bars(write_text("AAPL_1m.csv", lines(day())), into=store)
    other = write_text("other/AAPL_1m.csv", lines(day()).replace(".25,", ".27,"))
    with pytest.raises(ImportMismatchError, match="choose on_duplicate"):
        import_bars(other, into=store)


def test_two_files_that_spell_a_symbol_otherwise_are_told(
    store: MemoryStore, tmp_path: Path, write_text: WriteText
) -> None:
    write_text("a/AAPL_1m.csv", lines(day()))
    write_text("b/aapl_1m.csv", lines(day(days=5)))
    report = import_bars(tmp_path / "in", into=store)
    (bad,) = report.failed
    assert isinstance(bad.error, SymbolError)
    assert "'aapl' and 'AAPL'" in str(bad.error)


def test_a_disk_that_cannot_be_written_fails_the_file(
    store: MemoryStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = MemoryStore.write_bars

    def full(self: MemoryStore, symbol: str, *rest: Any, **more: Any) -> list[Path]:
        if symbol == "MSFT":
            raise StorageError("no space left on device")
        return whole(self, symbol, *rest, **more)

    monkeypatch.setattr(MemoryStore, "write_bars", full)
    report = import_bars(folder, into=store)
    assert statuses(report) == ["imported", "failed", "imported"]


def test_a_folder_without_tables_is_an_error(
    store: MemoryStore, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingDataError, match="holds no file of bars"):
        import_bars(tmp_path / "empty", into=store)


@pytest.mark.parametrize(
    "options",
    [
        {"label": "middle"},
        {"zone": "Mars/Olympus"},
        {"shift": "soon"},
        {"shift": "99h"},
        {"on_duplicate": "maybe"},
        {"time_unit": "weeks"},
        {"price_scale": 0},
        {"columns": {"opening": "o"}},
        {"columns": "ts"},
        {"interval": "7x"},
        {"symbol": " "},
        {"ambiguous": "never"},
        {"on_duplicate": 5},
        {"time_format": 5},
        {"time_format": " "},
        {"members": 5},
        {"price_scale": float("inf")},
        {"columns": {"open": 5}},
        {"columns": {"open": None}},
        {"columns": {"open": "a", "close": "a"}},
    ],
    ids=str,
)
def test_an_option_that_breaks_its_rule_is_told_before_anything_is_read(
    store: MemoryStore, options: dict[str, Any]
) -> None:
    with pytest.raises(ArgumentError):
        import_bars("/nowhere/at/all.csv", into=store, **options)


def test_files_of_the_same_content_are_told_apart_by_their_names(
    store: MemoryStore, write_text: WriteText, tmp_path: Path
) -> None:
    for name in ("AAPL_1m.csv", "MSFT_1m.csv"):
        write_text(name, lines(day()))
    # One after the other: the first is recorded before the second is read.
    for name in ("AAPL_1m.csv", "MSFT_1m.csv"):
        report = import_bars(tmp_path / "in" / name, into=store)
        assert statuses(report) == ["imported"]
    assert sorted(symbol for symbol, _ in store.bars) == ["AAPL", "MSFT"]


def test_a_store_below_the_source_is_no_source(
    store: MemoryStore, write_text: WriteText, tmp_path: Path
) -> None:
    write_text("AAPL_1m.csv", lines(day()))
    manager = DataManager(tmp_path / "in" / "data")
    first = manager.import_bars(tmp_path / "in")
    again = manager.import_bars(tmp_path / "in")
    assert statuses(first) == ["imported"]
    assert statuses(again) == ["already_imported"]


def test_an_empty_list_of_files_is_an_error(store: MemoryStore) -> None:
    with pytest.raises(MissingDataError, match="empty list"):
        import_bars([], into=store)
