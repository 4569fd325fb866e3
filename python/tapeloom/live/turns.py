"""Whose turn it is, where many threads wait for a disk and then go on one after another; and Ctrl-C meanwhile."""

from __future__ import annotations

from threading import Condition
from typing import TYPE_CHECKING

from tapeloom.errors import JournalError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Interrupts", "Turns"]


class Turns:
    """Tickets in order: each is served when the one before it was."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._given = 0
        self._served = 0
        self._waiting: set[int] = set()
        self._is_broken = False

    def take(self) -> int:
        """Return the next ticket."""
        with self._changed:
            ticket = self._given
            self._given += 1
            self._waiting.add(ticket)
        return ticket

    def is_turn_of(self, ticket: int) -> bool:
        """Whether all tickets before were served."""
        return self._served == ticket

    def wait_for(self, ticket: int) -> None:
        """Wait until all tickets before were served; ``JournalError`` if one never will be."""
        if self.is_turn_of(ticket):
            # As a rule nobody is before: the lock would take longer than the rest.
            return
        with self._changed:
            self._changed.wait_for(lambda: self._served == ticket or self._is_broken)
            if self._served != ticket:
                text = (
                    "a write before this one was interrupted between disk and session"
                )
                raise JournalError(text)

    def serve(self, ticket: int) -> None:
        """Let the next one have its turn."""
        with self._changed:
            self._served = ticket + 1
            self._waiting.discard(ticket)
            self._changed.notify_all()

    def leave(self, ticket: int | None) -> None:
        """Give up a turn: what was not served by now never will be."""
        if ticket is not None:
            with self._changed:
                self._waiting.discard(ticket)
                self._changed.notify_all()

    def end(self) -> None:
        """Tell all that wait that their turn will not come."""
        with self._changed:
            self._is_broken = True
            self._changed.notify_all()

    def wait_for_all(self) -> None:
        """Wait until nobody holds a ticket."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting)

    def begin_anew(self) -> None:
        """Wait until nobody holds a ticket, then go on with the next one."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting)
            self._served, self._is_broken = self._given, False


class Interrupts:
    """Ctrl-C that comes while something must not be left half done: kept, and raised afterwards."""

    def __init__(self) -> None:
        self._held: KeyboardInterrupt | None = None

    def hold(self, job: Callable[[], object]) -> None:
        """Do a job to its end; begin it again if it is interrupted."""
        while True:
            try:
                job()
                return
            except KeyboardInterrupt as error:
                self._held = error

    @property
    def are_held(self) -> bool:
        """Whether one was kept."""
        return self._held is not None

    def let_go(self) -> None:
        """Raise what was kept."""
        if self._held is not None:
            raise self._held
