"""Row groups of foreign Parquet files: what the footer says about one, and its rows as a foreign table."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tapeloom.bars import normalise_symbol
from tapeloom.importing.column_names import map_columns
from tapeloom.importing.parquet_tables import arrow_table, check_footer, check_magic
from tapeloom.importing.path_hints import path_hints
from tapeloom.importing.unpack import file_errors_named
from tapeloom.side_by_side import meanwhile

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import pyarrow.parquet as pq

    from tapeloom.importing.options import ReadOptions
    from tapeloom.importing.path_hints import PathHints
    from tapeloom.importing.tables import ForeignTable

__all__ = ["column_names", "group_bounds", "open_groups", "read_groups"]

PER_UNIT = {"milliseconds": 10**6, "microseconds": 10**3, "nanoseconds": 1}


@contextmanager
def open_groups(
    path: Path, footer: pq.FileMetaData | None = None
) -> Iterator[pq.ParquetFile]:
    """Open a file, and check its footer unless it is known; pages are compared with their checksums when they are read.

    Names and types are asked of it, never of the footer: that and its schema would hold each other, and stay until
    Python looks for such pairs.

    Raises
    ------
    CorruptFileError
        If the file is damaged, or claims what it cannot hold.
    StorageError
        If it cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    name = str(path)
    with file_errors_named(name):
        size = path.stat().st_size
        if not size:
            check_magic(pa.py_buffer(b""), name)
        source = pa.memory_map(name)
    with source:
        with file_errors_named(name):
            check_magic(source.read_buffer(), name)
            source.seek(0)
            file = pq.ParquetFile(
                source,
                metadata=footer,
                # Reads sent ahead go through another thread, which costs more than it brings on a local disk.
                pre_buffer=False,
                page_checksum_verification=True,
            )
        if footer is None:
            check_footer(file.metadata, name, size=size)
        yield file


def read_groups(
    file: pq.ParquetFile, path: Path, groups: Sequence[int], options: ReadOptions
) -> ForeignTable:
    """Return the rows of some row groups of an open file."""
    name = str(path)
    with file_errors_named(name):
        found = map_columns(file.schema_arrow.names, options, source=name)
        columns = list(dict.fromkeys(found.of.values()))
        # Who reads many files gives each a thread.
        with meanwhile():
            data = file.read_row_groups(groups, columns=columns, use_threads=False)
            data.validate(full=True)
    return arrow_table(data, found, name, path_hints(name))


def group_bounds(
    file: pq.ParquetFile,
    path: Path,
    group: int,
    options: ReadOptions,
    hints: PathHints,
) -> tuple[str, int, int] | None:
    """Return the one symbol of a row group, as it is spelt, and its first and last instant, ns UTC; or ``None``.

    Raises
    ------
    CorruptFileError
        If the footer is damaged.
    """
    footer = file.metadata
    with file_errors_named(str(path)):
        found = map_columns(file.schema_arrow.names, options, source=str(path)).of
        if "ts" not in found:
            return None
        _touch(file, group, [found[r] for r in ("ts", "symbol") if r in found])
        times = _statistics(footer, group, found["ts"])
        factor = None if times is None else _factor(times)
        if times is None or factor is None or not times.has_min_max:
            return None
        symbol = options.symbol or hints.symbol
        if "symbol" in found:
            said = _statistics(footer, group, found["symbol"])
            if said is None or not said.has_min_max or said.min != said.max:
                return None
            symbol = said.min if isinstance(said.min, str) else None
            if options.symbol is not None and symbol is not None:
                symbol = symbol if normalise_symbol(symbol) == options.symbol else None
        if symbol is None:
            return None
        return symbol, times.min_raw * factor, times.max_raw * factor


def column_names(path: Path) -> list[str]:
    """Return the names of a file's columns. Raises as ``open_groups``."""
    with open_groups(path) as file, file_errors_named(str(path)):
        names: list[str] = file.schema_arrow.names
        return names


def _touch(file: pq.ParquetFile, group: int, columns: list[str]) -> None:
    """Read a row of some columns. Damaged statistics are an exception then; asked for themselves they end the process."""
    rows = file.iter_batches(
        batch_size=1, row_groups=[group], columns=columns, use_threads=False
    )
    next(rows, None)


def _statistics(
    footer: pq.FileMetaData, group: int, column: str
) -> pq.Statistics | None:
    columns = footer.row_group(group)
    for said in map(columns.column, range(columns.num_columns)):
        if said.path_in_schema == column:
            return said.statistics
    # A column of a nested type has no such facts.
    return None


def _factor(times: pq.Statistics) -> int | None:
    """Nanoseconds in one unit of a column of instants; ``None`` if it is none, or of a wall clock."""
    import json

    said = json.loads(times.logical_type.to_json())
    if said.get("Type") != "Timestamp" or not said.get("isAdjustedToUTC"):
        return None
    return PER_UNIT.get(said.get("timeUnit", ""))
