from __future__ import annotations

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
PACKAGED = ROOT / "python" / "tapeloom" / "demo"


@pytest.mark.parametrize("name", ["sma_cross.py", "session.json"])
def test_the_example_is_the_file_that_the_demo_writes(name: str) -> None:
    assert (EXAMPLES / name).read_text(encoding="utf-8") == (PACKAGED / name).read_text(
        encoding="utf-8"
    )


def test_the_frame_example_runs_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(EXAMPLES / "replay_frame.py"))
    assert capsys.readouterr().out.startswith("208 bars, 2 missing, quality 99.04")
