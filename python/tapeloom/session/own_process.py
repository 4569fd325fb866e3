"""A run belongs to the process that made it: in a forked child its threads are gone and its locks stay taken."""

from __future__ import annotations

import os
import threading

from tapeloom.errors import ForkedSessionError

__all__ = ["OwnProcess", "interrupt"]


class OwnProcess:
    """Remembers the process it was made in."""

    def __init__(self) -> None:
        self._pid = os.getpid()

    @property
    def is_here(self) -> bool:
        """Whether this is that process."""
        return os.getpid() == self._pid

    def require(self, what: str) -> None:
        """Raise ``ForkedSessionError`` in a forked child."""
        if not self.is_here:
            text = f"this {what} belongs to the process that forked this one; make a new one here"
            raise ForkedSessionError(text)


def interrupt(thread: threading.Thread) -> None:
    """Have ``SystemExit`` raised in a thread, at its next line of Python: for when the process ends and the thread does not.

    A thread that wants the interpreter once more while that is torn down is ended from below, and takes the process along.
    """
    import ctypes

    interpreter = getattr(ctypes, "pythonapi", None)
    if interpreter is not None and thread.ident is not None and thread.is_alive():
        interpreter.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread.ident), ctypes.py_object(SystemExit)
        )
