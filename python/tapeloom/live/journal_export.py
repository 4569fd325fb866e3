"""The end of a day: bars out of a journal into Parquet, and the journal away once they are read back from there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tapeloom._core import Journal, JournalReader
from tapeloom.errors import ArgumentError, JournalError, StorageError
from tapeloom.live.journal_reading import files_of
from tapeloom.live.journal_remains import remove as remove_file
from tapeloom.live.journal_writing import owner
from tapeloom.live.recovery import Recovery
from tapeloom.storage.data_manager import DataManager
from tapeloom.storage.parquet_file import FIELDS
from tapeloom.words import counted

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from tapeloom._core import Bars
    from tapeloom.calendars.time_manager import TimeManager
    from tapeloom.live.journal_reading import Paths
    from tapeloom.live.recovery import JournalReport

__all__ = ["ExportReport", "SalvageReport", "export", "salvage"]


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What was exported."""

    journal: JournalReport
    """What the journal held."""
    files: tuple[Path, ...]
    """The files that were written."""
    symbols: int
    """Symbols with bars."""
    bars: int
    """Bars written, each once with its last values."""
    is_removed: bool
    """Whether the journal was removed."""


@dataclass(frozen=True, slots=True)
class SalvageReport:
    """What was kept of a damaged journal."""

    path: Path
    """The new journal."""
    records: int
    """Records in it, those that say what was lost among them."""
    lost: tuple[tuple[int, int, str], ...]
    """First and last record that were lost, both included, and why."""


def export(
    path: Paths,
    into: str | os.PathLike[str],
    *,
    remove: bool = False,
    on_duplicate: str = "replace",
    time_manager: TimeManager | None = None,
    allow_network_fs: bool = False,
) -> ExportReport:
    """Write the bars of a journal into stored bars, each file replaced as a whole, and read them back.

    Parameters
    ----------
    path
        The first file of the journal, or a list of all of them.
    into
        Folder of the stored bars, as of :class:`tapeloom.DataManager`. Session and history of the journal are written:
        base bars only, for derived ones follow from them.
    remove
        Whether the journal is removed when every bar was read back as it was written.
    on_duplicate
        For bars that are stored already: ``"replace"``, ``"ignore"`` or ``"error"``.

    Raises
    ------
    JournalError
        As :func:`tapeloom.live.recovery.recover`; or with ``remove``, if records were lost in a salvage.
    StorageError
        If a file cannot be written, or reads back otherwise; the journal stays.
    """
    # Nobody may go on writing what is about to be removed.
    with Recovery(
        path,
        time_manager=time_manager,
        only_reads=not remove,
        allow_network_fs=allow_network_fs,
    ) as found:
        session, report = found.replay()
        if remove and report.holes:
            holes = counted(len(report.holes), "hole")
            text = f"{found.paths[0]}: has {holes} on record; export without removing it, and keep it"
            raise JournalError(text, path=found.paths[0])
        if remove and session.get_quarantine():
            text = f"{found.paths[0]}: holds quarantined bars, which are not exported; export without removing it"
            raise JournalError(text, path=found.paths[0])
        bars = {name: session.get_all_bars(name) for name in session._symbols}
        manager = DataManager(
            str(into),
            exchange_group=session.exchange_group,
            time_manager=time_manager,
            allow_negative_prices=session.policies.get("allow_negative_prices")
            == "True",
        )
        written: list[Path] = []
        for name, rows in bars.items():
            if len(rows):
                written += manager.write_bars(
                    name, rows.interval, rows, on_duplicate=on_duplicate
                )
                _require_same(manager, rows, on_duplicate)
        if remove:
            _remove(found.files)
    kept = [rows for rows in bars.values() if len(rows)]
    return ExportReport(
        report, tuple(written), len(kept), sum(map(len, kept)), is_removed=remove
    )


def _require_same(manager: DataManager, rows: Bars, on_duplicate: str) -> None:
    """Read back what was written and compare it, value by value."""
    first, last = int(rows.ts[0]), int(rows.ts[-1])
    stored = manager.read(rows.symbol, str(rows.interval), first, last + 1)
    at = np.searchsorted(stored.ts, rows.ts)
    is_there = (at < len(stored)) & (
        stored.ts[np.minimum(at, max(0, len(stored) - 1))] == rows.ts
        if len(stored)
        else np.zeros(len(rows), np.bool_)
    )
    is_same = bool(is_there.all()) and (
        on_duplicate == "ignore"
        or all(
            np.array_equal(getattr(stored, name)[at], getattr(rows, name))
            for name in FIELDS
        )
    )
    if not is_same:
        text = f"{rows.symbol} {rows.interval}: what was written reads back otherwise; the journal is kept"
        raise StorageError(text, symbol=rows.symbol)


def _remove(paths: list[Path]) -> None:
    """Remove the files of a journal, the newest first: what is left of a crash in between is still a journal."""
    for path in reversed(paths):
        remove_file(path)


def salvage(
    path: str | os.PathLike[str],
    into: str | os.PathLike[str],
    *,
    allow_network_fs: bool = False,
) -> SalvageReport:
    """Copy what can be read of a damaged journal into a new one, which says where records were lost.

    Parameters
    ----------
    path
        The file; of a journal of several files each is salvaged by itself.
    into
        The new journal; nothing that is there is replaced.

    Raises
    ------
    JournalError
        If nothing of it can be read, or the new one cannot be written.
    """
    (source,) = files_of([path])
    (target,) = files_of([into])
    if source == target:
        text = f"into is {str(into)!r}, the journal itself; give another path"
        raise ArgumentError(text, got=into)
    reader = JournalReader(
        source, owner=owner(), lenient=True, allow_network_fs=allow_network_fs
    )
    try:
        first = reader.first
        begin = first[0] - 1 if first is not None else 0
        previous = first[1] if first is not None else None
        journal = Journal(
            target,
            owner=owner(),
            allow_network_fs=allow_network_fs,
            last_seq=begin,
            previous_hash=previous,
        )
        try:
            reader.salvage_into(journal)
        finally:
            journal.close()
        return SalvageReport(target, journal.durable_seq - begin, tuple(reader.skipped))
    finally:
        reader.close()
