"""Bars of many sources are written together, and held against what is there before any of them is written."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.importing.made_up import MINUTE, NEW_YORK, OPEN, Row, day, lines
from tests.importing.memory_store import MemoryStore
from tests.reference.importing import import_in_turn

from tapeloom import Bars, DataManager
from tapeloom._core import Interval
from tapeloom.errors import CorruptFileError, StorageError
from tapeloom.importing import ImportMismatchError, ImportProgress, import_bars
from tapeloom.importing.batch import Batch
from tapeloom.importing.findings import Findings
from tapeloom.importing.prepare import ReadSeries
from tapeloom.importing.source_read import SourceRead

if TYPE_CHECKING:
    from pathlib import Path

    from tests.importing.conftest import WriteText


def of_symbols(**rows: list[Row]) -> str:
    """A file of several symbols."""
    header, *_ = lines([]).splitlines()
    body = [
        f"{symbol},{line}"
        for symbol, of_symbol in rows.items()
        for line in lines(of_symbol).splitlines()[1:]
    ]
    return "\n".join([f"symbol,{header}", *body])


def dearer(rows: list[Row]) -> list[Row]:
    return [Row(r.ts, r.open, r.high + 1, r.low, r.close, r.volume) for r in rows]


def bars_of(manager: DataManager, symbol: str) -> Bars:
    return manager.read(symbol, "1m", None, None)


def files_below(root: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()
    }


def origins_of(path: Path) -> list[dict[str, object]]:
    said: list[dict[str, object]] = json.loads(
        pq.read_metadata(path).metadata[b"tapeloom"]
    )["origins"]
    return said


def series_of(symbol: str, closes: dict[int, float]) -> ReadSeries:
    at = np.array(sorted(closes), np.int64)
    price = np.array([closes[i] for i in sorted(closes)])
    bars = Bars.from_columns(
        symbol,
        Interval("1m"),
        ts=OPEN + at * MINUTE,
        open=price,
        high=price,
        low=price,
        close=price,
        volume=price,
        zone=NEW_YORK,
    )
    return ReadSeries(bars, symbol, len(at), at)


def test_a_file_per_day_is_written_once_per_month(
    tmp_path: Path, write_text: WriteText, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in (0, 1, 5, 6, 7):
        write_text(f"day_{n}.csv", of_symbols(AAPL=day(days=n), MSFT=day(days=n)))
    manager = DataManager(tmp_path / "data")
    written: list[str] = []
    whole = DataManager.write_bars

    def counted(self: DataManager, symbol: str, *rest: Any, **more: Any) -> list[Path]:
        written.append(symbol)
        return whole(self, symbol, *rest, **more)

    monkeypatch.setattr(DataManager, "write_bars", counted)
    report = manager.import_bars(tmp_path / "in")
    assert report.bars == 2 * (4 * 390 + 390)
    assert written == ["AAPL", "MSFT"]
    assert bars_of(manager, "AAPL").ts.tolist() == [
        r.ts for n in (0, 1, 5, 6, 7) for r in day(days=n)
    ]


def test_a_conflict_in_one_symbol_leaves_the_others_of_its_file_unwritten(
    tmp_path: Path, write_text: WriteText
) -> None:
    manager = DataManager(tmp_path / "data")
    manager.import_bars(write_text("MSFT_1m.csv", lines(day())))
    before = files_below(tmp_path / "data")
    both = write_text("both.csv", of_symbols(AAPL=day(), MSFT=dearer(day())))
    with pytest.raises(ImportMismatchError) as caught:
        manager.import_bars(both)
    assert (
        "MSFT: 390 keys occur twice with different values: other bars are stored, the first at 2025-07-02 09:30; "
        "choose on_duplicate: 'replace' keeps the imported bar, 'ignore' the earlier one"
    ) in str(caught.value)
    assert files_below(tmp_path / "data") == before


def test_of_two_files_with_other_values_the_second_fails_as_a_whole(
    tmp_path: Path, write_text: WriteText
) -> None:
    write_text("a.csv", of_symbols(AAPL=day()))
    write_text("b.csv", of_symbols(MSFT=day(), AAPL=dearer(day(380, 20))))
    manager = DataManager(tmp_path / "data")
    report = manager.import_bars(tmp_path / "in")
    assert [f.status for f in report.files] == ["imported", "failed"]
    assert (
        f"AAPL: 10 keys occur twice with different values: other bars come from {tmp_path}/in/a.csv"
        in str(report.files[1].error)
    )
    assert manager.get_symbols() == ["AAPL"]


def test_a_dry_run_tells_what_is_stored_with_other_values(
    tmp_path: Path, write_text: WriteText
) -> None:
    manager = DataManager(tmp_path / "data")
    manager.import_bars(write_text("AAPL_1m.csv", lines(day())))
    other = write_text("other/AAPL_1m.csv", lines(dearer(day(0, 1)) + day(1)))
    report = manager.import_bars(other, dry_run=True)
    assert [f.kind for f in report.problems] == ["conflicts"]
    assert "1 key occurs twice" in report.problems[0].text


def test_the_same_bars_again_are_no_conflict(
    tmp_path: Path, write_text: WriteText
) -> None:
    manager = DataManager(tmp_path / "data")
    manager.import_bars(write_text("AAPL_1m.csv", lines(day(0, 300))))
    manager.import_bars(write_text("again/AAPL_1m.csv", lines(day(100, 290))))
    assert bars_of(manager, "AAPL").ts.tolist() == [r.ts for r in day()]


def test_two_members_with_other_values_are_a_conflict_of_their_archive(
    tmp_path: Path, write_text: WriteText
) -> None:
    path = write_text("both.zip", b"")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/AAPL_1m.csv", lines(day()))
        archive.writestr("b/AAPL_1m.csv", lines(dearer(day())))
    manager = DataManager(tmp_path / "data")
    with pytest.raises(ImportMismatchError, match="come again in this source"):
        manager.import_bars(path)
    assert not (tmp_path / "data").exists()


def test_a_damaged_stored_file_fails_the_source_that_needs_it(
    tmp_path: Path, write_text: WriteText
) -> None:
    manager = DataManager(tmp_path / "data")
    manager.import_bars(write_text("AAPL_1m.csv", lines(day())))
    (stored,) = (tmp_path / "data" / "bars").rglob("*.parquet")
    stored.write_bytes(stored.read_bytes()[:-100])
    write_text("more/AAPL_1m.csv", lines(day(days=1)))
    write_text("more/MSFT_1m.csv", lines(day(days=1)))
    report = manager.import_bars(tmp_path / "in" / "more")
    assert [f.status for f in report.files] == ["failed", "imported"]
    assert isinstance(report.files[0].error, CorruptFileError)


def test_a_series_that_cannot_be_written_fails_only_its_sources(
    tmp_path: Path, write_text: WriteText, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = MemoryStore.write_bars

    def full(self: MemoryStore, symbol: str, *rest: Any, **more: Any) -> list[Path]:
        if symbol == "MSFT":
            raise StorageError("no space left on device")
        return whole(self, symbol, *rest, **more)

    monkeypatch.setattr(MemoryStore, "write_bars", full)
    write_text("a.csv", of_symbols(AAPL=day()))
    write_text("b.csv", of_symbols(AAPL=day(days=1), MSFT=day(days=1)))
    report = import_bars(tmp_path / "in", into=MemoryStore(tmp_path / "data"))
    assert [f.status for f in report.files] == ["imported", "failed"]
    again = import_bars(tmp_path / "in", into=MemoryStore(tmp_path / "data"))
    assert [f.status for f in again.files] == ["already_imported", "failed"]


def test_a_stored_file_names_the_sources_of_its_month_only(
    tmp_path: Path, write_text: WriteText
) -> None:
    write_text("july.csv", of_symbols(AAPL=day()))
    write_text("august.csv", of_symbols(AAPL=day(days=30)))
    manager = DataManager(tmp_path / "data")
    manager.import_bars(tmp_path / "in")
    named = {
        path.name: [o["source"] for o in origins_of(path)]
        for path in (tmp_path / "data" / "bars").rglob("*.parquet")
    }
    assert named == {"2025-07.parquet": ["july.csv"], "2025-08.parquet": ["august.csv"]}


def test_a_spelling_is_remembered_by_the_records(
    tmp_path: Path, write_text: WriteText
) -> None:
    write_text("a/AAPL_1m.csv", lines(day()))
    write_text("b/aapl_1m.csv", lines(day(days=5)))
    manager = DataManager(tmp_path / "data")
    first = manager.import_bars(tmp_path / "in")
    again = manager.import_bars(tmp_path / "in")
    assert [f.status for f in first.files] == ["imported", "failed"]
    assert [f.status for f in again.files] == ["already_imported", "failed"]


def test_bars_that_cannot_be_recorded_are_imported_and_it_is_told(
    tmp_path: Path, write_text: WriteText
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "imports").write_text("in the way")
    write_text("AAPL_1m.csv", lines(day()))
    manager = DataManager(tmp_path / "data")
    report = manager.import_bars(tmp_path / "in")
    assert [f.status for f in report.files] == ["imported"]
    assert any("cannot be recorded" in f.text for f in report.findings)
    assert len(bars_of(manager, "AAPL")) == 390


VALUES = st.dictionaries(st.integers(0, 11), st.sampled_from([1.0, 2.0]), min_size=1)
SOURCES = st.lists(
    st.dictionaries(st.sampled_from(["AAPL", "MSFT"]), VALUES, min_size=1),
    min_size=1,
    max_size=6,
)


@settings(max_examples=200, deadline=None)
@given(
    sources=SOURCES,
    cuts=st.sets(st.integers(0, 5)),
    policy=st.sampled_from([None, "error", "replace", "ignore"]),
)
def test_batches_of_any_size_give_what_one_source_after_the_other_gives(
    tmp_path_factory: pytest.TempPathFactory,
    sources: list[dict[str, dict[int, float]]],
    cuts: set[int],
    policy: str | None,
) -> None:
    store = MemoryStore(tmp_path_factory.mktemp("store"))
    batch, failed = Batch(store, policy), set()
    for number, source in enumerate(sources):
        series = tuple(series_of(symbol, values) for symbol, values in source.items())
        read = SourceRead(str(number), series, Findings(""))
        batch.tell_conflicts(read)
        if read.findings.stops:
            failed.add(number)
        else:
            batch.add(number, read, {})
        if number in cuts:
            assert all(w.error is None for w in batch.write().values())
    assert all(w.error is None for w in batch.write().values())
    stored, refused = import_in_turn(sources, policy)
    assert failed == refused
    assert {
        symbol: dict(
            zip(((bars.ts - OPEN) // MINUTE).tolist(), bars.close.tolist(), strict=True)
        )
        for (symbol, _), bars in store.bars.items()
    } == stored


KILLED = """
import os, signal, sys
from tapeloom import DataManager
from tapeloom.importing import job

job.BATCH_BARS = 1
def die(at):
    if at.done == 2:
        os.kill(os.getpid(), signal.SIGKILL)
DataManager(sys.argv[1]).import_bars(sys.argv[2], progress=die)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal here")
def test_an_import_that_is_killed_goes_on_where_it_ended(
    tmp_path: Path, write_text: WriteText
) -> None:
    for n in (0, 1, 5, 6):
        write_text(f"day_{n}.csv", of_symbols(AAPL=day(days=n), MSFT=day(days=n)))
    root, folder = tmp_path / "data", tmp_path / "in"
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(root), str(folder)], check=False
    )
    assert done.returncode == -signal.SIGKILL
    manager = DataManager(root)
    assert bars_of(manager, "MSFT").ts.tolist() == [
        r.ts for n in (0, 1) for r in day(days=n)
    ]
    report = manager.import_bars(folder)
    assert [f.status for f in report.files] == [
        *["already_imported"] * 2,
        *["imported"] * 2,
    ]
    for symbol in ("AAPL", "MSFT"):
        assert bars_of(manager, symbol).ts.tolist() == [
            r.ts for n in (0, 1, 5, 6) for r in day(days=n)
        ]


def test_an_interrupt_writes_nothing_more_and_leaves_no_thread(
    tmp_path: Path, write_text: WriteText
) -> None:
    for n in (0, 1, 5, 6):
        write_text(f"day_{n}.csv", of_symbols(AAPL=day(days=n)))

    def interrupt(at: ImportProgress) -> None:
        raise KeyboardInterrupt

    before = set(threading.enumerate())
    with pytest.raises(KeyboardInterrupt):
        DataManager(tmp_path / "data").import_bars(tmp_path / "in", progress=interrupt)
    assert set(threading.enumerate()) <= before
    assert not (tmp_path / "data").exists()
