"""Whole live runs against the server and the vendor's own client: real threads and sockets, a clock that is set by hand.

Nothing waits for time to pass. A test moves the clock and the market, and waits until the run has come to what it must.
It looks only where the run stands still, so that what it finds is whole: no step is half done, no wake-up unheard.
"""

from __future__ import annotations

import threading
import time
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import date
from random import Random
from typing import TYPE_CHECKING, Any, Self

from tapeloom import SessionData
from tapeloom.config.stream_plan import StreamPlan
from tapeloom.errors import HistorySourceError
from tapeloom.live import AlpacaFeed, AlpacaHistory, Fault, FeedServer, alpaca
from tapeloom.live.backoff import Backoff
from tapeloom.live.event_queue import CAPACITY
from tapeloom.live.fetched_history import FetchedHistory
from tapeloom.live.journal_files import JournalFiles
from tapeloom.live.journal_header import Patience
from tapeloom.live.live_coordinator import LiveCoordinator
from tapeloom.live.stored_history import StoredHistory
from tapeloom.session.analysis_engine import AnalysisEngine
from tapeloom.timestamps import from_ns
from tests.live.made import SetClock
from tests.live.recorded import MINUTE, ZONE, Gate, at
from tests.live.simulated_day import NINE_FORTY, NoPast, config_of, live_manager

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    import pytest

    from tapeloom.bars import Bars
    from tapeloom.live import Feed, FeedEvent
    from tapeloom.live.event_queue import EventQueue
    from tapeloom.live.inlet import Inlet
    from tapeloom.live.live_health import LiveHealth, SymbolHealth
    from tapeloom.live.live_parts import LiveParts
    from tapeloom.session.symbol_changes import SymbolChanges
    from tapeloom.storage import DataManager

__all__ = [
    "DATE",
    "LONGEST",
    "SECOND",
    "Held",
    "LiveRun",
    "MarketHands",
    "Told",
    "rows",
]

SECOND = 10**9
DATE = date(2025, 7, 2)
#: Only a failure takes so long.
LONGEST = 60.0
#: The vendor's bars are there so long after they end.
SHORTLY = SECOND // 2


class MarketHands(SetClock):
    """A clock that is set by hand. Waits of ours are short beside its seconds."""

    speed = 100.0


class Told:
    """An analysis that writes down what it is told, and may be held up."""

    def __init__(self) -> None:
        self.bars: list[tuple[str, str, int]] = []
        self.updates: list[tuple[str, str, int]] = []
        self.begun = self.ended = 0
        #: Cleared, the next bar waits; ``reached`` tells that it does.
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.reached = threading.Event()
        #: Entered while it is held up.
        self.standing: Callable[[], AbstractContextManager[None]] = nullcontext
        #: Called with each bar.
        self.then: Callable[[Any], object] = lambda _: None

    def on_session_start(self, session: SessionData) -> None:
        self.begun += 1

    def on_bar(self, session: SessionData, bar: Any) -> None:
        self.bars.append((bar.symbol, bar.interval, bar.ts))
        if not self.may_go_on.is_set():
            with self.standing():
                self.reached.set()
                assert self.may_go_on.wait(LONGEST)
        self.then(bar)

    def on_update(self, session: SessionData, bar: Any) -> None:
        self.updates.append((bar.symbol, bar.interval, bar.ts))

    def on_session_end(self, session: SessionData) -> None:
        self.ended += 1

    def minutes(self, symbol: str) -> list[int]:
        """Starts of the minute bars of a symbol, as it was told of them."""
        return [
            ts for name, interval, ts in self.bars if (name, interval) == (symbol, "1m")
        ]


class _Watched(LiveCoordinator):
    """Stands still where somebody looks: between two turns, where a test holds it up, and when it is over."""

    changed: threading.Condition

    def _connect(
        self,
        inbox: EventQueue,
        inlet: Inlet,
        parts: LiveParts,
        changes: SymbolChanges,
    ) -> None:
        super()._connect(inbox, inlet, parts, changes)
        # The lock of the queue: whoever has it keeps the run where it waits.
        self.changed = threading.Condition(inbox._lock)
        # How many threads are in the midst of something: the run's, and one that brings bars by the lane.
        self._at_work = 0
        self._would_take: int | None = None
        wait, take = inbox.wait, self._lane.take

        def watched_wait(timeout: float, *, most: int = 1) -> bool:
            # One lock all along: nobody looks after a wake-up was heard, and before the turn that it is for.
            with self.changed, self.standing(most):
                return wait(timeout, most=most)

        def watched_take(events: Sequence[FeedEvent]) -> bool:
            self._work(1)
            try:
                return take(events)
            finally:
                self._work(-1)

        inbox.wait = watched_wait  # type: ignore[method-assign]  # the thread of the run
        self._lane.take = watched_take  # type: ignore[method-assign]  # the thread of a feed

    def start(self) -> None:
        self._work(1)
        super().start()

    def _finish(self) -> None:
        super()._finish()
        self._work(-1)

    @contextmanager
    def standing(self, would_take: int | None = None) -> Iterator[None]:
        """Stand still meanwhile: held up by a test, or until there is something to take, so many at most."""
        self._would_take = would_take
        self._work(-1)
        try:
            yield
        finally:
            self._work(1)

    def _work(self, change: int) -> None:
        with self.changed:
            self._at_work += change
            self.changed.notify_all()

    @property
    def stands_still(self) -> bool:
        """Whether nothing is under way; asked by who has the lock."""
        most = self._would_take
        wakes = most is not None and self._inbox._may_take(most)
        return self.is_over or (self._at_work == 0 and not wakes)


class LiveRun:
    """A market, a vendor and one live run on them.

    Parameters
    ----------
    recorded
        Bars of the market; ``None`` with a feed of one's own.
    begin
        When the run begins, ns UTC; the market is there by then.
    clock
        One of one's own, which stands there.
    server
        A vendor that is there already, and stays.
    feed, history
        Others than the vendor's.
    fetches_past
        Whether history is asked for earlier days too; no time passes between two tries.
    folder, mode
        Where the journal lies, and how it is written; without a folder there is none.
    options
        Of ``LiveCoordinator``.
    """

    def __init__(
        self,
        recorded: Sequence[Bars] | None = None,
        *,
        symbols: Iterable[str] | None = None,
        begin: int = at(-1),
        clock: MarketHands | None = None,
        days: Sequence[date] = (DATE,),
        server: FeedServer | None = None,
        secret: str = "the secret",
        feed: Feed | None = None,
        history: Any = "vendor",
        fetches_past: bool = False,
        analysis: Any = None,
        folder: Path | None = None,
        mode: str = "strict",
        storage: DataManager | None = None,
        capacity: int = CAPACITY,
        sessions: int | None = 1,
        changes: dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        self.clock = MarketHands(begin) if clock is None else clock
        self.gate = Gate()
        self._owns_server = server is None and recorded is not None
        if self._owns_server:
            assert recorded is not None
            server = FeedServer(
                list(recorded),
                key="the key",
                secret="the secret",
                start=from_ns(begin, ZONE),
            ).start()
        self.server = server
        self.manager = live_manager(self.clock, NINE_FORTY, *days)
        names = (
            list(symbols) if symbols is not None else [b.symbol for b in recorded or ()]
        )
        self.names = names
        config = config_of(
            names,
            gap_filler={"max_retries": 5, "retry_interval_seconds": 1},
            **({} if changes is None else changes),
        )
        patience = Patience(2 * SECOND, SECOND)
        self.files = JournalFiles(
            folder,
            mode="off" if folder is None else mode,
            patience=patience,
            config={},
            time_manager=self.manager,
            storage=storage,
        )
        if history == "vendor":
            history = server and AlpacaHistory(
                "the key", "the secret", url_override=server.history_url
            )
        source: Any = NoPast(names)
        if storage is not None:
            source = StoredHistory(storage, self.manager.timezone)
        if fetches_past:
            source = FetchedHistory(
                history,
                intervals=["1m"],
                time_manager=self.manager,
                wait=lambda _: False,
            )
            source.follow(self._plan(config))
        journal = self.files.open(
            min(d for d in days if self._ends(d) > begin),
            lambda: SessionData(time_manager=self.manager),
        )
        self.journal = journal
        self.store = journal.session_data
        self.told = Told()
        engine = AnalysisEngine(self.store)
        engine.add(self.told if analysis is None else analysis)
        if feed is None:
            assert server is not None
            feed = AlpacaFeed(
                "the key",
                secret,
                url_override=server.stream_url,
                clock=self.clock,
                random=Random(0),
                wait=self.gate,
            )
        self.feed: Any = feed
        self.coordinator = _Watched(
            config,
            journal,
            self.files,
            source,
            self._plan(config),
            feed=feed,
            history_source=history,
            time_manager=self.manager,
            engine=engine,
            patience=patience,
            gap_grace=5 * SECOND,
            sessions=sessions,
            plan_of=lambda name, _: self._plan(config_of([name])),
            capacity=capacity,
            **options,
        )
        self.told.standing = self.coordinator.standing
        # A failed disk is tried again at once.
        self.coordinator._backoff = Backoff(least=0.02, most=0.04)

    def _ends(self, day: date) -> int:
        session = self.manager.get_trading_session(day)
        assert session is not None
        assert session.regular_close is not None
        return int(session.regular_close.timestamp()) * SECOND + 40 * SECOND

    def _plan(self, config: Any) -> StreamPlan:
        names = config.session_data_config.symbols
        begin = self.clock.now
        return StreamPlan.build(
            config, NoPast(names), self.manager, start=begin, end=begin + 1
        )

    # What a test does

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.told.may_go_on.set()
        self.coordinator.stop()
        with suppress(Exception):
            self.feed.close()
        if self._owns_server:
            assert self.server is not None
            self.server.close()

    def start(self) -> Self:
        """Connect, and go on once the session is warm and the vendor's feed stands, or waits to try again."""
        self.coordinator.start()
        self.until(
            lambda: self.coordinator.stage in ("WAITING", "OPEN") or self.is_over
        )
        # What the vendor sends before is lost, and filled later: no news for an analysis.
        self.until(lambda: self._has_tried or self.is_over)
        return self

    @property
    def _has_tried(self) -> bool:
        if not isinstance(self.feed, AlpacaFeed):
            return True
        return self.health.is_connected or self.gate.is_waiting

    def until(self, comes: Callable[[], object]) -> None:
        """Wait until the run stands still, and something has come about."""
        with self.still(comes):
            pass

    @contextmanager
    def still(self, comes: Callable[[], object] = lambda: True) -> Iterator[None]:
        """Wait as ``until`` does, and keep the run where it is meanwhile."""
        run, deadline = self.coordinator, time.monotonic() + LONGEST
        changed = run.changed
        with changed:
            while not (run.stands_still and comes()):
                if run.error is not None and self.is_over:
                    raise AssertionError("the run failed") from run.error
                assert time.monotonic() < deadline, run.health()
                # Some of what is waited for comes about on other threads than the run's.
                changed.wait(0.05)
            yield

    def set_clock(self, minutes: float) -> None:
        """Move the clock to so many minutes after the open, the market standing still."""
        self.clock.now = at(minutes)
        self.coordinator._inbox.wake()

    def move(self, minutes: float) -> None:
        """Move clock and market; what the vendor has sent by then is on its way."""
        # At once for the run: it would ask the vendor in vain for what is due by the clock, and not yet by the market.
        with self.still():
            self.set_clock(minutes)
            self.market(minutes)

    def market(self, minutes: float) -> None:
        """Move the market alone."""
        assert self.server is not None
        self.server.advance_to(from_ns(at(minutes), ZONE))

    def inject(self, kind: str, **options: Any) -> None:
        assert self.server is not None
        self.server.inject(Fault(kind, **options))

    def play(self, first: int, last: int, *symbols: str) -> None:
        """Let the minutes ``[first, last)`` come, one after the other, each in time."""
        for minute in range(first, last):
            self.move(minute + 1 + SHORTLY / MINUTE)
            self.until(lambda: self.has(minute, *symbols))  # noqa: B023  (waited for here)

    def play_clock(self, first: int, last: int) -> None:
        """Let the minutes ``[first, last)`` come, each after the time that a bar has to come in."""
        for minute in range(first, last):
            self.move(minute + 1 + 6 / 60)
            self.until(lambda: self.has(minute))  # noqa: B023  (waited for here)

    def close(self) -> None:
        """Let the session end."""
        self.move(10 + 41 / 60)
        self.wait()

    def wait(self) -> None:
        """Wait for the end of the run."""
        self.coordinator._inbox.wake()
        assert self.coordinator.wait(LONGEST)

    def overrun(self, patch: pytest.MonkeyPatch) -> None:
        """Wait until the feed gives its connection up for want of room, once, however busy the machine is."""
        self.until(lambda: self.coordinator.overruns == 1)
        patch.setattr(alpaca, "_PUSH_BACK", LONGEST)

    def reconnect(self) -> None:
        """Let the feed try again until it is connected."""
        while not self.feed.health().is_up:
            attempts = self.feed.health().attempts
            self.gate.open()
            self.until(lambda: self.feed.health().attempts > attempts)  # noqa: B023  (waited for here)
            self.until(lambda: self.feed.health().is_up or self.gate.is_waiting)
        # The session hears of it a moment later.
        self.until(lambda: self.health.is_connected)

    # What a test looks at

    @property
    def is_over(self) -> bool:
        return self.coordinator.is_over

    @property
    def health(self) -> LiveHealth:
        return self.coordinator.health()

    def of(self, symbol: str) -> SymbolHealth:
        return self.health.symbols[symbol]

    def states(self) -> set[str]:
        return {str(each.state) for each in self.health.symbols.values()}

    def has(self, minute: int, *symbols: str) -> bool:
        """Whether the bar of a minute is in the store."""
        names = symbols or self.names
        return all(at(minute) in self.starts(name) for name in names)

    def starts(self, symbol: str) -> list[int]:
        if symbol not in self.store._symbols:
            return []
        found: list[int] = self.store.get_bars(symbol).ts.tolist()
        return found

    def count(self, word: str) -> int:
        return self.health.counts[word]


def rows(of: LiveRun | Bars, symbol: str = "") -> list[tuple[float, ...]]:
    """Start and values of each minute bar, whatever its flags; of a run those of a symbol."""
    bars = of.store.get_bars(symbol) if isinstance(of, LiveRun) else of
    columns = (bars.ts, bars.open, bars.high, bars.low, bars.close, bars.volume)
    return list(zip(*(column.tolist() for column in columns), strict=True))


class Held:
    """The vendor's history of a run, which waits to be let go, and fails so often before it answers."""

    def __init__(self, run: LiveRun, *, failures: int = 0) -> None:
        filler = run.coordinator.quality.filler
        assert filler is not None
        self._real = filler._source
        filler._source = self
        self.reached, self.may_go_on = threading.Event(), threading.Event()
        self.failures = failures

    def fetch(self, requests: Any) -> Any:
        self.reached.set()
        assert self.may_go_on.wait(LONGEST)
        if self.failures:
            self.failures -= 1
            raise HistorySourceError("the vendor is asleep")
        return self._real.fetch(requests)
