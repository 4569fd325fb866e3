"""What the benches share: a cache of their own, the comparison with peers, and the one table at the end of the run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from benches.python.machine import about, stolen_ticks, summary
from benches.python.ratios import Comparison, Row
from benches.python.report import as_record, as_table, refreshed
from tests.conftest import own_cache

__all__ = ["compare", "own_cache", "small"]

_ROWS = pytest.StashKey[list[Row]]()
_BEGUN = pytest.StashKey[tuple[int, int] | None]()
_HERE = Path(__file__).parent
_RESULTS = _HERE.parent / "results.json"
_README = _HERE.parent / "README.md"


@pytest.fixture
def compare(benchmark: Any, request: pytest.FixtureRequest) -> Comparison:
    return Comparison(benchmark, request.config.stash.setdefault(_ROWS, []))


@pytest.fixture(scope="session")
def small(request: pytest.FixtureRequest) -> bool:
    """Whether only the answers are wanted, so that a small input does."""
    return not request.config.getoption("benchmark_enable")


def pytest_sessionstart(session: pytest.Session) -> None:
    session.config.stash[_BEGUN] = stolen_ticks()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter,
    exitstatus: int,
    config: pytest.Config,
) -> None:
    rows = config.stash.get(_ROWS, [])
    if not rows:
        return
    lines = as_table(rows)
    terminalreporter.section("ratios to the peers")
    for line in lines:
        terminalreporter.write_line(line)
    reason = _why_not_full(terminalreporter, exitstatus, config)
    if reason:
        terminalreporter.write_line(f"{reason}: the kept results stay as they are")
        return
    facts = about(_stolen(config))
    _RESULTS.write_text(json.dumps(as_record(rows, facts), indent=2) + "\n", "utf-8")
    text = refreshed(_README.read_text("utf-8"), [summary(facts), "", *lines])
    _README.write_text(text, "utf-8")
    terminalreporter.write_line("refreshed benches/results.json and benches/README.md")


def _stolen(config: pytest.Config) -> float | None:
    begun, ended = config.stash.get(_BEGUN, None), stolen_ticks()
    if begun is None or ended is None or begun[1] == ended[1]:
        return None
    return (ended[0] - begun[0]) / (ended[1] - begun[1])


def _why_not_full(
    reporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config
) -> str | None:
    """Return why a run must not stand for all cases."""
    if exitstatus:
        return "not all passed"
    for kind in ("deselected", "skipped", "xfailed"):
        if reporter.stats.get(kind):
            return f"{len(reporter.stats[kind])} {kind}"
    paths = {Path(config.invocation_params.dir, given) for given in config.args}
    if (
        paths != {_HERE}
        or config.getoption("ignore")
        or config.getoption("ignore_glob")
    ):
        return "only a part was run"
    return None
