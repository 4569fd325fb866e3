"""Builds the session table of what a source says: whose time is whose, what covers what, the fingerprint."""

from __future__ import annotations

import hashlib
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from tapeloom._core import SessionTable
from tapeloom.calendars.days import from_day
from tapeloom.calendars.market_calendar import MarketCalendar
from tapeloom.timestamps import local_midnights

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import tzinfo

    from numpy.typing import NDArray

    from tapeloom.calendars.overlay import Overlay
    from tapeloom.calendars.providers.provided_sessions import ProvidedSessions

__all__ = ["build_market_calendar"]


def build_market_calendar(
    calendar: str, zone: tzinfo, said: ProvidedSessions, overlay: Overlay
) -> MarketCalendar:
    """Return the calendar of what a source says, corrected already; the overlay is only named in it.

    Raises
    ------
    ArgumentError
        If hours do not nest or sessions overlap.
    """
    span_starts, span_ends = _spans(said, zone)
    columns = {
        "segment_offsets": said.segment_offsets,
        "segment_starts": said.segment_starts,
        "segment_ends": said.segment_ends,
        "pre_opens": said.pre_opens,
        "post_closes": said.post_closes,
        "span_starts": span_starts,
        "span_ends": span_ends,
    }
    start, end = local_midnights(
        np.array([said.first_day, said.last_day + 1]), zone
    ).tolist()
    table = SessionTable(
        calendar=calendar,
        zone=zone,
        fingerprint=_fingerprint(
            calendar, said, overlay, [said.days, *columns.values()]
        ),
        first_day=said.first_day,
        last_day=said.last_day,
        covered=(
            min([start, *span_starts[:1].tolist()]),
            max([end, *span_ends[-1:].tolist()]),
        ),
        dates=said.days.astype(np.int32),
        **columns,
    )
    return MarketCalendar(
        table=table,
        source=said.version,
        overlay=overlay,
        early_closes=_frozen(said.early_closes),
        holidays=_frozen(said.holidays),
        holiday_names=MappingProxyType(
            {from_day(day).isoformat(): n for day, n in said.holiday_names.items()}
        ),
    )


def _frozen(days: NDArray[np.int64]) -> NDArray[np.int64]:
    copy = days.copy()
    copy.setflags(write=False)
    return copy


def _spans(
    said: ProvidedSessions, zone: tzinfo
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The time that belongs to each date: its local day, and the hours of its session outside that day."""
    starts = np.minimum(local_midnights(said.days, zone), said.pre_opens)
    ends = np.maximum(local_midnights(said.days + 1, zone), said.post_closes)
    # Trading after midnight belongs to the session that it ends, the evening before to the one that it begins.
    starts[1:] = np.maximum(starts[1:], said.post_closes[:-1])
    ends[:-1] = np.minimum(ends[:-1], starts[1:])
    return starts, ends


def _fingerprint(
    calendar: str,
    said: ProvidedSessions,
    overlay: Overlay,
    columns: Iterable[NDArray[np.int64]],
) -> str:
    first, last = from_day(said.first_day), from_day(said.last_day)
    head = f"{calendar} {said.version} {first} {last} {overlay.digest}"
    digest = hashlib.sha256(head.encode())
    for column in columns:
        digest.update(np.ascontiguousarray(column, dtype="<i8").data)
    return digest.hexdigest()
