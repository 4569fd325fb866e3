"""``guarded``: the one way into a calendar library. Says nothing about what is asked there."""

from __future__ import annotations

import textwrap
import warnings
from contextlib import contextmanager
from threading import RLock
from typing import TYPE_CHECKING

from tapeloom.errors import CalendarError, TapeloomError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["guarded"]

# One lock for all: the libraries keep caches without locks, and one of them is built on the other.
_LOCK = RLock()


@contextmanager
def guarded(library: str, task: str) -> Iterator[None]:
    """One thread at a time, with pandas' notes to the library silenced and its errors made ours.

    Parameters
    ----------
    library
        Name of the library, as the error says it.
    task
        What is done inside, to complete "LIBRARY cannot ...".

    Raises
    ------
    CalendarError
        In place of whatever the library raises. An ``ImportError`` and our own errors pass.
    """
    with _LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        try:
            yield
        except (ImportError, TapeloomError):
            raise
        except Exception as error:
            why = textwrap.shorten(str(error), 160) or type(error).__name__
            raise CalendarError(f"{library} cannot {task}: {why}") from error
