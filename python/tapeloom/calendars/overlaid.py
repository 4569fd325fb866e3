"""A source's sessions with the days of an overlay put in their place."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tapeloom.calendars.days import from_day, to_day
from tapeloom.calendars.providers.provided_sessions import ProvidedSessions
from tapeloom.errors import CalendarError, NonexistentTimeError
from tapeloom.timestamps import NS_PER_DAY, from_ns, localize

if TYPE_CHECKING:
    from datetime import tzinfo

    from numpy.typing import NDArray

    from tapeloom.calendars.market_day import MarketDay
    from tapeloom.calendars.overlay import Overlay

__all__ = ["overlaid"]


def overlaid(
    said: ProvidedSessions, overlay: Overlay, zone: tzinfo
) -> ProvidedSessions:
    """Return the sessions with an overlay on top.

    A session of the overlay closes early if it closes at an earlier wall time than the nearest session before it that
    is neither early nor of the overlay. A day that the overlay closes is a holiday if it traded or was one already.

    Raises
    ------
    CalendarError
        If a day lies outside the calendar's range, a wall time does not exist that day, or two sessions overlap.
    """
    if not len(overlay):
        return said
    days = np.array([to_day(day) for day, _ in overlay.items()], dtype=np.int64)
    for day in (days[0], days[-1]):
        if not said.first_day <= day <= said.last_day:
            first, last = from_day(said.first_day), from_day(said.last_day)
            text = f"overlay: {from_day(day)} lies outside the calendar, which covers {first} to {last}"
            raise CalendarError(text, got=from_day(day), start=first, end=last)
    hours = [hours for _, hours in overlay.items()]
    opened = [
        (day, day_hours)
        for day, day_hours in zip(days.tolist(), hours, strict=True)
        if not day_hours.is_closed
    ]
    kept = ~np.isin(said.days, days)
    merged = _merged(said, kept, [_row(day, h, zone) for day, h in opened])
    closed = np.setdiff1d(days, np.array([day for day, _ in opened], dtype=np.int64))
    traded = np.concatenate((said.days, said.holidays))
    names = dict(said.holiday_names)
    for day, day_hours in zip(days.tolist(), hours, strict=True):
        if day_hours.name is not None:
            names[day] = day_hours.name
    return replace(
        merged,
        early_closes=_early_closes(said, merged, days, kept, zone),
        holidays=np.union1d(
            np.setdiff1d(said.holidays, days), np.intersect1d(closed, traded)
        ),
        holiday_names=names,
    )


Row = tuple[int, list[int], list[int], int, int]


def _row(day: int, hours: MarketDay, zone: tzinfo) -> Row:
    bounds = [bound for stretch in hours.regular for bound in stretch]
    pre = bounds[0] if hours.pre_open is None else hours.pre_open
    post = bounds[-1] if hours.post_close is None else hours.post_close
    walls = np.array([pre, *bounds, post], dtype=np.int64) + day * NS_PER_DAY
    try:
        # An hour that comes twice is read as its first occurrence, as exchanges do that stay open through the night.
        pre, *bounds, post = localize(walls, zone, ambiguous="first").tolist()
    except NonexistentTimeError as error:
        text = f"overlay: {from_day(day)}: a time of {hours} does not occur in {zone}: the clock is set forward over it"
        raise CalendarError(text, got=from_day(day)) from error
    return day, bounds[::2], bounds[1::2], pre, post


def _merged(
    said: ProvidedSessions, kept: NDArray[np.bool_], rows: list[Row]
) -> ProvidedSessions:
    new_days = np.array([row[0] for row in rows], dtype=np.int64)
    days = np.concatenate((said.days[kept], new_days))
    order = np.argsort(days, kind="stable")
    counts = np.concatenate(
        (np.diff(said.segment_offsets)[kept], [len(row[1]) for row in rows])
    ).astype(np.int64)[order]
    offsets = np.concatenate(([0], np.cumsum(counts)))
    segments_kept = np.repeat(kept, np.diff(said.segment_offsets))
    # Stretches never overlap, so that sorting them brings them to their sessions; checked below.
    starts = np.concatenate(
        (said.segment_starts[segments_kept], [s for row in rows for s in row[1]])
    ).astype(np.int64)
    ends = np.concatenate(
        (said.segment_ends[segments_kept], [e for row in rows for e in row[2]])
    ).astype(np.int64)
    by_start = np.argsort(starts, kind="stable")
    pre = np.concatenate((said.pre_opens[kept], [row[3] for row in rows]))
    post = np.concatenate((said.post_closes[kept], [row[4] for row in rows]))
    merged = replace(
        said,
        days=days[order],
        segment_offsets=offsets,
        segment_starts=starts[by_start],
        segment_ends=ends[by_start],
        pre_opens=pre[order].astype(np.int64),
        post_closes=post[order].astype(np.int64),
    )
    _check_apart(merged)
    return merged


def _check_apart(merged: ProvidedSessions) -> None:
    first, second = merged.post_closes[:-1], merged.pre_opens[1:]
    nested = (merged.pre_opens <= merged.opens) & (merged.closes <= merged.post_closes)
    bad = np.flatnonzero((first > second) | ~nested[1:] | ~nested[:-1])
    if bad.size:
        one, other = (from_day(merged.days[bad[0] + i]) for i in (0, 1))
        text = f"overlay: the sessions of {one} and {other} overlap; an evening open belongs to the next session's date"
        raise CalendarError(text, got=one)


def _early_closes(
    said: ProvidedSessions,
    merged: ProvidedSessions,
    changed: NDArray[np.int64],
    kept: NDArray[np.bool_],
    zone: tzinfo,
) -> NDArray[np.int64]:
    early = np.setdiff1d(said.early_closes, changed)
    usual = np.flatnonzero(kept & ~np.isin(said.days, said.early_closes))
    if not usual.size:
        return early
    found = []
    for row in np.flatnonzero(np.isin(merged.days, changed)):
        before = int(np.searchsorted(said.days[usual], merged.days[row])) - 1
        reference = usual[max(before, 0)]
        if _wall(merged, int(row), zone) < _wall(said, int(reference), zone):
            found.append(int(merged.days[row]))
    return np.union1d(early, np.array(found, dtype=np.int64))


def _wall(said: ProvidedSessions, row: int, zone: tzinfo) -> int:
    """Wall time of a close, in seconds from midnight of its date."""
    close = from_ns(int(said.closes[row]), zone)
    days = close.toordinal() - from_day(said.days[row]).toordinal()
    return days * 86_400 + close.hour * 3600 + close.minute * 60 + close.second
