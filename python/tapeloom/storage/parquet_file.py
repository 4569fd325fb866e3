"""One Parquet file of bars: what its footer says, and its rows as columns. It knows no folders."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any

import numpy as np

from tapeloom.columns.arrow import arrow_codes, arrow_floats, arrow_instants
from tapeloom.errors import (
    ArgumentError,
    CorruptFileError,
    StorageError,
    did_you_mean,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy.typing as npt
    import pyarrow as pa
    import pyarrow.parquet as pq

__all__ = ["FIELDS", "METADATA_KEY", "BarFile", "Rows", "open_bar_file", "read_rows"]

FIELDS = ("open", "high", "low", "close", "volume")
# Where our own files keep what they were when they were written.
METADATA_KEY = b"tapeloom"
SMALLEST, LARGEST = -(2**63), 2**63 - 1
PER_UNIT = {"milliseconds": 10**6, "microseconds": 10**3, "nanoseconds": 1}


@dataclass(frozen=True, slots=True, eq=False)
class BarFile:
    """The footer of one file.

    Attributes
    ----------
    footer
        The footer as pyarrow holds it, so that reading rows does not parse it again.
    offsets
        int64, shape (g + 1,): row group i has the rows ``[offsets[i], offsets[i + 1])``.
    first, last
        int64, shape (g,), nanoseconds UTC: smallest and largest ``ts`` of each row group; the ends of int64 where the
        file does not say.
    newest_before
        int64, shape (g,): largest ``ts`` of the same symbol in the row groups in front; the smallest int64 if unknown.
    symbols
        The one symbol of each row group as it is stored; ``None`` where a group may hold several, ``""`` in all of them
        if the file has no symbol column.
    """

    path: Path
    footer: pq.FileMetaData
    has_symbol: bool
    has_flags: bool
    offsets: npt.NDArray[np.int64]
    first: npt.NDArray[np.int64]
    last: npt.NDArray[np.int64]
    newest_before: npt.NDArray[np.int64]
    symbols: tuple[str | None, ...]

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.offsets[-1])

    def groups(self, start: int | None, end: int | None) -> npt.NDArray[np.int64]:
        """Return the row groups that may hold a bar with ``ts`` in ``[start, end)``."""
        kept = np.diff(self.offsets) > 0
        if start is not None:
            kept &= self.last >= start
        if end is not None:
            kept &= self.first < end
        return np.flatnonzero(kept)


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows of one file in its order.

    ``numbers`` int64 are their positions in the file; ``columns`` hold ``ts`` int64 nanoseconds UTC, five float64 and,
    if the file has it, ``flags`` uint8; ``codes`` int64 index ``texts``, the symbols as stored.
    """

    numbers: npt.NDArray[np.int64]
    columns: dict[str, npt.NDArray[Any]]
    codes: npt.NDArray[np.int64] | None = None
    texts: tuple[str, ...] = ()


def open_bar_file(path: Path) -> BarFile:
    """Read and check the footer of a file.

    Raises
    ------
    StorageError
        If the file cannot be opened, a column is missing or of a wrong type, or ``ts`` has no zone.
    CorruptFileError
        If it is no Parquet file, or damaged.
    """
    with _errors_named(path), _opened(path) as file:
        schema, footer = file.schema_arrow, file.metadata
        _check_schema(path, schema)
        counts = [footer.row_group(i).num_rows for i in range(footer.num_row_groups)]
        offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
        _check_promise(path, schema, int(offsets[-1]))
        first, last = _ts_bounds(file)
        has_symbol = "symbol" in schema.names
        symbols = _group_symbols(file) if has_symbol else ("",) * len(counts)
        return BarFile(
            path=path,
            footer=footer,
            has_symbol=has_symbol,
            has_flags="flags" in schema.names,
            offsets=offsets,
            first=first,
            last=last,
            newest_before=_newest_before(last, symbols),
            symbols=symbols,
        )


def read_rows(
    file: BarFile,
    groups: Sequence[int],
    *,
    names: Sequence[str] = ("ts", *FIELDS),
    with_symbol: bool = False,
) -> Rows:
    """Return the rows of some row groups.

    Parameters
    ----------
    file
        The footer of the file.
    groups
        Positions of row groups, rising.
    names
        Which of ``ts``, the five values and ``flags`` to read.
    with_symbol
        Whether to read the column ``symbol`` too.

    Raises
    ------
    CorruptFileError
        If the file is damaged.
    StorageError
        If it cannot be read, or values do not fit our columns.
    """
    chosen = [*names, "symbol"] if with_symbol else list(names)
    with _errors_named(file.path), _opened(file.path, file.footer) as opened:
        table = opened.read_row_groups(list(groups), columns=chosen, use_threads=False)
        numbers = [np.arange(file.offsets[g], file.offsets[g + 1]) for g in groups]
        columns = {n: _column(table, n, file.path) for n in names}
        rows = np.concatenate(numbers) if numbers else np.empty(0, np.int64)
        if not with_symbol:
            return Rows(rows, columns)
        codes, texts = arrow_codes(
            table["symbol"], name=f"{file.path}: column 'symbol'"
        )
    if codes.size and codes.min() < 0:
        row = int(rows[np.argmin(codes)])
        text = f"{file.path}: row {row} has no symbol"
        raise StorageError(text, path=str(file.path), row=row)
    return Rows(rows, columns, codes, tuple(texts))


def _column(table: pa.Table, name: str, path: Path) -> npt.NDArray[Any]:
    label = f"{path}: column {name!r}"
    if name == "ts":
        return arrow_instants(table["ts"], zone=UTC, name=label)
    if name == "flags":
        flags: npt.NDArray[np.uint8] = table["flags"].fill_null(0).to_numpy()
        return flags
    return arrow_floats(table[name], name=label)


@contextmanager
def _opened(
    path: Path, footer: pq.FileMetaData | None = None
) -> Iterator[pq.ParquetFile]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path, metadata=footer, page_checksum_verification=True) as file:
        yield file


@contextmanager
def _errors_named(path: Path) -> Iterator[None]:
    """Give what pyarrow raises our types and the path."""
    import pyarrow as pa

    try:
        yield
    except (StorageError, CorruptFileError):
        raise
    except ArgumentError as error:
        # The columns' own errors name file and column already.
        raise StorageError(str(error), path=str(path)) from error
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        text = f"{path}: cannot be read: {(error.strerror or str(error)).lower()}"
        raise StorageError(text, path=str(path)) from error
    except (pa.ArrowException, OSError, EOFError, UnicodeDecodeError) as error:
        reason = (
            str(error).strip().splitlines()[0]
            if str(error).strip()
            else type(error).__name__
        )
        text = f"{path}: not a readable Parquet file, or damaged: {reason[:1].lower()}{reason[1:].rstrip('.')}"
        raise CorruptFileError(text, path=str(path)) from error


def _check_schema(path: Path, schema: pa.Schema) -> None:
    import pyarrow as pa

    for name in ("ts", *FIELDS):
        found = schema.names.count(name)
        if not found:
            near = did_you_mean(name, schema.names)
            text = f"{path}: column {name!r} is missing; found {', '.join(schema.names)}{near}"
            raise StorageError(text, path=str(path), expected=name)
        if found > 1:
            text = (
                f"{path}: column {name!r} is there {found} times; it must be there once"
            )
            raise StorageError(text, path=str(path), got=name)
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
    for name in FIELDS:
        kind = schema.field(name).type
        if not (
            pa.types.is_floating(kind)
            or pa.types.is_integer(kind)
            or pa.types.is_decimal(kind)
        ):
            text = f"{path}: column {name!r} is {kind}; it must hold numbers (float64)"
            raise StorageError(text, path=str(path), got=str(kind))
    if "flags" in schema.names and schema.field("flags").type != pa.uint8():
        text = (
            f"{path}: column 'flags' is {schema.field('flags').type}; it must be uint8"
        )
        raise StorageError(text, path=str(path))


def _check_promise(path: Path, schema: pa.Schema, rows: int) -> None:
    """Compare what a file of ours says about itself with what it holds."""
    said = (schema.metadata or {}).get(METADATA_KEY)
    if said is None:
        return
    try:
        promised = json.loads(said)["rows"]
    except (ValueError, KeyError, TypeError) as error:
        text = f"{path}: damaged: its own description cannot be read"
        raise CorruptFileError(text, path=str(path)) from error
    if promised != rows:
        text = f"{path}: damaged: it was written with {promised} rows and holds {rows}"
        raise CorruptFileError(text, path=str(path), expected=promised, got=rows)


def _statistics(file: pq.ParquetFile, name: str) -> list[Any]:
    """Return the statistics of one column in every row group, ``None`` where there are none."""
    at = file.schema.names.index(name)
    footer = file.metadata
    return [
        footer.row_group(i).column(at).statistics for i in range(footer.num_row_groups)
    ]


def _ts_bounds(
    file: pq.ParquetFile,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    found = _statistics(file, "ts")
    first = np.full(len(found), SMALLEST, np.int64)
    last = np.full(len(found), LARGEST, np.int64)
    logical = file.schema.column(file.schema.names.index("ts")).logical_type
    # The unit of the raw values is the one of the file, which may be finer than the one shown.
    factor = PER_UNIT.get(json.loads(logical.to_json()).get("timeUnit", ""))
    for i, statistics in enumerate(found):
        if factor is None or statistics is None or not statistics.has_min_max:
            continue
        smallest, largest = statistics.min_raw * factor, statistics.max_raw * factor
        if smallest >= SMALLEST and largest <= LARGEST:
            first[i], last[i] = smallest, largest
    return first, last


def _group_symbols(file: pq.ParquetFile) -> tuple[str | None, ...]:
    symbols: list[str | None] = []
    for statistics in _statistics(file, "symbol"):
        one = (
            statistics is not None
            and statistics.has_min_max
            and statistics.min == statistics.max
            and statistics.null_count == 0
            and isinstance(statistics.min, str)
        )
        symbols.append(statistics.min if one else None)
    return tuple(symbols)


def _newest_before(
    last: npt.NDArray[np.int64], symbols: tuple[str | None, ...]
) -> npt.NDArray[np.int64]:
    newest: dict[str, int] = {}
    found = np.full(len(last), SMALLEST, np.int64)
    for group, symbol in enumerate(symbols):
        if symbol is None:
            continue
        found[group] = newest.get(symbol, SMALLEST)
        if last[group] != LARGEST:
            newest[symbol] = max(int(last[group]), int(found[group]))
    return found
