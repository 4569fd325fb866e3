"""The progress of a check on standard error: a live line in a terminal, nothing elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tapeloom.report.in_place import InPlace

if TYPE_CHECKING:
    from typing import TextIO

    from rich.progress import Progress, TaskID

    from tapeloom.checking.check import Progress as CheckProgress

__all__ = ["CheckLine"]


class CheckLine(InPlace["Progress"]):
    """Shows how far a check has come; a context manager, and the callable that ``check`` takes as ``progress``.

    Parameters
    ----------
    file
        Where to write; standard error when not given.
    """

    def __init__(self, file: TextIO | None = None) -> None:
        super().__init__(file)
        self._task: TaskID | None = None

    def _drawn(self, file: TextIO) -> Progress:
        return _live_line(file)

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
