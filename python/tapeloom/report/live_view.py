"""The live lines on standard error: redrawn in place in a terminal, one plain line now and then in a log."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from tapeloom.report.in_place import InPlace
from tapeloom.report.live_line import live_line, live_lines

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import tzinfo
    from typing import TextIO

    from rich.live import Live

    from tapeloom.live.live_health import LiveHealth

__all__ = ["LiveView"]

SECONDS_BETWEEN_LINES = 10.0


class LiveView(InPlace["Live"]):
    """Shows ``LiveHealth`` values; a context manager, and the callable that a live run takes as ``progress``.

    Parameters
    ----------
    zone
        Zone of the times shown.
    file
        Where to write; standard error when not given.
    now
        Seconds that only rise. They pace the plain lines.
    """

    def __init__(
        self,
        zone: tzinfo,
        file: TextIO | None = None,
        *,
        now: Callable[[], float] = time.perf_counter,
    ) -> None:
        super().__init__(file)
        self._zone = zone
        self._now = now
        self._shown: float | None = None

    def _drawn(self, file: TextIO) -> Live:
        return _live(file)

    def __call__(self, health: LiveHealth) -> None:
        """Show how the run is doing."""
        if self._live is not None:
            from rich.text import Text

            text = Text("\n".join(live_lines(health, self._zone)))
            # One line each, whatever the width: others would move what is above them.
            text.no_wrap, text.overflow = True, "ellipsis"
            self._live.update(text, refresh=True)
            return
        now = self._now()
        if self._shown is None or now - self._shown >= SECONDS_BETWEEN_LINES:
            self._shown = now
            print(live_line(health, self._zone), file=self._file, flush=True)


def _live(file: TextIO) -> Live:
    from rich.console import Console
    from rich.live import Live

    return Live(
        console=Console(file=file, highlight=False, markup=False),
        # The run tells about once a second; nothing changes in between.
        auto_refresh=False,
        transient=True,
        # Prints of the analysis go above the lines, but never from a redirected stdout to stderr.
        redirect_stdout=sys.stdout.isatty(),
        redirect_stderr=file is sys.stderr,
    )
