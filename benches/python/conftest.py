"""What the benches share: a cache of their own, the comparison with peers, and its table at the end of the run."""

from __future__ import annotations

from typing import Any

import pytest
from benches.python.ratios import Comparison, Row, as_table
from tests.conftest import own_cache

__all__ = ["compare", "own_cache"]

_ROWS = pytest.StashKey[list[Row]]()


@pytest.fixture
def compare(benchmark: Any, request: pytest.FixtureRequest) -> Comparison:
    return Comparison(benchmark, request.config.stash.setdefault(_ROWS, []))


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    rows = config.stash.get(_ROWS, [])
    if rows:
        terminalreporter.section("ratios to the peers")
        for line in as_table(rows):
            terminalreporter.write_line(line)
