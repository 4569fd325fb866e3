"""A session table as a file: one line of JSON, then the numbers. Knows no folder and no calendar."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tapeloom.errors import CalendarError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["read_table_file", "replace_file", "write_table_file"]

_FORMAT = 1
_DTYPE = np.dtype("<i4")


def write_table_file(
    path: Path, header: Mapping[str, Any], columns: Mapping[str, NDArray[np.int32]]
) -> None:
    """Write a table, whole or not at all.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    lengths = {name: column.size for name, column in columns.items()}
    numbers = b"".join(column.astype(_DTYPE).tobytes() for column in columns.values())
    head = {**header, "format": _FORMAT, "columns": lengths}
    text = json.dumps(head).encode()
    crc = zlib.crc32(numbers, zlib.crc32(text))
    replace_file(path, b"%08x %s\n%s" % (crc, text, numbers))


def read_table_file(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[np.int32]]]:
    """Return header and columns of a table.

    Raises
    ------
    OSError
        If the file cannot be read.
    CalendarError
        If it is no table, damaged, or of another format.
    """
    content = path.read_bytes()
    cut = content.find(b"\n")
    try:
        crc, text = int(content[:8], 16), content[9:cut]
        numbers = memoryview(content)[cut + 1 :]
        # First of all: nothing is made of what nobody wrote.
        if crc != zlib.crc32(numbers, zlib.crc32(text)):
            raise _unusable(path, "it is damaged")
        head = json.loads(text)
        if head["format"] != _FORMAT:
            raise _unusable(path, f"its format is {head['format']}, not {_FORMAT}")
        columns, at = {}, 0
        for name, length in head["columns"].items():
            columns[name] = np.frombuffer(numbers, _DTYPE, length, at)
            at += length * _DTYPE.itemsize
    except (
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        RecursionError,
    ) as error:
        raise _unusable(path, "it is no table of sessions") from error
    return head, columns


def replace_file(path: Path, content: bytes) -> None:
    """Write a file beside its place and move it there in one step: a reader sees the old one or the new one, whole.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    # Not by tempfile, whose files only their owner may read.
    beside = path.with_name(f".writing-{os.getpid()}-{secrets.token_hex(8)}")
    try:
        with beside.open("xb") as file:
            file.write(content)
        beside.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise


def _unusable(path: Path, why: str) -> CalendarError:
    return CalendarError(f"{str(path)!r} cannot be used: {why}", path=str(path))
