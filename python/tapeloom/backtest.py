"""``run`` and ``replay``: wire the parts of a backtest together, play the window, return what it leaves behind."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, overload

from tapeloom._core import Interval
from tapeloom.actions import Actions
from tapeloom.calendars.days import from_day, require_date
from tapeloom.calendars.time_manager import TimeManager, time_manager_for
from tapeloom.config.session_config import SessionConfig
from tapeloom.config.stream_plan import StreamPlan
from tapeloom.config.window import window_sessions
from tapeloom.default_session import install_session_data
from tapeloom.errors import (
    ArgumentError,
    ArgumentTypeError,
    ConfigError,
    MissingDataError,
    StateError,
)
from tapeloom.report.progress import ProgressLine
from tapeloom.session.analysis_engine import AnalysisEngine
from tapeloom.session.coordinator import SessionCoordinator
from tapeloom.session.result import ProgressEvent, RunResult
from tapeloom.session_data import SessionData
from tapeloom.storage.bar_source import FrameSource
from tapeloom.storage.data_manager import DataManager
from tapeloom.timestamps import from_ns

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date

    from tapeloom._core import Batch, SessionTable
    from tapeloom.intervals import IntervalLike
    from tapeloom.storage.bar_source import BarSource

__all__ = ["Batches", "replay", "run"]

Progress: TypeAlias = Callable[[ProgressEvent], object] | Literal[False] | None


def run(
    config: SessionConfig | Mapping[str, object] | str | Path,
    analysis: object | None = None,
    *,
    data: str | Path = "data",
    progress: Progress = None,
    time_manager: TimeManager | None = None,
    actions: object | None = None,
) -> RunResult:
    """Run a backtest over stored bars.

    Parameters
    ----------
    config
        A configuration, a dict of the same form, or the path of its JSON file.
    analysis
        A function ``f(session, bar)`` called for every new bar, base and derived, or an object with hooks such as
        ``on_bar`` and ``on_session_end``; see :class:`tapeloom.Analysis`. ``None`` only replays.
    data
        A folder in the layout of the guide, a flat folder of Parquet files, one file, or a glob pattern.
    progress
        ``None`` shows a line in a terminal, ``False`` nothing, a callable receives events.
    time_manager
        Calendar and clock to use, for corrections of the calendar and for alerts; one of the configuration's exchange
        group. Its clock is reset and then follows the run.
    actions
        Splits, by which history is restated in the shares of each session: ``tapeloom.actions.Actions``, a table or its
        path. If not given, ``actions.csv`` or ``actions.parquet`` in the folder ``data``, where there is one.

    Returns
    -------
    RunResult
        Reports per session and symbol, warnings, the rows kept by ``session.record`` and the store itself, which is the
        process-wide default from then on.

    Raises
    ------
    ConfigError
        If the configuration has faults, or its window holds no session.
    PlanError
        If nothing stored serves it.
    DataError
        If data are missing, damaged or of another form.
    AnalysisError
        If the analysis raises; the store holds everything up to that instant.
    """
    started = time.perf_counter()
    loaded = _config(config)
    rules = loaded.session_data_config.bars
    manager = _time_manager(loaded.exchange_group, time_manager)
    source = DataManager(
        data,
        time_manager=manager,
        exchange_group=loaded.exchange_group,
        on_invalid=rules.on_invalid,
        allow_negative_prices=rules.allow_negative_prices,
    )
    backtest = _Backtest(
        loaded,
        source,
        analysis,
        time_manager=manager,
        progress=progress,
        started=started,
        actions=Actions.beside(data) if actions is None else Actions.of(actions),
    )
    return backtest.run()


@overload
def replay(
    data: object,
    *,
    start: date | None = None,
    end: date | None = None,
    intervals: Sequence[IntervalLike] = ("1m",),
    history_days: int = 0,
    analysis: None = None,
    progress: Progress = None,
    exchange_group: str | None = None,
    time_manager: TimeManager | None = None,
    bars: Mapping[str, object] | None = None,
) -> Batches: ...


@overload
def replay(
    data: object,
    *,
    start: date | None = None,
    end: date | None = None,
    intervals: Sequence[IntervalLike] = ("1m",),
    history_days: int = 0,
    analysis: object,
    progress: Progress = None,
    exchange_group: str | None = None,
    time_manager: TimeManager | None = None,
    bars: Mapping[str, object] | None = None,
) -> RunResult: ...


def replay(
    data: object,
    *,
    start: date | None = None,
    end: date | None = None,
    intervals: Sequence[IntervalLike] = ("1m",),
    history_days: int = 0,
    analysis: object | None = None,
    progress: Progress = None,
    exchange_group: str | None = None,
    time_manager: TimeManager | None = None,
    bars: Mapping[str, object] | None = None,
) -> Batches | RunResult:
    """Replay bars from a frame or file, without configuration.

    Parameters
    ----------
    data
        A long frame (pandas, polars, Arrow) with a symbol column, a dict of frames or of column dicts by symbol, or a
        path as ``run`` takes it.
    start, end
        First and last date, both included; the range of the data where not given.
    intervals
        What to stream: the base interval and coarser ones to derive.
    history_days
        Trading days before each session whose bars of the finest interval are loaded.
    analysis
        As in ``run``. With one, the whole window is run; without, batches are handed out one by one.
    progress
        As in ``run``; only with an analysis.
    exchange_group
        Whose calendar and zone hold: ``"US_EQUITY"``, or the time manager's, if not given.
    time_manager
        As in ``run``.
    bars
        Rules as under ``bars`` in a configuration, such as ``{"completeness": "complete"}``.

    Returns
    -------
    Batches or RunResult
        An iterable of batches, each with ``time``, ``bars`` and ``session``; with an analysis the result of the run.

    Raises
    ------
    ArgumentError
        If an argument breaks its rule or the data hold no bar.
    DataError
        If files are missing, damaged or of another form.

    Examples
    --------
    >>> import tapeloom
    >>> minute = {"ts": [1_751_463_000_000_000_000], "open": [9.0], "high": [9.0], "low": [9.0], "close": [9.0], "volume": [5.0]}
    >>> for batch in tapeloom.replay({"AAPL": minute}):
    ...     print(batch.time, batch.bars[0].close)
    2025-07-02 09:31:00-04:00 9.0
    """
    started = time.perf_counter()
    manager = _time_manager(exchange_group, time_manager)
    source = _source(data, manager, bars or {}, intervals)
    first, last = _window(source, manager, start, end)
    finest = str(min(map(Interval, intervals)))
    need = {"trailing_days": history_days, "intervals": [finest]}
    history = [need] if history_days else []
    config = SessionConfig.from_dict(
        {
            "session_name": "replay",
            "exchange_group": manager.exchange_group,
            "mode": "backtest",
            "backtest_config": {"start_date": first, "end_date": last},
            "session_data_config": {
                "symbols": "all",
                "streams": [str(Interval(interval)) for interval in intervals],
                "historical": {"data": history},
                "bars": dict(bars or {}),
            },
        },
        name="replay",
    )
    backtest = _Backtest(
        config,
        source,
        analysis,
        time_manager=manager,
        progress=progress,
        started=started,
    )
    return Batches(backtest) if analysis is None else backtest.run()


class Batches:
    """The batches of a replay in time order. Iterate once; ``result`` sums up the sessions that have ended."""

    def __init__(self, backtest: _Backtest) -> None:
        self._backtest = backtest
        self._iterator = backtest.coordinator.batches()

    @property
    def session_data(self) -> SessionData:
        """The store the replay streams into."""
        return self._backtest.session_data

    @property
    def result(self) -> RunResult:
        """Reports of the sessions that have ended so far."""
        return self._backtest.result()

    def close(self) -> None:
        """End the replay after the current batch; its store stays readable and is free again."""
        self._iterator.close()

    def __iter__(self) -> Iterator[Batch]:
        return self._iterator

    def __next__(self) -> Batch:
        return next(self._iterator)


class _Backtest:
    """The parts of one backtest, wired."""

    def __init__(
        self,
        config: SessionConfig,
        source: BarSource,
        analysis: object | None,
        *,
        time_manager: TimeManager,
        progress: Progress,
        started: float,
        actions: Actions | None = None,
    ) -> None:
        self._config = config
        self._source = source
        self._started = started
        window = config.backtest_config
        if window is None:
            text = "backtest_config is missing; give start_date and end_date"
            raise ConfigError(text)
        self.time_manager = time_manager
        table = time_manager.session_table
        sessions = window_sessions(
            self.time_manager, window.start_date, window.end_date
        )
        self.plan = StreamPlan.build(
            config,
            source,
            start=int(table.span_starts[sessions[0]]),
            end=int(table.span_ends[sessions[-1]]),
        )
        rules = config.session_data_config.bars
        self.session_data = SessionData(
            config.exchange_group,
            time_manager=time_manager,
            on_duplicate=rules.on_duplicate,
            on_invalid=rules.on_invalid,
            allow_negative_prices=rules.allow_negative_prices,
            completeness=rules.completeness,
            anchor=rules.anchor,
            no_trade=rules.no_trade,
            measure_history_quality=config.session_data_config.historical.enable_quality,
            measure_session_quality=config.session_data_config.gap_filler.enable_session_quality,
        )
        # The table is the one of this moment, whatever is corrected later.
        pinned = self.session_data.session_table
        if isinstance(source, DataManager):
            source.pin_session_table(pinned)
        self._register()
        self._engine = AnalysisEngine(self.session_data)
        if analysis is not None:
            self._engine.add(analysis)
        self._progress = progress
        self.coordinator = SessionCoordinator(
            self.session_data,
            source,
            self.plan,
            time_manager=self.time_manager,
            engine=self._engine,
            sessions=sessions,
            prefetch_sessions=window.prefetch_days,
            indicators=config.session_data_config.historical.indicators,
            actions=actions,
            universe=config.universe,
            progress=progress if callable(progress) else None,
        )

    def _register(self) -> None:
        # Every series has a number of its own, so that none grows beyond what is asked for.
        days: dict[str, int] = {}
        for symbol in self.plan.symbols:
            kept = symbol.kept_days
            coarse = [interval for interval in kept if interval != symbol.base]
            self.session_data.register_symbol(
                symbol.symbol,
                base_interval=symbol.base,
                derived=[*symbol.derived, *coarse],
            )
            for interval in (symbol.base, *symbol.derived, *coarse):
                # What is derived reaches as far back as its base.
                asked = kept.get(interval, kept.get(symbol.base, 0))
                days[interval] = max(days.get(interval, 0), asked)
        config = self._config
        for name, spans in config.universe.spans.items():
            self.session_data.set_membership(name, spans)
        self.session_data.make_quotes_from_bars(
            plan.symbol
            for plan in self.plan.symbols
            for stream in plan.streams
            if (stream.stream, stream.action) == ("quotes", "GENERATED")
        )
        self.session_data.keep_history(max(days.values(), default=0), by_interval=days)

    def run(self) -> RunResult:
        """Play the whole window."""
        install_session_data(self.session_data)
        with contextlib.ExitStack() as stack:
            if self._progress is None and sys.stderr.isatty():
                self.coordinator.progress = stack.enter_context(ProgressLine())
            self.coordinator.run()
        return self.result()

    def result(self) -> RunResult:
        """Sum up the sessions that have ended."""
        tally = self.coordinator.tally
        return RunResult(
            session_name=self._config.session_name,
            plan=self.plan,
            sessions=tuple(tally.sessions),
            symbols=tally.symbols,
            warnings=(*tally.warnings, *self.coordinator.source_warnings()),
            session_data=self.session_data,
            records=self.session_data.records,
            table_fingerprint=self.session_data.session_table.fingerprint,
            total_seconds=time.perf_counter() - self._started,
            analysis_name=self._engine.name,
        )


def _time_manager(exchange_group: str | None, given: TimeManager | None) -> TimeManager:
    """The time manager to use, which must be able to simulate and be free."""
    manager = time_manager_for(exchange_group, given)
    if manager.get_current_mode() != "backtest":
        text = "time_manager is live; a backtest needs one with a simulated clock"
        raise StateError(text)
    manager.require_free()
    return manager


def _config(given: SessionConfig | Mapping[str, object] | str | Path) -> SessionConfig:
    if isinstance(given, SessionConfig):
        return given
    if isinstance(given, Mapping):
        return SessionConfig.from_dict(given)
    return SessionConfig.load(given)


def _source(
    data: object,
    time_manager: TimeManager,
    rules: Mapping[str, object],
    intervals: Sequence[IntervalLike],
) -> BarSource:
    if isinstance(intervals, str) or not len(intervals):
        text = f"intervals is {intervals!r}; it must be a list such as ['1m', '5m']"
        raise ArgumentTypeError(text)
    on_invalid = str(rules.get("on_invalid", "error"))
    allow_negative_prices = bool(rules.get("allow_negative_prices", False))
    if isinstance(data, str | Path):
        return DataManager(
            data,
            time_manager=time_manager,
            on_invalid=on_invalid,
            allow_negative_prices=allow_negative_prices,
        )
    from tapeloom.columns import read_frame

    # A few bars with holes between them look like bars of a longer interval.
    frames = read_frame(
        data,
        zone=time_manager.timezone,
        table=time_manager.session_table,
        assume=min(map(Interval, intervals)),
    )
    return FrameSource(
        frames, on_invalid=on_invalid, allow_negative_prices=allow_negative_prices
    )


def _window(
    source: BarSource, time_manager: TimeManager, start: date | None, end: date | None
) -> tuple[date, date]:
    """The dates asked for, or else those of the data."""
    for name, bound in (("start", start), ("end", end)):
        if bound is not None:
            require_date(bound, name)
    if start is not None and end is not None:
        if start > end:
            text = f"start {start} is after end {end}"
            raise ArgumentError(text, start=start, end=end)
        return start, end
    ranges = [
        span
        for symbol in source.get_symbols()
        for interval in source.get_intervals(symbol)
        if (span := source.get_range(symbol, interval)) is not None
    ]
    if not ranges:
        text = "data hold no bar"
        raise MissingDataError(text)
    table = time_manager.session_table
    return (
        start or _date_of(table, min(first for first, _ in ranges)),
        end or _date_of(table, max(last for _, last in ranges)),
    )


def _date_of(table: SessionTable, ts: int) -> date:
    index = table.session_of(ts)
    return (
        from_ns(ts, table.zone).date()
        if index is None
        else from_day(int(table.dates[index]))
    )
