"""Where the lines of a session's life go: to standard error with ``-v``, to a file with ``--log-file``."""

from __future__ import annotations

import logging
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from tapeloom.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["session_log"]

_LINE = "%(asctime)s %(levelname)s %(name)s %(message)s"


class _ToStandardError(logging.StreamHandler[TextIO]):
    """Writes to standard error as it is at that moment: while a progress line is shown, above the line."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


@contextmanager
def session_log(*, verbose: bool, file: Path | None) -> Iterator[None]:
    """Show and write what tapeloom logs while the context lasts.

    Raises
    ------
    ArgumentError
        If the file cannot be written to.
    """
    log = logging.getLogger("tapeloom")
    before = log.level
    handlers: list[logging.Handler] = []
    if verbose:
        shown = _ToStandardError()
        shown.setFormatter(logging.Formatter("%(message)s"))
        handlers.append(shown)
    if file is not None:
        try:
            written = logging.FileHandler(file, encoding="utf-8")
        except OSError as error:
            text = f"cannot write the log {str(file)!r}: {_reason(file, error)}"
            raise ArgumentError(text, path=str(file)) from error
        written.setFormatter(logging.Formatter(_LINE))
        handlers.append(written)
    for handler in handlers:
        log.addHandler(handler)
    if handlers:
        log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.setLevel(before)
        for handler in handlers:
            log.removeHandler(handler)
            handler.close()


def _reason(file: Path, error: OSError) -> str:
    if not file.parent.is_dir():
        return f"there is no folder {str(file.parent)!r}; make it first"
    if file.is_dir():
        return f"it is a folder; name a file, for example {str(file / 'session.log')!r}"
    return error.strerror or str(error)
