"""Reads the bars of one series from all files that hold some, footers and shared files cached. It knows no policy."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from tapeloom.bars import normalise_symbol
from tapeloom.errors import CorruptFileError, StorageError, SymbolError
from tapeloom.storage.files import Files
from tapeloom.storage.parquet_bytes import LARGEST, SMALLEST
from tapeloom.storage.parquet_file import (
    FIELDS,
    Rows,
    open_bar_file,
    read_rows,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt

    from tapeloom.storage.files import Mark
    from tapeloom.storage.parquet_file import BarFile

__all__ = ["FileRows", "ParquetStore"]

# Decoded row groups that several symbols share or of which a part was asked for, so that none is decoded again.
CACHE_BYTES = 256 * 2**20
ROW_BYTES = 56
# Footers as pyarrow holds them: a kilobyte and a half for each column of a row group.
PARSED_CHUNKS = 32 * 2**10
# With more than these, only those stay whose file is being read: not that of one that was looked at, as all are before a
# long window, nor that of one that was read to its end.
UNFINISHED_CHUNKS = 4 * 2**10


@dataclass(frozen=True, slots=True, eq=False)
class FileRows:
    """What one file holds of a series: ``numbers`` are the rows in the file, ``late`` those of them out of order.

    ``rewritten``: the file was ours, and another tool has written it again.
    """

    path: Path
    numbers: npt.NDArray[np.int64]
    columns: dict[str, npt.NDArray[Any]]
    late: npt.NDArray[np.int64]
    rewritten: bool = False

    def kept(self, wanted: npt.NDArray[np.bool_]) -> FileRows:
        """Return the wanted rows; bool of shape (n,)."""
        if wanted.all():
            return self
        columns = {name: column[wanted] for name, column in self.columns.items()}
        numbers = self.numbers[wanted]
        late = np.intersect1d(self.late, numbers)
        return FileRows(self.path, numbers, columns, late, self.rewritten)


class ParquetStore:
    """Files of bars. Safe to use from several threads.

    Parameters
    ----------
    files
        Where they lie; the local disk if not given.
    """

    def __init__(self, files: Files | None = None) -> None:
        #: Where the files lie.
        self.files = Files() if files is None else files
        self._lock = Lock()
        self._footers: dict[Path, tuple[Mark, BarFile]] = {}
        self._shared: OrderedDict[tuple[Path, bytes], _Shared] = OrderedDict()
        self._parsed: OrderedDict[Path, BarFile] = OrderedDict()
        self._newest: BarFile | None = None
        self._chunks = 0

    def footer(self, path: Path, *, keep_open: bool = False) -> BarFile:
        """Return the footer of a file; read again only if the file has changed.

        ``keep_open`` leaves one that had to be read open, for rows that are read next.

        Raises
        ------
        StorageError
            If the file cannot be opened, a column is missing or of a wrong type, or ``ts`` has no zone.
        CorruptFileError
            If it is damaged.
        """
        mark = self.files.mark(path)
        known = self._footers.get(path)
        if known is None or known[0] != mark:
            known = (mark, open_bar_file(path, self.files, keep_open=keep_open))
            with self._lock:
                self._footers[path] = known
            if keep_open or self._chunks <= UNFINISHED_CHUNKS:
                self._keep_parsed(known[1])
            else:
                known[1].parsed.clear()
        return known[1]

    def _keep_parsed(self, file: BarFile) -> None:
        """Let the file just used keep its parsed footer, and take those of others away that nobody used for long."""
        if self._newest is file:
            return
        with self._lock:
            self._newest = file
            old = self._parsed.pop(file.path, None)
            if old is not None:
                self._chunks -= old.chunks
            self._parsed[file.path] = file
            self._chunks += file.chunks
            while self._chunks > PARSED_CHUNKS and len(self._parsed) > 1:
                _, oldest = self._parsed.popitem(last=False)
                oldest.parsed.clear()
                self._chunks -= oldest.chunks

    def _put_away(self, file: BarFile) -> None:
        """Take the parsed footer of a file away that was read to its end, where many are kept."""
        if self._chunks <= UNFINISHED_CHUNKS:
            self._keep_parsed(file)
            return
        with self._lock:
            if self._parsed.get(file.path) is file:
                del self._parsed[file.path]
                self._chunks -= file.chunks
            if self._newest is file:
                self._newest = None
        file.parsed.clear()

    def symbols(self, path: Path) -> list[str]:
        """Return the symbols in a file, normalised, from its statistics where they say it.

        Raises
        ------
        StorageError
            If the file has no symbol column, or a symbol that is none.
        """
        file = self.footer(path, keep_open=True)
        try:
            return self._symbols(path, file)
        finally:
            file.close()
            self._put_away(file)

    def _symbols(self, path: Path, file: BarFile) -> list[str]:
        if not file.has_symbol:
            text = f"{path}: column 'symbol' is missing, and no folder symbol=... says whose bars these are"
            raise StorageError(text, path=str(path), expected="symbol")
        found: dict[str, int] = {}
        for g, said in enumerate(file.facts.symbols):
            if said is not None:
                found.setdefault(said, int(file.offsets[g]))
        mixed = [g for g, text in enumerate(file.facts.symbols) if text is None]
        if mixed:
            rows = read_rows(file, mixed, names=(), with_symbol=True)
            for text, row in _first_rows(rows).items():
                found[text] = min(row, found.get(text, row))
        return sorted({_normalised(text, path, row) for text, row in found.items()})

    def stamps(self, path: Path) -> Iterator[list[npt.NDArray[np.int64]]]:
        """Yield the stamps of each symbol from ever more of a file, until it is all of it."""
        file = self.footer(path, keep_open=True)
        groups = [int(g) for g in file.groups(None, None)]
        some = 1
        try:
            while True:
                rows = read_rows(
                    file, groups[:some], names=("ts",), with_symbol=file.has_symbol
                )
                ts = rows.columns["ts"]
                if rows.codes is None:
                    yield [ts]
                else:
                    yield [ts[rows.codes == code] for code in range(len(rows.texts))]
                if some >= len(groups):
                    return
                some *= 8
        finally:
            file.close()
            self._put_away(file)

    def bounds(
        self, path: Path, symbol: str, *, of_folder: bool
    ) -> tuple[int, int] | None:
        """Return the first and last ``ts`` of a symbol in a file, nanoseconds UTC; ``None`` if there is none."""
        file = self.footer(path)
        groups = self._groups(file, symbol, None, None, of_folder=of_folder)
        if not groups:
            return None
        first = min(int(file.facts.first[g]) for g in groups)
        last = max(int(file.facts.last[g]) for g in groups)
        mixed = file.has_symbol and any(file.facts.symbols[g] is None for g in groups)
        if first != SMALLEST and last != LARGEST and not mixed:
            return first, last
        ts = self.read(path, symbol, None, None, of_folder=of_folder).columns["ts"]
        return (int(ts.min()), int(ts.max())) if ts.size else None

    def read(
        self,
        path: Path,
        symbol: str,
        start: int | None,
        end: int | None,
        *,
        of_folder: bool,
    ) -> FileRows:
        """Return a symbol's rows with ``ts`` in ``[start, end)``, nanoseconds UTC, in the order of the file.

        Parameters
        ----------
        path
            The file.
        symbol
            Normalised.
        start, end
            ``None`` is open.
        of_folder
            Whether the folder says that the file holds this symbol only.

        Raises
        ------
        CorruptFileError
            If the file is damaged.
        StorageError
            If it cannot be read, does not fit our columns, or holds another symbol than its folder says.
        """
        while True:
            file = self.footer(path, keep_open=True)
            try:
                return self._read(file, symbol, start, end, of_folder=of_folder)
            except CorruptFileError:
                # As a whole new file looks beside the footer of the old one.
                if self.footer(path) is file:
                    raise
            finally:
                file.close()

    def _read(
        self,
        file: BarFile,
        symbol: str,
        start: int | None,
        end: int | None,
        *,
        of_folder: bool,
    ) -> FileRows:
        groups = self._groups(file, symbol, start, end, of_folder=of_folder)
        if not groups:
            # Most files of a folder with a file per date: nothing to open for.
            return _nothing(file.path)
        try:
            return self._some(file, groups, symbol, start, end, of_folder=of_folder)
        finally:
            if end is None or end > file.last:
                self._put_away(file)
            else:
                self._keep_parsed(file)

    def _some(
        self,
        file: BarFile,
        groups: list[int],
        symbol: str,
        start: int | None,
        end: int | None,
        *,
        of_folder: bool,
    ) -> FileRows:
        """Return a symbol's rows of some row groups."""
        if file.has_symbol and any(file.facts.symbols[g] is None for g in groups):
            by_symbol = self._by_symbol(file, groups)
            others = sorted(set(by_symbol) - {symbol})
            if of_folder and others:
                raise _foreign(file.path, symbol, others[0])
            if symbol not in by_symbol:
                return _nothing(file.path)
            rows = by_symbol[symbol]
        else:
            rows = self._of_one(file, groups, end)
        return _cut(file, rows, start, end)

    def _groups(
        self,
        file: BarFile,
        symbol: str,
        start: int | None,
        end: int | None,
        *,
        of_folder: bool,
    ) -> list[int]:
        kept = []
        spelt: dict[str, str] = {}
        for g in file.groups(start, end).tolist():
            text = file.facts.symbols[g]
            if text is None or not file.has_symbol:
                kept.append(g)
                continue
            if text not in spelt:
                spelt[text] = _normalised(text, file.path, int(file.offsets[g]))
            if spelt[text] == symbol:
                kept.append(g)
            elif of_folder:
                raise _foreign(file.path, symbol, spelt[text])
        return kept

    def _of_one(self, file: BarFile, groups: list[int], end: int | None) -> Rows:
        """Return rows of one symbol. A row group that goes on after the range stays in memory: its rest comes next."""
        names = _names(file)
        goes_on = end is not None and int(file.facts.last[groups[-1]]) >= end
        begun = self._begun(file, groups[0], last=goes_on and len(groups) == 1)
        parts = [] if begun is None else [begun]
        rest = groups if begun is None else groups[1:]
        if rest and goes_on:
            if rest[:-1]:
                parts.append(read_rows(file, rest[:-1], names=names))
            parts.append(read_rows(file, rest[-1:], names=names))
            self._keep(_one_key(file, rest[-1]), file, {"": parts[-1]}, evict=False)
        elif rest:
            parts.append(read_rows(file, rest, names=names))
        return parts[0] if len(parts) == 1 else _joined(parts)

    def _begun(self, file: BarFile, group: int, *, last: bool) -> Rows | None:
        """Return a row group that a range before ended in; it stays only while ranges end in it."""
        key = _one_key(file, group)
        with self._lock:
            known = self._shared.get(key)
            if known is None or known.file is not file:
                return None
            if last:
                self._shared.move_to_end(key)
            else:
                del self._shared[key]
            return known.by_symbol[""]

    def _by_symbol(self, file: BarFile, groups: list[int]) -> dict[str, Rows]:
        """Return rows of a shared file by symbol; the newest of them stay in memory."""
        key = (file.path, np.array(groups, np.int64).tobytes())
        with self._lock:
            known = self._shared.get(key)
            if known is not None and known.file is file:
                self._shared.move_to_end(key)
                return known.by_symbol
        rows = read_rows(file, groups, names=_names(file), with_symbol=True)
        found = _split(rows, file.path)
        self._keep(key, file, found)
        return found

    def _keep(
        self,
        key: tuple[Path, bytes],
        file: BarFile,
        by_symbol: dict[str, Rows],
        *,
        evict: bool = True,
    ) -> None:
        rows = sum(len(part.numbers) for part in by_symbol.values())
        with self._lock:
            if not evict and self._bytes() + ROW_BYTES * rows > CACHE_BYTES:
                # Files that are read in turns would push each other out before their turn comes again.
                return
            self._shared[key] = _Shared(file, by_symbol, rows)
            self._shared.move_to_end(key)
            while len(self._shared) > 1 and self._bytes() > CACHE_BYTES:
                self._shared.popitem(last=False)

    def _bytes(self) -> int:
        return ROW_BYTES * sum(shared.rows for shared in self._shared.values())


@dataclass(frozen=True, slots=True, eq=False)
class _Shared:
    """Row groups that are asked for again, by symbol, ``""`` for files of one; of use while the file is the same."""

    file: BarFile
    by_symbol: dict[str, Rows]
    rows: int


def _one_key(file: BarFile, group: int) -> tuple[Path, bytes]:
    return file.path, b"one" + group.to_bytes(8, "little")


def _joined(parts: list[Rows]) -> Rows:
    columns = {
        name: np.concatenate([part.columns[name] for part in parts])
        for name in parts[0].columns
    }
    return Rows(np.concatenate([part.numbers for part in parts]), columns)


def _names(file: BarFile) -> tuple[str, ...]:
    return ("ts", *FIELDS, "flags") if file.has_flags else ("ts", *FIELDS)


def _nothing(path: Path) -> FileRows:
    none = np.empty(0, np.int64)
    columns = {"ts": none, **{name: np.empty(0, np.float64) for name in FIELDS}}
    return FileRows(path, none, columns, none)


def _split(rows: Rows, path: Path) -> dict[str, Rows]:
    assert rows.codes is not None  # the symbol column was asked for
    firsts = _first_rows(rows)
    symbols = [_normalised(text, path, firsts[text]) for text in rows.texts]
    places = {s: i for i, s in enumerate(dict.fromkeys(symbols))}
    codes = np.array([places[s] for s in symbols], np.int64)[rows.codes]
    order = np.argsort(codes, kind="stable")
    edges = np.searchsorted(codes[order], np.arange(len(places) + 1))
    found = {}
    for symbol, place in places.items():
        at = order[edges[place] : edges[place + 1]]
        if at.size:
            found[symbol] = Rows(
                rows.numbers[at], {n: c[at] for n, c in rows.columns.items()}
            )
    return found


def _cut(file: BarFile, rows: Rows, start: int | None, end: int | None) -> FileRows:
    ts, numbers, columns = rows.columns["ts"], rows.numbers, rows.columns
    late = _late(file, rows)
    if start is not None or end is not None:
        kept = np.ones(len(ts), np.bool_)
        if start is not None:
            kept &= ts >= start
        if end is not None:
            kept &= ts < end
        if not kept.all():
            late = late[kept[late]]
            columns = {name: column[kept] for name, column in columns.items()}
            numbers = numbers[kept]
    return FileRows(file.path, numbers, columns, rows.numbers[late], file.rewritten)


def _late(file: BarFile, rows: Rows) -> npt.NDArray[np.int64]:
    """Return the positions of rows that start before an earlier row of the file."""
    ts = rows.columns["ts"]
    if not ts.size:
        return np.empty(0, np.int64)
    rises = bool((ts[1:] >= ts[:-1]).all())
    if rises and len(file.offsets) == 2:
        # Nothing stands in front of the only row group.
        return np.empty(0, np.int64)
    # Rows stand in the order of the file: of a row group that rises its first row tells.
    firsts = np.searchsorted(rows.numbers, file.offsets)
    newest = file.facts.newest_before
    held = np.flatnonzero(firsts[1:] > firsts[:-1])
    if rises and (ts[firsts[held]] >= newest[held]).all():
        # As good as always.
        return np.empty(0, np.int64)
    before = np.repeat(newest, np.diff(firsts))
    np.maximum(before[1:], np.maximum.accumulate(ts)[:-1], out=before[1:])
    return np.flatnonzero(ts < before)


def _first_rows(rows: Rows) -> dict[str, int]:
    """Return the first row of each symbol in a file, those without one apart."""
    assert rows.codes is not None  # the symbol column was asked for
    codes, at = np.unique(rows.codes, return_index=True)
    return {
        rows.texts[code]: row
        for code, row in zip(codes.tolist(), rows.numbers[at].tolist(), strict=True)
    }


def _normalised(text: str, path: Path, row: int) -> str:
    try:
        return normalise_symbol(text)
    except SymbolError as error:
        message = f"{path}: row {row}: {error}"
        raise StorageError(message, path=str(path), row=row, symbol=text) from error


def _foreign(path: Path, symbol: str, other: str) -> StorageError:
    text = f"{path}: holds bars of {other}, but its folder says {symbol}; keep one symbol in a folder symbol=..."
    return StorageError(text, path=str(path), symbol=symbol, got=other)
