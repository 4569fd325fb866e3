"""Writes the made-up market into a folder, with the config and the analysis of the demo beside it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tapeloom.demo.market import make_market
from tapeloom.errors import ArgumentError, StorageError

if TYPE_CHECKING:
    from tapeloom._core import SessionTable
    from tapeloom.demo.market import Market
    from tapeloom.demo.planted import Planted

__all__ = ["ANALYSIS_NAME", "DemoFolder", "write_demo"]

ANALYSIS_NAME = "SmaCross"
EXCHANGE_GROUP = "US_EQUITY"
MARKER = ".tapeloom-demo"
MARKER_TEXT = (
    "Written by 'tapeloom demo', which writes its files anew when it runs here again.\n"
)
SOURCES = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class DemoFolder:
    """Where the files of the demo lie, and what was planted in its data.

    ``bars`` and ``files`` count the stored bars and the Parquet files.
    """

    root: Path
    config: Path
    data: Path
    analysis: Path
    planted: Planted
    bars: int
    files: int


def write_demo(folder: Path) -> DemoFolder:
    """Write market, config and analysis; replaces what an earlier demo left in ``folder``.

    Parameters
    ----------
    folder
        A folder that does not exist, is empty, or was written by this function. Only the files of the demo are
        replaced in it.

    Returns
    -------
    DemoFolder
        Paths below ``folder`` as given: relative ones stay relative.

    Raises
    ------
    ArgumentError
        If there is anything else in the folder's place.
    StorageError
        If the files cannot be written.
    """
    from tapeloom.calendars.session_table import get_session_table

    _check_free(folder)
    config, data, analysis = (
        folder / "session.json",
        folder / "data",
        folder / "sma_cross.py",
    )
    table = get_session_table(EXCHANGE_GROUP)
    market = make_market(table)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # First, so that an interrupted demo can be run again.
        (folder / MARKER).write_text(MARKER_TEXT, encoding="utf-8")
        if data.exists():
            shutil.rmtree(data)
        for written in (config, analysis):
            written.write_text(
                (SOURCES / written.name).read_text(encoding="utf-8"), encoding="utf-8"
            )
        files = _write_bars(market, data, table)
    except OSError as error:
        text = f"cannot write the demo into {str(folder)!r}: {error.strerror or error}; name another folder with --out"
        raise StorageError(text, path=str(folder)) from error
    return DemoFolder(
        root=folder,
        config=config,
        data=data,
        analysis=analysis,
        planted=market.planted,
        bars=sum(len(c.ts) for c in market.columns.values()),
        files=files,
    )


def _check_free(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        text = f"out {str(folder)!r} is a file; name a folder"
        raise ArgumentError(text, path=str(folder))
    if folder.is_dir() and not (folder / MARKER).is_file() and any(folder.iterdir()):
        text = f"out {str(folder)!r} holds files that 'tapeloom demo' did not write; name a new or empty folder"
        raise ArgumentError(text, path=str(folder))


def _write_bars(market: Market, data: Path, table: SessionTable) -> int:
    from tapeloom.bars import Bars
    from tapeloom.storage import DataManager

    data.mkdir()
    files = 0
    store = DataManager(data, exchange_group=EXCHANGE_GROUP)
    for symbol, c in market.columns.items():
        bars = Bars.from_columns(
            symbol,
            "1m",
            ts=c.ts,
            open=c.open,
            high=c.high,
            low=c.low,
            close=c.close,
            volume=c.volume,
            zone=table.zone,
            table=table,
        )
        files += len(store.write_bars(symbol, "1m", bars))
    return files
