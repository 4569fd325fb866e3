"""Plays a recording: what happens in the market, instant by instant, with the faults that were asked for."""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from random import Random
from typing import TYPE_CHECKING, Any

from tapeloom.errors import ArgumentError
from tapeloom.live.server.faulty_bars import FaultyBars
from tapeloom.live.server.wire import status_message
from tapeloom.timestamps import from_ns, to_ns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tapeloom.live.recording import Recording
    from tapeloom.live.server.fault import Fault
    from tapeloom.live.server.stream_session import StreamSession
    from tapeloom.live.server.wire import Message

__all__ = ["Player"]

_GARBAGE_SEED = 20_250_702


class Player:
    """The present of the market, and what is still to happen in it. Used by one thread only.

    Parameters
    ----------
    recording
        The bars.
    start
        Where market time begins, ns UTC.
    faults
        Those with an instant begin then, the others at once.
    sessions
        The clients that are connected.
    """

    def __init__(
        self,
        recording: Recording,
        *,
        start: int,
        faults: Iterable[Fault],
        sessions: Callable[[], list[StreamSession]],
    ) -> None:
        self.recording = recording
        self.now = start
        self.bars = FaultyBars()
        self._sessions = sessions
        self._instants = recording.instants(start)
        self._next = next(self._instants, None)
        # (instant, number, what happens then); the number keeps the order of equal instants.
        self._planned: list[tuple[int, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        # What is due at the present instant, and what waits while the stream is slow.
        self._outbox: list[Message] = []
        self._slow_until: int | None = None
        self._down_until: int | None = None
        self._history_down_until: int | None = None
        self._refusals: deque[tuple[str, int]] = deque()
        self._random = Random(_GARBAGE_SEED)
        for fault in faults:
            self.inject(fault)

    @property
    def next_instant(self) -> int | None:
        """When something happens next, ns UTC; ``None`` if nothing is left."""
        due = [self._planned[0][0]] if self._planned else []
        if self._next is not None:
            due.append(self._next[0])
        return min(due, default=None)

    @property
    def is_down(self) -> bool:
        """Whether new connections are turned away."""
        return self._down_until is not None and self.now < self._down_until

    @property
    def is_history_down(self) -> bool:
        """Whether requests of history are turned away."""
        until = self._history_down_until
        return until is not None and self.now < until

    def inject(self, fault: Fault) -> None:
        """Let a fault begin at its instant, or at once.

        Raises
        ------
        ArgumentError
            If its instant lies before the present, or its symbols are not recorded.
        """
        unknown = [s for s in fault.symbols if s not in self.recording.symbols]
        if unknown:
            text = f"symbols: {', '.join(unknown)} not recorded"
            raise ArgumentError(text, got=fault.symbols)
        if fault.at is None:
            self._begin(fault)
            return
        at = to_ns(fault.at, self.recording.zone, name="at")
        if at < self.now:
            text = f"at is {self._shown(at)}, before the market's {self._shown(self.now)}; leave it out to begin at once"
            raise ArgumentError(text, got=fault.at)
        self._plan(at, lambda: self._begin(fault))

    def play_until(self, until: int) -> None:
        """Let everything up to an instant happen, that one included, ns UTC.

        Raises
        ------
        ArgumentError
            If it lies before the present.
        """
        if until < self.now:
            text = f"the market is at {self._shown(self.now)}; {self._shown(until)} is over"
            raise ArgumentError(text, got=until)
        while (instant := self.next_instant) is not None and instant <= until:
            self.now = max(self.now, instant)
            self._happen(instant)
        self.now = until

    def refuses(self, what: str) -> bool:
        """Whether this attempt is turned away; counts it."""
        for number, (refused, left) in enumerate(self._refusals):
            if refused == what:
                del self._refusals[number]
                if left > 1:
                    self._refusals.insert(number, (refused, left - 1))
                return True
        return False

    def _happen(self, instant: int) -> None:
        while self._planned and self._planned[0][0] <= instant:
            heapq.heappop(self._planned)[2]()
        if self._next is not None and self._next[0] <= instant:
            _, due = self._next
            self._next = next(self._instants, None)
            for bar in due:
                for delivery in self.bars.deliveries(bar, self.now):
                    self._send_at(delivery.due, delivery.message)
        self._send()

    def _begin(self, fault: Fault) -> None:
        match fault.kind:
            case "halt":
                self._halt(fault)
            case "slow":
                self._slow_until = self.now + fault.seconds_ns
                # What waited is sent at the end of that instant.
                self._plan(self._slow_until, lambda: None)
            case "disconnect":
                self._down_until = self.now + fault.seconds_ns
                if fault.what == "all":
                    self._history_down_until = self._down_until
                for session in self._sessions():
                    session.drop()
            case "refuse":
                self._refusals.append((fault.what, fault.count or 1))
            case "garbage":
                for session in self._sessions():
                    session.put_frame(self._garbage(session, fault.what))
            case "oversized":
                for session in self._sessions():
                    session.put_frame(session.raw([{"T": "x" * fault.size}]))
            case _:
                self.bars.begin(fault)

    def _halt(self, fault: Fault) -> None:
        end = self.now + fault.seconds_ns
        for symbol in fault.symbols:
            self.bars.halt(symbol, self.now, end)
            self._outbox.append(status_message(symbol, self.now, is_halted=True))
            self._send_at(end, status_message(symbol, end, is_halted=False))
        self._send()

    def _garbage(self, session: StreamSession, what: str) -> str | bytes:
        if what == "shape":
            return session.raw({"T": "b", "S": "not in an array"})
        if what == "values":
            symbol = self.recording.symbols[0]
            return session.raw([{"T": "b", "S": symbol, "t": "noon", "o": "much"}])
        whole: Any = session.raw([{"T": "b"}])
        if isinstance(whole, str):
            return whole[: len(whole) // 2]
        # 0xc1 is the one byte that MessagePack never uses.
        return b"\xc1" + self._random.randbytes(64)

    def _send_at(self, instant: int, message: Message) -> None:
        if instant <= self.now:
            self._outbox.append(message)
        else:
            self._plan(instant, lambda: self._outbox.append(message))

    def _send(self) -> None:
        if self._outbox and (self._slow_until is None or self.now >= self._slow_until):
            messages, self._outbox = self._outbox, []
            for session in self._sessions():
                session.offer(messages)

    def _plan(self, instant: int, happens: Callable[[], None]) -> None:
        heapq.heappush(self._planned, (instant, next(self._numbers), happens))

    def _shown(self, ts: int) -> str:
        return from_ns(ts, self.recording.zone).isoformat()
