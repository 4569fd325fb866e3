"""``import_from_api``: asks a source of history for bars, and imports its answers as files are imported."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from tapeloom._core import Bars, Interval
from tapeloom.bars import normalise_symbol
from tapeloom.calendars.clock import LiveClock
from tapeloom.calendars.session_table import get_session_table
from tapeloom.columns import read_frame
from tapeloom.columns.rows import rows_of
from tapeloom.errors import ArgumentError, ArgumentTypeError, HistorySourceError
from tapeloom.importing.frames import is_frame, read_frames
from tapeloom.importing.history_requests import Asking, requests_for, title_of
from tapeloom.importing.job import Job
from tapeloom.importing.options import read_options
from tapeloom.importing.prepare import Market, Rules
from tapeloom.importing.repeats import check_on_duplicate
from tapeloom.importing.source_read import SourceRead
from tapeloom.timestamps import to_ns
from tapeloom.waiting import sleep

if TYPE_CHECKING:
    from datetime import timedelta, tzinfo

    from tapeloom._core import SessionTable
    from tapeloom.calendars.clock import Clock
    from tapeloom.history_source import HistoryRequest, HistorySource
    from tapeloom.importing.options import ReadOptions
    from tapeloom.importing.report import ImportReport, Progress
    from tapeloom.importing.store import BarStore
    from tapeloom.importing.tables import ForeignTable
    from tapeloom.intervals import IntervalLike
    from tapeloom.timestamps import TimestampLike

__all__ = ["import_from_api"]


def import_from_api(
    source: HistorySource,
    symbols: str | Iterable[str],
    interval: IntervalLike,
    start: TimestampLike,
    end: TimestampLike,
    *,
    into: BarStore,
    zone: str | tzinfo | None = None,
    label: str | None = None,
    columns: Mapping[str, str | None] | None = None,
    on_duplicate: str | None = None,
    auto: bool = False,
    shift: str | timedelta | None = None,
    time_unit: str | None = None,
    time_format: str | None = None,
    ambiguous: str | None = None,
    price_scale: float | None = None,
    allow_negative_prices: bool = False,
    dry_run: bool = False,
    resume: bool = True,
    progress: Progress | None = None,
    table: SessionTable | None = None,
    clock: Clock | None = None,
    sleep: Callable[[float], object] = sleep,
) -> ImportReport:
    """Import bars that a source of history answers with.

    A request holds one symbol and one month, or one year for days and weeks; a call holds as many requests as
    ``most_requests`` of the source says. What one call brings is written before the next one is made. An error of one
    request does not stop the others.

    Parameters
    ----------
    source
        Who is asked; see ``tapeloom.history_source.HistorySource``.
    symbols
        One symbol, or several.
    interval
        Length of the bars.
    start, end
        Bars that start in ``[start, end)``, in any accepted form of a time; a naive one is wall time of the exchange.
    into
        The store to write to.
    zone, label, columns, on_duplicate, auto, shift, time_unit, time_format, ambiguous, price_scale
        How the answers are read, as ``import_bars`` takes it.
    allow_negative_prices
        Whether prices may be zero or below.
    dry_run
        Ask and examine, and write nothing.
    resume
        Do not ask again what an earlier import with the same options has finished. A request is finished if it was
        answered, written, and over when it was made: that of the running month is made again.
    progress
        Called after each request.
    table
        Sessions to compare with; those of the store's exchange group if not given.
    clock, sleep
        What says how late it is, ns UTC, and what waits a number of seconds, so that no more calls are made in any 60
        seconds than ``requests_per_minute`` of the source allows.

    Returns
    -------
    ImportReport
        Per request what was read, found and written.

    Raises
    ------
    HistorySourceError
        If the only request is not answered; what the source raised is its ``__cause__``. Of several requests the errors
        stand in the report.
    ImportMismatchError, CorruptFileError, StorageError
        If the answer to the only request needs a decision, or cannot be written.
    ArgumentError
        If an argument breaks its rule; nothing is asked then.
    """
    check_on_duplicate(on_duplicate)
    options = read_options(
        interval=interval,
        zone=zone,
        label=label,
        columns=columns,
        shift=shift,
        time_unit=time_unit,
        time_format=time_format,
        ambiguous=ambiguous,
        price_scale=price_scale,
    )
    sessions = get_session_table(into.exchange_group) if table is None else table
    now = LiveClock() if clock is None else clock
    asking = Asking(source, clock=now, sleep=sleep)
    requests = requests_for(
        _symbols(symbols),
        Interval(interval),
        *_range(start, end, sessions),
        table=sessions,
    )
    job = Job(
        into,
        options,
        Market(sessions, equities=into.exchange_group.upper().endswith("EQUITY")),
        Rules(on_duplicate, allow_negative_prices),
        auto=auto,
        dry_run=dry_run,
        settings={"source": f"{type(source).__module__}.{asking.name}"},
    )
    answers = _Answers(job, asking, options, sessions, now, resume=resume)
    return job.run(answers.read(requests), len(requests), progress)


class _Answers:
    """Reads the answers to requests as an import takes them."""

    def __init__(
        self,
        job: Job,
        asking: Asking,
        options: ReadOptions,
        table: SessionTable,
        clock: Clock,
        *,
        resume: bool,
    ) -> None:
        self._job = job
        self._asking = asking
        self._options = options
        self._table = table
        self._clock = clock
        self._resume = resume

    def read(self, requests: list[HistoryRequest]) -> Iterator[SourceRead]:
        """Yield what is finished already, then what each other request brings, in order."""
        left = []
        for request in requests:
            known = self._finished(request)
            if known is None:
                left.append(request)
            else:
                yield known
        for at in range(0, len(left), self._asking.most):
            asked = left[at : at + self._asking.most]
            now = self._clock.now_ns()
            answers = self._asking.ask(asked)
            for request, answer in zip(asked, answers, strict=True):
                yield self._one(request, answer, now)
            # A request is a stored file, so that waiting for more spares nothing.
            self._job.write()

    def _finished(self, request: HistoryRequest) -> SourceRead | None:
        if not self._resume:
            return None
        return self._job.finished(title_of(request), _digest(request))

    def _one(self, request: HistoryRequest, answer: object, now: int) -> SourceRead:
        title = title_of(request)
        if isinstance(answer, HistorySourceError):
            return SourceRead(title, error=answer)
        first, last = _bounds(request, self._table)
        options = replace(self._options, symbol=request.symbol)
        read = self._job.read(
            title,
            lambda _: self._tables(answer, request, options),
            digest=_digest(request) if last <= now else "",
            options=options,
        )
        if read.error is None and not read.findings.all() and not read.series:
            read.findings.add("empty", "has no rows")
        return _within(read, first, last)

    def _tables(
        self, answer: object, request: HistoryRequest, options: ReadOptions
    ) -> list[ForeignTable]:
        """Return an answer as tables; whatever libraries raise over it is an error of the source."""
        try:
            if hasattr(answer, "__len__") and not len(answer):
                return []
            found = self._frame(answer, request)
            if isinstance(found, Bars) and found.interval != request.interval:
                text = f"answered with bars of {found.interval}"
                raise ArgumentError(text, got=found.interval)
            return read_frames(found, options)
        except Exception as error:
            text = f"{title_of(request)}: the answer of {self._asking.name} cannot be read: {error}"
            raise HistorySourceError(text, symbol=request.symbol) from error

    def _frame(self, answer: object, request: HistoryRequest) -> object:
        if is_frame(answer):
            return answer
        rows = rows_of(answer)
        if rows is None:
            text = f"it is {type(answer).__name__}; it must be Bars, a list of BarData, a frame, an Arrow table or a dict of arrays"
            raise ArgumentTypeError(text, got=answer)
        if not rows:
            return {}
        found = read_frame(
            rows, zone=self._table.zone, table=self._table, symbol=request.symbol
        )
        if list(found) != [request.symbol]:
            text = f"it holds bars of {', '.join(found)}"
            raise ArgumentError(text, got=tuple(found))
        return found[request.symbol]


def _within(read: SourceRead, first: int, last: int) -> SourceRead:
    """Return what was read without the bars that were not asked for."""
    kept = []
    for series in read.series:
        bars = series.bars.between(first, last)
        if lost := len(series.bars) - len(bars):
            text = f"{lost:,} {'bar' if lost == 1 else 'bars'} outside the request left out"
            read.findings.add(
                "outside_request",
                text,
                outcome="left_out",
                symbol=bars.symbol,
                count=lost,
            )
        kept.append(replace(series, bars=bars))
    return replace(read, series=tuple(kept))


def _symbols(symbols: str | Iterable[str]) -> list[str]:
    named = [symbols] if isinstance(symbols, str) else symbols
    if not isinstance(named, Iterable):
        text = f"symbols is {symbols!r}; give a symbol or a list of them"
        raise ArgumentTypeError(text, got=symbols)
    found = list(dict.fromkeys(normalise_symbol(one) for one in named))
    if not found:
        text = "symbols is empty; name at least one, such as 'AAPL'"
        raise ArgumentError(text, got=symbols)
    return found


def _range(
    start: TimestampLike, end: TimestampLike, table: SessionTable
) -> tuple[int, int]:
    first, last = (
        to_ns(start, table.zone, name="start"),
        to_ns(end, table.zone, name="end"),
    )
    if first > last:
        text = f"start {start!r} is after end {end!r}; a range is [start, end)"
        raise ArgumentError(text, start=start, end=end)
    return first, last


def _bounds(request: HistoryRequest, table: SessionTable) -> tuple[int, int]:
    return to_ns(request.start, table.zone), to_ns(request.end, table.zone)


def _digest(request: HistoryRequest) -> str:
    said = f"{request.symbol} {request.interval} {request.start.isoformat()} {request.end.isoformat()}"
    return hashlib.sha256(said.encode()).hexdigest()
