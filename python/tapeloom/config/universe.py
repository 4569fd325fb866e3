"""Which symbols a configuration means, and on which dates each belongs to them. Reads the file that lists them."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from io import StringIO
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, NamedTuple

from tapeloom.bars import normalise_symbol
from tapeloom.config.faults import Fault, kind_of
from tapeloom.config.frozen import FrozenDict
from tapeloom.errors import ArgumentError

__all__ = ["Span", "Universe", "read_universe"]

LARGEST_FILE = 64 * 2**20
COLUMNS = ("date_from", "date_to", "symbol")
_MOST_FAULTS = 10
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


class Span(NamedTuple):
    """Dates from ``first`` to ``last``, both included; ``None`` is open."""

    first: date | None
    last: date | None

    def holds(self, day: date) -> bool:
        """Return whether a date lies in it."""
        return (self.first is None or self.first <= day) and (
            self.last is None or day <= self.last
        )


@dataclass(frozen=True, slots=True)
class Universe:
    """The symbols in configured order, or ``"all"`` that are stored.

    ``spans`` has the dates of each symbol's membership, oldest first; empty where all symbols always belong.
    """

    symbols: tuple[str, ...] | Literal["all"]
    spans: Mapping[str, tuple[Span, ...]] = field(default_factory=FrozenDict)

    def is_listed(self, symbol: str, day: date) -> bool:
        """Return whether a symbol belongs to the universe on a date."""
        spans = self.spans.get(symbol)
        return spans is None or any(span.holds(day) for span in spans)

    def unlisted(self, day: date) -> set[str]:
        """Return the symbols that do not belong to it on a date."""
        return {symbol for symbol in self.spans if not self.is_listed(symbol, day)}


class _Row(NamedTuple):
    """One row of a table as it was found, and how to name it in a fault."""

    name: str
    first: object
    last: object
    symbol: object


def read_universe(
    given: object, folder: Path, path: tuple[str | int, ...]
) -> tuple[Universe | None, list[Fault]]:
    """Return what ``symbols`` of a configuration means, and what is wrong with the file or table it names.

    Parameters
    ----------
    given
        The value as read from JSON or as a model has it. One of another form has no universe and no faults here.
    folder
        Where relative paths begin.
    path
        The path of the value, for faults.
    """
    if given == "all":
        return Universe("all"), []
    if isinstance(given, (list, tuple)):
        names = [_symbol(name) for name in given]
        known = tuple(dict.fromkeys(name for name in names if name is not None))
        return Universe(known), []
    if not isinstance(given, Mapping):
        return None, []
    if isinstance(table := given.get("table"), (list, tuple)):
        # Its values are checked by the model; here their meaning.
        rows = [_inline(at, row) for at, row in enumerate(table)]
        found = [row for row in rows if row is not None]
        universe, faults = _members(found) if found else (None, [])
        return universe, [Fault((*path, "table"), text) for text in faults]
    if isinstance(name := given.get("file"), str) and name.strip():
        universe, faults = _from_file(folder / name)
        return universe, [Fault((*path, "file"), text) for text in faults]
    return None, []


def _inline(at: int, row: object) -> _Row | None:
    if not isinstance(row, Mapping) or _symbol(row.get("symbol")) is None:
        return None
    first, last = row.get("date_from"), row.get("date_to")
    if isinstance(_date(first), str) or isinstance(_date(last), str):
        return None
    return _Row(f"row {at}", first, last, row["symbol"])


def _from_file(file: Path) -> tuple[Universe | None, list[str]]:
    shown = repr(str(file))
    try:
        if file.suffix.lower() == ".parquet":
            return _members(_parquet_rows(file))
        with file.open("rb") as stream:
            raw = stream.read(LARGEST_FILE + 1)
    except FileNotFoundError:
        return None, [f"{shown} does not exist; give the path of a list of symbols"]
    except OSError as error:
        return None, [f"{shown} cannot be read: {error.strerror or error}"]
    except ValueError as error:
        return None, [f"{shown} cannot be read: {error}"]
    if len(raw) > LARGEST_FILE:
        return None, [f"{shown} is larger than {LARGEST_FILE // 2**20} MiB"]
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return None, [f"{shown} is not UTF-8 at byte {error.start}"]
    lines = [(n, line.strip()) for n, line in enumerate(text.splitlines(), 1)]
    lines = [(n, line) for n, line in lines if line]
    if lines and set(COLUMNS) <= set(_cells(lines[0][1].lower())):
        return _members(_csv_rows(lines))
    return _listed(lines, shown)


def _listed(
    lines: list[tuple[int, str]], shown: str
) -> tuple[Universe | None, list[str]]:
    """A file with one symbol a line."""
    found: dict[str, int] = {}
    faults = []
    for number, line in lines:
        symbol = _symbol(line)
        if symbol is None:
            faults.append(f"line {number}: {kind_of(line)} is no symbol")
        elif symbol in found:
            faults.append(f"line {number}: {line!r} repeats line {found[symbol]}")
        else:
            found[symbol] = number
    if not found and not faults:
        faults.append(f"{shown} holds no symbol")
    return Universe(tuple(found)), _first(faults)


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in next(csv.reader(StringIO(line)), [])]


def _csv_rows(lines: list[tuple[int, str]]) -> list[_Row]:
    header = _cells(lines[0][1].lower())
    at = [header.index(name) for name in COLUMNS]
    rows = []
    for number, line in lines[1:]:
        cells = _cells(line)
        first, last, symbol = (cells[k] if k < len(cells) else "" for k in at)
        rows.append(_Row(f"line {number}", first or None, last or None, symbol))
    return rows


def _parquet_rows(file: Path) -> list[_Row]:
    import pyarrow.parquet as pq

    # pyarrow's own errors are ValueErrors or OSErrors; both are told with the path.
    table = pq.read_table(file, columns=list(COLUMNS))
    missing = [name for name in COLUMNS if name not in table.column_names]
    if missing:
        text = f"it has no column {', '.join(missing)}; a table of membership has {', '.join(COLUMNS)}"
        raise ValueError(text)
    return [
        _Row(f"row {n}", row["date_from"], row["date_to"], row["symbol"])
        for n, row in enumerate(table.to_pylist())
    ]


def _members(rows: list[_Row]) -> tuple[Universe | None, list[str]]:
    """The universe of a table of membership."""
    spans: dict[str, list[tuple[Span, str]]] = {}
    faults = []
    for row in rows:
        symbol = _symbol(row.symbol)
        first, last = _date(row.first), _date(row.last)
        if symbol is None:
            faults.append(f"{row.name}: {kind_of(row.symbol)} is no symbol")
        elif isinstance(first, str) or isinstance(last, str):
            faults.append(f"{row.name}: {first if isinstance(first, str) else last}")
        elif first is not None and last is not None and last < first:
            faults.append(f"{row.name}: date_to {last} is before date_from {first}")
        else:
            spans.setdefault(symbol, []).append((Span(first, last), row.name))
    for symbol, found in spans.items():
        found.sort(key=lambda entry: entry[0].first or date.min)
        for (one, name), (other, after) in pairwise(found):
            if one.last is None or other.first is None or other.first <= one.last:
                faults.append(f"{after}: {symbol} overlaps {name}")
    if not spans and not faults:
        faults.append("holds no symbol")
    members = {s: tuple(span for span, _ in found) for s, found in spans.items()}
    return Universe(tuple(spans), FrozenDict(members)), _first(faults)


def _first(faults: list[str]) -> list[str]:
    more = len(faults) - _MOST_FAULTS
    return faults if more <= 0 else [*faults[:_MOST_FAULTS], f"and {more} more"]


def _symbol(value: Any) -> str | None:
    try:
        return normalise_symbol(value)
    except ArgumentError:
        return None


def _date(value: object) -> date | str | None:
    """A date, ``None`` for an open end, or a text that says what is wrong."""
    if isinstance(value, datetime):
        return value.date()
    if value is None or isinstance(value, date):
        return value
    if isinstance(value, str) and _DATE.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            return f"{value!r} is not a day of the calendar"
    return f"{kind_of(value)} is not a date; write YYYY-MM-DD"
