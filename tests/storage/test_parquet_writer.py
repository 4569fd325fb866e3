"""Bars are written by key and month and read back as they were."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tapeloom.columns import read_frame
from tapeloom.errors import (
    DuplicateBarError,
    InvalidBarError,
    MissingDataError,
    StorageError,
)
from tapeloom.storage import DataManager

if TYPE_CHECKING:
    from pathlib import Path
    from zoneinfo import ZoneInfo

    from tests.storage.conftest import Columns, Stamps, WriteFile

    from tapeloom.bars import Bars

MINUTE = 60_000_000_000
DAY = 1440 * MINUTE


def all_of(source: DataManager, symbol: str = "AAPL", interval: str = "1m") -> Bars:
    return source.read(symbol, interval, None, None)


def zone_of(source: DataManager) -> ZoneInfo:
    from tapeloom.calendars import resolve_exchange_group

    return resolve_exchange_group(source.exchange_group).zone  # type: ignore[return-value]


@pytest.mark.parametrize(
    "symbol", ["BRK.B", "BTC/USD", "CON", "..", "A%B", "ÄÖ", "^VIX"]
)
def test_every_symbol_is_written_listed_and_read_back(
    tmp_path: Path, columns: Columns, minutes: Stamps, symbol: str
) -> None:
    source = DataManager(tmp_path / "data")
    source.write_bars(symbol.lower(), "1m", columns(minutes, symbol=None))

    assert (
        source.get_symbols() == DataManager(tmp_path / "data").get_symbols() == [symbol]
    )
    assert all_of(source, symbol).ts.tolist() == minutes.tolist()
    assert all(p.is_relative_to(tmp_path / "data") for p in tmp_path.rglob("*.parquet"))


def test_what_was_written_is_read_back_equal(
    tmp_path: Path, columns: Columns, minutes: Stamps
) -> None:
    source = DataManager(tmp_path)
    flags = np.arange(10, dtype=np.uint8)
    bars = read_frame(columns(minutes, flags=flags), zone=zone_of(source))["AAPL"]

    source.write_bars("AAPL", "1m", bars)

    assert all_of(source) == bars


def test_files_hold_a_month_of_session_dates(
    tmp_path: Path, columns: Columns, minutes: Stamps
) -> None:
    source = DataManager(tmp_path)
    ts = np.concatenate([minutes, minutes + 40 * DAY])

    paths = source.write_bars("AAPL", "1m", columns(ts[::-1], volume=np.ones(20)))

    assert [p.name for p in paths] == ["2025-07.parquet", "2025-08.parquet"]
    assert all_of(source).ts.tolist() == ts.tolist()


@pytest.mark.parametrize(
    ("policy", "kept"), [("replace", [1, 1, 9, 9, 9]), ("ignore", [1, 1, 1, 1, 9])]
)
def test_writing_merges_by_key(
    tmp_path: Path, columns: Columns, minutes: Stamps, policy: str, kept: list[float]
) -> None:
    source = DataManager(tmp_path)
    source.write_bars("AAPL", "1m", columns(minutes[:4], volume=[1] * 4))

    source.write_bars(
        "AAPL", "1m", columns(minutes[2:5], volume=[9] * 3), on_duplicate=policy
    )

    assert all_of(source).volume.tolist() == kept


def test_other_values_can_be_refused(
    tmp_path: Path, columns: Columns, minutes: Stamps
) -> None:
    source = DataManager(tmp_path)
    source.write_bars("AAPL", "1m", columns(minutes[:4]))
    source.write_bars("AAPL", "1m", columns(minutes[:4]), on_duplicate="error")

    with pytest.raises(DuplicateBarError, match="2025-07-02T13:32:00 UTC"):
        source.write_bars(
            "AAPL", "1m", columns(minutes[2:5], volume=[9] * 3), on_duplicate="error"
        )

    assert all_of(source).volume.tolist() == [1, 2, 3, 4]


def test_bars_that_break_a_rule_are_not_written(
    tmp_path: Path, columns: Columns, minutes: Stamps
) -> None:
    with pytest.raises(InvalidBarError, match="row 0"):
        DataManager(tmp_path).write_bars(
            "AAPL", "1m", columns(minutes, volume=[-1] * 10)
        )

    assert list(tmp_path.iterdir()) == []


def test_writing_does_not_hide_files_of_another_layout(
    tmp_path: Path, write_file: WriteFile, columns: Columns, minutes: Stamps
) -> None:
    path = write_file(tmp_path / "a.parquet", minutes)

    for root in (tmp_path, path, tmp_path / "*.parquet"):
        with pytest.raises(StorageError):
            DataManager(root).write_bars("AAPL", "1m", columns(minutes))


def test_reading_creates_nothing(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError):
        DataManager(tmp_path / "data").get_symbols()

    assert list(tmp_path.iterdir()) == []
