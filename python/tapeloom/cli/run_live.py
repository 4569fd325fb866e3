"""How ``tapeloom run`` runs a live config: what is shown meanwhile, how Ctrl-C ends it, and what is said of it then."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tapeloom.words import counted

if TYPE_CHECKING:
    from tapeloom.calendars import TimeManager
    from tapeloom.config import SessionConfig
    from tapeloom.live import DataApi
    from tapeloom.system.live_wiring import LiveRun
    from tapeloom.system.system_manager import SystemManager

__all__ = [
    "play_live",
    "rehearsed",
    "what_comes",
    "what_goes_on",
    "what_is_kept",
    "what_is_rehearsed",
]


def rehearsed(
    address: str, config: SessionConfig, calendar: TimeManager | None
) -> DataApi:
    """Return the market at an address, for a live config that is rehearsed on it."""
    from tapeloom.calendars import TimeManager
    from tapeloom.config.data_apis import REPLAY
    from tapeloom.errors import ArgumentError
    from tapeloom.live.served_market import served_market

    if config.mode != "live":
        text = "--rehearse plays a market to a live config, and this one is a backtest; leave --rehearse out, or set its mode to 'live'"
        raise ArgumentError(text, got=config.mode)
    if config.api_config is not None and config.api_config.data_api == REPLAY:
        text = "--rehearse plays a market to a live config, and this one replays stored bars; leave --rehearse out, or set data_api to 'alpaca'"
        raise ArgumentError(text, got=REPLAY)
    if calendar is None:
        calendar = TimeManager(config.exchange_group, mode="live")
    return served_market(address, config, calendar)


def what_is_rehearsed(run: LiveRun) -> str:
    """Say that a run is a rehearsal, and what of it is kept."""
    kept = run.journal_folder
    where = "no journal" if kept is None else f"the journal is in {kept}"
    at = run.time_manager.get_current_time()
    return f"rehearsal: the market is at {at:%Y-%m-%d %H:%M}; {where}, and nothing is stored at the end of the day"


def what_comes(run: LiveRun) -> str | None:
    """Say for which session a run waits; ``None`` if one is open."""
    times, bars = run.time_manager, run.config.session_data_config.bars
    is_extended = bars.extended_hours != "off"
    coming = times.get_trading_session(run.session_date)
    opens = (is_extended and coming.pre_market_open) or coming.regular_open
    now = times.get_current_time()
    if opens is None or now >= opens:
        return None
    comes = (
        f"the run waits for that of {run.session_date}, which opens at {opens:%H:%M}"
    )
    today = times.get_trading_session(now.date())
    closed = (is_extended and today.post_market_close) or today.regular_close
    if closed is not None and closed <= now:
        return f"the session of {today.date} is over since {closed:%H:%M}; {comes}"
    return f"no session is open; {comes}"


def what_goes_on(run: LiveRun) -> str | None:
    """Say which symbols run on that the plan lacks; ``None`` if there are none."""
    if not run.not_planned:
        return None
    from tapeloom.config.plan_warnings import some_of

    names = some_of(run.not_planned)
    return f"the journal of {run.session_date} goes on with {names}, which the configuration does not stream"


def play_live(manager: SystemManager, run: LiveRun, *, show: bool) -> bool:
    """Run until its sessions are over; return whether somebody interrupted it."""
    from contextlib import ExitStack

    from tapeloom.report import LiveView

    coordinator = run.coordinator
    with ExitStack() as stack:
        if show:
            view = LiveView(run.time_manager.timezone)
            coordinator.progress = stack.enter_context(view)
        try:
            coordinator.start()
            coordinator.wait()
        except KeyboardInterrupt:
            # It may be waiting for the history of earlier days.
            manager.stop()
            if not coordinator.is_finished:
                text = "the run did not end; it was left behind in the middle of what it does"
                print(text, file=sys.stderr)
            return True
        except BaseException:
            manager.stop()
            raise
    return False


def what_is_kept(run: LiveRun) -> str:
    """Say where what came is now: in the journal, in the stored bars, or nowhere."""
    store, folder = run.session_data, run.journal_folder
    ended = len(run.coordinator.tally.sessions)
    at = run.time_manager.get_current_time()
    text = f"stopped at {at:%Y-%m-%d %H:%M}, after {counted(ended, 'session')}"
    day = store.current_session_date
    if day is None or store.session_ended:
        return text
    bars = counted(
        sum(len(store.get_bars(name)) for name in store.get_active_symbols()), "bar"
    )
    if folder is None:
        return f"{text}; {bars} of {day} were not kept, as there is no journal"
    return f"{text}; {bars} of {day} are in {folder}, where the next run goes on"
