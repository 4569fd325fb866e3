"""A session out of its journal: every record checked, offered again in order, and a report of what was found."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tapeloom.errors import ArgumentError, JournalError
from tapeloom.live.journal_reading import JournalReading, files_of
from tapeloom.live.recovered_session import RecoveredSession

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date

    from tapeloom._core import BarData, Bars, JournalRecords, SimulatedDisk
    from tapeloom.calendars.time_manager import TimeManager
    from tapeloom.live.journal_header import Patience
    from tapeloom.live.journal_reading import Paths
    from tapeloom.session_data import SessionData

__all__ = ["JournalReport", "Recovery", "files_of", "journal_bars", "recover", "verify"]

_log = logging.getLogger("tapeloom.journal")


@dataclass(frozen=True, slots=True)
class JournalReport:
    """What a journal holds."""

    paths: tuple[Path, ...]
    """Its files, oldest first."""
    records: int
    """Records, those of every kind."""
    bars: int
    """Bars that were offered."""
    refused: int
    """Bars and commands among them that the session refused, as it did when they came."""
    commits: int
    """Groups that went to disk together."""
    last_seq: int
    """Number of the last record."""
    witnessed_seq: int
    """Last record that the witness saw; rot behind it would go unseen."""
    is_witness_damaged: bool
    """Whether one of the two slots of a witness is damaged, as a crash while writing it leaves it."""
    holes: tuple[tuple[int, str], ...]
    """Records lost where a damaged journal was salvaged: how many, and why."""
    chain: str
    """Hash of the last group, which names all that went before it."""
    seconds: float
    """Time taken."""


def recover(
    path: Paths,
    *,
    time_manager: TimeManager | None = None,
    allow_network_fs: bool = False,
    disk: SimulatedDisk | None = None,
) -> SessionData:
    """Return the session that a journal wrote: every acknowledged bar, in order, without holes.

    The journal is not changed. To go on writing it, use ``SessionJournal.resume``.

    Parameters
    ----------
    path
        The first file; those with the next numbers beside it belong to it. A list names all files, oldest first.
    time_manager
        Calendar of the session, where it has corrections of its own.
    disk
        Where the files lie in a simulation.

    Returns
    -------
    SessionData
        With the same ``state_hash()``, counts and revisions as the session had that was written.

    Raises
    ------
    JournalError
        If a record is damaged, with ``first_seq``, or the calendar is another one now. ``JournalTruncatedError`` if
        acknowledged records are missing, ``AlreadyOpenError`` if somebody writes the journal.
    """
    with Recovery(
        path, time_manager=time_manager, allow_network_fs=allow_network_fs, disk=disk
    ) as found:
        return found.replay()[0]


def verify(
    path: Paths, *, allow_network_fs: bool = False, disk: SimulatedDisk | None = None
) -> JournalReport:
    """Check every record of a journal, and report what it holds; the errors are those of :func:`recover`.

    Nothing is changed. No session is made, so ``refused`` is 0.
    """
    with Recovery(path, allow_network_fs=allow_network_fs, disk=disk) as found:
        return found.check()


def journal_bars(
    path: Paths,
    *,
    session_date: date | None = None,
    time_manager: TimeManager | None = None,
    allow_network_fs: bool = False,
    disk: SimulatedDisk | None = None,
) -> dict[str, Bars]:
    """Return the bars of a journal's session by symbol, each once with its last values: data for a backtest.

    ``tapeloom.replay(journal_bars(path), start=day, end=day)`` ends with the ``state_hash()`` of the session that was
    written, where it had the same derived intervals and extended hours. Symbols without bars are left out.

    Parameters
    ----------
    session_date
        Which session, as it stood before the next one began; the newest by default.

    Raises
    ------
    ArgumentError
        If the journal has no session of that date.
    JournalError
        As :func:`recover`.
    """
    with Recovery(
        path,
        time_manager=time_manager,
        allow_network_fs=allow_network_fs,
        disk=disk,
        last=session_date,
    ) as found:
        session, _ = found.replay()
    if session_date is not None and session.current_session_date != session_date:
        days = ", ".join(map(str, found.dates)) or "none"
        text = f"session_date is {session_date}; the journal has sessions of {days}"
        raise ArgumentError(text, got=session_date)
    bars = {name: session.get_bars(name) for name in session._symbols}
    return {name: rows for name, rows in bars.items() if len(rows)}


class Recovery(JournalReading):
    """A journal while it is recovered: its files, and the session that its records make."""

    def __init__(
        self,
        path: Paths,
        *,
        time_manager: TimeManager | None = None,
        only_reads: bool = True,
        allow_network_fs: bool = False,
        disk: SimulatedDisk | None = None,
        last: date | None = None,
    ) -> None:
        super().__init__(
            path, only_reads=only_reads, allow_network_fs=allow_network_fs, disk=disk
        )
        self._found = RecoveredSession(time_manager, last)

    def replay(self) -> tuple[SessionData, JournalReport]:
        """Return the session and what was found."""
        report = self._walk(self._found.take)
        session = self._found.session
        if session is None:
            text = f"{self.paths[0]}: the journal has no header; it was never begun"
            raise JournalError(text, path=self.paths[0])
        _log.info(
            "recovered %d records, %d bars, from %s in %.3f s",
            report.records,
            report.bars,
            self.paths[0],
            report.seconds,
        )
        return session, report

    def check(self) -> JournalReport:
        """Read everything and return what was found."""
        return self._walk(self._found.count)

    @property
    def names(self) -> list[str | None]:
        """Symbols by number; 0 is none."""
        return self._found.names

    @property
    def dates(self) -> list[date]:
        """Dates of the sessions that began, in order."""
        return self._found.dates

    @property
    def corrections(self) -> list[BarData]:
        """What the feed corrected in the newest session, in order."""
        return self._found.corrections

    @property
    def patience(self) -> Patience | None:
        """That of the live session whose steps were written; ``None`` where none were."""
        return self._found.patience

    @property
    def config(self) -> Mapping[str, Any]:
        """What the session was configured with."""
        return self._found.config

    def _walk(self, take: Callable[[JournalRecords, Path], None]) -> JournalReport:
        started = time.perf_counter()
        self._read_all(take)
        end, chain = self._readers[-1].end
        seen = [reader.witnessed for reader in self._readers]
        return JournalReport(
            paths=tuple(self.paths),
            records=self._records,
            bars=self._found.bars,
            refused=self._found.refused,
            commits=sum(reader.groups for reader in self._readers),
            last_seq=end,
            witnessed_seq=max((one[0] for one in seen if one), default=0),
            is_witness_damaged=any(one is None or one[1] for one in seen),
            holes=tuple(self._found.holes),
            chain=chain.hex(),
            seconds=time.perf_counter() - started,
        )
