"""``import_bars``: reads sources, examines them against the calendar, and writes what nobody has to decide."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

from tapeloom.calendars.session_table import get_session_table
from tapeloom.errors import DuplicateBarError, SymbolError, TapeloomError
from tapeloom.importing.findings import Findings
from tapeloom.importing.frames import is_frame, read_frames
from tapeloom.importing.mismatch import ImportMismatchError, mismatch_of
from tapeloom.importing.open_tables import open_tables
from tapeloom.importing.options import read_options
from tapeloom.importing.prepare import Market, Rules, prepared
from tapeloom.importing.records import ImportRecords, digest_of
from tapeloom.importing.repeats import check_on_duplicate
from tapeloom.importing.report import FileReport, ImportProgress, ImportReport
from tapeloom.importing.source_files import files_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import timedelta, tzinfo

    from tapeloom._core import SessionTable
    from tapeloom.importing.options import ReadOptions
    from tapeloom.importing.prepare import ReadSeries
    from tapeloom.importing.tables import ForeignTable
    from tapeloom.intervals import IntervalLike

__all__ = ["BarStore", "import_bars"]

Progress: TypeAlias = Callable[[ImportProgress], object]

# Files read and examined ahead of the one that is written. Each may hold a day of a market.
READERS = 2
AHEAD = 4


class BarStore(Protocol):
    """Where an import writes to; ``DataManager`` is one."""

    @property
    def root(self) -> str:
        """The folder of the store."""

    @property
    def exchange_group(self) -> str:
        """Whose bars it keeps."""

    def write_bars(
        self,
        symbol: str,
        interval: IntervalLike,
        bars: object,
        *,
        on_duplicate: str,
        origin: Mapping[str, object] | None = None,
    ) -> list[Path]:
        """Write bars of one series, merged by start with what is there; return the files written.

        ``origin`` is kept in their metadata.
        """


def import_bars(
    source: object,
    *,
    into: BarStore,
    symbol: str | None = None,
    interval: IntervalLike | None = None,
    zone: str | tzinfo | None = None,
    label: str | None = None,
    columns: Mapping[str, str | None] | Sequence[str] | None = None,
    on_duplicate: str | None = None,
    auto: bool = False,
    shift: str | timedelta | None = None,
    time_unit: str | None = None,
    time_format: str | None = None,
    ambiguous: str | None = None,
    price_scale: float | None = None,
    members: str | None = None,
    allow_negative_prices: bool = False,
    dry_run: bool = False,
    resume: bool = True,
    progress: Progress | None = None,
    table: SessionTable | None = None,
) -> ImportReport:
    """Import bars of other tools.

    Parameters
    ----------
    source
        A file, a folder, a glob pattern or a list of them: CSV and TSV with any delimiter, Parquet, packed as ``.gz``,
        ``.zst`` or ``.zip``. Or a frame of pandas or polars, an Arrow table, a dict of arrays or of frames by symbol.
    into
        The store to write to.
    symbol
        Whose bars these are; of data with several symbols the one to import.
    interval
        Length of the bars; told from their spacing if not given.
    zone
        Zone of times without one; by default that of the exchange. Times that claim to be UTC are read as wall time of
        this zone, if it is given.
    label
        ``"start"`` or ``"end"`` of each bar.
    columns
        Our names ``ts`` (or ``date`` and ``time``) ``open high low close volume symbol`` to those of the data, as far as
        they are not recognised; ``{"volume": None}`` where there is none. Of files without a header: all names in order.
    on_duplicate
        Which of two bars of one start with different values to keep: ``"replace"`` the last, ``"ignore"`` the first,
        where stored ones come first. By default they stop the import.
    auto
        Apply the reading that fits best where a file does not fit as it is.
    shift
        Added to all times, such as ``"-4h"``.
    time_unit
        Of integers: ``"s"``, ``"ms"``, ``"us"`` or ``"ns"``.
    time_format
        Form of the times in the terms of ``strptime``.
    ambiguous
        ``"first"``, ``"second"`` or ``"infer"``: which pass of an hour that comes twice a wall time means.
    price_scale
        What stored prices are divided by, such as 10,000.
    members
        Glob pattern of the members of an archive to read.
    allow_negative_prices
        Whether prices may be zero or below.
    dry_run
        Examine, and write nothing.
    resume
        Leave files alone that an earlier import of the same content with the same options has finished.
    progress
        Called after each file.
    table
        Sessions to compare with; those of the store's exchange group if not given.

    Returns
    -------
    ImportReport
        Per file what was read, found and written. Of several files one that fails does not stop the others; its error is
        in the report.

    Raises
    ------
    ImportMismatchError
        If a single source needs a decision: the text holds evidence and remedy. Nothing of it is written.
    CorruptFileError, StorageError, ArgumentError
        If a single source cannot be read.
    MissingDataError
        If there is no such file.
    """
    check_on_duplicate(on_duplicate)
    options = read_options(
        symbol=symbol,
        interval=interval,
        zone=zone,
        label=label,
        columns=columns,
        shift=shift,
        time_unit=time_unit,
        time_format=time_format,
        ambiguous=ambiguous,
        price_scale=price_scale,
        members=members,
    )
    sessions = get_session_table(into.exchange_group) if table is None else table
    job = _Import(
        into,
        options,
        Market(sessions, equities=into.exchange_group.upper().endswith("EQUITY")),
        Rules(on_duplicate, allow_negative_prices),
        auto=auto,
        dry_run=dry_run,
    )
    if is_frame(source):
        return job.run_frame(source)
    return job.run_files(files_of(source), resume=resume, progress=progress)


@dataclass(frozen=True, slots=True)
class _Read:
    """A source that was read and examined, or failed."""

    source: str
    series: tuple[ReadSeries, ...] = ()
    findings: Findings | None = None
    digest: str = ""
    error: TapeloomError | None = None
    known: bool = False

    def reading(self, options: ReadOptions) -> dict[str, object]:
        """How the source was read, as far as it does not say so itself: what was given, and what was applied."""
        applied = {} if self.findings is None else self.findings.applied
        found = {"given": options.as_given(), "applied": applied}
        return {name: said for name, said in found.items() if said}

    def report(self) -> FileReport:
        """What is known before anything is written."""
        found = () if self.findings is None else self.findings.all()
        return FileReport(
            self.source,
            "failed" if self.error is not None else "examined",
            offered=sum(s.offered for s in self.series),
            bars=0 if self.error is not None else sum(len(s.bars) for s in self.series),
            series=tuple((s.bars.symbol, s.bars.interval) for s in self.series),
            findings=found,
            error=self.error,
            applied={} if self.findings is None else self.findings.applied,
        )


class _Import:
    """One call of ``import_bars``."""

    def __init__(
        self,
        store: BarStore,
        options: ReadOptions,
        market: Market,
        rules: Rules,
        *,
        auto: bool,
        dry_run: bool,
    ) -> None:
        self._store = store
        self._options = options
        self._market = market
        self._rules = rules
        self._auto = auto
        self._dry_run = dry_run
        # How the sources spell each symbol, over all files.
        self._spelt: dict[str, tuple[str, str]] = {}
        self._records = ImportRecords(
            Path(store.root),
            {
                "group": store.exchange_group,
                "table": market.table.fingerprint,
                "auto": auto,
                "on_duplicate": rules.on_duplicate,
                "allow_negative_prices": rules.allow_negative_prices,
                **options.as_given(),
            },
        )

    def run_frame(self, frame: object) -> ImportReport:
        """Import a frame; raises what is wrong with it."""
        read = self._examined("data", lambda _: read_frames(frame, self._options))
        report, _ = self._finished(read)
        return _raised_alone(ImportReport((report,)), dry_run=self._dry_run)

    def run_files(
        self, files: list[Path], *, resume: bool, progress: Progress | None
    ) -> ImportReport:
        """Import files in order; reading is some files ahead of writing."""
        reports: list[FileReport] = []
        bars = 0
        for read in self._read_ahead(files, resume=resume and not self._dry_run):
            report, written = self._finished(read)
            if report.status == "imported":
                self._records.save(read.digest, report.to_dict(), written)
            reports.append(report)
            bars += report.bars
            if progress is not None:
                progress(ImportProgress(len(reports), len(files), bars, report.source))
        return _raised_alone(ImportReport(tuple(reports)), dry_run=self._dry_run)

    def _read_ahead(self, files: list[Path], *, resume: bool) -> Iterator[_Read]:
        if len(files) == 1:
            yield self._read(files[0], resume)
            return
        waiting = iter(files)
        with ThreadPoolExecutor(READERS, "tapeloom-import") as pool:
            ahead: list[Future[_Read]] = []
            try:
                while True:
                    more = islice(waiting, AHEAD - len(ahead))
                    ahead += [pool.submit(self._read, path, resume) for path in more]
                    if not ahead:
                        return
                    yield ahead.pop(0).result()
            finally:
                for future in ahead:
                    future.cancel()

    def _read(self, path: Path, resume: bool) -> _Read:
        try:
            digest = digest_of(path)
        except TapeloomError as error:
            return _Read(str(path), error=error)
        if resume and self._records.find(digest) is not None:
            return _Read(str(path), digest=digest, known=True)
        read = self._examined(
            str(path), lambda findings: open_tables(path, self._options, findings)
        )
        return replace(read, digest=digest)

    def _examined(
        self, source: str, tables: Callable[[Findings], Iterable[ForeignTable]]
    ) -> _Read:
        findings = Findings(source, auto=self._auto)
        series: list[ReadSeries] = []
        error: TapeloomError | None
        try:
            for table in tables(findings):
                findings.source = table.name
                series += prepared(
                    table,
                    market=self._market,
                    options=self._options,
                    rules=self._rules,
                    findings=findings,
                )
            error = mismatch_of(source, findings)
        except TapeloomError as raised:
            error = raised
        return _Read(source, tuple(series), findings, error=error)

    def _finished(self, read: _Read) -> tuple[FileReport, list[Path]]:
        """Write what was read; return what became of it and the files written."""
        if read.known:
            return FileReport(read.source, "already_imported"), []
        if read.error is None:
            read = replace(read, error=self._clash(read))
        report = read.report()
        if read.error is not None or self._dry_run:
            return report, []
        try:
            return replace(report, status="imported"), self._written(read)
        except TapeloomError as error:
            return replace(report, status="failed", bars=0, error=error), []

    def _clash(self, read: _Read) -> TapeloomError | None:
        """Return the error of a symbol that another file spells otherwise."""
        for series in read.series:
            symbol = series.bars.symbol
            spelt, where = self._spelt.setdefault(symbol, (series.spelt, read.source))
            if spelt != series.spelt:
                text = (
                    f"{read.source}: the symbol {series.spelt!r} and {spelt!r} of {where} both become {symbol!r}; symbols "
                    "are compared in upper case: rename one, or import each by itself"
                )
                return SymbolError(text, symbol=symbol)
        return None

    def _written(self, read: _Read) -> list[Path]:
        policy = self._rules.on_duplicate or "error"
        origin = {"source": Path(read.source).name, **read.reading(self._options)}
        files: list[Path] = []
        for series in read.series:
            bars = series.bars
            if not len(bars):
                continue
            try:
                files += self._store.write_bars(
                    bars.symbol,
                    bars.interval,
                    bars,
                    on_duplicate=policy,
                    origin=origin,
                )
            except DuplicateBarError as error:
                text = (
                    f"{read.source}: {error.message.partition(' and on_duplicate')[0]}; choose on_duplicate: 'replace' keeps "
                    "the imported bar, 'ignore' the stored one"
                )
                raise ImportMismatchError(text, symbol=bars.symbol) from error
        return files


def _raised_alone(report: ImportReport, *, dry_run: bool) -> ImportReport:
    """Raise the error of a single source; in a dry run a mismatch is a finding."""
    if len(report.files) == 1 and report.files[0].error is not None:
        error = report.files[0].error
        if not (dry_run and isinstance(error, ImportMismatchError)):
            raise error
    return report
