"""Files on the local disk or on any other filesystem that pyarrow reaches: what there is, and reading it."""

from __future__ import annotations

import glob
import os
import re
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TypeAlias

from tapeloom.errors import ArgumentError, ArgumentTypeError, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow as pa
    import pyarrow.fs as pafs

__all__ = ["Files", "Mark", "check_inside", "reach"]

#: What changes when a file does: time of its last change, size, number on the disk.
Mark: TypeAlias = "tuple[int, int, int]"

_SUFFIX = ".parquet"
_MAGIC = {
    "**/": "(?:[^/]+/)*",
    "**": ".*",
    "*": "[^/]*",
    "?": "[^/]",
}


class Files:
    """Where a store lies. Paths are inside of it.

    Parameters
    ----------
    filesystem
        A ``pyarrow.fs.FileSystem``; ``None`` is the local disk.
    """

    def __init__(self, filesystem: pafs.FileSystem | None = None) -> None:
        self._filesystem = filesystem

    @property
    def is_local(self) -> bool:
        """Whether it is the local disk, with links, locks and folders that can be synced."""
        return self._filesystem is None

    @cached_property
    def filesystem(self) -> pafs.FileSystem:
        """The filesystem as pyarrow has it."""
        if self._filesystem is None:
            import pyarrow.fs as pafs

            return pafs.LocalFileSystem()
        return self._filesystem

    def is_file(self, path: Path) -> bool:
        """Whether a path is a file."""
        if not self.is_local:
            return self._kind(path) == "file"
        with _named_errors(path):
            return path.is_file()

    def is_folder(self, path: Path) -> bool:
        """Whether a path is a folder."""
        if not self.is_local:
            return self._kind(path) == "folder"
        with _named_errors(path):
            return path.is_dir()

    def mark(self, path: Path) -> Mark:
        """Return what changes when the file does. Raises StorageError if there is none."""
        if not self.is_local:
            (info,) = self._infos([path.as_posix()])
            if not info.is_file:
                text = f"{path}: cannot be read: no such file"
                raise StorageError(text, path=str(path))
            return info.mtime_ns or 0, info.size or 0, 0
        try:
            status = path.stat()
        except OSError as error:
            text = f"{path}: cannot be read: {(error.strerror or str(error)).lower()}"
            raise StorageError(text, path=str(path)) from error
        return status.st_mtime_ns, status.st_size, status.st_ino

    def opened(self, path: Path) -> pa.NativeFile:
        """Open a file for reading at any place."""
        return self.filesystem.open_input_file(path.as_posix())

    def folders(self, parent: Path) -> list[Path]:
        """Return the folders in a folder, sorted; none if it is not there."""
        if self.is_local:
            with _named_errors(parent):
                if not parent.is_dir():
                    return []
                return sorted(p for p in parent.iterdir() if p.is_dir())
        return sorted(
            Path(i.path)
            for i in self._listed(parent, recursive=False)
            if _kind(i) == "folder"
        )

    def parquet_below(self, folder: Path) -> list[Path]:
        """Return the Parquet files at any depth.

        Names with a dot or underscore in front are temporary files and the side files of other writers.

        Raises
        ------
        StorageError
            If a symbolic link leads out of the folder or nowhere, or a folder cannot be read.
        """
        if not self.is_local:
            found = (
                Path(i.path) for i in self._listed(folder, recursive=True) if i.is_file
            )
            return [path for path in found if _is_ours(path.name)]
        with _named_errors(folder):
            return [Path(path) for path in _walk(str(folder), folder.resolve())]

    def matches(self, pattern: str) -> list[Path]:
        """Return what a glob pattern names, sorted."""
        if self.is_local:
            return sorted(Path(m) for m in glob.glob(pattern, recursive=True))  # noqa: PTH207, a pattern may be absolute
        parts = PurePosixPath(pattern).parts
        plain = [*parts[: next(i for i, p in enumerate(parts) if glob.has_magic(p))]]
        expression = re.compile(
            re.sub(
                r"\*\*/|\*\*|\*|\?|[^*?]+",
                lambda m: _MAGIC.get(m[0]) or re.escape(m[0]),
                str(PurePosixPath(pattern)),
            )
        )
        below = self._listed(Path(*plain), recursive=True)
        return sorted(Path(i.path) for i in below if expression.fullmatch(i.path))

    def delete(self, path: Path) -> None:
        """Remove a file of a filesystem that is not local."""
        self._named(path, lambda: self.filesystem.delete_file(path.as_posix()))

    def put(self, path: Path, content: bytes) -> None:
        """Write a whole file of a filesystem that is not local in place of what is there.

        Stores of objects show an object once it is complete; on others it is written beside and renamed.
        """
        filesystem = self.filesystem
        target = path.as_posix()
        beside = path.with_name(f".{path.name}.tmp").as_posix()
        atomic = filesystem.type_name in ("s3", "gcs", "abfs")

        def write() -> None:
            if not atomic:
                filesystem.create_dir(path.parent.as_posix(), recursive=True)
            with filesystem.open_output_stream(target if atomic else beside) as out:
                out.write(content)
            if not atomic:
                filesystem.move(beside, target)

        self._named(path, write)

    def _named(self, path: Path, call: Callable[[], Any]) -> None:
        import pyarrow as pa

        try:
            call()
        except (OSError, pa.ArrowException) as error:
            text = f"{path}: cannot be written: {str(error).strip().lower()}"
            raise StorageError(text, path=str(path)) from error

    def _kind(self, path: Path) -> str | None:
        (info,) = self._infos([path.as_posix()])
        return _kind(info)

    def _listed(self, folder: Path, *, recursive: bool) -> list[Any]:
        import pyarrow.fs as pafs

        wanted = pafs.FileSelector(
            folder.as_posix(), recursive=recursive, allow_not_found=True
        )
        return self._infos(wanted)

    def _infos(self, wanted: Any) -> list[Any]:
        import pyarrow as pa

        try:
            found: list[Any] = self.filesystem.get_file_info(wanted)
        except (OSError, pa.ArrowException) as error:
            reason = str(error).strip().splitlines()[0]
            text = f"the {self.filesystem.type_name} filesystem cannot be read: {reason.lower()}"
            raise StorageError(text) from error
        return found


@contextmanager
def _named_errors(path: Path) -> Iterator[None]:
    """Give what the local disk raises our type, and the path it stumbled over."""
    try:
        yield
    except OSError as error:
        where = str(error.filename or path)
        shown = where if len(where) < 300 else f"{where[:100]}..."
        text = f"{shown}: cannot be read: {(error.strerror or str(error)).lower()}"
        raise StorageError(text, path=where) from error
    except RuntimeError as error:
        # So pathlib says that links lead in a circle.
        text = f"{path}: cannot be read: {error}"
        raise StorageError(text, path=str(path)) from error


def reach(root: str, filesystem: object | None) -> tuple[Files, str]:
    """Return the files that a root stands for, and the root inside of them.

    Parameters
    ----------
    root
        A path, a pattern, or an address such as ``"s3://bucket/data"``.
    filesystem
        A ``pyarrow.fs.FileSystem`` or one of fsspec, in which the root is a path; ``None`` goes by the root.

    Raises
    ------
    ArgumentTypeError
        If it is no filesystem.
    ArgumentError
        If nothing reaches the address.
    """
    if filesystem is None and "://" not in root:
        return Files(), root
    import pyarrow as pa
    import pyarrow.fs as pafs

    if filesystem is None:
        try:
            found, inside = pafs.FileSystem.from_uri(root)
        except (pa.ArrowException, OSError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            text = f"root {root!r} cannot be reached: {reason[:1].lower()}{reason[1:]}; give its filesystem="
            raise ArgumentError(text, got=root) from error
    else:
        found, inside = _as_pyarrow(filesystem), root
    return Files(None if isinstance(found, pafs.LocalFileSystem) else found), inside


def _as_pyarrow(filesystem: object) -> pafs.FileSystem:
    import pyarrow.fs as pafs

    if isinstance(filesystem, pafs.FileSystem):
        return filesystem
    if all(hasattr(filesystem, name) for name in ("protocol", "find", "pipe_file")):
        return pafs.PyFileSystem(pafs.FSSpecHandler(filesystem))
    text = f"filesystem is {type(filesystem).__name__}; it must be a pyarrow.fs.FileSystem or one of fsspec"
    raise ArgumentTypeError(text, got=filesystem)


def _kind(info: pafs.FileInfo) -> str | None:
    import pyarrow.fs as pafs

    kinds = {pafs.FileType.File: "file", pafs.FileType.Directory: "folder"}
    return kinds.get(info.type)


def _is_ours(name: str) -> bool:
    return name.endswith(_SUFFIX) and not name.startswith((".", "_"))


def _walk(folder: str, root: Path) -> Iterator[str]:
    """Yield the Parquet files below a local folder; of links only those to files that lie below it too."""
    # In texts: making a path of each folder takes longer than looking into it.
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        is_link = entry.is_symlink()
        if is_link and (entry.is_dir() or _is_ours(entry.name)):
            check_inside(Path(entry.path), root)
        if entry.is_dir():
            # A linked folder below the root is met where it lies.
            if not is_link:
                yield from _walk(entry.path, root)
        elif _is_ours(entry.name) and entry.is_file():
            yield entry.path


def check_inside(path: Path, root: Path) -> None:
    """Raise StorageError if a local path leads out of a folder."""
    if not path.resolve().is_relative_to(root.resolve()):
        text = f"{path}: is a symbolic link that leads out of {str(root)!r}; give its target as the root, or a pattern"
        raise StorageError(text, path=str(path))
