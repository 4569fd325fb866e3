"""Settings of hypothesis and the folder of real market data."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

# A program in the background may have been started with Ctrl-C ignored, which its children would inherit.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Derandomized: the same examples on every machine. Making a failing session smaller takes minutes, so that is left to
# `--hypothesis-profile=search --timeout=0`, which also looks for new examples.
settings.register_profile(
    "oracle",
    derandomize=True,
    deadline=None,
    max_examples=40,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.register_profile(
    "search",
    settings.get_profile("oracle"),
    derandomize=False,
    phases=list(Phase),
    max_examples=2_000,
    print_blob=True,
)
settings.load_profile("oracle")


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Session tables are cached in a folder of this test run, which its workers share."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TAPELOOM_CACHE_DIR", str(folder / "tapeloom-cache"))
        yield


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Root of the real market data, or a skip that says where it was looked for."""
    named = os.environ.get("TAPELOOM_REAL_DATA")
    root = Path(named) if named else Path(__file__).parents[2] / "shared" / "data"
    if not (root / "truth").is_dir():
        pytest.skip(
            f"no real market data in {root}; set TAPELOOM_REAL_DATA to the folder that holds bars/ and truth/"
        )
    return root
