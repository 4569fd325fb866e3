"""Sessions that are written through a journal, and what two of them must have in common."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from tapeloom import BarData, SessionData

if TYPE_CHECKING:
    from tapeloom.live.journal import SessionJournal

DAY = date(2025, 7, 2)
OPEN = 1_751_463_000_000_000_000
MINUTE = 60_000_000_000


class SetClock:
    """Stands still until it is set."""

    def __init__(self, now: int = OPEN) -> None:
        self.now = now

    def now_ns(self) -> int:
        return self.now


def bar(number: int, symbol: str = "AAPL", close: float = 10.5) -> BarData:
    """A bar of the day by its number."""
    low, high = min(10.0, close), max(11.0, close)
    return BarData(
        symbol, OPEN + number * MINUTE, 10.0, high, low, close, 100.0 + number
    )


def facts(session: SessionData) -> dict[str, Any]:
    """All that a session knows of its bars: what a recovered one must know as well."""
    names = sorted(session._symbols)
    return {
        "hash": session.state_hash(),
        "date": session.current_session_date,
        "ended": session.session_ended,
        "clock": session._clock,
        "intervals": {name: session._intervals(name) for name in names},
        "counts": {name: session.get_ingest_counts(name) for name in names},
        "flags": {name: session.get_bars(name).flags.tolist() for name in names},
        "history": {
            name: session.get_bars(name, scope="history").ts.tolist() for name in names
        },
        "revisions": {name: session._revisions(name) for name in names},
        "quarantine": session.get_quarantine(),
        "gaps": {name: list(session.get_gaps(name)) for name in names},
        "quality": {name: session.get_quality(name) for name in names},
        "metrics": {name: session.get_session_metrics(name) for name in names},
    }


def begun(journal: SessionJournal) -> SessionJournal:
    """The journal with a session and two symbols."""
    journal.start_new_session(DAY)
    journal.register_symbol("AAPL", derived=["5m"])
    journal.register_symbol("MSFT", base_interval="1m")
    return journal
