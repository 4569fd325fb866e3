"""A Parquet file before its rows: is it one, is it whole, from when to when does each part reach. It knows no bars."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tapeloom.errors import ArgumentError, CorruptFileError, StorageError
from tapeloom.side_by_side import meanwhile
from tapeloom.storage.footer import BadFooter, parse_footer
from tapeloom.storage.plausible import check_counts, check_ends, check_sizes
from tapeloom.storage.seal import TAIL_BYTES, BrokenSeal, Seal, find_seal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

    import numpy.typing as npt
    import pyarrow as pa
    import pyarrow.parquet as pq

    from tapeloom.storage.files import Files
    from tapeloom.storage.footer import Footer

__all__ = [
    "LARGEST",
    "SMALLEST",
    "OpenFile",
    "check_stamps",
    "corrupt",
    "errors_named",
    "open_file",
    "parquet",
    "parsed_footer",
    "read_bytes",
    "ts_bounds",
]

SMALLEST, LARGEST = -(2**63), 2**63 - 1


@dataclass(frozen=True, slots=True, eq=False)
class OpenFile:
    """A file that is open, and may be one of Parquet as far as its ends tell.

    Attributes
    ----------
    content
        All of it, if it is small.
    tail
        Its footer and what stands behind it.
    seal
        Checksums of all bytes, in files of ours.
    schema
        The columns as Arrow has them.
    """

    path: Path
    raw: pa.NativeFile
    size: int
    content: bytes | None
    tail: bytes
    seal: Seal | None
    parquet: pq.ParquetFile
    schema: pa.Schema

    def close(self) -> None:
        """Close the file."""
        self.parquet.close()
        self.raw.close()

    def check_rows(self, counts: Sequence[int]) -> None:
        """Raise CorruptFileError for more rows than a file of this size can hold."""
        reason = check_counts(counts, self.size)
        if reason is not None:
            raise corrupt(self.path, reason)


def parsed_footer(path: Path, tail: bytes, size: int) -> Footer:
    """Return what a footer says of columns and row groups, without pyarrow, which need not survive it.

    Parameters
    ----------
    path
        The file, for errors.
    tail
        Its footer and what stands behind it.
    size
        Its length.

    Raises
    ------
    CorruptFileError
        If the footer is damaged, or says what a file of this size cannot hold.
    """
    with errors_named(path):
        footer = parse_footer(tail[:-8])
    reason = check_sizes(footer.groups, size)
    if reason is not None:
        raise corrupt(path, reason)
    return footer


def open_file(path: Path, files: Files, *, checks_seal: bool = False) -> OpenFile:
    """Open a file; of what it holds only the footer is decoded.

    Parameters
    ----------
    path
        The file.
    files
        Where it lies.
    checks_seal
        Whether whoever reads on compares what he reads with the seal, so that of a small file that has one pages need not
        be compared with their checksums.

    Raises
    ------
    CorruptFileError
        If it is no Parquet file.
    BrokenSeal, BadFooter
        If seal or footer are damaged; ``errors_named`` gives them their path.
    """
    raw: pa.NativeFile | None = None
    try:
        # While a disk is waited for, others go on.
        with meanwhile():
            raw = files.opened(path)
            size: int = raw.size()
            tail = read_bytes(raw, max(0, size - TAIL_BYTES), size)
        return _opened(path, files, raw, size, tail, checks_seal=checks_seal)
    except BaseException:
        if raw is not None:
            raw.close()
        raise


def _opened(
    path: Path,
    files: Files,
    raw: pa.NativeFile,
    size: int,
    tail: bytes,
    *,
    checks_seal: bool,
) -> OpenFile:
    import pyarrow as pa

    content = tail if len(tail) == size else None
    reason = check_ends(tail, size)
    if reason is not None:
        raise corrupt(path, reason)
    seal = find_seal(tail, size)
    while isinstance(seal, int):
        tail = read_bytes(raw, size - seal, size)
        seal = find_seal(tail, size)
    length = int.from_bytes(tail[-8:-4], "little") + 8
    footer = tail[-length:]
    if len(footer) < length:
        footer = read_bytes(raw, size - length, size)
    source = raw if content is None else pa.BufferReader(content)
    file = parquet(
        source,
        far=content is None and not files.is_local,
        is_sealed=checks_seal and seal is not None and content is not None,
    )
    # Worked out anew each time pyarrow is asked for it.
    schema = file.schema_arrow
    return OpenFile(path, raw, size, content, footer, seal, file, schema)


def parquet(
    source: Any,
    footer: pq.FileMetaData | None = None,
    *,
    far: bool = False,
    is_sealed: bool = False,
) -> pq.ParquetFile:
    """Open a file whose pages are compared with their checksums, if they have some.

    ``far``: each read takes long, so that several are put together and sent ahead. Of memory and local disks that costs
    more than it brings. ``is_sealed``: what will be read of it is compared with its seal, so that pages need not be.
    """
    import pyarrow.parquet as pq

    return pq.ParquetFile(
        source,
        metadata=footer,
        pre_buffer=far,
        page_checksum_verification=not is_sealed,
    )


class errors_named:  # noqa: N801, it is read as a verb
    """Give what pyarrow raises our types and the path."""

    # A class, not a generator: it stands around every file that is read.
    __slots__ = ("_path",)

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Raise what an error becomes; let others pass."""
        if error is not None:
            named = _named(error, self._path)
            if named is not None:
                raise named from error


def _named(error: BaseException, path: Path) -> StorageError | CorruptFileError | None:
    import pyarrow as pa

    if isinstance(error, StorageError | CorruptFileError):
        return None
    if isinstance(error, ArgumentError):
        # The columns' own errors name file and column already.
        return StorageError(str(error), path=str(path))
    if isinstance(error, BrokenSeal | BadFooter):
        return corrupt(path, str(error))
    if isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError):
        text = f"{path}: cannot be read: {(error.strerror or str(error)).lower()}"
        return StorageError(text, path=str(path))
    if isinstance(error, pa.ArrowException | OSError | EOFError | UnicodeDecodeError):
        said = str(error).strip()
        reason = said.splitlines()[0] if said else type(error).__name__
        reason = f"{reason[:1].lower()}{reason[1:].rstrip('.')}"
        return corrupt(path, reason)
    return None


def corrupt(path: Path, reason: str, **facts: object) -> CorruptFileError:
    """Return the error for a file that is damaged."""
    text = f"{path}: damaged, or no Parquet file: {reason}"
    return CorruptFileError(text, path=str(path), **facts)


def read_bytes(raw: pa.NativeFile, start: int, end: int) -> bytes:
    """Return the bytes ``[start, end)`` of a file. Raises BrokenSeal if it has become shorter."""
    content: bytes = raw.read_at(end - start, start)
    if len(content) != end - start:
        text = "it is shorter than when it was opened"
        raise BrokenSeal(text)
    return content


def check_stamps(path: Path, schema: pa.Schema) -> None:
    """Raise StorageError unless ``ts`` is a timestamp with a zone."""
    import pyarrow as pa

    stamp = schema.field("ts").type
    if not pa.types.is_timestamp(stamp):
        text = f"{path}: column 'ts' is {stamp}; it must be a timestamp with a zone, such as timestamp[ns, UTC]"
        raise StorageError(text, path=str(path), got=str(stamp))
    if stamp.tz is None:
        text = (
            f"{path}: column 'ts' is {stamp} without a zone; stamps must carry one, such as timestamp[ns, UTC], "
            "or it is unknown which instants they mean"
        )
        raise StorageError(text, path=str(path), got=str(stamp))


def ts_bounds(
    footer: Footer,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the smallest and largest ``ts`` of each row group, the ends of int64 where the file does not say."""
    groups = footer.groups
    first = np.full(len(groups), SMALLEST, np.int64)
    last = np.full(len(groups), LARGEST, np.int64)
    # The unit of the raw values is the one of the file, which may be finer than the one shown.
    factor = footer.units.get("ts")
    for at, group in enumerate(groups):
        chunk = group.chunks.get("ts")
        if factor is None or chunk is None or not group.rows:
            continue
        smallest = _instant(chunk.smallest, factor)
        largest = _instant(chunk.largest, factor)
        if smallest is not None and largest is not None:
            first[at], last[at] = smallest, largest
    return first, last


def _instant(raw: bytes | None, factor: int) -> int | None:
    if raw is None or len(raw) != 8:
        return None
    ns = int.from_bytes(raw, "little", signed=True) * factor
    return ns if SMALLEST <= ns <= LARGEST else None
