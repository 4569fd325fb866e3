"""Ours beside the peers: answers compared, medians of interleaved rounds, a table of ratios. Knows no case."""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, NamedTuple

_ROUNDS = 15
_SECONDS_A_ROUND = 0.012


class Targets(NamedTuple):
    """How many times faster than the peer."""

    floor: float
    goal: float | None = None
    moonshot: float | None = None


_HEAD = ("case", "tapeloom", "time", "peer", "time", "ratio", *Targets._fields)


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

    def answers(self) -> list[Any]:
        return [self.plain(self.ask(each)) for each in self.questions]

    def ask_all(self) -> None:
        # A plain loop, as in a program; about 10 ns of it are in every figure.
        ask = self.ask
        for each in self.questions:
            ask(each)

    def timed(self, clock: Callable[[], float]) -> Callable[[], float]:
        """Return a function that asks for a round's length and returns the seconds per answer."""
        began = clock()
        self.ask_all()
        passes = max(1, math.ceil(_SECONDS_A_ROUND / max(clock() - began, 1e-9)))
        answers = passes * len(self.questions) * self.size

        def sample() -> float:
            began = clock()
            for _ in range(passes):
                self.ask_all()
            return (clock() - began) / answers

        return sample


class Row(NamedTuple):
    """One of our ways beside one peer; seconds per answer."""

    case: str
    ours: str
    seconds: float
    peer: str
    peer_seconds: float
    targets: Targets | None

    @property
    def ratio(self) -> float:
        return self.peer_seconds / self.seconds


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a bench calls: compares the answers always, the times only when benches are enabled."""

    benchmark: Any
    rows: list[Row]

    def __call__(
        self,
        case: str,
        *,
        ours: Sequence[Way],
        peers: Sequence[Way],
        targets: Targets | None = None,
        # CPU time of this thread, so that another program on the core does not count.
        clock: Callable[[], float] = time.thread_time,
    ) -> None:
        expected = ours[0].answers()
        for way in (*ours[1:], *peers):
            assert way.answers() == expected, f"{way.name} gives another answer"
        self.benchmark.group = case
        self.benchmark.pedantic(ours[0].ask_all, rounds=_ROUNDS, warmup_rounds=1)
        if self.benchmark.enabled:
            ours_timed, peers_timed = (
                {way.name: way.timed(clock) for way in ways} for ways in (ours, peers)
            )
            self.measure(case, ours=ours_timed, peers=peers_timed, targets=targets)

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
        for _ in range(rounds):
            for sample, seconds in taken.items():
                seconds.append(sample())
        for own, own_sample in ours.items():
            for peer, peer_sample in peers.items():
                times = median(taken[own_sample]), median(taken[peer_sample])
                row = Row(case, own, times[0], peer, times[1], targets)
                self.rows.append(row)
                self.benchmark.extra_info[f"{own} / {peer}"] = round(row.ratio, 2)


def as_table(rows: Sequence[Row]) -> list[str]:
    """Return the lines of a Markdown table."""
    cells = [list(_HEAD), ["---"] * len(_HEAD)]
    for row in rows:
        targets = row.targets or (None, None, None)
        sides = [row.ours, _time(row.seconds), row.peer, _time(row.peer_seconds)]
        ratios = map(_times, (row.ratio, *targets))
        cells.append([row.case, *sides, *ratios])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in cells]


def _time(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def _times(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"
