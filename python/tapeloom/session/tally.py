"""Adds up a run: one report per session, totals per symbol, warnings by kind."""

from __future__ import annotations

from dataclasses import astuple, dataclass, field, fields
from typing import TYPE_CHECKING, Protocol

import numpy as np

from tapeloom.calendars.days import from_day
from tapeloom.ingest import IngestCounts
from tapeloom.session.result import RunWarning, SessionReport
from tapeloom.session.symbol_figures import SymbolFigures, SymbolTotals
from tapeloom.timestamps import from_ns

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from tapeloom._core import Group, SessionTable
    from tapeloom.session.result import SymbolReport
    from tapeloom.session_data import SessionData

__all__ = ["Tally"]

#: Columns of counted bars.
_COUNTED = tuple(field.name for field in fields(IngestCounts))
_NO_COUNTS = np.zeros((0, len(_COUNTED)), np.int64)
_NONE_OUTSIDE = np.zeros(0, np.int64)
#: Kind and text of the warning of those that are told.
_TOLD = {
    "duplicates": ("duplicates", "bars came twice; dropped"),
    "corrections": (
        "corrections",
        "bars came again with other values; the later one is kept (bars.on_duplicate)",
    ),
    "quarantined": (
        "off grid",
        "bars start between two expected starts; kept aside, see get_quarantine()",
    ),
}


class Streamed(Protocol):
    """What streamed in a session, and how much of it."""

    @property
    def instants(self) -> int:
        """Instants."""

    @property
    def derived_bars(self) -> int:
        """Derived bars emitted, replaced ones included."""


@dataclass(slots=True)
class _Warning:
    text: str
    count: int = 0
    symbols: dict[str, None] = field(default_factory=dict)


class Tally:
    """Collects what the run's result shows."""

    def __init__(self, symbols: Iterable[str] = ()) -> None:
        self._totals = SymbolTotals()
        self._totals.add_symbols(symbols)
        # A symbol that left the run keeps its totals.
        self._gone: set[str] = set()
        self._warnings: dict[tuple[str, str], _Warning] = {}
        # A row for each symbol of the session: what was counted before it, as IngestCounts has it, and the bars outside.
        self._rows: dict[str, int] = {}
        self._before = _NO_COUNTS
        self._outside = _NONE_OUTSIDE
        self._is_resuming = False
        self.sessions: list[SessionReport] = []
        self._last: SymbolFigures | None = None
        self._grouped: list[str] = []
        self._group: Group | None = None

    def warn(
        self, kind: str, text: str, *, count: int = 1, symbols: Iterable[str] = ()
    ) -> None:
        """Note a warning; one of the same kind and text is counted, not repeated."""
        if self._is_resuming and kind == "history":
            return
        # Whole from the first: whoever sums up on another thread finds it with its symbols.
        new = _Warning(text, count, dict.fromkeys(symbols))
        known = self._warnings.setdefault((kind, text), new)
        if known is not new:
            known.count += count
            known.symbols.update(new.symbols)

    def add_symbols(self, symbols: Sequence[str]) -> None:
        """Report on more symbols from now on."""
        self._totals.add_symbols(symbols)
        self._gone.difference_update(symbols)

    def remove_symbol(self, symbol: str) -> None:
        """Keep what was counted of a symbol and count no more of it."""
        self._gone.add(symbol)

    def knows(self, symbol: str) -> bool:
        """Return whether a symbol is or was reported on."""
        return symbol in self._totals

    def follows(self, symbol: str) -> bool:
        """Return whether a symbol is counted in the present session."""
        return symbol in self._rows

    def forget_symbol(self, symbol: str) -> None:
        """Drop a symbol of which nothing was counted."""
        self._totals.remove_symbol(symbol)
        self._gone.discard(symbol)

    def start_session(
        self,
        session_data: SessionData,
        outside: Mapping[str, int],
        *,
        before: Mapping[str, IngestCounts] | None = None,
    ) -> None:
        """Remember the counters, so that the session's report shows its own.

        The bars of each symbol that lie ``outside`` the hours are counted here and not in the store: it does not know of
        bars that are still to come. What the session has counted ``before``, in a process that was stopped, is its own too.
        """
        self._rows, self._before, self._outside = {}, _NO_COUNTS, _NONE_OUTSIDE
        self._is_resuming = False
        self.start_symbols(session_data, outside)
        for symbol, counts in ({} if before is None else before).items():
            self._before[self._rows[symbol]] -= np.array(astuple(counts))

    def start_symbols(
        self, session_data: SessionData, outside: Mapping[str, int]
    ) -> None:
        """Do so for some symbols, as for one that joins the session."""
        if not outside:
            return
        counts = self._group_of(session_data, list(outside))._counts()
        first = len(self._before)
        self._rows.update(zip(outside, range(first, first + len(outside)), strict=True))
        self._before = np.concatenate([self._before, counts])
        new = np.fromiter(outside.values(), np.int64, len(outside))
        self._outside = np.concatenate([self._outside, new])

    def _group_of(self, session_data: SessionData, symbols: list[str]) -> Group:
        """Return the group of some symbols: that of the session before, as long as nobody comes or goes."""
        if self._group is None or self._grouped != symbols:
            self._grouped, self._group = symbols, session_data._group_of(symbols)
        return self._group

    def count_outside(self, outside: Mapping[str, int]) -> None:
        """Count bars by symbol that lay outside the hours of the session, where that shows only while they come."""
        for symbol, count in outside.items():
            if symbol in self._rows:
                self._outside[self._rows[symbol]] += count

    def end_session(
        self,
        session_data: SessionData,
        table: SessionTable,
        index: int,
        *,
        is_early_close: bool,
        stream: Streamed,
        load_seconds: float,
        seconds: float,
        analysis_seconds: float,
    ) -> SessionReport:
        """Report the session that has just ended."""
        symbols = [name for name in self._totals.symbols if name not in self._gone]
        group = self._group_of(session_data, symbols)
        found = session_data._wholeness_of(group)
        rows = np.array([self._rows[name] for name in symbols], np.intp)
        columns = [found[name] for name in ("due", "present", "gaps", "longest")]
        figures = SymbolFigures(symbols, np.stack([*columns, self._outside[rows]]))
        self._last = figures
        self._totals.add(figures)
        expected, present, gaps, _, out_of_session = figures.cells.sum(axis=1).tolist()
        bars = group._counts() - self._before[rows]
        self._warn_of(symbols, bars)
        counts = IngestCounts(*bars.sum(axis=0).tolist())
        longest, longest_symbol, longest_run = 0, None, (0, 0)
        if gaps:
            at = found["longest"].argmax()
            longest, longest_symbol = int(found["longest"][at]), symbols[at]
            longest_run = int(found["longest_start"][at]), int(found["longest_end"][at])
        cause, evidence = None, ""
        if longest_symbol is not None:
            # Of the longest gap only: the causes of all take longer to find than the session to play.
            cause, evidence = session_data._cause_of(longest_symbol, *longest_run)
        report = SessionReport(
            session_date=from_day(int(table.dates[index])),
            is_early_close=is_early_close,
            symbols=len(symbols),
            instants=stream.instants,
            bars=counts.accepted + counts.late,
            derived_bars=stream.derived_bars,
            expected=expected,
            present=present,
            missing=expected - present,
            gaps=gaps,
            longest_gap=longest,
            longest_gap_symbol=longest_symbol,
            longest_gap_start=from_ns(longest_run[0], table.zone) if longest else None,
            out_of_session=out_of_session,
            duplicates=counts.duplicates,
            corrections=counts.corrections,
            late=counts.late,
            quarantined=counts.quarantined,
            load_seconds=load_seconds,
            seconds=seconds,
            analysis_seconds=analysis_seconds,
            longest_gap_cause=cause,
            longest_gap_evidence=evidence,
        )
        self.sessions.append(report)
        return report

    def restore(
        self,
        report: SessionReport,
        symbols: Iterable[SymbolReport],
        warnings: Iterable[RunWarning],
    ) -> None:
        """Count a session that an earlier run has done. Its symbols are reported on again once they are added.

        ``warnings`` are those there were at its end. That history begins anew is no news.
        """
        self._is_resuming = True
        self._warnings = {
            (w.kind, w.text): _Warning(w.text, w.count, dict.fromkeys(w.symbols))
            for w in warnings
        }
        self.sessions.append(report)
        found = SymbolFigures.of(symbols)
        self._totals.add_symbols(found.symbols)
        self._totals.add(found)
        self._gone.update(found.symbols)

    def _warn_of(self, symbols: Sequence[str], bars: NDArray[np.int64]) -> None:
        """Warn of the symbols whose bars were not all new and in their places; one row of counts each."""
        told = bars[:, [_COUNTED.index(name) for name in _TOLD]]
        for row in np.flatnonzero(told.any(axis=1)).tolist():
            for name, count in zip(_TOLD, told[row].tolist(), strict=True):
                if count:
                    self.warn(*_TOLD[name], count=count, symbols=[symbols[row]])

    @property
    def last(self) -> tuple[SymbolReport, ...]:
        """What the session that ended last counted of each symbol."""
        return () if self._last is None else self._last.reports()

    @property
    def symbols(self) -> tuple[SymbolReport, ...]:
        """Totals per symbol, in configured order."""
        return self._totals.reports()

    @property
    def warnings(self) -> tuple[RunWarning, ...]:
        """Warnings in the order in which their kinds first came."""
        return tuple(
            RunWarning(kind, entry.text, entry.count, tuple(entry.symbols))
            for (kind, _), entry in tuple(self._warnings.items())
        )
