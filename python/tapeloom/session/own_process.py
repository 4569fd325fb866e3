"""A run belongs to the process that made it: in a forked child its threads are gone and its locks stay taken."""

from __future__ import annotations

import os

from tapeloom.errors import ForkedSessionError

__all__ = ["OwnProcess"]


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
