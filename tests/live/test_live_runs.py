"""What else happens in live runs: feeds of one's own, symbols that come and go, disks and histories that fail, nights."""

from __future__ import annotations

import threading
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tapeloom.bars import Bars
from tapeloom.errors import FeedError
from tapeloom.storage import DataManager
from tests.live.live_run import DATE, LONGEST, Held, LiveRun, rows
from tests.live.own_feeds import AsyncFeed, QueueFeed
from tests.live.recorded import ZONE, at, bars_of
from tests.session.runs import threads

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AAPL, MSFT = bars_of("AAPL", 10), bars_of("MSFT", 10, first=300.0)
BOTH = [AAPL, MSFT]


@pytest.fixture(autouse=True)
def nothing_left_running() -> Iterator[None]:
    yield
    for thread in threading.enumerate():
        if thread.name.startswith("tapeloom-"):
            thread.join(LONGEST)
    assert threads() == set()


@pytest.fixture(scope="module")
def whole() -> str:
    """State hash of the day that nothing disturbed."""
    with LiveRun(BOTH).start() as run:
        run.play(0, 10)
        run.close()
        return run.store.state_hash()


# Feeds of one's own


@pytest.mark.parametrize("kind", [QueueFeed, AsyncFeed])
def test_a_feed_of_ones_own_is_streamed(kind: type[QueueFeed], whole: str) -> None:
    feed = kind()
    with LiveRun(symbols=["AAPL", "MSFT"], feed=feed, history=None).start() as run:
        assert feed.symbols == ["AAPL", "MSFT"]
        for minute in range(10):
            run.set_clock(minute + 1.01)
            feed.queue.put(AAPL[minute])
            feed.queue.put(MSFT[minute])
            run.until(lambda: run.has(minute))  # noqa: B023  (waited for here)
        assert (run.health.state, run.health.feed) == ("LIVE", None)
        run.set_clock(10.7)
        run.wait()
        assert run.store.state_hash() == whole
        assert run.count("events") == run.count("bars") == 20


def test_a_feed_that_ends_by_itself_is_an_outage_for_the_rest_of_the_session() -> None:
    feed = QueueFeed()
    with LiveRun(symbols=["AAPL"], feed=feed, history=None).start() as run:
        run.set_clock(1.01)
        feed.queue.put(AAPL[0])
        run.until(lambda: run.has(0))
        feed.queue.put(None)
        run.until(lambda: not run.health.is_connected)
        assert (run.states(), run.health.outages) == ({"STALE"}, 1)
        run.set_clock(10.7)
        run.wait()
        assert run.starts("AAPL") == [at(0)]
        (gap,) = run.store.get_gaps("AAPL")
        assert (gap.missing, gap.cause) == (9, "outage")


def test_a_feed_that_fails_ends_the_run_with_its_error() -> None:
    feed = QueueFeed()
    with LiveRun(symbols=["AAPL"], feed=feed, history=None).start() as run:
        run.set_clock(1.01)
        feed.queue.put(AAPL[0])
        feed.queue.put(FeedError("the cable is cut"))
        with pytest.raises(FeedError, match="the cable is cut"):
            run.coordinator.wait(LONGEST)
        assert run.starts("AAPL") == [at(0)]


def test_what_no_session_has_a_place_for_is_counted_and_kept_aside() -> None:
    feed = QueueFeed()
    with LiveRun(symbols=["AAPL"], feed=feed, history=None).start() as run:
        run.set_clock(1.01)
        for event in (MSFT[0], "what is this", AAPL[5], AAPL[0]):
            feed.queue.put(event)  # type: ignore[arg-type]  # a feed may push anything
        run.until(lambda: run.has(0))
        words = ("events", "bars", "not_subscribed", "unknown")
        assert [run.count(word) for word in words] == [4, 2, 1, 1]
        # A bar of the future is not believed.
        assert run.starts("AAPL") == [at(0)]
        ((early, _),) = run.store.get_quarantine("AAPL")
        assert early.ts == at(5)


# The journal


def test_a_run_that_was_stopped_goes_on_where_its_journal_ends(
    tmp_path: Path, whole: str
) -> None:
    with LiveRun(BOTH, folder=tmp_path).start() as run:
        run.play(0, 3)
        before = run.store.state_hash()
    with LiveRun(BOTH, begin=at(6.5), folder=tmp_path) as run:
        assert run.store.state_hash() == before
        run.start()
        assert run.starts("AAPL") == AAPL.ts[:6].tolist()
        run.play(6, 10)
        run.close()
        assert run.store.state_hash() == whole


def test_bars_of_the_time_without_a_run_are_an_outage_where_nobody_has_them(
    tmp_path: Path,
) -> None:
    with LiveRun(BOTH, folder=tmp_path).start() as run:
        run.play(0, 3)
    with LiveRun(BOTH, begin=at(6.5), folder=tmp_path, history=None).start() as run:
        run.play(6, 10)
        run.close()
        (gap,) = run.store.get_gaps("AAPL")
        assert (gap.missing, gap.cause) == (3, "outage")


def test_a_journal_that_fails_is_told_and_gone_on_with(
    tmp_path: Path, whole: str
) -> None:
    with LiveRun(BOTH, folder=tmp_path).start() as run:
        run.play(0, 3)
        reopen, may_go_on = run.journal.reopen, threading.Event()

        def later(*given: Any) -> Any:
            if not may_go_on.is_set():
                raise OSError(28, "No space left on device")
            return reopen(*given)

        run.journal.reopen = later  # type: ignore[method-assign, assignment]  # a disk that comes back later
        assert run.journal._journal is not None
        run.journal._journal.stop("no space left on device")
        run.move(4.1)
        run.until(lambda: run.health.state == "DEGRADED")
        assert run.health.journal["state"] == "degraded"
        assert "no space left" in run.health.journal["cause"]
        # What is stored stays readable, and nothing more is taken.
        assert run.starts("AAPL") == AAPL.ts[:3].tolist()
        run.move(5.1)
        run.coordinator.add_symbol("IBM")
        session = run.coordinator._session
        run.until(lambda: run.health.bounds["events"][0] + session.owed == 4)
        may_go_on.set()
        run.until(lambda: run.has(4))
        run.until(lambda: "IBM" in run.health.symbols)
        run.coordinator.remove_symbol("IBM")
        run.play(5, 10)
        run.close()
        assert run.store.state_hash() == whole
        # Those that waited may have been asked for meanwhile; whoever came first, each is told once.
        late = [
            ts for name, unit, ts in run.told.updates if (name, unit) == ("AAPL", "1m")
        ]
        assert sorted(run.told.minutes("AAPL") + late) == AAPL.ts.tolist()


def test_an_answer_of_history_that_meets_a_failed_journal_is_not_lost(
    tmp_path: Path, whole: str
) -> None:
    with LiveRun(BOTH, folder=tmp_path).start() as run:
        history = Held(run)
        run.play(0, 3)
        run.inject("drop", count=2)
        run.move(4.2)
        assert history.reached.wait(LONGEST)
        assert run.journal._journal is not None
        run.journal._journal.stop("no space left on device")
        history.may_go_on.set()
        run.until(lambda: run.has(3))
        run.until(lambda: run.states() == {"LIVE"})
        run.play(4, 10)
        run.close()
        assert run.store.state_hash() == whole


# Symbols


def test_symbols_come_and_go_while_bars_stream() -> None:
    with LiveRun(
        [*BOTH, bars_of("IBM", 10, first=50.0)], symbols=["AAPL"]
    ).start() as run:
        run.play(0, 3)
        run.coordinator.add_symbol("IBM")
        run.until(lambda: "IBM" in run.health.symbols)
        # The newest bar may still be on its way; then it is asked for.
        run.set_clock(3.2)
        run.until(lambda: run.has(2, "IBM"))
        assert run.starts("IBM") == [at(minute) for minute in range(3)]
        assert run.told.minutes("IBM") == []
        run.play(3, 5, "AAPL", "IBM")
        run.until(lambda: run.told.minutes("IBM") == [at(3), at(4)])
        run.coordinator.remove_symbol("AAPL")
        run.until(lambda: list(run.health.symbols) == ["IBM"])
        run.play(5, 10, "IBM")
        run.close()
        assert len(run.starts("IBM")) == 10
        assert run.store._symbols == ["IBM"]


def test_health_is_asked_by_others_while_symbols_come_and_go() -> None:
    recorded = [bars_of(f"S{n}", 10, first=50.0 + n) for n in range(8)]
    with LiveRun(recorded, symbols=["S0"]).start() as run:
        failures: list[BaseException] = []
        is_over = threading.Event()

        def ask() -> None:
            try:
                while not is_over.is_set():
                    run.coordinator.health()
            except BaseException as failure:
                failures.append(failure)

        asking = [threading.Thread(target=ask) for _ in range(2)]
        for thread in asking:
            thread.start()
        run.play(0, 2, "S0")
        run.set_clock(2.2)
        for _ in range(3):
            for n in range(1, 8):
                run.coordinator.add_symbol(f"S{n}")
            run.until(lambda: run.has(1, *(f"S{n}" for n in range(8))))
            for n in range(1, 8):
                run.coordinator.remove_symbol(f"S{n}")
            run.until(lambda: list(run.store._symbols) == ["S0"])
        is_over.set()
        for thread in asking:
            thread.join(LONGEST)
        assert failures == []


# Days


def on(day: date, bars: Bars) -> Bars:
    """The same bars on another day."""
    shift = int(
        (
            datetime(day.year, day.month, day.day, tzinfo=ZONE)
            - datetime(DATE.year, DATE.month, DATE.day, tzinfo=ZONE)
        ).total_seconds()
    )
    columns = {
        name: getattr(bars, name) for name in ("open", "high", "low", "close", "volume")
    }
    ts = bars.ts + np.int64(shift * 10**9)
    return Bars.from_columns(bars.symbol, "1m", ts=ts, zone=ZONE, **columns)


def test_two_sessions_in_a_row_leave_stored_bars_and_roll_into_history(
    tmp_path: Path,
) -> None:
    day = 24 * 60
    second = on(date(2025, 7, 3), AAPL)
    both = Bars.concat([AAPL, second])
    storage = DataManager(tmp_path / "data")
    with LiveRun(
        [both],
        days=(DATE, date(2025, 7, 3)),
        folder=tmp_path / "journal",
        storage=storage,
        sessions=2,
    ).start() as run:
        run.play(0, 10)
        run.move(10.7)
        run.until(lambda: run.coordinator.stage == "NIGHT")
        assert rows(storage.read("AAPL", "1m", at(0), at(10))) == rows(AAPL)
        # An outage at night is seen, and over before the morning.
        run.inject("disconnect", seconds=60)
        run.until(lambda: not run.health.is_connected)
        assert run.health.outages == 1
        run.move(12)
        run.reconnect()
        run.until(lambda: run.health.is_connected)
        run.move(day - 4)
        run.until(lambda: run.coordinator.stage == "WAITING")
        run.play(day, day + 10)
        run.move(day + 10.7)
        run.wait()
        assert run.told.begun == run.told.ended == 2
        assert rows(storage.read("AAPL", "1m", at(day), at(day + 10))) == rows(second)
        assert not list((tmp_path / "journal").glob("*.journal"))
