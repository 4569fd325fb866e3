"""What is known up to now: the store that analysis code reads while the session runs. It computes nothing.

The hot reads (`get_latest_bar`, `get_last_n_bars`, ...) are methods of `_core.Store`; see `_core.pyi`.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from tapeloom._core import BarData, Bars, Interval, Store
from tapeloom.bars import normalise_symbol
from tapeloom.calendars.days import from_day, to_day
from tapeloom.calendars.session_table import get_market_calendar
from tapeloom.calendars.time_manager import group_for, unless_default
from tapeloom.errors import (
    ArgumentError,
    ArgumentTypeError,
    StateError,
    TapeloomWarning,
    UnknownSeriesError,
    UnknownSymbolError,
    did_you_mean,
)
from tapeloom.gap import Gap, QualityReport, missing_runs
from tapeloom.ingest import IngestCounts, IngestReport
from tapeloom.records import Records
from tapeloom.state_hash import state_hash
from tapeloom.symbol_session_data import SymbolSessionData
from tapeloom.timestamps import from_ns, local_midnights, to_ns

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime, tzinfo

    from tapeloom._core import Group, SessionTable
    from tapeloom.calendars.market_calendar import MarketCalendar
    from tapeloom.calendars.time_manager import TimeManager
    from tapeloom.ingest import Outcome
    from tapeloom.intervals import IntervalLike

__all__ = ["SessionData"]

_log = logging.getLogger("tapeloom.session_data")

#: The usual word of each policy.
_WORDS = {
    "on_duplicate": "replace",
    "on_invalid": "error",
    "completeness": "any",
    "anchor": "session",
}


class SessionData(Store):
    """All bars of a session and its history, readable from any thread while one thread writes.

    Parameters
    ----------
    exchange_group
        Exchange whose calendar and zone hold, such as ``"US_EQUITY"`` or a calendar code.
    on_duplicate
        A key that comes again with other values: ``"replace"``, ``"ignore"`` or ``"error"``.
    on_invalid
        Invalid rows of a batch: ``"error"`` refuses the batch, ``"skip"`` stores the good rows.
    allow_negative_prices
        Whether prices may be zero or below.
    completeness
        Derived bars: ``"any"`` yields a bar from at least one base bar, flagged ``PARTIAL`` when some are missing;
        ``"complete"`` only from all of them.
    anchor
        From where buckets of derived bars are counted: ``"session"`` (the open), ``"segment"`` (again after a break) or
        ``"clock"`` (wall-clock multiples; the first bucket of a session may be short).
    historical_bars_trailing_days
        Sessions of history kept when a session rolls; ``None`` keeps all.
    max_symbols
        Symbols that the store keeps at most; one more is a ``CapacityError``.
    measure_session_quality
        ``False``: the quality of the session is ``None``.
    measure_history_quality
        ``False``: the quality of history counts as 100.
    time_manager
        Whose calendar holds, corrections included; by default that of the exchange group as its source has it. The
        store keeps the session table it began with.
    strict
        Whether an unknown symbol or interval raises when it is read, instead of reading as empty with a warning.

    Examples
    --------
    >>> from tapeloom import BarData, SessionData
    >>> session_data = SessionData()
    >>> session_data.add_bar("AAPL", BarData("AAPL", 1_751_463_000_000_000_000, 10, 11, 9, 10.5, 100))
    <Outcome.ACCEPTED: 'accepted'>
    >>> session_data.get_last_n_bars("AAPL", 1).close
    array([10.5])
    """

    def __new__(  # noqa: D102  (the class says it)
        cls,
        exchange_group: str = "US_EQUITY",
        *,
        on_duplicate: str = "replace",
        on_invalid: str = "error",
        allow_negative_prices: bool = False,
        completeness: str = "any",
        anchor: str = "session",
        max_symbols: int = 100_000,
        historical_bars_trailing_days: int | None = None,
        measure_session_quality: bool = True,
        measure_history_quality: bool = True,
        strict: bool = False,
        time_manager: TimeManager | None = None,
    ) -> Self:
        words = (on_duplicate, on_invalid, completeness, anchor)
        names = ("on_duplicate", "on_invalid", "completeness", "anchor")
        for name, word in zip(names, words, strict=True):
            if not isinstance(word, str):
                text = f"{name} is {type(word).__name__}; it must be a word such as {_WORDS[name]!r}"
                raise ArgumentTypeError(text)
        del (
            historical_bars_trailing_days,
            measure_session_quality,
            measure_history_quality,
            strict,
        )
        return super().__new__(
            cls,
            zone=group_for(unless_default(exchange_group), time_manager).zone,
            on_duplicate=on_duplicate,
            on_invalid=on_invalid,
            allow_negative_prices=allow_negative_prices,
            completeness=completeness,
            anchor=anchor,
            max_symbols=max_symbols,
        )

    def __init__(
        self,
        exchange_group: str = "US_EQUITY",
        *,
        historical_bars_trailing_days: int | None = None,
        measure_session_quality: bool = True,
        measure_history_quality: bool = True,
        strict: bool = False,
        time_manager: TimeManager | None = None,
        **_policies: object,
    ) -> None:
        #: The rules for arriving bars, as given.
        self.policies = {
            "on_duplicate": "replace",
            "completeness": "any",
            "anchor": "session",
        } | {name: str(value) for name, value in _policies.items()}
        self._group = group_for(unless_default(exchange_group), time_manager)
        self._time_manager = time_manager
        self._calendar: MarketCalendar | None = None
        self._strict = strict
        self._measures = {
            "session": measure_session_quality,
            "history": measure_history_quality,
        }
        self._history_days = historical_bars_trailing_days
        self._active = False
        self._warned: set[tuple[str, str]] = set()
        self._records = Records(self._group.zone)
        if historical_bars_trailing_days is not None:
            self.keep_history(historical_bars_trailing_days)

    # ---------------------------------------------------------------- properties

    @property
    def exchange_group(self) -> str:
        """Exchange group as given."""
        return self._group.name

    @property
    def timezone(self) -> tzinfo:
        """Zone of the exchange, in which datetimes come out."""
        return self._group.zone

    @property
    def session_table(self) -> SessionTable:
        """All sessions of the exchange; loaded on first use and the same from then on."""
        return self._market_calendar.table

    @property
    def _market_calendar(self) -> MarketCalendar:
        if self._calendar is None:
            calendar = (
                get_market_calendar(self._group.name)
                if self._time_manager is None
                else self._time_manager.calendar
            )
            self._set_table(calendar.table)
            self._calendar = calendar
        return self._calendar

    @property
    def current_session_date(self) -> date | None:
        """Date of the current session, ``None`` before the first."""
        day, _ = self._session
        return None if day is None else from_day(day)

    @property
    def session_ended(self) -> bool:
        """Whether the current session has ended; everything stays readable."""
        return self._session[1]

    @property
    def is_active(self) -> bool:
        """Whether a coordinator is streaming into this store."""
        return self._active

    @property
    def start_time(self) -> datetime | None:
        """Regular open of the current session, aware; ``None`` without one."""
        bounds = self._bounds()
        return None if bounds is None else from_ns(bounds[0], self.timezone)

    @property
    def end_time(self) -> datetime | None:
        """Regular close of the current session, aware; ``None`` without one."""
        bounds = self._bounds()
        return None if bounds is None else from_ns(bounds[1], self.timezone)

    @property
    def historical_bars_trailing_days(self) -> int | None:
        """Sessions of history kept when a session rolls; ``None`` keeps all."""
        return self._history_days

    @property
    def records(self) -> Records:
        """Rows kept by :meth:`record`."""
        return self._records

    def _bounds(self) -> tuple[int, int] | None:
        day, _ = self._session
        index = None if day is None else self.session_table.index_of(day)
        if index is None:
            return None
        return int(self.session_table.opens[index]), int(
            self.session_table.closes[index]
        )

    # ---------------------------------------------------------------- life cycle

    def start_new_session(self, session_date: date, *, roll: bool = False) -> None:
        """Begin a session: its date is set, the bars of the one before go.

        Parameters
        ----------
        session_date
            A date, in the exchange's terms. One without trading is allowed: nothing is due then.
        roll
            Whether the bars of the ended session become history instead of being dropped.

        Raises
        ------
        OutOfCalendarError
            If the date lies outside the session table.
        """
        day = to_day(session_date)
        calendar = self._market_calendar
        calendar.require_covered(session_date, day, "session_date")
        table = calendar.table
        index = table.index_of(day)
        if index is None:
            _log.warning(
                "%s is no trading day of %s: nothing is due",
                session_date,
                table.calendar,
            )
            start, end = local_midnights(
                np.array([day, day + 1]), self.timezone
            ).tolist()
        else:
            start, end = int(table.span_starts[index]), int(table.span_ends[index])
        span = (start, end)
        self._start_session(day, span, roll)

    def end_session(self) -> None:
        """End the session: the clock goes to the close and the last buckets end.

        Raises
        ------
        StateError
            If no session has been started.
        """
        self._end_session()

    def set_session_active(self, active: bool) -> None:
        """Set ``is_active``; reading is always allowed."""
        self._active = bool(active)

    def clear_session_bars(self) -> None:
        """Empty the session's bars of all symbols."""
        self._clear("session")

    def clear_historical_bars(self) -> None:
        """Empty the history of all symbols."""
        self._clear("history")

    def clear_all(self) -> None:
        """Forget symbols, bars, counters, the session date and flags.

        Raises
        ------
        StateError
            While a session is running.
        """
        if self._active:
            text = "a session is running; stop it before clear_all()"
            raise StateError(text)
        self._clear("all")
        self._warned.clear()
        self._records = Records(self.timezone)

    clear = clear_all

    def keep_history(
        self, days: int, *, by_interval: Mapping[str, int] | None = None
    ) -> None:
        """Set how many sessions of history stay when a session rolls.

        Parameters
        ----------
        days
            For every interval without a number of its own, at least 0.
        by_interval
            Other numbers for some intervals.
        """
        if days < 0:
            text = f"days is {days}; it must be 0 or more"
            raise ArgumentError(text, got=days)
        self._history_days = days
        self._set_history_days(None, days)
        for interval, kept in (by_interval or {}).items():
            self._set_history_days(interval, kept)

    # ---------------------------------------------------------------- writing

    def register_symbol(
        self,
        symbol: str,
        *,
        base_interval: IntervalLike | None = None,
        derived: Iterable[IntervalLike] = (),
    ) -> SymbolSessionData:
        """Keep a symbol. Doing so again adds derived intervals, filled from what is stored.

        Parameters
        ----------
        base_interval
            Interval of the bars that will come; fixed from then on. ``None`` means the one that stands, or ``1m``.
        derived
            Coarser intervals to compute, any that the base divides.

        Raises
        ------
        SeriesConflictError
            If another base interval stands, or a derived one equals it.
        IntervalError
            If the base cannot feed a derived interval.
        """
        name = normalise_symbol(symbol)
        wanted = [Interval(interval) for interval in derived]
        if wanted:
            _ = self.session_table
        self._register(
            name, None if base_interval is None else Interval(base_interval), wanted
        )
        return SymbolSessionData(self, name)

    def add_bars_batch(
        self,
        symbol: str,
        bars: object,
        interval: IntervalLike | None = None,
        *,
        on_invalid: str | None = None,
    ) -> IngestReport:
        """Add bars to the base series of a symbol as one arrival, in any order.

        Parameters
        ----------
        bars
            ``Bars``, a list of ``BarData``, a dict of arrays, a pandas or polars frame or any Arrow object.
        interval
            Interval of the bars where they do not carry it; the base interval otherwise.
        on_invalid
            Overrides the store's policy for this call: ``"error"`` or ``"skip"``.

        Returns
        -------
        IngestReport
            Counts of this batch; the rows that were skipped.

        Raises
        ------
        InvalidBarError
            With the first ten invalid rows; nothing is stored.
        DuplicateBarError
            If a key comes again with other values and ``on_duplicate`` is ``"error"``; nothing is stored.
        SeriesConflictError
            If the bars have another interval than the base series.
        """
        name = normalise_symbol(symbol)
        table = None if self._calendar is None else self._calendar.table
        kept = self._intervals(name)
        if isinstance(bars, Bars):
            batch = bars
        else:
            from tapeloom.columns import read_frame

            given = interval if interval is not None else (kept[0] if kept else None)
            found = read_frame(
                bars,
                zone=self.timezone,
                table=table,
                symbol=name,
                interval=given,
                # Too few bars to tell are minutes, as a first bar is.
                assume="1m",
            )
            if not found:
                return IngestReport(name, IngestCounts())
            batch = found[name]
        if interval is not None and Interval(interval) != Interval(batch.interval):
            text = f"interval is {Interval(interval)} but the bars of {name} have {batch.interval}"
            raise ArgumentError(
                text, symbol=name, expected=str(Interval(interval)), got=batch.interval
            )
        if batch.symbol != name:
            text = f"bars of {batch.symbol} cannot be added to {name}"
            raise ArgumentError(text, symbol=name, got=batch.symbol)
        if on_invalid not in (None, "error", "skip"):
            text = f"on_invalid is {on_invalid!r}; it must be 'error' or 'skip'"
            raise ArgumentError(text, got=on_invalid)
        if not kept:
            self._register(name, Interval(batch.interval), [])
        counts, skipped = self._add_batch(name, batch, on_invalid)
        return IngestReport(name, IngestCounts(*counts), tuple(skipped))

    def append_bar(self, symbol: str, interval: IntervalLike, bar: BarData) -> Outcome:
        """Add a bar to a named series; the same as :meth:`add_bar` for the base series.

        Raises
        ------
        SeriesConflictError
            If ``interval`` is not the base interval of the symbol.
        """
        name = normalise_symbol(symbol)
        self._register(name, Interval(interval), [])
        return self.add_bar(name, bar)

    def _add_bar(self, symbol: object, bar: object) -> Outcome:
        """Resolve what the exact match of ``add_bar`` left open, then offer the bar again."""
        name = normalise_symbol(symbol)
        if not isinstance(bar, BarData):
            text = f"bar is {type(bar).__name__}; it must be a BarData"
            raise ArgumentTypeError(text)
        if normalise_symbol(bar.symbol) != name:
            text = f"a bar of {bar.symbol} cannot be added to {name}"
            raise ArgumentError(text, symbol=name, got=bar.symbol)
        ts = to_ns(bar.timestamp, self.timezone) if _is_naive(bar) else bar.ts
        self._register(name, Interval(bar.interval), [])
        resolved = BarData(
            name,
            ts,
            bar.open,
            bar.high,
            bar.low,
            bar.close,
            bar.volume,
            bar.interval,
            bar.flags,
            bar.constituents,
        )
        return self.add_bar(name, resolved)

    def group(
        self, symbols: Iterable[str], interval: IntervalLike | None = None
    ) -> Group:
        """Find the series of many symbols once, to read them together often.

        Parameters
        ----------
        symbols
            Registered symbols; one that nobody keeps reads as absent.
        interval
            Interval of the series, the base if not given.

        Returns
        -------
        Group
            ``latest()`` gives the latest bar of each as columns, all from one epoch.

        Examples
        --------
        >>> from tapeloom import SessionData
        >>> session = SessionData()
        >>> group = session.group(["AAPL", "MSFT"])
        >>> group.latest()["close"]
        array([nan, nan])
        """
        if isinstance(symbols, str) or not isinstance(symbols, Iterable):
            text = f"symbols is {symbols!r}; give a list such as ['AAPL']"
            raise ArgumentTypeError(text)
        names = [normalise_symbol(symbol) for symbol in symbols]
        return self._group_of(names, interval)

    def record(self, symbol: str | None = None, /, **values: Any) -> None:
        """Keep a row of results, stamped with the clock of the session.

        Parameters
        ----------
        symbol
            Whom the row is about, if anybody.
        **values
            Numbers, texts or booleans by column name.

        Raises
        ------
        StateError
            Before the first bar or session, when there is no clock.
        """
        taken = {"time", "symbol"} & values.keys()
        if taken:
            text = f"record() names its own columns time and symbol; call the value {taken.pop()!r} something else"
            raise ArgumentError(text)
        name = None if symbol is None else normalise_symbol(symbol)
        clock = self._clock
        if clock is None:
            text = "there is no clock before the first bar; record() stamps its rows with it"
            raise StateError(text)
        bounds = self._bounds()
        # Before the first bar the clock stands at midnight; what is recorded then belongs to the open.
        self._records.add(
            clock if bounds is None else max(clock, bounds[0]), name, **values
        )

    # ---------------------------------------------------------------- reading

    def _resolve(
        self, symbol: object, interval: IntervalLike | None
    ) -> tuple[str, str] | None:
        """Return the canonical names of a series, or ``None`` with a warning when nobody keeps it."""
        name = normalise_symbol(symbol)
        kept = self._intervals(name)
        if not kept:
            known = self._symbols
            hint = (
                did_you_mean(name, known)
                or f"; kept: {', '.join(known[:10]) or 'none'}"
            )
            self._miss(
                UnknownSymbolError(f"symbol {name} is not kept{hint}", symbol=name),
                (name, ""),
            )
            return None
        wanted = kept[0] if interval is None else str(Interval(interval))
        if wanted not in kept:
            text = f"{name} has no {wanted} bars; kept: {', '.join(kept)}"
            self._miss(
                UnknownSeriesError(text, symbol=name, interval=wanted), (name, wanted)
            )
            return None
        return name, wanted

    def _miss(
        self, error: UnknownSymbolError | UnknownSeriesError, key: tuple[str, str]
    ) -> None:
        if self._strict:
            raise error
        if key not in self._warned:
            self._warned.add(key)
            warnings.warn(error.message, TapeloomWarning, stacklevel=3)

    def get_symbol_data(self, symbol: str) -> SymbolSessionData | None:
        """Return a live handle on one symbol, ``None`` when it is not kept."""
        name = normalise_symbol(symbol)
        return SymbolSessionData(self, name) if self._intervals(name) else None

    def __getitem__(self, symbol: str) -> SymbolSessionData:
        found = self.get_symbol_data(symbol)
        if found is None:
            hint = did_you_mean(normalise_symbol(symbol), self._symbols)
            text = f"symbol {normalise_symbol(symbol)} is not kept{hint}"
            raise UnknownSymbolError(text, symbol=symbol)
        return found

    def get_active_symbols(self) -> set[str]:
        """Return a copy of the set of symbols that are kept."""
        return set(self._symbols)

    def get_session_metrics(self, symbol: str) -> dict[str, Any]:
        """Return figures of the current session over the base bars of regular hours.

        Returns
        -------
        dict
            ``symbol, session_volume, session_high, session_low, vwap, last_update, bar_quality, bar_count``;
            ``last_update`` is the start of the newest bar, aware. Empty for a symbol that is not kept; without a bar
            the figures are ``None`` and the volume 0.0.
        """
        found = self._resolve(symbol, None)
        if found is None:
            return {}
        name, _ = found
        metrics = self._metrics(name)
        volume, high, low, vwap, count, last = metrics or (
            0.0,
            None,
            None,
            None,
            0,
            None,
        )
        return {
            "symbol": name,
            "session_volume": volume,
            "session_high": high,
            "session_low": low,
            "vwap": vwap,
            "last_update": None if last is None else from_ns(last, self.timezone),
            "bar_quality": self.get_quality(name),
            "bar_count": count,
        }

    def get_quality(
        self,
        symbol: str,
        interval: IntervalLike | None = None,
        *,
        scope: str = "session",
    ) -> float | None:
        """Return the present among the due bars in percent, 0-100.

        ``None`` when nothing is due, for a series nobody keeps and without a schedule. A derived series has the quality
        of its base. Due are the expected bars of regular hours whose end the clock has reached.
        """
        found = self._resolve(symbol, interval)
        if found is None:
            return None
        present, due = self._presence_in(found[0], scope)
        return 100.0 * present / due if due else None

    def _presence_in(self, name: str, scope: str) -> tuple[int, int]:
        if scope not in ("session", "history", "all"):
            text = f"scope is {scope!r}; it must be 'session', 'history' or 'all'"
            raise ArgumentError(text, got=scope)
        present, due = 0, 0
        if scope != "history" and self._measures["session"]:
            present, due = self._presence(name) or (0, 0)
        if scope != "session":
            past_present, past_due, _ = self._history(name)
            # History that is not measured counts as whole.
            present += past_present if self._measures["history"] else past_due
            due += past_due
        return present, due

    def get_quality_report(self, symbol: str) -> QualityReport:
        """Return the quality of a symbol's session with its counters; zeros for a symbol that is not kept."""
        found = self._resolve(symbol, None)
        if found is None:
            return QualityReport(normalise_symbol(symbol), "1m", 0, 0, 0, 0, 0, 0)
        name, interval = found
        present, due = self._presence(name) or (0, 0)
        return QualityReport(name, interval, due, present, *self._session_counts(name))

    def get_gaps(
        self,
        symbol: str,
        interval: IntervalLike | None = None,
        *,
        scope: str = "session",
    ) -> list[Gap]:
        """Return the runs of due bars that did not come, oldest first.

        A derived series has a gap where it yielded no bar; for intervals of several days none is listed, those of the base
        say what is missing.
        """
        found = self._resolve(symbol, interval)
        if found is None:
            return []
        name, wanted = found
        self._presence_in(name, scope)
        if Interval(wanted) > Interval("1d"):
            return []
        if wanted != self._intervals(name)[0]:
            runs = self._derived_gaps(name, wanted, scope)
        else:
            runs = [] if scope == "session" else self._history(name)[2]
            runs = runs if scope == "history" else [*runs, *self._missing(name)]
        zone = self.timezone
        return [
            Gap(name, wanted, from_ns(start, zone), from_ns(end, zone), n)
            for start, end, n in runs
        ]

    def _derived_gaps(
        self, name: str, interval: str, scope: str
    ) -> list[tuple[int, int, int]]:
        table, clock = self.session_table, self._clock
        indices = [] if scope == "session" else self._history_sessions(name)
        day, _ = self._session
        current = None if day is None or scope == "history" else table.index_of(day)
        stamps = self.get_bars(name, interval, scope=scope).ts
        runs: list[tuple[int, int, int]] = []
        for index in [*indices, *([] if current is None else [current])]:
            until = clock if index == current else None
            runs += missing_runs(table, index, interval, stamps, until)
        return runs

    def get_ingest_counts(
        self, symbol: str | None = None, interval: IntervalLike | None = None
    ) -> IngestCounts:
        """Return how many bars were offered and what became of them, for one symbol or all.

        Derived series are not offered anything: their counts are zero.
        """
        if symbol is None:
            counts = (IngestCounts(*self._counts(name)) for name in self._symbols)
            return sum(counts, IngestCounts())
        name = self._base_of(symbol, interval)
        return IngestCounts() if name is None else IngestCounts(*self._counts(name))

    def get_revisions(
        self, symbol: str, interval: IntervalLike | None = None
    ) -> list[tuple[BarData, BarData]]:
        """Return the corrections of a base series as (old bar, new bar), in order of arrival."""
        name = self._base_of(symbol, interval)
        return [] if name is None else self._revisions(name)

    def _base_of(self, symbol: str, interval: IntervalLike | None) -> str | None:
        """The symbol if the interval is that of its base series."""
        found = self._resolve(symbol, interval)
        if found is None or found[1] != self._intervals(found[0])[0]:
            return None
        return found[0]

    def get_quarantine(self, symbol: str | None = None) -> list[tuple[BarData, str]]:
        """Return valid bars without a place as (bar, reason), in order of arrival.

        The reason is ``off_grid`` (starts between two expected starts) or ``later_session``.
        """
        name = None if symbol is None else normalise_symbol(symbol)
        return [
            (bar, reason)
            for bar, reason in self._quarantine()
            if name in (None, bar.symbol)
        ]

    def state_hash(self) -> str:
        """Return a digest of the session's bars, equal wherever they are equal; see ``tapeloom.state_hash``."""
        return state_hash(self)

    def __repr__(self) -> str:
        session = self.current_session_date or "no session"
        return f"SessionData({self.exchange_group!r}, {session}, {len(self._symbols)} symbols, epoch {self.epoch})"


def _is_naive(bar: BarData) -> bool:
    return getattr(bar.timestamp, "tzinfo", None) is None
