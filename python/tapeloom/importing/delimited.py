"""Reads delimited text into foreign tables, with pyarrow's reader. What the columns mean is decided elsewhere."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from tapeloom.errors import ArgumentError, CorruptFileError
from tapeloom.importing.column_names import PRICES, map_columns
from tapeloom.importing.headerless import headerless_columns
from tapeloom.importing.sniff import SAMPLE_BYTES, THOUSANDS, Shape, sniff
from tapeloom.importing.tables import ForeignTable
from tapeloom.importing.text_times import iso_type
from tapeloom.importing.unpack import file_errors_named
from tapeloom.importing.wide import wide_columns
from tapeloom.side_by_side import meanwhile

if TYPE_CHECKING:
    import pyarrow as pa

    from tapeloom.importing.options import ReadOptions
    from tapeloom.importing.path_hints import PathHints

__all__ = ["read_delimited"]

NUMBERS = frozenset((*PRICES, "volume"))
NULLS = ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "-", "--"]
# A torn line or two is told of; a file full of them is another format.
MOST_BAD_SHARE = 0.01
SHOWN = 3
CHUNK = 2**24
LARGE = 2**23


def read_delimited(
    buffer: pa.Buffer, name: str, hints: PathHints, options: ReadOptions
) -> list[ForeignTable]:
    """Return the tables in a text: one, or one per symbol where symbols stand side by side.

    Raises
    ------
    CorruptFileError
        If the text is damaged or no table.
    StorageError
        If it is empty.
    ArgumentError
        If its columns are not known.
    """
    buffer = _as_utf8(buffer, name)
    sample = buffer.slice(0, min(SAMPLE_BYTES, buffer.size)).to_pybytes()
    shape = sniff(sample, source=name, whole=buffer.size <= SAMPLE_BYTES)
    wide = wide_columns(shape.names, shape.above, options)
    if wide is not None:
        return [
            _table(
                buffer,
                shape,
                places,
                name,
                hints,
                options,
                symbol=symbol,
                dropped=dropped,
            )
            for symbol, places, dropped in wide
        ]
    if shape.above:
        row = ", ".join(shape.above[0][:6])
        text = f"{name}: has {len(shape.above)} rows between its header and its data ({row}); remove them"
        raise ArgumentError(text)
    if shape.names is None:
        places, dropped, note = headerless_columns(shape, options, source=name)
        notes = (("columns_told", note),) if note else ()
        return [
            _table(
                buffer,
                shape,
                places,
                name,
                hints,
                options,
                dropped=dropped,
                notes=notes,
            )
        ]
    found = map_columns(shape.names, options, source=name)
    places = {role: shape.names.index(theirs) for role, theirs in found.of.items()}
    return [_table(buffer, shape, places, name, hints, options, dropped=found.dropped)]


def _as_utf8(buffer: pa.Buffer, name: str) -> pa.Buffer:
    import pyarrow as pa

    if buffer.slice(0, min(2, buffer.size)).to_pybytes() not in (
        b"\xff\xfe",
        b"\xfe\xff",
    ):
        return buffer
    with file_errors_named(name):
        return pa.py_buffer(buffer.to_pybytes().decode("utf-16").encode())


def _table(
    buffer: pa.Buffer,
    shape: Shape,
    places: dict[str, int],
    name: str,
    hints: PathHints,
    options: ReadOptions,
    *,
    dropped: tuple[str, ...],
    symbol: str | None = None,
    notes: tuple[tuple[str, str], ...] = (),
) -> ForeignTable:
    kinds = _kinds(shape, places, options)
    columns, bad = _parsed(buffer.slice(shape.skip), shape, places, kinds, name)
    rows = len(columns["open"])
    if len(bad) > max(2, MOST_BAD_SHARE * (rows + len(bad))):
        text = f"{name}: {len(bad):,} of {rows + len(bad):,} rows do not have {shape.width} columns, such as {bad[0]!r}"
        raise CorruptFileError(text, path=name, got=len(bad))
    return ForeignTable(
        name,
        columns,
        hints,
        dropped=dropped,
        symbol=symbol,
        notes=notes,
        bad_rows=len(bad),
        bad_texts=tuple(bad[:SHOWN]),
    )


def _kinds(
    shape: Shape, places: dict[str, int], options: ReadOptions
) -> list[dict[str, pa.DataType]]:
    """What the columns are read as, by our names; the next where a cell is nothing of the kind."""
    import pyarrow as pa

    kinds = {r: pa.float64() if r in NUMBERS else pa.string() for r in places}
    # Some cell is no number: read as text, and only that row is lost.
    found = [kinds, dict.fromkeys(places, pa.string())]
    if "ts" in places and options.time_format is None:
        at = places["ts"]
        times = iso_type([row[at] for row in shape.rows if at < len(row)])
        if times is not None:
            found.insert(0, {**kinds, "ts": times})
    return found


def _parsed(
    buffer: pa.Buffer,
    shape: Shape,
    places: dict[str, int],
    kinds: list[dict[str, pa.DataType]],
    name: str,
) -> tuple[dict[str, pa.ChunkedArray], list[str]]:
    import pyarrow as pa

    if not buffer.size:
        return {r: pa.chunked_array([], kind) for r, kind in kinds[0].items()}, []
    if shape.delimiter == " ":
        # Any run of blanks delimits; pyarrow takes exactly one.
        text = re.sub(rb"[ \t]+", b" ", buffer.to_pybytes())
        buffer = pa.py_buffer(re.sub(rb"(?m)^ | $", b"", text))
    with file_errors_named(name):
        table, bad = _read_as_first(buffer, shape, places, kinds)
    _check_quotes(buffer, table.num_rows + len(bad), name)
    columns = {role: table.column(str(at)) for role, at in places.items()}
    return {
        role: _numbers(column, shape.decimal)
        if role in NUMBERS and pa.types.is_string(column.type)
        else column
        for role, column in columns.items()
    }, bad


def _read_as_first(
    buffer: pa.Buffer,
    shape: Shape,
    places: dict[str, int],
    kinds: list[dict[str, pa.DataType]],
) -> tuple[pa.Table, list[str]]:
    """Read columns as the first kinds that all cells are."""
    import pyarrow as pa

    *others, last = kinds
    for wanted in others:
        try:
            return _read(buffer, shape, places, wanted)
        except pa.ArrowInvalid as error:
            if "onversion error" not in str(error):
                raise
    return _read(buffer, shape, places, last)


def _read(
    buffer: pa.Buffer,
    shape: Shape,
    places: dict[str, int],
    kinds: dict[str, pa.DataType],
) -> tuple[pa.Table, list[str]]:
    import pyarrow as pa
    from pyarrow import csv

    bad: list[str] = []

    def torn(row: Any) -> str:
        bad.append(row.text[:80])
        return "skip"

    read = csv.ReadOptions(
        column_names=[str(i) for i in range(shape.width)],
        encoding=_encoding(buffer),
        # Files are read side by side; threads for the columns of a small one cost more than they bring.
        use_threads=buffer.size > LARGE,
    )
    parse = csv.ParseOptions(delimiter=shape.delimiter, invalid_row_handler=torn)
    convert = csv.ConvertOptions(
        column_types={str(at): kinds[role] for role, at in places.items()},
        include_columns=[str(at) for at in places.values()],
        null_values=NULLS,
        strings_can_be_null=True,
        decimal_point=shape.decimal,
    )
    # Who reads many files gives each a thread.
    with meanwhile():
        return csv.read_csv(pa.BufferReader(buffer), read, parse, convert), bad


def _check_quotes(buffer: pa.Buffer, rows: int, name: str) -> None:
    """Refuse a text in which lines became part of a row, as those behind a quotation mark that nobody closes do."""
    content = memoryview(buffer)
    ends = sum(
        int(np.count_nonzero(np.frombuffer(content[at : at + CHUNK], np.uint8) == 10))
        for at in range(0, len(content), CHUNK)
    )
    if ends <= rows or not re.search(rb'"', content):
        return
    blank = sum(1 for _ in re.finditer(rb"(?:\A|\n)[ \t\r]*(?=\n)", content))
    lines = ends - blank + (content[-1] != 10)
    if lines > rows:
        text = f"{name}: {lines:,} lines give {rows:,} rows, since some lie between quotation marks; close or remove the one that is too many"
        raise CorruptFileError(text, path=name, got=lines, expected=rows)


def _encoding(buffer: pa.Buffer) -> str:
    sample = buffer.slice(0, min(SAMPLE_BYTES, buffer.size)).to_pybytes()
    # Without its last bytes, which may be half a character.
    try:
        sample[: max(0, len(sample) - 4)].decode("utf-8")
    except UnicodeDecodeError as error:
        return "utf8" if error.start >= len(sample) - 8 else "cp1252"
    return "utf8"


def _numbers(column: pa.ChunkedArray, decimal: str) -> pa.ChunkedArray:
    """Return texts as float64; NaN where one is no number."""
    import pyarrow as pa

    texts = column.to_pylist()
    values = np.array([_number(t, decimal) for t in texts], np.float64)
    return pa.chunked_array([pa.array(values)])


def _number(text: str | None, decimal: str) -> float:
    if text is None:
        return float("nan")
    text = text.strip()
    if THOUSANDS[decimal].fullmatch(text):
        text = text.replace("." if decimal == "," else ",", "")
    elif decimal == "," and "." in text:
        # Neither a fraction nor thousands, as the others write them.
        return float("nan")
    try:
        return float(text.replace(decimal, "."))
    except ValueError:
        return float("nan")
