"""Tells the shape of a delimited text from its first lines: delimiter, header, columns, decimal mark."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from itertools import islice

from tapeloom.errors import CorruptFileError, StorageError

__all__ = ["SAMPLE_BYTES", "THOUSANDS", "Shape", "sniff"]

SAMPLE_BYTES = 2**18
# What holds enough lines of nearly every text.
FIRST_BYTES = 2**14
SAMPLE_LINES = 50
MOST_COLUMNS = 1_000
DELIMITERS = (",", ";", "\t", "|")
# Bytes that no text holds.
CONTROL = bytes(b for b in range(32) if b not in b"\t\n\r\f\v\x1a")
MARK = b"\xef\xbb\xbf"
DECIMAL_COMMA = re.compile(r"[+-]?\d[\d.]*,\d+")
DECIMAL_POINT = re.compile(r"[+-]?\d[\d,]*\.\d+")
# Numbers with a mark between thousands, by the mark before their fractions.
THOUSANDS = {
    ".": re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?"),
    ",": re.compile(r"[+-]?\d{1,3}(\.\d{3})+(,\d*)?"),
}
NUMBER = re.compile(r"\s*[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?\s*$")
STAMP = re.compile(
    r"\s*\d{1,4}[-/.:]\d{1,2}([-/.:]\d{1,4})?([ T]\S+)?\s*$|\s*\d{8}[ T]"
)


@dataclass(frozen=True, slots=True)
class Shape:
    """What a text looks like.

    ``names`` are those of the header, or ``None`` if there is none; ``above`` are the rows between a header and the data,
    such as the tickers of a wide table; ``skip`` bytes stand before the first row of data; ``rows`` are the first rows of
    data.
    """

    delimiter: str
    names: tuple[str, ...] | None
    width: int
    skip: int
    decimal: str
    rows: tuple[tuple[str, ...], ...]
    above: tuple[tuple[str, ...], ...] = ()


def sniff(sample: bytes, *, source: str, whole: bool) -> Shape:
    """Tell the shape of a text.

    Parameters
    ----------
    sample
        Its beginning, in an encoding that keeps ASCII.
    source
        What to call it in an error.
    whole
        Whether the sample is all of it; otherwise its last line may be cut.

    Raises
    ------
    CorruptFileError
        If it is no table of text: binary, or of lines that are too long.
    StorageError
        If it has no rows, or too many columns.
    """
    if any(byte in sample for byte in CONTROL):
        text = f"{source}: holds binary data; give CSV, TSV or Parquet"
        raise CorruptFileError(text, path=source)
    _check_kind(sample, source)
    raw = _lines(sample, whole=whole)
    if not raw and not whole:
        commas = max(sample.count(d.encode()) for d in DELIMITERS)
        text = (
            f"{source}: its first line is longer than {SAMPLE_BYTES // 1024} KiB, with at least {commas:,} columns; "
            f"a table of bars has at most {MOST_COLUMNS:,}"
        )
        raise CorruptFileError(text, path=source, got=commas)
    kept = _rows_of_data(raw)
    if not kept:
        text = f"{source}: holds no row of data"
        raise StorageError(text, path=source)
    lines = [_decoded(raw[i]) for i in kept]
    delimiter = _delimiter(lines)
    rows = _split(lines, delimiter, source)
    widest = max(map(len, rows))
    if widest > MOST_COLUMNS:
        text = f"{source}: has {widest:,} columns; a table of bars has at most {MOST_COLUMNS:,}"
        raise CorruptFileError(text, path=source, got=widest)
    heads = next(
        (i for i, row in enumerate(rows) if _is_row(row, below=i > 0)), len(rows)
    )
    first = kept[heads] if heads < len(kept) else len(raw)
    skip = sum(map(len, raw[:first]))
    if not first and raw[0].startswith(MARK):
        skip = len(MARK)
    return _shape(rows, heads, skip, delimiter)


def _lines(sample: bytes, *, whole: bool) -> list[bytes]:
    """Return the first lines of a sample where these are enough, else all that are whole."""
    raw = sample[:FIRST_BYTES].splitlines(keepends=True)[:-1]
    if len(_rows_of_data(raw)) == SAMPLE_LINES:
        return raw
    raw = sample.splitlines(keepends=True)
    return raw if whole else raw[:-1]


def _rows_of_data(raw: list[bytes]) -> list[int]:
    """Positions of the first lines that are neither blank nor a comment."""
    found = (i for i, line in enumerate(raw) if line.strip() and not _is_comment(line))
    return list(islice(found, SAMPLE_LINES))


def _check_kind(sample: bytes, source: str) -> None:
    """Refuse texts that are no tables, whatever their lines look like."""
    start = sample.removeprefix(MARK).lstrip()[:15].lower()
    if start.startswith((b"{", b"[")):
        text = f"{source}: holds JSON; give CSV, TSV or Parquet, or a frame that is made of it"
        raise CorruptFileError(text, path=source)
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        text = f"{source}: holds a web page, as a download that went wrong does; give CSV, TSV or Parquet"
        raise CorruptFileError(text, path=source)


def _split(lines: list[str], delimiter: str, source: str) -> list[tuple[str, ...]]:
    if delimiter == " ":
        return [tuple(line.split()) for line in lines]
    try:
        return [
            tuple(map(str.strip, r)) for r in csv.reader(lines, delimiter=delimiter)
        ]
    except csv.Error as error:
        text = f"{source}: cannot be read as a table of text: {error}"
        raise CorruptFileError(text, path=source) from error


def _decoded(line: bytes) -> str:
    try:
        return line.removeprefix(MARK).decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        return line.decode("cp1252", errors="replace").rstrip("\r\n")


def _shape(rows: list[tuple[str, ...]], heads: int, skip: int, delimiter: str) -> Shape:
    data = tuple(rows[heads:])
    width = max((len(r) for r in data), default=len(rows[0]))
    decimal = "." if delimiter == "," else _decimal([f for r in data for f in r])
    if not heads:
        return Shape(delimiter, None, width, skip, decimal, data)
    names = _fitted(rows[0], data, width)
    above = tuple(rows[1:heads])
    return Shape(delimiter, names, max(width, len(names)), skip, decimal, data, above)


def _decimal(fields: list[str]) -> str:
    """Return the mark that stands before fractions; the other one may stand between thousands."""
    commas = [f for f in fields if DECIMAL_COMMA.fullmatch(f)]
    points = [f for f in fields if DECIMAL_POINT.fullmatch(f)]
    if not commas or (points and all(map(THOUSANDS["."].fullmatch, commas))):
        return "."
    return "," if not points or all(map(THOUSANDS[","].fullmatch, points)) else "."


def _is_comment(line: bytes) -> bool:
    return line.lstrip().startswith(b"#")


def _delimiter(lines: list[str]) -> str:
    """Return the delimiter that cuts most lines into the same number of fields, the more the better."""
    best, most = ",", (0, 0)
    text = "".join(lines)
    for delimiter in DELIMITERS:
        if delimiter not in text:
            continue
        counts = [len(r) for r in csv.reader(lines, delimiter=delimiter)]
        common = max(set(counts), key=counts.count)
        if common > 1:
            # European decimals make commas as frequent as fields; the other mark then cuts the header as well.
            score = (
                counts.count(common) * 2 // len(counts)
                + (counts[0] in (common, common - 1)),
                common,
            )
            if score > most:
                best, most = delimiter, score
    if most == (0, 0) and len(lines[-1].split()) > 4:
        return " "
    return best


def _is_row(row: tuple[str, ...], *, below: bool) -> bool:
    """Whether a row is data: a third of its fields, at least two, are numbers or times.

    Below another row a first field that is one tells it, so that a torn row is no header.
    """
    told = [bool(NUMBER.match(f) or STAMP.match(f)) for f in row]
    return sum(told) >= max(2, len(row) // 3) or (below and told[:1] == [True])


def _fitted(
    header: tuple[str, ...], data: tuple[tuple[str, ...], ...], width: int
) -> tuple[str, ...]:
    """Return names for all columns, also where rows are wider than the header."""
    extra = width - len(header)
    if header and not header[0] and not _has_time(header):
        # A frame written with its index leaves the name of the first column blank.
        header = ("ts", *header[1:])
    if extra <= 0:
        return header
    full = [r for r in data if len(r) == width]
    if all(not r[-1] for r in full):
        # Each line ends with a delimiter.
        return (*header, *(f"unnamed_{i}" for i in range(extra)))
    # An index without a name stands in front.
    front = ("ts",) if extra == 1 and not _has_time(header) else ()
    missing = tuple(f"unnamed_{i}" for i in range(extra - len(front)))
    return (*front, *missing, *header)


def _has_time(header: tuple[str, ...]) -> bool:
    from tapeloom.importing.column_names import NAMES, fold

    known = {*NAMES["ts"], *NAMES["date"], *NAMES["time"]}
    return any(fold(name) in known for name in header)
