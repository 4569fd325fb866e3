"""The steps of a live session through its journal: on disk first, and there again after a crash."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tapeloom import BarData, SessionData
from tapeloom._core import JournalReader, Live
from tapeloom.errors import ArgumentError, JournalError, StateError, UnknownSymbolError
from tapeloom.live.journal import SessionJournal
from tapeloom.live.journal_header import Kind
from tests.live.made import MINUTE, OPEN, SetClock, bar, begun

if TYPE_CHECKING:
    from pathlib import Path

SECOND = 1_000_000_000
MODES = pytest.mark.parametrize("mode", ["strict", "relaxed"])


def live(session: SessionData) -> Live:
    return Live(session, grace=2 * SECOND, tolerance=SECOND)


def at(number: int, seconds: float = 0) -> int:
    """When the bar of a number is known, and some seconds."""
    return OPEN + (number + 1) * MINUTE + int(seconds * SECOND)


def written(path: Path) -> list[tuple[Kind, int, int, bool]]:
    """Kind, arrival, start and whether it came with the one before, of all records of bars and clocks."""
    reader = JournalReader(path, owner="a test")
    found: list[tuple[Kind, int, int, bool]] = []
    while (records := reader.read(1_000)) is not None:
        columns: dict[str, Any] = records.columns()
        rows = zip(
            *(columns[name].tolist() for name in ("kind", "arrival", "ts", "joined")),
            strict=True,
        )
        found += [
            (Kind(kind), arrival, ts, bool(joined))
            for kind, arrival, ts, joined in rows
            if kind in (Kind.BAR, Kind.CORRECTION, Kind.CLOCK)
        ]
    reader.close()
    return found


@MODES
def test_a_step_is_on_disk_as_one_and_in_the_session(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "day.journal"
    with begun(SessionJournal(path, SessionData(), mode=mode)) as journal:
        running = live(journal.session_data)
        before = journal.last_seq
        batch, refused = journal.step(
            running,
            [bar(0), bar(0, "MSFT"), bar(0, close=12.0)],
            at(0),
            corrections=[2],
        )
        assert journal.last_seq == before + 3
        assert (batch.ts, refused) == (at(0), [])
        assert [b.close for b in batch.bars] == [12.0, 10.5]
        running.close()
    assert written(path) == [
        (Kind.BAR, at(0), bar(0).ts, False),
        (Kind.BAR, at(0), bar(0).ts, True),
        (Kind.CORRECTION, at(0), bar(0).ts, True),
    ]


@MODES
def test_a_step_without_bars_writes_nothing_and_the_next_record_brings_its_clock(
    tmp_path: Path, mode: str
) -> None:
    path = tmp_path / "day.journal"
    with begun(
        SessionJournal(path, SessionData(), mode=mode, clock=SetClock())
    ) as journal:
        running = live(journal.session_data)
        before = journal.last_seq
        for seconds in (1, 3, 2):
            batch, _ = journal.step(running, [], at(0, seconds))
        assert (batch.ts, journal.last_seq) == (at(0, 3), before)
        journal.step(running, [bar(0)], at(0, 4))
        journal.step(running, [bar(1)], at(1))
        journal.step(running, [], at(1, 1))
        running.close()
        journal.end_session()
    assert written(path) == [
        (Kind.CLOCK, at(0, 4), at(0, 3), False),
        (Kind.BAR, at(0, 4), bar(0).ts, False),
        (Kind.BAR, at(1), bar(1).ts, False),
        (Kind.CLOCK, OPEN, at(1, 1), False),
    ]


@MODES
def test_what_a_step_cannot_take_is_an_error_before_anything_is_written(
    tmp_path: Path, mode: str
) -> None:
    with begun(
        SessionJournal(tmp_path / "day.journal", SessionData(), mode=mode)
    ) as journal:
        session = journal.session_data
        session.register_symbol("PAST", base_interval="1m")
        running = live(session)
        journal.step(running, [], at(0))
        before = journal.last_seq
        with pytest.raises(UnknownSymbolError, match="GONE arrived, which is not kept"):
            journal.step(running, [bar(0), bar(0, "GONE")], at(0))
        with pytest.raises(UnknownSymbolError, match="register the symbol through it"):
            journal.step(running, [bar(0), bar(0, "PAST")], at(0))
        other = BarData("AAPL", OPEN, 9.0, 9.0, 9.0, 9.0, 5.0, "5m")
        with pytest.raises(ArgumentError, match="base interval is 1m"):
            journal.step(running, [bar(0), other], at(0))
        for position in (-1, 1):
            with pytest.raises(
                ArgumentError, match=f"position {position}; there are 1"
            ):
                journal.step(running, [bar(0)], at(0), corrections=[position])
        assert journal.last_seq == before
        assert session.get_bar_count("AAPL") == 0
        running.close()
        journal.close()
        with pytest.raises(StateError, match="closed"):
            journal.step(running, [bar(0)], at(0))


@MODES
def test_no_step_is_taken_once_the_disk_failed(tmp_path: Path, mode: str) -> None:
    journal = begun(SessionJournal(tmp_path / "day.journal", SessionData(), mode=mode))
    running = live(journal.session_data)
    journal.step(running, [bar(0)], at(0))
    assert journal._journal is not None
    journal._journal.stop("no space left on device")
    for bars in ([bar(1)], []):
        with pytest.raises(JournalError, match="no space left"):
            journal.step(running, bars, at(1))
    assert journal.session_data.get_bar_count("AAPL") == 1
    journal.reopen()
    journal.step(running, [bar(1)], at(1))
    assert journal.session_data.get_bar_count("AAPL") == 2
    running.close()
    journal.close()


def test_without_a_journal_a_step_is_only_taken(tmp_path: Path) -> None:
    journal = begun(SessionJournal(tmp_path / "x.journal", SessionData(), mode="off"))
    running = live(journal.session_data)
    batch, _ = journal.step(running, [bar(0)], at(0))
    assert len(batch) == 1
    running.close()
    journal.close()
    assert list(tmp_path.iterdir()) == []
