"""Puts whole files in place of old ones: locked against a second writer, and after a crash the old file or the new one."""

from __future__ import annotations

import contextlib
import os
from threading import Lock
from typing import TYPE_CHECKING, Protocol, Self

from tapeloom.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path
    from types import TracebackType

    from tapeloom.storage.files import Files

__all__ = ["Replacing", "replacing"]

_BESIDE = ".tmp"
_FLAGS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
# Folders can be opened, and files named relative to them, everywhere but on Windows.
_HAS_FOLDERS = os.open in os.supports_dir_fd and hasattr(os, "O_DIRECTORY")


class Replacing(Protocol):
    """Files of one folder that nobody else may write meanwhile."""

    def put(self, name: str, content: bytes) -> None:
        """Put a whole file in place of the one of that name, or leave the old one and raise StorageError."""

    def remove(self, name: str) -> None:
        """Remove a file."""


def replacing(
    files: Files, folder: Path, names: Sequence[str], *, anchor: Path
) -> AbstractContextManager[Replacing]:
    """Claim some files of a folder for writing.

    Parameters
    ----------
    files
        Where they lie.
    folder
        Their folder; made if it is not there, and taken away again if nothing was written.
    names
        The files that will be put or removed.
    anchor
        Folder above it, from which on no symbolic link is followed.

    Raises
    ------
    StorageError
        If another writer has claimed one of them, or the folder cannot be written to.

    Notes
    -----
    On the local disk the claim is a lock of the operating system on the file that will be renamed, so that it ends
    with the process that holds it. Elsewhere it holds among the threads of this process only.
    """
    if files.is_local:
        return _LocalReplacing(folder, names, anchor)
    return _RemoteReplacing(files, folder, names)


class _LocalReplacing:
    """Replaces files of a local folder, which it names by handle."""

    def __init__(self, folder: Path, names: Sequence[str], anchor: Path) -> None:
        self._folder = folder
        self._names = sorted(set(names))
        self._anchor = anchor
        self._handle: int | None = None
        self._claims: dict[str, int] = {}
        self._made: list[Path] = []

    def __enter__(self) -> Self:
        try:
            self._open_folder()
            self._clean()
            for name in self._names:
                self._claims[name] = self._claim(name)
        except BaseException as error:
            self._leave()
            if isinstance(error, OSError):
                raise _unwritable(self._folder, error) from error
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leave()

    def put(self, name: str, content: bytes) -> None:
        try:
            handle = self._claims[name]
            os.ftruncate(handle, 0)
            with os.fdopen(handle, "wb", closefd=False) as out:
                out.write(content)
            os.fsync(handle)
            self._rename(name)
            self._sync()
        except OSError as error:
            raise _unwritable(self._folder / name, error) from error

    def remove(self, name: str) -> None:
        try:
            self._unlink(name)
            self._sync()
        except OSError as error:
            raise _unwritable(self._folder / name, error) from error

    def _open_folder(self) -> None:
        """Open the folder, step by step from the anchor, making what is not there."""
        missing = [p for p in (self._folder, *self._folder.parents) if not p.exists()]
        if not _HAS_FOLDERS:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._made = missing
            return
        self._anchor.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDONLY | os.O_DIRECTORY
        self._handle = os.open(self._anchor, flags)
        for part in self._folder.relative_to(self._anchor).parts:
            with contextlib.suppress(FileExistsError):
                os.mkdir(part, dir_fd=self._handle)
            deeper = os.open(part, flags | _FLAGS, dir_fd=self._handle)
            os.close(self._handle)
            self._handle = deeper
        self._made = missing

    def _claim(self, name: str) -> int:
        """Lock the file that will be renamed; it is what a crash leaves, for the next writer to use."""
        beside = self._beside(name)
        while True:
            handle = self._open(beside, os.O_RDWR | os.O_CREAT)
            if not _locked(handle):
                os.close(handle)
                text = f"{self._folder / name}: is being written by another writer; try again when it is done"
                raise StorageError(text, path=str(self._folder / name))
            if self._is_still(handle, beside):
                return handle
            # The writer before us has renamed it between our opening and locking it.
            os.close(handle)

    def _clean(self) -> None:
        """Remove what crashed writers left of other files."""
        mine = {self._beside(name) for name in self._names}
        where = self._folder if self._handle is None else self._handle
        for name in os.listdir(where):  # noqa: PTH208, the folder is known by handle
            if not (name.startswith(".") and name.endswith(_BESIDE)) or name in mine:
                continue
            with contextlib.suppress(OSError):
                handle = self._open(name, os.O_RDWR)
                try:
                    if _locked(handle):
                        self._unlink(name)
                finally:
                    os.close(handle)

    def _leave(self) -> None:
        for name, handle in self._claims.items():
            beside = self._beside(name)
            with contextlib.suppress(OSError):
                if self._is_still(handle, beside):
                    self._unlink(beside)
            os.close(handle)
        self._claims.clear()
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
        for folder in self._made:
            # Only those that are empty: nothing was written below them.
            with contextlib.suppress(OSError):
                folder.rmdir()

    def _beside(self, name: str) -> str:
        return f".{name}{_BESIDE}"

    def _at(self, name: str) -> str:
        return name if self._handle is not None else str(self._folder / name)

    def _open(self, name: str, flags: int) -> int:
        wanted = flags | _FLAGS | getattr(os, "O_BINARY", 0)
        return os.open(self._at(name), wanted, 0o666, dir_fd=self._handle)

    def _unlink(self, name: str) -> None:
        os.unlink(self._at(name), dir_fd=self._handle)

    def _rename(self, name: str) -> None:
        beside = self._beside(name)
        if self._handle is None:
            # Windows renames no open file.
            os.close(self._claims.pop(name))
        os.replace(
            self._at(beside),
            self._at(name),
            src_dir_fd=self._handle,
            dst_dir_fd=self._handle,
        )

    def _is_still(self, handle: int, name: str) -> bool:
        try:
            there = os.stat(self._at(name), dir_fd=self._handle, follow_symlinks=False)
        except FileNotFoundError:
            return False
        mine = os.fstat(handle)
        return (there.st_ino, there.st_dev) == (mine.st_ino, mine.st_dev)

    def _sync(self) -> None:
        """Make the new name survive a power cut; Windows keeps names by itself."""
        if self._handle is not None:
            os.fsync(self._handle)


class _RemoteReplacing:
    """Replaces files of another filesystem."""

    _lock = Lock()
    _claimed: set[tuple[str, str]] = set()  # noqa: RUF012, shared by all on purpose

    def __init__(self, files: Files, folder: Path, names: Sequence[str]) -> None:
        self._files = files
        self._folder = folder
        kind = files.filesystem.type_name
        self._keys = {(kind, (folder / name).as_posix()) for name in names}

    def __enter__(self) -> Self:
        with self._lock:
            taken = sorted(path for _, path in self._keys & self._claimed)
            if taken:
                text = f"{taken[0]}: is being written by another thread; try again when it is done"
                raise StorageError(text, path=taken[0])
            self._claimed.update(self._keys)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._lock:
            self._claimed.difference_update(self._keys)

    def put(self, name: str, content: bytes) -> None:
        self._files.put(self._folder / name, content)

    def remove(self, name: str) -> None:
        self._files.delete(self._folder / name)


def _locked(handle: int) -> bool:
    """Lock an open file, if nobody has; the lock ends with the handle or its process."""
    try:
        import fcntl
    except ImportError:
        return _locked_on_windows(handle)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _locked_on_windows(handle: int) -> bool:
    import msvcrt

    lock: Iterable[object] = (handle, getattr(msvcrt, "LK_NBLCK", 2), 1)
    try:
        msvcrt.locking(*lock)  # type: ignore[attr-defined]
    except OSError:
        return False
    return True


def _unwritable(path: Path, error: OSError) -> StorageError:
    reason = (error.strerror or str(error)).lower()
    if error.errno in (40, 20) and path.is_symlink():
        reason = "is a symbolic link, and none is followed below the root"
    return StorageError(f"{path}: cannot be written: {reason}", path=str(path))
