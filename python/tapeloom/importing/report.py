"""What an import did: per source file what was read, found and written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from tapeloom.words import counted

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from tapeloom.errors import TapeloomError
    from tapeloom.importing.findings import Finding

__all__ = [
    "FileReport",
    "ImportProgress",
    "ImportReport",
    "Progress",
    "SeriesReport",
    "Status",
]

Status = Literal["imported", "already_imported", "examined", "failed"]


@dataclass(frozen=True, slots=True)
class ImportProgress:
    """Where an import stands.

    ``read`` of ``total`` files are read and examined, the last of them is ``source``; ``done`` are finished, and ``bars``
    of those are written. Bars of many files are written together, so that ``done`` runs behind ``read``.
    """

    done: int
    read: int
    total: int
    bars: int
    source: str


Progress: TypeAlias = Callable[[ImportProgress], object]


@dataclass(frozen=True, slots=True)
class SeriesReport:
    """The bars of one series in one source: how many, and the start of the first and last, aware, in the exchange's zone."""

    symbol: str
    interval: str
    bars: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class FileReport:
    """What became of one source.

    Attributes
    ----------
    source
        The file, or ``"data"`` for a frame.
    status
        ``"imported"``; ``"already_imported"`` in an earlier run and left alone; ``"examined"`` in a dry run; ``"failed"``.
    offered, bars
        Rows that were there, and bars that were written; the findings say what became of the others.
    series
        Each series of which there are bars.
    findings
        What was found, in order.
    error
        Why it failed.
    applied
        Readings that nobody chose and that were applied because they fit best.
    """

    source: str
    status: Status
    offered: int = 0
    bars: int = 0
    series: tuple[SeriesReport, ...] = ()
    findings: tuple[Finding, ...] = ()
    error: TapeloomError | None = None
    applied: Mapping[str, object] = field(default_factory=dict)

    def to_dict(self) -> dict[str, object]:
        """Return the report in values that JSON knows."""
        return {
            "source": self.source,
            "status": self.status,
            "offered": self.offered,
            "bars": self.bars,
            "series": [
                {
                    "symbol": one.symbol,
                    "interval": one.interval,
                    "bars": one.bars,
                    "first": one.first.isoformat(),
                    "last": one.last.isoformat(),
                }
                for one in self.series
            ],
            "applied": {k: _plain(v) for k, v in self.applied.items()},
            "error": None if self.error is None else str(self.error),
            "findings": [
                {
                    "kind": f.kind,
                    "outcome": f.outcome,
                    "symbol": f.symbol,
                    "count": f.count,
                    "source": f.source,
                    "text": f.text,
                }
                for f in self.findings
            ],
        }


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did, per source file in order."""

    files: tuple[FileReport, ...]

    @property
    def bars(self) -> int:
        """Bars written, or, in a dry run, ready to be."""
        return sum(f.bars for f in self.files)

    @property
    def symbols(self) -> list[str]:
        """Symbols of which bars were written, or, in a dry run, are ready to be; sorted."""
        read = [f for f in self.files if f.status != "failed"]
        return sorted({one.symbol for f in read for one in f.series})

    @property
    def failed(self) -> list[FileReport]:
        """Files that were not imported, each with its error."""
        return [f for f in self.files if f.status == "failed"]

    @property
    def findings(self) -> list[Finding]:
        """Findings of all files."""
        return [finding for f in self.files for finding in f.findings]

    @property
    def problems(self) -> list[Finding]:
        """Findings that need a look, as opposed to notes on how a file was read."""
        return [f for f in self.findings if f.is_problem]

    @property
    def is_clean(self) -> bool:
        """Whether every file was read and nothing needs a look."""
        return not self.failed and not self.problems

    def to_dict(self) -> dict[str, object]:
        """Return the report in values that JSON knows."""
        return {
            "bars": self.bars,
            "symbols": self.symbols,
            "failed": len(self.failed),
            "problems": len(self.problems),
            "files": [f.to_dict() for f in self.files],
        }

    def __str__(self) -> str:
        lines = [_headline(self)]
        for file in self.files:
            told = [
                f"{f.symbol}: {f.text}" if f.symbol else f.text for f in file.findings
            ]
            if file.error is not None and not any(
                f.outcome == "stops" for f in file.findings
            ):
                told.append(f"failed: {file.error}")
            if told:
                lines += [file.source, *(f"  {text}" for text in told)]
        return "\n".join(lines)


def _headline(report: ImportReport) -> str:
    symbols = counted(len(report.symbols), "symbol")
    files = counted(len(report.files), "file")
    parts = [f"{counted(report.bars, 'bar')} of {symbols} from {files}"]
    known = sum(f.status == "already_imported" for f in report.files)
    if known:
        parts.append(f"{known:,} already imported")
    if report.failed:
        parts.append(f"{len(report.failed):,} failed")
    return ", ".join(parts)


def _plain(value: object) -> object:
    return value if isinstance(value, str | int | float) else str(value)
