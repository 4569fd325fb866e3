"""What the benches share: a cache of their own, the comparison with peers, and its table at the end of the run."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from benches.python.ratios import Comparison, Row, as_table

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROWS = pytest.StashKey[list[Row]]()


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Session tables are cached in the folder of this run that the tests use too."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TAPELOOM_CACHE_DIR", str(folder / "tapeloom-cache"))
        yield


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
