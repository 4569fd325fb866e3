"""``EvidenceRecord``: what was reported about a session, kept as it came and read as of a clock."""

from __future__ import annotations

from bisect import insort
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from tapeloom.gap.gaps import Cause

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Asked", "EvidenceRecord", "KnownCause", "Span"]

# A feed reports a handful a day; the oldest go first.
_MOST_KEPT = 10_000

_FOREVER = 2**63 - 1


class Span(NamedTuple):
    """A stretch of time, ``[start, end)`` ns UTC, in which something held."""

    start: int
    end: int
    what: str
    """What held, such as a reason or the name of a source."""
    is_market: bool = False

    @property
    def is_open(self) -> bool:
        """Whether nothing has ended it yet."""
        return self.end == _FOREVER


class KnownCause(NamedTuple):
    """A cause that somebody knows, for ``[start, end)`` ns UTC."""

    start: int
    end: int
    cause: Cause


class Asked(NamedTuple):
    """History was asked for ``[start, end)`` at an instant and has no bar there. All are ns UTC."""

    start: int
    end: int
    at: int


class _Event(NamedTuple):
    """One report; equal instants stay in order of arrival."""

    ts: int
    number: int
    state: str
    what: str


_Item = TypeVar("_Item", bound=tuple[object, ...])
_Name = TypeVar("_Name", str, str | None)


class EvidenceRecord:
    """Statuses, connection events, known causes and assigned quality, by symbol.

    Any thread may write and read. What is kept under a name is a tuple that is replaced, never changed. Statuses,
    events and causes stay from session to session, since gaps of history have causes too; quality does not.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        #: Rises with every change of what causes are judged by.
        self.number = 0
        self._statuses: dict[str | None, tuple[_Event, ...]] = {}
        self._connections: dict[str, tuple[_Event, ...]] = {}
        self._causes: dict[str, tuple[KnownCause, ...]] = {}
        self._asked: dict[str, tuple[Asked, ...]] = {}
        self._quality: dict[tuple[str, str], float] = {}

    # The life of the store

    def start_session(self) -> None:
        """Forget the quality that was set."""
        self._quality = {}

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._statuses, self._connections, self._causes = {}, {}, {}
            self._quality, self._asked = {}, {}
            self.number += 1

    def remove(self, symbol: str) -> None:
        """Forget what is about a symbol."""
        with self._lock:
            self._statuses.pop(symbol, None)
            self._causes.pop(symbol, None)
            self._asked.pop(symbol, None)
            self.number += 1
            for key in [key for key in self._quality if key[0] == symbol]:
                del self._quality[key]

    # Writing

    def add_status(self, symbol: str | None, ts: int, state: str, reason: str) -> None:
        """Keep a status of a symbol, or of the market."""
        with self._lock:
            self._add(self._statuses, symbol, ts, state, reason)

    def add_connection(self, source: str, ts: int, is_up: bool) -> None:
        """Keep that a connection went up or down."""
        with self._lock:
            self._add(self._connections, source, ts, "up" if is_up else "down", source)

    def add_cause(self, symbol: str, start: int, end: int, cause: Cause) -> None:
        """Keep a known cause; a later one counts before an earlier one."""
        with self._lock:
            kept = self._causes.get(symbol, ())
            self._causes[symbol] = _newest((*kept, KnownCause(start, end, cause)))
            self.number += 1

    def add_asked(self, symbol: str, start: int, end: int, at: int) -> None:
        """Keep that history was asked and has no bar there."""
        with self._lock:
            kept = self._asked.get(symbol, ())
            self._asked[symbol] = _newest((*kept, Asked(start, end, at)))
            self.number += 1

    def set_quality(self, symbol: str, interval: str, percent: float | None) -> None:
        """Keep a quality until the next session, or forget it."""
        with self._lock:
            if percent is None:
                self._quality.pop((symbol, interval), None)
            else:
                self._quality[symbol, interval] = percent

    def _add(
        self,
        kept: dict[_Name, tuple[_Event, ...]],
        name: _Name,
        ts: int,
        state: str,
        what: str,
    ) -> None:
        events = list(kept.get(name, ()))
        insort(events, _Event(ts, self.number, state, what))
        kept[name] = _newest(tuple(events))
        # Last: who reads the number first never takes the old for the new.
        self.number += 1

    # Reading

    def quality(self, symbol: str, interval: str) -> float | None:
        """Return the quality that was set, ``None`` where none was."""
        return self._quality.get((symbol, interval))

    def known_causes(self, symbol: str) -> tuple[KnownCause, ...]:
        """Return the causes somebody knows, in order of arrival."""
        return self._causes.get(symbol, ())

    def asked(self, symbol: str, clock: int) -> list[Asked]:
        """Return where history was asked in vain by what is known at the clock, in order of arrival."""
        return [each for each in self._asked.get(symbol, ()) if each.at <= clock]

    def spans(self, symbol: str, state: str, clock: int) -> list[Span]:
        """Return when a symbol was ``"halted"`` or ``"closed"`` by what was reported up to the clock.

        A state holds until the next status. One of the market also ends for a symbol that is said to trade; that the
        market trades does not end a state of the symbol's own.
        """
        own = _known(self._statuses.get(symbol, ()), clock)
        market = _known(self._statuses.get(None, ()), clock)
        trading = [event for event in own if event.state == "trading"]
        return sorted(
            [
                *_spans(own, state, is_market=False),
                *_spans(sorted([*market, *trading]), state, is_market=True),
            ]
        )

    def outages(self, clock: int) -> list[Span]:
        """Return when one of our connections was down by what is known at the clock."""
        found: list[Span] = []
        for events in list(self._connections.values()):
            found += _spans(_known(events, clock), "down", is_market=False)
        return sorted(found)


def _newest(items: tuple[_Item, ...]) -> tuple[_Item, ...]:
    return items[-_MOST_KEPT:]


def _known(events: Iterable[_Event], clock: int) -> list[_Event]:
    return [event for event in events if event.ts <= clock]


def _spans(events: list[_Event], state: str, *, is_market: bool) -> list[Span]:
    """From each event that begins a state to the first that says something else."""
    found: list[Span] = []
    began: _Event | None = None
    for event in events:
        if event.state == state:
            began = began or event
        elif began is not None:
            # Two reports of one instant leave no time between them.
            if began.ts < event.ts:
                found.append(Span(began.ts, event.ts, began.what, is_market))
            began = None
    if began is not None:
        found.append(Span(began.ts, _FOREVER, began.what, is_market))
    return found
