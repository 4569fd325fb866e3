"""Whether a Parquet file can be what it says, asked before anything is decoded: no more memory than its size explains."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tapeloom.storage.footer import Chunk, Group

__all__ = ["MOST_FOOTER_BYTES", "check_counts", "check_ends", "check_sizes"]

_MAGIC = b"PAR1"
#: A footer of some ten thousand row groups.
MOST_FOOTER_BYTES = 64 * 2**20
_ROW_BYTES = 56
# Up to here nothing is a bomb. Beyond it bars compress tenfold, and a column that never changes a thousandfold.
_HARMLESS_BYTES = 64 * 2**20
_MOST_EXPANSION = 1_000
_MOST_GROUP_ROWS = 2**26


def check_ends(tail: bytes, size: int) -> str | None:
    """Return why a file of ``size`` bytes with this end is no Parquet file; ``None`` if it may be one."""
    if not size:
        return "it is empty"
    if size < 12:
        return f"it has {size} bytes, fewer than any Parquet file"
    if tail[-4:] == b"PARE":
        return "its footer is encrypted"
    if tail[-4:] != _MAGIC:
        return "it does not end as Parquet files do; is it cut off?"
    footer = int.from_bytes(tail[-8:-4], "little")
    if footer > size - 12:
        return f"its footer should have {footer} bytes, but the file has {size}"
    if footer > MOST_FOOTER_BYTES:
        return f"its footer has {footer} bytes; at most {MOST_FOOTER_BYTES} are read"
    return None


def check_counts(counts: Sequence[int], size: int) -> str | None:
    """Return why row groups of so many rows do not fit a file of ``size`` bytes; ``None`` if they do."""
    for at, rows in enumerate(counts):
        if not 0 <= rows <= _MOST_GROUP_ROWS:
            return f"row group {at} should have {rows} rows; at most {_MOST_GROUP_ROWS} are read"
    rows = sum(counts)
    return _check_expansion(rows * _ROW_BYTES, size, f"{rows} rows")


def check_sizes(groups: Sequence[Group], size: int) -> str | None:
    """Return why the columns of a footer do not fit a file of ``size`` bytes; ``None`` if they do."""
    for at, group in enumerate(groups):
        # Chunks without a row lie nowhere.
        for name, chunk in group.chunks.items() if group.rows else ():
            reason = _check_chunk(name, chunk, size)
            if reason is not None:
                return f"row group {at}: {reason}"
    return check_counts([group.rows for group in groups], size)


def _check_chunk(name: str, chunk: Chunk, size: int) -> str | None:
    end = chunk.start + chunk.packed
    if chunk.start < 4 or chunk.packed < 0 or end > size:
        return f"column {name!r} should lie at {chunk.start} with {chunk.packed} bytes, but the file has {size}"
    return _check_expansion(chunk.unpacked, chunk.packed, f"column {name!r}")


def _check_expansion(unpacked: int, packed: int, what: str) -> str | None:
    if unpacked < 0:
        return f"{what} should have {unpacked} bytes"
    if unpacked > _HARMLESS_BYTES and unpacked > _MOST_EXPANSION * max(packed, 1):
        return f"{what} would become {unpacked} bytes out of {packed}"
    return None
