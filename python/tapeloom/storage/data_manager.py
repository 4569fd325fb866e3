"""``DataManager``: the stored data of one exchange group, read up to the clock, written and queued."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tapeloom.actions import Actions
from tapeloom.calendars.time_manager import TimeManager
from tapeloom.checking import Window, check_source, now_of
from tapeloom.checking.files_read import findings_of_files
from tapeloom.importing import import_bars, import_from_api
from tapeloom.storage.notes import Notes
from tapeloom.storage.queue_reading import QueueReading

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable
    from datetime import date

    from tapeloom.checking import CheckReport
    from tapeloom.history_source import HistorySource
    from tapeloom.importing import ImportReport
    from tapeloom.intervals import IntervalLike
    from tapeloom.timestamps import TimestampLike

__all__ = ["DataManager"]


class DataManager(QueueReading):
    """Bars, trades and quotes in Parquet files.

    Parameters
    ----------
    root
        A folder with ``bars/<group>/interval=<I>/symbol=<S>/*.parquet``, a folder of Parquet files at any depth, one
        file, or a glob pattern; or an address such as ``"s3://bucket/data"``. Files outside that layout say their
        symbols in a column ``symbol``.
    exchange_group
        Whose bars these are; decides calendar and zone. By default that of the session or the time manager.
    on_invalid
        ``"error"`` or ``"skip"``: what happens to rows that break a rule.
    allow_negative_prices
        Whether prices may be zero or below.
    interval
        Interval of files whose path does not say it; told from the spacing of their stamps if not given.
    time_manager
        Whose calendar holds, corrections included, and whose clock in a backtest; by default the calendar of the
        exchange group as its source has it, and no clock.
    session_data
        Whose clock holds too, whose figures ``get_session_metrics`` returns and whose symbols are the configured ones.
    filesystem
        Where the root is a path: a ``pyarrow.fs.FileSystem`` or one of fsspec. The local disk, or that of the address,
        if not given.

    Raises
    ------
    UnknownExchangeError
        If there is no such group or calendar.
    ArgumentError
        If group, time manager and session contradict each other, or nothing reaches the root.

    Notes
    -----
    While a clock holds (see ``clock_ns``) no read answers with a bar that ends after it, nor with a later trade or quote,
    and faults of later rows are not seen. Only ``get_range``, ``get_ranges`` and the queues reach ahead: they are for
    whoever plans a run or drives the clock.

    The files are looked for on the first read, and reading creates nothing. Reads raise ``MissingDataError`` if root
    or files are missing, ``StorageError`` if a file does not have our columns, ``CorruptFileError`` if it is damaged,
    ``InvalidBarError`` if a row breaks a rule and ``on_invalid`` is ``"error"``.
    """

    @property
    def local_root(self) -> Path | None:
        """The root as a folder of the local disk; ``None`` if it lies elsewhere."""
        return Path(self._inside) if self._store.files.is_local else None

    def import_bars(
        self, source: object, *, exchange_group: str | None = None, **options: Any
    ) -> ImportReport:
        """Import bars of other tools into this store.

        Parameters
        ----------
        source
            A file, a folder, a glob pattern or a list of them; a frame, an Arrow table, a dict of arrays.
        exchange_group
            Whose bars these are; by default those of this store.
        **options
            ``symbol``, ``interval``, ``zone``, ``label``, ``columns``, ``on_duplicate``, ``auto`` and the others of
            ``tapeloom.importing.import_bars``.

        Returns
        -------
        ImportReport
            Per file what was read, found and written.

        Raises
        ------
        ImportMismatchError
            If a single source needs a decision; the text holds evidence and remedy.
        CorruptFileError, StorageError, ArgumentError, MissingDataError
            If a single source cannot be read.
        """
        options.setdefault("allow_negative_prices", self._allow_negative_prices)
        return import_bars(source, **self._target(exchange_group), **options)

    def import_csv(
        self, path: str | os.PathLike[str], symbol: str | None = None, **options: Any
    ) -> ImportReport:
        """Import a file of text; ``import_bars`` with the symbol as second argument."""
        return self.import_bars(path, symbol=symbol, **options)

    def import_from_api(
        self,
        source: HistorySource,
        symbols: str | Iterable[str],
        interval: IntervalLike,
        start: TimestampLike,
        end: TimestampLike,
        *,
        exchange_group: str | None = None,
        **options: Any,
    ) -> ImportReport:
        """Import bars that a source of history answers with into this store.

        Parameters
        ----------
        source
            Who is asked; see ``tapeloom.history_source.HistorySource``.
        symbols
            One symbol, or several.
        interval
            Length of the bars.
        start, end
            Bars that start in ``[start, end)``; naive times are wall time of the exchange.
        exchange_group
            Whose bars these are; by default those of this store.
        **options
            ``label``, ``on_duplicate``, ``auto``, ``progress`` and the others of ``tapeloom.importing.import_from_api``.

        Returns
        -------
        ImportReport
            Per request, of a symbol and a month (a year for days and weeks), what was read, found and written.

        Raises
        ------
        HistorySourceError
            If the only request is not answered. Of several the errors stand in the report.
        ArgumentError
            If an argument breaks its rule; nothing is asked then.
        """
        options.setdefault("allow_negative_prices", self._allow_negative_prices)
        target = self._target(exchange_group)
        return import_from_api(
            source, symbols, interval, start, end, **target, **options
        )

    def _target(self, exchange_group: str | None) -> dict[str, Any]:
        """Where an import writes to, and the sessions it compares with, if they are at hand."""
        if exchange_group in (None, *self._group_names):
            return {"into": self, "table": self._session_table}
        other = DataManager(
            self._inside,
            exchange_group=exchange_group,
            allow_negative_prices=self._allow_negative_prices,
            filesystem=self._store.files.filesystem,
        )
        return {"into": other}

    def check_data_quality(
        self,
        symbols: Iterable[str] | None = None,
        interval: IntervalLike | None = None,
        start: date | None = None,
        end: date | None = None,
    ) -> CheckReport:
        """Report what is missing or wrong in the stored bars; see ``tapeloom.check``.

        Parameters
        ----------
        symbols
            ``None`` means all that are stored.
        interval
            ``None`` means every stored one.
        start, end
            First and last session date to look at, both included; ``None`` is open. Sessions that have not begun are not
            due, and while a clock holds those that are not over by then are not looked at.
        """
        table, clock = self._session_table, self.clock_ns
        manager = self._time_manager or TimeManager(self.exchange_group)
        lenient = copy.copy(self)
        # Invalid rows are findings, and what reading notes is in the report.
        lenient._on_invalid, lenient._notes = "skip", Notes()
        beside = Actions.beside(self._root) if Path(self._root).is_dir() else Actions()
        return check_source(
            lenient,
            table,
            exchange_group=self.exchange_group,
            symbols=symbols,
            interval=interval,
            window=Window(start, end, now_of(manager), clock),
            actions=beside,
            said=lambda wanted: findings_of_files(lenient._mounted, wanted),
        )
