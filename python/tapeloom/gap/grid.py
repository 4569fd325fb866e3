"""The bars that a session should have, with their ends, wherever the buckets are counted from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tapeloom._core import Bars, Interval
from tapeloom.timestamps import to_ns

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tapeloom._core import SessionTable

__all__ = ["expected_bars"]


def expected_bars(
    table: SessionTable,
    session: int,
    interval: str,
    *,
    base: str,
    anchor: str = "session",
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return starts and ends of the bars that one session should have, int64 ns, rising.

    Parameters
    ----------
    session
        Position in the table.
    interval
        Of the bars, at most one session.
    base
        Interval from which they are derived, ``interval`` itself if they are not.
    anchor
        From where their buckets are counted; base bars stand on the session's own grid.
    """
    if anchor == "session" or Interval(base) == Interval(interval):
        starts = table.grid(session, interval)
        return starts, table.known_at(starts, interval)
    return _buckets(table, session, interval, base, anchor)


def _buckets(
    table: SessionTable, session: int, interval: str, base: str, anchor: str
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Starts and ends of the buckets of another anchor: those that a session without holes has."""
    ts = table.grid(session, base)
    ones = np.ones(len(ts))
    whole = Bars.from_columns(
        "X",
        base,
        ts=ts,
        open=ones,
        high=ones,
        low=ones,
        close=ones,
        volume=ones,
        zone=table.zone,
        table=table,
        anchor=anchor,
    )
    buckets = whole.aggregate(interval, table=table, anchor=anchor)
    ends = [to_ns(bar.end, table.zone) for bar in buckets]
    return buckets.ts, np.array(ends, dtype=np.int64)
