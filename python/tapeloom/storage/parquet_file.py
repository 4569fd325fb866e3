"""One Parquet file of bars: what its footer says, and its rows as columns. It knows no folders."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np

from tapeloom.columns.arrow import arrow_codes, arrow_floats, arrow_instants
from tapeloom.errors import StorageError, did_you_mean
from tapeloom.side_by_side import meanwhile
from tapeloom.storage.description import is_rewritten, read_description
from tapeloom.storage.files import Files
from tapeloom.storage.group_facts import SaidFacts, SealedFacts
from tapeloom.storage.parquet_bytes import (
    SMALLEST,
    OpenFile,
    check_stamps,
    errors_named,
    open_file,
    parquet,
    read_bytes,
)
from tapeloom.storage.seal import BrokenSeal, Seal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt
    import pyarrow as pa
    import pyarrow.parquet as pq

    from tapeloom.storage.group_facts import GroupFacts

__all__ = [
    "FIELDS",
    "BarFile",
    "Rows",
    "open_bar_file",
    "read_rows",
]

FIELDS = ("open", "high", "low", "close", "volume")
MOST_SEALED_BYTES = 2**31
LOCAL = Files()


@dataclass(frozen=True, slots=True, eq=False)
class BarFile:
    """The footer of one file.

    Attributes
    ----------
    about
        What a file of ours says about itself; nothing of one of others.
    names
        Of its columns.
    offsets
        int64, shape (g + 1,): row group i has the rows ``[offsets[i], offsets[i + 1])``.
    facts
        What is known of each row group.
    seal
        Checksums of all bytes, in files of ours.
    files
        Where it lies.
    """

    path: Path
    about: dict[str, Any]
    names: list[str]
    offsets: npt.NDArray[np.int64]
    facts: GroupFacts
    seal: Seal | None = None
    files: Files = LOCAL
    #: Whether it was ours, and another tool has written it again, without our checksums.
    rewritten: bool = False
    #: The file as it was opened for this, for who reads it next.
    still_open: list[OpenFile] = field(default_factory=list)
    #: The footer as pyarrow holds it, so that reading rows does not parse it again: large, so that a store of many files
    #: takes it away.
    parsed: list[pq.FileMetaData] = field(default_factory=list)

    @property
    def has_symbol(self) -> bool:
        """Whether rows say whose they are."""
        return "symbol" in self.names

    @property
    def has_flags(self) -> bool:
        """Whether rows have flags."""
        return "flags" in self.names

    @property
    def chunks(self) -> int:
        """Number of columns of all row groups, about."""
        return (len(self.offsets) - 1) * len(("ts", *FIELDS, "symbol"))

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.offsets[-1])

    @property
    def last(self) -> int:
        """Start of the last bar, or later; nanoseconds UTC."""
        return int(self.facts.last.max(initial=SMALLEST))

    def groups(self, start: int | None, end: int | None) -> npt.NDArray[np.int64]:
        """Return the row groups that may hold a bar with ``ts`` in ``[start, end)``."""
        kept = self.offsets[1:] > self.offsets[:-1]
        if start is not None:
            kept &= self.facts.last >= start
        if end is not None:
            kept &= self.facts.first < end
        return np.flatnonzero(kept)

    def close(self) -> None:
        """Close what was kept open and is not read."""
        while self.still_open:
            self.still_open.pop().close()


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


def open_bar_file(
    path: Path, files: Files = LOCAL, *, keep_open: bool = False
) -> BarFile:
    """Read and check the footer of a file.

    Parameters
    ----------
    path
        The file.
    files
        Where it lies; the local disk if not given.
    keep_open
        Whether it will be read next.

    Raises
    ------
    StorageError
        If the file cannot be opened, a column is missing or of a wrong type, or ``ts`` has no zone.
    CorruptFileError
        If it is no Parquet file, or damaged.
    """
    with errors_named(path):
        opened = open_file(path, files, checks_seal=True)
        try:
            found = _described(opened, files)
        except BaseException:
            opened.close()
            raise
    if keep_open:
        found.still_open.append(opened)
    else:
        opened.close()
    return found


def _described(opened: OpenFile, files: Files) -> BarFile:
    path, schema, seal = opened.path, opened.schema, opened.seal
    footer = opened.parquet.metadata
    _check_schema(path, schema)
    about = read_description(path, schema)
    facts: GroupFacts
    rewritten = False
    if seal is None:
        counts = [footer.row_group(i).num_rows for i in range(footer.num_row_groups)]
        opened.check_rows(counts)
        facts = SaidFacts(opened)
        rewritten = is_rewritten(opened, about, sum(counts), facts)
    else:
        counts = seal.groups["rows"].tolist()
        facts = SealedFacts(seal, _sealed_symbol(about, len(counts), footer))
    return BarFile(
        path=path,
        about=about,
        names=schema.names,
        offsets=np.array([0, *accumulate(counts)], np.int64),
        facts=facts,
        seal=seal,
        files=files,
        rewritten=rewritten,
        parsed=[footer],
    )


def _sealed_symbol(about: dict[str, Any], groups: int, footer: pq.FileMetaData) -> str:
    symbol = about.get("symbol")
    if groups != footer.num_row_groups or not isinstance(symbol, str):
        text = "its seal is that of another file"
        raise BrokenSeal(text)
    return symbol


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
    with errors_named(file.path):
        table = _table(file, groups, chosen)
        found = dict(zip(table.column_names, table.columns, strict=True))
        columns = {n: _column(found[n], n, file.path) for n in names}
        rows = _row_numbers(file, groups)
        if not with_symbol:
            return Rows(rows, columns)
        codes, texts = arrow_codes(
            found["symbol"], name=f"{file.path}: column 'symbol'"
        )
    if codes.size and codes.min() < 0:
        row = int(rows[np.argmin(codes)])
        text = f"{file.path}: row {row} has no symbol"
        raise StorageError(text, path=str(file.path), row=row)
    return Rows(rows, columns, codes, tuple(texts))


def _table(file: BarFile, groups: Sequence[int], columns: Sequence[str]) -> pa.Table:
    opened, footer = _popped(file.still_open), _last(file.parsed)
    if opened is None and footer is None:
        opened = _opened_again(file)
    if opened is not None:
        footer = opened.parquet.metadata
        try:
            if file.seal is None or not len(groups):
                return _decoded(file, opened.parquet, groups, columns)
            if opened.content is not None:
                start, end = file.seal.span(groups[0], groups[-1])
                wanted = memoryview(opened.content)[start:end]
                file.seal.check(wanted, groups[0], groups[-1])
                return _decoded(file, opened.parquet, groups, columns)
        finally:
            opened.close()
    with file.files.opened(file.path) as raw:
        source = _checked(file, groups, raw)
        is_sealed = source is not raw
        far = not is_sealed and not file.files.is_local
        with parquet(source, footer, far=far, is_sealed=is_sealed) as found:
            return _decoded(file, found, groups, columns)


def _popped(one: list[OpenFile]) -> OpenFile | None:
    # Another thread may be faster.
    try:
        return one.pop()
    except IndexError:
        return None


def _last(one: list[pq.FileMetaData]) -> pq.FileMetaData | None:
    try:
        return one[-1]
    except IndexError:
        return None


def _opened_again(file: BarFile) -> OpenFile:
    """Open a file whose footer was put away; it must still be the same."""
    opened = open_file(file.path, file.files, checks_seal=True)
    footer, seal = opened.parquet.metadata, opened.seal
    rows = [footer.row_group(i).num_rows for i in range(footer.num_row_groups)]
    same = np.array_equal(np.diff(file.offsets), rows)
    if file.seal is not None:
        mine = file.seal.groups.tobytes()
        same = seal is not None and seal.groups.tobytes() == mine
    if not same:
        opened.close()
        text = "it has changed since it was opened"
        raise BrokenSeal(text)
    file.parsed[:] = [footer]
    return opened


def _decoded(
    file: BarFile, parsed: pq.ParquetFile, groups: Sequence[int], columns: Sequence[str]
) -> pa.Table:
    whole = list(columns) == file.names
    # Who reads many files gives each a thread.
    with meanwhile():
        return parsed.read_row_groups(
            list(groups), columns=None if whole else columns, use_threads=False
        )


def _checked(file: BarFile, groups: Sequence[int], raw: pa.NativeFile) -> Any:
    """Return what to decode: of a sealed file the bytes of the wanted groups, compared with their checksums."""
    if file.seal is None or not len(groups):
        return raw
    import pyarrow as pa

    start, end = file.seal.span(groups[0], groups[-1])
    if end > MOST_SEALED_BYTES:
        # Page checksums have to do.
        return raw
    with meanwhile():
        content = read_bytes(raw, start, end)
    file.seal.check(memoryview(content), groups[0], groups[-1])
    if not start:
        return pa.BufferReader(content)
    # As long as the file, so that all lies where the footer says; memory is taken for what is filled only.
    whole = np.empty(end, np.uint8)
    whole[start:] = np.frombuffer(content, np.uint8)
    return pa.BufferReader(pa.py_buffer(whole))


def _row_numbers(file: BarFile, groups: Sequence[int]) -> npt.NDArray[np.int64]:
    if not len(groups):
        return np.empty(0, np.int64)
    if groups[-1] - groups[0] == len(groups) - 1:
        return np.arange(file.offsets[groups[0]], file.offsets[groups[-1] + 1])
    parts = [np.arange(file.offsets[g], file.offsets[g + 1]) for g in groups]
    return np.concatenate(parts)


def _column(column: pa.ChunkedArray, name: str, path: Path) -> npt.NDArray[Any]:
    label = f"{path}: column {name!r}"
    if name == "ts":
        return arrow_instants(column, zone=UTC, name=label)
    if name == "flags":
        flags: npt.NDArray[np.uint8] = column.fill_null(0).to_numpy()
        return flags
    return arrow_floats(column, name=label)


def _check_schema(path: Path, schema: pa.Schema) -> None:
    import pyarrow as pa

    names, kinds = schema.names, schema.types
    for name in ("ts", *FIELDS, "symbol", "flags"):
        found = names.count(name)
        if not found and name not in ("symbol", "flags"):
            near = did_you_mean(name, names)
            text = f"{path}: column {name!r} is missing; found {', '.join(names)}{near}"
            raise StorageError(text, path=str(path), expected=name)
        if found > 1:
            text = (
                f"{path}: column {name!r} is there {found} times; it must be there once"
            )
            raise StorageError(text, path=str(path), got=name)
    check_stamps(path, schema)
    for name in FIELDS:
        kind = kinds[names.index(name)]
        if not (
            pa.types.is_floating(kind)
            or pa.types.is_integer(kind)
            or pa.types.is_decimal(kind)
        ):
            text = f"{path}: column {name!r} is {kind}; it must hold numbers (float64)"
            raise StorageError(text, path=str(path), got=str(kind))
    if "flags" in names and schema.field("flags").type != pa.uint8():
        text = (
            f"{path}: column 'flags' is {schema.field('flags').type}; it must be uint8"
        )
        raise StorageError(text, path=str(path))
