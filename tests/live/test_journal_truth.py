"""A real half day through a journal: what is known of it beside the data holds for what is recovered."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from tapeloom import BarData, DataManager, SessionData, replay
from tapeloom.live.journal import SessionJournal
from tapeloom.live.recovery import journal_bars, recover
from tests.live.made import facts
from tests.truth.facts import gap_truths

if TYPE_CHECKING:
    from pathlib import Path

DAY = date(2024, 7, 3)
FILE = "bars/us_equity/interval=1m/symbol=SPY/2024-03-26_2024-08-30.parquet"


def of_the_day(root: Path, start: int, end: int) -> list[tuple[str, BarData]]:
    """The real bars of a stretch of time in the order in which a feed would send them."""
    bars = DataManager(str(root / FILE)).read("SPY", "1m", start, end)
    return [("SPY", bar) for bar in bars]


def test_a_real_half_day_recovered_has_every_bar_that_is_known_to_be_there(
    real_data: Path, tmp_path: Path
) -> None:
    (truth,) = [t for t in gap_truths(real_data, "us_equity") if t.path.match(FILE)]
    known = truth.sessions[DAY]
    path = tmp_path / "day.journal"
    with SessionJournal(path, SessionData()) as journal:
        journal.start_new_session(DAY)
        journal.register_symbol("SPY", derived=["5m", "1d"])
        day = of_the_day(real_data, known.open, known.close)
        for first in range(0, len(day), 7):
            journal.add_bars(day[first : first + 7])
        journal.end_session()
        written = facts(journal.session_data)
    session = recover(path)
    assert facts(session) == written
    assert session.get_bar_count("SPY") == known.present
    assert len(session.get_gaps("SPY")) == len(known.runs)
    assert (session.get_bar_count("SPY", "5m"), session.get_bar_count("SPY", "1d")) == (
        42,
        1,
    )
    batches = replay(
        journal_bars(path), start=DAY, end=DAY, intervals=("1m", "5m", "1d")
    )
    for _ in batches:
        pass
    assert batches.session_data.state_hash() == written["hash"]


def test_bars_of_extended_hours_and_late_ones_are_recovered_as_they_came(
    real_data: Path, tmp_path: Path
) -> None:
    (truth,) = [t for t in gap_truths(real_data, "us_equity") if t.path.match(FILE)]
    known = truth.sessions[DAY]
    hours = 6 * 3_600_000_000_000
    day = of_the_day(real_data, known.open - hours, known.close + hours)
    path = tmp_path / "day.journal"
    with SessionJournal(path, SessionData()) as journal:
        journal.start_new_session(DAY)
        journal.register_symbol("SPY", derived=["5m"])
        # Every fifth comes after the others.
        journal.add_bars([one for at, one in enumerate(day) if at % 5])
        journal.add_bars(day[::5])
        journal.end_session()
        written = facts(journal.session_data)
    assert facts(recover(path)) == written
    assert written["counts"]["SPY"].late > 0
    assert written["counts"]["SPY"].offered == len(day) > known.present
