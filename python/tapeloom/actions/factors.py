"""The factors of the actions of one symbol, multiplied up to a date, and bars they are applied to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tapeloom._core import Bars
from tapeloom.calendars.days import to_day

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tapeloom._core import SessionTable
    from tapeloom.actions.action import Action

__all__ = ["Factors", "multiplied"]


@dataclass(frozen=True, slots=True)
class Factors:
    """The actions of one symbol, oldest first."""

    days: NDArray[np.int64]
    price: NDArray[np.float64]
    volume: NDArray[np.float64]

    @classmethod
    def of(cls, actions: Sequence[Action]) -> Factors:
        """Return the factors of actions of one symbol, oldest first."""
        return cls(
            np.array([to_day(row.ex_date) for row in actions], np.int64),
            np.array([row.price_factor for row in actions], np.float64),
            np.array([row.volume_factor for row in actions], np.float64),
        )

    def of_days(
        self, days: NDArray[np.int64], until: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """Price and volume factor of each day in the shares of a later one; ``None`` where nothing changes."""
        known = int(np.searchsorted(self.days, until, side="right"))
        # Element k is the product of the actions from k on, the last one 1.
        at = np.searchsorted(self.days[:known], days, side="right")
        if not known or (at == known).all():
            return None
        price, volume = (
            np.append(np.cumprod(column[:known][::-1])[::-1], 1.0)
            for column in (self.price, self.volume)
        )
        return price[at], volume[at]


def multiplied(bars: Bars, factors: Factors, until: int, table: SessionTable) -> Bars:
    """Return bars of one symbol in the shares of a day; the same object where nothing changes, else new columns."""
    sessions = table.session_of(bars.ts)
    # What lies between sessions has the shares of the session before it.
    before = np.searchsorted(table.span_starts, bars.ts, side="right") - 1
    at = np.where(sessions >= 0, sessions, np.maximum(before, 0))
    found = factors.of_days(table.dates[at].astype(np.int64), until)
    if found is None:
        return bars
    price, volume = found
    columns: dict[str, Any] = {
        "ts": bars.ts,
        "volume": bars.volume * volume,
        "zone": bars.zone,
        "table": bars.table,
        "flags": bars.flags,
    }
    for name in ("open", "high", "low", "close"):
        columns[name] = getattr(bars, name) * price
    if bars.is_derived:
        columns |= {"constituents": bars.constituents, "anchor": bars.anchor}
    return Bars.from_columns(bars.symbol, bars.interval, **columns)
