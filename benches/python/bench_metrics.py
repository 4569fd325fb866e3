"""A duration into the figures of a session and of the run, and a signal to a consumer, beside plain Python behind a lock."""

from __future__ import annotations

from threading import Condition, Lock
from time import perf_counter
from typing import TYPE_CHECKING

from benches.python.ratios import Comparison, Targets, Way

from tapeloom import PerformanceMetrics, StreamSubscription

if TYPE_CHECKING:
    from collections.abc import Sequence

UNITS = 1_000


class _Figures:
    """Running figures without percentiles, which would cost more."""

    def __init__(self) -> None:
        self.count, self.total = 0, 0.0
        self.shortest, self.longest = float("inf"), 0.0

    def record(self, seconds: float) -> None:
        self.count += 1
        self.total += seconds
        self.shortest = min(self.shortest, seconds)
        self.longest = max(self.longest, seconds)


class _ByHand:
    def __init__(self) -> None:
        self.lock, self.session, self.run = Lock(), _Figures(), _Figures()

    def record(self, start: float) -> None:
        seconds = perf_counter() - start
        with self.lock:
            self.session.record(seconds)
            self.run.record(seconds)


class _Flag:
    """A flag under a condition: a signal given while it is up is lost."""

    def __init__(self) -> None:
        self.condition, self.is_up = Condition(), False

    def signal(self) -> None:
        with self.condition:
            self.is_up = True
            self.condition.notify_all()

    def take(self) -> bool:
        with self.condition:
            self.condition.wait_for(lambda: self.is_up)
            self.is_up = False
            return True


def test_a_duration_recorded(compare: Comparison) -> None:
    metrics, by_hand = PerformanceMetrics(), _ByHand()

    def ours(start: float) -> int:
        metrics.record_data_processor(start)
        return int(metrics.to_dict("session")["data_processor"]["count"])

    def theirs(start: float) -> int:
        by_hand.record(start)
        return by_hand.session.count

    def ours_only(starts: Sequence[float]) -> None:
        record = metrics.record_data_processor
        for start in starts:
            record(start)

    def theirs_only(starts: Sequence[float]) -> None:
        record = by_hand.record
        for start in starts:
            record(start)

    starts = [metrics.start_timer()] * UNITS
    compare(
        "a duration recorded",
        ours=[Way("PerformanceMetrics", ours, starts, loop=ours_only)],
        peers=[Way("running figures in Python", theirs, starts, loop=theirs_only)],
        targets=Targets(floor=2),
    )


def test_a_signal_given_and_taken(compare: Comparison) -> None:
    edge, flag = StreamSubscription("data-driven", "edge"), _Flag()

    def ours(_: int) -> bool:
        edge.signal_ready()
        is_ready = edge.wait_until_ready()
        edge.reset()
        return is_ready

    def theirs(_: int) -> bool:
        flag.signal()
        return flag.take()

    units = range(UNITS)
    compare(
        "a signal given and taken, one thread",
        ours=[Way("StreamSubscription", ours, units)],
        peers=[Way("a flag under a Condition", theirs, units)],
    )
