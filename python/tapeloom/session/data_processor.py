"""Takes each batch: store, presence, derived bars, real-time indicators, epoch; then tells who waits for what changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tapeloom.session.filled_bars import filled_bars

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tapeloom._core import Batch
    from tapeloom.gap.filling import Filling
    from tapeloom.session.analysis_engine import AnalysisEngine
    from tapeloom.session.batches import ChosenBatch
    from tapeloom.session.lag import Lag
    from tapeloom.session.metrics import PerformanceMetrics
    from tapeloom.session.quality_manager import DataQualityManager
    from tapeloom.session.realtime_indicators import RealtimeIndicators
    from tapeloom.session.stream import SessionStream

__all__ = ["DataProcessor", "Notification", "notifications"]


@dataclass(frozen=True, slots=True)
class Notification:
    """A series that changed: which bar of the session's series (0 is the first), and how (``new``, ``late``, ``corrected``)."""

    symbol: str
    interval: str
    index: int
    kind: str


def notifications(batch: Batch | ChosenBatch) -> list[Notification]:
    """Return what changed in a batch: per symbol the base first, then ascending; symbols in configured order."""
    store = batch.session
    found = []
    for bar, kind in batch.changes():
        starts = store.get_bars(bar.symbol, bar.interval).ts
        index = int(starts.searchsorted(bar.ts))
        found.append(Notification(bar.symbol, bar.interval, index, kind))
    return found


class DataProcessor:
    """What happens to a batch, in its order. It holds no rules of quality and fills no gaps.

    Parameters
    ----------
    engine
        Who is told.
    indicators
        The real-time indicators.
    quality
        Is told after each batch; never waited for.
    metrics
        Takes the times.
    call
        Calls the analyses' side on the thread it belongs to.
    lag
        Keeps back the calls of symbols that are late; ``None`` where no clock runs.
    market_ns
        Where the running clock stands, ns UTC; ``None`` while somebody plays by hand and nobody is late.
    """

    def __init__(
        self,
        engine: AnalysisEngine,
        *,
        indicators: RealtimeIndicators,
        quality: DataQualityManager,
        metrics: PerformanceMetrics,
        call: Callable[[Callable[[], object]], None],
        lag: Lag | None = None,
        market_ns: Callable[[], int | None] | None = None,
    ) -> None:
        self._engine = engine
        self._indicators = indicators
        self._quality = quality
        self._metrics = metrics
        self._call = call
        self._lag = lag
        self._market_ns = market_ns
        self._batch: Batch | None = None
        if engine.hears_quality:
            quality.add_listener(
                lambda _, report: call(lambda: engine.tell_quality([report]))
            )
        quality.add_fill_listener(self._tell_filled)

    def start_session(self) -> None:
        """Make ready for a session whose history is loaded."""
        self._batch = None
        self._indicators.start_session()
        self._quality.start_session()

    def play(
        self,
        stream: SessionStream,
        *,
        wanted: Sequence[str] | None,
        most_bars: int,
        until: int | None,
    ) -> Batch:
        """Let the store take the next batch that somebody waits for, and all before it."""
        started = self._metrics.start_timer()
        batch = stream.run(
            each_instant=wanted is None,
            intervals=wanted or None,
            most_bars=most_bars,
            until=until,
        )
        self._metrics.record_data_processor(started)
        return batch

    def deliver(self, batch: Batch) -> None:
        """Tell the analyses of a batch, wait for their acknowledgement, and have what is missing looked for."""
        clock = None if self._market_ns is None else self._market_ns()
        self.tell(batch, batch.ts if clock is None else clock)
        self._quality.after_batch(batch)

    def tell(self, batch: Batch, clock: int, *, earliest: int | None = None) -> None:
        """Tell the analyses of a batch, and wait for their acknowledgement; ``clock`` and ``earliest`` as of ``Lag.sift``."""
        self._batch = batch
        self._indicators.after(batch)
        told: Batch | ChosenBatch | None = batch
        if self._lag is not None:
            told = self._lag.sift(batch, clock, earliest=earliest)
        if told is not None:
            self._tell(told)

    @property
    def calls(self) -> bool:
        """Whether :meth:`tell` may call what a user wrote: an analysis, or an indicator."""
        return self._engine.hears_batches or self._indicators.calls

    def note(self, batch: Batch) -> None:
        """Know the newest step, whether it is told or not: from the first one of a session on, filled bars are told after it."""
        self._batch = batch

    def take_in(self) -> None:
        """Let the indicators take in what came before anybody was told of it."""
        self._indicators.after()

    def flush(self, last: Batch) -> None:
        """Tell what was kept back of late symbols: nothing is dropped at the end of a session."""
        waiting = None if self._lag is None else self._lag.flush(last)
        if waiting is not None:
            self._tell(waiting)

    @property
    def wakes_for(self) -> list[str] | None:
        """Intervals whose bars somebody waits for; ``None`` means every instant."""
        wanted = self._engine.wakes_for
        if wanted is None or self._quality.needs_each_instant:
            return None
        return sorted({*wanted, *self._indicators.wakes_for})

    def end_session(self) -> None:
        """Close the session's quality."""
        self._quality.end_session()

    def close(self) -> None:
        """Let go of what asks for missing bars."""
        self._quality.close()

    def add(self, symbol: str) -> None:
        """Make ready for a symbol that joins the session."""
        self._indicators.add_symbol(symbol)

    def remove(self, symbol: str) -> None:
        """Forget a symbol."""
        self._indicators.remove_symbol(symbol)
        self._quality.remove_symbol(symbol)
        if self._lag is not None:
            self._lag.remove(symbol)

    def _tell_filled(self, fillings: list[Filling]) -> None:
        """Tell of bars that came in by filling, and of those derived from them, as of any late bar."""
        if self._batch is None:
            return
        self._indicators.after()
        batch = filled_bars(self._batch, fillings)
        if batch is not None and self._lag is not None:
            batch = self._lag.hold(batch)
        if batch is not None:
            self._tell(batch)

    def _tell(self, batch: Batch | ChosenBatch) -> None:
        if not self._engine.hears_batches:
            return
        started = self._metrics.start_timer()
        self._call(lambda: self._engine.dispatch(batch))
        self._metrics.record_analysis_engine(started)
