"""Opens files, packed or not, as memory of plain bytes, within limits. It knows nothing of what is in them."""

from __future__ import annotations

import fnmatch
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from tapeloom.errors import ArgumentError, CorruptFileError, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow as pa

__all__ = ["LARGEST", "LARGEST_RATIO", "Member", "file_errors_named", "members_of"]

# A member larger than this is refused; it would have to be held in memory as text and as columns at once.
LARGEST = 4 * 2**30
# Text of bars shrinks to a fifth, seldom to a fiftieth. Only what is larger than the slack is held to it.
LARGEST_RATIO = 200
RATIO_SLACK = 16 * 2**20
MOST_MEMBERS = 10_000
CHUNK = 2**20
CODECS = {".gz": "gzip", ".zst": "zstd"}


@dataclass(frozen=True, slots=True)
class Member:
    """One table in a file: the file itself, or a member of an archive.

    ``name`` is what errors call it, ``path`` what its name suggests is read from; ``open`` returns all its bytes.
    """

    name: str
    path: str
    open: Callable[[], pa.Buffer]


def members_of(path: Path, *, pattern: str | None = None) -> list[Member]:
    """Return the tables in a file; a plain or compressed file is one.

    Parameters
    ----------
    path
        The file. ``.gz`` and ``.zst`` are decompressed, ``.zip`` is listed.
    pattern
        Glob pattern of the members of an archive to read, such as ``"*20190101*"``.

    Raises
    ------
    CorruptFileError
        If an archive is damaged, or would expand beyond the limits. Opening a member raises the same.
    StorageError
        If the file cannot be read.
    ArgumentError
        If no member matches the pattern.
    """
    suffix = path.suffix.lower()
    if suffix == ".zip":
        return _zip_members(path, pattern)
    if suffix in CODECS:
        codec = CODECS[suffix]
        return [Member(str(path), str(path), lambda: _decompressed(path, codec))]
    return [Member(str(path), str(path), lambda: _mapped(path))]


@contextmanager
def file_errors_named(name: str) -> Iterator[None]:
    """Give what libraries raise for a file our types and its name."""
    import pyarrow as pa

    try:
        yield
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        text = f"{name}: cannot be read: {(error.strerror or str(error)).lower()}"
        raise StorageError(text, path=name) from error
    except (
        pa.ArrowException,
        OSError,
        EOFError,
        UnicodeError,
        zipfile.BadZipFile,
        zlib.error,
        NotImplementedError,
    ) as error:
        said = str(error).strip().splitlines()
        reason = said[0] if said else type(error).__name__
        text = f"{name}: damaged, or not what its name says: {reason[:1].lower()}{reason[1:].rstrip('.')}"
        raise CorruptFileError(text, path=name) from error


def _mapped(path: Path) -> pa.Buffer:
    import pyarrow as pa

    with file_errors_named(str(path)):
        size = path.stat().st_size
        _check_size(str(path), size)
        if not size:
            return pa.py_buffer(b"")
        # Mapped, not read: text is parsed from the pages of the file.
        with pa.memory_map(str(path)) as file:
            return file.read_buffer()


def _decompressed(path: Path, codec: str) -> pa.Buffer:
    import pyarrow as pa

    name = str(path)
    with file_errors_named(name), path.open("rb") as raw:
        packed = path.stat().st_size
        if not packed:
            return pa.py_buffer(b"")
        with pa.CompressedInputStream(pa.PythonFile(raw), codec) as stream:
            return _collected(name, stream, packed)


def _zip_members(path: Path, pattern: str | None) -> list[Member]:
    name = str(path)
    with file_errors_named(name), zipfile.ZipFile(path) as archive:
        entries = [e for e in archive.infolist() if not e.is_dir()]
    if len(entries) > MOST_MEMBERS:
        text = (
            f"{name}: has {len(entries):,} members; at most {MOST_MEMBERS:,} are read"
        )
        raise CorruptFileError(text, path=name, got=len(entries))
    # Folders of resource forks, which some systems add.
    entries = [e for e in entries if not e.filename.startswith("__MACOSX/")]
    if pattern is not None:
        found = [e for e in entries if fnmatch.fnmatchcase(e.filename, pattern)]
        if not found:
            known = ", ".join(e.filename for e in entries[:5])
            text = f"{name}: no member matches members={pattern!r}; found {known or 'none'}"
            raise ArgumentError(text, got=pattern)
        entries = found
    _check_claims(name, entries)
    return [_zip_member(path, entry) for entry in entries]


def _zip_member(path: Path, entry: zipfile.ZipInfo) -> Member:
    name = f"{path}: {entry.filename}"

    def opened() -> pa.Buffer:
        with file_errors_named(name):
            try:
                with zipfile.ZipFile(path) as archive, archive.open(entry) as stream:
                    return _collected(name, stream, entry.compress_size)
            except RuntimeError as error:
                # What zipfile raises for a member that needs a password.
                text = f"{name}: cannot be unpacked: {error}"
                raise CorruptFileError(text, path=name) from error

    return Member(name, str(path.parent / Path(entry.filename).name), opened)


def _check_claims(name: str, entries: list[zipfile.ZipInfo]) -> None:
    """Refuse an archive by what it says of itself, before a byte is expanded."""
    for entry in entries:
        _check_size(f"{name}: {entry.filename}", entry.file_size)
        _check_ratio(f"{name}: {entry.filename}", entry.file_size, entry.compress_size)


def _collected(name: str, stream: BinaryIO | Any, packed: int) -> pa.Buffer:
    """Read a stream to its end; it is given up as soon as it exceeds the limits."""
    import pyarrow as pa

    out = pa.BufferOutputStream()
    total = 0
    while chunk := stream.read(CHUNK):
        total += len(chunk)
        _check_size(name, total)
        _check_ratio(name, total, packed)
        out.write(chunk)
    return out.getvalue()


def _check_size(name: str, size: int) -> None:
    if size > LARGEST:
        text = f"{name}: is larger than {LARGEST / 2**30:g} GiB unpacked; cut it into smaller files"
        raise CorruptFileError(text, path=name, got=size, expected=LARGEST)


def _check_ratio(name: str, size: int, packed: int) -> None:
    if size > RATIO_SLACK and size > LARGEST_RATIO * max(1, packed):
        text = f"{name}: expands to more than {LARGEST_RATIO} times its size, as a zip bomb does; it is not read"
        raise CorruptFileError(text, path=name, got=size)
