"""Trading days as plain numbers: when a day opens, breaks and closes, in nanoseconds UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

__all__ = [
    "HOUR",
    "MINUTE",
    "SECOND",
    "TradingDay",
    "interval_ns",
    "known_at",
    "to_ns",
    "trading_day",
]

SECOND = 10**9
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE

_UNITS = {"s": SECOND, "m": MINUTE, "h": HOUR}


@dataclass(frozen=True, slots=True)
class TradingDay:
    """One session: its regular stretches ``[start, end)`` and the time ``span`` that belongs to its date."""

    date: date
    segments: tuple[tuple[int, int], ...]
    span: tuple[int, int]

    @property
    def open(self) -> int:
        return self.segments[0][0]

    @property
    def close(self) -> int:
        return self.segments[-1][1]

    def is_regular(self, ts: int) -> bool:
        return any(start <= ts < end for start, end in self.segments)


def to_ns(instant: datetime) -> int:
    """Whole seconds of an aware datetime as nanoseconds UTC, without a float on the way."""
    since = instant - datetime.fromisoformat("1970-01-01T00:00:00+00:00")
    return (since.days * 86_400 + since.seconds) * SECOND


def trading_day(day: date, hours: str, zone: str) -> TradingDay:
    """Read ``"09:00-11:30 12:30-15:00"`` as wall time of the zone on that day."""
    tz = ZoneInfo(zone)

    def at(text: str) -> int:
        return to_ns(datetime.combine(day, time.fromisoformat(text), tz))

    stretches = [stretch.split("-") for stretch in hours.split()]
    midnight = to_ns(datetime.combine(day, time(0), tz))
    next_midnight = to_ns(datetime.combine(day + timedelta(days=1), time(0), tz))
    return TradingDay(
        day, tuple((at(a), at(b)) for a, b in stretches), (midnight, next_midnight)
    )


def interval_ns(text: str) -> int | None:
    """Length of ``"5m"`` in nanoseconds; ``None`` for ``"1d"``, whose length is the session's."""
    return None if text == "1d" else int(text[:-1]) * _UNITS[text[-1]]


def known_at(ts: int, interval: int | None, day: TradingDay) -> int:
    """When a bar may be used: at its end, and at the close of its session at the latest."""
    if interval is None:
        return day.close
    return min(ts + interval, day.close) if ts < day.close else ts + interval
