"""Count the instructions of the core's hot paths under callgrind, per bar, and keep them beside the last counts.

Instructions are the same on a busy machine as on a quiet one, so a path that became longer shows. Needs valgrind.

    python benches/count_instructions.py            compare with benches/instructions.json
    python benches/count_instructions.py --keep     write it
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / "benches" / "instructions.json"
PATHS = (
    "append",
    "gaps",
    "history",
    "merge_column",
    "merge_rows",
    "replay",
    "replay_derived",
    "replay_read",
    "resample_5m",
    "resample_all",
)
#: What is counted of a path beside which other threads run.
ONLY = {
    "replay_read": (
        "--collect-atstart=no",
        "--toggle-collect=tapeloom_core::replay::Replay::run",
    )
}
#: A path that takes this many times its kept instructions is named.
LONGER = 1.05


def build() -> Path:
    """Build the program that runs one path."""
    command = ["cargo", "build", "--release", "-p", "tapeloom-benches", "--quiet"]
    subprocess.run(command, cwd=ROOT, check=True)
    return ROOT / "target" / "release" / "instructions"


def instructions(program: Path, path: str, times: int) -> tuple[int, int]:
    """Return instructions of the whole program, and the bars of one pass."""
    done = subprocess.run(
        [
            "valgrind",
            "--tool=callgrind",
            "--callgrind-out-file=/dev/null",
            *(ONLY.get(path, ())),
            str(program),
            path,
            str(times),
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    counted = re.search(r"Collected : (\d+)", done.stderr)
    if counted is None:
        raise RuntimeError(done.stderr)
    return int(counted[1]), int(done.stdout)


def per_bar(program: Path, path: str) -> float:
    """Return the instructions that one more pass takes, per bar."""
    once, _ = instructions(program, path, 1)
    twice, bars = instructions(program, path, 2)
    return round((twice - once) / bars, 1)


def main() -> int:
    """Count, show, compare; 1 if a path became longer."""
    if shutil.which("valgrind") is None:
        print("valgrind is not installed; on Debian and Ubuntu: apt install valgrind")
        return 2
    program = build()
    known = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    counts = {}
    longer = []
    for path in PATHS:
        counts[path] = per_bar(program, path)
        before = known.get(path)
        change = "" if before is None else f"  {counts[path] / before - 1:+.1%}"
        print(f"{path:16}{counts[path]:10.1f} instructions a bar{change}", flush=True)
        if before is not None and counts[path] > LONGER * before:
            longer.append(path)
    if "--keep" in sys.argv[1:]:
        KEPT.write_text(json.dumps(counts, indent=2) + "\n")
    elif longer:
        print(f"longer than before: {', '.join(longer)}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
