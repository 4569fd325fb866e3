"""One call of an import: takes sources as they are read, writes their bars in batches, and records what is finished."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tapeloom.errors import ArgumentTypeError, StorageError, SymbolError, TapeloomError
from tapeloom.importing.batch import Batch
from tapeloom.importing.findings import Finding
from tapeloom.importing.mismatch import ImportMismatchError, mismatch_of
from tapeloom.importing.records import ImportRecords
from tapeloom.importing.report import FileReport, ImportProgress, ImportReport
from tapeloom.importing.source_read import SourceRead, read_source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tapeloom.importing.batch import Written
    from tapeloom.importing.findings import Findings
    from tapeloom.importing.options import ReadOptions
    from tapeloom.importing.prepare import Market, Rules
    from tapeloom.importing.report import Progress
    from tapeloom.importing.store import BarStore
    from tapeloom.importing.tables import ForeignTable

__all__ = ["Job"]

# Bars that wait to be written, some 64 bytes each: a hundred days of fifty symbols.
BATCH_BARS = 2**21


class Job:
    """One call of an import.

    Parameters
    ----------
    store
        Where bars are written to.
    options, market, rules
        How sources are read and examined.
    auto
        Whether the reading that fits best is applied.
    dry_run
        Whether nothing is written.
    settings
        What else a record depends on, in values that JSON knows.
    """

    def __init__(
        self,
        store: BarStore,
        options: ReadOptions,
        market: Market,
        rules: Rules,
        *,
        auto: bool,
        dry_run: bool,
        settings: Mapping[str, object] | None = None,
    ) -> None:
        self._options = options
        self._market = market
        self._rules = rules
        self._auto = auto
        self._dry_run = dry_run
        self._batch = Batch(store, rules.on_duplicate)
        # How the sources spell each symbol, over all of them.
        self._spelt: dict[str, tuple[str, str]] = {}
        self._taken: list[SourceRead] = []
        self._reports: list[FileReport] = []
        self._records = ImportRecords(
            store.local_root,
            {
                "group": store.exchange_group,
                "table": market.table.fingerprint,
                "auto": auto,
                "on_duplicate": rules.on_duplicate,
                "allow_negative_prices": rules.allow_negative_prices,
                **options.as_given(),
                **(settings or {}),
            },
        )

    def finished(self, source: str, digest: str) -> SourceRead | None:
        """Return a source as nothing to read if an earlier import has finished it."""
        record = None if self._dry_run else self._records.find(digest)
        if record is None:
            return None
        return SourceRead(source, digest=digest, record=record)

    def read(
        self,
        source: str,
        tables: Callable[[Findings], Iterable[ForeignTable]],
        *,
        digest: str = "",
        options: ReadOptions | None = None,
    ) -> SourceRead:
        """Read and examine a source; any number of threads may do so."""
        return read_source(
            source,
            tables,
            market=self._market,
            options=options or self._options,
            rules=self._rules,
            auto=self._auto,
            digest=digest,
        )

    def run(
        self, reads: Iterable[SourceRead], total: int, progress: Progress | None
    ) -> ImportReport:
        """Take ``total`` sources in order, write them, and return what became of them.

        Raises
        ------
        TapeloomError
            What is wrong with a single source.
        ArgumentTypeError
            If ``progress`` cannot be called; nothing is read then.
        """
        if progress is not None and not callable(progress):
            text = (
                f"progress is {progress!r}; it must be a function of one ImportProgress"
            )
            raise ArgumentTypeError(text, got=progress)
        for read in reads:
            self._take(read)
            self._tell(progress, total)
            if self._batch.bars >= BATCH_BARS:
                self.write()
                self._tell(progress, total)
        self.write()
        self._tell(progress, total)
        return _raised_alone(ImportReport(tuple(self._reports)), dry_run=self._dry_run)

    def _take(self, read: SourceRead) -> None:
        """Hold a source against those before it and what is stored; its bars wait if nothing speaks against them."""
        if read.error is None:
            read = replace(read, error=self._clash(read) or self._conflict(read))
        if read.error is None and read.record is None:
            self._batch.add(len(self._taken), read, read.origin(self._options))
        self._taken.append(read)

    def _clash(self, read: SourceRead) -> TapeloomError | None:
        """Return the error of a symbol that another source spells otherwise."""
        for symbol, spelling in read.spelt.items():
            spelt, where = self._spelt.setdefault(symbol, (spelling, read.source))
            if spelt != spelling:
                text = (
                    f"{read.source}: the symbol {spelling!r} and {spelt!r} of {where} both become {symbol!r}; symbols "
                    "are compared in upper case: rename one, or import each by itself"
                )
                return SymbolError(text, symbol=symbol)
        return None

    def _conflict(self, read: SourceRead) -> TapeloomError | None:
        try:
            self._batch.tell_conflicts(read)
        except TapeloomError as error:
            return error
        return mismatch_of(read.source, read.findings)

    def write(self) -> None:
        """Write the bars that wait, and settle the reports of all sources taken so far."""
        outcomes: dict[int, Written] = {}
        if self._dry_run:
            self._batch.clear()
        else:
            outcomes = self._batch.write()
        for number in range(len(self._reports), len(self._taken)):
            read = self._taken[number]
            report, outcome = read.report(), outcomes.get(number)
            if outcome is not None:
                report = self._written(read, report, outcome)
            self._reports.append(report)
            # Its bars are written, or never will be.
            self._taken[number] = SourceRead(read.source)

    def _written(
        self, read: SourceRead, report: FileReport, outcome: Written
    ) -> FileReport:
        if outcome.error is not None:
            return replace(report, status="failed", bars=0, error=outcome.error)
        report = replace(report, status="imported")
        if not read.digest:
            return report
        try:
            record = {**report.to_dict(), "spelt": read.spelt}
            self._records.save(read.digest, record, outcome.files)
        except StorageError as error:
            text = f"imported, and imported again next time, since that cannot be recorded: {error}"
            found = Finding("no_record", "noted", text, source=read.source)
            return replace(report, findings=(*report.findings, found))
        return report

    def _tell(self, progress: Progress | None, total: int) -> None:
        if progress is not None and self._taken:
            bars = sum(report.bars for report in self._reports)
            at = ImportProgress(
                done=len(self._reports),
                read=len(self._taken),
                total=total,
                bars=bars,
                source=self._taken[-1].source,
            )
            progress(at)


def _raised_alone(report: ImportReport, *, dry_run: bool) -> ImportReport:
    """Raise the error of a single source; in a dry run a mismatch is a finding."""
    if len(report.files) == 1 and report.files[0].error is not None:
        error = report.files[0].error
        if not (dry_run and isinstance(error, ImportMismatchError)):
            raise error
    return report
