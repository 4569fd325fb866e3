"""The seal of our own files: checksums of every byte, kept in front of the footer, where readers of Parquet look past it.

Page checksums leave the footer and the headers of pages open; a flipped bit there can read as other numbers.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

__all__ = ["TAIL_BYTES", "BrokenSeal", "Seal", "find_seal", "sealed"]

_MAGIC = b"TAPESEAL"
# Number of row groups, checksum of what lies from the table of groups to the end of the file.
_HEAD = struct.Struct("<II8s")
_GROUP = np.dtype(
    [("end", "<u8"), ("rows", "<u8"), ("first", "<i8"), ("last", "<i8"), ("crc", "<u4")]
)
_END = 8
#: What is read of the end of a file at first: the footer of some hundred row groups.
TAIL_BYTES = 256 * 1024


class BrokenSeal(Exception):  # noqa: N818, it never leaves this room
    """What is sealed is not what was written."""


@dataclass(frozen=True, slots=True, eq=False)
class Seal:
    """What the seal says of each row group: where it ends in the file, its rows, its first and last ``ts``, its checksum.

    A group begins where the one before it ends, the first with the file.
    """

    groups: npt.NDArray[np.void]

    def span(self, first: int, last: int) -> tuple[int, int]:
        """Return the bytes ``[start, end)`` of the groups from ``first`` to ``last``."""
        return self._start(first), int(self.groups["end"][last])

    def check(self, content: memoryview, first: int, last: int) -> None:
        """Compare the bytes of some groups with their checksums.

        Raises
        ------
        BrokenSeal
            If one has changed.
        """
        offset = self._start(first)
        start, chosen = 0, self.groups[first : last + 1]
        ends = (chosen["end"].astype(np.int64) - offset).tolist()
        for group, (end, crc) in enumerate(
            zip(ends, chosen["crc"].tolist(), strict=True), first
        ):
            if crc32(content[start:end]) != crc:
                text = f"row group {group} has changed since it was written"
                raise BrokenSeal(text)
            start = end

    def _start(self, group: int) -> int:
        return int(self.groups["end"][group - 1]) if group else 0


def sealed(
    content: bytes, ends: Sequence[int], facts: Sequence[tuple[int, int, int]]
) -> bytes:
    """Return a Parquet file with its seal.

    Parameters
    ----------
    content
        The file as it was written.
    ends
        Where each row group ends in it.
    facts
        Rows, first and last ``ts`` of each.
    """
    footer = len(content) - _END - int.from_bytes(content[-_END:-4], "little")
    groups = np.zeros(len(ends), _GROUP)
    view, start = memoryview(content), 0
    # What may lie between the last group and the footer counts to the group.
    for at, (end, (rows, first, last)) in enumerate(
        zip([*ends[:-1], footer], facts, strict=True)
    ):
        groups[at] = (end, rows, first, last, crc32(view[start:end]))
        start = end
    table, rest = groups.tobytes(), view[footer:]
    crc = crc32(rest, crc32(table))
    return b"".join([view[:footer], table, _HEAD.pack(len(ends), crc, _MAGIC), rest])


def find_seal(tail: bytes, size: int) -> Seal | int | None:
    """Return the seal of a file, ``None`` if it has none, or how many bytes of its end are needed to tell.

    Parameters
    ----------
    tail
        The end of the file, with its last bytes.
    size
        Length of the file.

    Raises
    ------
    BrokenSeal
        If seal or footer have changed since they were written.
    """
    footer = int.from_bytes(tail[-_END:-4], "little") + _END
    shortest: int = footer + _HEAD.size
    if size < shortest:
        return None
    if len(tail) < shortest:
        return shortest
    head = len(tail) - footer - _HEAD.size
    count, crc, magic = _HEAD.unpack_from(tail, head)
    if magic != _MAGIC:
        return None
    length: int = count * _GROUP.itemsize
    if length > size - shortest:
        text = "its seal has changed since it was written"
        raise BrokenSeal(text)
    if length > head:
        return shortest + length
    table, rest = tail[head - length : head], tail[-footer:]
    if crc32(rest, crc32(table)) != crc:
        text = "its footer has changed since it was written"
        raise BrokenSeal(text)
    return Seal(np.frombuffer(table, _GROUP))
