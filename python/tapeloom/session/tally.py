"""Adds up a run: one report per session, totals per symbol, warnings by kind."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from tapeloom.calendars.days import from_day
from tapeloom.ingest import IngestCounts
from tapeloom.session.result import RunWarning, SessionReport, SymbolReport
from tapeloom.timestamps import from_ns

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tapeloom._core import SessionTable
    from tapeloom.session.queues import SessionQueue
    from tapeloom.session_data import SessionData

__all__ = ["Tally"]


class Streamed(Protocol):
    """What streamed in a session, and how much of it."""

    @property
    def instants(self) -> int:
        """Instants."""

    @property
    def derived_bars(self) -> int:
        """Derived bars emitted, replaced ones included."""


@dataclass(slots=True)
class _SymbolTotal:
    expected: int = 0
    present: int = 0
    gaps: int = 0
    longest: int = 0
    out_of_session: int = 0

    def add(self, session: SymbolReport) -> None:
        self.expected += session.expected
        self.present += session.present
        self.gaps += session.gaps
        self.longest = max(self.longest, session.longest_gap)
        self.out_of_session += session.out_of_session


@dataclass(slots=True)
class _Warning:
    text: str
    count: int = 0
    symbols: dict[str, None] = field(default_factory=dict)


class Tally:
    """Collects what the run's result shows."""

    def __init__(self, symbols: Iterable[str] = ()) -> None:
        self._totals = {symbol: _SymbolTotal() for symbol in symbols}
        # A symbol that left the run keeps its totals.
        self._gone: set[str] = set()
        self._warnings: dict[tuple[str, str], _Warning] = {}
        self._counts: dict[str, IngestCounts] = {}
        self._outside: dict[str, int] = {}
        self._is_resuming = False
        self.sessions: list[SessionReport] = []
        #: What the session that ended last counted of each symbol.
        self.last: tuple[SymbolReport, ...] = ()

    def warn(
        self, kind: str, text: str, *, count: int = 1, symbols: Iterable[str] = ()
    ) -> None:
        """Note a warning; one of the same kind and text is counted, not repeated."""
        if self._is_resuming and kind == "history":
            return
        entry = self._warnings.setdefault((kind, text), _Warning(text))
        entry.count += count
        entry.symbols.update(dict.fromkeys(symbols))

    def add_symbol(self, symbol: str) -> None:
        """Report on one more symbol from now on."""
        self._totals.setdefault(symbol, _SymbolTotal())
        self._gone.discard(symbol)

    def remove_symbol(self, symbol: str) -> None:
        """Keep what was counted of a symbol and count no more of it."""
        self._gone.add(symbol)

    def knows(self, symbol: str) -> bool:
        """Return whether a symbol is or was reported on."""
        return symbol in self._totals

    def follows(self, symbol: str) -> bool:
        """Return whether a symbol is counted in the present session."""
        return symbol in self._counts

    def forget_symbol(self, symbol: str) -> None:
        """Drop a symbol of which nothing was counted."""
        self._totals.pop(symbol, None)
        self._gone.discard(symbol)

    def start_session(
        self,
        session_data: SessionData,
        queues: Iterable[SessionQueue],
        *,
        before: Mapping[str, IngestCounts] | None = None,
    ) -> None:
        """Remember the counters, so that the session's report shows its own.

        Bars out of hours are counted here and not in the store: it does not know of bars that are still to come. What the
        session has counted ``before``, in a process that was stopped, is its own too.
        """
        self._outside, self._counts = {}, {}
        self._is_resuming = False
        self.start_symbols(session_data, queues)
        for symbol, counts in ({} if before is None else before).items():
            self._counts[symbol] -= counts

    def start_symbols(
        self, session_data: SessionData, queues: Iterable[SessionQueue]
    ) -> None:
        """Do so for some symbols, as for one that joins the session."""
        for queue in queues:
            self._outside[queue.symbol] = queue.out_of_session
            self._counts[queue.symbol] = session_data._counts_of(queue.symbol)

    def count_outside(self, outside: Mapping[str, int]) -> None:
        """Count bars by symbol that lay outside the hours of the session, where that shows only while they come."""
        for symbol, count in outside.items():
            self._outside[symbol] = self._outside.get(symbol, 0) + count

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
        expected = present = gaps = longest = out_of_session = 0
        longest_symbol, longest_run = None, (0, 0)
        counts = IngestCounts()
        last: list[SymbolReport] = []
        symbols = [symbol for symbol in self._totals if symbol not in self._gone]
        for symbol in symbols:
            total = self._totals[symbol]
            here, due, _ = session_data._session_presence(symbol)
            runs = session_data._due_runs(symbol) if here < due else []
            outside = self._outside[symbol]
            bars = session_data._counts_of(symbol) - self._counts[symbol]
            counts += bars
            alone = max((n for _, _, n in runs), default=0)
            last.append(
                SymbolReport(symbol, due, here, due - here, len(runs), alone, outside)
            )
            total.add(last[-1])
            expected, present, gaps = expected + due, present + here, gaps + len(runs)
            out_of_session += outside
            for start, end, missing in runs:
                if missing > longest:
                    longest, longest_symbol, longest_run = missing, symbol, (start, end)
            self._warn_of(symbol, bars)
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
        self.last = tuple(last)
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
        for symbol in symbols:
            self._totals.setdefault(symbol.symbol, _SymbolTotal()).add(symbol)
            self._gone.add(symbol.symbol)

    def _warn_of(self, symbol: str, counts: IngestCounts) -> None:
        if counts.duplicates:
            self.warn(
                "duplicates",
                "bars came twice; dropped",
                count=counts.duplicates,
                symbols=[symbol],
            )
        if counts.corrections:
            text = "bars came again with other values; the later one is kept (bars.on_duplicate)"
            self.warn("corrections", text, count=counts.corrections, symbols=[symbol])
        if counts.quarantined:
            text = "bars start between two expected starts; kept aside, see get_quarantine()"
            self.warn("off grid", text, count=counts.quarantined, symbols=[symbol])

    @property
    def symbols(self) -> tuple[SymbolReport, ...]:
        """Totals per symbol, in configured order."""
        return tuple(
            SymbolReport(
                symbol=symbol,
                expected=total.expected,
                present=total.present,
                missing=total.expected - total.present,
                gaps=total.gaps,
                longest_gap=total.longest,
                out_of_session=total.out_of_session,
            )
            for symbol, total in self._totals.items()
        )

    @property
    def warnings(self) -> tuple[RunWarning, ...]:
        """Warnings in the order in which their kinds first came."""
        return tuple(
            RunWarning(kind, entry.text, entry.count, tuple(entry.symbols))
            for (kind, _), entry in self._warnings.items()
        )
