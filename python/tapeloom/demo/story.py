"""The story of a rehearsal: one sentence for each thing that happens, in the order in which it is seen."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING

from tapeloom.live.live_health import LiveState, SymbolState
from tapeloom.timestamps import from_ns
from tapeloom.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import date, tzinfo

    from tapeloom.demo.live_process import Closed, Seen, Started
    from tapeloom.live.live_health import LiveHealth

__all__ = ["Story"]

#: Worst first.
_STATES = (
    SymbolState.STALE,
    SymbolState.GAP,
    SymbolState.FILLING,
    SymbolState.LIVE,
)
_NAMED = 2
_WIDTH = 80
#: Sentences of the session stand below what the story says.
_INDENT = " " * 10


class Story:
    """Follows the session by what it says of itself.

    Parameters
    ----------
    zone
        Zone of the times shown.
    quiet
        Symbols that do not trade in every minute. Their gaps are asked for all day long, and most of them stay.
    tell
        Called with each line, at most 80 characters.
    """

    def __init__(
        self, zone: tzinfo, quiet: Collection[str], tell: Callable[[str], object]
    ) -> None:
        self._zone, self._quiet, self._tell = zone, quiet, tell
        # Whether something has happened that has not come to its end, the states seen since then, and when the last was.
        self._is_disturbed = self._is_starting = True
        self._seen: list[SymbolState] = []
        self._live_since: int | None = None
        # Of the process that runs: the sentences on missing bars that were told, and how many bars history had by then.
        self._told: frozenset[str] = frozenset()
        self._filled = 0
        #: The states of each disturbance: the start, the outage, the second start.
        self.disturbances: list[tuple[str, ...]] = []
        #: Bars that history had.
        self.filled = 0

    def begins(
        self, day: date, opened: int, closed: int, speed: float, symbols: int
    ) -> None:
        """Say what is going to happen."""
        hours = f"{self._clock(opened)[:5]} to {self._clock(closed)[:5]}"
        for line in (
            f"A live day on this machine: {day}, {hours}, {speed:g} times as fast.",
            f"A local server streams {counted(symbols, 'symbol')} in the vendor's protocol. The session runs in",
            "a process of its own, with the vendor's client and a strict journal.",
            "",
        ):
            self._tell(line)

    def started(self, now: int, said: Started, pid: int | None) -> None:
        """Say that a process has begun, and what it found."""
        self._is_disturbed, self._is_starting, self._seen = True, True, []
        self._told, self._filled = frozenset(), 0
        text = f"process {pid}, with a new journal"
        if said.records:
            bars = counted(said.bars, "bar")
            text = f"process {pid}, {bars} read from the journal in {said.seconds * 1e3:.1f} ms"
        self._say(now, "starts", text)

    def killed(self, now: int, pid: int | None) -> None:
        """Say that a process was killed."""
        self._say(
            now, "KILLED", f"process {pid}, by SIGKILL: it can save nothing any more"
        )

    def seen(self, seen: Seen) -> None:
        """Say what has changed since the last time."""
        health = seen.health
        filled = sum(each.filled for each in health.symbols.values())
        self.filled += filled - self._filled
        self._filled = filled
        if health.state in (LiveState.WAITING, LiveState.CLOSED):
            return
        if not any(each.last_bar for each in health.symbols.values()):
            # Nothing has happened yet.
            return
        state = self._state(health)
        if state is SymbolState.LIVE:
            self._is_live(health)
            return
        self._live_since = None
        if state is SymbolState.STALE:
            if health.is_connected or self._is_starting:
                # Nothing has come yet.
                return
            if not self._is_disturbed:
                self._is_disturbed, self._seen = True, []
        if self._is_disturbed and state not in self._seen:
            self._seen.append(state)
            self._say(health.clock, str(state), self._meaning(state, health))

    def _is_live(self, health: LiveHealth) -> None:
        """Tell of what came to its end: once it is seen again, for what was filled is told a moment later."""
        if self._live_since is None:
            self._live_since = health.clock
            return
        fills = self._new_fills(health)
        if self._is_disturbed:
            self._is_disturbed = self._is_starting = False
            self.disturbances.append((*map(str, self._seen), str(SymbolState.LIVE)))
            text = "what was missing:" if fills else "every symbol has its bars"
            self._say(self._live_since, str(SymbolState.LIVE), text)
        elif fills:
            self._say(self._live_since, "filled", "what was missing:")
        self._tell_fills(fills)
        self._live_since = health.clock

    def closed(self, now: int, said: Closed) -> None:
        """Say how the session has ended."""
        text = f"{counted(said.bars, 'bar')}, {self.filled:,} of them from history"
        self._say(now, "CLOSED", text)
        if said.missing:
            text = f"{counted(said.missing, 'minute')} without a trade stay recorded as gaps"
            self._say(now, "", text)

    def _state(self, health: LiveHealth) -> SymbolState:
        """The worst state of the symbols that trade in every minute."""
        found = {
            each.state
            for each in health.symbols.values()
            if each.symbol not in self._quiet
        }
        return next(state for state in _STATES if state in found)

    def _new_fills(self, health: LiveHealth) -> list[str]:
        """What the session says of missing bars, and has not said before."""
        fills = [line for line in health.fills if line.split(" ")[0] not in self._quiet]
        news = [line for line in fills if line not in self._told]
        self._told = frozenset(fills)
        return news

    def _tell_fills(self, fills: list[str]) -> None:
        for line in fills[:_NAMED]:
            for part in wrap(line, _WIDTH - len(_INDENT)):
                self._tell(_INDENT + part)
        if len(fills) > _NAMED:
            self._tell(f"{_INDENT}and so of {len(fills) - _NAMED:,} more")

    def _say(self, at: int, word: str, text: str) -> None:
        time = self._clock(at) if word else " " * 8
        self._tell(f"{time}  {word:<7}  {text}")

    def _clock(self, at: int) -> str:
        return f"{from_ns(at, self._zone):%H:%M:%S}"

    def _meaning(self, state: SymbolState, health: LiveHealth) -> str:
        if state is SymbolState.STALE:
            return "the connection is lost, and the vendor's history with it"
        missing = sum(
            each.missing
            for each in health.symbols.values()
            if each.symbol not in self._quiet
        )
        what = "is asked soon" if state is SymbolState.GAP else "is asked"
        return f"{counted(missing, 'bar')} missing by now; history {what}"
