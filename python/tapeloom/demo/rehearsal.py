"""A rehearsal of a live day on one machine: the stream breaks, bars get lost, the process is killed; then the books are compared."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from tapeloom.calendars.days import to_day
from tapeloom.demo.live_market import RunningMarket
from tapeloom.demo.live_process import (
    Closed,
    Failed,
    LiveProcess,
    Order,
    Ready,
    Seen,
    Started,
)
from tapeloom.demo.rehearsal_plan import Outcome, Plan
from tapeloom.demo.story import Story
from tapeloom.errors import ArgumentError, FeedError, MissingDependencyError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date
    from pathlib import Path

    from tapeloom.bars import Bars
    from tapeloom.demo.folder import DemoFolder
    from tapeloom.live.live_health import LiveHealth
    from tapeloom.live.server import Fault, FeedServer

__all__ = ["rehearse"]

_MINUTE = 60_000_000_000
_STREAMS = ["1m", "5m", "1d"]
#: Seconds of ours between the begin of market time and the open.
_AHEAD = 1.0
#: Seconds without a word after which the process is given up; it speaks four times a second.
_SILENCE = 60.0


def rehearse(
    made: DemoFolder,
    plan: Plan,
    *,
    tell: Callable[[str], object],
    show: Callable[[LiveHealth], object] | None = None,
) -> Outcome:
    """Play one day of the made-up market as a live day.

    Parameters
    ----------
    made
        Where the market was written; journal and config go into the folder ``live`` beside it.
    plan
        What is to happen.
    tell
        Called with each sentence of the story.
    show
        Called with how the session is doing, some times a second.

    Raises
    ------
    MissingDependencyError
        If the extra ``live`` is not installed.
    FeedError
        If the session fails, or says nothing for a minute.
    """
    from tapeloom.calendars.session_table import get_session_table
    from tapeloom.live.server import FeedServer

    _require_client()
    table = get_session_table("US_EQUITY")
    index = int(table.dates.searchsorted(to_day(plan.day)))
    opened, closed = int(table.opens[index]), int(table.closes[index])
    folder = _new_folder(made.root / "live")
    config = _config(made, plan, folder)
    begin = opened - round(_AHEAD * plan.speed * 1e9)
    story = Story(table.zone, made.planted.thin, tell)
    with FeedServer(
        made.data,
        symbols=plan.symbols or None,
        start=begin,
        faults=_faults(plan, opened),
    ) as server:
        story.begins(plan.day, opened, closed, plan.speed, len(server.symbols))
        run = _Rehearsal(made, plan, config, server, story, show)
        ended = run.play(begin, opened, closed)
    journal = folder / "journal" / f"{plan.day.isoformat()}.journal"
    return _compared(made, plan, run, ended, journal, (opened, closed))


class _Rehearsal:
    """The day while it runs."""

    def __init__(
        self,
        made: DemoFolder,
        plan: Plan,
        config: dict[str, Any],
        server: FeedServer,
        story: Story,
        show: Callable[[LiveHealth], object] | None,
    ) -> None:
        self._made, self._plan, self._config = made, plan, config
        self._server, self.story, self._show = server, story, show
        self._process: LiveProcess | None = None
        self.recovered = Started(0, 0, 0.0)

    def play(self, begin: int, opened: int, closed: int) -> Closed:
        """Run the day to its end; nothing is left running, however it ends."""
        try:
            first = self._started()
            # The market begins when somebody can listen.
            market = RunningMarket(self._server, begin, self._plan.speed)
            with market:
                self._give_order(first, market)
                kill_at = opened + self._plan.killed_after * _MINUTE
                if self._follow(first, market, until=kill_at) is not None:
                    raise self._too_fast()
                first.kill()
                self.story.killed(market.now_ns, first.pid)
                second = self._started()
                if market.now_ns >= closed:
                    raise self._too_fast()
                self._give_order(second, market)
                ended = self._follow(second, market)
                assert ended is not None
                self.story.closed(market.now_ns, ended)
                return ended
        finally:
            if self._process is not None:
                self._process.kill()

    def _too_fast(self) -> ArgumentError:
        speed = self._plan.speed
        text = f"speed is {speed:g}, at which the day was over before a process had started again; give less, such as 100"
        return ArgumentError(text, got=speed)

    def _started(self) -> LiveProcess:
        self._process = process = LiveProcess()
        said = self._heard(process)
        assert isinstance(said, Ready)
        return process

    def _give_order(self, process: LiveProcess, market: RunningMarket) -> None:
        server, data = self._server, str(self._made.root / "live" / "data")
        process.order(
            Order(
                self._config, data, server.stream_url, server.history_url, market.time
            )
        )

    def _heard(self, process: LiveProcess) -> Any:
        said = process.message(_SILENCE)
        if isinstance(said, Failed):
            raise FeedError(f"the rehearsed session failed: {said.text}")
        if said is None:
            text = "has died" if not process.is_alive else "says nothing"
            raise FeedError(f"the process of the rehearsed session {text}")
        return said

    def _follow(
        self, process: LiveProcess, market: RunningMarket, until: int | None = None
    ) -> Closed | None:
        """Listen until the session has ended, or to an instant of the market."""
        while until is None or market.now_ns < until:
            if market.error is not None:
                raise market.error
            said = self._heard(process)
            if isinstance(said, Closed):
                return said
            if isinstance(said, Started):
                self.story.started(market.now_ns, said, process.pid)
                if said.records:
                    self.recovered = said
            elif isinstance(said, Seen):
                self.story.seen(said)
                if self._show is not None:
                    self._show(said.health)
        return None


def _require_client() -> None:
    """Raise MissingDependencyError now, and not in another process."""
    if find_spec("alpaca") is None:
        text = "alpaca-py is not installed; run: pip install 'tapeloom[live]'"
        raise MissingDependencyError(text, extra="live")


def _new_folder(folder: Path) -> Path:
    """An empty folder: what an earlier rehearsal left there goes."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir()
    return folder


def _config(made: DemoFolder, plan: Plan, folder: Path) -> dict[str, Any]:
    symbols = plan.symbols or tuple(made.planted.missing)
    needed = {"trailing_days": plan.history_days, "intervals": ["1m"]}
    return {
        "session_name": "rehearsal",
        "mode": "live",
        "api_config": {"data_api": "alpaca"},
        "live_config": {
            "journal_folder": str(folder / "journal"),
            # A bar is on its way for some milliseconds of ours, which are seconds of this market.
            "grace_seconds": 0.05 * plan.speed,
            "gap_grace_seconds": 0.1 * plan.speed,
            "tolerance_seconds": 0.1 * plan.speed,
            # What is compared afterwards.
            "store_end_of_day": False,
        },
        "session_data_config": {
            "symbols": list(symbols),
            "streams": _STREAMS,
            "historical": {"data": [{**needed, "apply_to": "all"}]},
            "gap_filler": {"retry_interval_seconds": 1.0},
        },
    }


def _faults(plan: Plan, opened: int) -> list[Fault]:
    from tapeloom.live.server import Fault

    return [
        Fault(
            "disconnect",
            # Behind the bar that ends then.
            at=opened + plan.breaks_after * _MINUTE + _MINUTE // 2,
            seconds=plan.broken_minutes * 60.0,
            what="all",
        ),
        Fault(
            "drop",
            at=opened + plan.lost_after * _MINUTE + _MINUTE // 2,
            symbols=(plan.lost_symbol,),
            count=plan.lost_bars,
        ),
    ]


def _compared(
    made: DemoFolder,
    plan: Plan,
    run: _Rehearsal,
    ended: Closed,
    journal: Path,
    span: tuple[int, int],
) -> Outcome:
    """Read the journal again, replay it, and run the day as if nothing had gone wrong."""
    from tapeloom.live.recording import Recording
    from tapeloom.live.recovery import journal_bars, recover

    market = Recording(made.data, symbols=plan.symbols or None)
    hashes = {
        "live": ended.state_hash,
        "recovered": recover(journal).state_hash(),
        "replayed": _replayed(journal_bars(journal), plan.day),
        "undisturbed": _replayed(
            {name: market.read(name, *span) for name in market.symbols}, plan.day
        ),
    }
    return Outcome(
        day=plan.day,
        speed=plan.speed,
        symbols=len(plan.symbols or made.planted.missing),
        bars=ended.bars,
        filled=run.story.filled,
        missing=ended.missing,
        disturbances=tuple(run.story.disturbances),
        recovered_bars=run.recovered.bars,
        recovery_seconds=run.recovered.seconds,
        hashes=hashes,
        journal=journal,
    )


def _replayed(bars: dict[str, Bars], day: date) -> str:
    """Run a backtest over one day; return the state hash at its close."""
    import tapeloom

    batches = tapeloom.replay(bars, start=day, end=day, intervals=_STREAMS)
    for _ in batches:
        pass
    return batches.session_data.state_hash()
