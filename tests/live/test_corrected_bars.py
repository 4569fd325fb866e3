"""What the feed has corrected stays so, whichever edition of a bar comes when, and whatever happens to the process."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tapeloom import SessionData
from tapeloom.bars import BarData
from tapeloom.live.arrivals import Sorter
from tapeloom.live.corrected_bars import CorrectedBars
from tapeloom.live.feed import UpdatedBar
from tapeloom.live.journal import SimulatedDisk
from tests.compare import bar_data
from tests.live.simulated_checks import check
from tests.live.simulated_script import quiet_day
from tests.live.simulated_script_run import (
    CLOCK,
    PATIENCE,
    Noting,
    ScriptRun,
    manager_of,
)
from tests.reference.schedule import MINUTE, SECOND
from tests.strategies import bar_at

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tapeloom.live.feed import FeedEvent
    from tests.live.simulated_script import Script

OPEN = quiet_day().day.open
START = OPEN + 3 * MINUTE
END = START + MINUTE
#: The editions of one bar, as the market knew it.
FIRST, SECOND_EDITION = (bar_data("AAA", bar_at(START, salt)) for salt in (50, 51))
LAST = bar_data("AAA", quiet_day().truth["AAA"][START])
PATH = Path("day.journal")


def day(*editions: tuple[int, FeedEvent]) -> Script:
    """A quiet day on which these come of one bar, so many seconds after its end."""
    script = quiet_day()
    script.events = [each for each in script.events if not is_of_the_bar(each[1])]
    script.events += [(END + seconds * SECOND, event) for seconds, event in editions]
    script.events.sort(key=lambda arrival: arrival[0])
    return script


def is_of_the_bar(event: FeedEvent) -> bool:
    return type(event) is BarData and event.ts == START


def played(script: Script) -> ScriptRun:
    run = ScriptRun(script)
    run.run()
    check(script, run)
    return run


def superseded(run: ScriptRun) -> int:
    sorter = run.parts.session.sorter
    found = sum(reason == "its correction came before it" for _, reason in sorter.aside)
    assert found == sorter.counts["superseded"]
    return found


@pytest.mark.parametrize(
    "editions",
    [
        # Again later, again in one batch with the correction, for the first time after it.
        [(1, FIRST), (20, UpdatedBar(LAST)), (25, FIRST)],
        [(1, FIRST), (20, UpdatedBar(LAST)), (20, FIRST)],
        [(1, UpdatedBar(LAST)), (2, FIRST)],
        [(1, UpdatedBar(LAST)), (1, FIRST)],
        # The newest correction holds, whichever edition comes again.
        [(1, FIRST), (9, UpdatedBar(SECOND_EDITION)), (20, UpdatedBar(LAST)), (70, SECOND_EDITION)],
    ],
)  # fmt: skip
def test_an_older_edition_is_put_aside(editions: list[tuple[int, FeedEvent]]) -> None:
    run = played(day(*editions))
    assert superseded(run) == 1
    assert run.store.get_bars("AAA").close[3] == LAST.close
    assert run.hash_at_close == played(quiet_day()).hash_at_close
    assert run.store.get_ingest_counts("AAA").offered == 9 + len(editions) - 1


def test_with_other_values_a_plain_bar_corrects_one_that_no_update_has() -> None:
    run = played(day((1, FIRST), (20, LAST)))
    assert superseded(run) == 0
    assert run.store.get_bars("AAA").close[3] == LAST.close


@pytest.mark.parametrize(
    "update",
    [
        BarData("AAA", START, *bar_at(START, 51)[1:5], -1.0),
        BarData("AAA", START, 10.0, 9.0, 11.0, 10.0, 1.0),
    ],
)
def test_an_update_that_is_refused_corrects_nothing(update: BarData) -> None:
    run = played(day((1, FIRST), (20, UpdatedBar(update)), (25, LAST)))
    assert superseded(run) == 0
    assert run.store.get_bars("AAA").close[3] == LAST.close


def test_an_update_before_the_end_of_its_bar_corrects_nothing() -> None:
    run = played(day((-30, UpdatedBar(FIRST)), (1, LAST)))
    assert superseded(run) == 0
    assert run.store.get_bars("AAA").close[3] == LAST.close


def test_an_update_that_is_refused_leaves_the_one_before_in_force() -> None:
    broken = BarData("AAA", START, *bar_at(START, 51)[1:5], -1.0)
    correct, wrong = UpdatedBar(LAST), UpdatedBar(broken)
    run = played(day((1, FIRST), (9, correct), (20, wrong), (30, FIRST)))
    assert superseded(run) == 1
    assert run.store.get_bars("AAA").close[3] == LAST.close


def test_a_correction_that_waits_for_the_disk_is_not_undone_by_what_comes_meanwhile() -> (
    None
):
    script = day((1, FIRST), (20, UpdatedBar(LAST)), (22, FIRST))
    script.broken_disk = [(END + 19 * SECOND, END + 40 * SECOND)]
    run = played(script)
    assert superseded(run) == 1
    assert run.store.get_bars("AAA").close[3] == LAST.close


def begun(disk: SimulatedDisk) -> Noting:
    CLOCK.now = OPEN - MINUTE
    store = SessionData(time_manager=manager_of(10), completeness="any", no_trade="gap")
    return Noting(
        store, path=PATH, mode="strict", clock=CLOCK, patience=PATIENCE, disk=disk
    )


def test_a_run_that_goes_on_knows_what_was_corrected() -> None:
    script = day((1, FIRST), (20, UpdatedBar(LAST)), (70, FIRST))
    disk = SimulatedDisk()
    journal = begun(disk)
    run = ScriptRun(script, journal=journal, begin=script.begin)
    run.run(END + 30 * SECOND)
    assert superseded(run) == 0
    disk.crash()
    again = Noting.resume(
        PATH, mode="strict", clock=CLOCK, time_manager=manager_of(10), disk=disk
    )
    again.reports = journal.reports
    second = ScriptRun(script, journal=again, begin=END + 30 * SECOND)
    second.run()
    assert superseded(second) == 1
    assert second.store.get_bars("AAA").close[3] == LAST.close


def sorted_again(corrected: CorrectedBars, events: Iterable[FeedEvent]) -> list[str]:
    """What is put aside of some events, by its reason."""
    sorter = Sorter(SessionData(), corrected)
    sorter.keep({"AAA": "1m"})
    sorter.follow_hours([(OPEN, OPEN + 10 * MINUTE)])
    sorter.sort(events)
    return [reason for _, reason in sorter.aside]


def test_the_next_session_and_a_symbol_that_left_are_known_no_more() -> None:
    corrected, store = CorrectedBars(), SessionData()
    store.add_bar("AAA", LAST)
    corrected.begin(store, [LAST, SECOND_EDITION])
    assert corrected.keys == {("AAA", START)}
    assert len(sorted_again(corrected, [FIRST])) == 1
    corrected.forget("AAA")
    assert sorted_again(corrected, [FIRST]) == []
    corrected.begin(store, [LAST])
    corrected.begin(SessionData(), [LAST])
    assert corrected.keys == set()
    assert sorted_again(corrected, [FIRST]) == []
