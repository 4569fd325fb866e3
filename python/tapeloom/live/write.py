"""A write to a journal, and the change of the session that follows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Write", "done"]

T = TypeVar("T")


class Write(NamedTuple, Generic[T]):
    """Records that were put, and what is left to be done."""

    is_done: bool
    """Whether they are on disk as far as that is waited for, and the session was changed."""
    finish: Callable[[], T]
    """Returns what the change returned; where it is not done yet it waits for the disk first, and is called once."""


def done(found: T) -> Write[T]:
    """Return a write of which nothing is left to be done."""
    return Write(True, lambda: found)
