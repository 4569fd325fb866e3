"""Simulated days that are written to a disk, fail and crash there, and go on: with real journals, and nothing on the way in time."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from tapeloom import SessionData, TimeManager, replay
from tapeloom.errors import JournalError
from tapeloom.live.journal import SimulatedDisk
from tapeloom.live.recovery import journal_bars, recover
from tests.live.simulated_checks import check_crashed
from tests.live.simulated_script import DATE, Script, script_of
from tests.live.simulated_script_run import (
    CLOCK,
    PATIENCE,
    Noting,
    ScriptRun,
    manager_of,
    overlay_of,
)
from tests.reference.schedule import SECOND

if TYPE_CHECKING:
    from tests.live.simulated_script_run import Report

__all__ = ["CrashScript", "crash_script_of", "play_and_check"]

PATH = Path("day.journal")
#: What a run does not carry over a crash, and what another disk does.
_WITHOUT = frozenset({"come and go", "disk", "sleep"})


@dataclass(slots=True)
class CrashScript:
    """A day with crashes: when the process dies, when it is there again, when the disk fails."""

    day: Script
    mode: str = "strict"
    #: How many records the disk takes at once.
    commit_records: int = 1
    crashes: list[tuple[int, int]] = field(default_factory=list)
    #: When, after how many operations more, and whether what failed is on the disk all the same.
    failures: list[tuple[int, int, bool]] = field(default_factory=list)
    replays: bool = False

    @property
    def faults(self) -> tuple[str, ...]:
        return (*self.day.faults, self.mode, "crash")


def crash_script_of(seed: int) -> CrashScript:
    """Return the script of a seed."""
    script = CrashScript(script_of(seed, without=_WITHOUT))
    rng = Random(f"crash {seed}")
    day = script.day.day
    if rng.random() < 0.3:
        script.mode = "relaxed"
        script.commit_records = rng.choice([1, 4, 50])
        # What was reported may be lost with the tail, and with it the reason not to count a bar.
        script.day.policies["no_trade"] = "gap"
    at = script.day.begin
    for _ in range(rng.choice([0, 1, 1, 1, 2, 3])):
        at = rng.randrange(at, day.close + 45 * SECOND, SECOND // 8)
        back = at + rng.choice([0, SECOND // 2, 40 * SECOND, 200 * SECOND])
        if back >= day.close + 40 * SECOND:
            break
        script.crashes.append((at, back))
        at = back
    for _ in range(rng.choice([0, 0, 1, 2])):
        when = rng.randrange(script.day.begin, day.close + 60 * SECOND, SECOND // 8)
        script.failures.append((when, rng.randrange(4), rng.random() < 0.5))
    script.failures.sort()
    script.replays = seed % 20 == 0
    return script


def play_and_check(script: CrashScript) -> None:
    """Play a day with its crashes, and check what is left of it each time."""
    day = script.day
    disk = SimulatedDisk(commit_records=script.commit_records)
    manager = manager_of(day.minutes)
    runs: list[ScriptRun] = []
    written: list[Report] = []
    CLOCK.now = day.begin
    journal = _begun(script, disk, manager, written)
    begin = day.begin
    for crash, back in [*script.crashes, (None, 0)]:
        try:
            run = _run(script, disk, journal, begin)
        except JournalError:
            # It could not even begin, and is begun again.
            disk.crash()
            run = _run(script, disk, _resumed(script, disk, manager, written), begin)
        runs.append(run)
        run.run(until=crash)
        if crash is None or run.player.is_over:
            break
        was = _bars(run.store)
        disk.crash()
        CLOCK.now = begin = back
        journal = _resumed(script, disk, manager, written)
        if script.mode == "strict" and not script.failures:
            assert _bars(journal.session_data) == was, "lost what it acknowledged"
    check_crashed(day, runs, is_strict=script.mode == "strict")
    found = recover(PATH, disk=disk, time_manager=manager)
    assert [found.state_hash()] == runs[-1].hash_at_close, "recovered otherwise"
    if script.replays and day.policies["no_trade"] == "gap":
        _check_replay(day, disk, manager, found.state_hash())


def _begun(
    script: CrashScript,
    disk: SimulatedDisk,
    manager: TimeManager,
    written: list[Report],
) -> Noting:
    store = SessionData(time_manager=manager, **script.day.policies)
    journal = Noting(
        store, path=PATH, mode=script.mode, clock=CLOCK, patience=PATIENCE, disk=disk
    )
    journal.reports = written
    return journal


def _resumed(
    script: CrashScript,
    disk: SimulatedDisk,
    manager: TimeManager,
    written: list[Report],
) -> Noting:
    journal = Noting.resume(
        PATH, mode=script.mode, clock=CLOCK, time_manager=manager, disk=disk
    )
    journal.reports = written
    return journal


def _run(
    script: CrashScript, disk: SimulatedDisk, journal: Noting, begin: int
) -> ScriptRun:
    return ScriptRun(
        script.day,
        journal=journal,
        begin=begin,
        failures=[
            (at, partial(disk.fail_after, after, keeps_failed=keeps))
            for at, after, keeps in script.failures
            if at >= begin
        ],
    )


def _bars(store: SessionData) -> dict[str, object]:
    """Symbols and base bars; derived ones that only the clock has ended come again with it."""
    return {name: store.get_bars(name).to_list() for name in store._symbols}


def _check_replay(
    day: Script, disk: SimulatedDisk, manager: TimeManager, state: str
) -> None:
    """The day out of its journal, played as a backtest, ends as it did live."""
    bars: dict[str, Any] = journal_bars(PATH, disk=disk, time_manager=manager)
    if not bars:
        return
    batches = replay(
        bars,
        start=DATE,
        end=DATE,
        intervals=("1m", *day.derived),
        bars=day.policies,
        time_manager=TimeManager(overlay=overlay_of(day.minutes)),
    )
    for _ in batches:
        pass
    again = batches.session_data
    for name in day.symbols:
        if name not in bars:
            again.register_symbol(name, base_interval="1m", derived=day.derived)
    assert again.state_hash() == state, "replayed otherwise"
