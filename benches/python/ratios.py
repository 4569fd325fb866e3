"""Ours beside the peers: answers compared, medians of interleaved rounds, a row for each pair. Knows no case."""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, NamedTuple

_ROUNDS = 15
# Slow cases get by with fewer.
_FEWEST_ROUNDS = 5
_MOST_SECONDS = 8.0
_SECONDS_A_ROUND = 0.012


class Targets(NamedTuple):
    """How many times faster, or smaller, than the peer."""

    floor: float
    goal: float | None = None
    moonshot: float | None = None


@dataclass(frozen=True, slots=True)
class Way:
    """One way to answer a list of questions."""

    name: str
    ask: Callable[[Any], Any]
    questions: Sequence[Any]
    # The answer in the form in which all ways can be compared; not timed.
    plain: Callable[[Any], Any] = lambda answer: answer
    # How many a call answers, where it answers an array of them.
    size: int = 1
    # What each pass over the questions needs beforehand; not timed.
    before: Callable[[], object] | None = None
    # The pass written out, where an answer is more than one call with one argument: a function around it would cost
    # as much as what it measures.
    loop: Callable[[Sequence[Any]], object] | None = None

    def answers(self) -> list[Any]:
        if self.before is not None:
            self.before()
        return [self.plain(self.ask(each)) for each in self.questions]

    def ask_all(self) -> None:
        if self.loop is not None:
            self.loop(self.questions)
            return
        # A plain loop, as in a program; about 10 ns of it are in every figure.
        ask = self.ask
        for each in self.questions:
            ask(each)

    def once(self) -> None:
        """One pass with what it needs."""
        if self.before is not None:
            self.before()
        self.ask_all()

    def timed(self, clock: Callable[[], float]) -> Callable[[], float]:
        """Return a function that asks for a round's length and returns the seconds per answer."""
        one = self._seconds_of_a_pass(clock)
        passes = max(1, math.ceil(_SECONDS_A_ROUND / max(one, 1e-9)))
        answers = passes * len(self.questions) * self.size

        def sample() -> float:
            if self.before is not None:
                # Passes that need something are long enough to be timed one by one.
                seconds = sum(self._seconds_of_a_pass(clock) for _ in range(passes))
                return seconds / answers
            began = clock()
            for _ in range(passes):
                self.ask_all()
            return (clock() - began) / answers

        return sample

    def _seconds_of_a_pass(self, clock: Callable[[], float]) -> float:
        if self.before is not None:
            self.before()
        began = clock()
        self.ask_all()
        return clock() - began


class Row(NamedTuple):
    """One of our ways beside one peer; values per answer, ``None`` while the case is pending."""

    case: str
    ours: str
    value: float | None
    peer: str
    peer_value: float | None
    targets: Targets | None = None
    # "s" or "B".
    unit: str = "s"

    @property
    def ratio(self) -> float | None:
        """How many times as much the peer needs."""
        if not self.value or self.peer_value is None:
            return None
        return self.peer_value / self.value


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a bench calls: compares the answers always, the times only when benches are enabled.

    Targets hold for the first of our ways; the others stand beside it.
    """

    benchmark: Any
    rows: list[Row]
    # Of this test.
    cases: list[str] = field(default_factory=list)

    def __call__(
        self,
        case: str,
        *,
        ours: Sequence[Way],
        peers: Sequence[Way],
        targets: Targets | None = None,
        # CPU time of this thread, so that another program on the core does not count.
        clock: Callable[[], float] = time.thread_time,
        rounds: int = _ROUNDS,
    ) -> None:
        expected = ours[0].answers()
        for way in (*ours[1:], *peers):
            assert way.answers() == expected, f"{way.name} gives another answer"
        self.take_part(case, ours[0].once)
        if not self.benchmark.enabled:
            for way in (*ours, *peers):
                way.once()
        else:
            ours_timed, peers_timed = (
                {way.name: way.timed(clock) for way in ways} for ways in (ours, peers)
            )
            self.measure(
                case, ours=ours_timed, peers=peers_timed, targets=targets, rounds=rounds
            )

    def take_part(self, case: str, run: Callable[[], object]) -> None:
        """Let pytest-benchmark run something, which it wants once in a test."""
        if not self.cases:
            self.benchmark.group = case
            self.benchmark.pedantic(run)
        self.cases.append(case)

    def measure(
        self,
        case: str,
        *,
        ours: Mapping[str, Callable[[], float]],
        peers: Mapping[str, Callable[[], float]],
        targets: Targets | None = None,
        rounds: int = _ROUNDS,
    ) -> None:
        """Sample everything in turn (A B C, A B C, ...), and keep a row for each of ours and each peer."""
        gc.collect()
        taken: dict[Callable[[], float], list[float]] = {
            sample: [] for sample in (*ours.values(), *peers.values())
        }
        began = time.perf_counter()
        for done in range(rounds):
            if done >= _FEWEST_ROUNDS and time.perf_counter() - began > _MOST_SECONDS:
                break
            for sample, seconds in taken.items():
                seconds.append(sample())
        self.keep(
            case,
            ours={name: median(taken[sample]) for name, sample in ours.items()},
            peers={name: median(taken[sample]) for name, sample in peers.items()},
            targets=targets,
        )

    def keep(
        self,
        case: str,
        *,
        ours: Mapping[str, float],
        peers: Mapping[str, float],
        targets: Targets | None = None,
        unit: str = "s",
    ) -> None:
        """Keep a row for each of ours and each peer."""
        for number, (own, value) in enumerate(ours.items()):
            for peer, peer_value in peers.items():
                wanted = None if number else targets
                row = Row(case, own, value, peer, peer_value, wanted, unit)
                self.rows.append(row)
                self.benchmark.extra_info[f"{own} / {peer}"] = round(row.ratio or 0, 2)

    def pending(self, case: str, *, peer: str, targets: Targets | None = None) -> None:
        """Keep a row without numbers: nothing to measure yet."""
        self.take_part(case, lambda: None)
        if self.benchmark.enabled:
            self.rows.append(Row(case, "", None, peer, None, targets))
