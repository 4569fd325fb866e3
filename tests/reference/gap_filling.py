"""Filling gaps in plain Python: what is asked when, and what becomes of each stretch of missing minutes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from tests.reference.bars import Bar, is_valid
from tests.reference.gaps import due_starts, expected_starts
from tests.reference.schedule import MINUTE, SECOND

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.reference.schedule import TradingDay

__all__ = ["Filled", "Filler", "Stretch"]

HOUR = 60 * MINUTE


class Filled(NamedTuple):
    """How a stretch stands."""

    start: int
    end: int
    missing: int
    status: str
    attempts: int
    last_attempt: int | None
    filled: int


@dataclass
class Stretch:
    """Neighbouring minutes that were found missing together."""

    symbol: str
    minutes: list[int]
    status: str = "detected"
    attempts: int = 0
    last_attempt: int | None = None
    next_try: int = 0
    filled: int = 0

    def shown(self) -> Filled:
        start, end = self.minutes[0], self.minutes[-1] + MINUTE
        return Filled(
            start,
            end,
            len(self.minutes),
            self.status,
            self.attempts,
            self.last_attempt,
            self.filled,
        )


@dataclass
class Filler:
    """Asks ``answers(call number, requests)``, which gives rows of (symbol, bar) for each request, or raises."""

    day: TradingDay
    bars: dict[str, dict[int, Bar]]
    answers: Callable[
        [int, list[tuple[str, int, int]]], Sequence[Sequence[tuple[str, Bar]]]
    ]
    most_tries: int
    interval: int
    most_requests: int
    stretches: list[Stretch] = field(default_factory=list)
    calls: list[list[tuple[str, int, int]]] = field(default_factory=list)
    judged: dict[str, set[int]] = field(default_factory=dict)
    returned: int = 0
    outside: int = 0
    off_grid: int = 0
    offered: int = 0
    rejected: int = 0
    duplicates: int = 0
    corrections: int = 0
    asked_in_vain: dict[str, set[int]] = field(default_factory=dict)

    def look(self, clock: int) -> None:
        """Find what is newly missing, ask for what is due, and take in the answers."""
        for symbol, bars in self.bars.items():
            judged = self.judged.setdefault(symbol, set())
            new: list[list[int]] = []
            for ts in due_starts(self.day, MINUTE, clock):
                if ts not in judged and ts not in bars:
                    if new and new[-1][-1] + MINUTE == ts:
                        new[-1].append(ts)
                    else:
                        new.append([ts])
                judged.add(ts)
            self.stretches += [
                Stretch(symbol, minutes, next_try=clock) for minutes in new
            ]
        self._ask(clock)

    def _ask(self, clock: int) -> None:
        by_symbol: dict[str, list[Stretch]] = {}
        for stretch in self.stretches:
            if stretch.status == "detected" and stretch.next_try <= clock:
                by_symbol.setdefault(stretch.symbol, []).append(stretch)
        requests: list[list[Stretch]] = []
        for due in by_symbol.values():
            here: list[list[Stretch]] = []
            for stretch in sorted(due, key=lambda each: each.minutes[0]):
                if not self._left(stretch):
                    stretch.status = "filled"
                elif (
                    here
                    and stretch.minutes[0] - here[-1][-1].minutes[-1] - MINUTE <= HOUR
                ):
                    here[-1].append(stretch)
                else:
                    here.append([stretch])
            requests += here
        # All calls are made before the first answer is taken in.
        made = []
        for first in range(0, len(requests), self.most_requests):
            made.append(self._call(requests[first : first + self.most_requests], clock))
        for parts, answers in made:
            for number, request in enumerate(parts):
                self._take(request, None if answers is None else answers[number], clock)

    def _call(
        self, parts: list[list[Stretch]], clock: int
    ) -> tuple[list[list[Stretch]], Sequence[Sequence[tuple[str, Bar]]] | None]:
        asked = [
            (request[0].symbol, request[0].minutes[0], request[-1].minutes[-1] + MINUTE)
            for request in parts
        ]
        self.calls.append(asked)
        for stretch in (stretch for request in parts for stretch in request):
            stretch.status, stretch.last_attempt = "requested", clock
            stretch.attempts += 1
        try:
            answers = self.answers(len(self.calls) - 1, asked)
        except Exception:
            return parts, None
        return parts, answers if len(answers) == len(asked) else None

    def _take(
        self,
        request: list[Stretch],
        rows: Sequence[tuple[str, Bar]] | None,
        clock: int,
    ) -> None:
        symbol = request[0].symbol
        if rows is None or any(name != symbol for name, _ in rows):
            for stretch in request:
                self._fail(stretch, clock)
            return
        before = [self._left(stretch) for stretch in request]
        came = self._merge(request, [bar for _, bar in rows], clock)
        for stretch, lacking in zip(request, before, strict=True):
            left = self._left(stretch)
            stretch.filled += lacking - left
            if not left:
                stretch.status = "filled"
            elif left < len(stretch.minutes):
                stretch.status = "partial"
            else:
                stretch.status = "abandoned"
            run: list[int] = []
            for ts in [*stretch.minutes, -1]:
                if ts in self.bars[symbol] or ts == -1:
                    if not came & set(run):
                        self.asked_in_vain.setdefault(symbol, set()).update(run)
                    run = []
                else:
                    run.append(ts)

    def _fail(self, stretch: Stretch, clock: int) -> None:
        if not self._left(stretch):
            stretch.status = "filled"
        elif stretch.attempts == self.most_tries:
            stretch.status = "abandoned"
        else:
            stretch.status = "detected"
            wait = self.interval * 2 ** (stretch.attempts - 1)
            stretch.next_try = clock + min(wait, 900) * SECOND

    def _merge(self, request: list[Stretch], rows: list[Bar], clock: int) -> set[int]:
        """Put in the rows that are asked for, oldest first; the starts of those that were offered."""
        grid = set(expected_starts(self.day, MINUTE))
        bars = self.bars[request[0].symbol]
        came = set()
        for bar in sorted(rows, key=lambda each: each.ts):
            self.returned += 1
            if not any(
                s.minutes[0] <= bar.ts < s.minutes[-1] + MINUTE for s in request
            ):
                self.outside += 1
                continue
            if bar.ts not in grid:
                self.off_grid += 1
                continue
            assert bar.ts + MINUTE <= clock
            self.offered += 1
            came.add(bar.ts)
            if not is_valid(bar):
                self.rejected += 1
            elif bar.ts not in bars:
                bars[bar.ts] = bar
            elif bars[bar.ts] == bar:
                self.duplicates += 1
            else:
                self.corrections += 1
                bars[bar.ts] = bar
        return came

    def _left(self, stretch: Stretch) -> int:
        return sum(ts not in self.bars[stretch.symbol] for ts in stretch.minutes)
