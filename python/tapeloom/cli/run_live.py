"""How ``tapeloom run`` runs a live config: what is shown meanwhile, how Ctrl-C ends it, and what is said of it then."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tapeloom.words import counted

if TYPE_CHECKING:
    from tapeloom.system.live_wiring import LiveRun
    from tapeloom.system.system_manager import SystemManager

__all__ = ["play_live", "what_is_kept"]


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
