"""Corrections that the vendor sends while nobody listens: the line is down, or the process is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tapeloom.live.recovery import recover
from tests.live.live_run import LiveRun, rows
from tests.live.recorded import at, bars_of

if TYPE_CHECKING:
    from pathlib import Path

AAPL, MSFT = bars_of("AAPL", 10), bars_of("MSFT", 10, first=300.0)
BOTH = [AAPL, MSFT]


@pytest.fixture(scope="module")
def whole() -> str:
    """State hash of the day that nothing disturbed."""
    with LiveRun(BOTH).start() as run:
        run.play(0, 10)
        run.close()
        return run.store.state_hash()


def takes_the_first_edition(run: LiveRun) -> None:
    """Let the first three minutes come, and the fourth of AAPL before it is corrected."""
    run.start()
    run.play(0, 3)
    run.inject("correct", symbols=["AAPL"])
    run.play(3, 4)
    assert rows(run, "AAPL")[3] != rows(AAPL)[3]


def ends_as(run: LiveRun, whole: str) -> None:
    """Let the day end; then it is the one that nothing disturbed."""
    run.close()
    assert (rows(run, "AAPL"), rows(run, "MSFT")) == (rows(AAPL), rows(MSFT))
    assert run.store.state_hash() == whole
    assert [run.store.get_gaps(name) for name in run.names] == [[], []]


def test_a_correction_while_the_line_is_down_comes_from_history(whole: str) -> None:
    with LiveRun(BOTH) as run:
        takes_the_first_edition(run)
        run.inject("disconnect", seconds=120)
        run.until(lambda: not run.health.is_connected)
        run.move(6.6)
        run.reconnect()
        run.until(lambda: run.states() == {"LIVE"} and run.has(5))
        run.until(lambda: rows(run, "AAPL")[3] == rows(AAPL)[3])
        assert "corrected once" in run.store.explain("AAPL", at(3)).text
        assert any(
            "corrected while nobody listened" in line for line in run.health.fills
        )
        run.play(6, 10)
        ends_as(run, whole)


def test_a_correction_while_the_line_is_down_at_the_close_comes_from_history(
    whole: str,
) -> None:
    with LiveRun(BOTH) as run:
        run.start()
        run.play(0, 9)
        run.inject("correct", symbols=["AAPL"])
        run.play(9, 10)
        assert rows(run, "AAPL")[9] != rows(AAPL)[9]
        run.inject("disconnect", seconds=3_600)
        run.until(lambda: not run.health.is_connected)
        ends_as(run, whole)


def test_a_correction_while_the_process_was_not_there_comes_from_history(
    whole: str, tmp_path: Path
) -> None:
    with LiveRun(BOTH, folder=tmp_path) as run:
        takes_the_first_edition(run)
    with LiveRun(BOTH, begin=at(6.5), folder=tmp_path) as run:
        run.start()
        run.play(6, 10)
        ends_as(run, whole)
        (journal,) = tmp_path.glob("*.journal")
        # What came of it is in the journal like everything else.
        assert recover(journal, time_manager=run.manager).state_hash() == whole


def test_a_line_that_comes_back_tells_of_nothing_where_nothing_was_corrected(
    whole: str,
) -> None:
    with LiveRun(BOTH) as run:
        run.start()
        run.play(0, 4)
        run.inject("disconnect", seconds=20)
        run.until(lambda: not run.health.is_connected)
        run.move(4.5)
        run.reconnect()
        run.play(4, 10)
        assert list(run.health.fills) == []
        assert [list(run.store.get_revisions(name)) for name in run.names] == [[], []]
        ends_as(run, whole)


@pytest.mark.parametrize(("lost", "asks"), [(2, False), (10, True)])
def test_after_a_silence_of_the_feed_what_came_before_it_is_asked_for_again(
    lost: int, asks: bool
) -> None:
    """A pause of a minute may be one of the market; one of five is none."""
    with LiveRun(BOTH) as run:
        run.start()
        run.play(0, 3)
        # The update would come long after the close.
        run.inject("correct", symbols=["AAPL"], seconds=36_000)
        run.play(3, 4)
        run.inject("drop", count=lost)
        run.play_clock(4, 10)
        for minutes in (10.5, 10.6):
            run.move(minutes)
            run.until(lambda: run.coordinator.quality.filler.is_idle)  # type: ignore[union-attr]  # it fills
        assert (rows(run, "AAPL")[3] == rows(AAPL)[3]) is asks
        assert any("asked for again" in line for line in run.health.fills) is asks
