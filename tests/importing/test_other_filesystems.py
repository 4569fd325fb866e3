"""An import writes where the store lies, and keeps records on a local disk only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.importing.made_up import HEADER, aware, day, lines

from tapeloom import DataManager

fsspec = pytest.importorskip("fsspec")

if TYPE_CHECKING:
    from pathlib import Path

    from tests.importing.conftest import WriteText


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, where stray files would be seen."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_a_store_in_memory_leaves_nothing_on_the_disk(
    here: Path, write_text: WriteText, tmp_path: Path
) -> None:
    memory = fsspec.filesystem("memory", skip_instance_cache=True)
    memory.store = {}
    manager = DataManager(f"{tmp_path}/data", filesystem=memory)
    assert manager.local_root is None
    manager.import_bars(write_text("AAPL_1m.csv", lines(day())))
    manager.import_bars(write_text("MSFT_1m.csv", HEADER + "\n"))
    manager.import_bars(write_text("BTC_1m.csv", aware(day())), exchange_group="CRYPTO")
    assert manager.get_symbols() == ["AAPL"]
    other = DataManager(f"{tmp_path}/data", filesystem=memory, exchange_group="CRYPTO")
    assert other.get_symbols() == ["BTC"]
    assert list(here.iterdir()) == []
    assert not (tmp_path / "data").exists()


def test_a_store_named_by_its_address_keeps_its_records(
    here: Path, write_text: WriteText, tmp_path: Path
) -> None:
    path = write_text("AAPL_1m.csv", lines(day()))
    for status in ("imported", "already_imported"):
        report = DataManager(f"file://{tmp_path}/data").import_bars(path)
        assert [f.status for f in report.files] == [status]
    assert list(here.iterdir()) == []
    assert len(list((tmp_path / "data" / "imports").iterdir())) == 1
