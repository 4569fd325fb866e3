"""The half day whose gaps are filled: its bars, who fills them at once, a filler whose clocks and threads are a test's."""

from __future__ import annotations

from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING, Any

from tapeloom.session.gap_filler import GapFiller
from tapeloom.session.gap_state import Retries
from tapeloom.session.quality_manager import DataQualityManager
from tapeloom.session.session_grids import SessionGrids
from tests.days import us_day
from tests.reference.schedule import MINUTE
from tests.session.vendor import Played, whole_day

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.reference.bars import Bar


__all__ = [
    "HALF",
    "LOG",
    "Held",
    "Live",
    "Tape",
    "at",
    "filling",
    "half_day",
    "walk",
    "without",
]

HALF = us_day("2025-07-03")
LOG = "tapeloom.gap_filler"
Tape = dict[str, dict[int, "Bar"]]


def half_day() -> Tape:
    """Bars of two symbols for every minute of the half day."""
    return whole_day(HALF, ["AAPL", "MSFT"])


def at(minute: int) -> int:
    """Start of a minute of the half day, counted from the open."""
    return HALF.open + minute * MINUTE


def without(truth: Tape, *minutes: int) -> Tape:
    """The bars of all symbols but for some minutes."""
    gone = {at(minute) for minute in minutes}
    return {
        symbol: {ts: bar for ts, bar in bars.items() if ts not in gone}
        for symbol, bars in truth.items()
    }


def filling(played: Played, source: object, **options: Any) -> DataQualityManager:
    manager = DataQualityManager(
        played.session,
        on_gap="fill",
        history_source=source,  # type: ignore[arg-type]  # whatever a test asks for bars
        **options,
    )
    manager.start_session()
    return manager


def walk(played: Played, manager: DataQualityManager, first: int, last: int) -> None:
    """Play minute after minute, ``first`` and ``last`` included."""
    for minute in range(first, last + 1):
        batch = played.to_minute(minute)
        manager.after_batch(batch)


class Held(Executor):
    """Runs what it is given when the test says so."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], object]] = []

    def submit(self, call: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.waiting.append(lambda: call(*args, **kwargs))
        return Future()

    def run(self) -> None:
        waiting, self.waiting = self.waiting, []
        for call in waiting:
            call()


class Live:
    """A filler whose clocks and threads are the test's."""

    def __init__(self, played: Played, source: object, **retries: Any) -> None:
        self.played = played
        self.seconds = 0.0
        self.executor = Held()
        self.woken = 0
        self.filler = GapFiller(
            played.session,
            source,  # type: ignore[arg-type]  # whatever a test asks for bars
            grids=SessionGrids(played.session),
            retries=Retries(**retries),
            instant=lambda: played.session._clock or 0,
            now=lambda: self.seconds,
            executor=self.executor,
            wake=self._wake,
            quota_clock=lambda: self.seconds,
        )

    def _wake(self) -> None:
        self.woken += 1
