"""TimeManager: what time it is, and whether the market is open."""

from __future__ import annotations

from datetime import date, datetime, time, tzinfo
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tapeloom.calendars.clock import BacktestClock, Clock, WallClock
from tapeloom.calendars.exchange_group import resolve_exchange_group
from tapeloom.calendars.session_table import (
    MarketCalendar,
    SegmentKind,
    SessionTable,
    get_market_calendar,
)
from tapeloom.calendars.trading_dates import TradingDates
from tapeloom.calendars.trading_session import TradingSession, trading_session
from tapeloom.errors import (
    ArgumentError,
    ArgumentTypeError,
    ConfigError,
    StateError,
    did_you_mean,
)
from tapeloom.intervals import IntervalLike
from tapeloom.timestamps import TimestampLike, from_ns, to_ns

__all__ = ["Mode", "SessionType", "TimeManager"]

Mode: TypeAlias = Literal["backtest", "live"]
"""Whether the clock is simulated or the wall clock."""

SessionType: TypeAlias = SegmentKind | Literal["closed"]
"""What the market does at an instant."""


class TimeManager:
    """The only source of time and calendar.

    Times may be given in every form of ``tapeloom.timestamps.to_ns``: naive datetimes are wall time
    of the exchange, integers nanoseconds UTC. Dates are ``datetime.date``. Every method that takes
    either raises ``OutOfCalendarError`` when it lies outside the session table, whose range the text
    names. Look-ups cost O(log n) in the number of sessions.

    Parameters
    ----------
    exchange_group
        Group, exchange or calendar code; see ``resolve_exchange_group``. It also decides the zone.
    mode
        ``"backtest"`` for a simulated clock, ``"live"`` for the wall clock.
    clock
        A clock to use instead; in a backtest it must be a ``BacktestClock``.

    Raises
    ------
    UnknownExchangeError
        If there is no such group or calendar.
    ArgumentError
        For an unknown mode.
    ArgumentTypeError
        If the clock does not fit the mode.
    """

    def __init__(
        self,
        exchange_group: str = "US_EQUITY",
        *,
        mode: str = "backtest",
        clock: Clock | None = None,
    ) -> None:
        if mode not in ("backtest", "live"):
            text = f"mode is {mode!r}; it must be 'backtest' or 'live'"
            raise ArgumentError(
                text + did_you_mean(str(mode), ("backtest", "live")), got=mode
            )
        self._group = resolve_exchange_group(exchange_group)
        self._simulated: BacktestClock | None = None
        self._clock: Clock
        if mode == "live":
            self._clock = WallClock() if clock is None else clock
        else:
            clock = BacktestClock() if clock is None else clock
            if not isinstance(clock, BacktestClock):
                text = (
                    f"clock is {type(clock).__name__}; a backtest needs a BacktestClock"
                )
                raise ArgumentTypeError(text, got=clock)
            self._clock = self._simulated = clock
        self._window: tuple[date, date] | None = None
        self._market: MarketCalendar | None = None
        self._dates: TradingDates | None = None

    # What this manager is about

    @property
    def exchange_group(self) -> str:
        """Name of the exchange group."""
        return self._group.name

    @property
    def timezone(self) -> tzinfo:
        """Zone of the exchange."""
        return self._group.zone

    def get_market_timezone(self) -> tzinfo:
        """Return the zone of the exchange."""
        return self._group.zone

    @property
    def clock(self) -> Clock:
        """The clock that ``get_current_time`` reads."""
        return self._clock

    @property
    def session_table(self) -> SessionTable:
        """All sessions of the exchange; built on first use, the same object for the whole process."""
        return self._calendar.table

    @property
    def _calendar(self) -> MarketCalendar:
        # Not in __init__: a manager whose calendar nobody asks for must not load exchange_calendars.
        if self._market is None:
            self._market = get_market_calendar(self._group.name)
        return self._market

    @property
    def _trading_dates(self) -> TradingDates:
        if self._dates is None:
            self._dates = TradingDates(self._calendar)
        return self._dates

    # The clock

    def get_current_time(self, tz: tzinfo | None = None) -> datetime:
        """Return the present time as an aware datetime.

        Parameters
        ----------
        tz
            Zone of the answer; the exchange's by default.

        Raises
        ------
        StateError
            If the simulated clock has not been set.
        """
        if tz is not None and not isinstance(tz, tzinfo):
            text = (
                f"tz is {tz!r}; give a tzinfo such as zoneinfo.ZoneInfo('Asia/Tokyo')"
            )
            raise ArgumentTypeError(text, got=tz)
        return from_ns(self._clock.now_ns(), tz or self._group.zone)

    def get_current_mode(self) -> Mode:
        """Return ``"backtest"`` or ``"live"``."""
        return "live" if self._simulated is None else "backtest"

    def set_backtest_time(self, ts: TimestampLike) -> None:
        """Move the simulated clock forward; the present instant is allowed.

        Raises
        ------
        ClockError
            If the instant lies before the clock; ``reset_backtest_clock`` goes back.
        StateError
            In live mode.
        """
        clock = self._require_simulated("set_backtest_time")
        clock.set_ns(to_ns(ts, self._group.zone, name="ts"))

    def reset_backtest_clock(self, ts: TimestampLike | None = None) -> None:
        """Set the simulated clock to any instant, earlier ones included; without one, unset it.

        Raises
        ------
        StateError
            In live mode.
        """
        clock = self._require_simulated("reset_backtest_clock")
        clock.reset(None if ts is None else to_ns(ts, self._group.zone, name="ts"))

    # The window of a backtest

    @property
    def backtest_start_date(self) -> date | None:
        """First session date of the window, ``None`` before ``set_backtest_window``."""
        return None if self._window is None else self._window[0]

    @property
    def backtest_end_date(self) -> date | None:
        """Last session date of the window, ``None`` before ``set_backtest_window``."""
        return None if self._window is None else self._window[1]

    def set_backtest_window(self, start: date, end: date) -> None:
        """Set the window to the sessions from ``start`` to ``end``, both included.

        A bound that does not trade moves inwards, to the first trading date from ``start`` on and
        the last one up to ``end``. The clock stays where it is.

        Raises
        ------
        ArgumentError
            If ``start`` is later than ``end``.
        ConfigError
            If there is no session between them.
        StateError
            In live mode.
        """
        self._require_simulated("set_backtest_window")
        dates = self._trading_dates.between(start, end)
        if not dates:
            text = f"the window from {start} to {end} has no session of {self._group.calendar}"
            raise ConfigError(
                text, start=start, end=end, errors=[("backtest_config", text)]
            )
        self._window = dates[0], dates[-1]

    def init_backtest(self) -> None:
        """Set the simulated clock to the regular open of the window's first session.

        Raises
        ------
        StateError
            In live mode, or without a window.
        """
        clock = self._require_simulated("init_backtest")
        if self._window is None:
            text = "init_backtest needs a window; call set_backtest_window(start, end) first"
            raise StateError(text)
        low, _ = self._trading_dates.rows(*self._window)
        clock.reset(int(self._calendar.opens[low]))

    def reset_to_backtest_start(self) -> None:
        """Set the simulated clock back to where ``init_backtest`` sets it, with the same errors."""
        self.init_backtest()

    # The market at an instant

    def is_market_open(self, ts: TimestampLike, include_extended: bool = False) -> bool:
        """Return whether the market trades at an instant: ``open <= ts < close``, false in a break.

        Parameters
        ----------
        ts
            The instant.
        include_extended
            Whether pre- and post-market count as open.
        """
        kind = self.get_session_type(ts)
        return kind == "regular" or (
            include_extended and kind in ("pre_market", "post_market")
        )

    def get_session_type(self, ts: TimestampLike) -> SessionType:
        """Return ``pre_market``, ``regular``, ``break``, ``post_market`` or ``closed`` at an instant."""
        market = self._calendar
        ns = to_ns(ts, self._group.zone, name="ts")
        if not market.start <= ns < market.end:
            shown = from_ns(ns, self._group.zone).isoformat()
            raise market.outside(f"ts is {shown},", got=ns)
        index = market.table.session_at(ns)
        if index is None:
            return "closed"
        for kind, start, end in market.segments(index):
            if start <= ns < end:
                return kind
        return "closed"

    # One date

    def get_trading_session(self, session_date: date) -> TradingSession:
        """Return what is known of one date, trading or not."""
        return trading_session(self._calendar, self._day(session_date))

    def is_trading_day(self, session_date: date) -> bool:
        """Return whether a date has a session."""
        day = self._day(session_date)
        return self._calendar.table.index_of(day) is not None

    def is_holiday(self, session_date: date) -> tuple[bool, str | None]:
        """Return whether a date is closed as a whole on a weekday that trades, and its name if known."""
        day = self._day(session_date)
        return self._calendar.is_holiday(day), self._calendar.holiday_name(day)

    def is_early_close(self, session_date: date) -> tuple[bool, time | None]:
        """Return whether the session of a date closes early, and then its close as wall time of the exchange."""
        day = self._day(session_date)
        if not self._calendar.closes_early(day):
            return False, None
        low, _ = self._trading_dates.rows(session_date, session_date)
        close = int(self._calendar.closes[low])
        return True, from_ns(close, self._group.zone).time()

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
        index = self._calendar.table.index_of(self._day(session_date))
        if index is None:
            return np.empty(0, dtype=np.int64)
        return self._calendar.table.grid(index, interval)

    # Trading dates

    def get_first_trading_date(self, from_date: date) -> date:
        """Return the date itself if it trades, else the next trading date."""
        return self._trading_dates.from_on(from_date)

    def get_last_trading_date(self, to_date: date) -> date:
        """Return the date itself if it trades, else the trading date before it."""
        return self._trading_dates.up_to(to_date)

    def get_next_trading_date(self, from_date: date, n: int = 1) -> date:
        """Return the n-th trading date after a date, which itself does not count.

        Raises
        ------
        ArgumentError
            If ``n`` is below 1.
        """
        return self._trading_dates.after(from_date, n)

    def get_previous_trading_date(self, from_date: date, n: int = 1) -> date:
        """Return the n-th trading date before a date, which itself does not count.

        Raises
        ------
        ArgumentError
            If ``n`` is below 1.
        """
        return self._trading_dates.before(from_date, n)

    def get_trading_dates_in_range(self, start: date, end: date) -> list[date]:
        """Return the trading dates from ``start`` to ``end``, both included.

        Raises
        ------
        ArgumentError
            If ``start`` is later than ``end``.
        """
        return self._trading_dates.between(start, end)

    def count_trading_days(self, start: date, end: date) -> int:
        """Return the number of trading dates from ``start`` to ``end``, both included.

        Raises
        ------
        ArgumentError
            If ``start`` is later than ``end``.
        """
        low, high = self._trading_dates.rows(start, end)
        return high - low

    def _day(self, session_date: date) -> int:
        return self._trading_dates.day(session_date, name="session_date")

    def _require_simulated(self, method: str) -> BacktestClock:
        if self._simulated is None:
            raise StateError(
                f"{method} needs a simulated clock; this TimeManager is live"
            )
        return self._simulated
