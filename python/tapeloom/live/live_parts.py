"""Puts the parts of a live run together, for the thread that runs it or for a simulation; and lets symbols come and go."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Self

from tapeloom.actions import Actions
from tapeloom.live.corrected_bars import CorrectedBars
from tapeloom.live.live_player import LivePlayer
from tapeloom.live.live_session import LiveSession
from tapeloom.live.past import Past
from tapeloom.session.data_processor import DataProcessor
from tapeloom.session.lag import Lag
from tapeloom.session.quality_manager import DataQualityManager
from tapeloom.session.realtime_indicators import RealtimeIndicators
from tapeloom.session.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor

    from tapeloom.calendars.time_manager import TimeManager
    from tapeloom.config.session_config import SessionConfig
    from tapeloom.config.stream_plan import StreamPlan
    from tapeloom.config.symbol_plan import SymbolPlan
    from tapeloom.history_source import HistorySource
    from tapeloom.live.journal import SessionJournal
    from tapeloom.live.journal_files import JournalFiles
    from tapeloom.live.journal_header import Patience
    from tapeloom.live.live_player import Timing
    from tapeloom.session.analysis_engine import AnalysisEngine
    from tapeloom.session.asked_indicator import AskedIndicator
    from tapeloom.session.metrics import PerformanceMetrics
    from tapeloom.session.result import SessionReport
    from tapeloom.storage.bar_source import BarSource

__all__ = ["LiveParts"]


@dataclass(slots=True)
class LiveParts:
    """The parts of one live run. Nothing in them has a thread or a clock of its own, but who asks history."""

    journal: SessionJournal
    tally: Tally
    indicators: RealtimeIndicators
    quality: DataQualityManager
    lag: Lag
    processor: DataProcessor
    past: Past
    session: LiveSession
    player: LivePlayer

    @classmethod
    def of(
        cls,
        config: SessionConfig,
        journal: SessionJournal,
        files: JournalFiles,
        source: BarSource,
        plan: StreamPlan,
        *,
        history_source: HistorySource | None,
        stream_source: object,
        time_manager: TimeManager,
        engine: AnalysisEngine,
        patience: Patience,
        gap_grace: int,
        metrics: PerformanceMetrics,
        call: Callable[[Callable[[], object]], None],
        wake: Callable[[], object],
        on_end: Callable[[SessionReport], None],
        timing: Timing | None = None,
        sessions: int | None = None,
        actions: Actions | None = None,
        asked_indicators: Sequence[AskedIndicator] = (),
        executor: Executor | None = None,
        now: Callable[[], float] | None = None,
    ) -> Self:
        """Return the parts, wired; the symbols of the plan are registered. See ``LiveCoordinator`` for most of these.

        Parameters
        ----------
        executor, now
            As of ``DataQualityManager``: who calls the source of history, and the seconds by which tries are spaced.
        """
        data, store = config.session_data_config, journal.session_data
        tally = Tally()
        _register(journal, tally, plan.symbols)
        for warning in plan.warnings:
            tally.warn(
                warning.kind,
                warning.text,
                count=len(warning.symbols),
                symbols=warning.symbols,
            )
        indicators = RealtimeIndicators(
            store, data.indicators, extended=data.bars.extended_hours == "full"
        )
        for asked in asked_indicators:
            asked.add_to(indicators)
        # Live, gaps are filled wherever somebody can be asked.
        fills = data.bars.on_gap == "mark" and history_source is not None
        corrected = CorrectedBars()
        quality = DataQualityManager(
            store,
            enable_session_quality=data.gap_filler.enable_session_quality,
            on_gap="fill" if fills else data.bars.on_gap,
            history_source=history_source,
            stream_source=stream_source,
            max_retries=data.gap_filler.max_retries,
            retry_interval_seconds=data.gap_filler.retry_interval_seconds,
            time_manager=time_manager,
            executor=executor,
            now=now,
            wake=wake,
            patience=gap_grace,
            add=partial(journal.add_bars_batch, on_invalid="skip"),
            corrected=corrected.keys,
        )
        lag = Lag(
            data.streaming.catchup_threshold_seconds,
            data.streaming.catchup_check_interval,
        )
        processor = DataProcessor(
            engine,
            indicators=indicators,
            quality=quality,
            metrics=metrics,
            call=call,
            lag=lag,
        )
        past = Past(
            store,
            source,
            plan,
            data.historical.indicators,
            time_manager=time_manager,
            actions=Actions() if actions is None else actions,
            tally=tally,
        )
        session = LiveSession(
            journal,
            processor,
            quality,
            patience=patience,
            gap_grace=gap_grace,
            indicators=indicators,
            corrected=corrected,
        )
        player = LivePlayer(
            journal,
            session,
            files=files,
            processor=processor,
            quality=quality,
            engine=engine,
            past=past,
            time_manager=time_manager,
            tally=tally,
            metrics=metrics,
            call=call,
            extended=data.bars.extended_hours != "off",
            timing=timing,
            sessions=sessions,
            on_end=on_end,
        )
        return cls(
            journal, tally, indicators, quality, lag, processor, past, session, player
        )

    def add(self, plan: StreamPlan) -> None:
        """Take in the symbols of a plan; what the session lacks of them is fetched soon."""
        _register(self.journal, self.tally, plan.symbols)
        self.past.add(plan)
        for symbol in plan.symbols:
            self.processor.add(symbol.symbol)

    def remove(self, name: str) -> None:
        """Drop a symbol with its data."""
        self.session.remove_symbol(name)
        self.past.remove(name)
        self.processor.remove(name)
        self.tally.remove_symbol(name)


def _register(
    journal: SessionJournal, tally: Tally, symbols: Sequence[SymbolPlan]
) -> None:
    journal.register_symbols([(p.symbol, p.base, p.kept_intervals) for p in symbols])
    tally.add_symbols([symbol.symbol for symbol in symbols])
    for symbol in symbols:
        if ("quotes", "GENERATED") in [(s.stream, s.action) for s in symbol.streams]:
            journal.session_data.make_quotes_from_bars([symbol.symbol])
