"""The files of a mount: which series lie in which piece of which file, and the bars of a piece, kept while there is room.

A piece is a row group of a Parquet file, or the whole of any other file.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from tapeloom._core import Interval
from tapeloom.bars import normalise_symbol
from tapeloom.errors import ImportMismatchError, StorageError, SymbolError
from tapeloom.importing.examine import tell_order
from tapeloom.importing.findings import Findings
from tapeloom.importing.mismatch import mismatch_of
from tapeloom.importing.open_tables import open_tables
from tapeloom.importing.path_hints import path_hints
from tapeloom.importing.prepare import ReadSeries, read_series
from tapeloom.importing.row_groups import group_bounds, open_groups, read_groups
from tapeloom.importing.source_files import PARQUET
from tapeloom.importing.unpack import file_errors_named
from tapeloom.side_by_side import side_by_side

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import pyarrow.parquet as pq

    from tapeloom.importing.findings import Finding
    from tapeloom.importing.options import ReadOptions
    from tapeloom.importing.prepare import Market
    from tapeloom.importing.tables import ForeignTable

    Key = tuple[str, Interval]

__all__ = ["MountedFiles", "Piece"]

ROW_BYTES = 64
# Rows of a file by which its times are judged: weeks of a market, years of a share.
JUDGED_ROWS = 2**18
CACHE_BYTES = 512 * 2**20


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """One piece of a file.

    ``group`` is the row group, ``None`` for all of the file; ``bounds`` the first and last start, ns UTC, by series;
    ``spelt`` each symbol and how the file spells it.
    """

    path: Path
    group: int | None = None
    footer: pq.FileMetaData | None = None
    bounds: dict[Key, tuple[int, int]] = field(default_factory=dict)
    spelt: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """What errors and notes call it."""
        return str(self.path)


class MountedFiles:
    """Pieces of foreign files and their bars."""

    def __init__(
        self,
        files: list[Path],
        options: ReadOptions,
        market: Market,
        *,
        auto: bool = False,
        is_judged: bool = False,
    ) -> None:
        self._files = files
        self._options = options
        self._market = market
        self._auto = auto
        # A zone that is given is held against what the stamps claim in any case.
        self._is_judged = is_judged and options.zone is None
        self.naive: set[str] = set()
        self._lock = Lock()
        self._kept: OrderedDict[tuple[str, int | None], list[ReadSeries]] = (
            OrderedDict()
        )
        self._kept_rows = 0
        self._findings: dict[tuple[str, str], Finding] = {}
        # What holds for all of a file is told once: its interval, and whether its times read as they are.
        self._intervals: dict[Path, Interval] = {}
        # How each file was when it was looked at first.
        self._states: dict[Path, tuple[int, int, int]] = {}
        # How the files spell each symbol.
        self._spelt: dict[str, tuple[str, str]] = {}

    @cached_property
    def series(self) -> dict[Key, list[Piece]]:
        """The pieces of each series, in order of the files' names."""
        found: dict[Key, list[Piece]] = {}
        for pieces in side_by_side(self._pieces, self._files, in_turn=True):
            for piece in pieces:
                self._check_spelling(piece)
                for key in piece.bounds:
                    found.setdefault(key, []).append(piece)
        return found

    @property
    def findings(self) -> list[Finding]:
        """What reading found so far, each finding of a file once, in order of the files' names."""
        with self._lock:
            found = list(self._findings.items())
        # Files are read side by side, and are done in any order.
        places = {str(path): at for at, path in enumerate(self._files)}
        found.sort(key=lambda one: places[one[0][0]])
        return [finding for _, finding in found]

    def bars_of(self, piece: Piece, key: Key) -> list[ReadSeries]:
        """Return the bars of one series in a piece, in order of time."""
        found = self._bars(piece)
        other = next(
            (s for s in found if s.bars.symbol == key[0] and len(s.bars)), None
        )
        if other is not None and _key(other) != key and len(piece.bounds) == 1:
            length = other.bars.interval
            text = (
                f"{piece.name}: its name says {key[1].text} bars, the most frequent step between them is {length}; pass "
                f"interval={length!r}"
            )
            raise ImportMismatchError(text, path=piece.name, symbol=key[0])
        return [s for s in found if _key(s) == key]

    def _pieces(self, path: Path) -> list[Piece]:
        self._states[path] = _state(path)
        if not path.name.lower().endswith(PARQUET):
            return [self._learnt(Piece(path))]
        with open_groups(path) as file:
            return [
                self._stated(file, path, group)
                or self._learnt(Piece(path, group, file.metadata), file)
                for group in range(file.num_row_groups)
            ]

    def _stated(self, file: pq.ParquetFile, path: Path, group: int) -> Piece | None:
        """Return a row group with what footer and path state of it, so that nothing has to be decoded; or ``None``."""
        options, hints = self._options, path_hints(str(path))
        interval = options.interval or hints.interval
        if interval is None or interval.ns is None or options.shift_ns:
            return None
        if options.zone is not None or options.label == "end":
            return None
        found = group_bounds(file, path, group, options, hints)
        if found is None:
            return None
        symbol = normalise_symbol(found[0])
        bounds = {(symbol, interval): found[1:]}
        return Piece(path, group, file.metadata, bounds, ((symbol, found[0].strip()),))

    def _check_spelling(self, piece: Piece) -> None:
        for symbol, spelling in piece.spelt:
            spelt, where = self._spelt.setdefault(symbol, (spelling, piece.name))
            if spelt != spelling:
                text = (
                    f"{piece.name}: the symbol {spelling!r} and {spelt!r} of {where} both become {symbol!r}; symbols are "
                    "compared in upper case: rename one, or mount each by itself"
                )
                raise SymbolError(text, symbol=symbol)

    def _learnt(self, piece: Piece, file: pq.ParquetFile | None = None) -> Piece:
        bounds: dict[Key, tuple[int, int]] = {}
        found = self._bars(piece, file)
        for series in found:
            ts = series.bars.ts
            if ts.size:
                first, last = bounds.get(_key(series), (int(ts[0]), int(ts[-1])))
                bounds[_key(series)] = min(first, int(ts[0])), max(last, int(ts[-1]))
        spelt = dict.fromkeys((series.bars.symbol, series.spelt) for series in found)
        return replace(piece, bounds=bounds, spelt=tuple(spelt))

    def _bars(
        self, piece: Piece, file: pq.ParquetFile | None = None
    ) -> list[ReadSeries]:
        """Return all series of a piece, whose file may be open; the newest pieces stay in memory."""
        key = (str(piece.path), piece.group)
        with self._lock:
            known = self._kept.get(key)
            if known is not None:
                self._kept.move_to_end(key)
                return known
        found = self._read(piece, file)
        with self._lock:
            # Another thread may have read it too.
            self._kept_rows += _rows(found) - _rows(self._kept.get(key, []))
            self._kept[key] = found
            while len(self._kept) > 1 and ROW_BYTES * self._kept_rows > CACHE_BYTES:
                self._kept_rows -= _rows(self._kept.popitem(last=False)[1])
        return found

    def _read(self, piece: Piece, file: pq.ParquetFile | None) -> list[ReadSeries]:
        if file is None and _state(piece.path) != self._states[piece.path]:
            # What was learnt of it, and its footer, are those of another file.
            text = f"{piece.name}: changed since it was mounted; mount it again"
            raise StorageError(text, path=piece.name)
        if file is None and piece.group is not None:
            with open_groups(piece.path, piece.footer) as opened:
                return self._read(piece, opened)
        findings = Findings(piece.name, auto=self._auto)
        is_part = piece.footer is not None and piece.footer.num_row_groups > 1
        if file is not None and is_part and piece.path not in self._intervals:
            self._judge(piece, file, findings)
        options = self._options
        if piece.path in self._intervals:
            options = replace(options, interval=self._intervals[piece.path])
        found = [
            _in_order(series, findings)
            for table in self._tables(piece, file, findings)
            for series in read_series(
                table,
                market=self._market,
                options=options,
                findings=findings,
                is_judged=is_part or self._is_judged,
            )
        ]
        self._keep_findings(piece, findings)
        with self._lock:
            self.naive |= {s.bars.symbol for s in found if s.is_naive}
        lengths = {_key(s)[1] for s in found}
        if len(lengths) == 1:
            self._intervals.setdefault(piece.path, lengths.pop())
        return found

    def _judge(self, piece: Piece, file: pq.ParquetFile, findings: Findings) -> None:
        """Tell the interval of a file of several row groups, and hold its times against the calendar, from many at once.

        One row group may be too short to show anything.
        """
        groups, rows = [], 0
        for group in range(file.num_row_groups):
            groups.append(group)
            rows += file.metadata.row_group(group).num_rows
            if rows >= JUDGED_ROWS:
                break
        found = read_series(
            read_groups(file, piece.path, groups, self._options),
            market=self._market,
            options=self._options,
            findings=findings,
            is_judged=self._is_judged,
        )
        self._keep_findings(piece, findings)
        if found:
            self._intervals.setdefault(piece.path, _key(found[0])[1])

    def _keep_findings(self, piece: Piece, findings: Findings) -> None:
        """Keep what reading found; raise the error for what an import would stop for."""
        error = mismatch_of(piece.name, findings)
        if error is not None:
            raise error
        with self._lock:
            for finding in findings.all():
                self._findings.setdefault((piece.name, finding.text), finding)

    def _tables(
        self, piece: Piece, file: pq.ParquetFile | None, findings: Findings
    ) -> Iterable[ForeignTable]:
        if piece.group is None or file is None:
            return open_tables(piece.path, self._options, findings)
        return [read_groups(file, piece.path, [piece.group], self._options)]


def _state(path: Path) -> tuple[int, int, int]:
    """What differs once a file is written again, or another has its name."""
    with file_errors_named(str(path)):
        state = path.stat()
    return state.st_ino, state.st_size, state.st_mtime_ns


def _key(series: ReadSeries) -> Key:
    return series.bars.symbol, Interval(series.bars.interval)


def _rows(kept: list[ReadSeries]) -> int:
    return sum(len(series.bars) for series in kept)


def _in_order(series: ReadSeries, findings: Findings) -> ReadSeries:
    if series.bars.is_sorted():
        return series
    tell_order(series.bars, findings)
    rows = series.rows[np.argsort(series.bars.ts, kind="stable")]
    return replace(series, bars=series.bars.sorted(), rows=rows)
