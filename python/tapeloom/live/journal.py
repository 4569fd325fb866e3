"""``SessionJournal``: what changes a session is on disk before the session changes, and survives any crash."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tapeloom._core import SimulatedDisk
from tapeloom.errors import ArgumentError, ArgumentTypeError, StateError
from tapeloom.live.journal_bar_writing import BarWriting
from tapeloom.live.journal_header import Patience
from tapeloom.live.journal_writing import LINGER_SECONDS
from tapeloom.session_data import SessionData

if TYPE_CHECKING:
    from tapeloom.calendars.clock import Clock
    from tapeloom.calendars.time_manager import TimeManager

__all__ = ["SessionJournal", "SimulatedDisk"]


class SessionJournal(BarWriting):
    """Writes a session: each change goes to disk first, then into the session, then the call returns.

    Any number of threads may write. The order of the records is the order in which the session changed, so that
    :func:`tapeloom.live.recovery.recover` ends with the same ``state_hash()``. Reading goes to ``session_data``. Whoever
    changes the session past the journal loses that change in a crash.

    Parameters
    ----------
    path
        File to begin; nothing that is there is replaced. :meth:`resume` goes on with one.
    session_data
        The session, without symbols, bars or a session date yet.
    mode
        ``"strict"``: a change is visible, and the call returns, when it is on disk. ``"relaxed"``: at once; what
        ``durable_seq`` has reached is on disk, as a rule all but the last milliseconds. ``"off"``: nothing is written.
    clock
        Where times of arrival come from; the wall clock by default.
    stall_seconds
        How long to wait for the disk before giving up on it.
    allow_network_fs
        Whether the file may lie on a network file system, whose syncs and locks cannot be relied on.
    patience
        That of the live session whose steps are written; kept in the file, for recovering takes them as they were taken.
    config
        What the session is configured with, as JSON would have it, without secrets; kept in the file.
    disk
        Where the file lies in a simulation.

    Raises
    ------
    JournalError
        If the file cannot be begun; ``AlreadyOpenError`` if somebody writes it.
    StateError
        If the session holds something that the journal would not know.
    ArgumentError
        For an unknown mode, a time that is not above 0, or a configuration that is no JSON.

    Examples
    --------
    >>> import tempfile
    >>> from tapeloom import BarData, SessionData
    >>> from tapeloom.live.journal import SessionJournal
    >>> from tapeloom.live.recovery import recover
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = folder.name + "/day.journal"
    >>> with SessionJournal(path, SessionData(), allow_network_fs=True) as journal:
    ...     journal.add_bar("AAPL", BarData("AAPL", 1_751_463_000_000_000_000, 10, 11, 9, 10.5, 100))
    <Outcome.ACCEPTED: 'accepted'>
    >>> recover(path, allow_network_fs=True).state_hash() == journal.session_data.state_hash()
    True
    >>> folder.cleanup()
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        session_data: SessionData,
        *,
        mode: str = "strict",
        clock: Clock | None = None,
        stall_seconds: float = 10.0,
        allow_network_fs: bool = False,
        patience: Patience | None = None,
        config: Mapping[str, Any] | None = None,
        disk: SimulatedDisk | None = None,
    ) -> None:
        if not isinstance(session_data, SessionData):
            text = f"session_data is {type(session_data).__name__}; it must be a SessionData"
            raise ArgumentTypeError(text, got=session_data)
        if session_data._symbols or session_data.current_session_date is not None:
            text = "the session has symbols or a date already, which the journal would not know; begin with an empty one, or resume()"
            raise StateError(text)
        self._prepare(path, session_data, mode, clock, stall_seconds, allow_network_fs)
        self._disk = disk
        self._know(patience, {} if config is None else config)
        if mode != "off":
            self._journal = self._begin_anew(self.path)

    @classmethod
    def resume(
        cls,
        path: str | os.PathLike[str],
        *,
        mode: str = "strict",
        clock: Clock | None = None,
        stall_seconds: float = 10.0,
        allow_network_fs: bool = False,
        time_manager: TimeManager | None = None,
        disk: SimulatedDisk | None = None,
    ) -> Self:
        """Recover a journal and go on writing it; ``session_data`` and ``recovery`` are what was recovered.

        Nobody takes steps in the session then: whoever goes on opens a ``Live`` with the ``patience`` that was kept.

        Parameters
        ----------
        path
            The first file of the journal.
        time_manager
            Calendar of the session, where it has corrections of its own.
        disk
            Where the file lies in a simulation.

        Raises
        ------
        JournalError
            If a record is damaged; ``JournalTruncatedError`` if acknowledged ones are missing, ``AlreadyOpenError`` if
            somebody writes it. ``tapeloom journal salvage`` keeps what can be read.
        """
        from tapeloom.live.recovery import Recovery

        if mode == "off":
            text = "mode is 'off'; a journal that is resumed is written, 'strict' or 'relaxed'"
            raise ArgumentError(text, got=mode)
        with Recovery(
            Path(path),
            time_manager=time_manager,
            only_reads=False,
            allow_network_fs=allow_network_fs,
            disk=disk,
        ) as found:
            session, report = found.replay()
            journal = cls.__new__(cls)
            journal._prepare(
                path, session, mode, clock, stall_seconds, allow_network_fs
            )
            journal._disk = disk
            journal._know(found.patience, found.config)
            journal.recovery = report
            journal.corrections = found.corrections
            journal._symbols = {
                name: number
                for number, name in enumerate(found.names)
                if name is not None
            }
            journal._files = len(found.files)
            journal.path = found.paths[-1]
            journal._journal = found.resume(linger_seconds=LINGER_SECONDS[mode])
        return journal

    def __repr__(self) -> str:
        return f"SessionJournal({str(self.path)!r}, {self.mode}, {self.state}, {self.durable_seq} of {self.last_seq} on disk)"
