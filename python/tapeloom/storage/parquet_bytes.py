"""A Parquet file before its rows: is it one, is it whole, from when to when does each part reach. It knows no bars."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from tapeloom.errors import ArgumentError, CorruptFileError, StorageError
from tapeloom.storage.footer import BadFooter, parse_footer
from tapeloom.storage.plausible import check_ends, check_sizes
from tapeloom.storage.seal import TAIL_BYTES, BrokenSeal, Seal, find_seal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy.typing as npt
    import pyarrow as pa
    import pyarrow.parquet as pq

    from tapeloom.storage.footer import Group

__all__ = [
    "LARGEST",
    "SMALLEST",
    "check_stamps",
    "corrupt",
    "errors_named",
    "examine",
    "parquet",
    "read_bytes",
    "ts_bounds",
]

SMALLEST, LARGEST = -(2**63), 2**63 - 1
_PER_UNIT = {"milliseconds": 10**6, "microseconds": 10**3, "nanoseconds": 1}


def examine(path: Path, raw: pa.NativeFile) -> tuple[Seal | None, list[Group]]:
    """Return the seal of a file, or of one without a seal what its footer says; nothing is decoded before.

    Raises
    ------
    CorruptFileError
        If it is no Parquet file, or says what a file of its size cannot hold.
    BrokenSeal, BadFooter
        If seal or footer are damaged; ``errors_named`` gives them their path.
    """
    size: int = raw.size()
    tail = read_bytes(raw, max(0, size - TAIL_BYTES), size)
    reason = check_ends(tail, size)
    if reason is not None:
        raise corrupt(path, reason)
    seal = find_seal(tail, size)
    while isinstance(seal, int):
        tail = read_bytes(raw, size - seal, size)
        seal = find_seal(tail, size)
    if seal is not None:
        return seal, []
    footer = int.from_bytes(tail[-8:-4], "little")
    if footer + 8 > len(tail):
        tail = read_bytes(raw, size - footer - 8, size)
    groups = parse_footer(tail[-8 - footer : -8])
    reason = check_sizes(groups, size)
    if reason is not None:
        raise corrupt(path, reason)
    return None, groups


def parquet(source: Any, footer: pq.FileMetaData | None = None) -> pq.ParquetFile:
    """Open a file whose pages are compared with their checksums, if they have some."""
    import pyarrow.parquet as pq

    return pq.ParquetFile(source, metadata=footer, page_checksum_verification=True)


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


def _read(raw: pa.NativeFile, start: int, end: int) -> bytes:
    content: bytes = raw.read_at(end - start, start)
    if len(content) != end - start:
        text = "it is shorter than when it was opened"
        raise BrokenSeal(text)
    return content


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
    file: pq.ParquetFile, groups: Sequence[Group]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the smallest and largest ``ts`` of each row group, the ends of int64 where the file does not say."""
    first = np.full(len(groups), SMALLEST, np.int64)
    last = np.full(len(groups), LARGEST, np.int64)
    logical = file.schema.column(file.schema.names.index("ts")).logical_type
    # The unit of the raw values is the one of the file, which may be finer than the one shown.
    factor = _PER_UNIT.get(json.loads(logical.to_json()).get("timeUnit", ""))
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
