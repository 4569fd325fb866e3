"""The ``tapeloom`` command: one file per subcommand, no rule of its own.

Exit codes: 0 clean, 1 problems found, 2 usage, 3 data or a failed run, 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line and leave with its exit code."""
    try:
        from tapeloom.cli.app import app

        app(prog_name="tapeloom")
    except KeyboardInterrupt:
        # Only while the program is still loading: a running command reports its own stop.
        sys.exit(130)
