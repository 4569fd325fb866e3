"""The clock of an exchange, simulated or not: it is read, moved, and calls the alerts that it passes."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from datetime import datetime, timedelta, tzinfo
from threading import get_ident
from typing import TYPE_CHECKING, Literal, TypeAlias
from zoneinfo import ZoneInfo

from tapeloom.calendars.alerts import Alert, Alerts, SessionOffset
from tapeloom.calendars.clock import BacktestClock, Clock, LiveClock
from tapeloom.calendars.market_questions import MarketQuestions
from tapeloom.calendars.overlay import Overlay, OverlayLike
from tapeloom.errors import ArgumentError, ArgumentTypeError, StateError, did_you_mean
from tapeloom.timestamps import TimestampLike, from_ns, to_ns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tapeloom._core import SessionTable

__all__ = ["AlertClock", "Mode", "zone_of"]

_log = logging.getLogger("tapeloom.calendars")

Mode: TypeAlias = Literal["backtest", "live"]
"""Whether the clock is simulated or the wall clock."""


class AlertClock(MarketQuestions):
    """The part of ``TimeManager`` that knows what time it is; parameters and errors are told there."""

    def __init__(
        self,
        exchange_group: str,
        *,
        mode: str,
        overlay: OverlayLike,
        clock: Clock | None,
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
        zone = self._group.zone if tz is None else zone_of(tz)
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


def zone_of(tz: tzinfo | str) -> tzinfo:
    """Return a zone given itself or by name; ``ArgumentError`` or ``ArgumentTypeError`` for anything else."""
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
