"""What is computed from stored bars: usual volumes, highs and lows of the days before the session, and its figures."""

from __future__ import annotations

from datetime import date, time, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from tapeloom.bars import no_bars, normalise_symbol
from tapeloom.calendars.days import from_day
from tapeloom.calendars.time_manager import TimeManager
from tapeloom.errors import ArgumentError, ArgumentTypeError, StateError
from tapeloom.indicators import trailing_average, trailing_max, trailing_min
from tapeloom.storage.bar_reading import count_of
from tapeloom.storage.event_reading import EventReading
from tapeloom.storage.hours import within_hours
from tapeloom.timestamps import from_ns

if TYPE_CHECKING:
    from tapeloom._core import Bars
    from tapeloom.session_data import SessionData

__all__ = ["Figures"]

_MINUTE = timedelta(minutes=1)


class Figures(EventReading):
    """Stored data and what follows from them."""

    @property
    def session_data(self) -> SessionData | None:
        """The session given when it was made, ``None`` without one."""
        return self._session_data

    def get_session_metrics(self, symbol: str) -> dict[str, Any]:
        """Return the figures of the current session; see :meth:`SessionData.get_session_metrics`.

        Raises
        ------
        StateError
            If no session was given when this was made.
        """
        if self._session_data is None:
            text = "there is no session; give DataManager a session_data="
            raise StateError(text)
        return self._session_data.get_session_metrics(symbol)

    def get_average_volume(self, symbol: str, days: int) -> float:
        """Return the mean of the daily volumes of the newest trading dates before the current session.

        From stored bars of days where there are some in these dates, otherwise from regular hours of the finest that is
        stored. Which session is the current one: see ``load_historical_bars``.

        Parameters
        ----------
        symbol
            Whose volume.
        days
            How many trading dates, at least 1; the mean is over those that are stored.

        Returns
        -------
        float
            In shares, NaN where nothing is stored.

        Raises
        ------
        ArgumentError
            If ``days`` is below 1; ``ArgumentTypeError`` if it is no integer.
        """
        bars, session = self._history(symbol, days)
        average = trailing_average(
            bars, session, f"{days}d", time_manager=self._manager
        )
        return float(average.value)

    def get_time_specific_average_volume(
        self, symbol: str, time: time | str, days: int
    ) -> float:
        """Return the mean volume of one minute of the day over the trading dates before the current session.

        Parameters
        ----------
        symbol
            Whose volume.
        time
            Start of the minute in regular hours, as wall time of the exchange: a ``datetime.time`` or text such as
            ``"14:37"``.
        days
            How many trading dates, at least 1; the mean is over those that have the minute.

        Returns
        -------
        float
            In shares, NaN where no date has the minute.

        Raises
        ------
        ArgumentError
            For a time outside regular hours or inside a minute, and for ``days`` below 1.
        """
        wanted = _time_of(time)
        bars, session = self._history(symbol, days, interval="1m")
        average = trailing_average(
            bars,
            session,
            f"{days}d",
            granularity="minute",
            time_manager=self._manager,
        )
        minutes = np.asarray(average.value)
        at = self._minutes_from_open(wanted, session)
        if at >= len(minutes):
            text = f"time is {wanted:%H:%M}, outside of regular hours; the session has {len(minutes)} minutes"
            raise ArgumentError(text, got=time)
        return float(minutes[at])

    def get_historical_high_low(self, symbol: str, days: int) -> tuple[float, float]:
        """Return the highest high and the lowest low of the newest trading dates before the current session.

        Bars, dates and errors are those of ``get_average_volume``; NaN where nothing is stored.
        """
        bars, session = self._history(symbol, days)
        period, manager = f"{days}d", self._manager
        high = trailing_max(bars, session, period, time_manager=manager)
        low = trailing_min(bars, session, period, time_manager=manager)
        return float(high.value), float(low.value)

    @property
    def _manager(self) -> TimeManager:
        if self._time_manager is None:
            self._time_manager = TimeManager(self.exchange_group)
        return self._time_manager

    def _history(
        self, symbol: str, days: int, *, interval: str | None = None
    ) -> tuple[Bars, date]:
        """Return the bars of the dates before the current session, and its date."""
        count_of("days", days)
        kept = [interval] if interval is not None else self.get_intervals(symbol)
        # Bars of days first.
        for length in sorted(kept, key=lambda one: one != "1d"):
            bars = self.load_historical_bars(symbol, length, days)
            bars = within_hours(bars, self._session_table, "regular")
            if len(bars):
                return bars, self._session_date(symbol, length)
        none = no_bars(normalise_symbol(symbol), interval or "1m", self._zone)
        return none, self._session_date(symbol, interval or "1m")

    def _session_date(self, symbol: str, interval: str) -> date:
        table = self._session_table
        at = self._current_session(symbol, interval)
        if at < len(table):
            return from_day(int(table.dates[at]))
        return from_day(int(table.last_day))

    def _minutes_from_open(self, wanted: time, session: date) -> int:
        """Return how many minutes after the open of a session a time of day comes, in wall time."""
        table = self._session_table
        days = int(
            np.searchsorted(table.dates, np.int64((session - date(1970, 1, 1)).days))
        )
        at = min(days, len(table) - 1)
        opened = from_ns(int(table.opens[at]), self._zone)
        since = timedelta(hours=wanted.hour, minutes=wanted.minute) - timedelta(
            hours=opened.hour, minutes=opened.minute
        )
        return (since // _MINUTE) % (24 * 60)


def _time_of(value: object) -> time:
    if isinstance(value, str):
        try:
            value = time.fromisoformat(value)
        except ValueError as error:
            text = f"time is {value!r}; it must be text such as '14:37'"
            raise ArgumentError(text, got=value) from error
    if not isinstance(value, time):
        text = f"time is {value!r} ({type(value).__name__}); give a datetime.time or text such as '14:37'"
        raise ArgumentTypeError(text, got=value)
    if value.second or value.microsecond:
        text = f"time is {value.isoformat()}, inside a minute; give its start, {value:%H:%M}"
        raise ArgumentError(text, got=value)
    return value
