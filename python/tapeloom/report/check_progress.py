"""The progress of a check on standard error: a live line in a terminal, nothing elsewhere."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType
    from typing import TextIO

    from rich.progress import Progress, TaskID

    from tapeloom.checking.check import Progress as CheckProgress

__all__ = ["CheckLine"]


class CheckLine:
    """Shows how far a check has come; a context manager, and the callable that ``check`` takes as ``progress``.

    Parameters
    ----------
    file
        Where to write; standard error when not given.
    """

    def __init__(self, file: TextIO | None = None) -> None:
        self._file = file if file is not None else sys.stderr
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

    def __call__(self, event: CheckProgress) -> None:
        """Show which series the check turns to."""
        if self._live is None:
            return
        if self._task is None:
            self._task = self._live.add_task("check", total=event.total, series="")
        name = f"{event.symbol} {event.interval}"
        self._live.update(self._task, completed=event.done, series=name)


def _live_line(file: TextIO) -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    return Progress(
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TextColumn("series"),
        TextColumn("{task.fields[series]}", markup=False),
        console=Console(file=file),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
