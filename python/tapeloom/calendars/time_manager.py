"""TimeManager: what time it is, and whether the market is open."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta, tzinfo
from threading import get_ident
from typing import TYPE_CHECKING, Literal, TypeAlias
from zoneinfo import ZoneInfo

from tapeloom.calendars.alerts import Alert, Alerts, SessionOffset
from tapeloom.calendars.clock import BacktestClock, Clock, LiveClock
from tapeloom.calendars.exchange_group import ExchangeGroup, resolve_exchange_group
from tapeloom.calendars.market_calendar import SegmentKind
from tapeloom.calendars.market_questions import CacheStats, MarketQuestions
from tapeloom.calendars.overlay import Overlay, OverlayLike
from tapeloom.errors import (
    ArgumentError,
    ArgumentTypeError,
    ConfigError,
    StateError,
    did_you_mean,
)
from tapeloom.timestamps import TimestampLike, from_ns, to_ns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tapeloom._core import SessionTable

__all__ = [
    "CacheStats",
    "Mode",
    "SessionType",
    "TimeManager",
    "group_for",
    "time_manager_for",
    "unless_default",
]

_log = logging.getLogger("tapeloom.calendars")

Mode: TypeAlias = Literal["backtest", "live"]
"""Whether the clock is simulated or the wall clock."""

SessionType: TypeAlias = SegmentKind | Literal["closed"]
"""What the market does at an instant."""


class TimeManager(MarketQuestions):
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
        if mode not in ("backtest", "live"):
            text = f"mode is {mode!r}; it must be 'backtest' or 'live'"
            raise ArgumentError(
                text + did_you_mean(str(mode), ("backtest", "live")), got=mode
            )
        self._simulated: BacktestClock | None = None
        self._clock: Clock
        if mode == "live":
            self._clock = LiveClock() if clock is None else clock
            if not callable(getattr(self._clock, "now_ns", None)):
                text = f"clock is {clock!r}; a clock has a method now_ns()"
                raise ArgumentTypeError(text, got=clock)
        else:
            clock = BacktestClock() if clock is None else clock
            if not isinstance(clock, BacktestClock):
                text = (
                    f"clock is {type(clock).__name__}; a backtest needs a BacktestClock"
                )
                raise ArgumentTypeError(text, got=clock)
            self._clock = self._simulated = clock
        self._window: tuple[date, date] | None = None
        self._alerts = Alerts()
        # The thread that is calling an alert.
        self._calling: int | None = None
        self._running_table: SessionTable | None = None
        #: When an alert was called last, as it was told.
        self.last_alert: datetime | None = None
        super().__init__(exchange_group, overlay)

    # The clock

    @property
    def clock(self) -> Clock:
        """The clock that ``get_current_time`` reads."""
        return self._clock

    def get_current_time(self, tz: tzinfo | str | None = None) -> datetime:
        """Return the present time as an aware datetime.

        Parameters
        ----------
        tz
            Zone of the answer, or its name such as ``"Asia/Tokyo"``; the exchange's by default.

        Raises
        ------
        StateError
            If the simulated clock has not been set.
        """
        zone = self._group.zone if tz is None else _zone(tz)
        return from_ns(self._clock.now_ns(), zone)

    def get_current_mode(self) -> Mode:
        """Return ``"backtest"`` or ``"live"``."""
        return "live" if self._simulated is None else "backtest"

    def set_backtest_time(self, ts: TimestampLike) -> None:
        """Move the simulated clock forward; the present instant is allowed.

        Alerts due on the way are called in order, each with the clock at its instant. If one raises,
        the clock stays there and the alert counts as called.

        Raises
        ------
        ClockError
            If the instant lies before the clock; ``reset_backtest_clock`` goes back.
        StateError
            In live mode, from inside an alert, and while a run moves the clock.
        """
        clock = self._movable_clock("set_backtest_time")
        ns = to_ns(ts, self._group.zone, name="ts")
        clock.check_forward(ns)
        if not clock.is_set:
            self._begin_alerts(ns)
        self._call_alerts(ns)
        clock.set_ns(ns)

    def reset_backtest_clock(self, ts: TimestampLike | None = None) -> None:
        """Set the simulated clock to any instant, earlier ones included; without one, unset it.

        Alerts of every session begin anew from there; those for single instants before it are given up.

        Raises
        ------
        StateError
            In live mode, from inside an alert, and while a run moves the clock.
        """
        clock = self._movable_clock("reset_backtest_clock")
        ns = None if ts is None else to_ns(ts, self._group.zone, name="ts")
        if ns is None:
            self._alerts.restart(None, None, again=True)
        else:
            self._begin_alerts(ns)
        clock.reset(ns)

    def _begin_alerts(self, ns: int) -> None:
        self._alerts.restart(ns, self._alert_table, again=True)
        # The clock never stood at what lies before.
        for alert in self._alerts.drop_before(ns):
            _log.warning("alert at %s: the clock begins later", alert.name)

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

    # Alerts

    def at(self, instant: TimestampLike, call: Callable[[datetime], object]) -> Alert:
        """Call once when the clock reaches an instant.

        Parameters
        ----------
        instant
            When; not before the present time.
        call
            A function of one argument, the instant as aware datetime in the exchange's zone.

        Returns
        -------
        Alert
            With ``cancel()``, ``due`` and ``times_called``.

        Raises
        ------
        ArgumentError
            If the instant is past.

        Notes
        -----
        In a session alerts run between batches: everything known at the instant is in the store, the
        analysis has seen it, and nothing later is. The simulated clock stands at the instant.
        """
        ns = to_ns(instant, self._group.zone, name="instant")
        now = self._now()
        # Datetimes are cut to microseconds; the present one is no past one.
        if now is not None and ns // 1_000 < now // 1_000:
            shown, present = (
                from_ns(at, self._group.zone).isoformat(" ") for at in (ns, now)
            )
            text = f"instant is {shown}, and it is {present} already"
            raise ArgumentError(text, got=instant)
        shown = from_ns(ns, self._group.zone).isoformat(" ")
        alert = Alert(shown, _callable(call), None)
        self._alerts.add_once(alert, ns if now is None else max(ns, now))
        return alert

    def before_close(
        self, delta: timedelta, call: Callable[[datetime], object]
    ) -> Alert:
        """Call a while before the regular close of every session, half days included; else as ``at``.

        Parameters
        ----------
        delta
            How long before; 0 to a year.
        call
            A function of one argument, the instant as aware datetime in the exchange's zone.

        Raises
        ------
        ArgumentError
            If ``delta`` is negative or longer than a year.
        """
        offset = SessionOffset("close", -_ns_of(delta))
        return self._every_session(f"{delta} before close", call, offset)

    def after_open(self, delta: timedelta, call: Callable[[datetime], object]) -> Alert:
        """Call a while after the regular open of every session; else as ``before_close``."""
        offset = SessionOffset("open", _ns_of(delta))
        return self._every_session(f"{delta} after open", call, offset)

    def run_alerts(
        self, until: TimestampLike | None = None, *, opening: bool = True
    ) -> int:
        """Call every alert that is due, and return how many. A session does so between batches.

        Live, each is told the instant it was set for, so that one can tell by how much it is late: a machine that slept
        for a week calls a week's alerts.

        Parameters
        ----------
        until
            The last instant that counts; the present time by default. A simulated clock moves to the instant of each
            alert, and stays at that of the last one.
        opening
            Whether alerts that wait for an open at ``until`` itself count: between two sessions that touch, they belong
            to the later one.
        """
        ns = (
            self._now()
            if until is None
            else to_ns(until, self._group.zone, name="until")
        )
        return 0 if ns is None else self._call_alerts(ns, opening=opening)

    @property
    def next_alert(self) -> datetime | None:
        """When the next alert is due, aware; ``None`` without one. Those of every session wait until the clock is set."""
        due = self._alerts.next_due()
        return None if due is None else from_ns(due, self._group.zone)

    # Conversions

    def get_market_timezone(self) -> tzinfo:
        """Return the zone of the exchange."""
        return self._group.zone

    def convert_timezone(self, ts: TimestampLike, tz: tzinfo | str) -> datetime:
        """Return an instant as aware datetime in a zone, given itself or by name such as ``"Asia/Tokyo"``."""
        return from_ns(to_ns(ts, self._group.zone, name="ts"), _zone(tz))

    def to_utc(self, ts: TimestampLike) -> datetime:
        """Return an instant as aware datetime in UTC; a naive datetime is wall time of the exchange."""
        return self.convert_timezone(ts, UTC)

    def to_market_timezone(self, ts: TimestampLike) -> datetime:
        """Return an instant as aware datetime in the exchange's zone."""
        return self.convert_timezone(ts, self._group.zone)

    # For whoever drives the clock, as a session does

    def next_alert_ns(self) -> int | None:
        """Return when the next alert is due, nanoseconds UTC; ``None`` as for ``next_alert``."""
        return self._alerts.next_due()

    def stand_at(self, ns: int) -> None:
        """Move the simulated clock forward without calling alerts; ``run_alerts`` calls those that are due by then.

        So the batch of an instant comes before the alerts of that instant.
        """
        self._require_simulated("stand_at").set_ns(ns)

    @contextmanager
    def running(self, table: SessionTable) -> Iterator[None]:
        """Let the alerts of every session follow a table while a run lasts, whatever is corrected meanwhile."""
        self.require_free()
        self._running_table = table
        try:
            yield
        finally:
            self._running_table = None
            self._alerts.restart(self._now(), self._alert_table, again=False)

    def require_free(self) -> None:
        """Raise ``StateError`` while a run moves this clock."""
        if self._running_table is not None:
            text = "a run moves the clock of this TimeManager; close it first, or give each run its own"
            raise StateError(text)

    # Inside

    @property
    def _alert_table(self) -> SessionTable | None:
        # Who has no such alert must not wait for a calendar.
        if not self._alerts.repeats:
            return None
        return self._session_table_of_alerts()

    def _session_table_of_alerts(self) -> SessionTable:
        running = self._running_table
        return self.session_table if running is None else running

    def _edit(self, overlay: Overlay) -> None:
        super()._edit(overlay)
        self._alerts.restart(self._now(), self._alert_table, again=False)

    def _every_session(
        self, name: str, call: Callable[[datetime], object], offset: SessionOffset
    ) -> Alert:
        alert = Alert(name, _callable(call), offset)
        table = self._session_table_of_alerts()
        self._alerts.add_repeated(alert, self._now(), table)
        if self._session_table_of_alerts() is not table:
            # Corrected meanwhile by another thread, which did not know of this one.
            self._alerts.restart(self._now(), self._alert_table, again=False)
        return alert

    def _call_alerts(self, until: int, *, opening: bool = True) -> int:
        called, outer = 0, self._calling
        while True:
            taken = self._alerts.take(until, self._alert_table, opening=opening)
            if taken is None:
                return called
            due, alert = taken
            if self._simulated is not None:
                # One that another thread set while the clock passed it is late, and is told so.
                if self._simulated.is_set:
                    due = max(due, self._simulated.now_ns())
                self._simulated.set_ns(due)
            called += 1
            self.last_alert = from_ns(due, self._group.zone)
            self._calling = get_ident()
            try:
                alert.call(self.last_alert)
            finally:
                self._calling = outer

    def _now(self) -> int | None:
        if self._simulated is not None and not self._simulated.is_set:
            return None
        return self._clock.now_ns()

    def _movable_clock(self, method: str) -> BacktestClock:
        clock = self._require_simulated(method)
        if self._calling == get_ident():
            text = f"{method} was called from inside an alert, while the clock is being moved"
            raise StateError(text)
        self.require_free()
        return clock

    def _require_simulated(self, method: str) -> BacktestClock:
        if self._simulated is None:
            raise StateError(
                f"{method} needs a simulated clock; this TimeManager is live"
            )
        return self._simulated


def time_manager_for(
    exchange_group: str | None, time_manager: TimeManager | None
) -> TimeManager:
    """Return the time manager of an argument pair, a new one if none is given; else as ``group_for``."""
    group = group_for(exchange_group, time_manager)
    return TimeManager(group.name) if time_manager is None else time_manager


def group_for(
    exchange_group: str | None, time_manager: TimeManager | None
) -> ExchangeGroup:
    """Return the exchange group of an argument pair: the time manager's, which the name must not contradict.

    ``None`` says nothing: the time manager's, or else ``"US_EQUITY"``.

    Raises
    ------
    ArgumentError
        If the name is of another calendar.
    ArgumentTypeError
        If ``time_manager`` is none.
    """
    if time_manager is None:
        return resolve_exchange_group(
            "US_EQUITY" if exchange_group is None else exchange_group
        )
    if not isinstance(time_manager, TimeManager):
        text = f"time_manager is {time_manager!r} ({type(time_manager).__name__}); give a TimeManager"
        raise ArgumentTypeError(text, got=time_manager)
    theirs = resolve_exchange_group(time_manager.exchange_group)
    if exchange_group is not None:
        named = resolve_exchange_group(exchange_group)
        if named.calendar != theirs.calendar:
            text = f"exchange_group is {exchange_group!r}, and the time manager's is {theirs.name!r}; give one of them"
            raise ArgumentError(text, got=exchange_group, expected=theirs.name)
    return theirs


def unless_default(exchange_group: str) -> str | None:
    """Return ``None`` for ``"US_EQUITY"``, where that is the default of an argument and may not have been said."""
    return None if exchange_group == "US_EQUITY" else exchange_group


def _zone(tz: tzinfo | str) -> tzinfo:
    if isinstance(tz, tzinfo):
        return tz
    text = f"tz is {tz!r}; give a tzinfo or the name of a zone such as 'Asia/Tokyo'"
    if not isinstance(tz, str):
        raise ArgumentTypeError(text, got=tz)
    try:
        return ZoneInfo(tz)
    except (LookupError, ValueError, OSError) as error:
        from zoneinfo import available_timezones

        near = did_you_mean(tz, available_timezones())
        raise ArgumentError(text + near, got=tz) from error


def _ns_of(delta: timedelta) -> int:
    if not isinstance(delta, timedelta):
        text = f"delta is {delta!r} ({type(delta).__name__}); give a timedelta such as timedelta(minutes=5)"
        raise ArgumentTypeError(text, got=delta)
    if not timedelta() <= delta <= timedelta(days=366):
        text = f"delta is {delta}; it must be 0 or more, and at most a year"
        raise ArgumentError(text, got=delta)
    return delta // timedelta(microseconds=1) * 1_000


def _callable(call: Callable[[datetime], object]) -> Callable[[datetime], object]:
    if not callable(call):
        text = f"call is {call!r} ({type(call).__name__}); give a function of one argument, the time"
        raise ArgumentTypeError(text, got=call)
    return call
