"""How whole a session is: quality with its counters, and the figures of a session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tapeloom.bars import normalise_symbol
from tapeloom.gap import QualityReport, QualityReports
from tapeloom.session_data.explaining import SessionExplaining
from tapeloom.session_data.gaps import is_longer_than_a_day, require_scope
from tapeloom.timestamps import from_ns

if TYPE_CHECKING:
    from tapeloom.intervals import IntervalLike

__all__ = ["SessionQuality"]


class SessionQuality(SessionExplaining):
    """What a session lacks."""

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
        of its base. Due are the expected bars of regular hours whose end the clock has reached; with
        ``no_trade="expected"`` not those between two bars that nothing recorded speaks for.

        What ``set_quality`` said of the session goes before what is measured; over several sessions it counts for the
        bars due in this one.
        """
        require_scope(scope)
        found = self._resolve(symbol, interval)
        if found is None:
            return None
        name, wanted = found
        assigned = None if scope == "history" else self._set_quality_of(name, wanted)
        if scope == "session" and assigned is not None:
            return assigned
        present, due = 0.0, 0
        if scope != "history" and (self._measures["session"] or assigned is not None):
            here, expected, _ = self._session_presence(name)
            present += here if assigned is None else assigned / 100.0 * expected
            due += expected
        if scope != "session":
            here, expected = self._history_presence(name)
            present += here
            due += expected
        return 100.0 * present / due if due else assigned

    get_quality_metric = get_quality

    def get_quality_report(self, symbol: str) -> QualityReport:
        """Return the quality of a symbol's session with its counters; zeros for a symbol that is not kept."""
        found = self._resolve(symbol, None)
        if found is None:
            return QualityReport(normalise_symbol(symbol), "1m")
        return self._report_of(*found)

    def get_quality_reports(self) -> QualityReports:
        """Return the reports of all symbols, in configured order."""
        series = [(name, self._intervals(name)) for name in self._symbols]
        return QualityReports(
            [self._report_of(name, kept[0]) for name, kept in series if kept]
        )

    def _report_of(self, name: str, interval: str) -> QualityReport:
        present, due, excused = self._session_presence(name)
        measured = 100.0 * present / due if due and self._measures["session"] else None
        assigned = self._set_quality_of(name, interval)
        source = "measured" if self._measures["session"] else "assigned"
        return QualityReport(
            name,
            interval,
            measured if assigned is None else assigned,
            due,
            present,
            due - present,
            *self._session_counts(name),
            source if assigned is None else "set",
            excused,
        )

    def _set_quality_of(self, name: str, interval: str) -> float | None:
        said = self._evidence.quality(name, interval)
        if said is None:
            said = self._evidence.quality(name, self._intervals(name)[0])
        return said

    def _session_presence(self, name: str) -> tuple[int, int, int]:
        """Present, due and excused bars of the session's base series."""
        base = self._intervals(name)[0]
        if not self._excuses or is_longer_than_a_day(base):
            present, due = self._presence(name) or (0, 0)
            return present, due, 0
        found = self._holes(name, base, "session", self._clock)
        excused = sum(int(holes.excused.sum()) for holes in found)
        return sum(h.present for h in found), sum(h.due for h in found), excused

    def _due_runs(self, name: str) -> list[tuple[int, int, int]]:
        """Start, end and number of the runs of the session's base bars that were due and did not come."""
        base = self._intervals(name)[0]
        if not self._excuses or is_longer_than_a_day(base):
            return self._missing(name)
        return [
            (run.start, run.end, len(run))
            for holes in self._holes(name, base, "session", self._clock)
            for run in holes.runs()
            if not run.is_excused
        ]

    def _history_presence(self, name: str) -> tuple[int, int]:
        """Present and due bars of the history's base series."""
        base = self._intervals(name)[0]
        if not self._excuses or is_longer_than_a_day(base):
            present, due, _ = self._history(name)
        else:
            found = self._holes(name, base, "history", self._clock)
            present = sum(holes.present for holes in found)
            due = sum(holes.due for holes in found)
        # History that is not measured counts as whole.
        return (present if self._measures["history"] else due), due
