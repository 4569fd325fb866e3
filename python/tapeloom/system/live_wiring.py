"""Wires the parts of one live run: clock, feed, history, plan, journal, coordinator. It connects to nothing."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np

from tapeloom.calendars.days import from_day
from tapeloom.calendars.given_exchange import time_manager_for
from tapeloom.calendars.time_manager import TimeManager
from tapeloom.config.data_apis import REPLAY
from tapeloom.config.feed_offer import FeedOffer
from tapeloom.config.plan_warnings import some_of
from tapeloom.config.stream_plan import StreamPlan
from tapeloom.errors import ConfigError, OutOfCalendarError, StateError
from tapeloom.live.data_api import data_api_of
from tapeloom.live.fetched_history import FetchedHistory
from tapeloom.live.journal_files import JournalFiles
from tapeloom.live.journal_header import Patience
from tapeloom.live.live_coordinator import LiveCoordinator
from tapeloom.live.live_player import Timing
from tapeloom.live.stored_history import StoredHistory
from tapeloom.session.added import plan_of
from tapeloom.session.flow import flow, flow_warning
from tapeloom.storage.data_manager import DataManager
from tapeloom.system.wiring import data_manager_for, store_of, summed_up
from tapeloom.words import counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from tapeloom.actions import Actions
    from tapeloom.config.session_config import SessionConfig
    from tapeloom.history_source import HistorySource
    from tapeloom.live.data_api import DataApi
    from tapeloom.session.analysis_engine import AnalysisEngine
    from tapeloom.session.asked_indicator import AskedIndicator
    from tapeloom.session.result import RunResult
    from tapeloom.session_data import SessionData

__all__ = ["LiveRun", "LiveSurroundings", "live_surroundings", "wire_live"]

_SECOND = 1_000_000_000


@dataclass(slots=True)
class LiveSurroundings:
    """What a live run gets its data and its time from."""

    api: DataApi
    time_manager: TimeManager
    storage: DataManager
    history: StoredHistory | FetchedHistory
    """Bars of the days before."""
    offer: FeedOffer
    """What the feed pushes."""

    def plan(self, config: SessionConfig) -> StreamPlan:
        """Return what would be streamed, computed and loaded.

        Raises
        ------
        PlanError
            If nothing that the feed pushes serves the configuration.
        """
        return StreamPlan.build(
            config, self.history, self.time_manager, offer=self.offer
        )


@dataclass(slots=True)
class LiveRun:
    """One live run with its parts."""

    config: SessionConfig
    surroundings: LiveSurroundings
    plan: StreamPlan
    session_data: SessionData
    engine: AnalysisEngine
    coordinator: LiveCoordinator
    journal_folder: Path | None
    """Where the journals lie; ``None`` without one."""
    session_date: date
    """Of the session that it begins with."""
    not_planned: tuple[str, ...] = ()
    """Symbols that the plan lacks, and that go on because the journal of the session has them."""
    started: float = field(default_factory=time.perf_counter)

    @property
    def time_manager(self) -> TimeManager:
        """Clock and calendar."""
        return self.surroundings.time_manager

    @property
    def source(self) -> DataManager:
        """The storage beside the run."""
        return self.surroundings.storage

    def give_up_history(self) -> None:
        """Ask nobody for earlier days any more: the run is to stop."""
        if isinstance(self.surroundings.history, FetchedHistory):
            self.surroundings.history.close()

    def result(self) -> RunResult:
        """Sum up the sessions that have ended."""
        return summed_up(self)


def live_surroundings(
    config: SessionConfig,
    data: str | Path,
    *,
    api: DataApi | None = None,
    time_manager: TimeManager | None = None,
    history_source: HistorySource | None = None,
) -> LiveSurroundings:
    """Return feed, clock, storage and history of a live configuration; nothing is connected or read yet.

    Parameters
    ----------
    config
        A live configuration.
    data
        Storage root; it need not be there.
    api
        Where data come from, in place of what the configuration names.
    time_manager
        A live one, with the calendar to use; its clock too, unless the data bring their own.
    history_source
        Who is asked for bars, in place of that of the data.

    Raises
    ------
    StateError
        If the time manager is simulated.
    ConfigError, ArgumentError, MissingDataError
        As of ``data_api_of``.
    PlanError
        If the feed pushes no bars.
    """
    manager = _live_manager(config.exchange_group, time_manager)
    storage = data_manager_for(config, data, manager)
    stored = StoredHistory(storage, manager.timezone)
    if api is None:
        api = data_api_of(config, manager, stored)
    if api.clock is not None:
        overlay = manager.calendar.overlay
        manager = TimeManager(
            config.exchange_group, mode="live", overlay=overlay, clock=api.clock
        )
    kind = "wall clock" if api.clock is None else "clock of the feed"
    flow("2.b", "Complete - %s, %s", manager.exchange_group, kind)
    source = api.history_source if history_source is None else history_source
    offer = FeedOffer.of(api.feed.intervals, api.feed.channels)
    history: StoredHistory | FetchedHistory = stored
    if source is not None:
        served = getattr(source, "intervals", None)
        bars = config.session_data_config.bars
        history = FetchedHistory(
            source,
            intervals=api.feed.intervals if served is None else served,
            time_manager=manager,
            stored=stored,
            allow_negative_prices=bars.allow_negative_prices,
            no_trade=bars.no_trade,
        )
    elif stored.is_empty and config.session_data_config.historical.data:
        text = "No bars in %s and nobody to ask: the run has no history"
        flow_warning("2.c", text, data)
    return LiveSurroundings(api, manager, storage, history, offer)


def wire_live(
    config: SessionConfig,
    surroundings: LiveSurroundings,
    engine: AnalysisEngine,
    *,
    actions: Actions | None = None,
    history_source: HistorySource | None = None,
    indicators: Sequence[AskedIndicator] = (),
    timing: Timing | None = None,
    started: float | None = None,
) -> LiveRun:
    """Return a live run that has not begun; its journal is open.

    Parameters
    ----------
    config
        The configuration.
    surroundings
        As of ``live_surroundings``.
    engine
        The analyses, which will read the store of this run.
    actions
        Splits, by which history is restated.
    history_source
        Who is asked for missing bars, in place of that of the data.
    indicators
        Real-time indicators beside those of the configuration.
    timing
        When a session does what; see ``LivePlayer``.
    started
        When the work began, by ``time.perf_counter``.

    Raises
    ------
    PlanError
        If nothing that the feed pushes serves the configuration.
    ConfigError
        If journal or bars have no place.
    OutOfCalendarError
        If the calendar ends before the clock.
    JournalError
        If the journal of the session is damaged or somebody writes it.
    """
    live, manager, api = config.live, surroundings.time_manager, surroundings.api
    timing = Timing() if timing is None else timing
    session_date = _first_date(config, manager, timing)
    flow("2.d", "Complete - %s comes first", session_date)
    plan = surroundings.plan(config)
    flow("2.e", "Complete - plan of %s", counted(len(plan.symbols), "symbol"))
    patience = Patience(_ns(live.grace_seconds), _ns(live.tolerance_seconds))
    folder = _journal_folder(config, surroundings.storage)
    if folder is not None and api.market is not None:
        # A day of the past must not be gone on with as if it were a real one, nor that of another market.
        folder = folder / f"rehearsal-{api.market}"
    files = JournalFiles(
        folder,
        mode="off" if folder is None else live.journal,
        patience=patience,
        config=_without_secrets(config),
        time_manager=manager,
        storage=_end_of_day(config, surroundings),
        stall_seconds=live.stall_seconds,
    )
    journal = files.open(session_date, lambda: store_of(config, manager))
    try:
        store = journal.session_data
        if store.session_ended:
            text = (
                f"live_config.journal_folder: {journal.path} holds the whole session of {session_date}, which has ended; "
                "'tapeloom journal export' stores its bars; to play the day again, name another folder or remove the journal"
            )
            raise ConfigError(text, got=str(journal.path))
        configured = len(plan.symbols)
        plan = _with_those_of_journal(plan, store, config, surroundings)
        others = tuple(each.symbol for each in plan.symbols[configured:])
        if others:
            text = "The journal of the session goes on with %s, which the configuration does not stream"
            flow_warning("2.e", text, some_of(others))
        if isinstance(surroundings.history, FetchedHistory):
            surroundings.history.follow(plan)
        for name, spans in config.universe.spans.items():
            store.set_membership(name, spans)
        flow("2.f", "Complete - store of %s", config.exchange_group)
        engine.attach_to(store)
        counts = [n for n in (live.sessions, api.sessions) if n is not None]
        source = api.history_source if history_source is None else history_source
        coordinator = LiveCoordinator(
            config,
            journal,
            files,
            surroundings.history,
            plan,
            feed=api.feed,
            history_source=source,
            time_manager=manager,
            engine=engine,
            patience=patience,
            gap_grace=_ns(live.gap_grace_seconds),
            timing=timing,
            sessions=min(counts, default=None),
            plan_of=partial(_plan_of, config, surroundings),
            actions=actions,
            asked_indicators=indicators,
        )
    except BaseException:
        journal.close()
        raise
    flow("2.g", "Complete - coordinator and %s", engine.name or "no analysis")
    run = LiveRun(
        config,
        surroundings,
        plan,
        store,
        engine,
        coordinator,
        folder,
        session_date,
        others,
    )
    if started is not None:
        run.started = started
    return run


def _without_secrets(config: SessionConfig) -> dict[str, Any]:
    """The configuration as a journal may keep it: addresses without login and query, where feeds of one's own have keys."""
    kept = config.model_dump(mode="json")
    live = kept.get("live_config") or {}
    for key in ("url_override", "history_url_override"):
        if live.get(key) is not None:
            parts = urlsplit(live[key])
            host = parts.netloc.rpartition("@")[2]
            live[key] = parts._replace(netloc=host, query="", fragment="").geturl()
    return kept


def _live_manager(exchange_group: str, given: TimeManager | None) -> TimeManager:
    if given is None:
        return TimeManager(exchange_group, mode="live")
    manager = time_manager_for(exchange_group, given)
    if manager.get_current_mode() != "live":
        text = "time_manager is simulated; a live run needs TimeManager(mode='live')"
        raise StateError(text)
    return manager


def _first_date(config: SessionConfig, manager: TimeManager, timing: Timing) -> date:
    """The date of the session that the run begins with, as its player finds it."""
    table, now = manager.session_table, manager.clock.now_ns()
    extended = config.session_data_config.bars.extended_hours != "off"
    ends = table.post_closes if extended else table.closes
    index = int(np.searchsorted(ends, now - timing.settle, side="right"))
    if index == len(table):
        text = f"the clock is at {manager.get_current_time():%Y-%m-%d %H:%M}, after the last session of {table.calendar}"
        raise OutOfCalendarError(text, got=now)
    return from_day(int(table.dates[index]))


def _journal_folder(config: SessionConfig, storage: DataManager) -> Path | None:
    live = config.live
    if live.journal == "off":
        return None
    if live.journal_folder is not None:
        return Path(live.journal_folder)
    if _is_replay(config):
        # The same day is rehearsed again and again; nothing of it can be lost.
        return None
    root = storage.local_root
    if root is None or (root.exists() and not root.is_dir()) or _is_pattern(root):
        text = (
            f"live_config.journal_folder: missing; {str(storage.root)!r} is no folder of this machine, "
            "so name a folder for the journal"
        )
        raise ConfigError(text, got=str(storage.root))
    return root / "journal"


def _end_of_day(
    config: SessionConfig, surroundings: LiveSurroundings
) -> DataManager | None:
    """Where the bars of a session go when it has ended: nowhere, if they came from there."""
    is_rehearsed = _is_replay(config) or surroundings.api.market is not None
    if not config.live.store_end_of_day or is_rehearsed:
        return None
    root = surroundings.storage.local_root
    if root is not None and (
        (root.exists() and not root.is_dir()) or _is_pattern(root)
    ):
        text = (
            f"live_config.store_end_of_day: {str(root)!r} is no folder, so bars cannot be written there; "
            "give a folder as data, or set it to false"
        )
        raise ConfigError(text, got=str(root))
    return surroundings.storage


def _is_replay(config: SessionConfig) -> bool:
    return config.api_config is not None and config.api_config.data_api == REPLAY


def _is_pattern(root: Path) -> bool:
    return not root.exists() and any(mark in str(root) for mark in "*?[")


def _with_those_of_journal(
    plan: StreamPlan,
    store: SessionData,
    config: SessionConfig,
    surroundings: LiveSurroundings,
) -> StreamPlan:
    """The plan, then the other symbols of the session that was broken off: they go on too.

    They had joined it, or were taken out of the configuration since.
    """
    planned = {each.symbol for each in plan.symbols}
    others = [
        each
        for name in store._symbols
        if name not in planned
        for each in _plan_of(config, surroundings, name, None).symbols
    ]
    return replace(plan, symbols=(*plan.symbols, *others)) if others else plan


def _plan_of(
    config: SessionConfig,
    surroundings: LiveSurroundings,
    symbol: str,
    streams: Sequence[str] | None,
) -> StreamPlan:
    return plan_of(
        symbol,
        streams,
        config,
        surroundings.history,
        time_manager=surroundings.time_manager,
        start=0,
        end=0,
        offer=surroundings.offer,
    )


def _ns(seconds: float) -> int:
    return round(seconds * _SECOND)
