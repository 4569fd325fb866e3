"""Calls the alerts that are due; one that fails ends the run like an analysis that does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tapeloom.errors import AnalysisError

if TYPE_CHECKING:
    from tapeloom.calendars.time_manager import TimeManager

__all__ = ["call_alerts"]


def call_alerts(time_manager: TimeManager, until: int, *, opening: bool = True) -> None:
    """Call the alerts that are due by an instant (ns UTC); those of an open at that instant only with ``opening``.

    Raises
    ------
    AnalysisError
        If an alert raises; the original exception is its cause.
    """
    due = time_manager.next_alert_ns()
    if due is None or due > until:
        return
    before = time_manager.last_alert
    try:
        time_manager.run_alerts(until, opening=opening)
    except Exception as error:
        at = time_manager.last_alert
        if at is before:
            raise
        text = f"alert at {at} failed: {type(error).__name__}: {error}"
        raise AnalysisError(text, time=at) from error
