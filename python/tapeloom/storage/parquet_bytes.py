"""A Parquet file before its rows: is it one, is it whole, from when to when does each part reach. It knows no bars."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tapeloom.errors import ArgumentError, CorruptFileError, StorageError
from tapeloom.storage.footer import BadFooter, parse_footer
from tapeloom.storage.plausible import check_counts, check_ends, check_sizes
from tapeloom.storage.seal import TAIL_BYTES, BrokenSeal, Seal, find_seal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

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


def open_file(path: Path, files: Files) -> OpenFile:
    """Open a file; of what it holds only the footer is decoded.

    Raises
    ------
    CorruptFileError
        If it is no Parquet file.
    BrokenSeal, BadFooter
        If seal or footer are damaged; ``errors_named`` gives them their path.
    """
    import pyarrow as pa

    with ExitStack() as stack:
        raw = stack.enter_context(files.opened(path))
        size: int = raw.size()
        tail = read_bytes(raw, max(0, size - TAIL_BYTES), size)
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
        file = parquet(source, far=content is None and not files.is_local)
        # Worked out anew each time pyarrow is asked for it.
        schema = file.schema_arrow
        stack.pop_all()
    return OpenFile(path, raw, size, content, footer, seal, file, schema)


def parquet(
    source: Any, footer: pq.FileMetaData | None = None, *, far: bool = False
) -> pq.ParquetFile:
    """Open a file whose pages are compared with their checksums, if they have some.

    ``far``: each read takes long, so that several are put together and sent ahead. Of memory and local disks that costs
    more than it brings.
    """
    import pyarrow.parquet as pq

    return pq.ParquetFile(
        source, metadata=footer, pre_buffer=far, page_checksum_verification=True
    )


@contextmanager
def errors_named(path: Path) -> Iterator[None]:
    """Give what pyarrow raises our types and the path."""
    import pyarrow as pa

    try:
        yield
    except (StorageError, CorruptFileError):
        raise
    except ArgumentError as error:
        # The columns' own errors name file and column already.
        raise StorageError(str(error), path=str(path)) from error
    except (BrokenSeal, BadFooter) as error:
        raise corrupt(path, str(error)) from error
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        text = f"{path}: cannot be read: {(error.strerror or str(error)).lower()}"
        raise StorageError(text, path=str(path)) from error
    except (pa.ArrowException, OSError, EOFError, UnicodeDecodeError) as error:
        reason = (
            str(error).strip().splitlines()[0]
            if str(error).strip()
            else type(error).__name__
        )
        reason = f"{reason[:1].lower()}{reason[1:].rstrip('.')}"
        raise corrupt(path, reason) from error


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
