"""Trading days as plain numbers: when a day opens, breaks and closes, in nanoseconds UTC, and which days share a bar."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "HOUR",
    "MINUTE",
    "SECOND",
    "TradingDay",
    "clipped_end",
    "day_groups",
    "interval_ns",
    "known_at",
    "to_ns",
    "trading_day",
    "wall_midnight",
]

SECOND = 10**9
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE

_UNITS = {"s": SECOND, "m": MINUTE, "h": HOUR}


@dataclass(frozen=True, slots=True)
class TradingDay:
    """One session: its regular stretches ``[start, end)``, the time ``span`` that belongs to its date, extended hours."""

    date: date
    segments: tuple[tuple[int, int], ...]
    span: tuple[int, int]
    #: Pre-market and post-market, where there are any; in order.
    extended: tuple[tuple[int, int], ...] = ()

    @property
    def open(self) -> int:
        return self.segments[0][0]

    @property
    def close(self) -> int:
        return self.segments[-1][1]

    @property
    def last_close(self) -> int:
        """The end of the post-market; of regular hours where there is none."""
        return max(end for _, end in (*self.segments, *self.extended))

    @property
    def first_open(self) -> int:
        """The start of the pre-market; of regular hours where there is none."""
        return min(start for start, _ in (*self.segments, *self.extended))

    def is_regular(self, ts: int) -> bool:
        return any(start <= ts < end for start, end in self.segments)

    def extended_at(self, ts: int) -> tuple[int, int] | None:
        """The pre- or post-market that holds an instant."""
        found = (part for part in self.extended if part[0] <= ts < part[1])
        return next(found, None)


def to_ns(instant: datetime) -> int:
    """Whole seconds of an aware datetime as nanoseconds UTC, without a float on the way."""
    since = instant - datetime.fromisoformat("1970-01-01T00:00:00+00:00")
    return (since.days * 86_400 + since.seconds) * SECOND


def trading_day(
    day: date, hours: str, zone: str, extended: tuple[str, str] | None = None
) -> TradingDay:
    """Read ``"09:00-11:30 12:30-15:00"`` as wall time of the zone on that day; ``extended`` bounds pre- and post-market."""
    tz = ZoneInfo(zone)

    def at(text: str) -> int:
        return to_ns(datetime.combine(day, time.fromisoformat(text), tz))

    stretches = [stretch.split("-") for stretch in hours.split()]
    midnight = to_ns(datetime.combine(day, time(0), tz))
    next_midnight = to_ns(datetime.combine(day + timedelta(days=1), time(0), tz))
    segments = tuple((at(a), at(b)) for a, b in stretches)
    beside: tuple[tuple[int, int], ...] = ()
    if extended is not None:
        beside = (
            (at(extended[0]), segments[0][0]),
            (segments[-1][1], at(extended[1])),
        )
    return TradingDay(day, segments, (midnight, next_midnight), beside)


def interval_ns(text: str) -> int | None:
    """Length of ``"5m"`` in nanoseconds; ``None`` for ``"1d"``, whose length is the session's."""
    return None if text == "1d" else int(text[:-1]) * _UNITS[text[-1]]


def clipped_end(day: TradingDay, start: int, end: int) -> int:
    """Cut the end of ``[start, end)`` to the end of the last trading in it."""
    touched = [stop for begin, stop in day.segments if begin < end and stop > start]
    return min(end, touched[-1]) if touched else end


def known_at(ts: int, interval: int | None, day: TradingDay) -> int:
    """When a bar may be used: at its end, and when the last trading in it ends at the latest."""
    if interval is None:
        return day.close
    if (part := day.extended_at(ts)) is not None:
        return min(ts + interval, part[1])
    if not day.open <= ts < day.close:
        return ts + interval
    return clipped_end(day, ts, ts + interval)


def wall_midnight(ts: int, zone: str) -> int:
    """When the local clock would have shown midnight, had nobody set it since."""
    local = datetime.fromtimestamp(ts // SECOND, ZoneInfo(zone))
    return ts - (local.hour * 3600 + local.minute * 60 + local.second) * SECOND


def day_groups(days: Sequence[TradingDay], interval: str) -> list[list[TradingDay]]:
    """Sessions that share a bar: ``"3d"`` counts by three from the first of each calendar year, ``"2w"`` by two ISO weeks
    from week 1 of each ISO year. The last group of a year may be short. The days must begin with a year.
    """
    count, unit = int(interval[:-1]), interval[-1]
    groups: dict[tuple[int, int], list[TradingDay]] = {}
    of_year: dict[int, int] = {}
    for day in days:
        if unit == "w":
            year, week, _ = day.date.isocalendar()
            key = (year, (week - 1) // count)
        else:
            number = of_year.get(day.date.year, 0)
            of_year[day.date.year] = number + 1
            key = (day.date.year, number // count)
        groups.setdefault(key, []).append(day)
    return list(groups.values())
