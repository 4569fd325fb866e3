"""Is my data good: counts, gaps with causes and findings per series and session, from any source of bars."""

from tapeloom.checking.check import check_source, gaps_in_source
from tapeloom.checking.report import CheckReport
from tapeloom.checking.rows import (
    Finding,
    Findings,
    SessionCheck,
    SessionChecks,
    SplitHint,
    SplitHints,
    SymbolCheck,
    SymbolChecks,
)
from tapeloom.checking.window import Window, now_of

__all__ = [
    "CheckReport",
    "Finding",
    "Findings",
    "SessionCheck",
    "SessionChecks",
    "SplitHint",
    "SplitHints",
    "SymbolCheck",
    "SymbolChecks",
    "Window",
    "check_source",
    "gaps_in_source",
    "now_of",
]
