"""What is missing of the series of a session and its history, and what is known beside it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

import numpy as np

from tapeloom._core import Interval
from tapeloom.errors import UnknownSymbolError
from tapeloom.gap.causes import Known, is_against_expected
from tapeloom.gap.grid import expected_bars
from tapeloom.gap.holes import Holes
from tapeloom.gap.times import Times
from tapeloom.session_data.evidence import has_trading
from tapeloom.session_data.membership import SessionMembership

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tapeloom._core import Bars
    from tapeloom.intervals import IntervalLike

__all__ = ["Counted", "Series", "SessionHoles", "is_longer_than_a_day"]

# So many symbols without a bar are no coincidence.
_FEWEST_SYMBOLS = 3

#: How many symbols lack the bars of base interval, session, start and end.
Counted: TypeAlias = dict[tuple[str, int, int, int], int]


class Series(NamedTuple):
    """A series and the base it comes from, found once: another thread may remove the symbol at any time."""

    symbol: str
    interval: str
    base: str

    @property
    def of_base(self) -> Series:
        """The base series of the symbol."""
        return self._replace(interval=self.base)


class _NewestTicks(Protocol):
    def tick_times(self, name: str, until: int) -> NDArray[np.int64]: ...

    def ticks_since(self, name: str, until: int) -> int | None: ...


class SessionHoles(SessionMembership):
    """What finds the bars that are missing."""

    def _series(self, symbol: object, interval: IntervalLike | None) -> Series | None:
        """The series that is asked for, ``None`` where nobody keeps it."""
        found = self._resolve(symbol, interval)
        kept = [] if found is None else self._intervals(found[0])
        return Series(*found, kept[0]) if found is not None and kept else None

    def _series_of(
        self, symbol: str | None, interval: IntervalLike | None
    ) -> list[Series]:
        """One series, or that of each symbol that keeps it, in configured order."""
        if symbol is not None:
            found = self._series(symbol, interval)
            return [] if found is None else [found]
        wanted = None if interval is None else str(Interval(interval))
        each = [(name, self._intervals(name)) for name in self._symbols]
        return [
            Series(name, wanted or kept[0], kept[0])
            for name, kept in each
            if kept and (wanted is None or wanted in kept)
        ]

    @property
    def _excuses(self) -> bool:
        """Whether bars without a trade are expected not to come."""
        return self.policies.get("no_trade", "gap") == "expected"

    def _current_session(self) -> int | None:
        """Position of the current session in the table, ``None`` on a date without one."""
        day, _ = self._session
        return None if day is None else self.session_table.index_of(day)

    def _sessions_of(self, series: Series, scope: str) -> list[int]:
        """Positions of the sessions in scope that have a grid of this interval."""
        if self._calendar is None or is_longer_than_a_day(series.interval):
            return []
        sessions = (
            [] if scope == "session" else list(self._history_sessions(series.symbol))
        )
        current = self._current_session()
        if scope != "history" and current is not None:
            sessions.append(current)
        return [at for at in sessions if self._is_listed(series.symbol, at)]

    def _expected(
        self, series: Series, session: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Starts and ends of the bars that a series should have in one session."""
        anchor = self.policies["anchor"]
        return expected_bars(
            self.session_table,
            session,
            series.interval,
            base=series.base,
            anchor=anchor,
        )

    def _holes_in(self, series: Series, session: int, clock: int | None) -> Holes:
        """What is missing of one session: all that did not come of a past one, what is due of the current one."""
        stamps = self._bars_in(series.symbol, series.interval, session).ts
        is_current = session == self._current_session()
        until = (0 if clock is None else clock) if is_current else None
        holes = Holes.find(session, self._expected(series, session), stamps, until)
        if not self._excuses or not holes.missing.any():
            return holes
        if series.interval != series.base:
            base = self._holes_in(series.of_base, session, clock)
            return replace(holes, excused=holes.excused_as(base))
        known = self._known(series, session, clock)
        against = is_against_expected(holes.starts, holes.ends, known)
        return replace(holes, excused=holes.between_bars() & ~against)

    def _bars_in(self, name: str, interval: str, session: int) -> Bars:
        """The bars of one session that are kept."""
        scope = "session" if session == self._current_session() else "history"
        return self._part_in(self._kept_bars(name, interval, scope), session)

    def _kept_bars(self, name: str, interval: str, scope: str) -> Bars:
        """The bars of a series; no warning where another thread removed it, which is no mistake of the reader's."""
        (found,) = self._group_of([name], interval)._bars(scope)
        if found is None:
            raise UnknownSymbolError(f"symbol {name} was removed", symbol=name)
        return found

    def _part_in(self, bars: Bars, session: int) -> Bars:
        table = self.session_table
        span = int(table.span_starts[session]), int(table.span_ends[session])
        return bars.between(*span)

    def _known(
        self,
        series: Series,
        session: int,
        clock: int | None,
        counted: Counted | None = None,
    ) -> Known:
        """What is known at the clock of one symbol's session."""
        table, name, base = self.session_table, series.symbol, series.base
        now = 0 if clock is None else clock
        ticks, since = self._ticks(name, now)
        close = int(table.closes[session])
        is_current = session == self._current_session()
        return Known(
            times=self._times(),
            closures=self._evidence.spans(name, "closed", now),
            halts=self._evidence.spans(name, "halted", now),
            outages=self._evidence.outages(now),
            causes=self._evidence.known_causes(name),
            asked=self._evidence.asked(name, now),
            ticks=ticks,
            ticks_since=since,
            bars=self._bars_in(name, base, session),
            bar_end=partial(table.bar_end, interval=base),
            is_over=not is_current or now >= close or self._session[1],
            close=close,
            has_trading=self._has_trading,
            symbols_without=partial(
                self._symbols_without, base, session, {} if counted is None else counted
            ),
        )

    def _times(self) -> Times:
        current = None if self._calendar is None else self._current_session()
        if current is None:
            return Times(self.timezone, 0, -1)
        table = self.session_table
        start, end = int(table.span_starts[current]), int(table.span_ends[current])
        return Times(self.timezone, start, end)

    def _ticks(self, name: str, clock: int) -> tuple[NDArray[np.int64], int | None]:
        newest: _NewestTicks | None = getattr(self, "_newest", None)
        if newest is None:
            return np.empty(0, dtype=np.int64), None
        return newest.tick_times(name, clock), newest.ticks_since(name, clock)

    def _has_trading(
        self, starts: NDArray[np.int64], ends: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        manager = self._time_manager
        table = self.session_table if manager is None else manager.session_table
        return has_trading(table, starts, ends)

    def _symbols_without(
        self, base: str, session: int, counted: Counted, start: int, end: int
    ) -> int:
        """How many symbols of a base interval lack all base bars of ``[start, end)``; 0 if one has a bar, or for a few."""
        key = (base, session, start, end)
        if key not in counted:
            number = self._count_without(base, session, start, end)
            counted[key] = number if number >= _FEWEST_SYMBOLS else 0
        return counted[key]

    def _count_without(self, base: str, session: int, start: int, end: int) -> int:
        scope = "session" if session == self._current_session() else "history"
        number = 0
        for name in self._symbols:
            if self._intervals(name)[:1] != [base]:
                continue
            (bars,) = self._group_of([name], base)._bars(scope)
            # Without a bar of that session a symbol says nothing: perhaps nobody asked for it.
            if bars is None or not len(self._part_in(bars, session)):
                continue
            if len(bars.between(start, end)):
                return 0
            number += 1
        return number


def is_longer_than_a_day(interval: str) -> bool:
    """Return whether bars of an interval span several sessions, so that no grid of one session holds them."""
    return Interval(interval) > Interval("1d")
