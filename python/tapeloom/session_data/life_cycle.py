"""The exchange, the calendar and the life of a session."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol, Self, cast

import numpy as np

from tapeloom._core import Interval, Store
from tapeloom.bars import normalise_symbol
from tapeloom.calendars.days import from_day, require_date, to_day
from tapeloom.calendars.given_exchange import group_for, unless_default
from tapeloom.calendars.session_table import get_market_calendar
from tapeloom.errors import (
    ArgumentError,
    ArgumentTypeError,
    StateError,
    UnknownSymbolError,
    did_you_mean,
)
from tapeloom.records import Records
from tapeloom.symbol_session_data import SymbolSessionData
from tapeloom.timestamps import from_ns, local_midnights, to_ns

if TYPE_CHECKING:
    from datetime import date, tzinfo

    from tapeloom._core import SessionTable
    from tapeloom.calendars.market_calendar import MarketCalendar
    from tapeloom.calendars.time_manager import TimeManager
    from tapeloom.session_data import SessionData

__all__ = ["Part", "SessionLife", "require_flag"]

_log = logging.getLogger("tapeloom.session_data")

#: The usual word of each policy.
_WORDS = {
    "on_duplicate": "replace",
    "on_invalid": "error",
    "completeness": "any",
    "anchor": "session",
    "extended_hours": "off",
    "no_trade": "gap",
}
# What the core can count to.
_MOST = 2**32 - 1


class Part(Protocol):
    """What a store keeps beside its bars."""

    def start_session(self) -> None:
        """Forget what belongs to the session that ends."""

    def clear(self) -> None:
        """Forget everything."""

    def remove(self, symbol: str) -> None:
        """Forget a symbol."""


class SessionLife(Store):
    """A store with an exchange and a calendar, whose sessions begin and end."""

    def __new__(  # noqa: D102  (SessionData says it)
        cls,
        exchange_group: str = "US_EQUITY",
        *,
        on_duplicate: str = "replace",
        on_invalid: str = "error",
        allow_negative_prices: bool = False,
        completeness: str = "any",
        anchor: str = "session",
        extended_hours: str = "off",
        no_trade: str = "gap",
        max_symbols: int = 100_000,
        historical_bars_trailing_days: int | None = None,
        measure_session_quality: bool = True,
        measure_history_quality: bool = True,
        strict: bool = False,
        time_manager: TimeManager | None = None,
    ) -> Self:
        words = (
            on_duplicate,
            on_invalid,
            completeness,
            anchor,
            extended_hours,
            no_trade,
        )
        for name, word in zip(_WORDS, words, strict=True):
            if not isinstance(word, str):
                text = f"{name} is {type(word).__name__}; it must be a word such as {_WORDS[name]!r}"
                raise ArgumentTypeError(text)
        if completeness == "present":
            # The core's own word for what no_trade="expected" asks for.
            text = "completeness is 'present'; it must be 'any' or 'complete'"
            raise ArgumentError(text, got=completeness)
        if historical_bars_trailing_days is not None:
            _require_count(
                historical_bars_trailing_days, "historical_bars_trailing_days"
            )
        require_flag(measure_session_quality, "measure_session_quality")
        require_flag(measure_history_quality, "measure_history_quality")
        require_flag(strict, "strict")
        return super().__new__(
            cls,
            zone=group_for(unless_default(exchange_group), time_manager).zone,
            on_duplicate=on_duplicate,
            on_invalid=on_invalid,
            allow_negative_prices=require_flag(
                allow_negative_prices, "allow_negative_prices"
            ),
            completeness=completeness,
            anchor=anchor,
            extended_hours=extended_hours,
            no_trade=no_trade,
            max_symbols=_require_count(max_symbols, "max_symbols", least=1),
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
        given = {name: str(value) for name, value in _policies.items()}
        #: The rules for arriving bars, as given; they cannot be changed.
        self.policies: Mapping[str, str] = MappingProxyType(
            {
                "on_duplicate": "replace",
                "completeness": "any",
                "anchor": "session",
                "extended_hours": "off",
                "no_trade": "gap",
            }
            | given
        )
        self._group = group_for(unless_default(exchange_group), time_manager)
        self._time_manager = time_manager
        self._calendar: MarketCalendar | None = None
        self._strict = strict
        self._measures = {
            "session": measure_session_quality,
            "history": measure_history_quality,
        }
        self._history_days: int | None = None
        self._active = False
        self._warned: set[tuple[str, str]] = set()
        self._parts: list[Part] = []
        self._records = Records(self._group.zone)
        self._begin()
        if historical_bars_trailing_days is not None:
            self.keep_history(historical_bars_trailing_days)

    def _begin(self) -> None:
        """Make what is kept beside the bars; each room of the store adds its own."""

    @property
    def _completeness(self) -> str:
        """The rule for derived bars; where missing bars between others are taken for no trade, one bar is enough."""
        if self.policies["no_trade"] == "expected":
            return "present"
        return self.policies["completeness"]

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
        self._check_process()
        return self._active

    @property
    def start_time(self) -> datetime | None:
        """Regular open of the current session, aware, whatever the extended hours; ``None`` without one."""
        bounds = self._bounds()
        return None if bounds is None else from_ns(bounds[0], self.timezone)

    @property
    def end_time(self) -> datetime | None:
        """Regular close of the current session, aware, whatever the extended hours; ``None`` without one."""
        bounds = self._bounds()
        return None if bounds is None else from_ns(bounds[1], self.timezone)

    @property
    def historical_bars_trailing_days(self) -> int | None:
        """Sessions of history kept when a session rolls; ``None`` keeps all."""
        return self._history_days

    @property
    def records(self) -> Records:
        """Rows kept by :meth:`record`."""
        self._check_process()
        return self._records

    def _handle(self, name: str) -> SymbolSessionData:
        return SymbolSessionData(cast("SessionData", self), name)

    def _bounds(self) -> tuple[int, int] | None:
        day, _ = self._session
        index = None if day is None else self.session_table.index_of(day)
        if index is None:
            return None
        return int(self.session_table.opens[index]), int(
            self.session_table.closes[index]
        )

    def _hours(self, index: int) -> tuple[int, int]:
        """From when to when the bars of a session take part, ns: with extended hours those of pre- and post-market too."""
        table = self.session_table
        if self.policies["extended_hours"] == "off":
            return int(table.opens[index]), int(table.closes[index])
        return int(table.pre_opens[index]), int(table.post_closes[index])

    def start_new_session(self, session_date: date, *, roll: bool = False) -> None:
        """Begin a session: its date is set, the bars of the one before go.

        Dates may be gone through again, from any of them on. History never reaches beyond the session: if some of it lies
        on or after ``session_date``, all of it goes, with a warning in the log.

        Parameters
        ----------
        session_date
            A date, in the exchange's terms. One without trading is allowed: nothing is due then. A datetime stands for
            the session that it belongs to.
        roll
            Whether the bars of the ended session become history instead of being dropped.

        Raises
        ------
        ArgumentTypeError
            If ``session_date`` is no date or ``roll`` no ``bool``.
        StateError
            With ``roll``, if ``session_date`` is not after the current one, or if the session has bars that start on
            or after it: as history they would be read ahead of their time. Nothing is changed then.
        OutOfCalendarError
            If the date lies outside the session table.
        """
        require_flag(roll, "roll")
        calendar = self._market_calendar
        table = calendar.table
        wanted = self._date_of(session_date)
        day = to_day(wanted)
        calendar.require_covered(wanted, day, "session_date")
        index = table.index_of(day)
        if index is None:
            start, end = local_midnights(
                np.array([day, day + 1]), self.timezone
            ).tolist()
        else:
            start, end = int(table.span_starts[index]), int(table.span_ends[index])
        if roll:
            self._require_earlier(wanted, start)
        if index is None:
            _log.warning(
                "%s is no trading day of %s: nothing is due", wanted, table.calendar
            )
        newest = self._newest_start("history")
        if newest is not None and newest >= start:
            _log.warning(
                "history reached to %s or beyond it: all of it is dropped", wanted
            )
            self._clear("history")
        self._start_session(day, (start, end), roll)
        for part in self._parts:
            part.start_session()

    def _require_earlier(self, wanted: date, start: int) -> None:
        """Refuse to make history of what is not before a session that begins."""
        current = self.current_session_date
        if current is not None and wanted <= current:
            text = f"session_date is {wanted}, not after the current session {current}, which cannot become its history"
            text += "; go back with roll=False"
            raise StateError(text, got=wanted)
        newest = self._newest_start("session")
        if newest is not None and newest >= start:
            at = from_ns(newest, self.timezone)
            text = f"session_date is {wanted}, but the session has bars to {at}, which cannot become its history"
            text += "; begin with roll=False"
            raise StateError(text, got=wanted)

    def _date_of(self, session_date: object) -> date:
        """The date that is meant, in the exchange's terms."""
        if isinstance(session_date, datetime):
            ts = to_ns(session_date, self.timezone, name="session_date")
            # An overnight session belongs to the date it trades for.
            index = self.session_table.session_of(ts)
            if index is not None:
                return from_day(int(self.session_table.dates[index]))
            return from_ns(ts, self.timezone).date()
        return require_date(session_date, "session_date")

    def remove_symbol(self, symbol: str) -> None:
        """Stop keeping a symbol: its bars, counts, quotes and values go.

        What was read before stays as it is; handles on the symbol say that it was removed. Added again, it begins anew.

        Raises
        ------
        UnknownSymbolError
            If nobody keeps the symbol.
        StateError
            While a replay runs through this store.
        """
        name = normalise_symbol(symbol)
        if not self._intervals(name):
            hint = did_you_mean(name, self._symbols)
            text = f"symbol {name} is not kept and cannot be removed{hint}"
            raise UnknownSymbolError(text, symbol=name)
        self._remove(name)
        for part in self._parts:
            part.remove(name)
        self._warned -= {key for key in self._warned.copy() if key[0] == name}

    def end_session(self) -> None:
        """End the session: the clock goes to the close and the last buckets end.

        With extended hours it goes to the end of the post-market.

        Raises
        ------
        StateError
            If no session has been started.
        """
        self._end_session()

    def set_session_active(self, active: bool) -> None:
        """Set ``is_active``; reading is always allowed. While it is set, no quote or tick after the clock is read."""
        self._check_process()
        self._active = require_flag(active, "active")

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
        for part in self._parts:
            part.clear()
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

        Raises
        ------
        ArgumentError
            For a number below 0 or above 4,294,967,295; ``ArgumentTypeError`` for what is no integer or no mapping.
            Nothing is changed then.
        """
        if by_interval is not None and not isinstance(by_interval, Mapping):
            text = f"by_interval is {by_interval!r} ({type(by_interval).__name__}); give a dict such as {{'1d': 250}}"
            raise ArgumentTypeError(text, got=by_interval)
        wanted = {
            Interval(interval): _require_count(kept, f"by_interval[{interval!r}]")
            for interval, kept in (by_interval or {}).items()
        }
        number = _require_count(days, "days")
        self._set_history_days(None, number)
        self._history_days = number
        for interval, kept in wanted.items():
            self._set_history_days(interval, kept)


def require_flag(value: object, name: str) -> bool:
    """Return the value if it is a truth value, else raise ``ArgumentTypeError`` naming the argument."""
    if not isinstance(value, bool | np.bool_):
        text = f"{name} is {value!r} ({type(value).__name__}); it must be True or False"
        raise ArgumentTypeError(text, got=value)
    return bool(value)


def _require_count(value: object, name: str, *, least: int = 0) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        text = f"{name} is {value!r} ({type(value).__name__}); give an integer of {least} or more"
        raise ArgumentTypeError(text, got=value)
    if value < least:
        text = f"{name} is {value}; it must be {least} or more"
        raise ArgumentError(text, got=value)
    if value > _MOST:
        # Too many digits to show.
        text = f"{name} is too large; it must be at most {_MOST:,}"
        raise ArgumentError(text, got=value)
    return int(value)
