"""Bars that the thread of a feed takes into the session itself. The run is held between its turns; nothing waits for time."""

from __future__ import annotations

import threading
from random import Random
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Self

import pytest

from tapeloom import BarData
from tapeloom.errors import AnalysisError, JournalError
from tapeloom.live import UpdatedBar, fast_lane, live_steps
from tapeloom.live.recovery import recover
from tapeloom.statuses import ConnectionEvent
from tests.live.live_run import LONGEST, SHORTLY, LiveRun, rows
from tests.live.recorded import MINUTE, at, bars_of
from tests.session.runs import threads

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from tapeloom import SessionData
    from tapeloom.live import FeedEvent
    from tapeloom.live.event_queue import EventQueue

BARS: list[BarData] = list(bars_of("AAPL", 10))


@pytest.fixture(autouse=True)
def nothing_left_running() -> Iterator[None]:
    yield
    for thread in threading.enumerate():
        if thread.name.startswith("tapeloom-"):
            thread.join(LONGEST)
    assert threads() == set()


@pytest.fixture(autouse=True)
def no_pause_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    # How soon one push follows the other is a matter of the machine.
    monkeypatch.setattr(fast_lane, "_PAUSE", -1)


class HandFeed:
    """Pushes what a test pushes, on the test's own thread."""

    intervals = ("1m",)
    channels = ("bars",)

    def push_into(self, queue: EventQueue) -> None:
        self._queue = queue

    def connect(self, symbols: Sequence[str], channels: Sequence[str]) -> None: ...

    def events(self) -> Iterator[FeedEvent]:
        return iter(())

    def push(self, *events: FeedEvent) -> bool:
        return self._queue.put_all(events, 0.0) == len(events)

    def close(self) -> None: ...


class Passing:
    """Something with other methods of some names."""

    def __init__(self, real: object, **others: object) -> None:
        self._real, self._others = real, others

    def __getattr__(self, name: str) -> Any:
        return self._others.get(name) or getattr(self._real, name)


class Listens:
    """An analysis that has no ear for bars."""

    def on_session_end(self, session: SessionData) -> None: ...


class Held:
    """A live run whose thread waits between two turns until a test lets it take one, and a feed in the test's hands."""

    def __init__(
        self, *, analysis: Any = None, folder: Path | None = None, mode: str = "relaxed"
    ) -> None:
        self.feed = HandFeed()
        self.run = LiveRun(
            symbols=["AAPL"],
            feed=self.feed,
            history=None,
            analysis=analysis,
            folder=folder,
            mode=mode,
        )
        self._waits, self._turns = threading.Event(), threading.Semaphore(0)
        self._is_held = False

    def __enter__(self) -> Self:
        self.run.start()
        self.run.move = self.run.set_clock  # type: ignore[method-assign]  # there is no market
        self.run.set_clock(SHORTLY / MINUTE)
        self.run.until(lambda: self.run.coordinator.stage == "OPEN")
        inbox = self.run.coordinator._inbox
        wait = inbox.wait

        def held(timeout: float, *, most: int = 1) -> bool:
            if self._is_held:
                with self.run.coordinator.standing():
                    self._waits.set()
                    assert self._turns.acquire(timeout=LONGEST)
            return wait(0.0 if self._is_held else timeout, most=most)

        self._is_held = True
        inbox.wait = held  # type: ignore[method-assign]  # the run is held where it waits
        inbox.wake()
        assert self._waits.wait(LONGEST)
        return self

    def __exit__(self, *_: object) -> None:
        self.let_go()
        self.run.__exit__()

    def turn(self) -> None:
        """Let the run take one turn."""
        self._waits.clear()
        self._turns.release()
        assert self._waits.wait(LONGEST)

    def let_go(self) -> None:
        """Hold the run no more."""
        self._is_held = False
        self._turns.release()

    def set_clock(self, minutes: float) -> None:
        """Move the clock, and let the run do what is due by then."""
        self.run.clock.now = at(minutes)
        self.turn()

    def disk_is_slow(self) -> None:
        """From now on no record is on disk within the moment that a feed's thread has."""
        journal = self.run.journal
        disk = journal._journal
        assert disk is not None
        wait = disk.wait_durable

        def wait_durable(seq: int, seconds: float) -> bool:
            return seconds != live_steps.MOST_FOR_THE_DISK and wait(seq, seconds)

        journal._journal = Passing(disk, wait_durable=wait_durable)  # type: ignore[assignment]  # a slow disk

    @property
    def steps(self) -> int:
        """How many steps were taken on the feed's thread."""
        return self.run.coordinator._lane.steps

    @property
    def queued(self) -> int:
        return len(self.run.coordinator._inbox)

    @property
    def starts(self) -> list[int]:
        return self.run.starts("AAPL")


def test_a_bar_is_in_the_session_when_its_push_returns(tmp_path: Path) -> None:
    with Held(analysis=Listens(), folder=tmp_path) as held:
        held.set_clock(1.1)
        assert held.feed.push(BARS[0])
        assert held.starts == [at(0)]
        assert (held.steps, held.queued) == (1, 0)
        assert held.run.count("bars") == 1
        assert held.run.journal.last_seq > 0


def test_a_bar_that_is_spelt_otherwise_is_taken_at_once_too() -> None:
    with Held(analysis=Listens()) as held:
        held.set_clock(2.1)
        assert held.feed.push(_spelt(BARS[0]))
        assert held.feed.push(UpdatedBar(_spelt(_dearer(BARS[0]))), _spelt(BARS[1]))
        assert (held.starts, held.steps, held.queued) == ([at(0), at(1)], 2, 0)
        assert (held.run.count("bars"), held.run.count("corrections")) == (3, 1)


def test_with_a_strict_journal_a_bar_is_on_disk_too_when_its_push_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_steps, "MOST_FOR_THE_DISK", LONGEST)
    with Held(analysis=Listens(), folder=tmp_path, mode="strict") as held:
        held.set_clock(1.1)
        assert held.feed.push(BARS[0])
        assert (held.starts, held.steps, held.queued) == ([at(0)], 1, 0)
        assert held.run.journal.durable_seq == held.run.journal.last_seq > 0


def test_where_the_disk_takes_its_time_the_run_ends_the_step_before_anything_else(
    tmp_path: Path,
) -> None:
    with Held(folder=tmp_path, mode="strict") as held:
        held.set_clock(1.1)
        held.disk_is_slow()
        assert held.feed.push(BARS[0])
        assert (held.starts, held.steps, held.queued) == ([], 1, 0)
        held.run.clock.now = at(2.1)
        assert held.feed.push(BARS[1])
        assert (held.starts, held.steps, held.queued) == ([], 1, 1)
        held.turn()
        assert held.starts == [at(0), at(1)]
        assert held.run.told.minutes("AAPL") == [at(0), at(1)]
        assert held.run.count("bars") == 2


def test_a_stop_ends_the_step_that_waits_for_the_disk(tmp_path: Path) -> None:
    with Held(analysis=Listens(), folder=tmp_path, mode="strict") as held:
        held.set_clock(1.1)
        held.disk_is_slow()
        assert held.feed.push(BARS[0])
        assert held.starts == []
        held.let_go()
        assert held.run.coordinator.stop(LONGEST)
        assert held.starts == [at(0)]


def test_a_write_of_somebody_else_that_came_before_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_steps, "MOST_FOR_THE_DISK", LONGEST)
    with Held(analysis=Listens(), folder=tmp_path, mode="strict") as held:
        held.set_clock(1.1)
        before = held.run.journal._turns.take(lambda: None)
        assert held.feed.push(BARS[0])
        assert (held.starts, held.steps) == ([], 1)
        before.serve()
        held.turn()
        assert held.starts == [at(0)]


def test_an_interrupt_of_the_feed_while_the_disk_works_comes_when_the_bar_is_safe(
    tmp_path: Path,
) -> None:
    with Held(analysis=Listens(), folder=tmp_path, mode="strict") as held:
        journal = held.run.journal
        held.set_clock(1.1)
        assert journal._journal is not None
        wait = journal._journal.wait_durable
        interrupted: list[float] = []

        def wait_durable(seq: int, seconds: float) -> bool:
            if not interrupted:
                interrupted.append(seconds)
                raise KeyboardInterrupt
            return wait(seq, seconds)

        journal._journal = Passing(journal._journal, wait_durable=wait_durable)  # type: ignore[assignment]  # interrupted once
        with pytest.raises(KeyboardInterrupt):
            held.feed.push(BARS[0])
        assert interrupted == [live_steps.MOST_FOR_THE_DISK]
        assert (held.starts, journal.state) == ([at(0)], "running")
        held.let_go()
        # Half of what follows from the step may have been done.
        with pytest.raises(KeyboardInterrupt):
            held.run.coordinator.wait(LONGEST)


def test_a_run_that_fails_ends_the_step_that_waits_for_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_steps, "MOST_FOR_THE_DISK", LONGEST)
    with Held(analysis=Listens(), folder=tmp_path, mode="strict") as held:
        coordinator, journal = held.run.coordinator, held.run.journal

        def fails(_: object) -> None:
            # Between two turns, while the lane is open.
            held.disk_is_slow()
            assert held.feed.push(BARS[1])
            raise BrokenPipeError("nobody reads this")

        held.set_clock(2.1)
        assert held.feed.push(BARS[0])
        coordinator.progress = fails
        coordinator._told_at = float("-inf")
        held.let_go()
        with pytest.raises(BrokenPipeError):
            coordinator.wait(LONGEST)
        assert (held.starts, held.steps) == ([at(0), at(1)], 2)
        found = recover(
            journal.path, time_manager=held.run.manager, allow_network_fs=True
        )
        assert found.state_hash() == held.run.store.state_hash()


def test_an_analysis_is_told_by_the_run_and_sees_the_session_as_of_its_bar() -> None:
    with Held() as held:
        told = held.run.told
        seen: list[tuple[float, float, str]] = []

        def note(bar: BarData) -> None:
            seen.append(
                (
                    bar.close,
                    rows(held.run, "AAPL")[-1][4],
                    threading.current_thread().name,
                )
            )

        told.then = note
        held.set_clock(1.1)
        dearer = _dearer(BARS[0])
        assert held.feed.push(BARS[0])
        assert held.starts == [at(0)]
        assert told.bars == []
        # Until it was told, nothing else comes into the session.
        assert held.feed.push(UpdatedBar(dearer))
        assert (held.steps, held.queued) == (1, 1)
        held.turn()
        assert seen == [(BARS[0].close, BARS[0].close, "tapeloom-analysis")]
        assert told.updates == [("AAPL", "1m", at(0))]
        assert rows(held.run, "AAPL")[0][4] == dearer.close != BARS[0].close


def test_while_an_analysis_takes_its_time_bars_wait_in_the_queue() -> None:
    with Held() as held:
        told = held.run.told
        told.may_go_on.clear()
        held.set_clock(1.1)
        assert held.feed.push(BARS[0])
        held.let_go()
        assert told.reached.wait(LONGEST)
        held.run.set_clock(2.1)
        assert held.feed.push(BARS[1])
        assert (held.starts, held.queued) == ([at(0)], 1)
        told.may_go_on.set()
        held.run.until(lambda: held.run.has(1))
        held.run.until(lambda: told.minutes("AAPL") == [at(0), at(1)])


def test_events_keep_their_order_between_lane_and_queue() -> None:
    with Held(analysis=Listens()) as held:
        held.set_clock(2.1)
        down = ConnectionEvent(at(1.5), False, "hand")
        up = ConnectionEvent(at(1.6), True, "hand")
        assert held.feed.push(BARS[0])
        assert held.feed.push(down)
        # Behind what concerns the whole run everything waits.
        assert held.feed.push(up)
        assert held.feed.push(BARS[1])
        assert (held.starts, held.queued, held.steps) == ([at(0)], 3, 1)
        held.turn()
        assert held.starts == [at(0), at(1)]
        assert held.run.health.outages == 1
        assert held.run.health.is_connected
        assert held.feed.push(UpdatedBar(BARS[1]))
        assert (held.queued, held.steps) == (0, 2)
        assert held.run.count("corrections") == 1


def test_what_is_due_is_done_before_the_next_bar() -> None:
    with Held(analysis=Listens()) as held:
        held.set_clock(0.9)
        # The time that the bar of the first minute had is over by now.
        held.run.clock.now = at(1.2)
        assert held.feed.push(BARS[0])
        assert (held.starts, held.queued) == ([], 1)
        held.turn()
        assert (held.starts, held.steps) == ([at(0)], 0)


def test_what_becomes_due_between_two_turns_is_not_passed_over() -> None:
    with Held(analysis=Listens()) as held:
        coordinator = held.run.coordinator
        called: list[datetime] = []
        held.run.manager.at(at(1.3), called.append)
        held.set_clock(1.1)

        def passes(_: object) -> None:
            # Between the look whether something is due, and the next turn.
            held.run.clock.now = at(1.3) + 1

        assert held.feed.push(BARS[0])
        coordinator.progress = passes
        coordinator._told_at = float("-inf")
        held.turn()
        assert held.feed.push(UpdatedBar(_dearer(BARS[0])))
        held.turn()
        assert (held.steps, held.queued, len(called)) == (1, 0, 1)


def test_a_late_bar_is_looked_at_by_the_run() -> None:
    with Held(analysis=Listens()) as held:
        held.set_clock(2.1)
        assert held.feed.push(BARS[1])
        assert held.feed.push(BARS[0])
        assert (held.starts, held.steps) == ([at(0), at(1)], 2)
        assert held.feed.push(BARS[0])
        assert held.queued == 1
        held.turn()
        assert held.queued == 0
        assert held.run.store.get_ingest_counts("AAPL").duplicates == 1


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("mode", ["off", "relaxed", "strict"])
def test_lane_and_queue_in_any_order_end_as_the_queue_alone_does(
    seed: int, mode: str, tmp_path: Path
) -> None:
    def played(random: Random | None) -> tuple[str, list[Any], dict[str, Any], int]:
        chosen = Random(seed)
        folder = tmp_path / ("queue" if random is None else "lane")
        folder.mkdir()
        with Held(folder=None if mode == "off" else folder, mode=mode) as held:
            if random is not None:
                held.run.journal._may_finish = lambda *_: random.random() < 0.5  # type: ignore[method-assign]  # a disk of either kind
            for number in range(9):
                held.set_clock(number + 1 + SHORTLY / MINUTE)
                events: list[FeedEvent] = [BARS[number]]
                if number and chosen.random() < 0.5:
                    events.append(UpdatedBar(_dearer(BARS[number - 1])))
                if chosen.random() < 0.3:
                    events.insert(0, BARS[number])
                if chosen.random() < 0.2:
                    at_ns = held.run.clock.now
                    events.insert(1, ConnectionEvent(at_ns, True, "hand"))
                for event in events:
                    if random is None:
                        held.run.coordinator._inbox.lane = None
                    elif random.random() < 0.4:
                        held.turn()
                    assert held.feed.push(event)
                held.turn()
            held.turn()
            told = held.run.told
            assert held.queued == 0
            return (
                held.run.store.state_hash(),
                # Whether a coarse bar was told before it changed depends on how many came at once, with or without a lane.
                [told.bars, [each for each in told.updates if each[1] == "1m"]],
                dict(held.run.health.counts),
                held.steps,
            )

    *queue, none = played(None)
    *lane, some = played(Random(seed + 1))
    assert lane == queue
    assert none == 0
    assert some > 0


def _dearer(bar: BarData) -> BarData:
    close = bar.high
    values = (bar.open, bar.high, bar.low, close, bar.volume + 1)
    return BarData(bar.symbol, bar.ts, *values, bar.interval)


def _spelt(bar: BarData) -> BarData:
    values = (bar.open, bar.high, bar.low, bar.close, bar.volume)
    return BarData(f" {bar.symbol.lower()} ", bar.ts, *values, bar.interval)


def test_an_error_in_the_lane_ends_the_run_and_not_the_feed() -> None:
    with Held(analysis=Listens()) as held:
        held.set_clock(1.1)

        def fail(*_: object, **__: object) -> None:
            raise ZeroDivisionError("in a step")

        held.run.journal.begin_step = fail  # type: ignore[method-assign, assignment]  # a step that fails
        assert held.feed.push(BARS[0])
        assert held.run.coordinator.error is None
        held.let_go()
        with pytest.raises(ZeroDivisionError, match="in a step"):
            held.run.coordinator.wait(LONGEST)
        assert not held.feed.push(BARS[1])
        assert held.starts == []


def test_an_analysis_that_fails_after_the_lane_ends_the_run_with_its_error() -> None:
    def fail(_: object) -> None:
        raise ZeroDivisionError("by an analysis")

    with Held() as held:
        held.run.told.then = fail
        held.set_clock(1.1)
        assert held.feed.push(BARS[0])
        held.let_go()
        with pytest.raises(AnalysisError, match="by an analysis"):
            held.run.coordinator.wait(LONGEST)
        assert held.starts == [at(0)]


def test_a_journal_that_fails_in_the_lane_loses_nothing(tmp_path: Path) -> None:
    with Held(analysis=Listens(), folder=tmp_path) as held:
        journal, step = held.run.journal, held.run.journal.begin_step
        held.set_clock(1.1)

        def fail(*given: Any, **more: Any) -> Any:
            journal.begin_step = step  # type: ignore[method-assign]  # it fails once
            assert journal._journal is not None
            journal._journal.stop("no space left on device")
            return step(*given, **more)

        journal.begin_step = fail  # type: ignore[method-assign]  # a disk that fails
        assert held.feed.push(BARS[0])
        assert (held.starts, held.run.coordinator._session.owed) == ([], 1)
        # What comes meanwhile waits.
        assert held.feed.push(BARS[1])
        assert held.queued == 1
        held.let_go()
        held.run.set_clock(2.1)
        held.run.until(lambda: held.run.has(1))
        assert held.starts == [at(0), at(1)]
        assert journal.path.name.endswith(".1")


def test_a_disk_that_fails_while_a_step_waits_for_it_loses_nothing(
    tmp_path: Path,
) -> None:
    with Held(analysis=Listens(), folder=tmp_path, mode="strict") as held:
        journal, wait = held.run.journal, held.run.journal._wait
        held.set_clock(2.1)
        held.disk_is_slow()

        def fail(on: Any, seq: int) -> None:
            journal._wait = wait  # type: ignore[method-assign]  # it fails once
            on.stop("no space left on device")
            raise JournalError("no space left on device")

        journal._wait = fail  # type: ignore[method-assign, assignment]  # a disk that fails
        assert held.feed.push(BARS[0])
        assert held.feed.push(BARS[1])
        assert (held.starts, held.queued) == ([], 1)
        held.let_go()
        held.run.until(lambda: held.run.has(1))
        assert held.starts == [at(0), at(1)]
        assert journal.path.name.endswith(".1")


def test_a_stop_waits_for_the_step_that_is_being_taken(tmp_path: Path) -> None:
    with Held(analysis=Listens(), folder=tmp_path) as held:
        step = held.run.journal.begin_step
        reached, may_go_on = threading.Event(), threading.Event()
        held.set_clock(1.1)

        def slow(*given: Any, **more: Any) -> Any:
            with held.run.coordinator.standing():
                reached.set()
                assert may_go_on.wait(LONGEST)
            return step(*given, **more)

        held.run.journal.begin_step = slow  # type: ignore[method-assign]  # a step that a test holds
        pushed: list[bool] = []
        feed = threading.Thread(target=lambda: pushed.append(held.feed.push(BARS[0])))
        feed.start()
        assert reached.wait(LONGEST)
        stopped: list[bool] = []
        stop = threading.Thread(
            target=lambda: stopped.append(held.run.coordinator.stop(LONGEST))
        )
        stop.start()
        held.run.until(lambda: held.run.coordinator.control.is_stopping)
        held.let_go()
        # It is under way as long as the step is.
        assert not held.run.coordinator.is_finished
        may_go_on.set()
        feed.join(LONGEST)
        stop.join(LONGEST)
        assert (pushed, stopped) == ([True], [True])
        assert held.starts == [at(0)]
        assert not held.feed.push(BARS[1])


def test_a_bar_that_came_by_the_lane_is_told_though_the_run_is_stopped_meanwhile() -> (
    None
):
    with Held() as held:
        held.set_clock(1.1)
        assert held.feed.push(BARS[0])
        stop = threading.Thread(target=held.run.coordinator.stop)
        stop.start()
        held.run.until(lambda: held.run.coordinator.control.is_stopping)
        assert held.feed.push(BARS[1])
        held.let_go()
        stop.join(LONGEST)
        assert held.run.told.minutes("AAPL") == [at(0)]
        assert held.run.coordinator.stopped_early


def test_who_pushes_very_many_leaves_them_to_the_run() -> None:
    with Held(analysis=Listens()) as held:
        held.set_clock(9.1)
        assert held.feed.push(*BARS[:8], *[BARS[8]] * 100)
        assert (held.starts, held.steps, held.queued) == ([], 0, 108)
        held.turn()
        assert len(held.starts) == 9


def test_who_pushes_without_a_pause_leaves_the_next_ones_to_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Held(analysis=Listens()) as held:
        held.set_clock(2.1)
        assert held.feed.push(BARS[0])
        # Longer than since the first step, shorter than since ever.
        monkeypatch.setattr(fast_lane, "_PAUSE", perf_counter_ns() // 2)
        assert held.feed.push(BARS[1])
        assert (held.starts, held.steps, held.queued) == ([at(0)], 1, 1)
        held.turn()
        assert held.starts == [at(0), at(1)]


def test_an_indicator_of_the_user_is_called_by_the_run() -> None:
    names: list[str] = []

    class Named:
        def update(self, bar: BarData) -> float:
            names.append(threading.current_thread().name)
            return bar.close

        def reset(self) -> None: ...

    with Held(analysis=Listens()) as held:
        held.run.coordinator.indicators.add("named", Named)
        held.set_clock(1.1)
        assert held.feed.push(BARS[0])
        assert (held.starts, names) == ([at(0)], [])
        held.turn()
        assert names == ["tapeloom-coordinator"]


def test_a_day_through_the_lane_goes_on_after_a_stop_and_an_outage(
    tmp_path: Path,
) -> None:
    both = [bars_of("AAPL", 10), bars_of("MSFT", 10, first=300.0)]

    def play(run: LiveRun, first: int, last: int) -> None:
        for minute in range(first, last):
            now = minute + 1 + SHORTLY / MINUTE
            run.set_clock(now)
            run.until(lambda: run.coordinator._lane.is_open(run.clock.now))
            run.market(now)
            run.until(lambda: run.has(minute))  # noqa: B023  (waited for here)

    with LiveRun(both).start() as run:
        run.play(0, 10)
        run.close()
        whole = run.store.state_hash()
    options: dict[str, Any] = {"folder": tmp_path, "mode": "relaxed"}
    with LiveRun(both, analysis=Listens(), **options).start() as run:
        run.set_clock(0.1)
        run.until(lambda: run.coordinator.stage == "OPEN")
        play(run, 0, 3)
        assert run.coordinator._lane.steps > 0
        assert run.coordinator.stop()
        before = run.store.state_hash()
    with LiveRun(both, begin=at(3.2), analysis=Listens(), **options) as run:
        assert run.store.state_hash() == before
        run.start()
        run.inject("disconnect", seconds=180)
        run.until(lambda: not run.health.is_connected)
        run.move(6.6)
        run.reconnect()
        run.until(lambda: run.has(5))
        run.until(lambda: run.states() == {"LIVE"})
        play(run, 6, 10)
        assert run.coordinator._lane.steps > 0
        run.close()
        assert run.store.state_hash() == whole
