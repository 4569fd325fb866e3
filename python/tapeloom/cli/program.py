"""How this program is called again, for the commands that it proposes."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

__all__ = ["program"]


def program() -> list[str]:
    """Return how this program can be called again from the same prompt."""
    started = Path(sys.argv[0])
    on_path = shutil.which("tapeloom")
    if on_path is not None and started.exists() and Path(on_path).samefile(started):
        return ["tapeloom"]
    if started.stem == "tapeloom" and started.is_file():
        return [
            os.path.relpath(started)
            if started.is_relative_to(Path.cwd())
            else str(started)
        ]
    return [sys.executable, "-m", "tapeloom.cli"]
