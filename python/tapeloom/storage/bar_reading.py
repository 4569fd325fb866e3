"""What reads stored bars up to the clock: by time, the newest, by trading days, as an array of many symbols."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tapeloom._core import Bars, Interval
from tapeloom.bars import no_bars, normalise_symbol
from tapeloom.calendars.days import from_day
from tapeloom.calendars.given_exchange import unless_default
from tapeloom.errors import ArgumentError, ArgumentTypeError
from tapeloom.panel import Panel, check_field, grid_times, place, times_met
from tapeloom.storage.bar_writing import BarWriting
from tapeloom.storage.hours import check_hours, within_hours

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable
    from datetime import date

    from numpy.typing import NDArray

    from tapeloom._core import BarData
    from tapeloom.calendars.time_manager import TimeManager
    from tapeloom.intervals import IntervalLike
    from tapeloom.session_data import SessionData
    from tapeloom.storage.hours import Hours
    from tapeloom.timestamps import TimestampLike

__all__ = ["BarReading", "count_of"]


class BarReading(BarWriting):
    """Stored bars, none of which is seen before the clock reaches its end."""

    def __init__(
        self,
        root: str | os.PathLike[str] = "data",
        *,
        exchange_group: str = "US_EQUITY",
        on_invalid: str = "error",
        allow_negative_prices: bool = False,
        interval: IntervalLike | None = None,
        time_manager: TimeManager | None = None,
        session_data: SessionData | None = None,
        filesystem: object | None = None,
    ) -> None:
        if session_data is not None and time_manager is None:
            # The calendar of the session, corrections included.
            time_manager = session_data._time_manager
            if unless_default(exchange_group) is None:
                exchange_group = session_data.exchange_group
        super().__init__(
            root,
            exchange_group=exchange_group,
            on_invalid=on_invalid,
            allow_negative_prices=allow_negative_prices,
            interval=interval,
            time_manager=time_manager,
            filesystem=filesystem,
        )
        if session_data is not None:
            _check_same(self.exchange_group, session_data.exchange_group)
        self._session_data = session_data

    @property
    def clock_ns(self) -> int | None:
        """The instant at which reads stop, nanoseconds UTC; ``None`` where no clock holds.

        It is that of the time manager in a backtest, once it has been set, or of the session, whichever is earlier. A
        run reads ahead of its own clock: a source with a pinned session table is not cut.
        """
        if self._pinned is not None:
            return None
        found = []
        manager, session = self._time_manager, self._session_data
        if manager is not None and manager.get_current_mode() == "backtest":
            clock = manager.clock
            if getattr(clock, "is_set", True):
                found.append(clock.now_ns())
        if session is not None and session._clock is not None:
            found.append(session._clock)
        return min(found, default=None)

    def read(
        self, symbol: str, interval: IntervalLike, start: int | None, end: int | None
    ) -> Bars:
        """Return the bars that start in ``[start, end)``, of all hours, as far as the clock; else as of ``StoredBars``."""
        clock = self.clock_ns
        if clock is not None:
            # None that starts at the clock or later has ended.
            end = clock if end is None else min(end, clock)
        return self._read(symbol, interval, start, end, known_by=clock)

    def _known_ranges(
        self, symbol: str, interval: IntervalLike
    ) -> list[tuple[int, int]]:
        """Return what ``get_ranges`` does, as far as the clock."""
        spans = self.get_ranges(symbol, interval)
        clock = self.clock_ns
        if clock is None:
            return spans
        table, kept = self._session_table, []
        for first, last in spans:
            ends = table.known_at(np.array([first, last]), interval).tolist()
            if ends[1] <= clock:
                kept.append((first, last))
            elif ends[0] <= clock:
                known = self.read(symbol, interval, first, last + 1)
                # Of files that overlap the newest bar may lie in another one.
                kept.append((first, int(known.ts[-1]) if len(known) else first))
        return kept

    def get_bars(
        self,
        symbol: str,
        interval: IntervalLike,
        start: TimestampLike | None = None,
        end: TimestampLike | None = None,
        *,
        hours: Hours = "regular",
    ) -> Bars:
        """Return the bars that start in ``[start, end)`` and have ended by the clock.

        Parameters
        ----------
        symbol, interval
            The series; one that is not stored is empty.
        start, end
            Any accepted form of a time; a naive one is wall time of the exchange. ``None`` is open.
        hours
            ``"regular"`` keeps bars that start in regular hours of their own date, ``"extended"`` those between the
            start of pre-market and the end of post-market trading too, ``"all"`` keeps all. Bars of days and weeks are
            always kept.

        Raises
        ------
        ArgumentError
            If ``start`` is after ``end``, or ``hours`` is another word.
        InvalidBarError, CorruptFileError, StorageError, MissingDataError
            As ``read``.
        """
        check_hours(hours)
        first, last = self._range_ns(start, end)
        bars = self.read(symbol, interval, first, last)
        return within_hours(bars, self._session_table, hours)

    def get_latest_bar(
        self,
        symbol: str,
        interval: IntervalLike | None = None,
        *,
        hours: Hours = "regular",
    ) -> BarData | None:
        """Return the newest bar that has ended by the clock, ``None`` without one.

        Parameters
        ----------
        interval
            Its interval; the finest that is stored if not given.
        hours
            As of ``get_bars``, whose last bar it is.
        """
        check_hours(hours)
        wanted = self._finest(symbol) if interval is None else interval
        spans = [] if wanted is None else self._known_ranges(symbol, wanted)
        if wanted is None or not spans:
            return None
        first, end = min(s[0] for s in spans), max(s[1] for s in spans) + 1
        table = self._session_table
        sessions = 1
        # Backwards by ever more sessions: as a rule the last one has it.
        while end > first:
            at = int(np.searchsorted(table.span_starts, end, side="left")) - sessions
            start = int(table.span_starts[at]) if at > 0 else first
            found = within_hours(self.read(symbol, wanted, start, end), table, hours)
            if len(found):
                return found[-1]
            end, sessions = start, sessions * 4
        return None

    def get_bar_count(
        self,
        symbol: str,
        interval: IntervalLike | None = None,
        start: TimestampLike | None = None,
        end: TimestampLike | None = None,
        *,
        hours: Hours = "regular",
    ) -> int:
        """Return how many bars ``get_bars`` would return; of the finest stored interval if none is given."""
        check_hours(hours)
        first, last = self._range_ns(start, end)
        wanted = self._finest(symbol) if interval is None else interval
        if wanted is None:
            return 0
        bars = self.read(symbol, wanted, first, last)
        return len(within_hours(bars, self._session_table, hours))

    def get_date_range(
        self, symbol: str, interval: IntervalLike | None = None
    ) -> tuple[date, date] | None:
        """Return the session dates of the first and of the last stored bar by the clock, ``None`` without one.

        A bar between two sessions, such as one of a weekend, counts to the earlier.
        """
        wanted = self._finest(symbol) if interval is None else interval
        spans = [] if wanted is None else self._known_ranges(symbol, wanted)
        if not spans:
            return None
        table = self._session_table
        known = np.array([min(s[0] for s in spans), max(s[1] for s in spans)])
        at = np.searchsorted(table.span_starts, known, side="right") - 1
        first, last = table.dates[np.maximum(at, 0)].tolist()
        return from_day(first), from_day(last)

    def load_historical_bars(
        self, symbol: str, interval: IntervalLike, days: int
    ) -> Bars:
        """Return the bars of the newest trading dates before the current session, regular hours only.

        Parameters
        ----------
        symbol, interval
            The series.
        days
            How many trading dates, at least 1; fewer come back where fewer are stored.

        Notes
        -----
        The current session is the one at the clock, or the next one while the market has none. Without a clock it is
        the one after the last stored bar, so that the last stored dates are history.

        Raises
        ------
        ArgumentError
            If ``days`` is below 1; ``ArgumentTypeError`` if it is no integer.
        """
        count = count_of("days", days)
        table, session = self._session_table, self._current_session(symbol, interval)
        first = max(0, session - count)
        if first == session:
            return no_bars(normalise_symbol(symbol), interval, self._zone)
        start, end = int(table.span_starts[first]), int(table.span_ends[session - 1])
        return within_hours(self.read(symbol, interval, start, end), table, "regular")

    def matrix(
        self,
        field: str,
        symbols: Iterable[str] | None = None,
        interval: IntervalLike = "1m",
        *,
        start: TimestampLike | None = None,
        end: TimestampLike | None = None,
    ) -> Panel:
        """Return one field of many symbols as an array of times x symbols.

        Parameters
        ----------
        field
            ``"open"``, ``"high"``, ``"low"``, ``"close"`` or ``"volume"``.
        symbols
            Columns in this order, each symbol once; all that have the interval if not given.
        interval
            Of the bars.
        start, end
            Bars that start in ``[start, end)``; a missing bound is that of what is stored.

        Returns
        -------
        Panel
            float64 of shape (times, symbols), a copy, NaN where there is no bar. The times are those at which a bar is
            due in regular hours and has ended by the clock, whether it came or not; for intervals above a day those of
            the bars. Of bars that start together the last counts.

        Raises
        ------
        ArgumentError
            For another field, or ``start`` after ``end``.
        """
        check_field(field)
        wanted = Interval(interval)
        first, last = self._range_ns(start, end)
        names = self._columns(symbols, wanted)
        parts = self.read_many([(name, wanted) for name in names], first, last)
        bars = [_once(part) for part in parts]
        ts = self._times(bars, wanted, first, last)
        values = place(bars, ts, field)
        return Panel(values, ts, tuple(names), field, wanted.text, self._zone)

    def _columns(self, symbols: Iterable[str] | None, interval: Interval) -> list[str]:
        if symbols is None:
            return sorted(name for name, kept in self._catalog if kept == interval)
        if isinstance(symbols, str):
            text = f"symbols is {symbols!r}; give a list such as [{symbols!r}]"
            raise ArgumentTypeError(text, got=symbols)
        return list(dict.fromkeys(map(normalise_symbol, symbols)))

    def _times(
        self, bars: list[Bars], interval: Interval, first: int | None, last: int | None
    ) -> NDArray[np.int64]:
        met = times_met(bars)
        if interval.ns is None and interval != Interval("1d"):
            return met
        low = first if first is not None else int(met[0]) if len(met) else None
        high = last if last is not None else int(met[-1]) + 1 if len(met) else None
        if low is None or high is None:
            return met
        table = self._session_table
        begin = int(np.searchsorted(table.span_ends, low, side="right"))
        until = int(np.searchsorted(table.span_starts, high, side="left"))
        grid = grid_times(
            table,
            range(begin, until),
            interval.text,
            base=interval.text,
            until=self.clock_ns,
        )
        return grid[slice(*np.searchsorted(grid, [low, high]))].copy()

    def _current_session(self, symbol: str, interval: IntervalLike) -> int:
        """Position in the table of the session whose history is asked for."""
        table, clock = self._session_table, self.clock_ns
        if clock is not None:
            return int(np.searchsorted(table.span_ends, clock, side="right"))
        known = self.get_range(symbol, interval)
        if known is None:
            return 0
        return int(np.searchsorted(table.span_starts, known[1], side="right"))


def _once(bars: Bars) -> Bars:
    """Return each start once, the last of those that start together."""
    repeated = np.flatnonzero(bars.ts[1:] == bars.ts[:-1])
    return bars.drop_rows(repeated.tolist()) if repeated.size else bars


def count_of(name: str, value: object) -> int:
    """Return a number of at least 1, or raise the error that names it."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        text = f"{name} is {value!r} ({type(value).__name__}); give an integer of 1 or more"
        raise ArgumentTypeError(text, got=value)
    if value < 1:
        text = f"{name} is {value}; it must be 1 or more"
        raise ArgumentError(text, got=value)
    return int(value)


def _check_same(mine: str, theirs: str) -> None:
    if mine != theirs:
        text = f"exchange_group is {mine!r}, and session_data's is {theirs!r}; give both the same"
        raise ArgumentError(text, got=mine, expected=theirs)
