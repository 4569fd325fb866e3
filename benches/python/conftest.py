"""What the benches share: a cache of their own, the comparison with peers, and where their rows go."""

from __future__ import annotations

from argparse import SUPPRESS
from pathlib import Path
from typing import Any

import pytest
from benches.python.measured import Measured, write
from benches.python.ratios import Comparison, Row
from tests.conftest import own_cache

__all__ = ["compare", "own_cache", "small"]

_ROWS = pytest.StashKey[list[Row]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    # Of benches/run.py, which makes a table of what all files leave.
    parser.addoption("--rows", type=Path, help=SUPPRESS)


@pytest.fixture
def compare(benchmark: Any, request: pytest.FixtureRequest) -> Comparison:
    return Comparison(benchmark, request.config.stash.setdefault(_ROWS, []))


@pytest.fixture(scope="session")
def small(request: pytest.FixtureRequest) -> bool:
    """Whether only the answers are wanted, so that a small input does."""
    return not request.config.getoption("benchmark_enable")


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter,
    exitstatus: int,
    config: pytest.Config,
) -> None:
    path = config.getoption("rows")
    if path is None:
        return
    counts = {kind: len(found) for kind, found in terminalreporter.stats.items()}
    lacks = [
        f"{counts[kind]} {kind}" for kind in ("skipped", "xfailed") if kind in counts
    ]
    rows = config.stash.get(_ROWS, [])
    write(path, Measured(rows, passed=not exitstatus, lacks=lacks))
