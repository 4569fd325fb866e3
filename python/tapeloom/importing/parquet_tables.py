"""Reads foreign Parquet files into foreign tables, by whole file or row group. It changes no value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tapeloom.errors import CorruptFileError
from tapeloom.importing.column_names import map_columns
from tapeloom.importing.tables import ForeignTable
from tapeloom.importing.unpack import file_errors_named

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    import pyarrow.parquet as pq

    from tapeloom.importing.column_names import ColumnMap
    from tapeloom.importing.options import ReadOptions
    from tapeloom.importing.path_hints import PathHints

__all__ = ["arrow_table", "check_footer", "read_parquet"]

# Nine columns of eight bytes, and as much again while they are read.
MOST_ROWS = 2**28
MOST_COLUMNS = 1_000
# Encodings shrink columns a thousandfold where values repeat; what claims more than this is made up.
LARGEST_RATIO = 100_000
MAGIC = b"PAR1"


def read_parquet(
    buffer: pa.Buffer, name: str, hints: PathHints, options: ReadOptions
) -> list[ForeignTable]:
    """Return the one table in a Parquet file.

    Raises
    ------
    CorruptFileError
        If it is damaged, or claims more rows than are read at once.
    ArgumentError
        If its columns are not known.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    check_magic(buffer, name)
    source = pa.BufferReader(buffer)
    with (
        file_errors_named(name),
        pq.ParquetFile(
            source, pre_buffer=False, page_checksum_verification=True
        ) as file,
    ):
        check_footer(file.metadata, name, size=buffer.size)
        found = map_columns(file.schema_arrow.names, options, source=name)
        data = file.read(
            columns=list(dict.fromkeys(found.of.values())), use_threads=False
        )
        data.validate(full=True)
    return [arrow_table(data, found, name, hints)]


def check_magic(buffer: pa.Buffer, name: str) -> None:
    """Raise CorruptFileError if the ends of a file are not those of Parquet, or the footer does not fit into it."""
    size = buffer.size
    head = buffer.slice(0, min(4, size)).to_pybytes()
    tail = buffer.slice(max(0, size - 8)).to_pybytes()
    # Who keeps the error keeps what this frame holds, and a file stays open as long as its bytes are held.
    del buffer
    if size < 12 or head != MAGIC or tail[4:] != MAGIC:
        text = f"{name}: damaged, or no Parquet file"
        raise CorruptFileError(text, path=name)
    length = int.from_bytes(tail[:4], "little")
    if length > size - 12:
        text = f"{name}: damaged: its footer claims {length:,} bytes of {size:,}"
        raise CorruptFileError(text, path=name)


def check_footer(footer: pq.FileMetaData, name: str, *, size: int) -> None:
    """Refuse a file by what its footer claims, before anything is decoded."""
    groups = [footer.row_group(i) for i in range(footer.num_row_groups)]
    decoded = sum(max(0, g.total_byte_size) for g in groups)
    if footer.num_rows > MOST_ROWS or footer.num_columns > MOST_COLUMNS:
        text = (
            f"{name}: has {footer.num_rows:,} rows and {footer.num_columns:,} columns; at most {MOST_ROWS:,} and "
            f"{MOST_COLUMNS:,} are read at once: cut it into smaller files"
        )
        raise CorruptFileError(text, path=name)
    if footer.num_rows < 0 or max(decoded, footer.num_rows) > LARGEST_RATIO * size:
        text = f"{name}: claims {footer.num_rows:,} rows in {size:,} bytes, as a zip bomb does; it is not read"
        raise CorruptFileError(text, path=name)


def arrow_table(
    data: pa.Table, found: ColumnMap, name: str, hints: PathHints, **more: Any
) -> ForeignTable:
    """Return an Arrow table as a foreign one."""
    names: Sequence[str] = data.column_names
    columns = {
        role: data.column(names.index(theirs)) for role, theirs in found.of.items()
    }
    return ForeignTable(name, columns, hints, dropped=found.dropped, **more)
