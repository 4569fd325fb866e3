"""Reads what a source of history answers: the bars that were asked for, sorted, without rows that are none."""

from __future__ import annotations

from collections.abc import Sized
from typing import TYPE_CHECKING

from tapeloom._core import Bars, Interval
from tapeloom.bars import normalise_symbol
from tapeloom.columns import read_frame
from tapeloom.errors import HistorySourceError
from tapeloom.importing.history_requests import title_of
from tapeloom.storage.bad_rows import without_bad_rows
from tapeloom.timestamps import to_ns

if TYPE_CHECKING:
    from tapeloom._core import SessionTable
    from tapeloom.history_source import HistoryRequest
    from tapeloom.storage.notes import Notes

__all__ = ["bars_of"]

_COLUMNS = ("ts", "open", "high", "low", "close", "volume")


def bars_of(
    answer: object,
    request: HistoryRequest,
    table: SessionTable,
    *,
    notes: Notes,
    allow_negative_prices: bool = False,
) -> Bars | None:
    """Return the bars of an answer that start in the time that was asked for; ``None`` of an empty one.

    Parameters
    ----------
    answer
        Whatever ``SessionData.add_bars_batch`` takes.
    request
        What it answers.
    table
        Sessions and zone of the bars.
    notes
        Where rows are noted that break a rule and are left out.
    allow_negative_prices
        Whether prices may be zero or below.

    Raises
    ------
    HistorySourceError
        If it cannot be read, or is of another symbol or interval.
    """
    if answer is None or (isinstance(answer, Sized) and not len(answer)):
        return None
    symbol = normalise_symbol(request.symbol)
    try:
        read = _read(answer, symbol, request.interval, table)
    except Exception as error:
        # Whatever a source hands over is not believed before it is read.
        text = f"its answer cannot be read: {type(error).__name__}: {error}"
        raise HistorySourceError(text, symbol=symbol) from error
    if read.symbol != symbol or Interval(read.interval) != Interval(request.interval):
        text = f"its answer holds {read.interval} bars of {read.symbol}, asked for were {request.interval} bars of {symbol}"
        raise HistorySourceError(text, symbol=symbol)
    first, last = (to_ns(at, table.zone) for at in (request.start, request.end))
    return without_bad_rows(
        read.sorted().between(first, last),
        source=title_of(request),
        rows=None,
        on_invalid="skip",
        allow_negative_prices=allow_negative_prices,
        notes=notes,
    )


def _read(answer: object, symbol: str, interval: str, table: SessionTable) -> Bars:
    if isinstance(answer, Bars):
        read = answer
    else:
        found = read_frame(
            answer, zone=table.zone, table=table, symbol=symbol, interval=interval
        )
        read = found[symbol] if symbol in found else next(iter(found.values()))
    # All in one zone and of one table, so that they fit behind each other.
    return Bars.from_columns(
        read.symbol,
        read.interval,
        **{name: getattr(read, name) for name in _COLUMNS},
        zone=table.zone,
        table=table,
    )
