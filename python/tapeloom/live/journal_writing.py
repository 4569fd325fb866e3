"""The files that a session is written to, as they follow each other, and how its journal stands. What is written is elsewhere."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tapeloom._core import Journal
from tapeloom.errors import ArgumentError, ArgumentTypeError, JournalError, StateError
from tapeloom.live.journal_header import Header, Kind, Patience
from tapeloom.live.journal_order import JournalOrder
from tapeloom.live.journal_remains import is_anything_of, remove, withdraw
from tapeloom.session_data import SessionData
from tapeloom.session_data.life_cycle import require_flag

if TYPE_CHECKING:
    from types import TracebackType

    from tapeloom._core import BarData, SimulatedDisk
    from tapeloom.calendars.clock import Clock
    from tapeloom.live.recovery import JournalReport

__all__ = ["LINGER_SECONDS", "MODES", "JournalWriting", "owner", "sequel"]

_log = logging.getLogger("tapeloom.journal")

#: When what arrives may be read: after the disk has it, at once, or without a disk.
MODES = ("strict", "relaxed", "off")
#: How long records lie before they are committed, where nobody waits for them: together they take one sync of the disk.
LINGER_SECONDS = {"strict": 0.0, "relaxed": 0.005}


def owner() -> str:
    """Return who this process is, for those who find its journal open."""
    return f"process {os.getpid()} on {socket.gethostname()}"


def sequel(path: Path, number: int) -> Path:
    """Return the path of the n-th file of a journal: the first one has the plain name."""
    return path if number == 0 else path.with_name(f"{path.name}.{number}")


class JournalWriting(JournalOrder):
    """The file, or files, that a session is written to: how one is begun, followed by the next, and closed."""

    _disk: SimulatedDisk | None

    def _prepare(
        self,
        path: str | os.PathLike[str],
        session_data: SessionData,
        mode: str,
        clock: Clock | None,
        stall_seconds: float,
        allow_network_fs: bool,
    ) -> None:
        if mode not in MODES:
            text = f"mode is {mode!r}; it must be 'strict', 'relaxed' or 'off'"
            raise ArgumentError(text, got=mode)
        if not stall_seconds > 0:
            text = f"stall_seconds is {stall_seconds}; it must be above 0, such as 10"
            raise ArgumentError(text, got=stall_seconds)
        self._prepare_order(session_data, mode, clock, stall_seconds)
        self.path = Path(path)
        """The newest file of the journal."""
        self.recovery: JournalReport | None = None
        """What was found, where the journal was resumed."""
        self.corrections: list[BarData] = []
        """What the feed had corrected in the session that was recovered, until somebody goes on with it."""
        self._first = self.path
        self._files = 1
        self._allow_network_fs = require_flag(allow_network_fs, "allow_network_fs")

    def _know(self, patience: Patience | None, config: Mapping[str, Any]) -> None:
        if patience is not None and not isinstance(patience, Patience):
            text = f"patience is {type(patience).__name__}; it must be a Patience"
            raise ArgumentTypeError(text, got=patience)
        if not isinstance(config, Mapping):
            text = f"config is {type(config).__name__}; it must be a mapping such as a dict"
            raise ArgumentTypeError(text, got=config)
        self.patience = patience
        """That of the live session whose steps are written; ``None`` where none are."""
        self.config = dict(config)
        """What the session was configured with; empty where nothing was said."""
        _ = Header.of(self.session_data, patience, config).text()

    @property
    def state(self) -> str:
        """``"running"``; ``"degraded"`` once the disk failed: nothing is written, the session stays readable; ``"closed"``."""
        if self._is_closed:
            return "closed"
        failed = self._journal is not None and self._journal.stopped is not None
        return "degraded" if failed else "running"

    @property
    def takes_at_once(self) -> bool:
        """Whether a step is written without waiting for what was written before it, or for room in the queue."""
        if self._is_closed:
            return False
        if self._journal is None:
            return True
        waiting, bound = self._journal.fill
        has_room = not waiting if self.mode == "strict" else 2 * waiting < bound
        return has_room and self._journal.stopped is None

    @property
    def durable_seq(self) -> int:
        """Number of the last record that is on disk; 0 without a journal."""
        return 0 if self._journal is None else self._journal.durable_seq

    @property
    def last_seq(self) -> int:
        """Number of the last record; 0 without a journal."""
        return 0 if self._journal is None else self._journal.last_seq

    def health(self) -> dict[str, Any]:
        """Return state, cause, numbers, and how full the queue is, of how much."""
        waiting, bound = (0, 0) if self._journal is None else self._journal.fill
        return {
            "mode": self.mode,
            "state": self.state,
            "cause": None if self._journal is None else self._journal.stopped,
            "path": str(self.path),
            "last_seq": self.last_seq,
            "durable_seq": self.durable_seq,
            "queue": waiting,
            "queue_bound": bound,
        }

    def flush(self) -> None:
        """Wait until everything so far is on disk; ``JournalError`` if it never will be."""
        if self._journal is not None:
            self._wait(self._journal, self._journal.last_seq)

    def reopen(self, path: str | os.PathLike[str] | None = None) -> Path:
        """Go on in a new file after the disk failed; what was readable and not yet on disk is written first.

        Parameters
        ----------
        path
            The new file; by default the name of the first with the next number, beside it, where recovering finds it.

        Returns
        -------
        Path
            The new file. ``recover`` takes all files of a journal, those in other folders by name.

        Raises
        ------
        StateError
            If nothing failed.
        JournalError
            If the new file cannot be written; the session stays degraded.
        """
        with self._order:
            broken = self._journal
            if broken is None or self.state != "degraded":
                text = f"the journal is {self.state}; only a degraded one is reopened"
                raise StateError(text, got=self.state)
            # What is on disk is still on its way into the session.
            self._turns.begin_anew()
            wanted = sequel(self._first, self._files) if path is None else Path(path)
            is_ours = self._disk is None and not is_anything_of(wanted)
            at, previous = broken.durable
            try:
                opened = self._begin(wanted, last_seq=at, previous_hash=previous)
            except BaseException:
                if is_ours:
                    allowed = self._allow_network_fs
                    withdraw(wanted, owner=owner(), allow_network_fs=allowed)
                # What is left of it keeps its number.
                if path is None and self._is_there(wanted):
                    self._files += 1
                raise
            # Recovering finds files whose numbers follow each other.
            self._files += path is None
            if self.mode == "relaxed":
                broken.copy_waiting(opened, self._stall)
            self._wait(opened, opened.last_seq)
            self._journal, self.path = opened, wanted
        _log.warning("the journal goes on in %s", wanted)
        return wanted

    def _is_there(self, path: Path) -> bool:
        if self._disk is None:
            return is_anything_of(path)
        return path in self._disk.paths

    def turn_to(self, path: str | os.PathLike[str]) -> None:
        """Close this file and go on in another: that of the next session, before it is started.

        It begins with the symbols that the session keeps. Bars so far are not in it: they are history by then, and come
        from where history comes from.

        Raises
        ------
        JournalError
            If the file cannot be begun; nothing can be written until it is.
        """
        self.close()
        with self._order:
            self.path = self._first = Path(path)
            self._files = 1
            if self.mode != "off":
                self._journal = self._begin_anew(self.path)
            self._turns.begin_anew()
            self._is_closed = False

    def close(self) -> None:
        """Write what waits and close the file; again: nothing. ``JournalError`` if it had failed."""
        with self._order:
            if self._is_closed:
                return
            self._is_closed = True
            if self._journal is None:
                return
            if self._journal.stopped is None:
                self._put_clock(self._journal)
            self._journal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.close()
        except JournalError:
            # What went wrong first is what the caller should see.
            if kind is None:
                raise

    def _begin_anew(self, path: Path) -> Journal:
        """Begin the first file of a journal with the symbols that the session keeps; where that fails nothing is left."""
        # Whatever was there is somebody else's, and refused.
        is_ours = self._disk is None and not is_anything_of(path)
        opened: Journal | None = None
        try:
            opened = self._begin(path)
            for name in self.session_data._symbols:
                base, *derived = self.session_data._intervals(name)
                self._event(
                    opened,
                    Kind.REGISTER,
                    symbol=self._number(opened, name),
                    interval=base,
                    text=" ".join(derived),
                )
            self._wait(opened, opened.last_seq)
        except BaseException:
            if opened is not None:
                with suppress(JournalError):
                    opened.close()
                if is_ours:
                    remove(path)
            elif is_ours:
                allowed = self._allow_network_fs
                withdraw(path, owner=owner(), allow_network_fs=allowed)
            raise
        return opened

    def _begin(
        self, path: Path, *, last_seq: int = 0, previous_hash: bytes | None = None
    ) -> Journal:
        """Begin a file: its header, and the symbols that have numbers already."""
        header = Header.of(self.session_data, self.patience, self.config).text()
        opened = Journal(
            path,
            owner=owner(),
            allow_network_fs=self._allow_network_fs,
            last_seq=last_seq,
            previous_hash=previous_hash,
            linger_seconds=LINGER_SECONDS[self.mode],
            disk=self._disk,
        )
        try:
            self._event(opened, Kind.HEADER, text=header)
            for name, number in self._symbols.items():
                self._event(opened, Kind.SYMBOL, symbol=number, text=name)
            self._wait(opened, opened.last_seq)
        except BaseException:
            with suppress(JournalError):
                opened.close()
            raise
        return opened
