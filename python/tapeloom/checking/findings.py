"""The findings of one series as sentences, from its counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tapeloom.calendars.days import from_day
from tapeloom.checking.rows import Finding
from tapeloom.gap.gaps import Cause
from tapeloom.timestamps import from_ns
from tapeloom.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tapeloom._core import SessionTable
    from tapeloom.checking.causes import Causes
    from tapeloom.checking.counts import SeriesCounts
    from tapeloom.checking.looked import Looked
    from tapeloom.checking.rows import SymbolCheck

__all__ = ["findings_of"]

# A thin symbol has no trade in the last minutes of many a day; a download that stopped lacks more.
_FEWEST_CUT_OFF = 5
_MOST_NAMED = 3


def findings_of(
    row: SymbolCheck, seen: Looked, causes: Causes, table: SessionTable
) -> Iterator[Finding]:
    """Yield the findings of a series, those first that explain others."""
    counts, diagnosis = seen.counts, seen.diagnosis

    def found(kind: str, number: int, text: str, *, problem: bool = True) -> Finding:
        return Finding(row.symbol, row.interval, kind, problem, number, text)

    for text in diagnosis.findings:
        is_problem = diagnosis.proposal is not None
        yield found("reading", row.bars, text, problem=is_problem)
    if row.empty_sessions:
        yield found("empty_sessions", row.empty_sessions, _empty(row, counts, table))
    absent = row.missing - int(counts.expected[counts.is_empty].sum())
    if absent:
        yield found("missing", absent, _missing(row, absent, counts, causes, table))
    for number, text in _cut_off(counts, causes, table, goes_on=seen.goes_on):
        yield found("truncated", number, text)
    if row.duplicates - row.conflicts:
        number = row.duplicates - row.conflicts
        text = f"{_keys(number)} with the same values; one of each is enough"
        yield found("duplicates", number, text)
    if row.conflicts:
        text = f"{_keys(row.conflicts)} with different values; choose on_duplicate"
        yield found("conflicts", row.conflicts, text)
    if row.invalid:
        text = f"{counted(row.invalid, 'bar')} broken: a price or volume breaks a rule; left out of all counts"
        first = seen.first_invalid.partition("; the first is ")
        yield found("invalid", row.invalid, text + first[1] + first[2])
    if row.no_session:
        number = row.no_session
        text = f"{counted(number, 'bar')} {_no_session(row, counts, table)}"
        yield found("no_session", number, text)
    for kind, text in _STRAYS:
        number = getattr(row, kind)
        if number:
            yield found(kind, number, f"{counted(number, 'bar')} {text}")
    outside = row.before_open + row.at_or_after_close
    if outside:
        text = f"{counted(row.before_open, 'bar')} before the open, {row.at_or_after_close:,} at or after the close"
        yield found("outside", outside, text, problem=False)
    if row.zero_volume:
        text = f"{counted(row.zero_volume, 'bar')} of regular hours without volume"
        text += ", which is all of them" if row.zero_volume >= row.present else ""
        yield found("zero_volume", row.zero_volume, text, problem=False)
    if row.unsorted:
        text = f"{counted(row.unsorted, 'row')} out of order; they were sorted for this check"
        yield found("unsorted", row.unsorted, text, problem=False)


_STRAYS = (
    ("off_grid", "between two expected starts"),
    ("in_break", "in a break of the session"),
    ("outside_trading", "outside pre-market, regular and post-market hours"),
)


def _no_session(row: SymbolCheck, counts: SeriesCounts, table: SessionTable) -> str:
    if counts.first < counts.last or row.first is None or row.last is None:
        return "on dates without a session"
    start, end = from_day(table.first_day), from_day(table.last_day)
    if start <= row.first.date() and row.last.date() <= end:
        return "on dates without a session"
    spread = f"{row.first:%Y-%m-%d} to {row.last:%Y-%m-%d}"
    return f"from {spread}, outside the calendar {table.calendar}, which covers {start} to {end}"


def _keys(number: int) -> str:
    return "1 key occurs twice" if number == 1 else f"{number:,} keys occur twice"


def _empty(row: SymbolCheck, counts: SeriesCounts, table: SessionTable) -> str:
    at = np.flatnonzero(counts.is_empty) + counts.first
    named = [str(from_day(int(table.dates[k]))) for k in at[:_MOST_NAMED].tolist()]
    more = f" and {len(at) - _MOST_NAMED:,} more" if len(at) > _MOST_NAMED else ""
    whole = counted(row.sessions, "session")
    return f"{len(at):,} of {whole} without any bar: {', '.join(named)}{more}"


def _missing(
    row: SymbolCheck,
    absent: int,
    counts: SeriesCounts,
    causes: Causes,
    table: SessionTable,
) -> str:
    has_bars = ~counts.is_empty[causes.sessions - counts.first]
    sizes = np.where(has_bars, counts.run_bars, 0)
    longest = int(sizes.argmax())
    start = from_ns(int(counts.run_starts[longest]), table.zone)
    due = row.expected - int(counts.expected[counts.is_empty].sum())
    text = f"{absent:,} of {counted(due, 'bar')} missing in {counted(int(has_bars.sum()), 'gap')}"
    text += f", the longest {int(sizes[longest]):,} from {start:%Y-%m-%d %H:%M}"
    empty = int((~has_bars).sum())
    numbers = causes.numbers()
    numbers[Cause.UNKNOWN] = numbers.get(Cause.UNKNOWN, 0) - empty
    said = [f"{cause} {number:,}" for cause, number in numbers.items() if number]
    if len(said) > 1 or not numbers[Cause.UNKNOWN]:
        text += f"; causes: {', '.join(said)}"
    return text


def _cut_off(
    counts: SeriesCounts, causes: Causes, table: SessionTable, *, goes_on: bool
) -> Iterator[tuple[int, str]]:
    """Sessions that end early, and after which there is no bar for at least a session: a download that stopped.

    ``goes_on`` says whether there are bars behind the last session that is looked at.
    """
    # One more: what comes behind the last session.
    bars = np.append(counts.bars, goes_on)
    for run in np.flatnonzero(causes.truncated).tolist():
        session = int(causes.sessions[run])
        at = session - counts.first
        number = int(counts.run_bars[run])
        if bars[at + 1] > 0 or number < _FEWEST_CUT_OFF:
            continue
        tail, close = (
            f"{from_ns(int(ns), table.zone):%H:%M}"
            for ns in (counts.tails[at], table.closes[session])
        )
        day = from_day(int(table.dates[session]))
        text = f"cut off on {day}: the last bar ends at {tail}, the session at {close} ({counted(number, 'bar')})"
        yield number, text
