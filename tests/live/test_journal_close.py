"""Journals that fail when they are closed: what was shown and not yet written is not lost in silence."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tapeloom.errors import JournalError
from tapeloom.live.journal import SessionJournal, SimulatedDisk
from tapeloom.live.recovery import recover
from tests.live.live_run import DATE, LiveRun
from tests.live.recorded import bars_of
from tests.live.test_simulated_weeks import (
    TUESDAY,
    WEDNESDAY,
    Desktop,
    alone,
    minutes_of,
)
from tests.reference.schedule import MINUTE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


AAPL = bars_of("AAPL", 10)
BOTH = [AAPL, bars_of("MSFT", 10, first=300.0)]


class NotClosed:
    """A journal that is written as a whole, and whose closing fails all the same."""

    def __init__(self, journal: Any) -> None:
        self._journal = journal

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    def close(self) -> None:
        self._journal.close()
        raise JournalError("checkpoint failed: input/output error")


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> SimulatedDisk:
    """A disk that nothing is written to before somebody waits for it."""
    made = SimulatedDisk(commit_records=100_000)
    there = partial(SessionJournal, disk=made)
    monkeypatch.setattr("tapeloom.live.journal_files.SessionJournal", there)
    return made


@pytest.fixture
def run(disk: SimulatedDisk, tmp_path: Path) -> Iterator[LiveRun]:
    """A relaxed run that has taken three minutes, of which nothing is on the disk."""
    with LiveRun(BOTH, folder=tmp_path, mode="relaxed") as made:
        made.start()
        made.play(0, 3)
        assert made.journal.durable_seq < made.journal.last_seq
        yield made


def test_what_waits_when_a_run_is_stopped_goes_to_a_next_file_where_the_first_fails(
    run: LiveRun, disk: SimulatedDisk, caplog: pytest.LogCaptureFixture
) -> None:
    disk.fail_after()
    with caplog.at_level(logging.WARNING):
        assert run.coordinator.stop()
    assert run.coordinator.error is None
    assert "no space left on device" in caplog.text
    first = run.files.path_of(DATE)
    assert disk.paths == [first, first.with_name(first.name + ".1")]
    session = recover(first, disk=disk, time_manager=run.manager)
    assert session.get_bars("AAPL").ts.tolist() == AAPL.ts[:3].tolist()
    assert session.state_hash() == run.store.state_hash()


@pytest.mark.parametrize("kind", [JournalError, OSError])
def test_a_run_whose_last_records_are_lost_fails_and_says_how_many(
    run: LiveRun,
    disk: SimulatedDisk,
    monkeypatch: pytest.MonkeyPatch,
    kind: type[Exception],
) -> None:
    waiting = run.journal.last_seq - run.journal.durable_seq

    def broken(*_: object, **__: object) -> None:
        raise kind("no space left on device")

    disk.fail_after()
    monkeypatch.setattr(run.journal, "_begin", broken)
    run.coordinator.stop()
    assert isinstance(run.coordinator.error, JournalError)
    text = str(run.coordinator.error)
    assert f"the last {waiting} records are not on disk" in text
    assert run.journal.state == "closed"
    # What was stored stays readable.
    assert run.starts("AAPL") == AAPL.ts[:3].tolist()


@pytest.mark.parametrize("mode", ["strict", "relaxed"])
def test_a_run_of_which_every_record_is_on_disk_does_not_fail_for_its_closing(
    tmp_path: Path, mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    with LiveRun(BOTH, folder=tmp_path, mode=mode).start() as run:
        run.play(0, 3)
        run.journal._journal = NotClosed(run.journal._journal)  # type: ignore[assignment]  # it fails as one would
        with caplog.at_level(logging.WARNING):
            assert run.coordinator.stop()
    assert run.coordinator.error is None
    assert "could not be closed" in caplog.text
    session = recover(run.files.path_of(DATE), time_manager=run.manager)
    assert session.state_hash() == run.store.state_hash()


@pytest.mark.parametrize("mode", ["strict", "relaxed"])
def test_a_day_whose_journal_cannot_be_closed_stays_in_it_and_the_next_day_comes(
    tmp_path: Path, mode: str
) -> None:
    desktop = Desktop(tmp_path, mode)
    run = desktop.run(TUESDAY.open - MINUTE, [TUESDAY, WEDNESDAY])
    run.run(TUESDAY.open + 5 * MINUTE)
    run.journal._journal = NotClosed(run.journal._journal)  # type: ignore[assignment]  # it fails as one would
    run.run()
    assert run.hash_at_close == [alone(TUESDAY), alone(WEDNESDAY)]
    left = desktop.files.path_of(TUESDAY.date)
    bars = recover(left, time_manager=desktop.time_manager).get_bars("AAA")
    assert bars.ts.tolist() == minutes_of(TUESDAY)
