"""All stored bars of one exchange group: what there is, reading it checked and in order. It knows no clock."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import numpy as np

from tapeloom._core import Bars, Interval
from tapeloom.actions import FILES as ACTION_FILES
from tapeloom.bars import no_bars, normalise_symbol
from tapeloom.calendars.given_exchange import group_for, unless_default
from tapeloom.calendars.session_table import get_session_table
from tapeloom.errors import ArgumentError, ArgumentTypeError, SymbolError
from tapeloom.importing.mount import is_foreign, mount
from tapeloom.importing.source_files import files_of
from tapeloom.side_by_side import meanwhile, side_by_side
from tapeloom.storage.bad_rows import (
    check_policy,
    note_rewritten,
    note_unsorted,
    without_bad_rows,
)
from tapeloom.storage.catalog import find_series
from tapeloom.storage.files import reach
from tapeloom.storage.layout import BARS
from tapeloom.storage.notes import INTERVAL_TOLD, Notes
from tapeloom.storage.parquet_store import ParquetStore
from tapeloom.timestamps import to_ns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import numpy.typing as npt

    from tapeloom._core import SessionTable
    from tapeloom.calendars.time_manager import TimeManager
    from tapeloom.importing.mount import Mounted
    from tapeloom.intervals import IntervalLike
    from tapeloom.storage.catalog import Catalog, StoredSeries
    from tapeloom.storage.notes import DataNote
    from tapeloom.storage.parquet_store import FileRows
    from tapeloom.timestamps import TimestampLike

__all__ = ["StoredBars"]


class StoredBars:
    """Bars in Parquet files; a ``BarSource``. For whoever drives the clock: it reads whatever is stored.

    Parameters
    ----------
    root
        A folder with ``bars/<group>/interval=<I>/symbol=<S>/*.parquet``, a folder of Parquet files at any depth, one
        file, or a glob pattern; or an address such as ``"s3://bucket/data"``. Files outside that layout say their
        symbols in a column ``symbol``.
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
    filesystem
        Where the root is a path: a ``pyarrow.fs.FileSystem`` or one of fsspec. The local disk, or that of the address,
        if not given.

    Raises
    ------
    UnknownExchangeError
        If there is no such group or calendar.
    ArgumentError
        If the root is empty, or nothing reaches it; ``ArgumentTypeError`` if it is no path.

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
        filesystem: object | None = None,
    ) -> None:
        group = group_for(unless_default(exchange_group), time_manager)
        self._root = _path_of(root)
        if not isinstance(allow_negative_prices, bool):
            text = f"allow_negative_prices is {allow_negative_prices!r}; it must be True or False"
            raise ArgumentTypeError(text, got=allow_negative_prices)
        files, self._inside = reach(self._root, filesystem)
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
        self._store = ParquetStore(files)
        self._notes = Notes()
        self._renew_locks()
        self._found: Catalog | None = None
        self._looks = 0
        self._sorted: tuple[Catalog, dict[str, list[Interval]]] | None = None
        self._mounted: list[Mounted] = []
        _here.add(self)

    def _renew_locks(self) -> None:
        self._looking, self._lock = Lock(), Lock()

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

    def look_again(self) -> None:
        """Forget which files there are, because some were written; the next read looks for them.

        What a read that is looking at present finds is for that read alone: it may have begun before they were there.
        Files of other tools that were mounted, by ``mount`` or because nothing else is there, stay those that were found
        then, as they were read: what came to them since, a new manager sees.
        """
        with self._lock:
            self._looks += 1
            self._found = None

    def get_symbols(self) -> list[str]:
        """Return the stored symbols, sorted."""
        found = {symbol for symbol, _ in self._catalog}
        return sorted(found.union(*(m.get_symbols() for m in self._mounted)))

    def get_intervals(self, symbol: str) -> list[str]:
        """Return the stored intervals of a symbol as canonical text, finest first; empty if it is unknown."""
        name = _name(symbol)
        found = set(self._by_symbol.get(name, ()))
        for mounted in self._mounted:
            found.update(map(Interval, mounted.get_intervals(symbol)))
        return [i.text for i in sorted(found)]

    def get_range(self, symbol: str, interval: IntervalLike) -> tuple[int, int] | None:
        """Return the start of the first and of the last bar, nanoseconds UTC; ``None`` if there is none."""
        known = self.get_ranges(symbol, interval)
        if not known:
            return None
        return min(first for first, _ in known), max(last for _, last in known)

    def get_ranges(self, symbol: str, interval: IntervalLike) -> list[tuple[int, int]]:
        """Return the start of the first and of the last bar of each file of a series, nanoseconds UTC."""
        series = self._series(symbol, interval)
        files = () if series is None else series.files
        spans = [
            self._store.bounds(f, _name(symbol), of_folder=series.of_folder)
            for f in files
            if series is not None
        ]
        mounted = [s for m in self._mounted for s in m.get_ranges(symbol, interval)]
        return [span for span in spans if span is not None] + mounted

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
        return self._read(symbol, interval, start, end)

    def rows_at(
        self, symbol: str, interval: IntervalLike, ts: int
    ) -> list[tuple[str, int]]:
        """Return the file and the row in it, counted from 0, of each stored bar that starts at an instant, ns UTC.

        Files that are mounted do not say.
        """
        series = self._series(symbol, interval)
        if series is None:
            return []
        found = []
        for path in series.files:
            rows = self._store.read(
                path, _name(symbol), ts, ts + 1, of_folder=series.of_folder
            )
            found += [(str(path), row) for row in rows.numbers.tolist()]
        return found

    def read_many(
        self,
        series: Iterable[tuple[str, IntervalLike]],
        start: int | None,
        end: int | None,
        *,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> list[Bars]:
        """Return the bars of many series in their order, read side by side; each as ``read`` returns it.

        Parameters
        ----------
        series
            Symbol and interval of each.
        start, end
            As of ``read``.
        cancelled
            Asked before each series; once it is true, the others come back empty.

        Raises
        ------
        InvalidBarError, CorruptFileError, StorageError, MissingDataError
            As ``read``, for the first series that has a fault.
        """
        wanted = list(series)
        _ = self._catalog, self._session_table

        def read(one: tuple[str, IntervalLike]) -> Bars:
            if cancelled():
                return no_bars(normalise_symbol(one[0]), one[1], self._zone)
            return self.read(*one, start, end)

        # Whoever waits for another place lets others wait as well: only on the local disk is that short.
        return side_by_side(read, wanted, in_turn=self._store.files.is_local)

    def _read(
        self,
        symbol: str,
        interval: IntervalLike,
        start: int | None,
        end: int | None,
        *,
        known_by: int | None = None,
    ) -> Bars:
        """Read a series; ``known_by`` leaves out, unseen, the bars that are known only later."""
        parts = self._stored_parts(symbol, interval, start, end, known_by)
        for mounted in self._mounted:
            found = mounted.read(symbol, interval, start, end, known_by=known_by)
            if len(found):
                parts.append(found)
        if not parts:
            return no_bars(normalise_symbol(symbol), interval, self._zone)
        bars = parts[0] if len(parts) == 1 else Bars.concat(parts)
        return bars if bars.is_sorted() else bars.sorted()

    def _stored_parts(
        self,
        symbol: str,
        interval: IntervalLike,
        start: int | None,
        end: int | None,
        known_by: int | None,
    ) -> list[Bars]:
        """Read a series file by file."""
        series = self._series(symbol, interval)
        if series is None:
            return []
        self._note_told(series)
        parts = []
        for path in series.files:
            rows = self._store.read(
                path, series.symbol, start, end, of_folder=series.of_folder
            )
            if known_by is not None and len(rows.numbers):
                known = self._session_table.known_at(rows.columns["ts"], interval)
                rows = rows.kept(known <= known_by)
            if len(rows.numbers):
                parts.append(self._checked(series, rows))
        return parts

    def _note_told(self, series: StoredSeries) -> None:
        if series.told:
            text = f"the interval {series.interval.text} was told from the spacing of the stamps"
            files = np.arange(len(series.files))
            self._notes.add(
                INTERVAL_TOLD, series.symbol, source=self._root, text=text, rows=files
            )

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
        if rows.rewritten:
            note_rewritten(
                series.symbol, source=source, rows=rows.numbers, notes=self._notes
            )
        return without_bad_rows(
            bars,
            source=source,
            rows=rows.numbers,
            on_invalid=self._on_invalid,
            allow_negative_prices=self._allow_negative_prices,
            notes=self._notes,
        )

    def mount(self, pattern: object, **options: Any) -> Mounted:
        """Read foreign files where they lie, beside what is stored.

        Parameters
        ----------
        pattern
            A file, a folder of any shape or a glob pattern: Parquet, CSV and TSV of other tools, packed or not.
        **options
            ``columns``, ``zone``, ``label``, ``interval`` and the others of ``tapeloom.importing.mount``.

        Returns
        -------
        Mounted
            The files by themselves. From now on every read of this manager sees their bars too.

        Raises
        ------
        MissingDataError
            If there is no such file.
        ArgumentError
            If an option breaks its rule. Files that would have to be guessed at raise ``ImportMismatchError`` when they
            are read.
        """
        mounted = mount(
            pattern,
            exchange_group=self.exchange_group,
            table=self._session_table,
            keep=self._kept,
            **{"interval": self._interval, **options},
        )
        self._mounted.append(mounted)
        return mounted

    def _kept(self, bars: Bars, source: str, rows: npt.NDArray[np.int64]) -> Bars:
        return without_bad_rows(
            bars,
            source=source,
            rows=rows,
            on_invalid=self._on_invalid,
            allow_negative_prices=self._allow_negative_prices,
            notes=self._notes,
        )

    @property
    def _catalog(self) -> Catalog:
        if (known := self._found) is not None:
            return known
        # One looks, and others wait for what it finds: each would mount what is foreign. Nobody has a turn then: the one
        # who looks would wait for that of one who waits for him.
        with meanwhile(), self._looking:
            with self._lock:
                known, looks = self._found, self._looks
            return self._looked(looks) if known is None else known

    def _looked(self, looks: int) -> Catalog:
        foreign = self._foreign()
        if foreign is not None:
            self.mount(foreign)
        found = {} if self._only_mounted() else self._find()
        with self._lock:
            if self._looks == looks:
                self._found = found
        return found

    @property
    def _by_symbol(self) -> dict[str, list[Interval]]:
        """The stored intervals of each symbol, from one pass over the catalog."""
        catalog = self._catalog
        if self._sorted is None or self._sorted[0] is not catalog:
            found: dict[str, list[Interval]] = {}
            for symbol, interval in catalog:
                found.setdefault(symbol, []).append(interval)
            self._sorted = catalog, found
        return self._sorted[1]

    def _find(self) -> Catalog:
        return find_series(
            self._inside, self._group_names, self._store, interval=self._interval
        )

    def _foreign(self) -> object | None:
        """Return the root, if it is a folder or pattern of files of other tools, without the tables of splits."""
        root, files = Path(self._inside), self._store.files
        if self._mounted or not files.is_local or files.is_folder(root / BARS):
            return None
        beside = [root / name for name in ACTION_FILES if (root / name).is_file()]
        if not beside:
            return self._inside if is_foreign(self._inside) else None
        bars = [path for path in files_of(root) if path not in beside]
        return bars if bars and is_foreign(bars) else None

    def _only_mounted(self) -> bool:
        """Whether nothing is stored, and everything there is was mounted."""
        root, files = Path(self._inside), self._store.files
        return bool(self._mounted) and not files.is_folder(root / BARS)

    @property
    def _session_table(self) -> SessionTable:
        if self._pinned is not None:
            return self._pinned
        if self._time_manager is None:
            return get_session_table(self._group_names[0])
        return self._time_manager.session_table

    def _range_ns(
        self, start: TimestampLike | None, end: TimestampLike | None
    ) -> tuple[int | None, int | None]:
        """Return the bounds of a range in nanoseconds UTC."""
        first = None if start is None else to_ns(start, self._zone, name="start")
        last = None if end is None else to_ns(end, self._zone, name="end")
        if first is not None and last is not None and first > last:
            text = f"start {start!r} is after end {end!r}; a range is [start, end)"
            raise ArgumentError(text, start=start, end=end)
        return first, last

    def _series(self, symbol: str, interval: IntervalLike) -> StoredSeries | None:
        return self._catalog.get((_name(symbol), Interval(interval)))

    def _finest(self, symbol: str) -> str | None:
        """The finest interval that is stored of a symbol."""
        return next(iter(self.get_intervals(symbol)), None)


#: All there are in this process.
_here: WeakSet[StoredBars] = WeakSet()


def _unlock_in_child() -> None:
    """Let a forked child have locks of its own: a thread that it does not have may be looking for files."""
    for stored in _here:
        stored._renew_locks()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unlock_in_child)


def _path_of(root: object) -> str:
    """Return the root as text, or raise the error that names it."""
    found = os.fspath(root) if isinstance(root, str | os.PathLike) else root
    if not isinstance(found, str):
        text = f"root is {root!r} ({type(root).__name__}); give the path of a folder, a file or a pattern as text"
        raise ArgumentTypeError(text, got=root)
    if not found:
        text = "root is empty; give a path, such as '.' for the current folder"
        raise ArgumentError(text, got=root)
    return found


def _name(symbol: str) -> str:
    """Return the normalised symbol; a text that is no symbol is one that nothing is stored of."""
    try:
        return normalise_symbol(symbol)
    except SymbolError:
        return ""
