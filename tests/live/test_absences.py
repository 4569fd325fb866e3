"""When a machine slept, by a wall clock and a monotonic one that are set by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeloom.calendars.clock import LiveClock
from tapeloom.live.absences import Absences
from tapeloom.live.market_clock import MarketClock

if TYPE_CHECKING:
    from collections.abc import Sequence

SECOND = 1_000_000_000
START = 1_751_463_000 * SECOND


class Machine:
    """A machine that works and sleeps."""

    def __init__(self) -> None:
        self.wall, self.monotonic = START, 0
        self.clock = LiveClock(wall=lambda: self.wall, monotonic=lambda: self.monotonic)
        self.clock.now_ns()

    def work(self, seconds: float) -> None:
        self.wall += round(seconds * SECOND)
        self.monotonic += round(seconds * SECOND)
        self.clock.now_ns()

    def sleep(self, seconds: float) -> None:
        self.wall += round(seconds * SECOND)
        self.clock.now_ns()


@given(st.lists(st.tuples(st.floats(0, 3600), st.floats(-60, 3600)), max_size=8))
def test_each_sleep_of_ten_seconds_is_an_absence_and_nothing_else_is(
    days: Sequence[tuple[float, float]],
) -> None:
    machine = Machine()
    absences = Absences(machine.clock)
    expected = []
    for awake, asleep in days:
        machine.work(awake)
        before = machine.wall
        machine.sleep(asleep)
        if machine.wall - before >= 10 * SECOND:
            expected.append((before, machine.wall))

    assert absences.take() == expected
    assert absences.take() == []


def test_what_a_clock_saw_before_does_not_count() -> None:
    machine = Machine()
    machine.sleep(60)
    absences = Absences(machine.clock)
    assert absences.take() == []
    machine.sleep(60)
    assert len(absences.take()) == 1


def test_more_sleeps_than_a_clock_remembers_are_those_that_it_remembers() -> None:
    machine = Machine()
    absences = Absences(machine.clock)
    for _ in range(150):
        machine.work(1)
        machine.sleep(20)
    assert len(absences.take()) == len(machine.clock.jumps) == 100


@pytest.mark.parametrize("seconds", [0.3, 5.0, 9.9])
def test_a_clock_that_is_put_right_is_no_absence(seconds: float) -> None:
    machine = Machine()
    absences = Absences(machine.clock)
    machine.sleep(seconds)
    assert absences.take() == []


def test_a_clock_that_cannot_jump_has_no_absences() -> None:
    assert Absences(MarketClock(START, 60.0)).take() == []
