"""``run`` and ``replay``: play a window from begin to end, return what it leaves behind."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, overload

from tapeloom._core import Interval
from tapeloom.calendars.days import from_day, require_date
from tapeloom.config.session_config import SessionConfig
from tapeloom.errors import ArgumentError, ArgumentTypeError, MissingDataError
from tapeloom.report.live_view import LiveView
from tapeloom.report.progress import ProgressLine
from tapeloom.session.analysis_engine import AnalysisEngine, OnError
from tapeloom.session.result import RunResult
from tapeloom.storage.bar_source import FrameSource
from tapeloom.storage.data_manager import DataManager
from tapeloom.system.live_wiring import LiveRun
from tapeloom.system.system_manager import SystemManager
from tapeloom.system.wiring import Run, config_of, simulated
from tapeloom.timestamps import from_ns

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date

    from tapeloom._core import Batch, SessionTable
    from tapeloom.calendars.time_manager import TimeManager
    from tapeloom.history_source import HistorySource
    from tapeloom.intervals import IntervalLike
    from tapeloom.session_data import SessionData
    from tapeloom.storage.bar_source import BarSource

__all__ = ["Batches", "replay", "run"]

Progress: TypeAlias = Callable[..., object] | bool | None


def run(
    config: SessionConfig | Mapping[str, object] | str | Path,
    analysis: object | None = None,
    *,
    data: str | Path = "data",
    progress: Progress = None,
    time_manager: TimeManager | None = None,
    actions: object | None = None,
    history_source: HistorySource | None = None,
    indicators: Mapping[str, object] | None = None,
    on_error: OnError = "stop",
    out: str | Path | None = None,
    resume: bool = False,
) -> RunResult:
    """Run a backtest over stored bars.

    Parameters
    ----------
    config
        A configuration, a dict of the same form, or the path of its JSON file.
    analysis
        A function ``f(session, bar)`` called for every new bar, base and derived, or an object with hooks such as
        ``on_bar`` and ``on_session_end``; see :class:`tapeloom.Analysis`. A list holds several, called in its order.
        ``None`` only replays.
    data
        A folder in the layout of the guide, a flat folder of Parquet files, one file, or a glob pattern.
    progress
        ``None`` shows a line in a terminal; ``True`` everywhere, off a terminal a plain line now and then and at the end;
        ``False`` shows nothing; a callable receives events, of a live run about once a second a ``LiveHealth``.
    time_manager
        Calendar and clock to use, for corrections of the calendar and for alerts; one of the configuration's exchange
        group. Its clock is reset and then follows the run.
    actions
        Splits, by which history is restated in the shares of each session: ``tapeloom.actions.Actions``, a table or its
        path. If not given, ``actions.csv`` or ``actions.parquet`` in the folder ``data``, where there is one.
    history_source
        Who is asked for missing bars where the configuration says ``on_gap: "fill"``.
    indicators
        Real-time indicators by name beside those of the configuration, for all symbols: classes, functions or types of
        built-in kinds, as ``SystemManager.add_indicator`` takes them.
    on_error
        What an exception of an analysis does: ``"stop"`` ends the run, ``"continue"`` is logged and counted.
    out
        Folder for what each session leaves behind: its recorded rows as Parquet, with its report.
    resume
        Whether sessions that ``out`` holds already are not run again. Where bars of weeks are streamed, the run begins at
        the start of the week that was not over. Analyses are new: what they keep of earlier sessions is theirs to keep.

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
    manager = SystemManager(
        data,
        time_manager=time_manager,
        actions=actions,
        history_source=history_source,
        out=out,
        resume=resume,
    )
    _add(AnalysisEngine(manager, on_error=on_error), analysis)
    for name, indicator in (indicators or {}).items():
        manager.add_indicator(name, indicator)
    settings = config_of(config)
    if settings.mode == "live":
        return _played(manager.prepare_live(settings, started=started), progress)
    return _played(manager.prepare(settings, started=started), progress)


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
    manager = simulated(exchange_group, time_manager)
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
    system = SystemManager(time_manager=manager)
    if analysis is None:
        return Batches(system.prepare(config, source=source, started=started))
    _add(system.engine, analysis)
    return _played(system.prepare(config, source=source, started=started), progress)


class Batches:
    """The batches of a replay in time order. Iterate once; ``result`` sums up the sessions that have ended."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._iterator = run.coordinator.batches()

    @property
    def session_data(self) -> SessionData:
        """The store the replay streams into."""
        return self._run.session_data

    @property
    def result(self) -> RunResult:
        """Reports of the sessions that have ended so far."""
        return self._run.result()

    def close(self) -> None:
        """End the replay after the current batch; its store stays readable and is free again."""
        self._iterator.close()

    def __iter__(self) -> Iterator[Batch]:
        return self._iterator

    def __next__(self) -> Batch:
        return next(self._iterator)


def _add(engine: AnalysisEngine, analysis: object | None) -> None:
    many = analysis if isinstance(analysis, list | tuple) else [analysis]
    for one in many:
        if one is not None:
            engine.add(one)


def _played(run: Run | LiveRun, progress: Progress) -> RunResult:
    """Play all sessions and return what they leave behind."""
    with contextlib.ExitStack() as stack:
        if progress is True or (progress is None and sys.stderr.isatty()):
            if isinstance(run, LiveRun):
                view = LiveView(run.time_manager.timezone)
                run.coordinator.progress = stack.enter_context(view)
            else:
                line = ProgressLine(tells_end=progress is True)
                run.coordinator.progress = stack.enter_context(line)
        elif callable(progress):
            run.coordinator.progress = progress
        run.coordinator.run()
    return run.result()


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
