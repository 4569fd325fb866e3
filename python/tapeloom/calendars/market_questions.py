"""What ``TimeManager`` answers without a clock: is the market open, which dates trade, what was corrected."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from datetime import date, datetime, time, tzinfo
from functools import lru_cache, partial
from threading import RLock
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from tapeloom._core import MarketHours, SessionTable
from tapeloom.calendars.calendar_edits import HolidaysLike, closures, registered_hours
from tapeloom.calendars.days import from_day, require_date, to_day
from tapeloom.calendars.exchange_group import resolve_exchange_group
from tapeloom.calendars.market_calendar import MarketCalendar, SegmentKind
from tapeloom.calendars.overlay import Overlay, OverlayLike
from tapeloom.calendars.session_table import edited, get_market_calendar
from tapeloom.calendars.trading_dates import TradingDates
from tapeloom.calendars.trading_session import TradingSession, trading_session
from tapeloom.calendars.trading_time import TradingTimeUnit, trading_time
from tapeloom.errors import ArgumentError
from tapeloom.timestamps import TimestampLike, from_ns, to_ns

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from functools import _lru_cache_wrapper
    from typing import Literal, Self

    from numpy.typing import NDArray

    from tapeloom.intervals import IntervalLike

    SessionType: TypeAlias = SegmentKind | Literal["closed"]

__all__ = ["CacheStats", "MarketQuestions"]

_CACHED_SESSIONS = 100


class CacheStats(NamedTuple):
    """How often ``get_trading_session`` was answered from its cache."""

    hits: int
    misses: int
    hit_rate: float
    """Hits among all, 0 to 1; 0 before the first question."""
    total: int


class _Answers(NamedTuple):
    """A calendar and what is computed from it: swapped as one, so that no answer outlives an edit."""

    market: MarketCalendar
    dates: TradingDates
    sessions: _lru_cache_wrapper[TradingSession]


class MarketQuestions(MarketHours):
    """Look-ups in the session table of one exchange group, and corrections of it.

    Dates are ``datetime.date``; every method that takes one raises ``ArgumentTypeError`` for anything
    else and ``OutOfCalendarError`` outside the table, whose range the text names. Any thread may ask.

    Parameters
    ----------
    exchange_group
        Group, exchange or calendar code; see ``resolve_exchange_group``. It also decides the zone.
    overlay
        Corrections; see ``get_session_table``.
    """

    def __new__(cls, *_args: object, **_kwargs: object) -> Self:  # noqa: D102  (the class says it)
        return super().__new__(cls)

    def __init__(self, exchange_group: str, overlay: OverlayLike = None) -> None:
        self._group = resolve_exchange_group(exchange_group)
        # A mapping as it is now: whoever gave it may change it before the calendar is needed.
        self._given_overlay = (
            deepcopy(dict(overlay)) if isinstance(overlay, Mapping) else overlay
        )
        self._answers: _Answers | None = None
        # Held while a table is loaded or edited, so that of two edits at once neither is lost.
        self._changing = RLock()

    # What this is about

    @property
    def exchange_group(self) -> str:
        """Name of the exchange group."""
        return self._group.name

    @property
    def timezone(self) -> tzinfo:
        """Zone of the exchange."""
        return self._group.zone

    @property
    def session_table(self) -> SessionTable:
        """All sessions of the exchange; loaded on first use, another object after an edit."""
        return self._known.market.table

    @property
    def calendar(self) -> MarketCalendar:
        """The session table with its source, overlay, holidays and early closes."""
        return self._known.market

    @property
    def overlay(self) -> Overlay:
        """The corrections on top of the source, edits included."""
        return self._known.market.overlay

    @property
    def _known(self) -> _Answers:
        # Not in __init__: whoever asks for no calendar must not wait for one.
        if self._answers is None:
            with self._changing:
                if self._answers is None:
                    self._publish(
                        get_market_calendar(
                            self._group.name, overlay=self._given_overlay
                        )
                    )
        assert self._answers is not None
        return self._answers

    def _publish(self, market: MarketCalendar) -> None:
        ask = lru_cache(_CACHED_SESSIONS)(partial(trading_session, market))
        self._answers = _Answers(market, TradingDates(market), ask)
        self._set_table(market.table)

    # The market at an instant; what is not answered here natively comes back as the two methods with an underscore

    def _is_market_open(self, ts: TimestampLike, include_extended: bool) -> bool:
        ns = to_ns(ts, self._group.zone, name="ts")
        return self._known.market.table.is_open(ns, include_extended)

    def _get_session_type(self, ts: TimestampLike) -> SessionType:
        ns = to_ns(ts, self._group.zone, name="ts")
        return self._known.market.table.session_type(ns)

    # One date

    def get_trading_session(self, session_date: date) -> TradingSession:
        """Return what is known of one date, trading or not. The last 100 answers are cached."""
        return self._known.sessions(self._day(session_date))

    def get_market_hours(
        self, session_date: date, include_extended: bool = False
    ) -> tuple[time, time] | None:
        """Return open and close as wall times of the exchange, ``None`` when closed.

        The open of an overnight session is a time of the evening before; ``get_market_hours_datetime`` says the date.
        """
        hours = self.get_market_hours_datetime(session_date, include_extended)
        return None if hours is None else (hours[0].time(), hours[1].time())

    def get_market_hours_datetime(
        self, session_date: date, include_extended: bool = False
    ) -> tuple[datetime, datetime] | None:
        """Return open and close as aware datetimes in the exchange's zone, ``None`` when closed.

        Parameters
        ----------
        session_date
            Date of the session.
        include_extended
            Whether to begin with the pre-market and end with the post-market, where there are any.
        """
        table = self._known.market.table
        index = table.index_of(self._day(session_date))
        if index is None:
            return None
        first = table.pre_opens if include_extended else table.opens
        last = table.post_closes if include_extended else table.closes
        zone = self._group.zone
        return from_ns(first[index], zone), from_ns(last[index], zone)

    def is_trading_day(self, session_date: date) -> bool:
        """Return whether a date has a session."""
        return self._known.market.table.index_of(self._day(session_date)) is not None

    def is_holiday(self, session_date: date) -> tuple[bool, str | None]:
        """Return whether a date is closed as a whole on a weekday that trades, and its name if known."""
        day, market = self._day(session_date), self._known.market
        return market.is_holiday(day), market.holiday_name(day)

    def is_early_close(self, session_date: date) -> tuple[bool, time | None]:
        """Return whether the session of a date closes early, and then its close as wall time of the exchange."""
        day, market = self._day(session_date), self._known.market
        index = market.table.index_of(day)
        if index is None or not market.closes_early(day):
            return False, None
        return True, from_ns(market.table.closes[index], self._group.zone).time()

    def get_grid(self, session_date: date, interval: IntervalLike) -> NDArray[np.int64]:
        """Return the starts of the bars a session should have.

        Parameters
        ----------
        session_date
            Date of the session.
        interval
            Length of the bars, at most one session.

        Returns
        -------
        numpy.ndarray
            int64, shape ``(n,)``, rising: nanoseconds UTC. Empty if the date does not trade.

        Raises
        ------
        IntervalError
            If the interval cannot be read or is longer than one session.
        """
        table = self._known.market.table
        index = table.index_of(self._day(session_date))
        if index is None:
            return np.empty(0, dtype=np.int64)
        return table.grid(index, interval)

    # Trading dates

    def get_first_trading_date(self, from_date: date) -> date:
        """Return the date itself if it trades, else the next trading date."""
        return self._known.dates.from_on(from_date)

    def get_last_trading_date(self, to_date: date) -> date:
        """Return the date itself if it trades, else the trading date before it."""
        return self._known.dates.up_to(to_date)

    def get_next_trading_date(self, from_date: date, n: int = 1) -> date:
        """Return the n-th trading date after a date, which itself does not count; ``n`` is at least 1."""
        return self._known.dates.after(from_date, n)

    def get_previous_trading_date(self, from_date: date, n: int = 1) -> date:
        """Return the n-th trading date before a date, which itself does not count; ``n`` is at least 1."""
        return self._known.dates.before(from_date, n)

    def get_trading_dates_in_range(self, start: date, end: date) -> list[date]:
        """Return the trading dates from ``start`` to ``end``, both included.

        Raises
        ------
        ArgumentError
            If ``start`` is later than ``end``.
        """
        return self._known.dates.between(start, end)

    def count_trading_days(self, start: date, end: date) -> int:
        """Return the number of trading dates from ``start`` to ``end``, both included; else as ``get_trading_dates_in_range``."""
        low, high = self._known.dates.rows(start, end)
        return high - low

    def count_trading_time(
        self, start: TimestampLike, end: TimestampLike, unit: TradingTimeUnit
    ) -> float:
        """Return the regular trading time in ``[start, end)``.

        Parameters
        ----------
        start, end
            Instants.
        unit
            ``"seconds"``, ``"minutes"``, ``"days"`` or ``"weeks"``. A day is a whole session, half days
            included; a week is all sessions from a Monday to the next.

        Returns
        -------
        float
            Nights, breaks, weekends and holidays count nothing.

        Raises
        ------
        ArgumentError
            If ``start`` is later than ``end``, or for an unknown unit.
        OutOfCalendarError
            If either lies outside the table.
        """
        known = self._known
        table = known.market.table
        zone = self._group.zone
        first = to_ns(start, zone, name="start")
        last = to_ns(end, zone, name="end")
        if first > last:
            text = f"start is {start} and end {end}; start must not be later than end"
            raise ArgumentError(text, start=start, end=end)
        for name, bound in (("start", first), ("end", last)):
            # The end of the table is no instant of it, but a range may reach up to there.
            if not table.covered[0] <= bound <= table.covered[1]:
                what = f"{name} is {from_ns(bound, zone).isoformat()},"
                raise known.market.outside(what, got=bound)
        return trading_time(table, first, last, unit)

    def get_session_boundary_times(
        self, start: date, end: date
    ) -> tuple[datetime, datetime] | None:
        """Return the open of the first session on or after ``start`` and the close of the last on or before ``end``.

        Returns
        -------
        tuple or None
            Aware, in the exchange's zone; ``None`` if no session lies between.

        Raises
        ------
        ArgumentError
            If ``start`` is later than ``end``.
        """
        known = self._known
        low, high = known.dates.rows(start, end)
        if low == high:
            return None
        table, zone = known.market.table, self._group.zone
        return from_ns(table.opens[low], zone), from_ns(table.closes[high - 1], zone)

    # Holidays, and edits of the calendar

    def get_holidays_in_range(
        self, start: date, end: date
    ) -> list[tuple[date, str | None]]:
        """Return the full closures from ``start`` to ``end``, both included, with their names if known."""
        known = self._known
        known.dates.rows(start, end)
        market = known.market
        bounds = [to_day(start), to_day(end) + 1]
        low, high = np.searchsorted(market.holidays, bounds).tolist()
        days = market.holidays[low:high].tolist()
        return [(from_day(day), market.holiday_name(day)) for day in days]

    def add_holiday(self, holiday: date, name: str | None = None) -> bool:
        """Close a date.

        Parameters
        ----------
        holiday
            The date.
        name
            What ``is_holiday`` calls it.

        Returns
        -------
        bool
            Whether it traded before; a weekend never does, and stays no holiday.

        Notes
        -----
        An edit makes a new session table with a new fingerprint, for this object only. A session that
        runs already keeps the table it started with.
        """
        return self.bulk_import_holidays({require_date(holiday, "holiday"): name}) == 1

    def bulk_import_holidays(self, holidays: HolidaysLike) -> int:
        """Close many dates at once; dates that do not trade, such as weekends, are allowed.

        Parameters
        ----------
        holidays
            Names by date (``None`` for no name), or dates.

        Returns
        -------
        int
            How many of them traded before. After an error nothing has changed.
        """
        with self._changing:
            closed = closures(self._known.market, holidays)
            traded = sum(self.is_trading_day(day) for day in closed)
            if closed:
                self._edit(self.overlay.with_days(closed))
        return traded

    def register_market_hours(
        self,
        start: date,
        end: date | None = None,
        *,
        regular: Sequence[str],
        pre: Sequence[str] | None = None,
        post: Sequence[str] | None = None,
        weekdays: Iterable[str] | None = None,
    ) -> int:
        """Give dates other hours, in wall time of the exchange.

        Parameters
        ----------
        start, end
            First and last date, both included; ``end`` may be left out for one date.
        regular
            Open and close, or with a break open, close, open, close: ``["09:30", "16:00"]``. ``"17:00-1d"`` is on
            the day before, ``"00:00+1d"`` on the day after.
        pre, post
            From when to the open, and from the close to when.
        weekdays
            ``None`` changes the dates that trade already. ``["Mon", "Tue"]`` changes these weekdays, whether they trade
            or not, and no others.

        Returns
        -------
        int
            The number of dates changed.

        Raises
        ------
        ArgumentError
            If hours or weekdays cannot be read, or there is no date to change.
        CalendarError
            If sessions would overlap, or a wall time does not exist on one of the dates. Nothing has changed then.
        """
        last = start if end is None else end
        self._known.dates.rows(start, last)
        with self._changing:
            days = registered_hours(
                self._known.market,
                self._day(start),
                self._day(last),
                regular=regular,
                pre=pre,
                post=post,
                weekdays=weekdays,
            )
            self._edit(self.overlay.with_days(days))
        return len(days)

    def _edit(self, overlay: Overlay) -> None:
        self._publish(edited(self._group.name, overlay))

    # The cache

    def invalidate_cache(self) -> None:
        """Forget the answers of ``get_trading_session`` and begin to count anew. Edits do so by themselves."""
        with self._changing:
            self._publish(self._known.market)

    def get_cache_stats(self) -> CacheStats:
        """Return how often ``get_trading_session`` was answered from its cache."""
        info = self._known.sessions.cache_info()
        total = info.hits + info.misses
        rate = info.hits / total if total else 0.0
        return CacheStats(info.hits, info.misses, rate, total)

    def _day(self, session_date: date) -> int:
        return self._known.dates.day(session_date, name="session_date")
