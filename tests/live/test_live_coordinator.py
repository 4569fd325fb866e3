"""The live coordinator against the server, by the vendor's own client, on threads and sockets."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

import pytest

from tapeloom.errors import FeedError, StateError
from tests.live.live_run import Held, LiveRun, rows
from tests.live.recorded import at, bars_of
from tests.session.runs import threads

if TYPE_CHECKING:
    from collections.abc import Iterator

AAPL, MSFT = bars_of("AAPL", 10), bars_of("MSFT", 10, first=300.0)
BOTH = [AAPL, MSFT]


@pytest.fixture(autouse=True)
def nothing_left_running() -> Iterator[None]:
    yield
    for thread in threading.enumerate():
        # Nobody waits for a call of history; it ends by itself.
        if thread.name.startswith("tapeloom-"):
            thread.join(60)
    assert threads() == set()


@pytest.fixture(scope="module")
def whole() -> str:
    """State hash of the day that nothing disturbed."""
    with LiveRun(BOTH).start() as run:
        run.play(0, 10)
        run.close()
        assert (rows(run, "AAPL"), rows(run, "MSFT")) == (rows(AAPL), rows(MSFT))
        return run.store.state_hash()


def test_a_day_without_faults_is_streamed_as_it_was_recorded() -> None:
    with LiveRun(BOTH).start() as run:
        assert run.health.is_connected
        assert (run.health.state, run.states()) == ("WAITING", {"LIVE"})
        run.play(0, 10)
        assert run.health.state == "LIVE"
        run.close()
        assert (rows(run, "AAPL"), rows(run, "MSFT")) == (rows(AAPL), rows(MSFT))
        assert run.told.minutes("AAPL") == AAPL.ts.tolist()
        assert (run.told.begun, run.told.ended) == (1, 1)
        assert run.health.state == "CLOSED"
        assert not run.coordinator.stopped_early
        (report,) = run.coordinator.tally.sessions
        assert (report.expected, report.present, report.gaps) == (20, 20, 0)


def test_a_run_that_begins_in_the_middle_has_no_hole_at_the_seam(whole: str) -> None:
    with LiveRun(BOTH, begin=at(4.5)).start() as run:
        assert run.starts("AAPL") == AAPL.ts[:4].tolist()
        run.play(4, 10)
        run.close()
        assert run.store.state_hash() == whole
        # The analyses hear of what streams; what lay before is there when they begin.
        assert run.told.minutes("AAPL") == AAPL.ts[4:].tolist()


def test_bars_that_come_while_a_run_warms_up_wait_and_are_not_lost(whole: str) -> None:
    with LiveRun(BOTH, begin=at(4.5)) as run:
        history = Held(run)
        run.coordinator.start()
        assert history.reached.wait(60)
        run.move(6.1)
        run.until(lambda: run.health.bounds["events"][0] == 4)
        assert run.coordinator.stage == "WARMING"
        history.may_go_on.set()
        run.until(lambda: run.has(5))
        run.play(6, 10)
        run.close()
        assert run.store.state_hash() == whole
        assert run.count("bars") == 12


def test_an_outage_goes_from_stale_over_filling_to_live(whole: str) -> None:
    with LiveRun(BOTH).start() as run:
        history = Held(run)
        run.play(0, 3)
        run.inject("disconnect", seconds=180)
        run.until(lambda: not run.health.is_connected)
        assert (run.health.state, run.states()) == ("STALE", {"STALE"})
        assert run.health.outages == 1
        run.move(6.6)
        run.reconnect()
        run.until(lambda: run.states() == {"FILLING"})
        assert run.health.is_connected
        assert run.of("AAPL").missing == 3
        history.may_go_on.set()
        run.until(lambda: run.states() == {"LIVE"})
        run.play(6, 10)
        run.close()
        assert run.store.state_hash() == whole
        assert "AAPL 09:33\N{EN DASH}09:36: 3 missing" in run.health.fills[0]
        assert run.of("AAPL").filled == 3


def test_a_slow_analysis_stops_the_socket_and_nothing_is_lost(
    whole: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LiveRun(BOTH, capacity=2).start() as run:
        run.told.may_go_on.clear()
        run.move(1.1)
        assert run.told.reached.wait(60)
        # Two bars wait, the others stay where they are; then the feed gives its connection up.
        run.move(5.1)
        run.overrun(monkeypatch)
        assert run.health.bounds["events"] == (2, 2)
        assert run.health.counts["overruns"] == 1
        assert run.store.get_bar_count("AAPL") == 1
        run.told.may_go_on.set()
        run.until(lambda: run.health.outages == 1)
        run.move(6.1)
        run.reconnect()
        run.until(lambda: run.has(5))
        run.play(6, 10)
        run.close()
        assert run.store.state_hash() == whole


def test_wrong_keys_end_the_run_with_the_vendors_words() -> None:
    with LiveRun(BOTH, secret="wrong") as run:
        with pytest.raises(FeedError, match=r"auth failed.*check key and secret"):
            run.coordinator.run()
        assert run.health.state == "CLOSED"
        with pytest.raises(FeedError):
            run.coordinator.wait()
        assert threads() == {"tapeloom-server"}


def test_a_vendor_that_refuses_later_ends_the_run() -> None:
    with LiveRun(BOTH).start() as run:
        run.play(0, 2)
        run.inject("refuse", what="auth")
        run.inject("disconnect", seconds=1)
        run.until(lambda: not run.health.is_connected)
        run.move(2.2)
        run.gate.open()
        with pytest.raises(FeedError, match="auth failed"):
            run.coordinator.wait(60)
        assert run.starts("AAPL") == AAPL.ts[:2].tolist()


def test_a_run_is_stopped_before_it_begins() -> None:
    with LiveRun(BOTH) as run:
        assert run.coordinator.stop()
        assert run.coordinator.is_finished
        with pytest.raises(StateError, match="over"):
            run.coordinator.start()


def test_nobody_goes_on_from_waiting_before_the_run_is_finished() -> None:
    with LiveRun(BOTH).start() as run:
        finished = run.coordinator._finished
        finish = finished.set
        reached, may_go_on = threading.Event(), threading.Event()

        def later() -> None:
            reached.set()
            assert may_go_on.wait(60)
            finish()

        finished.set = later  # type: ignore[method-assign]  # the run is held where it finishes
        run.coordinator.control.stop()
        assert reached.wait(60)
        assert not run.coordinator.wait(0.0)
        may_go_on.set()
        assert run.coordinator.wait(60)
        assert run.coordinator.is_finished


def test_a_run_is_stopped_while_it_warms_up() -> None:
    with LiveRun(BOTH, begin=at(4.5)) as run:
        history = Held(run)
        run.coordinator.start()
        assert history.reached.wait(60)
        assert run.coordinator.stop()
        history.may_go_on.set()
        assert run.coordinator.stopped_early


def test_a_run_is_stopped_while_the_feed_is_away() -> None:
    with LiveRun(BOTH).start() as run:
        run.inject("disconnect", seconds=600)
        run.until(lambda: not run.health.is_connected)
        assert run.coordinator.stop()
        assert run.coordinator.wait(60)


def test_an_analysis_stops_the_run_from_inside() -> None:
    with LiveRun(BOTH).start() as run:
        said: list[bool] = []
        run.told.then = lambda _: said.append(run.coordinator.stop())
        run.move(1.1)
        assert run.coordinator.wait(60)
        assert run.coordinator.stopped_early
        assert not any(said)
        assert run.store.get_bar_count("AAPL") == 1


def test_an_analysis_that_does_not_return_is_left_behind() -> None:
    with LiveRun(BOTH).start() as run:
        run.told.may_go_on.clear()
        run.move(1.1)
        assert run.told.reached.wait(60)
        assert not run.coordinator.stop(timeout=0.05)
        with pytest.raises(StateError, match="its analysis does not return"):
            run.coordinator.wait(60)
        run.told.may_go_on.set()
        run.coordinator.leave(60)


def test_an_analysis_that_fails_ends_the_run_with_its_error() -> None:
    def fail(_: object) -> None:
        raise ZeroDivisionError("by an analysis")

    with LiveRun(BOTH).start() as run:
        run.told.then = fail
        run.move(1.1)
        with pytest.raises(Exception, match="by an analysis"):
            run.coordinator.wait(60)


def test_ctrl_c_ends_a_run_and_leaves_nothing_behind() -> None:
    with LiveRun(BOTH) as run:
        main = threading.main_thread().ident
        assert main is not None

        def interrupt() -> None:
            run.until(lambda: run.has(0))
            signal.pthread_kill(main, signal.SIGINT)

        def play() -> None:
            run.until(lambda: run.coordinator.stage == "WAITING")
            run.move(1.1)
            interrupt()

        helper = threading.Thread(target=play)
        helper.start()
        with pytest.raises(KeyboardInterrupt):
            run.coordinator.run()
        helper.join()
        assert run.coordinator.stopped_early
        assert run.starts("AAPL") == AAPL.ts[:1].tolist()
