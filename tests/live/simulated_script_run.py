"""Plays the script of a simulated day: the real parts of a live run over a clock, a feed, a vendor and a disk that are made up."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from tapeloom import SessionData
from tapeloom.config.stream_plan import StreamPlan
from tapeloom.errors import JournalError
from tapeloom.live.feed import SymbolStatus
from tapeloom.live.journal import SessionJournal
from tapeloom.live.journal_header import Patience
from tapeloom.live.live_player import Stage
from tapeloom.statuses import ConnectionEvent
from tests.live.made import SetClock
from tests.live.simulated_day import (
    NoPast,
    SimulatedRun,
    closing_at,
    config_of,
    live_manager,
)
from tests.live.simulated_script import DATE, TOLERANCE
from tests.live.simulated_vendor import MarketVendor
from tests.reference.schedule import MINUTE, SECOND

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tapeloom import TimeManager
    from tapeloom.bars import BarData
    from tapeloom.config.session_config import SessionConfig
    from tapeloom.live.live_health import SymbolState
    from tapeloom.statuses import TradingStatus
    from tests.live.simulated_script import Arrival, Change, Script

__all__ = [
    "CLOCK",
    "PATIENCE",
    "Listener",
    "Noting",
    "Report",
    "ScriptRun",
    "Told",
    "manager_of",
    "overlay_of",
    "play",
]

#: One for all days: the time managers, which are dear, read it.
CLOCK = SetClock()
PATIENCE = Patience(2 * SECOND, TOLERANCE)
GAP_GRACE = 5 * SECOND


@cache
def manager_of(minutes: int) -> TimeManager:
    """The calendar in which the day has so many minutes."""
    return live_manager(CLOCK, f"09:{30 + minutes}", DATE)


def overlay_of(minutes: int) -> dict[str, Any]:
    """The correction of the calendar by which the day has so many minutes."""
    return closing_at(f"09:{30 + minutes}", DATE)


@cache
def config_for(
    symbols: tuple[str, ...], derived: tuple[str, ...], policies: tuple[Any, ...]
) -> SessionConfig:
    return config_of(symbols, streams=["1m", *derived], bars=dict(policies))


@cache
def plan_for(config: SessionConfig, manager: TimeManager) -> StreamPlan:
    symbols = config.session_data_config.symbols
    assert isinstance(symbols, tuple)
    return StreamPlan.build(config, NoPast(symbols), manager, start=1, end=2)


Report: TypeAlias = "SymbolStatus | ConnectionEvent"


class Told(NamedTuple):
    """A bar that an analysis was told of."""

    at: int
    hook: str
    bar: BarData


class Listener:
    """An analysis that keeps what it was told, and what was there before."""

    def __init__(self) -> None:
        self.told: list[Told] = []
        #: Symbol and start of the base bars that were there when the session began.
        self.warm: set[tuple[str, int]] = set()
        self.starts = self.ends = 0

    def on_session_start(self, session: SessionData) -> None:
        self.starts += 1
        assert not self.told, "a bar was told before the session began"
        for name in session.get_active_symbols():
            self.warm |= {(name, ts) for ts in session.get_bars(name).ts.tolist()}

    def on_bar(self, session: SessionData, bar: BarData) -> None:
        self.told.append(Told(CLOCK.now, "bar", bar))

    def on_update(self, session: SessionData, bar: BarData) -> None:
        self.told.append(Told(CLOCK.now, "update", bar))

    def on_session_end(self, session: SessionData) -> None:
        self.ends += 1


class Look(NamedTuple):
    """How a run was doing at an instant."""

    at: int
    is_connected: bool
    states: dict[str, SymbolState]
    #: Whether a symbol lacked a bar that could be had.
    lacks: dict[str, bool]


class Noting(SessionJournal):
    """A journal that keeps in memory what was reported through it."""

    def __init__(
        self,
        session_data: SessionData,
        *,
        path: Path = Path("unwritten"),
        mode: str = "off",
        **options: Any,
    ) -> None:
        super().__init__(path, session_data, mode=mode, **options)
        self.reports: list[Report] = []

    def append_status(self, symbol: str | None, status: TradingStatus) -> None:
        super().append_status(symbol, status)
        self.reports.append(SymbolStatus(symbol, status))

    def append_connection(self, event: ConnectionEvent) -> None:
        super().append_connection(event)
        self.reports.append(event)


class BrokenDisk(Noting):
    """A journal whose disk fails in some stretches: what is to be written then is refused until it is reopened.

    Nothing is written really. What the session sees of it is what it sees of a real one.
    """

    def __init__(
        self, session_data: SessionData, broken: Sequence[tuple[int, int]]
    ) -> None:
        super().__init__(session_data)
        self._broken = broken
        self._is_degraded = False

    @property
    def state(self) -> str:
        return "degraded" if self._is_degraded else super().state

    def reopen(self, path: object = None) -> Path:
        if self._fails():
            raise JournalError("no space left")
        self._is_degraded = False
        return self.path

    def _fails(self) -> bool:
        return any(start <= CLOCK.now < end for start, end in self._broken)

    def begin_step(
        self, live: Any, bars: Sequence[BarData], clock: int, **options: Any
    ) -> Any:
        if bars:
            self._require_disk()
        return super().begin_step(live, bars, clock, **options)

    def _write(
        self, put: Callable[..., Any], apply: Callable[[], Any], **options: Any
    ) -> Any:
        self._require_disk()
        return super()._write(put, apply, **options)

    def _require_disk(self) -> None:
        if self._is_degraded or self._fails():
            self._is_degraded = True
            raise JournalError("no space left")


class ScriptRun(SimulatedRun):
    """A run of a script."""

    def __init__(self, script: Script, **options: Any) -> None:
        self.script = script
        self.listener = Listener()
        #: How the symbols of a day with an outage did, turn by turn.
        self.looks: list[Look] = []
        manager = manager_of(script.minutes)
        begin = options.pop("begin", script.begin)
        config = self._config(script.begin_with)
        # Of an outage that has begun before, it hears as it begins.
        events: list[Arrival] = []
        if script.is_down(begin):
            events.append((begin, ConnectionEvent(begin, False)))
        events += [each for each in script.events if each[0] >= begin]
        if "journal" not in options:
            CLOCK.now = script.begin
            store = SessionData(time_manager=manager, **script.policies)
            options["journal"] = (
                BrokenDisk(store, script.broken_disk)
                if script.broken_disk
                else Noting(store)
            )
        vendor = None if script.vendor == "none" else MarketVendor(script, CLOCK)
        self.vendor = vendor
        self.manager = manager
        super().__init__(
            config,
            manager,
            CLOCK,
            events,
            begin=begin,
            vendor=vendor,
            delay=script.delay,
            analysis=self.listener,
            plan=plan_for(config, manager),
            sleeps=script.sleeps,
            changes=[(change.at, self._change(change)) for change in script.changes],
            **options,
        )

    def after_turn(self, now: int) -> None:
        # Looking costs as much as a step.
        if self.script.outages and self.player.stage is Stage.OPEN:
            session = self.parts.session
            states = {name: each.state for name, each in session.symbols(now).items()}
            missing = {name: self._lacks(name, now) for name in states}
            self.looks.append(Look(now, session.is_connected, states, missing))

    def _lacks(self, name: str, now: int) -> bool:
        """Whether a bar is due, and not there, that the vendor has."""
        traded, there = (
            self.script.truth[name],
            set(self.store.get_bars(name).ts.tolist()),
        )
        return any(
            ts + MINUTE <= now - GAP_GRACE
            and ts not in there
            and (name, ts) not in self.script.holes
            for ts in traded
        )

    @property
    def reports_written(self) -> list[Report]:
        """What the store was told of trading and connections."""
        assert isinstance(self.journal, Noting)
        return self.journal.reports

    def _config(self, symbols: tuple[str, ...]) -> SessionConfig:
        policies = tuple(sorted(self.script.policies.items()))
        return config_for(symbols, self.script.derived, policies)

    def _change(self, change: Change) -> Callable[[SimulatedRun], object]:
        def change_it(_: SimulatedRun) -> None:
            if change.joins:
                plan = plan_for(self._config((change.symbol,)), self.manager)
                self.parts.add(plan)
            else:
                self.parts.remove(change.symbol)
                for told in [
                    t for t in self.listener.told if t.bar.symbol == change.symbol
                ]:
                    self.listener.told.remove(told)
                self.listener.warm = {
                    key for key in self.listener.warm if key[0] != change.symbol
                }
            self.player.follow_symbols(self.clock.now)

        return change_it


def play(script: Script) -> ScriptRun:
    """Play a script to its end."""
    run = ScriptRun(script)
    run.run()
    return run
