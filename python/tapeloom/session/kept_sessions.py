"""What a run keeps in its folder of each session it has done; and what it takes over from an earlier run that began it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tapeloom.session.result_folder import SymbolsOfRun, sessions_kept

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tapeloom._core import SessionTable
    from tapeloom.config.stream_plan import StreamPlan
    from tapeloom.session.result import SessionReport
    from tapeloom.session.result_folder import ResultFolder
    from tapeloom.session.tally import Tally
    from tapeloom.session_data import SessionData

__all__ = ["KeptSessions"]


class KeptSessions:
    """The sessions that a run has done.

    Parameters
    ----------
    folder
        Where they are kept; ``None`` keeps none.
    session_data
        Has the recorded rows.
    tally
        Has the reports.
    """

    def __init__(
        self, folder: ResultFolder | None, session_data: SessionData, tally: Tally
    ) -> None:
        self._folder = folder
        self._session_data = session_data
        self._tally = tally
        self._recorded = 0
        #: The symbols that came and went during the run.
        self.symbols = SymbolsOfRun()

    def restore(
        self, table: SessionTable, sessions: Sequence[int], plan: StreamPlan
    ) -> int:
        """Take over the sessions that an earlier run has done; return how many."""
        if self._folder is None:
            return 0
        done = self._folder.done(table, sessions)
        count = sessions_kept(done, table, sessions, plan)
        records = self._session_data.records
        for session in done[:count]:
            self._tally.restore(session.report, session.symbols, session.warnings)
            self.symbols = session.changed
            for ts, symbol, values in session.rows:
                records.add(ts, symbol, **values)
        self._recorded = len(records)
        return count

    def keep(self, report: SessionReport) -> None:
        """Keep a session that has ended."""
        if self._folder is None:
            return
        records = self._session_data.records
        self._folder.put(
            report,
            self._tally.last,
            records.since(self._recorded),
            self.symbols,
            self._tally.warnings,
        )
        self._recorded = len(records)
