"""The live clock never runs backwards, and says when the wall clock moved by itself."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import pairwise
from threading import Barrier, Thread
from typing import Any, Literal, NamedTuple, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeloom.calendars.clock import ClockJump, LiveClock
from tapeloom.errors import ArgumentError, ArgumentTypeError

MS = 10**6
SECOND = 1_000 * MS
HOUR = 3_600 * SECOND
# 2025-07-02 13:30 UTC.
START = 1_751_463_000 * SECOND


class Machine:
    """A wall and a monotonic clock that move when told to."""

    def __init__(self) -> None:
        self.wall = START
        self.monotonic = 7 * SECOND

    def run(self, ns: int, *, moved: int = 0) -> None:
        """Let time pass, with the wall clock moving by itself in between."""
        self.monotonic += ns
        self.wall += ns + moved

    def clock(self, **options: Any) -> LiveClock:
        return LiveClock(
            wall=lambda: self.wall, monotonic=lambda: self.monotonic, **options
        )


@pytest.fixture
def machine() -> Machine:
    return Machine()


def test_it_shows_the_wall_clock(machine: Machine) -> None:
    clock = machine.clock()
    shown = [clock.now_ns()]
    machine.run(SECOND)
    shown.append(clock.now_ns())
    assert shown == [START, START + SECOND]
    assert clock.jumps == ()


def test_it_reads_the_clocks_of_the_machine_unless_told_otherwise() -> None:
    defaults = LiveClock.__init__.__kwdefaults__
    assert defaults is not None
    assert defaults["wall"] is time.time_ns
    assert defaults["monotonic"] is time.monotonic_ns


def test_timeouts_are_measured_on_the_monotonic_clock(machine: Machine) -> None:
    clock = machine.clock()
    before = clock.monotonic_ns()
    machine.run(SECOND, moved=-HOUR)
    assert clock.monotonic_ns() - before == SECOND


def test_set_forward_it_follows_and_tells_the_jump(machine: Machine) -> None:
    clock = machine.clock()
    clock.now_ns()
    machine.run(SECOND, moved=HOUR)
    assert clock.now_ns() == START + SECOND + HOUR
    jump = ClockJump(before=START + SECOND, after=START + SECOND + HOUR)
    assert clock.jumps == (jump,)
    assert jump.size == timedelta(hours=1)


def test_set_back_it_stands_still_until_the_wall_clock_has_caught_up(
    machine: Machine,
) -> None:
    clock = machine.clock()
    shown = [clock.now_ns()]
    machine.run(SECOND, moved=-10 * SECOND)
    for _ in range(4):
        shown.append(clock.now_ns())
        machine.run(4 * SECOND)
    assert [(at - START) // SECOND for at in shown] == [0, 0, 0, 0, 3]
    assert clock.jumps == (ClockJump(START + SECOND, START - 9 * SECOND),)
    assert clock.jumps[0].size == timedelta(seconds=-10)


def test_a_small_step_back_is_no_jump_and_not_shown(machine: Machine) -> None:
    clock = machine.clock()
    clock.now_ns()
    machine.run(0, moved=-250 * MS)
    assert clock.now_ns() == START
    assert clock.jumps == ()


@pytest.mark.parametrize("way", [1, -1])
def test_a_jump_begins_one_nanosecond_beyond_what_is_allowed(
    machine: Machine, way: int
) -> None:
    clock = machine.clock(tolerance=timedelta(milliseconds=100))
    clock.now_ns()
    # 500 ppm of two seconds is a millisecond.
    machine.run(2 * SECOND, moved=way * 101 * MS)
    clock.now_ns()
    assert clock.jumps == ()
    machine.run(2 * SECOND, moved=way * (101 * MS + 1))
    clock.now_ns()
    assert len(clock.jumps) == 1


@pytest.mark.parametrize("way", [1, -1])
@pytest.mark.parametrize("rest", [1, 60, 86_400])
def test_slewing_is_no_jump_however_long_it_lasts(
    machine: Machine, rest: int, way: int
) -> None:
    clock = machine.clock()
    clock.now_ns()
    for _ in range(100):
        machine.run(rest * SECOND, moved=way * rest * SECOND // 2_000)
        assert clock.now_ns() == machine.wall
    assert clock.jumps == ()


def test_a_machine_that_slept_jumps_forward(machine: Machine) -> None:
    clock = machine.clock()
    clock.now_ns()
    # The monotonic clock stands still while a machine sleeps.
    machine.run(3 * MS, moved=8 * HOUR)
    assert clock.now_ns() == machine.wall
    assert [jump.size for jump in clock.jumps] == [timedelta(hours=8)]


def test_the_jump_of_a_clock_that_stands_still_is_measured_on_the_wall(
    machine: Machine,
) -> None:
    clock = machine.clock()
    clock.now_ns()
    for moved in (-HOUR, HOUR):
        machine.run(SECOND, moved=moved)
        clock.now_ns()
    assert [jump.size for jump in clock.jumps] == [
        timedelta(hours=-1),
        timedelta(hours=1),
    ]
    assert clock.now_ns() == START + 2 * SECOND


def test_after_resync_it_goes_on_from_the_wall_clock_as_it_is(machine: Machine) -> None:
    clock = machine.clock()
    clock.now_ns()
    machine.run(SECOND, moved=-HOUR)
    assert clock.now_ns() == START
    clock.resync()
    assert clock.now_ns() == START + SECOND - HOUR
    machine.run(SECOND)
    assert clock.now_ns() == START + 2 * SECOND - HOUR
    assert len(clock.jumps) == 1


def test_resync_tells_a_jump_that_nobody_has_seen(machine: Machine) -> None:
    told: list[ClockJump] = []
    clock = machine.clock(on_jump=told.append)
    clock.now_ns()
    machine.run(SECOND, moved=-HOUR)
    clock.resync()
    assert [jump.size for jump in told] == [timedelta(hours=-1)]
    assert clock.now_ns() == machine.wall


def test_a_jump_is_told_and_logged_once(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[ClockJump] = []
    clock = machine.clock(on_jump=told.append)
    clock.now_ns()
    machine.run(SECOND, moved=-HOUR)
    with caplog.at_level(logging.WARNING, logger="tapeloom.clock"):
        for _ in range(3):
            clock.now_ns()
    assert told == list(clock.jumps)
    assert caplog.record_tuples == [
        (
            "tapeloom.clock",
            logging.WARNING,
            "the wall clock jumped back by 1:00:00: it shows 2025-07-02T12:30:01+00:00,"
            " not 2025-07-02T13:30:01+00:00",
        )
    ]


def test_whoever_is_told_may_read_the_clock_from_any_thread(machine: Machine) -> None:
    seen: list[object] = []

    def on_jump(jump: ClockJump) -> None:
        clock.resync()
        reader = Thread(target=lambda: seen.append(clock.now_ns()))
        reader.start()
        reader.join(60)
        seen.append(clock.jumps == (jump,))

    clock = machine.clock(on_jump=on_jump)
    clock.now_ns()
    machine.run(SECOND, moved=-HOUR)
    clock.now_ns()
    assert seen == [machine.wall, True]


def test_an_error_of_whoever_is_told_comes_through_and_leaves_the_clock_whole(
    machine: Machine,
) -> None:
    def on_jump(jump: ClockJump) -> None:
        raise RuntimeError("stop the session")

    clock = machine.clock(on_jump=on_jump)
    clock.now_ns()
    machine.run(SECOND, moved=HOUR)
    with pytest.raises(RuntimeError, match="stop the session"):
        clock.now_ns()
    assert clock.now_ns() == machine.wall
    assert len(clock.jumps) == 1


def test_only_the_newest_hundred_jumps_are_kept(machine: Machine) -> None:
    clock = machine.clock()
    clock.now_ns()
    for minutes in range(1, 121):
        machine.run(SECOND, moved=minutes * 60 * SECOND)
        clock.now_ns()
    sizes = [jump.size for jump in clock.jumps]
    assert sizes == [timedelta(minutes=minutes) for minutes in range(21, 121)]


def test_a_thread_held_up_between_the_two_clocks_sees_no_jump(machine: Machine) -> None:
    stalls = [0, 2 * SECOND, 0, 0]

    def wall() -> int:
        shown = machine.wall
        machine.run(stalls.pop(0))
        return shown

    clock = LiveClock(wall=wall, monotonic=lambda: machine.monotonic)
    shown = [clock.now_ns() for _ in range(3)]
    assert (shown, stalls) == ([START, START + 2 * SECOND, START + 2 * SECOND], [])
    assert clock.jumps == ()


def test_a_reading_may_be_interrupted_by_another_in_the_same_thread(
    machine: Machine,
) -> None:
    handlers: list[Callable[[], object]] = []

    def wall() -> int:
        shown = machine.wall
        # As a signal handler comes, in between.
        if handlers:
            handlers.pop()()
        return shown

    clock = LiveClock(wall=wall, monotonic=lambda: machine.monotonic)
    clock.now_ns()
    handlers += [clock.now_ns, lambda: machine.run(SECOND)]
    shown = [clock.now_ns(), clock.now_ns()]
    assert shown == [START + SECOND, START + SECOND]
    assert (handlers, clock.jumps) == ([], ())


@pytest.fixture
def restless_threads() -> Iterator[None]:
    """Threads that take turns as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("restless_threads")
def test_in_no_thread_does_it_run_backwards() -> None:
    pairs = 0

    def wall() -> int:
        return START + pairs * MS - (HOUR if pairs // 200 % 2 else 0)

    def monotonic() -> int:
        # Both are called while the clock is locked, or this count would not be exact.
        nonlocal pairs
        pairs += 1
        return (pairs - 1) * MS

    told: list[ClockJump] = []
    clock = LiveClock(wall=wall, monotonic=monotonic, on_jump=told.append)
    threads, reads = 8, 1_000
    shown: list[list[int]] = [[] for _ in range(threads)]
    together = Barrier(threads)

    def read(into: list[int]) -> None:
        together.wait(60)
        into.extend(clock.now_ns() for _ in range(reads))

    running = [Thread(target=read, args=(into,)) for into in shown]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    assert all(a <= b for each in shown for a, b in pairwise(each))
    # A pair more for every jump, which is looked at twice.
    assert pairs == threads * reads + len(clock.jumps)
    assert len(clock.jumps) == (pairs - 1) // 200
    # Told outside the lock, so perhaps in another order than they were noted.
    assert sorted(told, key=_by_instant) == sorted(clock.jumps, key=_by_instant)


def _by_instant(jump: ClockJump) -> tuple[int, int]:
    return jump.before, jump.after


Step: TypeAlias = tuple[Literal["now", "resync"], int, int]


class Shown(NamedTuple):
    """What a clock has shown, and the jumps it has told."""

    instants: list[int]
    jumps: list[tuple[int, int]]


def by_the_rules(steps: list[Step], tolerance: int) -> Shown:
    """The rules in the plainest words; a step is what is called, the wall and the monotonic reading."""
    instants: list[int] = []
    jumps = []
    lowest = None
    for i, (call, wall, monotonic) in enumerate(steps):
        if i > 0:
            elapsed = monotonic - steps[i - 1][2]
            expected = steps[i - 1][1] + elapsed
            if abs(wall - expected) > tolerance + elapsed * 500 // 1_000_000:
                jumps.append((expected, wall))
        if call == "resync":
            lowest = wall
        else:
            lowest = wall if lowest is None else max(lowest, wall)
            instants.append(lowest)
    return Shown(instants, jumps)


def moves() -> st.SearchStrategy[tuple[Literal["now", "resync"], int, int, int]]:
    calls: st.SearchStrategy[Literal["now", "resync"]] = st.sampled_from(
        ("now", "now", "now", "resync")
    )
    elapsed = st.sampled_from((0, 1, 1_999, 2_000, 2_001)) | st.integers(0, 10**14)
    # In parts of what is allowed, so that the edge is hit; and nanoseconds beside it.
    parts = st.sampled_from((0, 0, 1, -1)) | st.integers(-30_000, 30_000)
    return st.tuples(calls, elapsed, parts, st.integers(-2, 2))


@given(
    tolerance=st.sampled_from((0, 1_000, 250 * MS, 60 * SECOND)),
    script=st.lists(moves(), min_size=1, max_size=60),
)
def test_any_sequence_of_readings_follows_the_rules(
    tolerance: int, script: list[tuple[Literal["now", "resync"], int, int, int]]
) -> None:
    machine = Machine()
    clock = machine.clock(tolerance=timedelta(microseconds=tolerance // 1_000))
    steps: list[Step] = []
    instants = []
    for call, elapsed, parts, beside in script:
        machine.run(elapsed, moved=parts * (tolerance + elapsed // 2_000) + beside)
        steps.append((call, machine.wall, machine.monotonic))
        if call == "resync":
            clock.resync()
        else:
            instants.append(clock.now_ns())
    told = [(jump.before, jump.after) for jump in clock.jumps]
    assert Shown(instants, told) == by_the_rules(steps, tolerance)


@pytest.mark.parametrize(
    ("before", "after", "size"),
    [
        (0, 1_500_000, timedelta(microseconds=1_500)),
        (5, 4, timedelta()),
        (2**62, 0, timedelta(microseconds=-(2**62) / 1_000)),
    ],
)
def test_the_size_of_a_jump_is_a_timedelta(
    before: int, after: int, size: timedelta
) -> None:
    assert ClockJump(before, after).size == size


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (
            lambda: LiveClock(tolerance=timedelta(microseconds=-1)),
            ArgumentError,
            r"tolerance is .*; it must be 0 or more",
        ),
        (lambda: LiveClock(tolerance=0.25), ArgumentTypeError, r"tolerance is 0\.25 "),  # type: ignore[arg-type]  # what is tested
        (lambda: LiveClock(wall=START), ArgumentTypeError, r"wall is \d+ \(int\)"),  # type: ignore[arg-type]  # what is tested
        (lambda: LiveClock(monotonic=None), ArgumentTypeError, r"monotonic is None"),  # type: ignore[arg-type]  # what is tested
        (lambda: LiveClock(on_jump="log"), ArgumentTypeError, r"on_jump is 'log'"),  # type: ignore[arg-type]  # what is tested
    ],
    ids=["negative", "number", "wall", "monotonic", "on_jump"],
)
def test_a_wrong_argument_is_named(
    make: Callable[[], LiveClock], error: type[ArgumentError], text: str
) -> None:
    with pytest.raises(error, match=text):
        make()
