"""What is printed at the end of a run: sessions, throughput, longest gaps, worst symbols, warnings."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tapeloom.report.console import console_for
from tapeloom.report.tables import (
    EDGE_SESSIONS,
    WORST_SYMBOLS,
    gap_table,
    seconds,
    session_table,
    sessions_worth_showing,
    symbol_table,
)
from tapeloom.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import TextIO

    from tapeloom.session.result import RunResult, RunWarning

__all__ = ["print_summary"]

SYMBOLS_NAMED = 5


def print_summary(
    result: RunResult, *, all_sessions: bool = False, file: TextIO | None = None
) -> None:
    """Print what a run did and found.

    Parameters
    ----------
    result
        The finished run.
    all_sessions
        Show every session, also when there are more than 40.
    file
        Where to write; standard output when not given. Anything but a terminal gets plain text 100 columns wide.
    """
    from rich.padding import Padding
    from rich.text import Text

    console = console_for(file if file is not None else sys.stdout)
    every = result.sessions
    shown = every if all_sessions else sessions_worth_showing(every)
    left_out: list[str] = []
    if every:
        table, left_out = session_table(result, shown, width=console.width)
        console.print(table)
    else:
        console.print(f"{result.session_name}: no session was finished")
    for line in _notes(result, hidden=len(every) - len(shown), left_out=left_out):
        console.print(line)
    console.print()
    for line in _throughput(result):
        console.print(line)
    if any(s.longest_gap for s in every):
        console.print()
        console.print(gap_table(every))
    incomplete = [s for s in result.symbols if s.missing]
    if incomplete:
        console.print()
        console.print(symbol_table(incomplete))
    if len(incomplete) > WORST_SYMBOLS:
        more = len(incomplete) - WORST_SYMBOLS
        console.print(f"and {more:,} more with missing bars")
    if result.warnings:
        console.print()
        console.print("warnings", style="bold")
        for warning in result.warnings:
            console.print(Padding(Text(_warning(warning)), (0, 0, 0, 2), expand=False))


def _notes(result: RunResult, *, hidden: int, left_out: Sequence[str]) -> Iterator[str]:
    if left_out:
        yield f"no room for {', '.join(left_out)}: a wider terminal shows all columns"
    if result.derived_bars and "derived" in left_out:
        yield f"derived: {result.derived_bars:,} bars"
    if hidden:
        yield (
            f"{hidden:,} sessions are not shown: these are the first and last {EDGE_SESSIONS} "
            "and those with most missing; --all-sessions shows all"
        )
    if result.stopped_early:
        yield "stopped early: the figures cover the sessions that have ended"
    if any(s.is_early_close for s in result.sessions):
        yield "half: the exchange closed early"
    if result.missing:
        yield "missing, gaps: bars due in regular hours that did not come; longest gap in bars"
    strays = sum(s.out_of_session for s in result.sessions)
    if strays:
        yield f"outside: {strays:,} bars outside regular hours, not delivered and in no figure"
    counts = {
        "duplicates dropped": sum(s.duplicates for s in result.sessions),
        "corrections": sum(s.corrections for s in result.sessions),
        "late": sum(s.late for s in result.sessions),
        "quarantined": sum(s.quarantined for s in result.sessions),
    }
    unusual = [f"{number:,} {word}" for word, number in counts.items() if number]
    if unusual:
        yield f"irregular bars: {', '.join(unusual)}"


def _throughput(result: RunResult) -> Iterator[str]:
    if not result.sessions:
        yield f"whole run {seconds(result.total_seconds)}"
        return
    speed = f"{result.bars_per_second:,.0f} bars/s"
    if result.analysis_name is None:
        yield f"{speed}, without an analysis"
    else:
        inside = seconds(sum(s.analysis_seconds for s in result.sessions))
        without = f"{result.bars_per_second_without_analysis:,.0f} bars/s"
        yield f"{speed} with {result.analysis_name} ({inside} in it), {without} without"
    if len(result.records):
        yield counted(len(result.records), "recorded row")
    loading = seconds(sum(s.load_seconds for s in result.sessions))
    yield f"loading {loading}, whole run {seconds(result.total_seconds)}"
    yield f"session table {result.table_fingerprint}"


def _warning(warning: RunWarning) -> str:
    """Return the text once, with how often it came up and for which symbols."""
    named = ", ".join(warning.symbols[:SYMBOLS_NAMED])
    more = len(warning.symbols) - SYMBOLS_NAMED
    about = f"{named} and {more:,} more" if more > 0 else named
    # One occurrence per symbol goes without saying.
    often = max(1, len(warning.symbols)) < warning.count
    times = f"{warning.count:,} times" if often else ""
    facts = ": ".join(fact for fact in (times, about) if fact)
    return f"{warning.text} ({facts})" if facts else warning.text
