"""What changes a session beside bars, on disk first: its begin and end, its symbols, how trading and connections stand, clearing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tapeloom._core import Interval, Journal
from tapeloom.bars import normalise_symbol
from tapeloom.calendars.days import to_day
from tapeloom.errors import ArgumentError, ArgumentTypeError
from tapeloom.live.journal_header import CLEARED, STATES, Kind
from tapeloom.live.journal_writing import JournalWriting
from tapeloom.session_data.life_cycle import require_flag
from tapeloom.statuses import ConnectionEvent, TradingStatus
from tapeloom.timestamps import to_ns

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    from tapeloom.intervals import IntervalLike
    from tapeloom.symbol_session_data import SymbolSessionData

__all__ = ["JournalCommands"]


class JournalCommands(JournalWriting):
    """Writes commands and reports: each goes to disk first, then into the session."""

    def start_new_session(self, session_date: date, *, roll: bool = False) -> None:
        """As ``SessionData.start_new_session``, on disk first."""
        require_flag(roll, "roll")
        wanted = self.session_data._date_of(session_date)
        self._write(
            lambda to: self._event(
                to, Kind.SESSION_START, flags=int(roll), ts=to_day(wanted)
            ),
            lambda: self.session_data.start_new_session(wanted, roll=roll),
        )

    def end_session(self) -> None:
        """As ``SessionData.end_session``, on disk first."""
        self._write(
            lambda to: self._event(to, Kind.SESSION_END), self.session_data.end_session
        )

    def register_symbol(
        self,
        symbol: str,
        *,
        base_interval: IntervalLike | None = None,
        derived: Iterable[IntervalLike] = (),
    ) -> SymbolSessionData:
        """As ``SessionData.register_symbol``, on disk first."""
        name = normalise_symbol(symbol)
        if isinstance(derived, str):
            text = f"derived is {derived!r}; give a list such as ['5m']"
            raise ArgumentTypeError(text, got=derived)
        base = None if base_interval is None else Interval(base_interval)
        wanted = [Interval(interval) for interval in derived]
        return self._write(
            lambda to: self._event(
                to,
                Kind.REGISTER,
                symbol=self._number(to, name),
                interval=base,
                text=" ".join(map(str, wanted)),
            ),
            lambda: self.session_data.register_symbol(
                name, base_interval=base, derived=wanted
            ),
        )

    def register_symbols(
        self, symbols: Sequence[tuple[str, IntervalLike, Sequence[IntervalLike]]]
    ) -> None:
        """Register many symbols, each with its base and its derived intervals: one wait for the disk, one epoch.

        Raises
        ------
        SeriesConflictError, IntervalError
            As of ``register_symbol``, for the first that is refused; the others are registered.
        """
        wanted = [
            (
                normalise_symbol(name),
                Interval(base),
                [Interval(each) for each in derived],
            )
            for name, base, derived in symbols
        ]
        if not wanted:
            return

        def put(to: Journal) -> int:
            seq = 0
            for name, base, derived in wanted:
                seq = self._event(
                    to,
                    Kind.REGISTER,
                    symbol=self._number(to, name),
                    interval=base,
                    text=" ".join(map(str, derived)),
                )
            return seq

        self._write(put, lambda: self.session_data.register_symbols(wanted))

    def remove_symbol(self, symbol: str) -> None:
        """As ``SessionData.remove_symbol``, on disk first."""
        name = normalise_symbol(symbol)
        self._write(
            lambda to: self._event(to, Kind.REMOVE, symbol=self._number(to, name)),
            lambda: self.session_data.remove_symbol(name),
        )

    def append_status(self, symbol: str | None, status: TradingStatus) -> None:
        """As ``SessionData.append_status``, on disk first."""
        if not isinstance(status, TradingStatus):
            text = f"status is {type(status).__name__}; it must be a TradingStatus"
            raise ArgumentTypeError(text, got=status)
        name = None if symbol is None else normalise_symbol(symbol)
        ts = to_ns(status.timestamp, self.session_data.timezone)
        self._write(
            lambda to: self._event(
                to,
                Kind.STATUS,
                symbol=0 if name is None else self._number(to, name),
                flags=STATES.index(status.state),
                ts=ts,
                text=status.reason,
            ),
            lambda: self.session_data.append_status(name, status),
        )

    def append_connection(self, event: ConnectionEvent) -> None:
        """As ``SessionData.append_connection``, on disk first."""
        if not isinstance(event, ConnectionEvent):
            text = f"event is {type(event).__name__}; it must be a ConnectionEvent"
            raise ArgumentTypeError(text, got=event)
        ts = to_ns(event.timestamp, self.session_data.timezone)
        self._write(
            lambda to: self._event(
                to, Kind.CONNECTION, flags=int(event.is_up), ts=ts, text=event.source
            ),
            lambda: self.session_data.append_connection(event),
        )

    def clear(self, what: str) -> None:
        """Clear the bars of ``"session"`` or ``"history"``, or ``"all"``, as the methods of that name; on disk first."""
        if what not in CLEARED:
            text = f"what is {what!r}; it must be 'session', 'history' or 'all'"
            raise ArgumentError(text, got=what)
        session = self.session_data
        clear = {
            "session": session.clear_session_bars,
            "history": session.clear_historical_bars,
            "all": session.clear_all,
        }[what]
        self._write(
            lambda to: self._event(to, Kind.CLEAR, flags=CLEARED.index(what)), clear
        )
