"""What writes stored bars and deletes them, each file replaced as a whole."""

from __future__ import annotations

import glob
from pathlib import Path
from typing import TYPE_CHECKING

from tapeloom._core import Interval
from tapeloom.bars import normalise_symbol
from tapeloom.errors import StorageError
from tapeloom.storage.catalog import folder_of_group
from tapeloom.storage.given_bars import given_bars
from tapeloom.storage.layout import BARS, series_folder
from tapeloom.storage.parquet_writer import delete_series, write_series
from tapeloom.storage.stored_bars import StoredBars

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tapeloom.intervals import IntervalLike
    from tapeloom.timestamps import TimestampLike

__all__ = ["BarWriting"]


class BarWriting(StoredBars):
    """Stored bars that can be changed."""

    def write_bars(
        self,
        symbol: str,
        interval: IntervalLike,
        bars: object,
        *,
        on_duplicate: str = "replace",
        origins: Sequence[Mapping[str, object]] = (),
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
        origins
            Where the bars come from and how they were read, in values that JSON knows; kept in the metadata of the files.
            One with ``first_ts`` and ``last_ts`` goes to the files that hold bars between them.

        Returns
        -------
        list of Path
            The files that were written, as paths of their filesystem.

        Raises
        ------
        InvalidBarError
            If a bar breaks a rule; nothing is written.
        DuplicateBarError
            Under ``"error"``; nothing is written.
        StorageError
            If the root is no folder in our layout, another writer is at one of the files, or a file cannot be written;
            what was there stays.
        """
        name, length = normalise_symbol(symbol), Interval(interval)
        folder = self._folder_to_write()
        table = self._session_table
        given = given_bars(
            name,
            length,
            bars,
            table=table,
            allow_negative_prices=self._allow_negative_prices,
            notes=self._notes,
        )
        try:
            return write_series(
                series_folder(folder, length, name),
                given,
                length,
                table=table,
                store=self._store,
                on_duplicate=on_duplicate,
                origins=origins,
            )
        finally:
            self.look_again()

    def delete_bars(
        self,
        symbol: str,
        interval: IntervalLike,
        start: TimestampLike | None = None,
        end: TimestampLike | None = None,
    ) -> int:
        """Delete the stored bars that start in ``[start, end)``.

        Parameters
        ----------
        symbol, interval
            The series; of one that is not stored nothing is deleted.
        start, end
            Any accepted form of a time; a naive one is wall time of the exchange. ``None`` is open.

        Returns
        -------
        int
            How many bars were deleted. A file without a bar left is removed.

        Raises
        ------
        ArgumentError
            If ``start`` is after ``end``.
        StorageError
            If the files hold several symbols, another writer is at one of them, or one cannot be written; what was
            there stays in it.
        """
        first, last = self._range_ns(start, end)
        series = self._series(symbol, interval)
        if series is None:
            return 0
        for path in () if series.of_folder else series.files:
            others = sorted(set(self._store.symbols(path)) - {series.symbol})
            if others:
                text = f"{path}: holds bars of {others[0]} too; bars are deleted from files of one symbol"
                raise StorageError(text, path=str(path), symbol=series.symbol)
        try:
            return delete_series(
                series.files,
                series.symbol,
                series.interval,
                first,
                last,
                table=self._session_table,
                store=self._store,
            )
        finally:
            self.look_again()

    def _folder_to_write(self) -> Path:
        root, files = Path(self._inside), self._store.files
        is_folder = files.is_folder(root)
        if files.is_file(root) or (glob.has_magic(self._inside) and not is_folder):
            text = f"{self._root!r} is no folder; bars are written below a folder"
            raise StorageError(text, path=self._root)
        folder = folder_of_group(root, self._group_names, files=files)
        if folder is not None:
            return folder
        # Looked for twice: another writer may make the folder just now, and the files found are its.
        holds_others = (
            is_folder
            and not files.is_folder(root / BARS)
            and files.parquet_below(root)
            and not files.is_folder(root / BARS)
        )
        if holds_others:
            # A folder bars/ beside them would hide those files from the next read.
            text = f"{self._root!r} holds Parquet files outside the layout {BARS}/<group>/...; write into another folder"
            raise StorageError(text, path=self._root)
        return root / BARS / self._group_names[0].lower()
