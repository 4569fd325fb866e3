"""What is drawn in place in a terminal, from entering to leaving; elsewhere nothing is."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Generic, Protocol, Self, TypeVar

if TYPE_CHECKING:
    from types import TracebackType
    from typing import TextIO

__all__ = ["InPlace"]


class Drawn(Protocol):
    """A live display of rich."""

    def start(self) -> object:
        """Begin to draw."""

    def stop(self) -> object:
        """Draw no more."""


_Drawn = TypeVar("_Drawn", bound=Drawn)


class InPlace(ABC, Generic[_Drawn]):
    """A context manager that draws where its file is a terminal.

    Parameters
    ----------
    file
        Where to write; standard error when not given.
    """

    def __init__(self, file: TextIO | None) -> None:
        self._file = file if file is not None else sys.stderr
        #: What is drawn; ``None`` where nothing is.
        self._live: _Drawn | None = None

    @abstractmethod
    def _drawn(self, file: TextIO) -> _Drawn:
        """Return what is to be drawn in a terminal."""

    def __enter__(self) -> Self:
        if self._file.isatty():
            self._live = self._drawn(self._file)
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
