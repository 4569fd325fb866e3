"""A market calendar as header and columns, the form in which a file holds it, and back."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np

from tapeloom._core import SessionTable
from tapeloom.calendars.market_calendar import MarketCalendar
from tapeloom.calendars.overlay import Overlay, read_overlay
from tapeloom.timestamps import NS_PER_DAY

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

    from numpy.typing import NDArray

__all__ = ["from_record", "from_saved", "to_record"]

# Instants are kept as seconds from the UTC midnight of their session's date: half the size, twice as fast to read.
_BY_SEGMENT = ("segment_starts", "segment_ends")
_BY_SESSION = ("pre_opens", "post_closes", "span_starts", "span_ends")
_NS = 1_000_000_000


def to_record(
    market: MarketCalendar,
) -> tuple[dict[str, Any], dict[str, NDArray[np.int32]]]:
    """Return a calendar as header, plain JSON types, and int32 columns. Bounds of sessions are whole seconds."""
    table = market.table
    head = {
        "calendar": table.calendar,
        "zone": str(table.zone),
        "source": market.source,
        "first_day": table.first_day,
        "last_day": table.last_day,
        "covered": list(table.covered),
        "fingerprint": table.fingerprint,
        "holiday_names": dict(market.holiday_names),
        "overlay": market.overlay.to_dict(),
    }
    sessions = table.dates.astype(np.int64) * NS_PER_DAY
    lengths = np.diff(table.segment_offsets)
    midnights = dict.fromkeys(_BY_SESSION, sessions)
    midnights |= dict.fromkeys(_BY_SEGMENT, np.repeat(sessions, lengths))
    seconds = {
        name: (getattr(table, name) - midnights[name]) // _NS for name in midnights
    }
    columns = {
        "dates": table.dates,
        "early_closes": market.early_closes,
        "holidays": market.holidays,
        "segment_counts": lengths,
        **seconds,
    }
    return head, {name: column.astype(np.int32) for name, column in columns.items()}


def from_record(
    head: Mapping[str, Any],
    columns: Mapping[str, NDArray[np.int32]],
    *,
    zone: tzinfo,
    overlay: Overlay,
) -> MarketCalendar:
    """Return the calendar of a record; its zone and overlay are known already."""
    sessions = columns["dates"] * np.int64(NS_PER_DAY)
    counts = columns["segment_counts"]
    offsets = np.zeros(counts.size + 1, dtype=np.int64)
    np.cumsum(counts, out=offsets[1:])
    whole = offsets[-1] == counts.size
    by_segment = sessions if whole else np.repeat(sessions, counts)
    instants = {
        name: columns[name] * np.int64(_NS) + by_segment for name in _BY_SEGMENT
    }
    instants |= {name: columns[name] * np.int64(_NS) + sessions for name in _BY_SESSION}
    return MarketCalendar(
        table=SessionTable(
            calendar=head["calendar"],
            zone=zone,
            fingerprint=head["fingerprint"],
            first_day=head["first_day"],
            last_day=head["last_day"],
            covered=tuple(head["covered"]),
            dates=columns["dates"],
            segment_offsets=offsets,
            **instants,
        ),
        source=head["source"],
        overlay=overlay,
        early_closes=_frozen(columns["early_closes"]),
        holidays=_frozen(columns["holidays"]),
        holiday_names=MappingProxyType(_texts(head["holiday_names"])),
    )


def _texts(names: Mapping[str, str]) -> dict[str, str]:
    if not all(isinstance(name, str) for name in dict(names).values()):
        raise TypeError("a name of a holiday is no text")
    return dict(names)


def _frozen(days: NDArray[np.int32]) -> NDArray[np.int64]:
    wide = days.astype(np.int64)
    wide.setflags(write=False)
    return wide


def from_saved(
    head: Mapping[str, Any], columns: Mapping[str, NDArray[np.int32]]
) -> MarketCalendar:
    """Return the calendar of a file, whatever version wrote it."""
    name = head["calendar"]
    overlay = read_overlay(
        {name: head.get("overlay", {})}, name, calendar_of=lambda name: name
    )
    return from_record(head, columns, zone=ZoneInfo(head["zone"]), overlay=overlay)
