"""A live day out of its journal, played as a backtest, ends with the state of the live session."""

from __future__ import annotations

import random
from datetime import date
from typing import TYPE_CHECKING

import pytest

from tapeloom import BarData, SessionData, replay
from tapeloom._core import Live
from tapeloom.errors import ArgumentError
from tapeloom.live.journal import SessionJournal
from tapeloom.live.journal_header import Patience
from tapeloom.live.recovery import journal_bars
from tests.live.made import DAY, MINUTE, OPEN
from tests.session.memory import JULY

if TYPE_CHECKING:
    from pathlib import Path

    from tests.reference.schedule import TradingDay

SECOND = 1_000_000_000
PATIENCE = Patience(2 * SECOND, SECOND)
NEXT = date(2025, 7, 3)
DERIVED = ["5m", "1h", "1d"]


def hours_of(day: date) -> TradingDay:
    return next(known for known in JULY if known.date == day)


def played(path: Path, day: date, hours: str) -> str:
    """The state of a backtest over the journal's bars of a day."""
    batches = replay(
        journal_bars(path, session_date=day),
        start=day,
        end=day,
        intervals=("1m", *DERIVED),
        bars={"extended_hours": hours},
    )
    for _ in batches:
        pass
    return batches.session_data.state_hash()


class LiveDay:
    """A made-up day: of each symbol a bar a minute, with the faults of a feed."""

    def __init__(self, journal: SessionJournal, day: date, *, messy: bool) -> None:
        self.journal = journal
        self.random = random.Random(day.toordinal())
        self.messy = messy
        hours = hours_of(day)
        self.open = hours.open
        extended = journal.session_data.policies["extended_hours"] != "off"
        before, after = (330, 240) if extended else (0, 0)
        last = (hours.close - hours.open) // MINUTE
        self.numbers = range(-before, last + after)
        self.late: list[tuple[int, BarData]] = []

    def bar(self, name: str, number: int) -> BarData:
        close = round(10 + self.random.random(), 2)
        ts = self.open + number * MINUTE
        return BarData(name, ts, 10.0, 11.0, 10.0, close, 100.0)

    def arriving(self, names: list[str], number: int) -> list[BarData]:
        """What comes in the minute after a number: some of it missing, late, twice, corrected."""
        bars = [b for due, b in self.late if due == number and b.symbol in names]
        for name in names:
            bar, luck = self.bar(name, number), self.random.random()
            if self.messy and luck < 0.05:
                self.late.append((number + self.random.randint(1, 12), bar))
            elif not self.messy or luck < 0.9:
                bars += [bar, bar] if self.messy and luck > 0.8 else [bar]
            if self.messy and luck > 0.95:
                earlier = number - self.random.randint(1, 9)
                bars.append(self.bar(name, max(self.numbers.start, earlier)))
        return bars

    def play(self) -> None:
        """Take the whole day; with faults one symbol joins and one goes at noon."""
        names = ["AAA", "BBB", "GOES"] if self.messy else ["AAA", "BBB"]
        for name in names:
            self.journal.register_symbol(name, base_interval="1m", derived=DERIVED)
        live = self.live()
        for number in self.numbers:
            clock = self.open + (number + 1) * MINUTE
            self.journal.step(live, self.arriving(names, number), clock + SECOND // 2)
            self.journal.step(live, [], clock + 3 * SECOND)
            if self.messy and number == 150:
                live.close()
                names = ["AAA", "BBB", "JOINS"]
                self.journal.remove_symbol("GOES")
                self.journal.register_symbol(
                    "JOINS", base_interval="1m", derived=DERIVED
                )
                live = self.live()
                # What it missed comes from history.
                missed = [self.bar("JOINS", n) for n in range(100, 151)]
                self.journal.add_bars_batch("JOINS", missed)
        live.close()
        self.journal.end_session()

    def live(self) -> Live:
        grace, tolerance = PATIENCE.grace_ns, PATIENCE.tolerance_ns
        return Live(self.journal.session_data, grace=grace, tolerance=tolerance)


@pytest.mark.parametrize("messy", [False, True], ids=["clean", "messy"])
@pytest.mark.parametrize("hours", ["off", "show", "full"])
def test_each_day_of_a_journal_played_again_has_the_state_that_it_had_live(
    tmp_path: Path, hours: str, messy: bool
) -> None:
    path = tmp_path / "days.journal"
    session = SessionData(extended_hours=hours)
    states = {}
    with SessionJournal(path, session, mode="relaxed", patience=PATIENCE) as journal:
        for day in (DAY, NEXT):
            journal.start_new_session(day, roll=day == NEXT)
            if "JOINS" in session._symbols:
                journal.remove_symbol("JOINS")
            LiveDay(journal, day, messy=messy).play()
            states[day] = session.state_hash()
        counts = session.get_ingest_counts("AAA")
    bars = journal_bars(path)["AAA"]
    has_extended = bool(bars.ts[0] < hours_of(NEXT).open)
    assert has_extended == (hours != "off")
    if messy:
        assert min(counts.late, counts.corrections, counts.duplicates) > 0
        assert "GOES" not in journal_bars(path, session_date=DAY)
    assert played(path, DAY, hours) == states[DAY]
    assert played(path, NEXT, hours) == states[NEXT] != states[DAY]


def test_a_day_that_the_journal_does_not_have_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "day.journal"
    with SessionJournal(path, SessionData()) as journal:
        journal.start_new_session(DAY)
        journal.add_bar("AAA", BarData("AAA", OPEN, 10.0, 10.0, 10.0, 10.0, 1.0))
    assert journal_bars(path, session_date=DAY).keys() == {"AAA"}
    with pytest.raises(
        ArgumentError, match="2025-07-03; the journal has sessions of 2025-07-02"
    ):
        journal_bars(path, session_date=NEXT)
