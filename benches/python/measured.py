"""What the process of one file of benches measured, written down for the one that makes the table of all files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from benches.python.ratios import Row, Targets

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Measured", "read", "write"]


class Measured(NamedTuple):
    """The rows of a file, whether all its cases gave the right answer, and which were not measured, such as ``1 skipped``."""

    rows: list[Row]
    passed: bool
    lacks: list[str]


def write(path: Path, measured: Measured) -> None:
    path.write_text(json.dumps(measured), "utf-8")


def read(path: Path) -> Measured:
    """Return what was written. A process that came to its end before that has not passed."""
    if not path.exists():
        return Measured([], passed=False, lacks=[])
    rows, passed, lacks = json.loads(path.read_text("utf-8"))
    return Measured([_row(*values) for values in rows], passed, lacks)


def _row(*values: Any) -> Row:
    """Tuples have become lists."""
    row = Row(*values)
    return row if row.targets is None else row._replace(targets=Targets(*row.targets))
