"""TimeManager: what time it is, and whether the market is open."""

from __future__ import annotations

from datetime import UTC, date, datetime, tzinfo
from typing import Literal, TypeAlias

from tapeloom.calendars.alert_clock import AlertClock, Mode, zone_of
from tapeloom.calendars.clock import Clock
from tapeloom.calendars.market_calendar import SegmentKind
from tapeloom.calendars.market_questions import CacheStats
from tapeloom.calendars.overlay import OverlayLike
from tapeloom.errors import ConfigError, StateError
from tapeloom.timestamps import TimestampLike, from_ns, to_ns

__all__ = ["CacheStats", "Mode", "SessionType", "TimeManager"]

SessionType: TypeAlias = SegmentKind | Literal["closed"]
"""What the market does at an instant."""


class TimeManager(AlertClock):
    """The only source of time and calendar.

    Times may be given in every form of ``tapeloom.timestamps.to_ns``: naive datetimes are wall time
    of the exchange, integers nanoseconds UTC. Dates are ``datetime.date``. Every method that takes
    either raises ``OutOfCalendarError`` when it lies outside the session table, whose range the text
    names. Look-ups are O(1).

    Parameters
    ----------
    exchange_group
        Group, exchange or calendar code; see ``resolve_exchange_group``. It also decides the zone.
    mode
        ``"backtest"`` for a simulated clock, ``"live"`` for the wall clock.
    overlay
        Corrections of the calendar: the path of a JSON file, a mapping of its form, or an ``Overlay``.
    clock
        A clock to use instead; in a backtest it must be a ``BacktestClock``.

    Raises
    ------
    UnknownExchangeError
        If there is no such group or calendar.
    CalendarError
        On first use of the calendar, if the overlay has faults.
    ArgumentError
        For an unknown mode.
    ArgumentTypeError
        If the clock does not fit the mode.

    Examples
    --------
    >>> from datetime import date
    >>> from tapeloom import TimeManager
    >>> time_manager = TimeManager("US_EQUITY")
    >>> time_manager.is_early_close(date(2025, 7, 3))
    (True, datetime.time(13, 0))
    >>> time_manager.get_next_trading_date(date(2025, 7, 3))
    datetime.date(2025, 7, 7)
    """

    def __init__(
        self,
        exchange_group: str = "US_EQUITY",
        *,
        mode: str = "backtest",
        overlay: OverlayLike = None,
        clock: Clock | None = None,
    ) -> None:
        self._window: tuple[date, date] | None = None
        super().__init__(exchange_group, mode=mode, overlay=overlay, clock=clock)

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
        dates = self.get_trading_dates_in_range(start, end)
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
        self._require_simulated("init_backtest")
        if self._window is None:
            text = "init_backtest needs a window; call set_backtest_window(start, end) first"
            raise StateError(text)
        bounds = self.get_session_boundary_times(*self._window)
        if bounds is None:
            text = f"the window from {self._window[0]} to {self._window[1]} has lost its sessions by edits"
            raise StateError(text)
        self.reset_backtest_clock(bounds[0])

    def reset_to_backtest_start(self) -> None:
        """Set the simulated clock back to where ``init_backtest`` sets it, with the same errors."""
        self.init_backtest()

    def advance_to_market_open(self, include_extended: bool = False) -> datetime:
        """Move the simulated clock to the next open, through the alerts that are due before.

        Parameters
        ----------
        include_extended
            Whether the start of the pre-market counts as open.

        Returns
        -------
        datetime
            The new time, aware. Standing at an open, or in a break, the open of the next session.

        Raises
        ------
        StateError
            In live mode, or if the clock has not been set.
        OutOfCalendarError
            If the table knows of no later session.
        """
        clock = self._require_simulated("advance_to_market_open")
        table, now = self.session_table, clock.now_ns()
        # What the table does not cover is an error here.
        table.session_type(now)
        if include_extended:
            index = int(table.pre_opens.searchsorted(now, side="right"))
            known = index < len(table)
            target = int(table.pre_opens[index]) if known else table.next_open(now)
        else:
            target = table.next_open(now)
        self.set_backtest_time(target)
        return self.get_current_time()

    # Conversions

    def get_market_timezone(self) -> tzinfo:
        """Return the zone of the exchange."""
        return self._group.zone

    def convert_timezone(self, ts: TimestampLike, tz: tzinfo | str) -> datetime:
        """Return an instant as aware datetime in a zone, given itself or by name such as ``"Asia/Tokyo"``."""
        return from_ns(to_ns(ts, self._group.zone, name="ts"), zone_of(tz))

    def to_utc(self, ts: TimestampLike) -> datetime:
        """Return an instant as aware datetime in UTC; a naive datetime is wall time of the exchange."""
        return self.convert_timezone(ts, UTC)

    def to_market_timezone(self, ts: TimestampLike) -> datetime:
        """Return an instant as aware datetime in the exchange's zone."""
        return self.convert_timezone(ts, self._group.zone)
