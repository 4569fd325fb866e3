"""One source that was read and examined, or failed: its series, what was found in it, and how it was read."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING

from tapeloom.errors import InvalidBarError, TapeloomError
from tapeloom.importing.findings import Findings
from tapeloom.importing.mismatch import mismatch_of
from tapeloom.importing.prepare import prepared
from tapeloom.importing.report import FileReport, SeriesReport
from tapeloom.timestamps import from_ns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tapeloom.bars import Bars
    from tapeloom.importing.options import ReadOptions
    from tapeloom.importing.prepare import Market, ReadSeries, Rules
    from tapeloom.importing.tables import ForeignTable

__all__ = ["SourceRead", "read_source"]


@dataclass(frozen=True, slots=True)
class SourceRead:
    """A source that was read and examined.

    ``digest`` is what its record is known by, empty where none is kept; ``error`` why it cannot be written. ``record`` is
    that of an earlier import that has finished it, and nothing was read then.
    """

    source: str
    series: tuple[ReadSeries, ...] = ()
    findings: Findings = field(default_factory=lambda: Findings(""))
    digest: str = ""
    error: TapeloomError | None = None
    record: Mapping[str, object] | None = None

    @property
    def spelt(self) -> dict[str, str]:
        """How the source spells each symbol."""
        if self.record is None:
            return {one.bars.symbol: one.spelt for one in self.series}
        known = self.record.get("spelt", {})
        return dict(known) if isinstance(known, dict) else {}

    def origin(self, options: ReadOptions) -> dict[str, object]:
        """Where the bars come from, and how they were read as far as they do not say so: what was given and applied."""
        said = {"given": options.as_given(), "applied": self.findings.applied}
        read = {name: value for name, value in said.items() if value}
        return {"source": PurePath(self.source).name, **read}

    def report(self) -> FileReport:
        """What is known before anything is written."""
        failed = self.error is not None
        if self.record is not None and not failed:
            return FileReport(self.source, "already_imported")
        return FileReport(
            self.source,
            "failed" if failed else "examined",
            offered=sum(s.offered for s in self.series),
            bars=0 if failed else sum(len(s.bars) for s in self.series),
            series=tuple(_told(s.bars) for s in self.series if len(s.bars)),
            findings=self.findings.all(),
            error=self.error,
            applied=self.findings.applied,
        )


def _no_bar(
    source: str, series: list[ReadSeries], findings: Findings
) -> TapeloomError | None:
    """Return the error of a source that has rows, of which none is a bar."""
    offered = sum(one.offered for one in series)
    if not offered or any(len(one.bars) for one in series):
        return None
    why = next((f.text for f in findings.all() if f.outcome == "left_out"), "")
    text = f"{source}: none of its {offered:,} rows is a bar{': ' if why else ''}{why}"
    return InvalidBarError(text, got=offered)


def _told(bars: Bars) -> SeriesReport:
    first, last = (from_ns(int(bars.ts[at]), bars.zone) for at in (0, -1))
    return SeriesReport(bars.symbol, bars.interval, len(bars), first, last)


def read_source(
    source: str,
    tables: Callable[[Findings], Iterable[ForeignTable]],
    *,
    market: Market,
    options: ReadOptions,
    rules: Rules,
    auto: bool,
    digest: str = "",
) -> SourceRead:
    """Read and examine a source; what is wrong with it stands in the result."""
    findings = Findings(source, auto=auto)
    series: list[ReadSeries] = []
    error: TapeloomError | None
    try:
        for table in tables(findings):
            findings.source = table.name
            series += prepared(
                table, market=market, options=options, rules=rules, findings=findings
            )
        error = mismatch_of(source, findings) or _no_bar(source, series, findings)
    except TapeloomError as raised:
        error = raised
    return SourceRead(source, tuple(series), findings, digest, error)
