"""The progress of a run on standard error: a live line in a terminal, a plain line now and then in a log."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from tapeloom.report.in_place import InPlace

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

    from rich.progress import Progress, TaskID

    from tapeloom.session.result import ProgressEvent

__all__ = ["ProgressLine"]

# Often enough to see that a long run is alive, seldom enough for a build log: a line each time a tenth more has
# passed, and none at all for a short run.
SECONDS_BETWEEN_LINES = 5.0
GROWTH = 0.1
# More often than this nobody sees, and drawing takes time from the run.
SECONDS_BETWEEN_FRAMES = 0.08
# What the line needs with its bar, and with the keys that steer the run.
WIDTH_WITH_BAR = 84
BAR_WIDTH = 20
# Later than this, on the watch of who sits there, is worth telling.
SECONDS_BEHIND = 0.5


class ProgressLine(InPlace["Progress"]):
    """Shows `ProgressEvent` values; a context manager, and the callable that ``run`` takes as ``progress``.

    Parameters
    ----------
    file
        Where to write; standard error when not given.
    now
        Seconds that only rise. They pace the lines and say nothing about the data.
    hint
        Which keys steer the run; shown in a terminal that has room.
    tells_end
        Whether a log gets a line for the end of the run, however short it was.
    """

    def __init__(
        self,
        file: TextIO | None = None,
        *,
        now: Callable[[], float] = time.perf_counter,
        hint: str = "",
        tells_end: bool = False,
    ) -> None:
        super().__init__(file)
        self._now = now
        self._hint = hint
        self._tells_end = tells_end
        self._began = self._shown = now()
        self._was_paused = False
        self._task: TaskID | None = None

    def _drawn(self, file: TextIO) -> Progress:
        live = _live_line(file)
        self._task = live.add_task("run", total=1, words="loading")
        return live

    def __call__(self, event: ProgressEvent) -> None:
        """Show where the run stands."""
        now = self._now()
        # The end, and a pause that begins or ends, are not left out.
        turned = event.is_paused is not self._was_paused
        self._was_paused = event.is_paused
        finished = event.sessions_done == event.sessions_total
        if self._live is not None:
            if finished or turned or now - self._shown >= SECONDS_BETWEEN_FRAMES:
                self._shown = now
                self._draw(self._live, event)
        elif (
            turned
            or (finished and self._tells_end)
            or now - self._shown
            >= max(SECONDS_BETWEEN_LINES, GROWTH * (now - self._began))
        ):
            self._shown = now
            print(", ".join(_parts(event)), file=self._file, flush=True)

    def _draw(self, live: Progress, event: ProgressEvent) -> None:
        assert self._task is not None
        words = "  ".join(_parts(event))
        room = live.console.width - BAR_WIDTH - len(words) - len(self._hint) - 5
        if self._hint and room >= 0:
            words += f"  ({self._hint})"
        live.update(
            self._task,
            total=event.sessions_total,
            completed=event.sessions_done,
            words=words,
        )
        live.refresh()


def _live_line(file: TextIO) -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn
    from rich.table import Column

    console = Console(file=file)
    # One line, whatever the width: a second one would stay behind in the terminal.
    line = Column(no_wrap=True, overflow="ellipsis")
    columns: list[ProgressColumn] = [
        TextColumn("{task.fields[words]}", markup=False, table_column=line)
    ]
    if console.width >= WIDTH_WITH_BAR:
        columns.insert(0, BarColumn(bar_width=BAR_WIDTH))
    return Progress(
        *columns,
        console=console,
        # Events come ten times a second; a refreshing thread would only compete with the run for the interpreter.
        auto_refresh=False,
        transient=True,
        # Prints of the analysis go above the line, but never from a redirected stdout to stderr.
        redirect_stdout=sys.stdout.isatty(),
        redirect_stderr=file is sys.stderr,
    )


def _parts(event: ProgressEvent) -> list[str]:
    """Return what is told of an event, the most important first: a narrow terminal cuts off the end."""
    parts = [
        "paused" if event.is_paused else "",
        f"{event.sessions_done:,} of {event.sessions_total:,} sessions",
        _clock(event),
        f"x{event.speed:g}" if event.speed else f"{event.bars_per_second:,.0f} bars/s",
        _behind(event),
        _left(event.remaining_seconds),
    ]
    return [part for part in parts if part]


def _behind(event: ProgressEvent) -> str:
    """Return how late the run is, in seconds of real time, or nothing while nobody would notice."""
    late = event.lag_seconds / event.speed if event.speed else 0.0
    return f"{late:,.1f} s behind" if late >= SECONDS_BEHIND else ""


def _clock(event: ProgressEvent) -> str:
    return event.clock.strftime("%Y-%m-%d %H:%M")


def _left(seconds: float | None) -> str:
    """Return ``"1:05 left"``, or nothing while the rest cannot be told."""
    if seconds is None:
        return ""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    text = f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
    return f"{text} left"
