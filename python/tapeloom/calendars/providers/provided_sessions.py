"""``ProvidedSessions``: what a source says about a calendar, as plain arrays."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, tzinfo
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "FIRST_DATE",
    "LAST_DATE",
    "NOTHING",
    "FoundCalendar",
    "ProvidedSessions",
    "days_of",
    "nanoseconds_of",
    "split_at_breaks",
]

FIRST_DATE, LAST_DATE = date(1990, 1, 1), date(2035, 12, 31)
"""The range asked of every source: fixed, so that the same versions give the same table on every day it is built."""

NOTHING = -(2**63)
"""Where a session has no break: what NumPy's NaT is as an integer."""


class FoundCalendar(NamedTuple):
    """A calendar that a source knows."""

    code: str
    zone: tzinfo


@dataclass(frozen=True, slots=True, eq=False)
class ProvidedSessions:
    """All sessions of one calendar over the days ``[first_day, last_day]``, both included.

    Days count from 1970-01-01; arrays hold one row per session in rising order, instants in
    nanoseconds UTC.
    """

    version: str
    """Who says so, with the version."""
    first_day: int
    last_day: int
    days: NDArray[np.int64]
    segment_offsets: NDArray[np.int64]
    """Regular stretches of session i are ``[offsets[i], offsets[i + 1])``."""
    segment_starts: NDArray[np.int64]
    segment_ends: NDArray[np.int64]
    pre_opens: NDArray[np.int64]
    """Start of the pre-market; the open where there is none."""
    post_closes: NDArray[np.int64]
    """End of the post-market; the close where there is none."""
    early_closes: NDArray[np.int64]
    """Days of the sessions that close earlier than the others of their time."""
    holidays: NDArray[np.int64]
    """Days without a session on weekdays that otherwise trade."""
    holiday_names: dict[int, str] = field(default_factory=dict)

    @property
    def opens(self) -> NDArray[np.int64]:
        """Regular opens."""
        return self.segment_starts[self.segment_offsets[:-1]]

    @property
    def closes(self) -> NDArray[np.int64]:
        """Regular closes."""
        return self.segment_ends[self.segment_offsets[1:] - 1]


def split_at_breaks(
    opens: NDArray[np.int64],
    closes: NDArray[np.int64],
    break_starts: NDArray[np.int64],
    break_ends: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return offsets, starts and ends of the regular stretches: two where a session has a break, ``NOTHING`` means none."""
    # A session that closes before its break, or opens after it, has none.
    broken = (
        (break_starts != NOTHING)
        & (opens < break_starts)
        & (break_starts < break_ends)
        & (break_ends < closes)
    )
    offsets = np.concatenate(([0], np.cumsum(1 + broken.astype(np.int64))))
    starts, ends = np.empty((2, offsets[-1]), dtype=np.int64)
    starts[offsets[:-1]] = opens
    ends[offsets[1:] - 1] = closes
    ends[offsets[:-1][broken]] = break_starts[broken]
    starts[offsets[:-1][broken] + 1] = break_ends[broken]
    return offsets, starts, ends


def days_of(index: Any) -> NDArray[np.int64]:
    """Return a pandas index of dates as days since 1970-01-01."""
    days: NDArray[np.int64] = index.to_numpy().astype("datetime64[D]").astype(np.int64)
    return days


def nanoseconds_of(column: Any) -> NDArray[np.int64]:
    """Return a pandas column of aware instants as nanoseconds UTC; NaT becomes ``NOTHING``."""
    # By way of datetime64[ns], whatever unit pandas chose.
    instants = column.dt.tz_convert(None).to_numpy().astype("datetime64[ns]")
    ns: NDArray[np.int64] = instants.astype(np.int64)
    return ns
