"""``CheckReport``: what is wrong with some data, per series and session, as tables and as one document."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from tapeloom.calendars.days import from_day
from tapeloom.checking.causes import gaps_of
from tapeloom.checking.rows import (
    Findings,
    SessionCheck,
    SessionChecks,
    SplitHints,
    SymbolChecks,
)
from tapeloom.gap.gaps import Gaps

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

    from tapeloom._core import SessionTable
    from tapeloom.checking.causes import Causes
    from tapeloom.checking.counts import SeriesCounts
    from tapeloom.diagnosis import Diagnosis
    from tapeloom.tables.table import Table

__all__ = ["CheckReport", "CheckedSeries", "plain_rows"]

_SUMS = (
    "bars",
    "expected",
    "present",
    "missing",
    "gaps",
    "empty_sessions",
    "before_open",
    "at_or_after_close",
    "in_break",
    "outside_trading",
    "no_session",
    "off_grid",
    "duplicates",
    "conflicts",
    "zero_volume",
    "invalid",
    "unsorted",
)


@dataclass(frozen=True, slots=True, eq=False)
class CheckedSeries:
    """What a check keeps of one series: counts and causes, and no bar."""

    symbol: str
    interval: str
    counts: SeriesCounts
    causes: Causes
    diagnosis: Diagnosis


@dataclass(frozen=True, eq=False)
class CheckReport:
    """What a check found.

    ``symbols`` has one row per series, ``findings`` sentences, ``splits`` nights that look like splits, as rows for a table
    of actions. ``sessions`` and ``gaps`` are made when they are first asked for. The report itself is a table, that of the
    sessions: ``report.to_pandas()``, ``polars.DataFrame(report)``.
    """

    exchange_group: str
    symbols: SymbolChecks
    findings: Findings
    splits: SplitHints
    series: Sequence[CheckedSeries] = field(repr=False)
    table: SessionTable = field(repr=False)

    @property
    def problems(self) -> Findings:
        """The findings that make the data wrong or incomplete."""
        return Findings(found for found in self.findings if found.is_problem)

    @property
    def is_clean(self) -> bool:
        """Whether there is no problem."""
        return not self.problems

    @property
    def expected(self) -> int:
        """Bars of regular hours that all sessions of all series expect."""
        return sum(row.expected for row in self.symbols)

    @property
    def present(self) -> int:
        """Expected bars that are there."""
        return sum(row.present for row in self.symbols)

    @property
    def missing(self) -> int:
        """Expected bars that are not there."""
        return self.expected - self.present

    @property
    def quality(self) -> float | None:
        """Present of expected bars in percent; ``None`` where none is expected."""
        return 100.0 * self.present / self.expected if self.expected else None

    @cached_property
    def sessions(self) -> SessionChecks:
        """One row per session of each series, those without a bar included."""
        return SessionChecks(
            row for one in self.series for row in _session_rows(one, self.table)
        )

    @cached_property
    def gaps(self) -> Gaps:
        """The runs of missing bars with their causes, each series' oldest first."""
        return Gaps(
            gap
            for one in self.series
            for gap in gaps_of(
                one.symbol, one.interval, one.counts, one.causes, self.table
            )
        )

    def totals(self) -> dict[str, int]:
        """Return the sums over all series, by the names of the columns of ``symbols``."""
        return {name: sum(getattr(row, name) for row in self.symbols) for name in _SUMS}

    def to_dict(self) -> dict[str, Any]:
        """Return everything as values that JSON knows; dates and times are ISO 8601."""
        first, last = self._dates()
        return {
            "is_clean": self.is_clean,
            "problems": len(self.problems),
            "exchange_group": self.exchange_group,
            "calendar": self.table.calendar,
            "fingerprint": self.table.fingerprint,
            "first_session": None if first is None else first.isoformat(),
            "last_session": None if last is None else last.isoformat(),
            "quality": self.quality,
            "totals": self.totals(),
            "findings": plain_rows(self.findings),
            "symbols": plain_rows(self.symbols),
            "sessions": plain_rows(self.sessions),
            "gaps": plain_rows(self.gaps),
            "splits": plain_rows(self.splits),
        }

    def to_pandas(self) -> Any:
        """Return the table of sessions as a pandas frame; errors as ``Table.to_pandas``."""
        return self.sessions.to_pandas()

    def to_polars(self) -> Any:
        """Return the table of sessions as a polars frame; errors as ``Table.to_polars``."""
        return self.sessions.to_polars()

    def to_arrow(self) -> pa.Table:
        """Return the table of sessions as an Arrow table, a copy."""
        return self.sessions.to_arrow()

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self.sessions.__arrow_c_stream__(requested_schema)

    def __arrow_c_schema__(self) -> object:
        return self.sessions.__arrow_c_schema__()

    def __repr__(self) -> str:
        rows = self.symbols
        series = "1 series" if len(rows) == 1 else f"{len(rows):,} series"
        state = "clean" if self.is_clean else f"{len(self.problems):,} problems"
        if len(self.problems) == 1:
            state = "1 problem"
        return f"CheckReport({series}, {self.missing:,} of {self.expected:,} bars missing, {state})"

    def _repr_html_(self) -> str:
        return self.symbols._repr_html_()

    def _dates(self) -> tuple[date | None, date | None]:
        spans = [(s.counts.first, s.counts.last) for s in self.series]
        spans = [(first, last) for first, last in spans if first < last]
        if not spans:
            return None, None
        first, last = min(f for f, _ in spans), max(n for _, n in spans) - 1
        first_day, last_day = (int(self.table.dates[at]) for at in (first, last))
        return from_day(first_day), from_day(last_day)


def _session_rows(one: CheckedSeries, table: SessionTable) -> Iterator[SessionCheck]:
    counts, number = one.counts, one.counts.last - one.counts.first
    at = one.causes.sessions - counts.first
    gaps = np.bincount(at, minlength=number)
    longest = np.zeros(number, np.int64)
    np.maximum.at(longest, at, counts.run_bars)
    columns = (
        table.dates[counts.first : counts.last],
        counts.bars,
        counts.expected,
        counts.present,
        counts.missing,
        gaps,
        longest,
        counts.before_open,
        counts.at_or_after_close,
        counts.in_break,
        counts.off_grid,
        counts.duplicates,
        counts.zero_volume,
    )
    for day, *numbers in zip(*(column.tolist() for column in columns), strict=True):
        yield SessionCheck(one.symbol, one.interval, from_day(day), *numbers)


def plain_rows(table: Table[Any]) -> list[dict[str, Any]]:
    """Return the rows of a table as values that JSON knows; dates and times are ISO 8601."""
    columns = table.columns()
    return [
        {name: _value(value) for name, value in zip(columns, values, strict=True)}
        for values in zip(*columns.values(), strict=True)
    ]


def _value(value: Any) -> Any:
    if isinstance(value, date | datetime):
        return value.isoformat()
    return value.value if isinstance(value, Enum) else value
