"""Bars that are handed in for one series: of any library, in any order, checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tapeloom._core import Interval
from tapeloom.bars import no_bars, normalise_symbol
from tapeloom.columns import read_frame
from tapeloom.storage.bad_rows import without_bad_rows
from tapeloom.storage.notes import Notes

if TYPE_CHECKING:
    from tapeloom._core import Bars, SessionTable
    from tapeloom.intervals import IntervalLike

__all__ = ["given_bars"]


def given_bars(
    symbol: str,
    interval: IntervalLike,
    bars: object,
    *,
    table: SessionTable,
    allow_negative_prices: bool,
    notes: Notes | None = None,
) -> Bars:
    """Return the bars of one series in order of their starts; those that start together stay in the order given.

    Parameters
    ----------
    symbol, interval
        The series they must be of.
    bars
        ``Bars``, or a frame that ``tapeloom.columns.read_frame`` reads.

    Raises
    ------
    InvalidBarError
        If one breaks a rule.
    """
    name, length = normalise_symbol(symbol), Interval(interval)
    frame = read_frame(bars, zone=table.zone, table=table, symbol=name, interval=length)
    given = without_bad_rows(
        frame.get(name, no_bars(name, length, table.zone)),
        source="bars",
        rows=None,
        on_invalid="error",
        allow_negative_prices=allow_negative_prices,
        notes=Notes() if notes is None else notes,
    )
    return given if given.is_sorted() else given.sorted()
