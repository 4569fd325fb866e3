"""Which bars of a session and its history are missing, and why."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np

from tapeloom._core import Interval
from tapeloom.errors import ArgumentError
from tapeloom.gap.causes import Known, cause_of, is_against_expected
from tapeloom.gap.gaps import Gap, Gaps, GapSummary
from tapeloom.gap.holes import Holes
from tapeloom.gap.times import Times
from tapeloom.session_data.evidence import SessionEvidence, has_trading
from tapeloom.timestamps import from_ns

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tapeloom._core import Bars
    from tapeloom.intervals import IntervalLike

__all__ = ["SessionGaps", "is_longer_than_a_day", "require_scope"]

# So many symbols without a bar are no coincidence.
_FEWEST_SYMBOLS = 3


# How many symbols lack the bars of base interval, session, start and end.
_Counted: TypeAlias = dict[tuple[str, int, int, int], int]


class _NewestTicks(Protocol):
    def tick_times(self, name: str) -> NDArray[np.int64]: ...

    def ticks_since(self, name: str) -> int | None: ...


class SessionGaps(SessionEvidence):
    """What finds gaps and their causes."""

    def get_gaps(
        self,
        symbol: str | None = None,
        interval: IntervalLike | None = None,
        *,
        scope: str = "session",
    ) -> Gaps:
        """Return the runs of due bars that did not come, oldest first, with their causes.

        A gap is one run however its causes change from bar to bar: it has the first cause of ``Cause`` whose evidence
        covers all its bars, as far as that is known at the clock. With ``no_trade="expected"`` bars that are not due are
        listed as gaps of their own, with the cause ``no_trade``.

        A derived series has a gap where it yielded no bar; for intervals of several days none is listed, those of the base
        say what is missing.

        Parameters
        ----------
        symbol
            ``None`` means all symbols, in configured order.
        interval
            Interval of the series, the base if not given. Of all symbols, those that keep it.
        scope
            ``"session"``, ``"history"`` or ``"all"``.
        """
        require_scope(scope)
        if symbol is not None:
            found = self._resolve(symbol, interval)
            return Gaps([] if found is None else self._gaps_of(*found, scope, {}))
        wanted = None if interval is None else str(Interval(interval))
        gaps: list[Gap] = []
        # A hole of all symbols is counted once, not once for each of them.
        counted: _Counted = {}
        for name in self._symbols:
            kept = self._intervals(name)
            if kept and (wanted is None or wanted in kept):
                gaps += self._gaps_of(name, wanted or kept[0], scope, counted)
        return Gaps(gaps)

    def get_gap_summary(
        self,
        symbol: str,
        interval: IntervalLike | None = None,
        *,
        scope: str = "session",
    ) -> GapSummary:
        """Return how many gaps ``get_gaps`` lists and how large they are; zeros without one."""
        return GapSummary.of(self.get_gaps(symbol, interval, scope=scope))

    def _gaps_of(
        self, name: str, interval: str, scope: str, counted: _Counted
    ) -> list[Gap]:
        clock = self._clock
        gaps: list[Gap] = []
        for holes in self._holes(name, interval, scope, clock):
            runs = holes.runs()
            if not runs:
                continue
            known = self._known(name, holes.session, clock, counted)
            for run in runs:
                cause, evidence = cause_of(run, known)
                start, end = (from_ns(ns, self.timezone) for ns in (run.start, run.end))
                gaps.append(Gap(name, interval, start, end, len(run), cause, evidence))
        return gaps

    @property
    def _excuses(self) -> bool:
        """Whether bars without a trade are expected not to come."""
        return self.policies.get("no_trade", "gap") == "expected"

    def _current_session(self) -> int | None:
        """Position of the current session in the table, ``None`` on a date without one."""
        day, _ = self._session
        return None if day is None else self.session_table.index_of(day)

    def _holes(
        self, name: str, interval: str, scope: str, clock: int | None
    ) -> list[Holes]:
        """What is missing of each session in scope, as of a clock that was read before."""
        if self._calendar is None or is_longer_than_a_day(interval):
            return []
        sessions = [] if scope == "session" else list(self._history_sessions(name))
        current = self._current_session()
        if scope != "history" and current is not None:
            sessions.append(current)
        return [self._holes_in(name, interval, at, clock) for at in sessions]

    def _holes_in(
        self, name: str, interval: str, session: int, clock: int | None
    ) -> Holes:
        """What is missing of one session: all that did not come of a past one, what is due of the current one."""
        stamps = self._bars_in(name, interval, session).ts
        is_current = session == self._current_session()
        until = (0 if clock is None else clock) if is_current else None
        holes = Holes.find(self.session_table, session, interval, stamps, until)
        return self._with_excuses(holes, name, clock)

    def _bars_in(self, name: str, interval: str, session: int) -> Bars:
        """The bars of one session that are kept."""
        if session == self._current_session():
            return self.get_bars(name, interval)
        table = self.session_table
        start, end = int(table.span_starts[session]), int(table.span_ends[session])
        return self.get_bars(name, interval, start=start, end=end, scope="history")

    def _with_excuses(self, holes: Holes, name: str, clock: int | None) -> Holes:
        """The same with the bars that are not due because nobody traded."""
        if not self._excuses or not holes.missing.any():
            return holes
        known = self._known(name, holes.session, clock)
        against = is_against_expected(holes.starts, holes.ends, known)
        return replace(holes, excused=holes.between_bars() & ~against)

    def _known(
        self,
        name: str,
        session: int,
        clock: int | None,
        counted: _Counted | None = None,
    ) -> Known:
        """What is known at the clock of one symbol's session."""
        table = self.session_table
        now = 0 if clock is None else clock
        ticks, since = self._ticks(name, now)
        return Known(
            times=self._times(),
            closures=self._evidence.spans(name, "closed", now),
            halts=self._evidence.spans(name, "halted", now),
            outages=self._evidence.outages(now),
            causes=self._evidence.known_causes(name),
            ticks=ticks,
            ticks_since=since,
            tail=self._tail(name, session, now),
            close=int(table.closes[session]),
            has_trading=self._has_trading,
            symbols_without=partial(
                self._symbols_without,
                self._intervals(name)[0],
                session,
                {} if counted is None else counted,
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
        ticks = newest.tick_times(name)
        return ticks[: ticks.searchsorted(clock, side="right")], newest.ticks_since(
            name
        )

    def _tail(self, name: str, session: int, clock: int) -> int | None:
        """Where the base bars of a session that is over end; ``None`` while it is not, and without a bar."""
        table = self.session_table
        is_current = session == self._current_session()
        if is_current and clock < int(table.closes[session]) and not self._session[1]:
            return None
        base = self._intervals(name)[0]
        stamps = self._bars_in(name, base, session).ts
        if not len(stamps):
            return None
        return table.bar_end(int(stamps[-1]), base)

    def _has_trading(self, start: int, end: int) -> bool:
        manager = self._time_manager
        table = self.session_table if manager is None else manager.session_table
        return has_trading(table, start, end)

    def _symbols_without(
        self, base: str, session: int, counted: _Counted, start: int, end: int
    ) -> int:
        """How many symbols of a base interval lack all base bars of ``[start, end)``; 0 if one has a bar, or for a few."""
        key = (base, session, start, end)
        if key not in counted:
            number = self._count_without(base, session, start, end)
            counted[key] = number if number >= _FEWEST_SYMBOLS else 0
        return counted[key]

    def _count_without(self, base: str, session: int, start: int, end: int) -> int:
        is_current = session == self._current_session()
        scope = "session" if is_current else "history"
        number = 0
        for name in self._symbols:
            if self._intervals(name)[:1] != [base]:
                continue
            if not is_current and session not in self._history_sessions(name):
                # Its history does not reach this session, so it says nothing.
                continue
            if len(self.get_bars(name, start=start, end=end, scope=scope)):
                return 0
            number += 1
        return number


def require_scope(scope: object) -> None:
    """Raise ``ArgumentError`` unless a scope is one."""
    if scope not in ("session", "history", "all"):
        text = f"scope is {scope!r}; it must be 'session', 'history' or 'all'"
        raise ArgumentError(text, got=scope)


def is_longer_than_a_day(interval: str) -> bool:
    """Return whether bars of an interval span several sessions, so that no grid of one session holds them."""
    return Interval(interval) > Interval("1d")
