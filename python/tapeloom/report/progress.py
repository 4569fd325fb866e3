"""The progress of a run on standard error: a live line in a terminal, a plain line now and then in a log."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
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


class ProgressLine:
    """Shows `ProgressEvent` values; a context manager, and the callable that ``run`` takes as ``progress``.

    Parameters
    ----------
    file
        Where to write; standard error when not given.
    now
        Seconds that only rise. They pace the plain lines and say nothing about the data.
    """

    def __init__(
        self,
        file: TextIO | None = None,
        *,
        now: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._file = file if file is not None else sys.stderr
        self._now = now
        self._began = self._shown = now()
        self._live: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        if self._file.isatty():
            self._live = _live_line(self._file)
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def __call__(self, event: ProgressEvent) -> None:
        """Show where the run stands."""
        now = self._now()
        if self._live is not None:
            finished = event.sessions_done == event.sessions_total
            if finished or now - self._shown >= SECONDS_BETWEEN_FRAMES:
                self._shown = now
                self._draw(self._live, event)
        elif now - self._shown >= max(
            SECONDS_BETWEEN_LINES, GROWTH * (now - self._began)
        ):
            self._shown = now
            print(_plain_line(event), file=self._file, flush=True)

    def _draw(self, live: Progress, event: ProgressEvent) -> None:
        if self._task is None:
            self._task = live.add_task(
                "run", total=event.sessions_total, clock="", speed="", left=""
            )
        live.update(
            self._task,
            total=event.sessions_total,
            completed=event.sessions_done,
            clock=_clock(event),
            speed=f"{event.bars_per_second:,.0f} bars/s",
            left=_left(event.remaining_seconds),
        )
        live.refresh()


def _live_line(file: TextIO) -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    return Progress(
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TextColumn("sessions"),
        TextColumn("{task.fields[clock]}"),
        TextColumn("{task.fields[speed]}"),
        TextColumn("{task.fields[left]}"),
        console=Console(file=file),
        # Events come ten times a second; a refreshing thread would only compete with the run for the interpreter.
        auto_refresh=False,
        transient=True,
        # Prints of the analysis go above the line, but never from a redirected stdout to stderr.
        redirect_stdout=sys.stdout.isatty(),
        redirect_stderr=file is sys.stderr,
    )


def _plain_line(event: ProgressEvent) -> str:
    parts = [
        f"{event.sessions_done:,} of {event.sessions_total:,} sessions",
        _clock(event),
        f"{event.bars_per_second:,.0f} bars/s",
        _left(event.remaining_seconds),
    ]
    return ", ".join(part for part in parts if part)


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
