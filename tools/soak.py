"""Play live days with seeded faults for as long as you say, and tell how they ended.

    python tools/soak.py --suite days --minutes 60

Three suites: ``days`` are simulated days with faults of feed, history and disk, ``crashes`` such with a journal whose process
dies at any instant; of both a thousand days are a line. ``live`` are rehearsals of the demo, a day a line: the vendor's own
client over real sockets, a process that is killed with SIGKILL, an outage and lost bars at drawn instants.

Lines go to standard error. At the end a row of a Markdown table goes to standard output, for ``docs/results``; a day that did
not end as it should is named with its seed, and the exit code is 1. Memory, threads and descriptors are those of this process.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
HEAD = "| date | suite | seeds | days | failed | days/min | memory, MiB (after a tenth, end) | threads | descriptors |"
RULE = "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |"
INTERRUPTED = 130
#: Seconds of the market that pass in one, in a rehearsal.
SPEED = 600.0


@dataclass
class Soak:
    """What was played so far."""

    suite: str
    first: int
    began: float = field(default_factory=time.monotonic)
    days: int = 0
    is_stopped: bool = False
    failures: list[str] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    #: Seconds and MiB, line by line.
    memory: list[tuple[float, float]] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """How long it has gone on."""
        return time.monotonic() - self.began

    def line(self, what: str = "") -> str:
        """How it stands, and the memory noted."""
        gc.collect()
        self.memory.append((self.seconds, resident_mib()))
        facts = [
            f"{self.seconds:8.1f} s  {self.days:>9,} days",
            f"{len(self.failures)} failed",
            f"{self.memory[-1][1]:.1f} MiB",
            f"{threading.active_count()} threads",
            what,
        ]
        return ", ".join(fact for fact in facts if fact)

    def row(self) -> str:
        """The summary."""
        warm = next(mib for at, mib in self.memory if at >= self.seconds / 10)
        cells = (
            f"{datetime.now(UTC):%Y-%m-%d}",
            self.suite,
            f"{self.first:,} to {self.first + self.days - 1:,}"
            if self.days
            else "none",
            f"{self.days:,}",
            len(self.failures),
            f"{self.days / self.seconds * 60:,.0f}",
            f"{warm:.1f}, {self.memory[-1][1]:.1f}",
            threading.active_count(),
            open_descriptors(),
        )
        return f"| {' | '.join(map(str, cells))} |"


def resident_mib() -> float:
    """Memory of this process; 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * PAGE_BYTES / 2**20


def open_descriptors() -> int:
    """Descriptors of this process; 0 where the system does not tell."""
    try:
        return sum(1 for _ in Path("/proc/self/fd").iterdir())
    except OSError:
        return 0


def simulated_day(seed: int) -> Sequence[str]:
    """Play one; return its faults."""
    from tests.live.simulated_checks import check
    from tests.live.simulated_script import script_of
    from tests.live.simulated_script_run import play

    script = script_of(seed)
    check(script, play(script))
    return script.faults


def simulated_crashes(seed: int) -> Sequence[str]:
    """Play one with a journal; return its faults."""
    from tests.live.simulated_crashes import crash_script_of, play_and_check

    script = crash_script_of(seed)
    play_and_check(script)
    return script.faults


def rehearsal(seed: int) -> Sequence[str]:
    """Rehearse one day; return what was drawn for it."""
    from tapeloom.demo import write_demo
    from tapeloom.demo.rehearsal import rehearse
    from tapeloom.demo.rehearsal_plan import Plan

    rng = Random(f"soak {seed}")
    broken, lost = rng.randint(1, 20), rng.randint(1, 5)
    plan = Plan(
        speed=SPEED,
        breaks_after=rng.randint(5, 60),
        broken_minutes=broken,
        lost_after=rng.randint(5, 120),
        lost_bars=lost,
        killed_after=rng.randint(20, 120),
    )
    with TemporaryDirectory(prefix="tapeloom-soak-") as folder:
        outcome = rehearse(write_demo(Path(folder)), plan, tell=lambda _: None)
    if not outcome.is_same:
        raise AssertionError(f"{plan}: the state hashes differ: {outcome.hashes}")
    return [
        f"{broken} minutes down",
        f"{lost} bars lost",
        f"killed after {plan.killed_after}",
        f"{outcome.filled} filled",
    ]


#: What plays a day, and how many of them are a line.
SUITES: dict[str, tuple[Callable[[int], Sequence[str]], int]] = {
    "days": (simulated_day, 1_000),
    "crashes": (simulated_crashes, 1_000),
    "live": (rehearsal, 1),
}


def soak(suite: str, seconds: float, first: int) -> Soak:
    """Play day after day until the time is over or Ctrl-C comes; at least one."""
    play, a_line = SUITES[suite]
    run = Soak(suite, first)
    while not run.days or run.seconds < seconds:
        seed = first + run.days
        what = ""
        try:
            faults = play(seed)
        except KeyboardInterrupt:
            # What was played counts; this day was not.
            run.is_stopped = True
            break
        except Exception as error:
            text = f"seed {seed}: {type(error).__name__}: {error}"
            run.failures.append(text)
            print(text, file=sys.stderr, flush=True)
        else:
            run.faults.update(faults)
            what = ", ".join(faults) if a_line == 1 else ""
        run.days += 1
        if run.days % a_line == 0:
            print(run.line(what), file=sys.stderr, flush=True)
    print(run.line("the end"), file=sys.stderr, flush=True)
    return run


def main(words: Sequence[str] | None = None) -> int:
    """Read the options, play, print the summary; 1 if a day failed."""
    parser = argparse.ArgumentParser(description="Play live days with seeded faults.")
    parser.add_argument("--suite", choices=sorted(SUITES), default="days")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    given = parser.parse_args(words)
    if not 0 <= given.minutes < float("inf") or given.first < 0:
        parser.error("--minutes and --first must be 0 or more, and finite")
    run = soak(given.suite, given.minutes * 60, given.first)
    print(HEAD, RULE, run.row(), sep="\n")
    for text in run.failures:
        print(f"\n{text}")
    if run.failures:
        return 1
    return INTERRUPTED if run.is_stopped else 0


if __name__ == "__main__":
    sys.exit(main())
