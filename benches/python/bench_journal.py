"""Bars into a journal, and a session out of one, beside a table of bars in SQLite with the same promises."""

from __future__ import annotations

import sqlite3
import time
from collections import deque
from datetime import date
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from benches.python.ratios import Targets, Way

from tapeloom import BarData, SessionData
from tapeloom.live.journal import SessionJournal
from tapeloom.live.recovery import recover

if TYPE_CHECKING:
    from pathlib import Path

    from benches.python.ratios import Comparison

DAY = date(2025, 7, 2)
OPEN = 1_751_463_000_000_000_000
MINUTE = 60_000_000_000

Given = list[tuple[str, BarData]]


def minute(symbols: list[str], number: int) -> Given:
    ts = OPEN + number * MINUTE
    volume = 100.0 + number
    return [
        (name, BarData(name, ts, 10.0, 11.0, 9.0, 10.5, volume)) for name in symbols
    ]


def table(path: Path) -> sqlite3.Connection:
    """Return a table of bars in a log that is synced at each commit."""
    found = sqlite3.connect(path, isolation_level=None)
    found.execute("PRAGMA journal_mode = WAL")
    found.execute("PRAGMA synchronous = FULL")
    found.execute(
        "CREATE TABLE bars (symbol TEXT, ts INTEGER, open REAL, high REAL, low REAL, close REAL, volume REAL)"
    )
    return found


def insert(found: sqlite3.Connection, given: Given) -> None:
    rows = [
        (name, bar.ts, bar.open, bar.high, bar.low, bar.close, bar.volume)
        for name, bar in given
    ]
    found.execute("BEGIN")
    found.executemany("INSERT INTO bars VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    found.execute("COMMIT")


@pytest.mark.parametrize("symbols", [1, 1_000])
def test_a_minute_on_disk(
    compare: Comparison, tmp_path: Path, small: bool, symbols: int
) -> None:
    names = [f"S{n}" for n in range(3 if small else symbols)]
    rounds = {"ours": count(), "theirs": count()}
    kept: dict[str, deque[BarData]] = {name: deque(maxlen=512) for name in names}
    found = table(tmp_path / "bars.sqlite")
    journal = SessionJournal(tmp_path / "day.journal", SessionData())
    journal.start_new_session(DAY)

    def ours(_: object) -> int:
        outcomes = journal.add_bars(minute(names, next(rounds["ours"]) % 390))
        return len(outcomes)

    def theirs(_: object) -> int:
        given = minute(names, next(rounds["theirs"]) % 390)
        insert(found, given)
        for name, bar in given:
            kept[name].append(bar)
        return len(given)

    compare(
        f"a minute of {symbols:,} symbols on disk, then in the session, per bar",
        ours=[Way("`SessionJournal.add_bars`", ours, [None], size=len(names))],
        peers=[
            Way("sqlite3, a row a bar, deques", theirs, [None], size=len(names)),
        ],
        targets=Targets(0.9, 1, 2),
        clock=time.perf_counter,
    )
    journal.close()
    found.close()


def test_a_session_out_of_its_journal(
    compare: Comparison, tmp_path: Path, small: bool
) -> None:
    names = [f"S{n:03}" for n in range(3 if small else 500)]
    path = tmp_path / "day.journal"
    found = table(tmp_path / "bars.sqlite")
    with SessionJournal(path, SessionData(), mode="relaxed") as journal:
        journal.start_new_session(DAY)
        for number in range(390):
            given = minute(names, number)
            journal.add_bars(given)
            insert(found, given)

    def ours(_: object) -> SessionData:
        return recover(path)

    def theirs(_: object) -> dict[str, deque[BarData]]:
        kept: dict[str, deque[BarData]] = {name: deque(maxlen=512) for name in names}
        for name, *values in found.execute("SELECT * FROM bars ORDER BY rowid"):
            kept[name].append(BarData(name, *values))
        return kept

    def volumes(answer: Any) -> list[float]:
        if isinstance(answer, SessionData):
            return [answer.get_bars(name).volume.sum() for name in names]
        return [sum(bar.volume for bar in answer[name]) for name in names]

    bars = 390 * len(names)
    compare(
        "a session out of its journal, every checksum checked, per bar",
        ours=[Way("`recover`", ours, [None], volumes, bars)],
        peers=[Way("sqlite3, a row a bar, deques", theirs, [None], volumes, bars)],
        targets=Targets(1, 2, 4),
        clock=time.perf_counter,
    )
    found.close()
