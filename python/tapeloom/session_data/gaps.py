"""Which bars of a session and its history are missing, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tapeloom.errors import ArgumentError, UnknownSymbolError
from tapeloom.gap.causes import cause_of, is_known_empty, shared_cause
from tapeloom.gap.filling import FillRecord, progress_of
from tapeloom.gap.gaps import Gap, Gaps, GapSummary
from tapeloom.session_data.holes import SessionHoles
from tapeloom.timestamps import from_ns

if TYPE_CHECKING:
    from tapeloom.intervals import IntervalLike
    from tapeloom.session_data.holes import Counted, Series

__all__ = ["SessionGaps", "require_scope"]


class SessionGaps(SessionHoles):
    """What finds gaps and their causes, and knows how far filling them has come."""

    def _begin(self) -> None:
        super()._begin()
        self._fills = FillRecord()
        self._parts.append(self._fills)

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

        A derived series has a gap where it yielded no bar, with the cause that the missing base bars in it share. For
        intervals of several days none is listed, those of the base say what is missing.

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
        gaps: list[Gap] = []
        # A hole of all symbols is counted once, not once for each of them.
        counted: Counted = {}
        for series in self._series_of(symbol, interval):
            gaps += self._gaps_of(series, scope, counted)
        return Gaps(gaps, zone=self.timezone)

    def get_gap_summary(
        self,
        symbol: str,
        interval: IntervalLike | None = None,
        *,
        scope: str = "session",
    ) -> GapSummary:
        """Return how many gaps ``get_gaps`` lists and how large they are; zeros without one."""
        return GapSummary.of(self.get_gaps(symbol, interval, scope=scope))

    def _gaps_of(self, series: Series, scope: str, counted: Counted) -> list[Gap]:
        clock = self._clock
        gaps: list[Gap] = []
        try:
            for session in self._sessions_of(series, scope):
                gaps += self._gaps_in(series, session, clock, counted)
        except UnknownSymbolError:
            # Another thread removed it.
            return []
        return gaps

    def _gaps_in(
        self, series: Series, session: int, clock: int | None, counted: Counted
    ) -> list[Gap]:
        holes = self._holes_in(series, session, clock)
        runs = holes.runs()
        if not runs:
            return []
        known = self._known(series, session, clock, counted)
        base = holes
        if series.interval != series.base:
            base = self._holes_in(series.of_base, session, clock)
        fillings = self._fills.of(series.symbol)
        gaps: list[Gap] = []
        for run in runs:
            if base is holes:
                cause, evidence = cause_of(run, known)
            else:
                cause, evidence = shared_cause(base.within(run.start, run.end), known)
            start, end = (from_ns(ns, self.timezone) for ns in (run.start, run.end))
            status, attempts, last = progress_of(fillings, run.start, run.end)
            tried = None if last is None else from_ns(last, self.timezone)
            gaps.append(
                Gap(
                    series.symbol,
                    series.interval,
                    start,
                    end,
                    len(run),
                    cause,
                    evidence,
                    status,
                    attempts,
                    tried,
                )
            )
        return gaps

    def _cause_of(self, name: str, start: int, end: int) -> tuple[str | None, str]:
        """Why the base bars of one gap of the session, ``[start, end)`` (ns UTC), are missing, and the evidence.

        As ``get_gaps`` has it, at the cost of one gap; ``None`` where there is none.
        """
        series, session = self._series(name, None), self._current_session()
        if series is None or session is None:
            return None, ""
        runs = self._holes_in(series.of_base, session, self._clock).within(start, end)
        if not runs:
            return None, ""
        known = self._known(series.of_base, session, self._clock)
        cause, evidence = shared_cause(runs, known)
        return str(cause), evidence

    def _known_empty(self, name: str, spans: list[tuple[int, int]]) -> list[bool]:
        """Where nothing can have traded among missing base bars of the session, by what is recorded of the symbol."""
        series, session = self._series(name, None), self._current_session()
        clock = self._clock
        now = 0 if clock is None else clock
        if series is None or session is None or not self._is_on_record(name, now):
            return [False] * len(spans)
        holes = self._holes_in(series.of_base, session, clock)
        known = self._known(series.of_base, session, clock)
        return [
            all(is_known_empty(run, known) for run in holes.within(start, end))
            for start, end in spans
        ]

    def _is_on_record(self, name: str, clock: int) -> bool:
        """Whether there is anything on record by which bars of a symbol can be missing rightly."""
        manager, evidence = self._time_manager, self._evidence
        return bool(
            evidence.known_causes(name)
            or self._ticks(name, clock)[1] is not None
            or (manager and manager.session_table is not self.session_table)
        )


def require_scope(scope: object) -> None:
    """Raise ``ArgumentError`` unless a scope is one."""
    if scope not in ("session", "history", "all"):
        text = f"scope is {scope!r}; it must be 'session', 'history' or 'all'"
        raise ArgumentError(text, got=scope)
