"""The pages of ``tapeloom check`` and ``tapeloom gaps``: a table by symbol, the findings, a list of gaps."""

from __future__ import annotations

from math import floor
from typing import TYPE_CHECKING, Any, Literal

from tapeloom.checking.report import plain_rows
from tapeloom.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import RenderableType
    from rich.table import Table

    from tapeloom.checking import CheckReport, Finding, SymbolCheck
    from tapeloom.gap import Gap, Gaps

__all__ = ["check_page", "gaps_dict", "gaps_page"]

ROWS_SHOWN = 40
#: Findings of one kind that are shown before the rest is counted.
FINDINGS_SHOWN = 5
_LEFT = ("symbol", "interval", "cause", "from", "to", "evidence")


def check_page(report: CheckReport, *, every: bool) -> Iterator[RenderableType]:
    """Yield the parts of a page: the worst series or all, findings, and the sum of it.

    Parameters
    ----------
    report
        What was found.
    every
        Show every series and finding.
    """
    from rich.padding import Padding
    from rich.text import Text

    most = len(report.symbols) if every else ROWS_SHOWN
    rows = _worth_showing(report.symbols, most)
    yield _symbol_table(report, rows)
    if len(rows) < len(report.symbols):
        more = len(report.symbols) - len(rows)
        yield f"and {more:,} more with fewer missing bars; --all shows all"
    for title, is_problem in (("problems", True), ("worth knowing", False)):
        findings = [f for f in report.findings if f.is_problem == is_problem]
        if findings:
            yield ""
            yield Text(title, style="bold")
            for line in _lines(findings, len(findings) if every else FINDINGS_SHOWN):
                yield Padding(Text(line), (0, 0, 0, 2), expand=False)
    yield ""
    yield _sum(report)


def gaps_page(gaps: Gaps, *, every: bool) -> Iterator[RenderableType]:
    """Yield the parts of a page: the gaps, and how many bars they miss."""
    if not gaps:
        yield "no gaps"
        return
    shown = gaps if every else gaps[:ROWS_SHOWN]
    yield _gap_table(shown)
    if len(shown) < len(gaps):
        yield f"and {len(gaps) - len(shown):,} more; --all shows all"
    yield ""
    missing = sum(gap.missing for gap in gaps)
    yield f"{counted(missing, 'bar')} missing in {counted(len(gaps), 'gap')}"


def gaps_dict(gaps: Gaps) -> dict[str, Any]:
    """Return the gaps as values that JSON knows."""
    missing = sum(gap.missing for gap in gaps)
    return {"number": len(gaps), "missing": missing, "gaps": plain_rows(gaps)}


def _worth_showing(rows: Sequence[SymbolCheck], most: int) -> list[SymbolCheck]:
    """The series with most missing, in the order of the data."""
    if len(rows) <= most:
        return list(rows)
    worst = sorted(range(len(rows)), key=lambda at: -rows[at].missing)[:most]
    return [rows[at] for at in sorted(worst)]


def _symbol_table(report: CheckReport, rows: Sequence[SymbolCheck]) -> Table:
    columns: dict[str, list[str]] = {
        "symbol": [row.symbol for row in rows],
        "interval": [row.interval for row in rows],
        "sessions": _numbers(rows, "sessions"),
        "empty": _numbers(rows, "empty_sessions"),
        "due": _numbers(rows, "expected"),
        "missing": _numbers(rows, "missing"),
        "quality": [_percent(row.quality) for row in rows],
        "gaps": _numbers(rows, "gaps"),
        "longest": _numbers(rows, "longest_gap"),
        "outside": [f"{r.before_open + r.at_or_after_close:,}" for r in rows],
        "twice": _numbers(rows, "duplicates"),
        "invalid": _numbers(rows, "invalid"),
    }
    for name in ("empty", "outside", "twice", "invalid"):
        if not any(value != "0" for value in columns[name]):
            del columns[name]
    series = f"{len(report.symbols):,} series"
    return _table(f"{report.exchange_group}: {series}", columns)


def _numbers(rows: Sequence[SymbolCheck], name: str) -> list[str]:
    return [f"{getattr(row, name):,}" for row in rows]


def _gap_table(gaps: Sequence[Gap]) -> Table:
    columns: dict[str, list[str]] = {
        "symbol": [gap.symbol for gap in gaps],
        "interval": [gap.interval for gap in gaps],
        "from": [_at(gap.start) for gap in gaps],
        "to": [f"{gap.end:%H:%M:%S}".removesuffix(":00") for gap in gaps],
        "missing": [f"{gap.missing:,}" for gap in gaps],
        "cause": [str(gap.cause) for gap in gaps],
        "evidence": [gap.evidence for gap in gaps],
    }
    if not any(columns["evidence"]):
        del columns["evidence"]
    return _table("gaps", columns)


def _at(moment: Any) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}".removesuffix(":00")


def _lines(findings: Sequence[Finding], most: int) -> Iterator[str]:
    """One line each; of one kind so many, and how many more there are."""
    kinds: dict[str, list[Finding]] = {}
    for found in findings:
        kinds.setdefault(found.kind, []).append(found)
    for kind, of_kind in kinds.items():
        # Where only some are shown, those are the largest, in the order of the data.
        largest = sorted(range(len(of_kind)), key=lambda at: -of_kind[at].count)[:most]
        for found in (of_kind[at] for at in sorted(largest)):
            whose = " ".join(filter(None, (found.symbol, found.interval)))
            yield f"{whose}: {found.text}" if whose else found.text
        if len(of_kind) > most:
            more = len(of_kind) - most
            yield f"and {more:,} more of this kind ({kind}); --all shows all"


def _sum(report: CheckReport) -> str:
    if not report.expected:
        number = len(report.problems)
        said = counted(number, "problem") if number else "no problems"
        return f"{said}: no bar is due"
    if report.is_clean:
        return f"no problems: {counted(report.expected, 'bar')} due, all there"
    bars = f"{report.missing:,} of {counted(report.expected, 'bar')} missing"
    return f"{counted(len(report.problems), 'problem')}: {bars}"


def _percent(value: float | None) -> str:
    """Return two decimals, cut off: a series with one bar missing must not read 100 %."""
    return "-" if value is None else f"{floor(value * 100 + 1e-6) / 100:.2f}%"


def _table(title: str, columns: dict[str, list[str]]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for name in columns:
        # Where a row is too wide, the evidence is what gives way.
        justify: Literal["left", "right"] = "left" if name in _LEFT else "right"
        table.add_column(name, justify=justify, no_wrap=name != "evidence")
    for row in zip(*columns.values(), strict=True):
        table.add_row(*(Text(value) for value in row))
    return table
