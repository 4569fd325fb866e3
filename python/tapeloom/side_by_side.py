"""The same done to many things, on every core: answers in the order of the things, the first fault raised."""

from __future__ import annotations

import os
from threading import Lock, Thread
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["side_by_side"]

_Item = TypeVar("_Item")
_Answer = TypeVar("_Answer")


def side_by_side(
    call: Callable[[_Item], _Answer], items: Sequence[_Item]
) -> list[_Answer]:
    """Return what ``call`` answers for each item, asked in several threads.

    The caller is one of them: it would only be woken for each answer, which costs the others the interpreter. No thread
    outlives the call.

    Raises
    ------
    BaseException
        What ``call`` raised for the first of the items that it raised for; those behind it may not have been asked. An
        interrupt goes before any error.
    """
    work = _Work(call, items)
    others = [
        Thread(target=work.take_all, name=f"tapeloom-read-{number}")
        for number in range(1, min(os.cpu_count() or 1, len(items)))
    ]
    try:
        for other in others:
            other.start()
        work.take_all()
    finally:
        # After an interrupt too, which only the caller hears of.
        work.stop()
        for other in others:
            if other.ident is not None:
                other.join()
    return work.answers()


class _Work(Generic[_Item, _Answer]):
    """Items, handed out in their order, and what became of them."""

    def __init__(
        self, call: Callable[[_Item], _Answer], items: Sequence[_Item]
    ) -> None:
        self._call = call
        self._items = items
        self._lock = Lock()
        self._next = 0
        self._answers: dict[int, _Answer] = {}
        self._errors: dict[int, BaseException] = {}

    def take_all(self) -> None:
        """Ask for one item after the other, until none is left."""
        while (at := self._taken()) is not None:
            try:
                self._answers[at] = self._call(self._items[at])
            except BaseException as error:  # it is raised where the answers are wanted
                self._errors[at] = error
                self.stop()

    def stop(self) -> None:
        """Hand out no more. What stands in front of an item was handed out before it."""
        with self._lock:
            self._next = len(self._items)

    def answers(self) -> list[_Answer]:
        """Return all answers, or raise the first error."""
        if self._errors:
            _, first = min(
                (isinstance(e, Exception), at) for at, e in self._errors.items()
            )
            raise self._errors[first]
        return [self._answers[at] for at in range(len(self._items))]

    def _taken(self) -> int | None:
        with self._lock:
            if self._next >= len(self._items):
                return None
            self._next += 1
            return self._next - 1
