"""However a feed spells a symbol, its events are those of the one symbol that the session has."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from tapeloom.bars import BarData
from tapeloom.live import MalformedMessage, ReplayFeed, SymbolStatus, UpdatedBar
from tapeloom.live.recovery import recover
from tapeloom.quotes import Quote, TickData
from tapeloom.statuses import ConnectionEvent, TradingStatus
from tests.live.live_run import LONGEST, LiveRun
from tests.live.own_feeds import AsyncFeed, QueueFeed
from tests.live.recorded import at, bars_of
from tests.session.runs import threads

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tapeloom.history_source import HistoryRequest
    from tapeloom.live import FeedEvent

NAMES = ["AAPL", "BRK.B"]
#: One spelling of each name after the other.
SPELT = {"AAPL": [" aapl ", "AAPL", "aApl\t"], "BRK.B": ["brk.b", "BRK.B\n", " Brk.b"]}

#: Minutes without trades.
HALTED = (5, 6)


@pytest.fixture(autouse=True)
def nothing_left_running() -> Iterator[None]:
    yield
    for thread in threading.enumerate():
        if thread.name.startswith("tapeloom-"):
            thread.join(LONGEST)
    assert threads() == set()


def spelling(name: str, number: int, *, is_plain: bool) -> str:
    return name if is_plain else SPELT[name][number % 3]


def minute_bar(symbol: str, minute: int, close: float = 10.5) -> BarData:
    return BarData(symbol, at(minute), 10.0, 12.0, 9.0, close, 100.0 + minute)


def events_of(minute: int, *, is_plain: bool) -> list[FeedEvent]:
    """What comes after a minute, of each kind that has a symbol; in a halt nobody trades."""
    found: list[FeedEvent] = []
    for name in NAMES:
        symbol, again = (
            spelling(name, number, is_plain=is_plain) for number in (minute, minute + 1)
        )
        now = at(minute + 1)
        if minute == HALTED[0]:
            found.append(SymbolStatus(symbol, TradingStatus(at(minute), "halted")))
        elif minute == HALTED[-1]:
            found.append(SymbolStatus(symbol, TradingStatus(now, "trading")))
        else:
            found += [
                minute_bar(symbol, minute),
                Quote(symbol, now, 10.0 + minute, 11.0 + minute, 1, 2),
                UpdatedBar(minute_bar(again, minute, 11.5)),
                TickData(again, now, 10.5 + minute, 3),
            ]
    return found


def played(folder: Path, kind: type[QueueFeed], *, is_plain: bool) -> dict[str, Any]:
    """Everything that a day leaves behind, in the session and out of its journal."""
    feed, pushed = kind(), 0
    with LiveRun(symbols=NAMES, feed=feed, history=None, folder=folder).start() as run:
        for minute in range(10):
            run.set_clock(minute + 1.01)
            for event in events_of(minute, is_plain=is_plain):
                feed.queue.put(event)
                pushed += 1
            run.until(lambda: run.count("events") == pushed)  # noqa: B023  (waited for here)
        store, path = run.store, run.journal.path
        run.set_clock(10.7)
        run.wait()
        again = recover(path, time_manager=run.manager, allow_network_fs=True)
        return {
            "hash": store.state_hash(),
            "recovered": again.state_hash(),
            "counts": dict(run.health.counts),
            "quotes": [store.get_quotes(name, 99) for name in NAMES],
            "ticks": [store.get_ticks(name, 99) for name in NAMES],
            "gaps": [store.get_gaps(name) for name in NAMES],
            "gaps recovered": [again.get_gaps(name) for name in NAMES],
        }


@pytest.mark.parametrize("kind", [QueueFeed, AsyncFeed])
def test_a_day_of_other_spellings_ends_as_one_of_the_sessions_own(
    tmp_path: Path, kind: type[QueueFeed]
) -> None:
    plain = played(tmp_path / "plain", kind, is_plain=True)
    other = played(tmp_path / "other", kind, is_plain=False)
    assert other == plain
    # Nothing is alike because it was put aside.
    counts = plain["counts"]
    used = [counts[word] for word in ("bars", "corrections", "quotes", "ticks")]
    assert (used, counts["reports"], counts["not_subscribed"]) == (
        [32, 16, 16, 16],
        4,
        0,
    )
    assert plain["recovered"] == plain["hash"]
    assert [gap.cause for gaps in plain["gaps"] for gap in gaps] == ["halt", "halt"]
    assert [len(rows) for rows in plain["quotes"] + plain["ticks"]] == [8] * 4


class Spelling:
    """A source of history that answers in spellings of its own, in one form or another."""

    def __init__(self, form: str) -> None:
        self._form = form
        self.answers = 0

    def fetch(self, requests: Sequence[HistoryRequest]) -> list[object]:
        return [self._answer(request) for request in requests]

    def _answer(self, request: HistoryRequest) -> object:
        first, last = (int(when.timestamp()) * 10**9 for when in request[2:])
        bars = bars_of(f" {request.symbol.lower()} ").between(first, last)
        self.answers += len(bars)
        if self._form == "bars":
            return bars
        if self._form == "list":
            values = ("ts", "open", "high", "low", "close", "volume")
            return [
                BarData(" aaPL", *(getattr(bar, name) for name in values))
                for bar in bars
            ]
        frame = bars.to_pandas()
        frame["symbol"] = [("aapl", "AAPL ")[row % 2] for row in range(len(frame))]
        return frame


@pytest.mark.parametrize("form", ["bars", "list", "frame"])
def test_history_that_is_spelt_otherwise_fills_the_gaps_of_a_session(form: str) -> None:
    bars, source, feed = bars_of("AAPL"), Spelling(form), QueueFeed()
    with LiveRun(symbols=["AAPL"], feed=feed, history=source).start() as run:
        for minute in range(10):
            run.set_clock(minute + 1.01)
            if minute not in (3, 4):
                feed.queue.put(bars[minute])
                run.until(lambda: run.has(minute))  # noqa: B023  (waited for here)
        run.set_clock(10.2)
        run.until(lambda: run.has(3) and run.has(4))
        run.set_clock(10.7)
        run.wait()
        assert source.answers == 2
        assert run.store.get_bars("AAPL").close.tolist() == bars.close.tolist()


def test_a_recording_that_is_spelt_otherwise_is_served_and_replayed() -> None:
    plain = [bars_of("AAPL"), bars_of("MSFT", first=300.0)]
    other = [bars_of(" aapl"), bars_of("Msft ", first=300.0)]
    hashes = []
    for recorded in (plain, other):
        with LiveRun(recorded, symbols=["AAPL", "MSFT"]).start() as run:
            run.play(0, 10)
            run.close()
            hashes.append(run.store.state_hash())
        feed = ReplayFeed(recorded)
        feed.connect(["aapl"])
        up, *bars = feed.events()
        assert isinstance(up, ConnectionEvent)
        assert bars == list(plain[0])
    assert hashes[0] == hashes[1]


@pytest.mark.parametrize("symbol", ["", " \t", "AA\x00PL", "\u200b"])
def test_a_bar_of_no_symbol_is_a_malformed_message_and_the_session_goes_on(
    symbol: str,
) -> None:
    feed = QueueFeed()
    with LiveRun(symbols=["AAPL"], feed=feed, history=None).start() as run:
        run.set_clock(1.01)
        broken = minute_bar(symbol, 0)
        for event in (broken, UpdatedBar(broken), minute_bar("MSFT", 0)):
            feed.queue.put(event)
        feed.queue.put(MalformedMessage("torn", "{"))
        feed.queue.put(minute_bar("aapl", 0))
        run.until(lambda: run.has(0))
        words = ("events", "bars", "malformed", "not_subscribed")
        assert [run.count(word) for word in words] == [5, 1, 3, 1]
