"""Measure all benches, each file in a process of its own: so no case depends on what those of other files left behind.

In a process that has lived long the heap is in pieces, and the threads of peers wait in it. Times nothing itself.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from benches.python.machine import about, stolen_between, stolen_ticks, summary
from benches.python.measured import Measured, read
from benches.python.report import as_record, as_table, refreshed

__all__ = ["main", "why_not_full"]

_HERE = Path(__file__).parent
_RESULTS = _HERE / "results.json"
_README = _HERE / "README.md"
_MEASURE = ("--benchmark-enable", "--benchmark-only", "--benchmark-quiet")


class _Chosen:
    """Plugin of pytest: which files hold the cases that its arguments choose, and how many cases they leave out."""

    files: list[Path]
    left_out = 0

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        # By the environment too: PYTEST_ADDOPTS.
        self.left_out += len(items)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.files = list(dict.fromkeys(item.path for item in session.items))


def main(arguments: list[str]) -> int:
    """Print a table of the cases that arguments of pytest choose; that of all cases, without arguments, is kept."""
    begun = stolen_ticks()
    chosen = _Chosen()
    where = str(_HERE / "python")
    found = pytest.main(["--collect-only", "-qq", where, *arguments], [chosen])
    if found != pytest.ExitCode.OK:
        return found
    measured = [_measure(path, arguments) for path in chosen.files]
    rows = [row for each in measured for row in each.rows]
    lines = as_table(rows)
    print(*lines, sep="\n")
    is_part = bool(arguments or chosen.left_out)
    reason = why_not_full(measured, is_part=is_part)
    if reason is None:
        facts = about(stolen_between(begun, stolen_ticks()))
        record = json.dumps(as_record(rows, facts), indent=2)
        _RESULTS.write_text(record + "\n", "utf-8")
        text = refreshed(_README.read_text("utf-8"), [summary(facts), "", *lines])
        _README.write_text(text, "utf-8")
        print("refreshed benches/results.json and benches/README.md")
    else:
        print(f"{reason}: the kept results stay as they are")
    return int(not all(each.passed for each in measured))


def why_not_full(measured: list[Measured], *, is_part: bool) -> str | None:
    """Return why a run must not stand for all cases."""
    if not all(each.passed for each in measured):
        return "not all passed"
    lacks = [lack for each in measured for lack in each.lacks]
    if lacks:
        return lacks[0]
    return "only a part was run" if is_part else None


def _measure(path: Path, arguments: list[str]) -> Measured:
    with TemporaryDirectory() as folder:
        rows = Path(folder) / "rows.json"
        options = [*_MEASURE, "-q", "--no-header", f"--rows={rows}", *arguments]
        command = [sys.executable, "-m", "pytest", str(path), *options]
        subprocess.run(command, check=False)
        return read(rows)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
