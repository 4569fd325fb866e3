"""The facts computed beside the real data: reads the truth files, knows no package under test."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from tests.reference.schedule import MINUTE, to_ns

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "GapTruth",
    "SessionTruth",
    "gap_truths",
    "merge_truths",
    "symbols_of",
    "window_of",
]


@dataclass(frozen=True, slots=True)
class SessionTruth:
    """One session of one file."""

    date: date
    open: int
    close: int
    expected: int
    present: int
    missing: int
    runs: list[tuple[int, int, int]]
    longest_gap: int
    outside: int


@dataclass(frozen=True, slots=True)
class GapTruth:
    """One file of one-minute bars."""

    path: Path
    symbol: str
    sessions: dict[date, SessionTruth]
    empty_dates: list[date]

    @property
    def first(self) -> date:
        return min(self.sessions)

    @property
    def last(self) -> date:
        return max(self.sessions)


def gap_truths(root: Path, market: str) -> list[GapTruth]:
    """Return the truth of every one-minute file of a market."""
    found = sorted((root / "truth").glob(f"gaps__{market}__*.json"))
    return [_gap_truth(root, json.loads(path.read_text())) for path in found]


def merge_truths(root: Path) -> list[dict[str, Any]]:
    """Return the records of the merge whose files hold one-minute bars."""
    records: list[dict[str, Any]] = json.loads(
        (root / "truth" / "merge.json").read_text()
    )
    return [
        record
        for record in records
        if all("/interval=1m/" in file for file in record["files"])
    ]


def symbols_of(root: Path, *, source: str, market: str) -> list[str]:
    """Return the symbols for which a source has one-minute bars."""
    files = json.loads((root / "MANIFEST.json").read_text())["files"]
    prefix = f"bars/{market}/interval=1m/"
    return sorted(
        {
            f["symbol"]
            for f in files
            if f["source_repo"] == source and f["path"].startswith(prefix)
        }
    )


def window_of(root: Path, file: str) -> GapTruth:
    """Return the truth of one file by its path under the root."""
    for path in sorted((root / "truth").glob("gaps__*.json")):
        facts = json.loads(path.read_text())
        if facts["file"] == file:
            return _gap_truth(root, facts)
    raise LookupError(file)


def _gap_truth(root: Path, facts: dict[str, Any]) -> GapTruth:
    sessions = [_session_truth(entry) for entry in facts["sessions"]]
    return GapTruth(
        path=root / facts["file"],
        symbol=facts["symbol"],
        sessions={session.date: session for session in sessions},
        empty_dates=[
            date.fromisoformat(day)
            for day in facts.get("calendar_sessions_without_bars") or []
        ],
    )


def _session_truth(entry: dict[str, Any]) -> SessionTruth:
    runs = [
        (_ns(start), _ns(start) + count * MINUTE, count)
        for start, count in entry["missing_runs"]
    ]
    return SessionTruth(
        date=date.fromisoformat(entry["date"]),
        open=_ns(entry["open"]),
        close=_ns(entry["close"]),
        expected=entry["expected"],
        present=entry["present"],
        missing=entry["missing"],
        runs=runs,
        longest_gap=entry["longest_gap"],
        outside=entry["before_open"] + entry["at_or_after_close"] + entry["in_break"],
    )


def _ns(text: str) -> int:
    return to_ns(datetime.fromisoformat(text))
