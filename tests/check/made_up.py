"""Made-up bars for the tests of checks: whole days with what a test takes out of them or adds."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from tapeloom.bars import Bars
from tapeloom.calendars import get_session_table
from tests.core.loaded import days_of
from tests.reference.gaps import expected_starts
from tests.reference.schedule import interval_ns

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

__all__ = ["bars", "columns", "grid"]


def grid(
    first: str, last: str, *, group: str = "US_EQUITY", interval: str = "1m"
) -> NDArray[np.int64]:
    """All expected starts of some dates, both included."""
    days = days_of(group, date.fromisoformat(first), date.fromisoformat(last))
    step = interval_ns(interval)
    return np.array([ts for day in days for ts in expected_starts(day, step)], np.int64)


def columns(
    ts: NDArray[np.int64],
    *,
    price: float | NDArray[np.float64] = 100.0,
    without: Collection[int] = (),
) -> dict[str, NDArray[Any]]:
    """Columns of flat bars, without some rows."""
    kept = np.setdiff1d(np.arange(len(ts)), list(without))
    prices = np.broadcast_to(np.asarray(price, np.float64), len(ts))[kept]
    values = {name: prices.copy() for name in ("open", "high", "low", "close")}
    return {"ts": ts[kept], **values, "volume": np.full(len(kept), 10.0)}


def bars(
    symbol: str,
    ts: NDArray[np.int64],
    *,
    interval: str = "1m",
    price: float | NDArray[np.float64] = 100.0,
    without: Collection[int] = (),
) -> Bars:
    """The same as bars of a US share."""
    table = get_session_table("US_EQUITY")
    values = columns(ts, price=price, without=without)
    return Bars.from_columns(symbol, interval, **values, zone=table.zone, table=table)
