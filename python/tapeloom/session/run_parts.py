"""Puts the parts of a run together, for the coordinator that is asked for it; and lets symbols come and go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tapeloom.actions import Actions
from tapeloom.errors import ConfigError
from tapeloom.session.added import plan_of
from tapeloom.session.control import RunControl
from tapeloom.session.data_processor import DataProcessor
from tapeloom.session.driver import Driver
from tapeloom.session.flow import flow
from tapeloom.session.hand_off import AnalysisSide
from tapeloom.session.kept_sessions import KeptSessions
from tapeloom.session.lag import Lag
from tapeloom.session.metrics import PerformanceMetrics
from tapeloom.session.pacing import Pace
from tapeloom.session.player import SessionPlayer
from tapeloom.session.progress import ProgressReporter
from tapeloom.session.quality_manager import DataQualityManager
from tapeloom.session.realtime_indicators import RealtimeIndicators
from tapeloom.session.roster import Roster
from tapeloom.session.symbol_changes import SymbolChanges
from tapeloom.session.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tapeloom.calendars.time_manager import TimeManager
    from tapeloom.config.session_config import SessionConfig
    from tapeloom.config.stream_plan import StreamPlan
    from tapeloom.session.analysis_engine import AnalysisEngine
    from tapeloom.session.asked_indicator import AskedIndicator
    from tapeloom.session.result_folder import ResultFolder
    from tapeloom.session_data import SessionData
    from tapeloom.storage.bar_source import BarSource

__all__ = ["RunParts"]


class RunParts:
    """The parts of one run, wired; see ``SessionCoordinator`` for what they are made from. None has begun to play."""

    def __init__(
        self,
        config: SessionConfig,
        session_data: SessionData,
        source: BarSource,
        plan: StreamPlan,
        *,
        time_manager: TimeManager,
        engine: AnalysisEngine,
        sessions: Sequence[int],
        indicators: RealtimeIndicators | None,
        quality: DataQualityManager | None,
        metrics: PerformanceMetrics | None,
        actions: Actions | None,
        results: ResultFolder | None,
        asked_indicators: Sequence[AskedIndicator],
    ) -> None:
        window, data = config.backtest_config, config.session_data_config
        if window is None:
            text = "backtest_config is missing; give start_date and end_date"
            raise ConfigError(text)
        self._config = config
        self._session_data = session_data
        self._source = source
        self._time_manager = time_manager
        self._table = time_manager.calendar.table
        self._sessions = sessions
        self.tally = Tally()
        self.metrics = PerformanceMetrics() if metrics is None else metrics
        self.control = RunControl()
        self._kept = KeptSessions(results, session_data, self.tally)
        done = self._kept.restore(self._table, sessions, plan)
        extended = data.bars.extended_hours != "off"
        self.pace: Pace | None = None
        self.lag: Lag | None = None
        if window.speed_multiplier > 0:
            self.pace, streaming = Pace(window.speed_multiplier), data.streaming
            self.lag = Lag(
                streaming.catchup_threshold_seconds, streaming.catchup_check_interval
            )
        self.quality = (
            DataQualityManager(
                session_data,
                enable_session_quality=data.gap_filler.enable_session_quality,
                on_gap=data.bars.on_gap,
                time_manager=time_manager,
            )
            if quality is None
            else quality
        )
        self._roster = Roster(
            session_data,
            source,
            time_manager=time_manager,
            sessions=sessions,
            tally=self.tally,
            prefetch_sessions=window.prefetch_days,
            indicators=data.historical.indicators,
            actions=Actions() if actions is None else actions,
            universe=config.universe,
            extended=extended,
        )
        first = min(done, len(sessions) - 1)
        self._roster.add(plan, at=first)
        self._take_up_symbols(first)
        self.indicators = (
            RealtimeIndicators(
                session_data,
                data.indicators,
                extended=data.bars.extended_hours == "full",
            )
            if indicators is None
            else indicators
        )
        for asked in asked_indicators:
            asked.add_to(self.indicators)
        self.analyses = AnalysisSide()
        processor = DataProcessor(
            engine,
            indicators=self.indicators,
            quality=self.quality,
            metrics=self.metrics,
            call=self.analyses.run,
            lag=self.lag,
            market_ns=None if self.pace is None else self.pace.reached_ns,
        )
        self.player = SessionPlayer(
            session_data,
            self._roster,
            processor,
            indicators=self.indicators,
            time_manager=time_manager,
            engine=engine,
            sessions=sessions,
            done=done,
            tally=self.tally,
            metrics=self.metrics,
            call=self.analyses.run,
            extended=extended,
            on_end=self._kept.keep,
        )
        self.progress = ProgressReporter(
            self._table,
            sessions,
            time_manager,
            speed=window.speed_multiplier,
            extended=extended,
        )
        self._bars, self._streaming_seconds, self._reported = 0, 0.0, 0
        self.changes = SymbolChanges(self._roster.symbols)
        self.driver = Driver(
            self.player,
            self.control,
            self.changes,
            self.analyses,
            pace=self.pace,
            time_manager=time_manager,
            metrics=self.metrics,
            tell_progress=self._tell_progress,
        )
        # A resumed run has them from the run before.
        for warning in plan.warnings if not done else ():
            self.tally.warn(
                warning.kind,
                warning.text,
                count=len(warning.symbols),
                symbols=warning.symbols,
            )

    @property
    def lag_seconds(self) -> float:
        """How late the newest batch was, seconds of the market's clock; 0 where no clock runs."""
        return 0.0 if self.lag is None else self.lag.seconds

    # Symbols that come and go

    def plan_of(self, name: str, streams: Sequence[str] | None) -> StreamPlan:
        """Return the plan of one more symbol. Raises ``PlanError`` if nothing stored serves it."""
        return plan_of(
            name,
            streams,
            self._config,
            self._source,
            time_manager=self._time_manager,
            start=int(self._table.span_starts[self._sessions[0]]),
            end=int(self._table.span_ends[self._sessions[-1]]),
        )

    def add_symbol(
        self, name: str, plan: StreamPlan, streams: Sequence[str] | None
    ) -> None:
        """Have a symbol streamed, between two batches."""
        self.player.add_symbol(name, plan)
        self._kept.symbols.add(name, streams)
        flow("3.a", "Symbol %s added", name, symbol=name)

    def remove_symbol(self, name: str) -> None:
        """Have a symbol go, between two batches."""
        self.player.remove_symbol(name)
        self._kept.symbols.remove(name)
        flow("3.a", "Symbol %s removed", name, symbol=name)

    def _take_up_symbols(self, first: int) -> None:
        """Let the symbols come and go that came and went in the sessions that an earlier run has done."""
        for name in self._kept.symbols.removed:
            if name in self._roster.symbols:
                self._session_data.remove_symbol(name)
                self._roster.remove(name)
                self.tally.remove_symbol(name)
        for name, streams in self._kept.symbols.added.items():
            self._roster.add(self.plan_of(name, streams), at=first)

    # Inside

    def _tell_progress(self) -> None:
        if self.progress.call is None:
            return
        sessions = self.tally.sessions
        if len(sessions) > self._reported:
            # Those of a window of years are not added up again for every batch.
            new = sessions[self._reported :]
            self._reported = len(sessions)
            self._bars += sum(report.bars for report in new)
            self._streaming_seconds += sum(report.seconds for report in new)
        player = self.player
        seconds = self._streaming_seconds + player.seconds
        self.progress.tell(
            player.done,
            self._bars + player.bars,
            seconds,
            lag_seconds=self.lag_seconds,
            is_paused=self.control.is_paused,
        )
