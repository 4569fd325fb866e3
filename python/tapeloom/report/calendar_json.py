"""What ``calendar show --json`` and ``calendar diff --json`` print, as plain values."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

from tapeloom.report.calendar_words import kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    from tapeloom.calendars import TradingSession
    from tapeloom.calendars.calendar_diff import Difference
    from tapeloom.calendars.named_calendar import NamedCalendar

__all__ = ["diff_dict", "show_dict"]


def show_dict(named: NamedCalendar, days: Iterable[date]) -> dict[str, Any]:
    """Return what a calendar is, all its corrections, and these dates with their hours."""
    hours = [
        _session(named.session(day)) | {"corrected": named.is_corrected(day)}
        for day in days
    ]
    return _calendar(named) | {"corrections": _corrections(named), "days": hours}


def diff_dict(
    first: NamedCalendar,
    second: NamedCalendar,
    start: date,
    end: date,
    differences: Sequence[Difference],
) -> dict[str, Any]:
    """Return the two calendars, the dates compared, both included, and those that differ with both sides in full."""
    return {
        "a": _calendar(first),
        "b": _calendar(second),
        "from": start.isoformat(),
        "to": end.isoformat(),
        "differences": [
            {
                "date": d.date.isoformat(),
                "differs": list(d.aspects),
                "a": _session(d.first),
                "b": _session(d.second),
            }
            for d in differences
        ],
    }


def _calendar(named: NamedCalendar) -> dict[str, Any]:
    table = named.market.table
    first, last = named.covers
    return {
        "calendar": table.calendar,
        "asked_for": named.name,
        "zone": str(table.zone),
        "source": named.market.source,
        "first_date": first.isoformat(),
        "last_date": last.isoformat(),
        "sessions": len(table),
        "fingerprint": table.fingerprint,
        "table_file": None if named.table_file is None else str(named.table_file),
        "overlay_file": None if named.overlay_file is None else str(named.overlay_file),
        "overlay_digest": named.market.overlay.digest,
    }


def _corrections(named: NamedCalendar) -> list[dict[str, Any]]:
    found = []
    for day, hours in named.market.overlay.items():
        source = named.uncorrected_session(day)
        found.append(
            {
                "date": day.isoformat(),
                "corrected_to": hours.to_dict(),
                "source_has": None if source is None else _session(source),
            }
        )
    return found


def _session(session: TradingSession) -> dict[str, Any]:
    """Times are ISO 8601 with the offset of the zone, and once more in UTC."""
    both = zip(session.segments, session.in_zone(UTC).segments, strict=True)
    return {
        "date": session.date.isoformat(),
        "kind": kind_of(session),
        "holiday_name": session.holiday_name,
        "regular_minutes": session.regular_time.total_seconds() / 60,
        "segments": [
            {
                "kind": segment.kind,
                "start": segment.start.isoformat(),
                "end": segment.end.isoformat(),
                "start_utc": utc.start.isoformat(),
                "end_utc": utc.end.isoformat(),
            }
            for segment, utc in both
        ],
    }
