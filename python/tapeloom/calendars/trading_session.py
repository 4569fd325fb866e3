"""One trading date as a value: its hours as aware datetimes, and why it is shorter or missing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, tzinfo

from tapeloom.calendars.days import from_day
from tapeloom.calendars.market_calendar import MarketCalendar, SegmentKind
from tapeloom.timestamps import from_ns

__all__ = ["Segment", "TradingSession", "trading_session"]


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch ``[start, end)`` of a session; both ends are aware."""

    kind: SegmentKind
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class TradingSession:
    """What is known of one date. A date without trading has no segments; a weekend is no holiday."""

    date: date
    zone: tzinfo
    """Zone that the times are given in: the exchange's, unless ``in_zone`` was asked."""
    is_trading_day: bool
    is_holiday: bool
    is_early_close: bool
    holiday_name: str | None
    segments: tuple[Segment, ...]
    """In order; regular hours with a break are three segments."""

    @property
    def regular_open(self) -> datetime | None:
        """Open of the regular hours."""
        return self._first("regular")

    @property
    def regular_close(self) -> datetime | None:
        """Close of the regular hours."""
        return self._last("regular")

    @property
    def pre_market_open(self) -> datetime | None:
        """Start of the pre-market, ``None`` where there is none."""
        return self._first("pre_market")

    @property
    def pre_market_close(self) -> datetime | None:
        """End of the pre-market, ``None`` where there is none."""
        return self._last("pre_market")

    @property
    def post_market_open(self) -> datetime | None:
        """Start of the post-market, ``None`` where there is none."""
        return self._first("post_market")

    @property
    def post_market_close(self) -> datetime | None:
        """End of the post-market, ``None`` where there is none."""
        return self._last("post_market")

    @property
    def regular_time(self) -> timedelta:
        """Length of the regular hours, breaks left out."""
        # In UTC: datetimes of one zone subtract as wall times, wrong across a clock change.
        regular = (s for s in self.in_zone(UTC).segments if s.kind == "regular")
        return sum((s.end - s.start for s in regular), timedelta())

    def in_zone(self, zone: tzinfo) -> TradingSession:
        """Return the same session with its times in another zone."""
        segments = tuple(
            Segment(s.kind, s.start.astimezone(zone), s.end.astimezone(zone))
            for s in self.segments
        )
        return replace(self, zone=zone, segments=segments)

    def _first(self, kind: SegmentKind) -> datetime | None:
        return next((s.start for s in self.segments if s.kind == kind), None)

    def _last(self, kind: SegmentKind) -> datetime | None:
        return next((s.end for s in reversed(self.segments) if s.kind == kind), None)


def trading_session(market: MarketCalendar, day: int) -> TradingSession:
    """Return what a calendar says of one day (since 1970-01-01), trading or not."""
    index = market.table.index_of(day)
    zone = market.table.zone
    hours = () if index is None else market.segments(index)
    return TradingSession(
        date=from_day(day),
        zone=zone,
        is_trading_day=index is not None,
        is_holiday=market.is_holiday(day),
        is_early_close=market.closes_early(day),
        holiday_name=market.holiday_name(day),
        segments=tuple(
            Segment(kind, from_ns(start, zone), from_ns(end, zone))
            for kind, start, end in hours
        ),
    )
