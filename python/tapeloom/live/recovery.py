"""A session out of its journal: every record checked, offered again in order, and a report of what was found."""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tapeloom._core import JournalReader, JournalReplay
from tapeloom.calendars.days import from_day
from tapeloom.errors import (
    AlreadyOpenError,
    ArgumentError,
    JournalError,
    JournalTruncatedError,
    TapeloomError,
    UnknownSymbolError,
)
from tapeloom.live.journal_header import CLEARED, STATES, Header, Kind
from tapeloom.live.journal_remains import is_anything_of
from tapeloom.live.journal_writing import owner, sequel
from tapeloom.statuses import ConnectionEvent, TradingStatus

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Future
    from datetime import date
    from types import TracebackType

    from tapeloom._core import Bars, Journal, JournalRecords, SimulatedDisk
    from tapeloom.calendars.time_manager import TimeManager
    from tapeloom.live.journal_header import Patience
    from tapeloom.session_data import SessionData

    Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]

__all__ = ["JournalReport", "Recovery", "files_of", "journal_bars", "recover", "verify"]

_log = logging.getLogger("tapeloom.journal")

_ROWS = 200_000

_UNBEGUN = "%s was never begun, and is left out: it holds nothing"


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


class Recovery:
    """The files of a journal while they are read: nobody else has them meanwhile."""

    def __init__(
        self,
        path: Paths,
        *,
        time_manager: TimeManager | None = None,
        allow_network_fs: bool = False,
        disk: SimulatedDisk | None = None,
        last: date | None = None,
    ) -> None:
        self.paths = files_of(path, disk)
        self.files = list(self.paths)
        """Every file that lies there, those among them that were never begun."""
        self._time_manager = time_manager
        self._allow_network_fs = allow_network_fs
        self._disk = disk
        self._last = last
        self._is_over = False
        self.dates: list[date] = []
        """Dates of the sessions that began, in order."""
        self._readers: list[JournalReader] = []
        self._session: SessionData | None = None
        self._again: JournalReplay | None = None
        self.patience: Patience | None = None
        """That of the live session whose steps were written; ``None`` where none were."""
        self.config: Mapping[str, Any] = {}
        """What the session was configured with."""
        self._records = self._bars = self._refused = 0
        # The last record that the witness of a file knows which is left out.
        self._left_out = 0
        self._holes: list[tuple[int, str]] = []

    def __enter__(self) -> Self:
        try:
            self._open()
            self._leave_out_unbegun()
            self._limit()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def _close(self) -> None:
        for reader in self._readers:
            reader.close()

    def _open(self) -> None:
        """Open every file; one after the first that a process ended in the midst of making is left out."""
        for path in list(self.paths):
            try:
                reader = JournalReader(
                    path,
                    owner=owner(),
                    allow_network_fs=self._allow_network_fs,
                    disk=self._disk,
                )
            except AlreadyOpenError:
                raise
            except JournalError:
                seen = None
                if path != self.paths[0] and self._disk is None:
                    seen = JournalReader.unbegun(path, owner=owner())
                if seen is None:
                    raise
                self._left_out = max(self._left_out, seen)
                self.paths.remove(path)
                _log.warning(_UNBEGUN, path)
            else:
                self._readers.append(reader)

    def _leave_out_unbegun(self) -> None:
        """Leave out files after the first that a broken disk never let begin: nothing was acknowledged in them.

        One with acknowledged records that are lost is found all the same: the file after it does not follow the one before
        it, or its witness names a record that nobody has.
        """
        readers, paths = self._readers[:1], self.paths[:1]
        for reader, path in zip(self._readers[1:], self.paths[1:], strict=True):
            if reader.first is None:
                seen = reader.witnessed
                self._left_out = max(self._left_out, seen[0] if seen else 0)
                reader.close()
                _log.warning(_UNBEGUN, path)
            else:
                readers.append(reader)
                paths.append(path)
        self._readers, self.paths = readers, paths

    def _limit(self) -> None:
        """Let each file end where the next one begins: what it holds beyond that was never acknowledged."""
        for reader, path, following in zip(
            self._readers, self.paths, self._readers[1:], strict=False
        ):
            begin = following.first
            if begin is None:
                text = f"{path}: the file after it was never begun; remove that one, or salvage"
                raise JournalError(text, path=path)
            reader.stop_after(begin[0] - 1)

    def replay(self) -> tuple[SessionData, JournalReport]:
        """Return the session and what was found."""
        report = self._walk(self._apply)
        if self._session is None:
            text = f"{self.paths[0]}: the journal has no header; it was never begun"
            raise JournalError(text, path=self.paths[0])
        _log.info(
            "recovered %d records, %d bars, from %s in %.3f s",
            report.records,
            report.bars,
            self.paths[0],
            report.seconds,
        )
        return self._session, report

    def check(self) -> JournalReport:
        """Read everything and return what was found."""
        return self._walk(self._count)

    def resume(self, *, linger_seconds: float = 0.0) -> Journal:
        """Go on writing the last file, after :meth:`replay`; see ``_core.Journal`` for how long records linger."""
        return self._readers[-1].resume(linger_seconds=linger_seconds)

    @property
    def names(self) -> list[str | None]:
        """Symbols by number; 0 is none."""
        return [None] if self._again is None else self._again.names

    def _walk(self, take: Callable[[JournalRecords, Path], None]) -> JournalReport:
        started = time.perf_counter()
        for at, (reader, path) in enumerate(
            zip(self._readers, self.paths, strict=True)
        ):
            with _Ahead(reader) as ahead:
                while (records := ahead.read()) is not None:
                    take(records, path)
                    self._records += len(records)
            if at + 1 < len(self._readers):
                self._check_link(reader, self._readers[at + 1], path)
        end, chain = self._readers[-1].end
        if end < self._left_out:
            text = f"{self.paths[-1]}: ends at record {end}, but record {self._left_out} was acknowledged in a file after it"
            raise JournalTruncatedError(
                text, path=self.paths[-1], last_seq=end, witnessed_seq=self._left_out
            )
        seen = [reader.witnessed for reader in self._readers]
        return JournalReport(
            paths=tuple(self.paths),
            records=self._records,
            bars=self._bars,
            refused=self._refused,
            commits=sum(reader.groups for reader in self._readers),
            last_seq=end,
            witnessed_seq=max((one[0] for one in seen if one), default=0),
            is_witness_damaged=any(one is None or one[1] for one in seen),
            holes=tuple(self._holes),
            chain=chain.hex(),
            seconds=time.perf_counter() - started,
        )

    def _check_link(
        self, reader: JournalReader, following: JournalReader, path: Path
    ) -> None:
        begin, (end, chain) = following.first, reader.end
        if begin is not None and (begin[0] - 1, begin[1]) == (end, chain):
            return
        text = f"{path}: ends at record {end}, and the file after it does not follow it"
        raise JournalError(text, path=path, first_seq=end + 1)

    def _count(self, records: JournalRecords, path: Path) -> None:
        texts = dict(records.texts)
        columns = records.columns()
        events = records.events
        is_bar = (columns["kind"] == Kind.BAR) | (columns["kind"] == Kind.CORRECTION)
        self._bars += int(is_bar.sum())
        for row in events:
            if columns["kind"][row] == Kind.HOLE:
                self._holes.append((int(columns["ts"][row]), texts.get(row, "")))

    def _apply(self, records: JournalRecords, path: Path) -> None:
        """Do everything again, in stretches between what is done here, up to the end of the session that was asked for."""
        columns, texts = records.columns(), dict(records.texts)
        start = 0
        for row in [*records.events, len(records)]:
            if self._is_over:
                return
            if row > start:
                if self._again is None:
                    text = f"{path}: records come before the header of the journal"
                    raise JournalError(text, path=path, first_seq=records.first_seq)
                has_holes = bool(self._holes)
                bars, refused = self._again.take(records, start, row, has_holes)
                self._bars += bars
                self._refused += refused
            if row < len(records):
                event = _Event(
                    kind=Kind(int(columns["kind"][row])),
                    seq=records.first_seq + row,
                    flags=int(columns["flags"][row]),
                    symbol=int(columns["symbol"][row]),
                    ts=int(columns["ts"][row]),
                    text=texts.get(row, ""),
                )
                self._do(event, path)
            start = row + 1

    def _do(self, event: _Event, path: Path) -> None:
        if event.kind is Kind.HEADER:
            self._begin(event, path)
        elif event.kind is Kind.HOLE:
            self._holes.append((event.ts, event.text))
        else:
            if self._session is None:
                raise _damaged(event, path, "it comes before the header")
            try:
                self._change(self._session, event, path)
            except JournalError:
                raise
            except TapeloomError:
                # It was refused when it came, and so it is now.
                self._refused += 1

    def _begin(self, event: _Event, path: Path) -> None:
        header = Header.read(event.text, path)
        if self._session is None:
            self._session = header.session(self._time_manager, path)
            self.patience, self.config = header.patience, header.config
            waits = header.patience
            self._again = JournalReplay(
                self._session,
                patience=None
                if waits is None
                else (waits.grace_ns, waits.tolerance_ns),
            )
        else:
            header.require_calendar(self._session, path)

    def _change(self, session: SessionData, event: _Event, path: Path) -> None:
        kind = event.kind
        if kind is Kind.SESSION_START:
            day = from_day(event.ts)
            stands = session.current_session_date
            if stands is not None and stands == self._last and day != stands:
                self._is_over = True
                return
            session.start_new_session(day, roll=bool(event.flags))
            self.dates.append(day)
        elif kind is Kind.SESSION_END:
            session.end_session()
        elif kind is Kind.CONNECTION:
            up = bool(event.flags)
            session.append_connection(ConnectionEvent(event.ts, up, event.text))
        elif kind is Kind.STATUS:
            state = _word(STATES, event, path)
            name = None if event.symbol == 0 else self._name(event, path)
            session.append_status(name, TradingStatus(event.ts, state, event.text))
        elif kind is Kind.CLEAR:
            what = _word(CLEARED, event, path)
            {
                "session": session.clear_session_bars,
                "history": session.clear_historical_bars,
                "all": session.clear_all,
            }[what]()
        else:
            session.remove_symbol(self._name(event, path))

    def _name(self, event: _Event, path: Path) -> str:
        name = None if self._again is None else self._again.name(event.symbol)
        if name is None and self._holes:
            # Its name was lost with the records that a salvage could not keep.
            raise UnknownSymbolError(f"symbol {event.symbol} has no name any more")
        if name is None:
            raise _damaged(event, path, f"symbol {event.symbol} has no name")
        return name


class _Ahead:
    """Reads a file while what was read before is done again; a file that is read at once has no thread for it."""

    def __init__(self, reader: JournalReader) -> None:
        self._reader = reader
        self._thread: ThreadPoolExecutor | None = None
        self._next: Future[JournalRecords | None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._thread is not None:
            # It has the reader, which is closed or written by whoever comes next.
            self._thread.shutdown(wait=True)

    def read(self) -> JournalRecords | None:
        read = self._reader.read
        found = read(_ROWS) if self._next is None else self._next.result()
        self._next = None
        if found is not None and len(found) >= _ROWS:
            if self._thread is None:
                self._thread = ThreadPoolExecutor(1, "tapeloom-recovery")
            self._next = self._thread.submit(read, _ROWS)
        return found


@dataclass(frozen=True, slots=True)
class _Event:
    kind: Kind
    seq: int
    flags: int
    symbol: int
    ts: int
    text: str


def _word(words: Sequence[str], event: _Event, path: Path) -> str:
    if event.flags >= len(words):
        raise _damaged(event, path, f"{event.flags} is none of {', '.join(words)}")
    return words[event.flags]


def _damaged(event: _Event, path: Path, rule: str) -> JournalError:
    text = f"{path}: record {event.seq} cannot be used: {rule}; salvage keeps the rest"
    return JournalError(text, path=path, first_seq=event.seq)


def files_of(path: Paths, disk: SimulatedDisk | None = None) -> list[Path]:
    """Return the files of a journal, oldest first: the one named and those with the next numbers."""
    if not isinstance(path, list | tuple):
        first = Path(path)  # type: ignore[arg-type]  # a sequence of paths is a list or a tuple
        found = [first]
        on_disk = None if disk is None else set(disk.paths)
        # One that was never begun may lack the file itself, and another may follow it.
        while _is_there(following := sequel(first, len(found)), on_disk):
            found.append(following)
        return found
    if not path:
        text = "no file of a journal was named"
        raise JournalError(text)
    return [Path(one) for one in path]


def _is_there(path: Path, on_disk: set[Path] | None) -> bool:
    return is_anything_of(path) if on_disk is None else path in on_disk
