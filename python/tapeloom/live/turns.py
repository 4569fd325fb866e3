"""Whose turn it is, where many threads wait for a disk and then go on one after another; and Ctrl-C meanwhile."""

from __future__ import annotations

from threading import Condition
from typing import TYPE_CHECKING

from tapeloom.errors import JournalError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Interrupts", "Ticket", "Turns"]


class Ticket:
    """The right to one turn. Whoever took it serves it or leaves it; one that is lost ends the turns of all.

    Parameters
    ----------
    turns
        Where it was taken.
    on_loss
        Called where it is lost.
    """

    # Of one that was not given yet, not even made to its end.
    number = -1
    _is_open = False

    def __init__(self, turns: Turns, on_loss: Callable[[], None]) -> None:
        self._turns = turns
        self._on_loss = on_loss

    def give(self, number: int) -> None:
        """Make it that of a turn; it is open until it is known what becomes of it."""
        self.number, self._is_open = number, True

    def serve(self) -> None:
        """Let the next one have its turn."""
        self._turns.serve(self)
        self._is_open = False

    def leave(self) -> None:
        """Give up a turn that was not served: it never will be."""
        if self._is_open:
            self._turns.forget(self)
            self._is_open = False

    def lose(self) -> None:
        """Say that nobody knows what became of a turn that was neither served nor left."""
        if self._is_open:
            self._is_open = False
            self._turns.forget(self)
            self._on_loss()

    def __del__(self) -> None:
        # An interrupt came where nobody could hold on to it.
        self.lose()


class Turns:
    """Tickets in order: each is served when the one before it was."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._given = 0
        self._served = 0
        self._waiting: set[int] = set()
        self._is_broken = False

    def take(self, on_loss: Callable[[], None]) -> Ticket:
        """Return the next ticket."""
        ticket = Ticket(self, on_loss)
        with self._changed:
            ticket.give(self._given)
            self._waiting.add(self._given)
            self._given += 1
        return ticket

    def is_turn_of(self, ticket: Ticket) -> bool:
        """Whether all tickets before were served."""
        return self._served == ticket.number

    def wait_for(self, ticket: Ticket) -> None:
        """Wait until all tickets before were served; ``JournalError`` if one never will be."""
        if self.is_turn_of(ticket):
            # As a rule nobody is before: the lock would take longer than the rest.
            return
        with self._changed:
            self._changed.wait_for(lambda: self.is_turn_of(ticket) or self._is_broken)
            if not self.is_turn_of(ticket):
                text = (
                    "a write before this one was interrupted between disk and session"
                )
                raise JournalError(text)

    def serve(self, ticket: Ticket) -> None:
        """Let the next one have its turn."""
        with self._changed:
            self._served = ticket.number + 1
            self._waiting.discard(ticket.number)
            self._changed.notify_all()

    def forget(self, ticket: Ticket) -> None:
        """Wait for a ticket no more."""
        with self._changed:
            self._waiting.discard(ticket.number)
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
