"""A small made-up market in memory, runs over it, and an analysis that writes down all it is told."""

from __future__ import annotations

import random
import threading
from copy import deepcopy
from datetime import date
from typing import TYPE_CHECKING, Any

from tapeloom.system.system_manager import SystemManager
from tests.reference.bars import Bar
from tests.reference.schedule import MINUTE
from tests.session.memory import JULY, MemorySource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tapeloom import BarData, SessionData
    from tapeloom.session.coordinator import SessionCoordinator

__all__ = [
    "CONFIG",
    "Diary",
    "config",
    "market",
    "market_tapes",
    "prepared",
    "state_of",
    "threads",
]

DAYS = [day for day in JULY if day.date >= date(2025, 6, 30)]
CONFIG: dict[str, Any] = {
    "session_name": "made up",
    "mode": "backtest",
    # A full day, a half day, a holiday and a weekend, a full day.
    "backtest_config": {"start_date": "2025-07-02", "end_date": "2025-07-07"},
    "session_data_config": {
        "symbols": ["MSFT", "AAPL", "RIVN"],
        "streams": ["1m", "5m", "1d", "quotes"],
        "streaming": {"catchup_threshold_seconds": 1e12},
        "historical": {
            "data": [{"trailing_days": 2, "intervals": ["1m"]}],
            "indicators": {
                "avg_volume": {"type": "trailing_average", "period": "2d"},
            },
        },
    },
}


def market(*symbols: str, seed: int = 7, thin: float = 0.05) -> MemorySource:
    """Minute bars of some symbols over the days, each minute missing with a small chance."""
    return MemorySource(market_tapes(*symbols, seed=seed, thin=thin))


def market_tapes(
    *symbols: str, seed: int = 7, thin: float = 0.05
) -> dict[tuple[str, str], list[Bar]]:
    """The bars of :func:`market` by symbol and interval."""
    tapes: dict[tuple[str, str], list[Bar]] = {}
    for symbol in symbols or ("MSFT", "AAPL", "RIVN", "LATE"):
        chance = random.Random(f"{seed} {symbol}")
        price, rows = 100.0, []
        for day in DAYS:
            for start, end in day.segments:
                for ts in range(start, end, MINUTE):
                    price *= 1 + chance.gauss(0, 0.0005)
                    low, high = price * 0.999, price * 1.001
                    bar = Bar(
                        ts, price, high, low, price, float(chance.randrange(9_999))
                    )
                    if chance.random() >= thin:
                        rows.append(bar)
        tapes[symbol, "1m"] = rows
    return tapes


def config(**changes: Any) -> dict[str, Any]:
    """The configuration with values at dotted paths, given with two underscores for a dot."""
    made = deepcopy(CONFIG)
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = made
        for part in parents:
            place = place.setdefault(part, {})
        place[last] = value
    return made


def prepared(
    *analyses: object, **changes: Any
) -> tuple[SystemManager, SessionCoordinator]:
    """A manager whose run is wired and has not begun; ``source`` is that of :func:`market` if not given."""
    source = changes.pop("source", None)
    manager = SystemManager()
    for analysis in analyses:
        manager.engine.add(analysis)
    run = manager.prepare(config(**changes), source=source or market())
    return manager, run.coordinator


class Diary:
    """Writes down every call with the clock and the epoch, and the digest at the end of each session."""

    def __init__(self) -> None:
        self.lines: list[tuple[object, ...]] = []
        self.hashes: list[str] = []
        self.threads: set[str] = set()

    def on_session_start(self, session: SessionData) -> None:
        self.lines.append(("start", session.current_session_date))

    def on_bar(self, session: SessionData, bar: BarData) -> None:
        self.lines.append((bar.symbol, bar.interval, bar.ts, bar.close))

    def on_batch(self, session: SessionData, batch: Any) -> None:
        self.threads.add(threading.current_thread().name)
        known = [session.get_bar_count(s) for s in ("MSFT", "AAPL", "RIVN")]
        quote = session.get_latest_quote("MSFT")
        self.lines.append((batch.ts, batch.time, len(batch), known, quote))

    def on_session_end(self, session: SessionData) -> None:
        self.hashes.append(session.state_hash())
        self.lines.append(("end", session.current_session_date, self.hashes[-1]))


def threads() -> set[str]:
    """Names of our threads that are alive when a run is over."""
    for thread in threading.enumerate():
        # A run waits for no call of history; when that returns, its thread ends.
        if thread.name.startswith("tapeloom-gap-filler"):
            thread.join(60)
    names = {thread.name for thread in threading.enumerate()}
    return {name for name in names if name.startswith("tapeloom-")}


def state_of(session: SessionData) -> Mapping[str, object]:
    """Everything a store says of itself that does not depend on how often it published."""
    found = session.to_dict()
    found.pop("epoch", None)
    return found
