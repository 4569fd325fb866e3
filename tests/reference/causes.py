"""Causes of missing bars, minute by minute in plain Python: what was reported, and what each report accounts for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from tests.reference.gaps import due_starts, expected_starts
from tests.reference.schedule import MINUTE, clipped_end

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.reference.schedule import TradingDay

__all__ = ["Explained", "Report", "Tape"]


class Report(NamedTuple):
    """Something a feed said, in order of arrival: of a symbol, of the market (``None``) or of a connection."""

    ts: int
    about: str | None
    word: str


class Explained(NamedTuple):
    """A run of missing minutes ``[start, end)`` with its cause, and whether it counts as due."""

    start: int
    end: int
    missing: int
    cause: str
    is_due: bool


@dataclass
class Tape:
    """One session of some symbols: the starts that came and everything that was reported."""

    day: TradingDay
    starts: dict[str, set[int]]
    statuses: list[Report] = field(default_factory=list)
    connections: list[Report] = field(default_factory=list)
    ticks: dict[str, list[int]] = field(default_factory=dict)
    known: dict[str, list[tuple[int, int, str]]] = field(default_factory=dict)
    expects_no_trade: bool = False
    volume: Callable[[int], float] = lambda ts: 1.0
    """Volume of the bar of a start."""

    def gaps(self, symbol: str, clock: int, *, ended: bool) -> list[Explained]:
        """Runs of missing minutes as of the clock."""
        runs: list[list[int]] = []
        was_due = False
        grid = due_starts(self.day, MINUTE, clock)
        for ts in grid:
            if ts in self.starts[symbol]:
                continue
            is_due = self._is_due(symbol, ts, grid, clock)
            if runs and is_due == was_due and self._end(runs[-1][-1]) == ts:
                runs[-1].append(ts)
            else:
                runs.append([ts])
            was_due = is_due
        return [self._explained(symbol, run, grid, clock, ended) for run in runs]

    def presence(self, symbol: str, clock: int) -> tuple[int, int]:
        """Minutes that came, and minutes due."""
        grid = due_starts(self.day, MINUTE, clock)
        came = [ts for ts in grid if ts in self.starts[symbol]]
        lost = [ts for ts in grid if ts not in self.starts[symbol]]
        due = [ts for ts in lost if self._is_due(symbol, ts, grid, clock)]
        return len(came), len(came) + len(due)

    def _explained(
        self, symbol: str, run: list[int], grid: list[int], clock: int, ended: bool
    ) -> Explained:
        is_due = self._is_due(symbol, run[0], grid, clock)
        cause = self._cause(symbol, run, clock, is_due=is_due, ended=ended)
        return Explained(run[0], self._end(run[-1]), len(run), cause, is_due)

    def _is_due(self, symbol: str, ts: int, grid: list[int], clock: int) -> bool:
        if not self.expects_no_trade:
            return True
        at = grid.index(ts)
        came = self.starts[symbol]
        if came.isdisjoint(grid[:at]) or came.isdisjoint(grid[at:]):
            return True
        said = self._known_cause(symbol, ts)
        if said is not None:
            return said != "no_trade"
        return (
            self._was(symbol, "closed", ts, clock)
            or self._was(symbol, "halted", ts, clock)
            or self._was_down(ts, clock)
            or any(ts <= tick < self._end(ts) for tick in self._ticks(symbol, clock))
        )

    def _cause(
        self, symbol: str, run: list[int], clock: int, *, is_due: bool, ended: bool
    ) -> str:
        said = {self._known_cause(symbol, ts) for ts in run}
        if len(said) == 1 and said != {None}:
            return str(said.pop())
        if not is_due:
            return "no_trade"
        if all(self._was(symbol, "closed", ts, clock) for ts in run):
            return "closed"
        if all(self._was(symbol, "halted", ts, clock) for ts in run):
            return "halt"
        if all(self._was_down(ts, clock) for ts in run):
            return "outage"
        if (ended or clock >= self.day.close) and self._breaks_off(symbol, run[0]):
            return "truncated"
        if self._nobody_traded(symbol, run, clock):
            return "no_trade"
        witnesses = [came for came in self.starts.values() if came]
        if len(witnesses) >= 3 and not any(
            ts in came for came in witnesses for ts in run
        ):
            return "vendor_hole"
        return "unknown"

    def _breaks_off(self, symbol: str, start: int) -> bool:
        came = self.starts[symbol]
        return bool(came) and max(came) < start

    def _nobody_traded(self, symbol: str, run: list[int], clock: int) -> bool:
        start, end = run[0], self._end(run[-1])
        ticks = self._ticks(symbol, clock)
        if any(self._was_down(ts, clock) for ts in run):
            return False
        came = self.starts[symbol]
        beside = [max((ts for ts in came if ts < start), default=None)]
        beside.append(min((ts for ts in came if ts >= end), default=None))
        return (
            any(tick < start for tick in ticks)
            and any(tick >= end for tick in ticks)
            and not any(start <= tick < end for tick in ticks)
            and all(
                any(ts <= tick < self._end(ts) for tick in ticks)
                for ts in beside
                if ts is not None and self.volume(ts) > 0
            )
        )

    def _known_cause(self, symbol: str, ts: int) -> str | None:
        said = None
        for start, end, cause in self.known.get(symbol, []):
            if ts < end and start < self._end(ts):
                said = cause
        return said

    def _was(self, symbol: str, word: str, ts: int, clock: int) -> bool:
        """Whether the symbol or the market was in a state at some moment of a minute."""
        own = [r for r in self.statuses if r.about == symbol]
        market = [
            r
            for r in self.statuses
            if r.about is None or (r.about == symbol and r.word == "trading")
        ]
        return any(self._held(r, word, ts, clock) for r in (own, market))

    def _was_down(self, ts: int, clock: int) -> bool:
        sources = {r.about for r in self.connections}
        return any(
            self._held(
                [r for r in self.connections if r.about == source], "down", ts, clock
            )
            for source in sources
        )

    def _held(self, reports: Sequence[Report], word: str, ts: int, clock: int) -> bool:
        told = sorted((r for r in reports if r.ts <= clock), key=lambda r: r.ts)
        moments = [ts] + [r.ts for r in told if ts < r.ts < self._end(ts)]
        states = ([r.word for r in told if r.ts <= moment] for moment in moments)
        return any(words[-1:] == [word] for words in states)

    def _ticks(self, symbol: str, clock: int) -> list[int]:
        return [tick for tick in self.ticks.get(symbol, []) if tick <= clock]

    def _end(self, ts: int) -> int:
        return clipped_end(self.day, ts, ts + MINUTE)

    def all_starts(self) -> list[int]:
        """Every minute of the session."""
        return expected_starts(self.day, MINUTE)
