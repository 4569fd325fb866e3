"""Compares two calendars date by date: what trades in one only, and whose hours differ. Prints nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from tapeloom.calendars.days import from_day, to_day
from tapeloom.calendars.trading_session import TradingSession, trading_session
from tapeloom.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tapeloom.calendars.market_calendar import MarketCalendar

__all__ = [
    "Aspect",
    "Difference",
    "Run",
    "bounds_of",
    "compare_calendars",
    "runs",
    "shared_range",
]

Aspect: TypeAlias = Literal[
    "trading", "open", "close", "break", "pre-market", "post-market"
]
"""In what two calendars differ on a date. ``trading``: only one of them has a session."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One date on which two calendars differ. Instants are compared, so that zones do not matter."""

    date: date
    first: TradingSession
    second: TradingSession
    aspects: tuple[Aspect, ...]
    """``("trading",)``, or one or more of the others."""


@dataclass(frozen=True, slots=True)
class Run:
    """Dates that differ alike: in the same aspects, at the same wall times."""

    differences: tuple[Difference, ...]

    @property
    def start(self) -> date:
        """First date."""
        return self.differences[0].date

    @property
    def end(self) -> date:
        """Last date, included."""
        return self.differences[-1].date


def shared_range(
    first: MarketCalendar,
    second: MarketCalendar,
    *,
    start: date | None = None,
    end: date | None = None,
) -> tuple[date, date]:
    """Return the dates to compare, both included: those asked for, else all that both calendars cover.

    Raises
    ------
    OutOfCalendarError
        If a date asked for is not covered by both.
    ArgumentError
        If ``start`` is later than ``end``, or no date is covered by both.
    """
    for value, name in ((start, "the first date"), (end, "the last date")):
        if value is not None:
            first.require_covered(value, to_day(value), name)
            second.require_covered(value, to_day(value), name)
    one, other = first.table, second.table
    low, high = (
        from_day(max(one.first_day, other.first_day)),
        from_day(min(one.last_day, other.last_day)),
    )
    if low > high:
        text = (
            f"the calendars have no date in common: the first covers {from_day(one.first_day)} to "
            f"{from_day(one.last_day)}, the second {from_day(other.first_day)} to {from_day(other.last_day)}"
        )
        raise ArgumentError(text)
    start, end = start or low, end or high
    if start > end:
        text = (
            f"the first date is {start} and the last {end}; the first must not be later"
        )
        raise ArgumentError(text, start=start, end=end)
    return start, end


def compare_calendars(
    first: MarketCalendar,
    second: MarketCalendar,
    *,
    start: date | None = None,
    end: date | None = None,
) -> list[Difference]:
    """Return the dates on which two calendars differ, in order.

    Names of holidays and what counts as an early close are not compared: they change no hours.

    Parameters
    ----------
    first, second
        The calendars.
    start, end
        First and last date, both included; what both cover where not given. Else as ``shared_range``.
    """
    low, high = map(to_day, shared_range(first, second, start=start, end=end))
    ours, theirs = (_sessions(market, low, high) for market in (first, second))
    found: dict[int, tuple[Aspect, ...]] = {
        int(day): ("trading",) for day in np.setxor1d(ours, theirs)
    }
    common = np.intersect1d(ours, theirs)
    for day in common.tolist():
        aspects = _aspects(_bounds(first, day), _bounds(second, day))
        if aspects:
            found[day] = aspects
    return [
        Difference(
            from_day(day),
            trading_session(first, day),
            trading_session(second, day),
            aspects,
        )
        for day, aspects in sorted(found.items())
    ]


def runs(
    differences: Sequence[Difference], first: MarketCalendar, second: MarketCalendar
) -> list[Run]:
    """Return the differences of ``compare_calendars`` with those that say the same put together, by first date.

    Between the dates of one run lie dates of other runs, but no session on which the calendars agree.
    """
    sessions = np.union1d(first.table.dates, second.table.dates)
    groups: list[list[Difference]] = []
    growing: dict[object, list[Difference]] = {}
    previous = -1
    for difference in differences:
        # A date that differs has a session in one of them, so that it has a place among these.
        place = int(np.searchsorted(sessions, to_day(difference.date)))
        if place != previous + 1:
            growing.clear()
        previous = place
        said = _said(difference)
        if said not in growing:
            growing[said] = []
            groups.append(growing[said])
        growing[said].append(difference)
    return [Run(tuple(group)) for group in groups]


def bounds_of(session: TradingSession, aspect: Aspect) -> tuple[datetime, ...]:
    """Return the instants of a session that an aspect is about; empty where it has none.

    One for ``open`` and ``close``, else starts and ends in turn: of the regular stretches for ``trading``.
    """
    if aspect == "open":
        return () if session.regular_open is None else (session.regular_open,)
    if aspect == "close":
        return () if session.regular_close is None else (session.regular_close,)
    kind = "regular" if aspect == "trading" else aspect.replace("-", "_")
    return tuple(
        bound for s in session.segments if s.kind == kind for bound in (s.start, s.end)
    )


Bounds: TypeAlias = tuple[list[tuple[int, int]], int, int]


def _sessions(market: MarketCalendar, low: int, high: int) -> NDArray[np.int32]:
    table = market.table
    return table.dates[table.sessions_before(low) : table.sessions_before(high + 1)]


def _bounds(market: MarketCalendar, day: int) -> Bounds:
    """Regular stretches of a session, start of its pre-market and end of its post-market."""
    table = market.table
    index = table.index_of(day)
    assert index is not None
    return (
        table.segments(index),
        int(table.pre_opens[index]),
        int(table.post_closes[index]),
    )


def _aspects(one: Bounds, other: Bounds) -> tuple[Aspect, ...]:
    if one == other:
        return ()
    differs: dict[Aspect, bool] = {
        "open": one[0][0][0] != other[0][0][0],
        "close": one[0][-1][1] != other[0][-1][1],
        "break": _breaks(one) != _breaks(other),
        "pre-market": _pre_open(one) != _pre_open(other),
        "post-market": _post_close(one) != _post_close(other),
    }
    return tuple(aspect for aspect, found in differs.items() if found)


def _breaks(bounds: Bounds) -> list[int]:
    return [instant for stretch in bounds[0] for instant in stretch][1:-1]


def _pre_open(bounds: Bounds) -> int | None:
    return bounds[1] if bounds[1] < bounds[0][0][0] else None


def _post_close(bounds: Bounds) -> int | None:
    return bounds[2] if bounds[2] > bounds[0][-1][1] else None


def _said(difference: Difference) -> tuple[object, ...]:
    """What makes two differences the same: the aspects, and the wall times and names on both sides."""
    said: list[object] = [difference.aspects]
    for session in (difference.first, difference.second):
        said.append(session.holiday_name)
        said += [_walls(session, aspect) for aspect in difference.aspects]
    return tuple(said)


def _walls(session: TradingSession, aspect: Aspect) -> tuple[timedelta, ...]:
    midnight = datetime.combine(session.date, datetime.min.time())
    return tuple(
        bound.replace(tzinfo=None) - midnight for bound in bounds_of(session, aspect)
    )
