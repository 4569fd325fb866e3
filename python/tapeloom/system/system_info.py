"""The state of a run as JSON has it: dicts, lists, texts and numbers."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tapeloom.session.result import plain
from tapeloom.system.live_wiring import LiveRun

if TYPE_CHECKING:
    from tapeloom.live.live_health import LiveHealth
    from tapeloom.system.wiring import Run

__all__ = ["health_info", "info_of"]


def info_of(
    run: Run | LiveRun, *, complete: bool = False, since_epoch: int | None = None
) -> dict[str, Any]:
    """Return the state of a run.

    Parameters
    ----------
    run
        The run.
    complete
        Whether configuration, plan and everything in the store are part of it.
    since_epoch
        Only what changed in the store after an epoch, as a former answer named it.
    """
    store, coordinator = run.session_data, run.coordinator
    window = run.config.backtest_config
    current = store.current_session_date
    found: dict[str, Any] = {
        "session_name": run.config.session_name,
        "mode": run.config.mode,
        "exchange_group": run.config.exchange_group,
        "timezone": str(store.timezone),
        "table_fingerprint": store.session_table.fingerprint,
        "backtest_start_date": None if window is None else str(window.start_date),
        "backtest_end_date": None if window is None else str(window.end_date),
        "session_date": None if current is None else str(current),
        "session_ended": store.session_ended,
        "is_active": store.is_active,
        "clock": run.time_manager.get_current_time().isoformat(),
        "epoch": store.epoch,
        "symbols": sorted(store.get_active_symbols()),
        "sessions": [plain(asdict(s)) for s in coordinator.tally.sessions],
        "lag_seconds": coordinator.lag_seconds,
        "catching_up": sorted(coordinator.catching_up),
        "overruns": coordinator.overruns,
        "metrics": coordinator.metrics.to_dict("backtest"),
    }
    if isinstance(run, LiveRun):
        found["health"] = health_info(run.coordinator.health())
        found["journal_folder"] = run.journal_folder and str(run.journal_folder)
    if complete or since_epoch is not None:
        found["session_data"] = store.to_dict(since_epoch)
    if complete:
        found["config"] = run.config.model_dump(mode="json")
        found["plan"] = run.plan.to_dict()
    return found


def health_info(health: LiveHealth) -> dict[str, Any]:
    """Return how a live run is doing; the symbols by name."""
    date = health.session_date
    return {
        "state": str(health.state),
        "clock": health.clock,
        "session_date": None if date is None else date.isoformat(),
        "is_connected": health.is_connected,
        "outages": health.outages,
        "lag_seconds": health.lag_seconds,
        "counts": dict(health.counts),
        "bounds": {name: list(pair) for name, pair in health.bounds.items()},
        "fills": list(health.fills),
        "journal": {name: _text(value) for name, value in health.journal.items()},
        "feed": None if health.feed is None else asdict(health.feed),
        "symbols": {
            name: {**asdict(each), "state": str(each.state)}
            for name, each in health.symbols.items()
        },
    }


def _text(value: object) -> object:
    """A value of the journal's state; what JSON does not have, such as a path or an error, as text."""
    return (
        value if value is None or isinstance(value, bool | int | float) else str(value)
    )
