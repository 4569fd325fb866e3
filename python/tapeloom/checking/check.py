"""Checks a source of bars, symbol by symbol: a few are in memory at a time, and only their counts are kept."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from tapeloom._core import Interval
from tapeloom.actions import Actions
from tapeloom.bars import normalise_symbol
from tapeloom.checking.causes import gaps_of, judged
from tapeloom.checking.counts import count, has_grid
from tapeloom.checking.findings import findings_of
from tapeloom.checking.looked import look_at, row_of
from tapeloom.checking.notes_of_series import NotesOfSeries
from tapeloom.checking.report import CheckedSeries, CheckReport
from tapeloom.checking.rows import (
    Finding,
    Findings,
    SplitHints,
    SymbolChecks,
)
from tapeloom.checking.window import Window
from tapeloom.errors import (
    ArgumentError,
    ArgumentTypeError,
    MissingDataError,
    did_you_mean,
)
from tapeloom.gap.gaps import Gaps
from tapeloom.side_by_side import side_by_side

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from datetime import date

    from tapeloom._core import Bars, SessionTable
    from tapeloom.checking.causes import Causes
    from tapeloom.checking.counts import SeriesCounts
    from tapeloom.checking.looked import Looked
    from tapeloom.checking.rows import SplitHint
    from tapeloom.intervals import IntervalLike
    from tapeloom.storage.bar_source import BarSource

__all__ = ["Progress", "check_source", "gaps_in_source", "series_of"]


class Progress(NamedTuple):
    """How far a check has come: the series it turns to now, and to how many of all it has turned before."""

    symbol: str
    interval: str
    done: int
    total: int


_Found = TypeVar("_Found")
_NO_ACTIONS = Actions()
_ALL_DATES = Window()


def series_of(
    source: BarSource,
    symbols: str | Iterable[str] | None,
    interval: IntervalLike | None,
) -> list[tuple[str, str]]:
    """Return the symbol and interval of each series to look at, in the order of the source.

    Raises
    ------
    MissingDataError
        If a symbol is not there, or no series has the interval.
    """
    names = known = source.get_symbols()
    if symbols is not None:
        names = _named(symbols)
        kept = set(known)
        for name in names:
            if name not in kept:
                text = f"symbol {name} is not in the data{did_you_mean(name, known)}"
                raise MissingDataError(text, symbol=name)
    wanted = None if interval is None else Interval(interval).text
    found = [
        (name, kept)
        for name in names
        for kept in source.get_intervals(name)
        if wanted in (None, kept)
    ]
    if not found:
        what = "no bar" if wanted is None else f"no {wanted} bars"
        text = f"the data hold {what}"
        raise MissingDataError(text, interval=wanted)
    return found


def _named(symbols: str | Iterable[str]) -> list[str]:
    if not isinstance(symbols, Iterable):
        text = f"symbols is {symbols!r} ({type(symbols).__name__}); give a symbol or a list of them"
        raise ArgumentTypeError(text, got=symbols)
    given = [symbols] if isinstance(symbols, str) else symbols
    names = list(dict.fromkeys(normalise_symbol(name) for name in given))
    if not names:
        text = "symbols is empty; name one, or leave it out for all"
        raise ArgumentError(text, got=symbols)
    return names


def check_source(
    source: BarSource,
    table: SessionTable,
    *,
    exchange_group: str,
    symbols: str | Iterable[str] | None = None,
    interval: IntervalLike | None = None,
    window: Window = _ALL_DATES,
    actions: Actions = _NO_ACTIONS,
    naive: Callable[[str], bool] = lambda _: False,
    said: Callable[[Collection[str]], Iterable[Finding]] = lambda _: (),
    progress: Callable[[Progress], object] | None = None,
) -> CheckReport:
    """Check the series of a source.

    Parameters
    ----------
    source
        Should leave invalid rows out and note them.
    table
        Sessions of the exchange.
    exchange_group
        Its name, for the report.
    symbols, interval
        What to look at; all if not given.
    window
        The dates to look at.
    actions
        Splits that are known and need no hint.
    naive
        Whether the stamps of a symbol that was read came without a zone and were taken for wall time of the exchange.
    said
        What reading found besides in the data of some symbols; asked when all is read.
    progress
        Called before each series, from one thread at a time, and once at the end.
    """
    window.require_covered(table)
    wanted = series_of(source, symbols, interval)
    notes = NotesOfSeries(source, wanted)
    explained = {(action.symbol, action.ex_date) for action in actions}
    start, end = window.instants(table)

    tell = _teller(progress, len(wanted))

    def look(series: Iterable[tuple[str, str]]) -> Iterator[Looked]:
        made: dict[str, list[tuple[str, Bars]]] = {}
        for symbol, kept in series:
            tell(symbol, kept)
            bars = source.read(symbol, kept, start, end)
            sessions = window.sessions(table, bars)
            is_naive = naive(symbol)
            one = look_at(bars, table, sessions, explained, naive=is_naive)
            one.take_notes(notes.new_of(symbol))
            one.goes_on = _goes_on(source, symbol, kept, window, end)
            one.compare_days(made, table)
            yield one

    looked = _of_all(source, wanted, look)
    tell("", "")
    for one in looked:
        one.take_notes(notes.rest_of(one.symbol))
        one.first_invalid = notes.first_invalid.get(one.symbol, "")
    others = said({symbol for symbol, _ in wanted})
    return _report(looked, others, table, exchange_group)


def _teller(
    progress: Callable[[Progress], object] | None, total: int
) -> Callable[[str, str], None]:
    """Return what is called with each series that a check turns to, and without one at the end."""
    done = itertools.count()

    def tell(symbol: str, interval: str) -> None:
        if progress is not None:
            progress(Progress(symbol, interval, next(done), total))

    return tell


def _of_all(
    source: BarSource,
    wanted: Sequence[tuple[str, str]],
    look: Callable[[Iterable[tuple[str, str]]], Iterator[_Found]],
) -> list[_Found]:
    """Return what ``look`` finds in the series of each symbol, in order; of several symbols at a time if they are stored."""
    # The series of a symbol stay together: what is seen of one is held against those before it.
    of_symbols = [
        list(part) for _, part in itertools.groupby(wanted, lambda one: one[0])
    ]
    if hasattr(source, "read_many"):
        # It may be read from several threads.
        found = side_by_side(lambda part: list(look(part)), of_symbols, in_turn=True)
    else:
        found = [list(look(part)) for part in of_symbols]
    return [one for part in found for one in part]


def _goes_on(
    source: BarSource, symbol: str, interval: str, window: Window, end: int
) -> bool:
    """Whether there are bars behind the dates asked for. In a backtest nobody knows yet."""
    if window.end is None or window.clock is not None:
        return False
    span = source.get_range(symbol, interval)
    return span is not None and span[1] >= end


def gaps_in_source(
    source: BarSource,
    table: SessionTable,
    *,
    symbols: str | Iterable[str] | None = None,
    interval: IntervalLike | None = None,
    window: Window = _ALL_DATES,
    progress: Callable[[Progress], object] | None = None,
) -> Gaps:
    """Return the missing runs of all series of a source with their causes; parameters as ``check_source``."""
    window.require_covered(table)
    start, end = window.instants(table)
    wanted = series_of(source, symbols, interval)

    tell = _teller(progress, len(wanted))

    def look(
        series: Iterable[tuple[str, str]],
    ) -> Iterator[tuple[str, str, SeriesCounts]]:
        for symbol, kept in series:
            tell(symbol, kept)
            if has_grid(kept):
                bars = source.read(symbol, kept, start, end)
                counts = count(bars, table, *window.sessions(table, bars))
                yield symbol, kept, counts

    found = _of_all(source, wanted, look)
    tell("", "")
    causes = _causes([(kept, counts) for _, kept, counts in found], table)
    return Gaps(
        gap
        for (symbol, kept, counts), why in zip(found, causes, strict=True)
        for gap in gaps_of(symbol, kept, counts, why, table)
    )


def _report(
    looked: Sequence[Looked],
    said: Iterable[Finding],
    table: SessionTable,
    exchange_group: str,
) -> CheckReport:
    causes = _causes([(one.interval, one.counts) for one in looked], table)
    rows, series = [], []
    findings: list[Finding] = []
    splits: dict[tuple[str, date], SplitHint] = {}
    for one, why in zip(looked, causes, strict=True):
        row = row_of(one, table)
        rows.append(row)
        findings += findings_of(row, one, why, table)
        findings += one.extra
        for hint in one.splits:
            # Every interval of a symbol shows the same jump.
            if splits.setdefault((hint.symbol, hint.ex_date), hint) is hint:
                findings.append(_split_finding(hint, one.interval))
        series.append(
            CheckedSeries(one.symbol, one.interval, one.counts, why, one.diagnosis)
        )
    findings += said
    return CheckReport(
        exchange_group=exchange_group,
        symbols=SymbolChecks(rows),
        findings=Findings(findings),
        splits=SplitHints(splits.values()),
        series=tuple(series),
        table=table,
    )


def _causes(
    series: Sequence[tuple[str, SeriesCounts]], table: SessionTable
) -> list[Causes]:
    """The causes of each series' runs, judged beside the other series of its interval."""
    found: dict[int, Causes] = {}
    for interval in dict.fromkeys(interval for interval, _ in series):
        at = [k for k, (other, _) in enumerate(series) if other == interval]
        found |= zip(at, judged([series[k][1] for k in at], table), strict=True)
    return [found[k] for k in range(len(series))]


def _split_finding(hint: SplitHint, interval: str) -> Finding:
    text = f"opens {hint.ex_date} at {hint.ratio:.3g} times the close before, as a {hint.like} split does; "
    text += f"row for the table of actions: {hint.symbol},{hint.ex_date},{hint.price_factor:.10g},{hint.volume_factor:.10g}"
    return Finding(hint.symbol, interval, "split", True, 1, text)
