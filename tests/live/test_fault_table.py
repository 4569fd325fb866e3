"""The table of faults in the guide: each of its rows is a test here, by the vendor's own client over real sockets."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
import threading
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tapeloom.bars import BarData
from tapeloom.calendars.clock import LiveClock
from tapeloom.errors import FeedError
from tapeloom.live.recovery import recover
from tapeloom.live.server.fault import KINDS
from tapeloom.live.server.wire import bar_message
from tests.live.fault_rows import TESTED, row
from tests.live.live_run import DATE, LONGEST, Held, LiveRun, MarketHands, rows
from tests.live.recorded import at, bars_of
from tests.live.simulated_day import NINE_FORTY, live_manager
from tests.session.runs import threads

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tapeloom.calendars.clock import ClockJump

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "guide" / "live-faults.md").read_text(encoding="utf-8")
AAPL, MSFT = bars_of("AAPL", 10), bars_of("MSFT", 10, first=300.0)
BOTH = [AAPL, MSFT]


def table(heading: str) -> list[list[str]]:
    """The cells of a table of the page, row by row, without its head."""
    _, _, below = PAGE.partition(f"## {heading}\n")
    lines = re.findall(r"^\|(.*)\|$", below.partition("\n## ")[0], re.MULTILINE)
    return [[cell.strip() for cell in line.split("|")] for line in lines[2:]]


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
        assert (rows(run, "AAPL"), rows(run, "MSFT")) == (rows(AAPL), rows(MSFT))
        return run.store.state_hash()


@pytest.fixture
def run() -> Iterator[LiveRun]:
    """A run that has taken three minutes."""
    with LiveRun(BOTH) as made:
        made.start()
        made.play(0, 3)
        yield made


def ends_as(run: LiveRun, whole: str, *, since: int) -> None:
    """Let the rest of the day come; then it is the one that nothing disturbed."""
    run.play(since, 10)
    run.close()
    assert run.store.state_hash() == whole
    assert [run.store.get_gaps(name) for name in run.names] == [[], []]
    assert all(run.store.get_ingest_counts(name).balanced for name in run.names)
    ordered = run.told.minutes("AAPL")
    assert len(ordered) == len(set(ordered))


def test_the_table_has_a_row_for_each_test_and_each_fault_of_the_server() -> None:
    # Some of them are held against tests of these.
    for module in ("test_live_mishaps", "test_simulated_faults"):
        import_module(f"tests.live.{module}")
    named = [cells[0].strip("`") for cells in table("What happens")]
    assert sorted(named) == sorted(TESTED)
    assert set(KINDS) <= set(named)
    assert all(len(cells) == 3 and all(cells) for cells in table("What happens"))


def test_the_table_of_queues_is_what_health_returns() -> None:
    with LiveRun(BOTH, symbols=["AAPL"]).start() as run:
        bounds = run.health.bounds
    listed = {
        cells[0].strip("`"): int(cells[1].replace(",", ""))
        for cells in table("What waits, and how much of it")
    }
    # Without a journal there is no queue before it.
    assert listed.pop("journal") == 65_536
    assert listed == {
        name: bound for name, (_, bound) in bounds.items() if name != "journal"
    }


@row("drop")
def test_a_dropped_bar_is_filled_from_history(run: LiveRun, whole: str) -> None:
    history = Held(run)
    run.inject("drop", count=2)
    run.move(4.2)
    assert history.reached.wait(LONGEST)
    run.until(lambda: (run.health.state, run.states()) == ("FILLING", {"FILLING"}))
    history.may_go_on.set()
    run.until(lambda: run.states() == {"LIVE"})
    assert (run.of("AAPL").filled, run.of("MSFT").filled) == (1, 1)
    ends_as(run, whole, since=4)


@row("delay")
def test_a_delayed_bar_is_a_duplicate_of_what_history_had(
    run: LiveRun, whole: str
) -> None:
    run.inject("delay", seconds=90, symbols=["AAPL"])
    run.move(4.2)
    run.until(lambda: run.has(3))
    assert run.of("AAPL").filled == 1
    run.play(4, 5)
    run.move(5.6)
    run.until(lambda: run.store.get_ingest_counts("AAPL").duplicates == 1)
    ends_as(run, whole, since=5)


@row("duplicate")
def test_a_bar_that_comes_twice_counts_once(run: LiveRun, whole: str) -> None:
    run.inject("duplicate", symbols=["AAPL"])
    run.play(3, 4)
    run.until(lambda: run.store.get_ingest_counts("AAPL").duplicates == 1)
    assert run.count("bars") == 9
    ends_as(run, whole, since=4)


@row("reorder")
def test_a_bar_that_comes_behind_a_newer_one_is_put_in_its_place(
    run: LiveRun, whole: str
) -> None:
    history = Held(run)
    run.inject("reorder", count=2, symbols=["AAPL"])
    run.move(5.01)
    run.until(lambda: run.has(3) and run.has(4))
    assert run.store.get_ingest_counts("AAPL").late == 1
    run.until(lambda: ("AAPL", "1m", at(3)) in run.told.updates)
    history.may_go_on.set()
    ends_as(run, whole, since=5)


@row("correct")
def test_a_corrected_bar_replaces_the_first_one(run: LiveRun, whole: str) -> None:
    run.inject("correct", symbols=["AAPL"])
    run.play(3, 4)
    assert run.store.get_bars("AAPL").close[3] == AAPL.open[3]
    run.move(4.6)
    run.until(lambda: run.count("corrections") == 1)
    run.until(lambda: ("AAPL", "1m", at(3)) in run.told.updates)
    ((old, new),) = run.store.get_revisions("AAPL")
    assert (old.volume, new.volume) == (927.0, 1030.0)
    ends_as(run, whole, since=4)


@row("older edition")
def test_a_bar_that_comes_again_after_its_correction_is_put_aside(
    run: LiveRun, whole: str
) -> None:
    run.inject("correct", symbols=["AAPL"])
    run.play(3, 4)
    first = run.store.get_bars("AAPL")[3]
    run.move(4.6)
    run.until(lambda: run.count("corrections") == 1)
    values = (first.open, first.high, first.low, first.close, first.volume)
    older = BarData("AAPL", at(3), *values)
    stream(run, older)
    run.until(lambda: run.count("superseded") == 1)
    assert run.count("bars") == 9
    assert run.store.get_bars("AAPL").close[3] == AAPL.close[3]
    assert run.coordinator.aside == [(older, "its correction came before it")]
    ends_as(run, whole, since=4)


@row("halt")
def test_bars_of_a_halt_are_a_gap_with_its_cause(run: LiveRun) -> None:
    run.inject("halt", seconds=180, symbols=["AAPL"])
    run.play(3, 10, "MSFT")
    assert run.of("MSFT").state == "LIVE"
    run.close()
    (gap,) = run.store.get_gaps("AAPL")
    assert (gap.missing, gap.cause) == (3, "halt")
    assert run.starts("AAPL") == [*AAPL.ts[:4].tolist(), *AAPL.ts[7:].tolist()]
    assert rows(run, "MSFT") == rows(MSFT)


@row("slow")
def test_bars_that_come_all_at_once_later_are_there_from_history_by_then(
    run: LiveRun, whole: str
) -> None:
    run.inject("slow", seconds=150)
    run.move(5.2)
    run.until(lambda: run.has(3) and run.has(4))
    assert run.health.counts["bars"] == 6
    run.move(5.6)
    run.until(lambda: run.count("bars") == 10)
    run.until(lambda: run.store.get_ingest_counts().duplicates == 4)
    ends_as(run, whole, since=5)


@row("garbage")
def test_garbage_is_counted_and_kept_and_costs_no_bar(run: LiveRun, whole: str) -> None:
    run.inject("garbage", what="values")
    run.until(lambda: run.count("malformed") == 1)
    assert (run.health.is_connected, run.health.outages) == (True, 0)
    run.inject("garbage", what="bytes")
    run.until(lambda: not run.health.is_connected)
    assert run.count("malformed") == 2
    run.move(4.2)
    run.reconnect()
    run.until(lambda: run.has(3))
    ends_as(run, whole, since=4)


def stream(run: LiveRun, bar: BarData) -> None:
    """Have the vendor send a bar that is not recorded."""
    server = run.server
    assert server is not None

    async def send() -> None:
        for session in server._player._sessions():
            session.offer([bar_message(bar)])
        await server._listener.flushed()

    server._in_loop(send())


@row("invalid bar")
@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ((9.0, 8.0, 8.5, 9.0, 10.0), "low is 8.5, must not be above high"),
        ((1.0, 9.0, 8.5, 9.0, 10.0), "open is 1, must lie between low and high"),
        ((9.0, 9.0, 8.5, 9.0, -1.0), "volume is -1, must not be negative"),
        ((9.0, math.nan, 8.5, 9.0, 10.0), "high is NaN, must be a finite number"),
        ((9.0, 9.0, 0.0, 9.0, 10.0), "low is 0, must be above zero"),
    ],
)
def test_a_bar_that_breaks_a_rule_is_refused_alone_and_kept_with_the_reason(
    run: LiveRun,
    whole: str,
    values: tuple[float, float, float, float, float],
    rule: str,
) -> None:
    run.inject("drop", symbols=["AAPL"])
    run.move(4.01)
    stream(run, BarData("AAPL", at(3), *values))
    run.until(lambda: run.count("refused") == 1)
    ((bar, reason),) = run.coordinator.aside
    assert isinstance(bar, BarData)
    assert (bar.ts, bar.volume) == (at(3), values[4])
    assert rule in reason
    assert run.store.get_ingest_counts("AAPL").rejected == 1
    run.move(4.2)
    run.until(lambda: run.has(3))
    assert run.of("AAPL").filled == 1
    ends_as(run, whole, since=4)


@row("oversized")
def test_an_oversized_message_costs_the_connection_and_no_bar(
    run: LiveRun, whole: str
) -> None:
    run.inject("oversized", size=5 * 2**20)
    run.until(lambda: not run.health.is_connected)
    feed = run.health.feed
    assert feed is not None
    assert "1009" in feed.last_failure
    run.move(4.2)
    run.reconnect()
    run.until(lambda: run.has(3))
    ends_as(run, whole, since=4)


@row("disconnect")
def test_the_bars_of_an_outage_are_filled_from_history(
    run: LiveRun, whole: str
) -> None:
    history = Held(run)
    run.inject("disconnect", seconds=180)
    run.until(lambda: run.states() == {"STALE"})
    run.move(6.6)
    run.reconnect()
    run.until(lambda: run.states() == {"FILLING"})
    history.may_go_on.set()
    run.until(lambda: run.states() == {"LIVE"})
    assert "AAPL 09:33\N{EN DASH}09:36: 3 missing" in run.health.fills[0]
    ends_as(run, whole, since=6)


@row("refuse")
def test_a_vendor_that_refuses_for_a_while_is_asked_again(
    run: LiveRun, whole: str
) -> None:
    run.inject("refuse", what="http", count=2)
    run.inject("refuse", what="history")
    run.inject("disconnect", seconds=1)
    run.until(lambda: run.states() == {"STALE"})
    run.move(4.2)
    run.reconnect()
    run.until(lambda: run.states() == {"LIVE"} and run.has(3))
    feed, filler = run.health.feed, run.coordinator.quality.filler
    assert feed is not None
    assert filler is not None
    assert (feed.attempts, feed.outages, filler.counts.failures) == (4, 1, 2)
    ends_as(run, whole, since=4)


@row("history fails")
def test_a_history_that_fails_is_asked_again_later(whole: str) -> None:
    days = {"data": [{"trailing_days": 3, "intervals": ["1m"]}]}
    with LiveRun(BOTH, changes={"historical": days}, fetches_past=True) as run:
        run.inject("refuse", what="history", count=3)
        run.start()
        (said,) = run.health.fills
        assert "history of 1m bars is not loaded: AlpacaHistory raised" in said
        assert "429" in said or "too many requests" in said
        assert "(2 symbols)" in said
        assert run.store.get_bar_count("AAPL", scope="history") == 0
        run.play(0, 3)
        history = Held(run, failures=2)
        run.inject("drop", count=2)
        history.may_go_on.set()
        run.move(4.2)
        run.until(lambda: run.has(3))
        assert history.failures == 0
        filler = run.coordinator.quality.filler
        assert filler is not None
        assert (filler.counts.calls, filler.counts.failures) == (3, 4)
        ends_as(run, whole, since=4)


@row("nobody has the bar")
def test_a_bar_that_nobody_has_stays_a_gap_on_record() -> None:
    with LiveRun(BOTH, history=None).start() as run:
        run.play(0, 3)
        run.inject("drop", symbols=["AAPL"])
        run.play(3, 4, "MSFT")
        run.play(4, 10)
        assert (run.of("AAPL").gaps, run.of("AAPL").missing) == (1, 1)
        run.close()
        (gap,) = run.store.get_gaps("AAPL")
        assert (gap.missing, gap.cause) == (1, "unknown")
        assert at(3) not in run.starts("AAPL")


@row("feed silent")
def test_a_feed_that_falls_silent_is_stale_and_history_stands_in(
    run: LiveRun, whole: str
) -> None:
    run.inject("drop", count=100)
    run.play_clock(3, 9)
    assert (run.health.state, run.states()) == ("STALE", {"STALE"})
    assert (run.health.is_connected, run.health.outages) == (True, 0)
    run.play_clock(9, 10)
    assert run.of("AAPL").filled == 7
    run.close()
    assert run.store.state_hash() == whole


@row("slow analysis")
def test_an_analysis_that_is_too_slow_costs_the_connection_and_no_bar(
    whole: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LiveRun(BOTH, capacity=2).start() as run:
        run.told.may_go_on.clear()
        run.move(1.1)
        assert run.told.reached.wait(LONGEST)
        run.move(5.1)
        run.overrun(monkeypatch)
        assert run.count("overruns") == 1
        assert run.health.bounds["events"] == (2, 2)
        run.told.may_go_on.set()
        run.until(lambda: run.health.outages == 1)
        run.move(6.2)
        run.reconnect()
        run.until(lambda: run.has(5))
        ends_as(run, whole, since=6)


@row("wrong keys")
def test_wrong_keys_end_the_run_before_anything_is_taken() -> None:
    with LiveRun(BOTH, secret="wrong") as run:
        with pytest.raises(FeedError, match=r"auth failed.*check key and secret"):
            run.coordinator.run()
        assert run.health.state == "CLOSED"
        assert run.store.get_ingest_counts().offered == 0


@row("clock jumps")
def test_a_clock_that_is_set_forward_and_back_costs_no_bar(
    run: LiveRun, whole: str, caplog: pytest.LogCaptureFixture
) -> None:
    run.set_clock(6.5)
    run.until(lambda: run.of("AAPL").missing == 3)
    run.set_clock(3.5)
    run.until(lambda: "the wall clock was set back by 180.0 s" in caplog.text)
    ends_as(run, whole, since=3)
    assert caplog.text.count("was set back") == 1


class Sleepy(MarketHands):
    """The clock of a machine: set by hand, its monotonic clock goes along unless it sleeps."""

    def __init__(self, now: int) -> None:
        self.is_asleep, self._awake = False, 0
        super().__init__(now)
        self._real = LiveClock(wall=lambda: self._now, monotonic=lambda: self._awake)

    @property
    def now(self) -> int:
        return self._now

    @now.setter
    def now(self, to: int) -> None:
        if not self.is_asleep:
            self._awake += to - getattr(self, "_now", to)
        self._now = to

    def now_ns(self) -> int:
        return self._real.now_ns()

    @property
    def jumps(self) -> tuple[ClockJump, ...]:
        return self._real.jumps


def asleep(run: LiveRun, until: float) -> None:
    """Let a machine sleep, during which the market goes on and the connection is lost."""
    assert isinstance(run.clock, Sleepy)
    run.inject("disconnect", seconds=1)
    run.until(lambda: not run.health.is_connected)
    run.clock.is_asleep = True
    run.move(until)
    run.clock.is_asleep = False


@row("machine sleeps")
def test_bars_that_a_sleeping_machine_missed_are_filled_and_it_is_on_record(
    whole: str, caplog: pytest.LogCaptureFixture
) -> None:
    with LiveRun(BOTH, clock=Sleepy(at(-1))) as run:
        run.start()
        run.play(0, 3)
        asleep(run, 6.6)
        run.until(lambda: "the machine slept, or its clock was set" in caplog.text)
        run.reconnect()
        run.until(lambda: run.states() == {"LIVE"} and run.has(5))
        assert run.of("AAPL").filled == 3
        ends_as(run, whole, since=6)


def test_without_history_the_bars_that_a_sleeping_machine_missed_are_an_outage() -> (
    None
):
    with LiveRun([AAPL], clock=Sleepy(at(-1)), history=None) as run:
        run.start()
        run.play(0, 3)
        # The connection seems to stand, so that it is the sleep alone that says why.
        run.inject("drop", count=3)
        assert isinstance(run.clock, Sleepy)
        run.clock.is_asleep = True
        run.move(6.1)
        run.clock.is_asleep = False
        run.play(6, 10)
        run.close()
        (gap,) = run.store.get_gaps("AAPL")
        assert (gap.missing, gap.cause) == (3, "outage")
        assert "session" in gap.evidence


def child(code: str, folder: Path) -> subprocess.Popen[str]:
    env = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(ROOT / "python"), str(ROOT)])
    }
    return subprocess.Popen(
        [sys.executable, "-c", code, str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        env=env,
    )


BEGIN = """
import json, resource, sys, threading
from pathlib import Path
from tests.live.live_run import LiveRun
from tests.live.recorded import bars_of

recorded = [bars_of("AAPL", 10), bars_of("MSFT", 10, first=300.0)]
run = LiveRun(recorded, folder=Path(sys.argv[1])).start()
"""
FULL = """
run.play(0, 3)
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
run.move(4.1)
run.until(lambda: run.health.state == "DEGRADED")
said = {"cause": run.health.journal["cause"], "count": run.store.get_bar_count("AAPL")}
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
run.until(lambda: run.has(3))
run.play(4, 10)
run.close()
run.__exit__()
print(json.dumps(said | {"hash": run.store.state_hash(), "file": run.journal.path.name}))
"""


@row("disk full")
def test_a_full_disk_holds_the_session_up_and_loses_nothing(
    tmp_path: Path, whole: str
) -> None:
    with child(BEGIN + FULL, tmp_path) as process:
        assert process.stdout is not None
        said = json.loads(process.stdout.read())
    assert process.returncode == 0
    assert "failed" in said["cause"]
    assert (said["count"], said["hash"]) == (3, whole)
    assert re.fullmatch(r"2025-07-02\.journal\.\d+", said["file"])
    manager = live_manager(MarketHands(), NINE_FORTY, DATE)
    recovered = recover(tmp_path / "2025-07-02.journal", time_manager=manager)
    assert recovered.state_hash() == whole


CRASH = """
run.play(0, 4)
print("four minutes are on disk", flush=True)
threading.Event().wait()
"""


@row("crash")
def test_a_killed_run_goes_on_where_its_journal_ends(
    tmp_path: Path, whole: str
) -> None:
    with child(BEGIN + CRASH, tmp_path) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        process.kill()
    with LiveRun(BOTH, begin=at(6.5), folder=tmp_path) as run:
        # All that was told of is there before anybody is asked.
        assert run.starts("AAPL") == AAPL.ts[:4].tolist()
        run.start()
        assert run.starts("AAPL") == AAPL.ts[:6].tolist()
        ends_as(run, whole, since=6)
