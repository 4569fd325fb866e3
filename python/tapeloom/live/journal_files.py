"""The journals of a live run: one a session, in a folder; found again after a crash, turned into stored bars at its end."""

from __future__ import annotations

import logging
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tapeloom._core import JournalReader
from tapeloom.errors import ConfigError, JournalError, TapeloomError
from tapeloom.live.journal import SessionJournal
from tapeloom.live.journal_export import export
from tapeloom.live.journal_reading import files_of
from tapeloom.live.journal_writing import owner

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tapeloom.calendars.time_manager import TimeManager
    from tapeloom.live.journal_header import Patience
    from tapeloom.session_data import SessionData
    from tapeloom.storage.data_manager import DataManager

__all__ = ["JournalFiles"]

_log = logging.getLogger("tapeloom.journal")

_ENDING = ".journal"


class JournalFiles:
    """Where the journals of a run lie, and what becomes of them.

    Parameters
    ----------
    folder
        The folder, made when it is first needed; ``None`` with mode ``"off"``.
    mode
        ``"strict"``, ``"relaxed"`` or ``"off"``.
    patience
        How the session waits for its bars; kept in the journal, so that it is recovered in the same way.
    config
        The configuration, kept in the journal.
    time_manager
        Clock and calendar of the run.
    storage
        Where the bars of a session go at its end; ``None`` leaves them in the journal.
    stall_seconds, allow_network_fs
        As of ``SessionJournal``.
    """

    def __init__(
        self,
        folder: Path | None,
        *,
        mode: str,
        patience: Patience,
        config: Mapping[str, object],
        time_manager: TimeManager,
        storage: DataManager | None,
        stall_seconds: float = 10.0,
        allow_network_fs: bool = False,
    ) -> None:
        if folder is None and mode != "off":
            text = f"live_config.journal is {mode!r}, but there is no folder for it; give live_config.journal_folder"
            raise ConfigError(text)
        self._folder = Path() if folder is None else folder
        self._mode = mode
        self._patience = patience
        self._config = config
        self._time_manager = time_manager
        self._storage = storage
        self._stall_seconds = stall_seconds
        self._allow_network_fs = allow_network_fs

    def path_of(self, session_date: date) -> Path:
        """Return the first file of a session's journal."""
        return self._folder / f"{session_date.isoformat()}{_ENDING}"

    def open(
        self, session_date: date, make: Callable[[], SessionData]
    ) -> SessionJournal:
        """Return the journal of a session: the one that a crash left behind, or a new one.

        Parameters
        ----------
        session_date
            Which session.
        make
            Makes an empty store for a new journal.

        Raises
        ------
        JournalError
            If the one that is there is damaged; ``AlreadyOpenError`` if somebody writes it.
        ConfigError
            If it is of a session of another name.
        """
        path = self.path_of(session_date)
        if self._mode == "off":
            return SessionJournal(path, make(), mode="off")
        self._folder.mkdir(parents=True, exist_ok=True)
        self._keep_those_before(session_date)
        self._set_aside(path)
        if path.exists():
            journal = SessionJournal.resume(
                path,
                mode=self._mode,
                clock=self._time_manager.clock,
                stall_seconds=self._stall_seconds,
                allow_network_fs=self._allow_network_fs,
                time_manager=self._time_manager,
            )
            self._require_mine(journal)
            _log.warning("the session goes on where %s ends", journal.path)
            if journal.patience not in (None, self._patience):
                text = "%s was begun with %s and goes on with it; %s counts from the next journal on"
                _log.warning(text, journal.path, journal.patience, self._patience)
            return journal
        return SessionJournal(
            path,
            make(),
            mode=self._mode,
            clock=self._time_manager.clock,
            stall_seconds=self._stall_seconds,
            allow_network_fs=self._allow_network_fs,
            patience=self._patience,
            config=self._config,
        )

    def _set_aside(self, path: Path) -> bool:
        """Clear the way where a process ended before its journal was begun: nothing was acknowledged there."""
        if len(files_of(path)) > 1:
            return False
        aside = JournalReader.set_aside(path, owner=owner())
        if aside is None:
            return False
        text = "%s was never begun, its process ended before; it holds nothing and is kept as %s"
        _log.warning(text, path, aside)
        return True

    def _require_mine(self, journal: SessionJournal) -> None:
        """Refuse to go on with the session of another configuration in the same folder."""
        wanted, found = (
            config.get("session_name") for config in (self._config, journal.config)
        )
        if wanted is not None and found is not None and wanted != found:
            path = journal.path
            journal.close()
            text = f"live_config.journal_folder: {path} is of the session {found!r}, not of {wanted!r}; give each a folder of its own"
            raise ConfigError(text, got=str(path))

    def turn_to(self, journal: SessionJournal, session_date: date) -> None:
        """Let a journal go on with the next session."""
        journal.turn_to(self.path_of(session_date))

    def keep(self, journal: SessionJournal) -> int | None:
        """Close the journal of a session that has ended, and turn it into stored bars.

        Returns
        -------
        int or None
            Bars that were stored; ``None`` if they stay in the journal, because nothing is to be stored or it failed. Then
            the log says why, and the next run tries again.
        """
        try:
            journal.close()
        except JournalError as error:
            # It was flushed before: every record is on disk, and found by the next run.
            _log.error("the bars of %s stay in the journal: %s", journal.path, error)
            return None
        if self._storage is None:
            return None
        if self._mode == "off":
            try:
                return self._store(journal.session_data)
            except (TapeloomError, OSError) as error:
                # The sessions to come are worth more than the end of this run would be.
                text = "the bars of %s were not stored, and there is no journal that has them: %s: %s"
                day = journal.session_data.current_session_date
                _log.error(text, day, type(error).__name__, error)
                return None
        return self._export(journal._first)

    def _keep_those_before(self, session_date: date) -> None:
        """Turn what earlier runs left behind into stored bars, so that it is part of the history."""
        if self._storage is None:
            return
        for path in sorted(self._folder.glob(f"*{_ENDING}")):
            day = _date_of(path)
            if day is not None and day < session_date and not self._is_unbegun(path):
                self._export(path)

    def _is_unbegun(self, path: Path) -> bool:
        """Whether there is nothing to store; what is wrong with any other the export tells."""
        try:
            return self._set_aside(path)
        except JournalError:
            return False

    def _export(self, path: Path) -> int | None:
        assert self._storage is not None
        store = partial(
            export,
            path,
            self._storage.root,
            time_manager=self._time_manager,
            allow_network_fs=self._allow_network_fs,
        )
        try:
            try:
                report = store(remove=True)
            except JournalError as error:
                # What only the journal has, such as bars without a place, is kept in it; the others are stored.
                report = store()
                _log.warning("stored, and kept as well: %s", error)
        except (TapeloomError, OSError) as error:
            text = "the bars of %s stay in the journal: %s: %s"
            _log.error(text, path, type(error).__name__, error)
            return None
        # They were written beside this storage, which would not see new files.
        self._storage.look_again()
        return report.bars

    def _store(self, session_data: SessionData) -> int:
        assert self._storage is not None
        stored = 0
        for name in session_data._symbols:
            bars = session_data.get_bars(name)
            if len(bars):
                self._storage.write_bars(
                    name, bars.interval, bars, on_duplicate="replace"
                )
                stored += len(bars)
        return stored


def _date_of(path: Path) -> date | None:
    try:
        return date.fromisoformat(path.name.removesuffix(_ENDING))
    except ValueError:
        return None
