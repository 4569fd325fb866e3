"""Memory for each bar that a session holds, look-back copies and unused room included."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from benches.python.by_hand import Bar, rows_of
from benches.python.ratios import Targets
from benches.python.resident import STATM
from benches.python.workload import make_market

if TYPE_CHECKING:
    from benches.python.ratios import Comparison

ROOT = Path(__file__).parents[2]
TARGETS = Targets(2.5, 3.5, 4.5)
CASES = {
    "memory per bar, 500 symbols x 1 session": (500, 1),
    "memory per bar, 500 symbols x 1 session with 20 of history": (500, 21),
}


def grown(kind: str, symbols: int, sessions: int) -> float:
    """Bytes per bar by which a new process grew."""
    module = ["-m", "benches.python.resident", kind, str(symbols), str(sessions)]
    done = subprocess.run(
        [sys.executable, *module], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def traced() -> float:
    """The peer's bytes per bar by the interpreter's own count."""
    ((symbol, columns),) = make_market(1, 1, seed=8).columns.items()
    # Once before: what the first bar of a process costs is no bar's size.
    deque((Bar(symbol, *row) for row in rows_of(columns)), maxlen=512)
    tracemalloc.start()
    bars = deque((Bar(symbol, *row) for row in rows_of(columns)), maxlen=512)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return size / len(bars)


@pytest.mark.parametrize("case", CASES)
def test_memory_per_bar(compare: Comparison, case: str, small: bool) -> None:
    if not STATM.exists():
        pytest.skip("the size of a process is read from /proc")
    symbols, sessions = (5, 2) if small else CASES[case]
    found: dict[str, float] = {}

    def measure() -> None:
        for kind in ("tapeloom", "deques"):
            # The deques have one size per bar, however many.
            shape = (symbols, sessions) if kind == "tapeloom" else (symbols, 1)
            found[kind] = grown(kind, *shape)

    compare.take_part(case, measure)
    if compare.benchmark.enabled:
        compare.keep(
            case,
            ours={"growth of a process": found["tapeloom"]},
            peers={
                "deques of slotted dataclasses, growth of a process": found["deques"],
                "deque of slotted dataclasses, tracemalloc": traced(),
            },
            targets=TARGETS,
            unit="B",
        )
