"""Puts bars of days and weeks at the open of their session, whatever time of day they came with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tapeloom.timestamps import NS_PER_DAY
from tapeloom.timestamps.clock_changes import zone_rules

if TYPE_CHECKING:
    from datetime import tzinfo

    import numpy.typing as npt

    from tapeloom._core import Interval, SessionTable

    Ns = npt.NDArray[np.int64]

__all__ = ["daily_dates", "session_opens"]

LONGEST_WEEK = 7


def daily_dates(ns: Ns, wall: tzinfo | None, *, table: SessionTable) -> Ns:
    """Return the date that each daily stamp means, as days since 1970-01-01.

    Stamps of a wall clock mean its date. Instants that are all midnight in UTC, or all midnight of the exchange, mean
    that date; all others the date at the exchange.

    Parameters
    ----------
    ns
        int64, shape (n,): nanoseconds of the wall clock of ``wall``, or UTC where that is ``None``.
    """
    if wall is not None or not (ns % NS_PER_DAY).any():
        return ns // NS_PER_DAY
    return _wall(ns, table.zone) // NS_PER_DAY


def session_opens(
    days: Ns, interval: Interval, *, table: SessionTable
) -> tuple[Ns, npt.NDArray[np.bool_]]:
    """Return the regular open of the session of each date, and whether there is one.

    A date of a week means the first session from it on.
    """
    dates = np.asarray(table.dates, np.int64)
    if not dates.size:
        return np.zeros(len(days), np.int64), np.zeros(len(days), np.bool_)
    at = np.minimum(np.searchsorted(dates, days), len(dates) - 1)
    reach = 0 if interval.text.endswith("d") else LONGEST_WEEK - 1
    found = (dates[at] >= days) & (dates[at] <= days + reach)
    return table.opens[at], found


def _wall(ns: Ns, zone: tzinfo) -> Ns:
    rules = zone_rules(zone, int(ns.min()), int(ns.max()))
    at = np.searchsorted(rules.changes, ns, side="right")
    offsets: Ns = rules.offsets[at]
    return ns + offsets
