"""Made-up minute bars of many symbols, the same on every machine: what nearly every bench is fed with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from tapeloom import Bars
from tapeloom.calendars import from_day, get_session_table, to_day

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tapeloom._core import SessionTable

__all__ = ["FIELDS", "MINUTE", "Columns", "Market", "make_market"]

MINUTE = 60_000_000_000
FIELDS = ("open", "high", "low", "close", "volume")
Columns = dict[str, "NDArray[Any]"]

_FIRST_DAY = date(2024, 1, 2)
# Standard deviation of a minute's change, as a share of the first price.
_STEP = 4e-4


@dataclass(frozen=True)
class Market:
    """The minute bars of some symbols over some sessions."""

    table: SessionTable
    # Positions in the table.
    sessions: range
    # All minutes that are due.
    grid: NDArray[np.int64]
    columns: dict[str, Columns]

    @cached_property
    def bars(self) -> dict[str, Bars]:
        zone, table = self.table.zone, self.table
        return {
            symbol: Bars.from_columns(symbol, "1m", **columns, zone=zone, table=table)
            for symbol, columns in self.columns.items()
        }

    @property
    def symbols(self) -> list[str]:
        return list(self.columns)

    @property
    def rows(self) -> int:
        return sum(len(columns["ts"]) for columns in self.columns.values())

    @property
    def dates(self) -> list[date]:
        return [from_day(int(self.table.dates[index])) for index in self.sessions]

    @cached_property
    def joined(self) -> Columns:
        """All symbols behind each other, with the position of the symbol in ``source``."""
        several = list(self.columns.values())
        joined: Columns = {
            name: np.concatenate([columns[name] for columns in several])
            for name in ("ts", *FIELDS)
        }
        lengths = [len(columns["ts"]) for columns in several]
        joined["source"] = np.repeat(np.arange(len(several), dtype=np.int32), lengths)
        return joined


def make_market(
    symbols: int,
    sessions: int,
    *,
    seed: int,
    drop: float = 0.0,
    jitter: bool = False,
) -> Market:
    """Make the bars of the first New York sessions of 2024.

    Parameters
    ----------
    seed
        With the number of the symbol what all its values follow from.
    drop
        Share of the bars that are missing, chosen at random.
    jitter
        Whether stamps lie anywhere in their minute, so that hardly two are equal. Not in a session's last minute: at
        its end the bars of all symbols are known at once, whenever they began.
    """
    table = get_session_table("US_EQUITY")
    first = table.sessions_before(to_day(_FIRST_DAY))
    positions = range(first, first + sessions)
    days = [table.grid(index, "1m") for index in positions]
    grid = np.concatenate(days)
    # From -1 at the open to 1 at the close.
    place = np.concatenate([np.linspace(-1.0, 1.0, day.size) for day in days])
    # Three times as much is traded at the open and the close as at noon.
    activity = 1.0 + 2.0 * place**2
    width = np.where(place < 1.0, MINUTE, 1) if jitter else None
    columns = {
        f"S{number:04d}": _columns([seed, number], grid, activity, drop, width)
        for number in range(symbols)
    }
    return Market(table, positions, grid, columns)


def _columns(
    seed: list[int],
    grid: NDArray[np.int64],
    activity: NDArray[np.float64],
    drop: float,
    width: NDArray[np.int64] | None,
) -> Columns:
    """Prices in whole cents, volumes in whole shares."""
    rng = np.random.default_rng(seed)
    start = rng.integers(2_000, 50_000)
    steps = np.rint(rng.standard_normal(grid.size) * (_STEP * start))
    close = start + np.cumsum(steps)
    opening = close - steps
    spread = rng.integers(1, 6, (2, grid.size))
    volume = np.floor(activity * rng.gamma(2.0, 400.0, grid.size)) + 1.0
    ts = grid if width is None else grid + rng.integers(0, width)
    kept = rng.random(grid.size) >= drop if drop else slice(None)
    cents = {
        "open": opening,
        "high": np.maximum(opening, close) + spread[0],
        "low": np.minimum(opening, close) - spread[1],
        "close": close,
    }
    prices = {name: np.ascontiguousarray(c[kept] / 100.0) for name, c in cents.items()}
    return {"ts": ts[kept].copy(), **prices, "volume": volume[kept].copy()}
