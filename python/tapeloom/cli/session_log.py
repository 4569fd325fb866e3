"""Where the lines of a session's life go: to standard error with ``-v``, to a file with ``--log-file``."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tapeloom.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["session_log"]

_LINE = "%(asctime)s %(levelname)s %(name)s %(message)s"


@contextmanager
def session_log(*, verbose: bool, file: Path | None) -> Iterator[None]:
    """Show and write what tapeloom logs while the context lasts.

    Raises
    ------
    StorageError
        If the file cannot be written to.
    """
    log = logging.getLogger("tapeloom")
    before = log.level
    handlers: list[logging.Handler] = []
    if verbose:
        shown = logging.StreamHandler()
        shown.setFormatter(logging.Formatter("%(message)s"))
        handlers.append(shown)
    if file is not None:
        try:
            written = logging.FileHandler(file, encoding="utf-8")
        except OSError as error:
            text = f"cannot write {str(file)!r}: {error.strerror or error}"
            raise StorageError(text, path=str(file)) from error
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
