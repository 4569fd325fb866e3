"""How the files of a journal are read: checked, one after the other as one, with nobody else at them. What records do is elsewhere."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tapeloom._core import JournalReader
from tapeloom.errors import AlreadyOpenError, JournalError, JournalTruncatedError
from tapeloom.live.journal_remains import is_anything_of
from tapeloom.live.journal_writing import owner, sequel

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future
    from types import TracebackType

    from tapeloom._core import Journal, JournalRecords, SimulatedDisk

    Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]

__all__ = ["JournalReading", "files_of"]

_log = logging.getLogger("tapeloom.journal")

_ROWS = 200_000

_UNBEGUN = "%s was never begun, and is left out: it holds nothing"


class JournalReading:
    """The files of a journal while they are read: nobody else has them meanwhile.

    With ``only_reads`` nothing is left behind that was not there, and where nothing can be written they are not claimed.
    """

    def __init__(
        self,
        path: Paths,
        *,
        only_reads: bool,
        allow_network_fs: bool,
        disk: SimulatedDisk | None,
    ) -> None:
        self.paths = files_of(path, disk)
        self.files = list(self.paths)
        """Every file that lies there, those among them that were never begun."""
        self._only_reads = only_reads
        self._allow_network_fs = allow_network_fs
        self._disk = disk
        self._readers: list[JournalReader] = []
        self._records = 0
        # The last record that the witness of a file knows which is left out.
        self._left_out = 0

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
                    only_reads=self._only_reads,
                    allow_network_fs=self._allow_network_fs,
                    disk=self._disk,
                )
            except AlreadyOpenError:
                raise
            except JournalError:
                seen = None
                if path != self.paths[0] and self._disk is None:
                    seen = JournalReader.unbegun(
                        path, owner=owner(), only_reads=self._only_reads
                    )
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

    def resume(self, *, linger_seconds: float = 0.0) -> Journal:
        """Go on writing the last file, after everything was read; see ``_core.Journal`` for how long records linger."""
        return self._readers[-1].resume(linger_seconds=linger_seconds)

    def _read_all(self, take: Callable[[JournalRecords, Path], None]) -> None:
        """Have every record taken, in order, up to the end of the last file."""
        for at, (reader, path) in enumerate(
            zip(self._readers, self.paths, strict=True)
        ):
            with _Ahead(reader) as ahead:
                while (records := ahead.read()) is not None:
                    take(records, path)
                    self._records += len(records)
            if at + 1 < len(self._readers):
                self._check_link(reader, self._readers[at + 1], path)
        end, _ = self._readers[-1].end
        if end < self._left_out:
            text = f"{self.paths[-1]}: ends at record {end}, but record {self._left_out} was acknowledged in a file after it"
            raise JournalTruncatedError(
                text, path=self.paths[-1], last_seq=end, witnessed_seq=self._left_out
            )

    def _check_link(
        self, reader: JournalReader, following: JournalReader, path: Path
    ) -> None:
        begin, (end, chain) = following.first, reader.end
        if begin is not None and (begin[0] - 1, begin[1]) == (end, chain):
            return
        text = f"{path}: ends at record {end}, and the file after it does not follow it"
        raise JournalError(text, path=path, first_seq=end + 1)


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
