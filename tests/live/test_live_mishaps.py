"""What a live run must live through: events that cannot be, changes at awkward times, a configuration that was changed."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import pytest

from tapeloom import BarData
from tapeloom.errors import StorageError
from tapeloom.live.feed import SymbolStatus
from tapeloom.live.journal_header import Patience
from tapeloom.quotes import Quote
from tapeloom.statuses import ConnectionEvent, TradingStatus
from tapeloom.storage import DataManager
from tests.live import live_run
from tests.live.fault_rows import row
from tests.live.live_run import SECOND, LiveRun, rows
from tests.live.own_feeds import QueueFeed
from tests.live.recorded import ZONE, at, bars_of

if TYPE_CHECKING:
    from pathlib import Path

AAPL, MSFT = bars_of("AAPL", 10), bars_of("MSFT", 10, first=300.0)
BOTH = [AAPL, MSFT]
DAY_AFTER = 24 * 60
#: A wall time that the clocks of the exchange skip.
NEVER = datetime(2025, 3, 9, 2, 30)  # noqa: DTZ001
NOW = datetime(2025, 7, 2, 9, 31, tzinfo=ZONE)


@row("impossible event")
@pytest.mark.parametrize(
    "event",
    [
        BarData("AAPL", NEVER, 1.0, 1.0, 1.0, 1.0, 1.0),
        Quote("AAPL", NEVER, 1.0, 2.0, 1, 1),
        ConnectionEvent(NEVER, True, "mine"),
        SymbolStatus("AAPL", TradingStatus(NEVER, "halted", "news")),
        SymbolStatus("AAPL", TradingStatus(NOW, "halted", "x" * 3_000_000)),
    ],
    ids=["bar", "quote", "connection", "status", "endless"],
)
def test_an_event_that_cannot_be_is_refused_alone(event: Any, tmp_path: Path) -> None:
    feed = QueueFeed()
    with LiveRun(
        symbols=["AAPL"], feed=feed, history=None, folder=tmp_path
    ).start() as run:
        run.set_clock(1.01)
        feed.queue.put(event)
        feed.queue.put(AAPL[0])
        run.until(lambda: run.has(0))
        assert (run.count("refused"), run.count("bars")) == (1, 1)
        run.set_clock(10.7)
        run.wait()


def _days_with_a_night(folder: Path, mode: str = "strict") -> tuple[LiveRun, QueueFeed]:
    """A run of two days that is in the night between them."""
    feed = QueueFeed()
    run = LiveRun(
        symbols=["AAPL"],
        feed=feed,
        history=None,
        days=[date(2025, 7, 2), date(2025, 7, 3)],
        sessions=2,
        folder=folder / "journal",
        mode=mode,
        storage=DataManager(str(folder / "bars")),
    ).start()
    run.set_clock(1.01)
    feed.queue.put(AAPL[0])
    run.until(lambda: run.has(0))
    run.set_clock(10.7)
    run.until(lambda: run.coordinator.stage == "NIGHT")
    return run, feed


@row("symbols at night")
def test_symbols_that_come_and_go_at_night_do_so_with_the_next_session(
    tmp_path: Path,
) -> None:
    run, feed = _days_with_a_night(tmp_path)
    with run:
        run.coordinator.add_symbol("MSFT")
        run.coordinator.add_symbol("NVDA")
        run.coordinator.remove_symbol("AAPL")
        run.coordinator.remove_symbol("NVDA")
        run.set_clock(DAY_AFTER + 1)
        run.until(lambda: feed.symbols == ["MSFT"])
        run.set_clock(DAY_AFTER + 10.7)
        run.wait()
        assert run.store._symbols == ["MSFT"]
        assert len(run.coordinator.tally.sessions) == 2


@row("events at night")
def test_a_halt_that_is_told_at_night_is_known_to_the_next_session(
    tmp_path: Path,
) -> None:
    run, feed = _days_with_a_night(tmp_path)
    with run:
        news = datetime(2025, 7, 2, 20, 0, tzinfo=ZONE)
        feed.queue.put(SymbolStatus("AAPL", TradingStatus(news, "halted", "news")))
        feed.queue.put(AAPL[5])
        run.until(lambda: run.count("outside_hours") == 1)
        run.set_clock(DAY_AFTER + 10.7)
        run.wait()
        (gap,) = run.store.get_gaps("AAPL")
        assert (gap.missing, gap.cause) == (10, "halt")


@row("journal not begun")
def test_a_journal_that_cannot_be_begun_in_the_morning_is_tried_again(
    tmp_path: Path,
) -> None:
    run, _ = _days_with_a_night(tmp_path)
    with run:
        in_the_way = tmp_path / "journal" / "2025-07-03.journal"
        in_the_way.mkdir()
        run.set_clock(DAY_AFTER - 1)
        run.until(lambda: run.health.state == "DEGRADED")
        in_the_way.rmdir()
        run.until(lambda: run.coordinator.stage == "WAITING")
        run.set_clock(DAY_AFTER + 10.7)
        run.wait()
        assert [
            report.session_date.day for report in run.coordinator.tally.sessions
        ] == [2, 3]


def test_storage_that_was_read_before_sees_the_bars_of_a_day_that_has_ended(
    tmp_path: Path,
) -> None:
    storage, feed = DataManager(str(tmp_path / "bars")), QueueFeed()
    storage.write_bars("MSFT", "1m", MSFT)
    assert storage.get_symbols() == ["MSFT"]
    with LiveRun(
        symbols=["AAPL"],
        feed=feed,
        history=None,
        folder=tmp_path / "journal",
        storage=storage,
    ).start() as run:
        run.set_clock(1.01)
        feed.queue.put(AAPL[0])
        run.until(lambda: run.has(0))
        run.set_clock(10.7)
        run.wait()
    assert storage.get_symbols() == ["AAPL", "MSFT"]


def test_bars_that_cannot_be_stored_end_no_run_even_without_a_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise StorageError("no room")

    monkeypatch.setattr(DataManager, "write_bars", fail)
    run, _ = _days_with_a_night(tmp_path, mode="off")
    with run:
        assert "2025-07-02 were not stored" in caplog.text
        run.set_clock(DAY_AFTER + 10.7)
        run.wait()
        assert len(run.coordinator.tally.sessions) == 2


def test_a_symbol_that_joins_while_the_queue_is_full_stops_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with LiveRun(BOTH, symbols=["AAPL"], capacity=2).start() as run:
        run.told.may_go_on.clear()
        run.move(1.1)
        assert run.told.reached.wait(60)
        run.move(8.1)
        # The feed has more to hand over than there is room for.
        run.overrun(monkeypatch)
        run.coordinator.add_symbol("MSFT")
        run.told.may_go_on.set()
        run.until(lambda: run.has(0, "MSFT"))
        run.reconnect()
        run.move(9.1)
        run.until(lambda: run.has(8, "AAPL", "MSFT"))
        run.play(9, 10, "AAPL", "MSFT")
        run.close()
        assert (rows(run, "AAPL"), rows(run, "MSFT")) == (rows(AAPL), rows(MSFT))


def test_a_journal_is_gone_on_with_as_it_was_begun_whatever_the_configuration_says_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with LiveRun(BOTH, folder=tmp_path).start() as run:
        run.play(0, 3)
    longer = Patience(9 * SECOND, SECOND)
    monkeypatch.setattr(live_run, "Patience", lambda *_: replace(longer))
    with LiveRun(BOTH, begin=at(6.5), folder=tmp_path).start() as run:
        assert "goes on with it" in caplog.text
        run.play(6, 10)
        run.close()
        assert (rows(run, "AAPL"), rows(run, "MSFT")) == (rows(AAPL), rows(MSFT))
