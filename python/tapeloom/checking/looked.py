"""What is seen of one series while its bars are in memory, and the row it becomes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tapeloom.checking.counts import count
from tapeloom.checking.days import (
    beside_days,
    days_of,
    split_hints,
    starts_at_midnight,
)
from tapeloom.checking.rows import Finding, SymbolCheck
from tapeloom.diagnosis import diagnose, wall_times
from tapeloom.timestamps import from_ns
from tapeloom.words import counted

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Collection
    from datetime import date

    from tapeloom._core import Bars, SessionTable
    from tapeloom.checking.counts import SeriesCounts
    from tapeloom.checking.rows import SplitHint
    from tapeloom.diagnosis import Diagnosis

__all__ = ["INVALID_SKIPPED", "Looked", "look_at", "row_of"]

#: What a source calls rows that broke a rule and were left out.
INVALID_SKIPPED = "invalid_skipped"


class Looked:
    """What was seen of one series while it was in memory."""

    def __init__(self, bars: Bars, counts: SeriesCounts, diagnosis: Diagnosis) -> None:
        self.symbol, self.interval = bars.symbol, bars.interval
        self.counts, self.diagnosis = counts, diagnosis
        self.span = (int(bars.ts[0]), int(bars.ts[-1])) if len(bars) else None
        self.duplicates, self.conflicts = 0, 0
        self.invalid, self.unsorted = 0, 0
        self.first_invalid = ""
        self.goes_on = False
        self.days: Bars | None = None
        self.splits: list[SplitHint] = []
        self.extra: list[Finding] = []

    def take_notes(self, notes: Counter[str]) -> None:
        """Take over what reading left out or put in order."""
        self.invalid += notes[INVALID_SKIPPED]
        self.unsorted += notes["unsorted"]
        if notes["rewritten"]:
            text = (
                f"{counted(notes['rewritten'], 'row')} from files that another tool has rewritten, without the checksums "
                "they were stored with"
            )
            self.add("rewritten", False, notes["rewritten"], text)
        if notes["interval_told"]:
            text = (
                f"the interval {self.interval} was told from the spacing of the stamps"
            )
            self.add("interval_told", False, 1, text)

    def compare_days(
        self, made: dict[str, list[tuple[str, Bars]]], table: SessionTable
    ) -> None:
        """Hold daily bars against those made of finer series of the symbol, which came before, finest first."""
        if self.days is None:
            return
        if self.interval != "1d":
            made.setdefault(self.symbol, []).append((self.interval, self.days))
        else:
            number = starts_at_midnight(self.days, table)
            if number:
                text = f"{counted(number, 'daily bar')} stamped 00:00; a daily bar is stamped with its session's open"
                self.add("midnight", True, number, text)
            self.extra += beside_days(self.days, made.pop(self.symbol, []), table)
        self.days = None

    def add(self, kind: str, is_problem: bool, number: int, text: str) -> None:
        """Add a finding of its own."""
        self.extra.append(
            Finding(self.symbol, self.interval, kind, is_problem, number, text)
        )


def look_at(
    bars: Bars,
    table: SessionTable,
    sessions: tuple[int, int],
    explained: Collection[tuple[str, date]],
    *,
    naive: bool,
) -> Looked:
    """Look at the sorted bars of a series over sessions ``[first, last)``.

    ``explained`` are symbols and dates of known splits, ``naive`` says whether the stamps came without a zone.
    """
    counts = count(bars, table, *sessions)
    ts = wall_times(bars.ts, table.zone) if naive else bars.ts
    diagnosis = diagnose(ts, table=table, interval=bars.interval, naive=naive)
    looked = Looked(bars, counts, diagnosis)
    equal, looked.conflicts = bars.count_duplicates()
    looked.duplicates = equal + looked.conflicts
    looked.days = days_of(bars, table)
    if looked.days is not None:
        looked.splits += split_hints(looked.days, table, explained)
    return looked


def row_of(one: Looked, table: SessionTable) -> SymbolCheck:
    """Return the row of a series in the report."""
    counts = one.counts
    sums = {
        name: int(getattr(counts, name).sum())
        for name in (
            "expected",
            "present",
            "missing",
            "before_open",
            "at_or_after_close",
            "in_break",
            "off_grid",
            "zero_volume",
        )
    }
    first, last = (
        (None, None)
        if one.span is None
        else (from_ns(ts, table.zone) for ts in one.span)
    )
    return SymbolCheck(
        symbol=one.symbol,
        interval=one.interval,
        bars=int(counts.bars.sum()) + counts.no_session,
        first=first,
        last=last,
        sessions=counts.last - counts.first,
        empty_sessions=int(counts.is_empty.sum()),
        gaps=len(counts.run_bars),
        longest_gap=int(counts.run_bars.max(initial=0)),
        outside_trading=counts.outside_trading,
        no_session=counts.no_session,
        duplicates=one.duplicates,
        conflicts=one.conflicts,
        invalid=one.invalid,
        unsorted=one.unsorted,
        **sums,
    )
