"""What a run tells of itself: where it stands, how long it still takes, whether it waits; and why its longest gap is there."""

from __future__ import annotations

import random
import threading
from datetime import date
from typing import TYPE_CHECKING

import pytest

import tapeloom
from tapeloom import TimeManager
from tapeloom.session.progress import ProgressReporter
from tests.reference.bars import Bar
from tests.reference.schedule import MINUTE
from tests.session.memory import MemorySource
from tests.session.runs import DAYS, prepared

if TYPE_CHECKING:
    from tapeloom import SessionData
    from tapeloom.session.result import ProgressEvent

SECOND = 1_000_000_000
HOUR = 3_600 * SECOND


class Teller:
    """A reporter over three sessions, July 2nd to 7th of 2025 with a half day, whose time the test gives."""

    def __init__(self, speed: float = 0.0, *, extended: bool = False) -> None:
        self.manager = TimeManager("US_EQUITY")
        table = self.manager.session_table
        self.now = 0.0
        first, last = (
            table.index_of((date(2025, 7, day) - date(1970, 1, 1)).days)
            for day in (2, 7)
        )
        assert first is not None
        assert last is not None
        self.sessions = range(first, last + 1)
        self.opens = [int(table.opens[at]) for at in self.sessions]
        self.manager.reset_backtest_clock(int(table.span_starts[first]))
        self._reporter = ProgressReporter(
            table,
            self.sessions,
            self.manager,
            speed=speed,
            extended=extended,
            now=lambda: self.now,
        )
        self.events: list[ProgressEvent] = []
        self._reporter.call = self.events.append

    def tell(
        self, at: float, *, done: int, hours: float = 0.0, is_paused: bool = False
    ) -> float | None:
        """Tell ``at`` seconds after the begin that the clock stands so many hours after the open; return what is left."""
        self.now = at
        if done < len(self.opens):
            self.manager.stand_at(self.opens[done] + int(hours * HOUR))
        self._reporter.tell(done, 0, 0.0, is_paused=is_paused)
        return self.events[-1].remaining_seconds


def test_the_first_event_knows_nothing_of_the_time_left() -> None:
    assert Teller().tell(0.0, done=0, hours=0.1) is None


def test_the_time_left_follows_the_pace_since_the_first_event() -> None:
    teller = Teller()
    teller.tell(0.0, done=0)
    # A session in two seconds, two sessions to come.
    assert teller.tell(2.0, done=1) == pytest.approx(4.0)
    assert teller.tell(6.0, done=3) == 0.0


def test_sessions_that_an_earlier_run_has_done_say_nothing_about_the_pace() -> None:
    teller = Teller()
    teller.tell(0.0, done=1)
    assert teller.tell(2.0, done=2) == pytest.approx(2.0)


def test_a_pause_is_told_at_once_and_takes_no_time() -> None:
    teller = Teller()
    teller.tell(0.0, done=0)
    teller.tell(2.0, done=1)
    teller.tell(2.01, done=1, is_paused=True)
    assert teller.events[-1].is_paused
    # Nothing has changed, and a tenth of a second has not passed.
    told = len(teller.events)
    teller.tell(2.02, done=1, is_paused=True)
    assert len(teller.events) == told
    left = teller.tell(500.0, done=1)
    assert not teller.events[-1].is_paused
    assert left == pytest.approx(4.0, abs=0.05)


def test_by_the_clock_the_time_left_is_what_the_clock_needs() -> None:
    teller = Teller(speed=60.0)
    # 6.5, 3.5 and 6.5 hours of trading, at a minute a second; nights and the weekend take none.
    assert teller.tell(0.0, done=0) == pytest.approx(16.5 * 60)
    assert teller.tell(0.5, done=0, hours=0.5) == pytest.approx(16.0 * 60)
    assert teller.tell(1.0, done=1, hours=3.5) == pytest.approx(6.5 * 60)
    assert teller.tell(2.0, done=3) == 0.0
    assert teller.events[-1].speed == 60.0


def test_with_extended_hours_they_are_part_of_the_time_left() -> None:
    teller = Teller(speed=60.0, extended=True)
    # From 4:00 to 20:00, to 17:00 on the half day.
    assert teller.tell(0.0, done=0, hours=-5.5) == pytest.approx(45 * 60)


def test_a_run_that_waits_says_so_and_says_when_it_goes_on() -> None:
    _, coordinator = prepared(backtest_config__speed_multiplier=600)
    waits, goes_on, begun = threading.Event(), threading.Event(), threading.Event()

    def told(event: ProgressEvent) -> None:
        begun.set()
        if event.is_paused:
            waits.set()
        elif waits.is_set():
            goes_on.set()

    coordinator.progress = told
    coordinator.start()
    assert begun.wait(60)
    coordinator.pause()
    assert waits.wait(60)
    assert not goes_on.is_set()
    # The clock it keeps pace with begins anew where it stood: a pause takes no time of the market.
    pace = coordinator._driver._pace
    assert pace is not None
    assert not pace.stands_at(coordinator._time_manager.clock.now_ns())
    coordinator.resume()
    assert goes_on.wait(60)
    assert coordinator.stop()


def test_a_run_paused_before_its_first_session_says_so_too() -> None:
    _, coordinator = prepared()
    events: list[ProgressEvent] = []
    waits = threading.Event()
    inside = threading.Event()

    def told(event: ProgressEvent) -> None:
        events.append(event)
        if not inside.is_set():
            inside.set()
            coordinator.pause()
        elif event.is_paused:
            waits.set()

    coordinator.progress = told
    coordinator.start()
    assert waits.wait(60)
    coordinator.resume()
    assert coordinator.wait(60)
    assert [event.is_paused for event in events].count(True) == 1
    assert events[-1].sessions_done == 3


def lacking(seed: int, *, shared: bool) -> MemorySource:
    """A market in which each symbol lacks one stretch of each session: a chosen one, or where ``shared`` all the same."""
    chance = random.Random(seed)
    tapes: dict[tuple[str, str], list[Bar]] = {}
    for symbol in ("MSFT", "AAPL", "RIVN"):
        tapes[symbol, "1m"] = rows = []
        for day in DAYS:
            for start, end in day.segments:
                first = 100 if shared else chance.randrange(10, 150)
                lost = range(first, first + (20 if shared else chance.randrange(2, 40)))
                rows += [
                    Bar(ts, 9.0, 9.0, 9.0, 9.0, 5.0)
                    for number, ts in enumerate(range(start, end, MINUTE))
                    if number not in lost
                ]
    return MemorySource(tapes)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_the_cause_of_the_longest_gap_is_the_one_that_get_gaps_has(
    seed: int, shared: bool
) -> None:
    told: list[tuple[str, int, str, str]] = []

    class AtTheEnd:
        def on_session_end(self, session: SessionData) -> None:
            gap = max(session.get_gaps(), key=lambda each: each.missing)
            told.append((gap.symbol, gap.missing, str(gap.cause), gap.evidence))

    _, coordinator = prepared(AtTheEnd(), source=lacking(seed, shared=shared))
    coordinator.run()
    assert len(told) == 3
    assert told == [
        (
            report.longest_gap_symbol,
            report.longest_gap,
            report.longest_gap_cause,
            report.longest_gap_evidence,
        )
        for report in coordinator.tally.sessions
    ]
    if shared:
        assert {cause for _, _, cause, _ in told} == {"vendor_hole"}


def test_progress_that_is_asked_for_is_shown_off_a_terminal_too(
    capsys: pytest.CaptureFixture[str],
) -> None:
    minute = 1_751_463_000_000_000_000
    bars = {
        "ts": [minute],
        **{name: [9.0] for name in ("open", "high", "low", "close", "volume")},
    }
    tapeloom.replay({"AAPL": bars}, analysis=lambda session, bar: None, progress=True)
    assert "1 of 1 sessions, 2025-07-02 16:00, " in capsys.readouterr().err
    tapeloom.replay({"AAPL": bars}, analysis=lambda session, bar: None)
    assert capsys.readouterr().err == ""
