"""The tables of the summary: one row per session, one row per symbol with missing bars."""

from __future__ import annotations

from math import floor
from typing import TYPE_CHECKING

from tapeloom.words import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table
    from rich.text import Text

    from tapeloom.session.result import RunResult, SessionReport, SymbolReport

__all__ = [
    "EDGE_SESSIONS",
    "WORST_SYMBOLS",
    "gap_table",
    "seconds",
    "session_table",
    "sessions_worth_showing",
    "symbol_table",
]

# Beyond this many sessions the table shows the edges and the worst.
SESSIONS_SHOWN = 40
EDGE_SESSIONS = 5
WORST_SESSIONS = 10
WORST_SYMBOLS = 10
LONGEST_GAP = "longest gap"
LONGEST_GAPS = 5
LEFT = ("session", "symbol", "cause", LONGEST_GAP)
WRAPPED = (LONGEST_GAP, "cause")
# What the full table of sessions needs when symbols have four letters; of longer ones the longest gap is cut short.
FULL_WIDTH = 94
# What a narrow terminal has no room for, the first to go first.
GIVING_WAY = ("derived", "outside", "time", LONGEST_GAP)


def session_table(
    result: RunResult, sessions: Sequence[SessionReport], *, width: int
) -> tuple[Table, list[str]]:
    """Return the table of ``sessions``, with the totals of all of ``result`` below, and the columns it has no room for."""
    left_out: list[str] = []
    table = _session_table(result, sessions, without=left_out)
    if width >= FULL_WIDTH:
        return table, left_out
    kept = _columns(result, sessions)
    for name in (name for name in GIVING_WAY if name in kept):
        if _width(table) <= width:
            break
        left_out.append(name)
        table = _session_table(result, sessions, without=left_out)
    return table, left_out


def _columns(
    result: RunResult, sessions: Sequence[SessionReport]
) -> dict[str, list[str | Text]]:
    """Return each column's cells, that of the totals last."""
    total = result.sessions
    columns: dict[str, list[str | Text]] = {
        "session": [*(_name(s) for s in sessions), "total"],
        "bars": [*(f"{s.bars:,}" for s in sessions), f"{result.bars:,}"],
        "derived": [
            *(f"{s.derived_bars:,}" for s in sessions),
            f"{result.derived_bars:,}",
        ],
        "quality": [
            *(_percent(s.quality) for s in sessions),
            _percent(result.quality),
        ],
        "missing": [*(f"{s.missing:,}" for s in sessions), f"{result.missing:,}"],
        "gaps": [*(f"{s.gaps:,}" for s in sessions), f"{result.gaps:,}"],
        LONGEST_GAP: [*(_longest_gap(s) for s in sessions), ""],
        "outside": [
            *(f"{s.out_of_session:,}" for s in sessions),
            f"{sum(s.out_of_session for s in total):,}",
        ],
        "time": [
            *(seconds(s.seconds) for s in sessions),
            seconds(sum(s.seconds for s in total)),
        ],
    }
    if not any(s.out_of_session for s in total):
        del columns["outside"]
    return columns


def _session_table(
    result: RunResult, sessions: Sequence[SessionReport], *, without: Sequence[str]
) -> Table:
    columns = _columns(result, sessions)
    for name in without:
        del columns[name]
    total = result.sessions
    table = _table(f"{result.session_name}: {counted(len(total), 'session')}", *columns)
    *rows, last = zip(*columns.values(), strict=True)
    for row in rows:
        table.add_row(*row)
    table.add_section()
    table.add_row(*last, style="bold")
    return table


def sessions_worth_showing(
    sessions: Sequence[SessionReport],
) -> Sequence[SessionReport]:
    """Return all sessions, or of many the first, the last and those with most missing, in their order."""
    if len(sessions) <= SESSIONS_SHOWN:
        return sessions
    last = range(len(sessions) - EDGE_SESSIONS, len(sessions))
    edges = {*range(EDGE_SESSIONS), *last}
    inner = [i for i, s in enumerate(sessions) if i not in edges and s.missing]
    worst = sorted(inner, key=lambda i: -sessions[i].missing)[:WORST_SESSIONS]
    return [sessions[i] for i in sorted({*edges, *worst})]


def symbol_table(incomplete: Sequence[SymbolReport]) -> Table:
    """Return the table of the symbols with most missing bars, worst first."""
    worst = sorted(incomplete, key=lambda s: (-s.missing, s.symbol))[:WORST_SYMBOLS]
    headers = ["symbol", "due", "present", "missing", "quality", "gaps", "longest"]
    most = "most " if len(incomplete) > WORST_SYMBOLS else ""
    table = _table(f"symbols with {most}missing bars", *headers)
    for s in worst:
        table.add_row(
            s.symbol,
            f"{s.expected:,}",
            f"{s.present:,}",
            f"{s.missing:,}",
            _percent(s.quality),
            f"{s.gaps:,}",
            f"{s.longest_gap:,}",
        )
    return table


def gap_table(sessions: Sequence[SessionReport]) -> Table:
    """Return the table of the longest gaps, at most one of each session, with their causes."""
    from rich.text import Text

    gaps = [s for s in sessions if s.longest_gap]
    worst = sorted(gaps, key=lambda s: (-s.longest_gap, s.session_date))[:LONGEST_GAPS]
    title = "longest gaps, one of each session"
    table = _table(title, "session", "at", "symbol", "bars", "cause")
    for s in worst:
        start = s.longest_gap_start
        # A folder of results from before causes were kept has none.
        cause = s.longest_gap_cause or "not kept"
        table.add_row(
            s.session_date.isoformat(),
            "" if start is None else start.strftime("%H:%M"),
            s.longest_gap_symbol or "",
            f"{s.longest_gap:,}",
            Text(": ".join(filter(None, (cause, s.longest_gap_evidence)))),
        )
    return table


def seconds(value: float) -> str:
    """Return ``"30 ms"`` or ``"2.5 s"``."""
    return f"{value * 1000:,.0f} ms" if value < 1 else f"{value:,.1f} s"


def _table(title: str, *headers: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for header in headers:
        table.add_column(
            header,
            justify="left" if header in LEFT else "right",
            # Where a row is too wide, these give way: a symbol comes last in them, or a sentence.
            no_wrap=header not in WRAPPED,
        )
    return table


def _width(table: Table) -> int:
    """Return how many columns of text a table needs when nothing gives way."""
    from rich.console import Console

    wide = Console(width=10_000, color_system=None)
    return wide.measure(table).maximum


def _name(session: SessionReport) -> str:
    half = " half" if session.is_early_close else ""
    return f"{session.session_date.isoformat()}{half}"


def _longest_gap(session: SessionReport) -> Text:
    from rich.text import Text

    if not session.longest_gap:
        return Text("")
    start = session.longest_gap_start
    at = "" if start is None else start.strftime(" at %H:%M")
    text = f"{session.longest_gap:,}{at} {session.longest_gap_symbol or ''}"
    return Text(text, no_wrap=True, overflow="ellipsis")


def _percent(value: float | None) -> str:
    """Return two decimals, cut off: a run with one bar missing must not read 100 %."""
    if value is None:
        return "-"
    # The small amount keeps 99.99 from reading 99.98 where its product lies just below 9999.
    return f"{floor(value * 100 + 1e-6) / 100:.2f}%"
