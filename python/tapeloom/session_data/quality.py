"""How whole a session is: quality with its counters, and the figures of a session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from tapeloom.bars import normalise_symbol
from tapeloom.errors import UnknownSymbolError
from tapeloom.gap import QualityReport, QualityReports
from tapeloom.session_data.explaining import SessionExplaining
from tapeloom.session_data.gaps import require_scope
from tapeloom.session_data.holes import Series, is_longer_than_a_day
from tapeloom.timestamps import from_ns

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tapeloom._core import Group
    from tapeloom.intervals import IntervalLike

__all__ = ["SessionQuality"]

# Columns of the wholeness of many symbols.
_WHOLENESS = ("present", "due", "gaps", "longest", "longest_start", "longest_end")

# Present, due and excused.
_Presence: TypeAlias = tuple[int, int, int]


class _Presences(dict[str, tuple[object, "NDArray[np.int64]", _Presence]]):
    """By symbol: what an answer depended on, the ticks beside it, and the answer."""

    def start_session(self) -> None:
        self.clear()

    def remove(self, symbol: str) -> None:
        self.pop(symbol, None)


class _MadeHistory(dict[tuple[str, str], tuple[int, int]]):
    """Present and due bars behind history that was made from finer bars, by symbol and interval; kept over sessions."""

    def start_session(self) -> None:
        pass

    def remove(self, symbol: str) -> None:
        for key in [key for key in self if key[0] == symbol]:
            self.pop(key, None)


class SessionQuality(SessionExplaining):
    """What a session lacks."""

    def _begin(self) -> None:
        super()._begin()
        self._made_history = _MadeHistory()
        self._parts.append(self._made_history)
        self._presences = _Presences()
        self._parts.append(self._presences)

    def get_session_metrics(self, symbol: str) -> dict[str, Any]:
        """Return figures of the current session over the base bars of regular hours.

        Returns
        -------
        dict
            ``symbol, session_volume, session_high, session_low, vwap, last_update, bar_quality, bar_count``;
            ``last_update`` is the start of the newest bar, aware. Empty for a symbol that is not kept; without a bar
            the figures are ``None`` and the volume 0.0.
        """
        series = self._series(symbol, None)
        if series is None:
            return {}
        quality = self._quality_of(series, "session")
        try:
            # After the quality, which is None for a symbol that is removed meanwhile.
            metrics = self._metrics(series.symbol)
        except UnknownSymbolError:
            return {}
        nothing = (0.0, None, None, None, 0, None)
        volume, high, low, vwap, count, last = metrics or nothing
        return {
            "symbol": series.symbol,
            "session_volume": volume,
            "session_high": high,
            "session_low": low,
            "vwap": vwap,
            "last_update": None if last is None else from_ns(last, self.timezone),
            "bar_quality": quality,
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
        of its base. Due are the expected bars of regular hours whose end the clock has reached; with
        ``no_trade="expected"`` not those between two bars that nothing recorded speaks for.

        History that is not measured has 100, whatever of it is loaded.

        What ``set_quality`` said of the session goes before what is measured; over several sessions it counts for the
        bars due in this one.
        """
        require_scope(scope)
        series = self._series(symbol, interval)
        return None if series is None else self._quality_of(series, scope)

    get_quality_metric = get_quality

    def get_quality_report(self, symbol: str) -> QualityReport:
        """Return the quality of a symbol's session with its counters; zeros for a symbol that is not kept."""
        series = self._series(symbol, None)
        found = None if series is None else self._report_of(series)
        return found or QualityReport(normalise_symbol(symbol), "1m")

    def get_quality_reports(self) -> QualityReports:
        """Return the reports of all symbols, in configured order."""
        found = [self._report_of(series) for series in self._series_of(None, None)]
        return QualityReports([report for report in found if report is not None])

    def _report_of(self, series: Series) -> QualityReport | None:
        name, interval, base = series
        try:
            present, due, excused = self._presence_of(name, base)
            counts = self._session_counts(name)
        except UnknownSymbolError:
            # Another thread removed it.
            return None
        measured = 100.0 * present / due if due and self._measures["session"] else None
        assigned = self._set_quality_of(series)
        source = "measured" if self._measures["session"] else "assigned"
        return QualityReport(
            name,
            interval,
            measured if assigned is None else assigned,
            due,
            present,
            due - present,
            *counts,
            source if assigned is None else "set",
            excused,
        )

    def _quality_of(self, series: Series, scope: str) -> float | None:
        name, _, base = series
        if scope == "history" and not self._measures["history"]:
            return 100.0
        assigned = None if scope == "history" else self._set_quality_of(series)
        if scope == "session" and assigned is not None:
            return assigned
        present, due = 0.0, 0
        try:
            if scope != "history" and (
                self._measures["session"] or assigned is not None
            ):
                here, expected, _ = self._presence_of(name, base)
                present += here if assigned is None else assigned / 100.0 * expected
                due += expected
            if scope != "session":
                here, expected = self._history_presence(series)
                present += here
                due += expected
        except UnknownSymbolError:
            # Another thread removed it.
            return None
        return 100.0 * present / due if due else assigned

    def _set_quality_of(self, series: Series) -> float | None:
        said = self._evidence.quality(series.symbol, series.interval)
        if said is None:
            said = self._evidence.quality(series.symbol, series.base)
        return said

    def _session_presence(self, name: str) -> _Presence:
        """Present, due and excused bars of the session's base series; zeros for a symbol that is not kept."""
        kept = self._intervals(name)
        return self._presence_of(name, kept[0]) if kept else (0, 0, 0)

    def _is_counted_here(self, name: str, base: str) -> bool:
        """Whether the core, which knows neither excuses nor memberships, cannot count what is due."""
        special = self._excuses or name in self._memberships
        return special and not is_longer_than_a_day(base)

    def _presence_of(self, name: str, base: str) -> _Presence:
        if not self._is_counted_here(name, base):
            present, due = self._presence(name) or (0, 0)
            return present, due, 0
        clock = self._clock
        # What the answer depends on, read before it: what comes meanwhile makes the next one anew.
        ticks, since = self._ticks(name, 0 if clock is None else clock)
        depends = (
            self.epoch,
            self._session,
            clock,
            self._evidence.number,
            since,
            self._memberships.get(name),
        )
        before = self._presences.get(name)
        if before and before[0] == depends and np.array_equal(before[1], ticks):
            return before[2]
        found = self._excused_presence(Series(name, base, base), "session", clock)
        self._presences[name] = depends, ticks, found
        return found

    def _excused_presence(
        self, series: Series, scope: str, clock: int | None
    ) -> _Presence:
        """Present, due and excused bars where bars without a trade are not due."""
        sessions = self._sessions_of(series, scope)
        found = [self._holes_in(series, session, clock) for session in sessions]
        excused = sum(int(holes.excused.sum()) for holes in found)
        return sum(h.present for h in found), sum(h.due for h in found), excused

    def _due_runs(self, name: str) -> list[tuple[int, int, int]]:
        """Start, end and number of the runs of the session's base bars that were due and did not come."""
        kept = self._intervals(name)
        if not kept:
            return []
        series = Series(name, kept[0], kept[0])
        if not self._is_counted_here(name, series.base):
            return self._missing(name)
        clock = self._clock
        return [
            (run.start, run.end, len(run))
            for session in self._sessions_of(series, "session")
            for run in self._holes_in(series, session, clock).runs()
            if not run.is_excused
        ]

    def _wholeness_of(self, group: Group) -> dict[str, NDArray[np.int64]]:
        """What is due of each symbol's session and what came, with its gaps, as ``Group._wholeness`` counts it or better."""
        found = group._wholeness()
        if not self._excuses and not self._memberships:
            return found
        for at, name in enumerate(group.symbols):
            kept = self._intervals(name)
            if not kept or not self._is_counted_here(name, kept[0]):
                continue
            present, due, _ = self._presence_of(name, kept[0])
            runs = self._due_runs(name) if present < due else []
            start, end, bars = max(runs, key=lambda run: run[2], default=(0, 0, 0))
            figures = (present, due, len(runs), bars, start, end)
            for column, figure in zip(_WHOLENESS, figures, strict=True):
                found[column][at] = figure
        return found

    def _set_history_presence(
        self, name: str, interval: str, presence: tuple[int, int] | None
    ) -> None:
        """Say what is present and due behind the history of an interval whose base bars are not kept."""
        if presence is None:
            self._made_history.pop((name, interval), None)
        else:
            self._made_history[name, interval] = presence

    def _history_presence(self, series: Series) -> tuple[int, int]:
        """Present and due bars of the history's base series, or of what its bars were made from."""
        name, interval, base = series
        made = self._made_history.get((name, interval))
        if made is not None:
            present, due = made
        elif not self._is_counted_here(name, base):
            present, due, _ = self._history(name)
        else:
            present, due, _ = self._excused_presence(
                series.of_base, "history", self._clock
            )
        # History that is not measured counts as whole.
        return (present if self._measures["history"] else due), due
