"""Stored bars of one exchange group: what there is, reading it checked and in order, and writing it."""

from __future__ import annotations

import glob
import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from tapeloom._core import Bars, Interval
from tapeloom.bars import normalise_symbol
from tapeloom.calendars.session_table import get_session_table
from tapeloom.calendars.time_manager import group_for, unless_default
from tapeloom.columns import read_frame
from tapeloom.errors import ArgumentError, StorageError, SymbolError, did_you_mean
from tapeloom.storage.bad_rows import (
    check_policy,
    note_unsorted,
    without_bad_rows,
)
from tapeloom.storage.bar_source import no_bars
from tapeloom.storage.catalog import find_series, folder_of_group
from tapeloom.storage.layout import BARS, series_folder
from tapeloom.storage.notes import INTERVAL_TOLD, Notes
from tapeloom.storage.parquet_store import ParquetStore
from tapeloom.storage.parquet_writer import write_series
from tapeloom.timestamps import to_ns

if TYPE_CHECKING:
    import numpy.typing as npt

    from tapeloom._core import SessionTable
    from tapeloom.calendars.time_manager import TimeManager
    from tapeloom.intervals import IntervalLike
    from tapeloom.storage.catalog import Catalog, StoredSeries
    from tapeloom.storage.notes import DataNote
    from tapeloom.storage.parquet_store import FileRows
    from tapeloom.timestamps import TimestampLike

__all__ = ["DataManager"]

HOURS = ("regular", "extended", "all")


class DataManager:
    """Bars in Parquet files; a ``BarSource``.

    Parameters
    ----------
    root
        A folder with ``bars/<group>/interval=<I>/symbol=<S>/*.parquet``, a folder of Parquet files at any depth, one
        file, or a glob pattern. Files outside that layout say their symbols in a column ``symbol``.
    exchange_group
        Whose bars these are; decides calendar and zone.
    on_invalid
        ``"error"`` or ``"skip"``: what happens to rows that break a rule.
    allow_negative_prices
        Whether prices may be zero or below.
    interval
        Interval of files whose path does not say it; told from the spacing of their stamps if not given.
    time_manager
        Whose calendar holds, corrections included; by default that of the exchange group as its source has it.

    Raises
    ------
    UnknownExchangeError
        If there is no such group or calendar.

    Notes
    -----
    The files are looked for on the first read, and reading creates nothing. Reads raise ``MissingDataError`` if root
    or files are missing, ``StorageError`` if a file does not have our columns, ``CorruptFileError`` if it is damaged,
    ``InvalidBarError`` if a row breaks a rule and ``on_invalid`` is ``"error"``.
    """

    def __init__(
        self,
        root: str | os.PathLike[str] = "data",
        *,
        exchange_group: str = "US_EQUITY",
        on_invalid: str = "error",
        allow_negative_prices: bool = False,
        interval: IntervalLike | None = None,
        time_manager: TimeManager | None = None,
    ) -> None:
        group = group_for(unless_default(exchange_group), time_manager)
        self._root = os.fspath(root)
        # An alias such as NYSE may be the name of the folder too.
        self._group_names = (
            group.name,
            exchange_group if time_manager is None else group.name,
        )
        self._zone = group.zone
        self._on_invalid = check_policy(on_invalid)
        self._allow_negative_prices = allow_negative_prices
        self._interval = None if interval is None else Interval(interval)
        self._time_manager = time_manager
        self._pinned: SessionTable | None = None
        self._store = ParquetStore()
        self._notes = Notes()
        self._found: Catalog | None = None

    @property
    def root(self) -> str:
        """The root as given."""
        return self._root

    @property
    def exchange_group(self) -> str:
        """Name of the exchange group."""
        return self._group_names[0]

    @property
    def notes(self) -> list[DataNote]:
        """What reading found so far and went on without, per file and symbol."""
        return self._notes.all()

    def pin_session_table(self, table: SessionTable) -> None:
        """Keep to a session table, as a run does, whatever the time manager's calendar becomes."""
        self._pinned = table

    def get_symbols(self) -> list[str]:
        """Return the stored symbols, sorted."""
        return sorted({symbol for symbol, _ in self._catalog})

    def get_intervals(self, symbol: str) -> list[str]:
        """Return the stored intervals of a symbol as canonical text, finest first; empty if it is unknown."""
        name = _name(symbol)
        return [i.text for i in sorted(i for s, i in self._catalog if s == name)]

    def get_range(self, symbol: str, interval: IntervalLike) -> tuple[int, int] | None:
        """Return the start of the first and of the last bar, nanoseconds UTC; ``None`` if there is none."""
        known = self.get_ranges(symbol, interval)
        if not known:
            return None
        return min(first for first, _ in known), max(last for _, last in known)

    def get_ranges(self, symbol: str, interval: IntervalLike) -> list[tuple[int, int]]:
        """Return the start of the first and of the last bar of each file of a series, nanoseconds UTC."""
        series = self._series(symbol, interval)
        if series is None:
            return []
        spans = [
            self._store.bounds(f, series.symbol, of_folder=series.of_folder)
            for f in series.files
        ]
        return [span for span in spans if span is not None]

    def read(
        self, symbol: str, interval: IntervalLike, start: int | None, end: int | None
    ) -> Bars:
        """Return the bars that start in ``[start, end)``, of all hours.

        Parameters
        ----------
        symbol, interval
            The series; one that is not stored is empty.
        start, end
            Nanoseconds UTC; ``None`` is open.

        Returns
        -------
        Bars
            In order of ``ts``; of bars that start together the one of the first file by name comes first. Bars that come
            twice stay.

        Raises
        ------
        InvalidBarError
            If a row breaks a rule and ``on_invalid`` is ``"error"``.
        CorruptFileError
            If a file is damaged.
        StorageError
            If a file cannot be read or does not have our columns.
        """
        series = self._series(symbol, interval)
        if series is None:
            return no_bars(normalise_symbol(symbol), interval, self._zone)
        if series.told:
            text = f"the interval {series.interval.text} was told from the spacing of the stamps"
            files = np.arange(len(series.files))
            self._notes.add(
                INTERVAL_TOLD, series.symbol, source=self._root, text=text, rows=files
            )
        parts = []
        for path in series.files:
            rows = self._store.read(
                path, series.symbol, start, end, of_folder=series.of_folder
            )
            if len(rows.numbers):
                parts.append(self._checked(series, rows))
        if not parts:
            return no_bars(series.symbol, series.interval, self._zone)
        bars = parts[0] if len(parts) == 1 else Bars.concat(parts)
        return bars if bars.is_sorted() else bars.sorted()

    def get_bars(
        self,
        symbol: str,
        interval: IntervalLike,
        start: TimestampLike | None = None,
        end: TimestampLike | None = None,
        *,
        hours: Literal["regular", "extended", "all"] = "regular",
    ) -> Bars:
        """Return the bars that start in ``[start, end)``.

        Parameters
        ----------
        symbol, interval
            The series; one that is not stored is empty.
        start, end
            Any accepted form of a time; a naive one is wall time of the exchange. ``None`` is open.
        hours
            ``"regular"`` keeps bars that start in regular hours of their own date, ``"extended"`` those between the
            start of pre-market and the end of post-market trading too, ``"all"`` keeps all. Bars of days and weeks are
            always kept.

        Raises
        ------
        ArgumentError
            If ``start`` is after ``end``, or ``hours`` is another word.
        InvalidBarError, CorruptFileError, StorageError, MissingDataError
            As ``read``.
        """
        if hours not in HOURS:
            text = f"hours is {hours!r}; it must be one of {', '.join(map(repr, HOURS))}{did_you_mean(hours, HOURS)}"
            raise ArgumentError(text, got=hours)
        first = None if start is None else to_ns(start, self._zone, name="start")
        last = None if end is None else to_ns(end, self._zone, name="end")
        if first is not None and last is not None and first > last:
            text = f"start {start!r} is after end {end!r}; a range is [start, end)"
            raise ArgumentError(text, start=start, end=end)
        bars = self.read(symbol, interval, first, last)
        if hours == "all" or not len(bars) or Interval(bars.interval).ns is None:
            return bars
        kept = _in_hours(bars.ts, self._session_table, extended=hours == "extended")
        return bars if kept.all() else bars.drop_rows(np.flatnonzero(~kept).tolist())

    def write_bars(
        self,
        symbol: str,
        interval: IntervalLike,
        bars: object,
        *,
        on_duplicate: str = "replace",
    ) -> list[Path]:
        """Write bars of one series below the root, merged by start with what is stored.

        Each file holds the sessions of a month (of a year for days and weeks) and is replaced as a whole: after a crash
        it is the old one or the new one.

        Parameters
        ----------
        symbol, interval
            The series.
        bars
            ``Bars``, or a frame that ``tapeloom.columns.read_frame`` reads, in any order.
        on_duplicate
            For bars that start together: ``"replace"`` keeps the last, ``"ignore"`` the first, where stored ones come
            first; ``"error"`` refuses bars with other values.

        Returns
        -------
        list of Path
            The files that were written.

        Raises
        ------
        InvalidBarError
            If a bar breaks a rule; nothing is written.
        DuplicateBarError
            Under ``"error"``; nothing is written.
        StorageError
            If the root is no folder in our layout, or a file cannot be written; what was there stays.
        """
        name, length = normalise_symbol(symbol), Interval(interval)
        folder = self._folder_to_write()
        table = self._session_table
        frame = read_frame(
            bars, zone=self._zone, table=table, symbol=name, interval=length
        )
        given = without_bad_rows(
            frame.get(name, no_bars(name, length, self._zone)),
            source="bars",
            rows=None,
            on_invalid="error",
            allow_negative_prices=self._allow_negative_prices,
            notes=self._notes,
        )
        series = series_folder(folder, length, name)
        try:
            return write_series(
                series,
                given,
                length,
                table=table,
                store=self._store,
                on_duplicate=on_duplicate,
            )
        finally:
            self._found = None

    @property
    def _catalog(self) -> Catalog:
        if self._found is None:
            self._found = find_series(
                self._root, self._group_names, self._store, interval=self._interval
            )
        return self._found

    @property
    def _session_table(self) -> SessionTable:
        if self._pinned is not None:
            return self._pinned
        if self._time_manager is None:
            return get_session_table(self._group_names[0])
        return self._time_manager.session_table

    def _series(self, symbol: str, interval: IntervalLike) -> StoredSeries | None:
        return self._catalog.get((_name(symbol), Interval(interval)))

    def _checked(self, series: StoredSeries, rows: FileRows) -> Bars:
        source = str(rows.path)
        bars = Bars.from_columns(
            series.symbol,
            series.interval,
            **rows.columns,
            zone=self._zone,
            table=self._session_table,
        )
        note_unsorted(series.symbol, source=source, rows=rows.late, notes=self._notes)
        return without_bad_rows(
            bars,
            source=source,
            rows=rows.numbers,
            on_invalid=self._on_invalid,
            allow_negative_prices=self._allow_negative_prices,
            notes=self._notes,
        )

    def _folder_to_write(self) -> Path:
        root = Path(self._root)
        if root.is_file() or (glob.has_magic(self._root) and not root.exists()):
            text = f"{self._root!r} is no folder; bars are written below a folder"
            raise StorageError(text, path=self._root)
        folder = folder_of_group(root, self._group_names)
        if folder is not None:
            return folder
        if (
            root.is_dir()
            and not (root / BARS).is_dir()
            and next(root.rglob("*.parquet"), None)
        ):
            # A folder bars/ beside them would hide those files from the next read.
            text = f"{self._root!r} holds Parquet files outside the layout {BARS}/<group>/...; write into another folder"
            raise StorageError(text, path=self._root)
        return root / BARS / self._group_names[0].lower()


def _name(symbol: str) -> str:
    """Return the normalised symbol; a text that is no symbol is one that nothing is stored of."""
    try:
        return normalise_symbol(symbol)
    except SymbolError:
        return ""


def _in_hours(
    ts: npt.NDArray[np.int64], table: SessionTable, *, extended: bool
) -> npt.NDArray[np.bool_]:
    starts = table.pre_opens if extended else table.segment_starts
    ends = table.post_closes if extended else table.segment_ends
    if not len(starts):
        return np.zeros(len(ts), np.bool_)
    at = np.searchsorted(starts, ts, side="right") - 1
    return (at >= 0) & (ts < ends[np.maximum(at, 0)])
