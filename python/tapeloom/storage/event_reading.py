"""What reads stored trades and quotes up to the clock."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from tapeloom.bars import normalise_symbol
from tapeloom.errors import MissingDataError
from tapeloom.quotes import Quote, Quotes, TickData, Ticks
from tapeloom.storage.bar_reading import BarReading
from tapeloom.storage.catalog import folder_of_group
from tapeloom.storage.event_files import QUOTE_KIND, TICK_KIND, has_events, read_events
from tapeloom.storage.layout import encode_symbol

if TYPE_CHECKING:
    from tapeloom.storage.event_files import Events, Kind
    from tapeloom.timestamps import TimestampLike

__all__ = ["EventReading"]

_Row = TypeVar("_Row", bound=TickData | Quote)


class EventReading(BarReading):
    """Stored bars, trades and quotes."""

    def get_ticks(
        self,
        symbol: str,
        start: TimestampLike | None = None,
        end: TimestampLike | None = None,
    ) -> Ticks:
        """Return the stored trades of a symbol in ``[start, end)``, as far as the clock.

        They lie in ``<root>/trades/<group>/symbol=<S>/*.parquet`` with the columns ``ts``, ``price`` and ``size``. Those
        of equal time stay in the order of the file. A symbol without trades is empty.

        Raises
        ------
        MissingDataError
            If the root does not exist.
        InvalidBarError, CorruptFileError, StorageError
            As for bars.
        """
        found = self.read_events(TICK_KIND, symbol, *self._range_ns(start, end))
        return Ticks(found.symbol, found.to_list(), self._zone)

    def get_quotes(
        self,
        symbol: str,
        start: TimestampLike | None = None,
        end: TimestampLike | None = None,
    ) -> Quotes:
        """Return the stored quotes of a symbol in ``[start, end)``, as far as the clock.

        They lie in ``<root>/quotes/<group>/symbol=<S>/*.parquet`` with the columns ``ts``, ``bid`` or ``bid_price``,
        ``ask`` or ``ask_price``, and sizes. A side that a row leaves out is 0. Errors are those of ``get_ticks``.
        """
        found = self.read_events(QUOTE_KIND, symbol, *self._range_ns(start, end))
        return Quotes(found.symbol, found.to_list(), self._zone)

    def read_events(
        self,
        kind: Kind[_Row],
        symbol: str,
        start: int | None,
        end: int | None,
        *,
        ahead: bool = False,
    ) -> Events[_Row]:
        """Return trades or quotes as columns; ``ahead`` of the clock for whoever drives it."""
        clock = None if ahead else self.clock_ns
        if clock is not None:
            # Known at their own time, the clock's included.
            end = clock + 1 if end is None else min(end, clock + 1)
        return read_events(
            kind,
            normalise_symbol(symbol),
            self._event_files(kind, symbol),
            start,
            end,
            zone=self._zone,
            files=self._store.files,
            skip_invalid=self._on_invalid == "skip",
        )

    def has_quotes(
        self,
        symbol: str,
        start: TimestampLike | None = None,
        end: TimestampLike | None = None,
    ) -> bool:
        """Return whether quotes of a symbol are stored in ``[start, end)``, after the clock too: it is for planning.

        As a rule footers tell it, and no quote is read. Errors are those of ``get_quotes``, invalid rows apart.
        """
        paths = self._event_files(QUOTE_KIND, symbol)
        return has_events(paths, *self._range_ns(start, end), files=self._store.files)

    def _event_files(self, kind: Kind[_Row], symbol: str) -> list[Path]:
        """Return the files of trades or quotes of a symbol."""
        files, root = self._store.files, Path(self._inside)
        if not (files.is_folder(root) or self._catalog):
            text = f"{self._root!r} does not exist"
            raise MissingDataError(text, path=self._root)
        folder = folder_of_group(root, self._group_names, files=files, kind=kind.folder)
        if folder is None:
            return []
        of_symbol = folder / f"symbol={encode_symbol(normalise_symbol(symbol))}"
        return files.parquet_below(of_symbol) if files.is_folder(of_symbol) else []
