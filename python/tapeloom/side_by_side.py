"""The same done to many things, on every core: answers in the order of the things, the first fault raised."""

from __future__ import annotations

import os
from contextlib import nullcontext
from threading import Lock, RLock, Thread, local
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

__all__ = ["meanwhile", "side_by_side"]

_Item = TypeVar("_Item")
_Answer = TypeVar("_Answer")


def side_by_side(
    call: Callable[[_Item], _Answer], items: Sequence[_Item], *, in_turn: bool = False
) -> list[_Answer]:
    """Return what ``call`` answers for each item, asked in several threads.

    The caller is one of them: it would only be woken for each answer, which costs the others the interpreter. No thread
    outlives the call.

    Parameters
    ----------
    call
        What is asked.
    items
        Of these, in their order.
    in_turn
        One thread at a time is in ``call``, but for what it does ``with meanwhile()``: for calls that spend long outside
        of the interpreter, and beside that go in and out of it in short steps, at each of which two threads would wake
        each other.

    Raises
    ------
    BaseException
        What ``call`` raised for the first of the items that it raised for; those behind it may not have been asked. An
        interrupt goes before any error.
    """
    work = _Work(call, items, RLock() if in_turn else None)
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


def meanwhile() -> AbstractContextManager[object]:
    """Let other threads have their turn, in a call that has one; else do nothing.

    Hold no lock while lending: who has the turn then may wait for the lock, and at the end the lender waits for the turn.
    So lend first, and take the lock then: ``with meanwhile(), lock``. What is called there may say ``with meanwhile()``
    too: the turn is lent already, and stays so.
    """
    turn = _mine.turn
    return _NOTHING if turn is None else _Lent(turn)


class _Mine(local):
    """The turn that this thread has, and has not lent."""

    turn: RLock | None = None


_mine = _Mine()
_NOTHING = nullcontext()


class _Lent:
    """A turn that others may take, and that is waited for then."""

    __slots__ = ("_turn",)

    def __init__(self, turn: RLock) -> None:
        self._turn = turn

    def __enter__(self) -> None:
        # In this order, and below too: whom an interrupt ends in between has nothing to lend any more.
        _mine.turn = None
        self._turn.release()

    def __exit__(self, *_: object) -> None:
        self._turn.acquire()
        _mine.turn = self._turn


class _Work(Generic[_Item, _Answer]):
    """Items, handed out in their order, and what became of them."""

    def __init__(
        self,
        call: Callable[[_Item], _Answer],
        items: Sequence[_Item],
        turn: RLock | None,
    ) -> None:
        self._call = call
        self._items = items
        self._turn = turn
        self._lock = Lock()
        self._next = 0
        self._answers: dict[int, _Answer] = {}
        self._errors: dict[int, BaseException] = {}

    def take_all(self) -> None:
        """Ask for one item after the other, until none is left."""
        turn, outer = self._turn, _mine.turn
        if turn is None:
            self._take_all()
            return
        release = turn.release
        try:
            turn.acquire()
            _mine.turn = turn
            self._take_all()
        finally:
            _mine.turn = outer
            # No call in front of it: an interrupt there would leave the others waiting for ever. One that came while the
            # turn was lent has left it to somebody else.
            try:  # noqa: SIM105, making the manager is a call, which an interrupt may end
                release()
            except RuntimeError:
                pass

    def _take_all(self) -> None:
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
            try:
                raise self._errors[first]
            finally:
                # It would hold this by its traceback, and this would hold it.
                self._errors.clear()
        return [self._answers[at] for at in range(len(self._items))]

    def _taken(self) -> int | None:
        with self._lock:
            if self._next >= len(self._items):
                return None
            self._next += 1
            return self._next - 1
