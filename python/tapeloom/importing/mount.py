"""``mount``: foreign files as a source of bars, read where they lie. It converts and writes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from tapeloom._core import Bars, Interval
from tapeloom.bars import no_bars, normalise_symbol
from tapeloom.calendars.session_table import get_session_table
from tapeloom.errors import (
    DataError,
    InvalidBarError,
    MissingDataError,
    SymbolError,
)
from tapeloom.importing.mounted_files import MountedFiles
from tapeloom.importing.options import read_options
from tapeloom.importing.prepare import Market
from tapeloom.importing.row_groups import column_names
from tapeloom.importing.source_files import PARQUET, files_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta, tzinfo

    import numpy.typing as npt

    from tapeloom._core import SessionTable
    from tapeloom.importing.findings import Finding
    from tapeloom.importing.prepare import ReadSeries
    from tapeloom.intervals import IntervalLike

__all__ = ["Keep", "Mounted", "is_foreign", "mount"]

# Columns by which our own readers know a file.
OURS = frozenset(("ts", "open", "high", "low", "close", "volume"))

Keep: TypeAlias = Callable[[Bars, str, "npt.NDArray[np.int64]"], Bars]
"""Given bars in the order of a source, the source, and the row of each bar: those to keep."""


def mount(
    pattern: object,
    *,
    columns: Mapping[str, str | None] | Sequence[str] | None = None,
    zone: str | tzinfo | None = None,
    label: str | None = None,
    interval: IntervalLike | None = None,
    symbol: str | None = None,
    shift: str | timedelta | None = None,
    time_unit: str | None = None,
    time_format: str | None = None,
    ambiguous: str | None = None,
    price_scale: float | None = None,
    members: str | None = None,
    exchange_group: str = "US_EQUITY",
    table: SessionTable | None = None,
    keep: Keep | None = None,
    auto: bool = False,
    is_judged: bool = False,
) -> Mounted:
    """Read foreign files where they lie.

    Parameters
    ----------
    pattern
        A file, a folder of any shape, a glob pattern or a list of them: Parquet, CSV and TSV, packed or not; a file per
        symbol, a file per date with all symbols, or one for all.
    columns, zone, label, interval, symbol, shift, time_unit, time_format, ambiguous, price_scale, members
        As ``import_bars`` takes them.
    exchange_group
        Whose bars these are.
    table
        Its sessions, where they are at hand.
    keep
        What to do with bars as they come, such as leaving out those that break a rule. By default those raise.
    auto
        Apply the reading that fits best where an import would stop, and say so in ``findings``.
    is_judged
        Take times as they are labelled, and do not look how they fit the calendar: whoever mounts does that himself.

    Returns
    -------
    Mounted
        A source of bars. Files are looked for at once and opened when something is asked.

    Raises
    ------
    MissingDataError
        If there is no such file.
    ArgumentError
        If an option breaks its rule.
    """
    options = read_options(
        symbol=symbol,
        interval=interval,
        zone=zone,
        label=label,
        columns=columns,
        shift=shift,
        time_unit=time_unit,
        time_format=time_format,
        ambiguous=ambiguous,
        price_scale=price_scale,
        members=members,
    )
    sessions = get_session_table(exchange_group) if table is None else table
    market = Market(sessions, equities=exchange_group.upper().endswith("EQUITY"))
    files = MountedFiles(
        files_of(pattern), options, market, auto=auto, is_judged=is_judged
    )
    return Mounted(files, sessions, keep or _refused)


def is_foreign(pattern: object) -> bool:
    """Whether files need to be mounted to be read: texts, packed files, Parquet with other columns than ours or nameless.

    Where there is Parquet, the first file of it tells. What does not exist is not foreign.
    """
    try:
        files = files_of(pattern)
    except MissingDataError:
        return False
    tables = [f for f in files if f.name.lower().endswith(PARQUET)]
    if not tables:
        return True
    # Texts beside Parquet are lists and notes as a rule.
    try:
        names = column_names(tables[0])
    except DataError:
        # Whoever reads it will say what is wrong with it.
        return False
    # Whose bars they are a file of ours says, or its folder; in a flat one the name does, which mounting reads.
    is_named = "symbol" in names or any(
        part.startswith("symbol=") for part in tables[0].parts
    )
    return not (OURS.issubset(names) and is_named)


class Mounted:
    """Foreign files as a source of bars: symbols, intervals, ranges and reading, as ``BarSource`` has them.

    Each file is opened once to learn what it holds, and its bars are kept as long as there is room for them. Nothing is
    guessed that an import would stop for, unless ``auto`` was said: such files raise ``ImportMismatchError``.
    """

    def __init__(self, files: MountedFiles, table: SessionTable, keep: Keep) -> None:
        self._files = files
        self._table = table
        self._keep = keep

    @property
    def notes(self) -> list[Any]:
        """Nothing: what ``keep`` notes stands where it keeps it."""
        return []

    @property
    def findings(self) -> list[Finding]:
        """What reading found so far: guesses with their evidence, columns that are not read."""
        return self._files.findings

    def symbols_in(self) -> dict[str, set[str]]:
        """Return whose bars each file holds."""
        found: dict[str, set[str]] = {}
        for (symbol, _), pieces in self._files.series.items():
            for piece in pieces:
                found.setdefault(piece.name, set()).add(symbol)
        return found

    def is_naive(self, symbol: str) -> bool:
        """Whether stamps of a symbol that were read so far came without a zone, and none was given."""
        return symbol in self._files.naive

    def get_symbols(self) -> list[str]:
        """Return the symbols, sorted."""
        return sorted({symbol for symbol, _ in self._files.series})

    def get_intervals(self, symbol: str) -> list[str]:
        """Return the intervals of a symbol as canonical text, finest first; empty if it is unknown."""
        name = _name(symbol)
        return [i.text for i in sorted(i for s, i in self._files.series if s == name)]

    def get_range(self, symbol: str, interval: IntervalLike) -> tuple[int, int] | None:
        """Return the start of the first and of the last bar, nanoseconds UTC; ``None`` if there is none."""
        found = self.get_ranges(symbol, interval)
        return (min(f for f, _ in found), max(e for _, e in found)) if found else None

    def get_ranges(self, symbol: str, interval: IntervalLike) -> list[tuple[int, int]]:
        """Return the start of the first and of the last bar of each piece of a file in which the bars lie."""
        pieces = self._files.series.get((_name(symbol), Interval(interval)), [])
        return [piece.bounds[_name(symbol), Interval(interval)] for piece in pieces]

    def read(
        self,
        symbol: str,
        interval: IntervalLike,
        start: int | None,
        end: int | None,
        *,
        known_by: int | None = None,
    ) -> Bars:
        """Return the bars that start in ``[start, end)``, nanoseconds UTC, in order; of all hours.

        Bars that come twice stay. An unknown series is empty. ``known_by`` leaves out, unseen, the bars that end later.

        Raises
        ------
        InvalidBarError
            If a row breaks a rule, unless ``keep`` says otherwise.
        CorruptFileError, StorageError
            If a file is damaged or cannot be read.
        """
        key = (_name(symbol), Interval(interval))
        parts = []
        for piece in self._files.series.get(key, []):
            first, last = piece.bounds[key]
            if (end is not None and first >= end) or (
                start is not None and last < start
            ):
                continue
            for series in self._files.bars_of(piece, key):
                bars, rows = _cut(series, start, end)
                if known_by is not None and len(bars):
                    later = self._table.known_at(bars.ts, key[1]) > known_by
                    bars = bars.drop_rows(np.flatnonzero(later).tolist())
                    rows = rows[~later]
                kept = self._keep(bars, piece.name, rows)
                if len(kept):
                    parts.append(kept)
        if not parts:
            return no_bars(normalise_symbol(symbol), key[1], self._table.zone)
        bars = parts[0] if len(parts) == 1 else Bars.concat(parts)
        return bars if bars.is_sorted() else bars.sorted()


def _cut(
    series: ReadSeries, start: int | None, end: int | None
) -> tuple[Bars, npt.NDArray[np.int64]]:
    bars = series.bars.between(start, end)
    skipped = 0 if start is None else int(series.bars.ts.searchsorted(start))
    return bars, series.rows[skipped : skipped + len(bars)]


def _refused(bars: Bars, source: str, rows: npt.NDArray[np.int64]) -> Bars:
    found = bars.find_invalid()
    if found:
        at, field, value, rule = found[0]
        text = f"{source}: {bars.symbol}: row {rows[at]}: {field} is {value:g}, {rule}"
        raise InvalidBarError(
            text, symbol=bars.symbol, row=int(rows[at]), field=field, value=value
        )
    return bars


def _name(symbol: str) -> str:
    try:
        return normalise_symbol(symbol)
    except SymbolError:
        return ""
