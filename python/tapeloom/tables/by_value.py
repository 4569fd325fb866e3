"""``Bars`` by value: the columns, and of the session table what decides when they end."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from tapeloom._core import Bars, Interval, SessionTable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import tzinfo

    from numpy.typing import NDArray

__all__ = ["reduce", "restore"]

_HEAD = ("calendar", "zone", "fingerprint")
_BY_SESSION = ("dates", "pre_opens", "post_closes", "span_starts", "span_ends")
_BY_SEGMENT = ("segment_starts", "segment_ends")
#: The Monday before 1970-01-01, in days.
_MONDAY = -3


def reduce(bars: Bars) -> tuple[Callable[..., Bars], tuple[Any, ...]]:
    """Return how to make equal bars again, as ``pickle`` asks for it.

    The bars that come back are equal, derived alike and end at the same instants. Their table holds the sessions they
    lie in; for intervals above a day, the whole years of those.
    """
    columns: dict[str, NDArray[Any]] = dict(bars.to_numpy())
    if bars.is_derived:
        columns["constituents"] = bars.constituents
    table = None if bars.table is None else _needed(bars.table, bars.ts, bars.interval)
    said = (bars.symbol, bars.interval, bars.zone, bars.anchor, bars.extended_hours)
    return restore, (*said, columns, table)


def restore(
    symbol: str,
    interval: str,
    zone: tzinfo,
    anchor: str,
    extended_hours: str,
    columns: Mapping[str, NDArray[Any]],
    table: Mapping[str, Any] | None,
) -> Bars:
    """Return the bars that ``reduce`` took apart."""
    return Bars.from_columns(
        symbol,
        interval,
        zone=zone,
        table=None if table is None else SessionTable(**table),
        anchor=anchor,
        extended_hours=extended_hours,
        **columns,
    )


def _needed(
    table: SessionTable, ts: NDArray[np.int64], interval: str
) -> dict[str, Any] | None:
    """Return the arguments of a table of the sessions that bars lie in; ``None`` if they lie in none."""
    inside = table.session_of(ts)
    inside = inside[inside >= 0]
    if not inside.size:
        return None
    first, last = int(inside.min()), int(inside.max())
    # A bar of several sessions is counted from the new year, a bar of weeks from week 1 of the ISO year.
    if Interval(interval).ns is None and interval != "1d":
        years = _years(table.dates, weeks=interval.endswith("w"))
        first = int(np.searchsorted(years, years[first], "left"))
        last = int(np.searchsorted(years, years[last], "right")) - 1
    return _cut(table, first, last + 1)


def _years(dates: NDArray[np.int32], *, weeks: bool) -> NDArray[np.int64]:
    """Return the year to which each date counts; of weeks that is the year of their Thursday."""
    days = dates.astype(np.int64)
    if weeks:
        days += 3 - (days - _MONDAY) % 7
    return days.astype("M8[D]").astype("M8[Y]").astype(np.int64)


def _cut(table: SessionTable, start: int, stop: int) -> dict[str, Any]:
    """Return the arguments of a table of the sessions ``[start, stop)``, which says that it covers no more."""
    found: dict[str, Any] = {name: getattr(table, name) for name in _HEAD}
    if stop - start < len(table):
        cut = f"{table.fingerprint} {start} {stop}"
        found["fingerprint"] = hashlib.sha256(cut.encode()).hexdigest()
        found["first_day"] = int(table.dates[start])
        found["last_day"] = int(table.dates[stop - 1])
        found["covered"] = (
            int(table.span_starts[start]),
            int(table.span_ends[stop - 1]),
        )
    else:
        found |= {n: getattr(table, n) for n in ("first_day", "last_day", "covered")}
    found |= {name: getattr(table, name)[start:stop] for name in _BY_SESSION}
    offsets = table.segment_offsets[start : stop + 1]
    segments = slice(int(offsets[0]), int(offsets[-1]))
    found |= {name: getattr(table, name)[segments] for name in _BY_SEGMENT}
    return found | {"segment_offsets": offsets - offsets[0]}
