"""Clock changes: when a zone changes its offset from UTC. Knows ``tzinfo`` objects only, no table of zones of its own."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "EPOCH",
    "EPOCH_ORDINAL",
    "NS_PER_DAY",
    "NS_PER_SECOND",
    "ZoneRules",
    "offset_ns",
    "wall_text",
    "zone_rules",
]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EPOCH_ORDINAL = EPOCH.toordinal()
NS_PER_SECOND = 1_000_000_000
NS_PER_DAY = 86_400 * NS_PER_SECOND


class ZoneRules(NamedTuple):
    """Offsets of a zone over a stretch of time: ``offsets[i]`` holds from ``changes[i - 1]`` to ``changes[i]``."""

    changes: NDArray[np.int64]
    """Instants of change, ns UTC, rising."""
    offsets: NDArray[np.int64]
    """Offsets east of UTC in ns, one more than changes."""

    def periods(
        self, wall: NDArray[np.int64]
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the first period that has not ended at each wall time, and the last that has begun.

        They are equal for a wall time that occurs once; the first is earlier for one that occurs
        twice, and later for one that is left out.
        """
        first = np.searchsorted(self.changes + self.offsets[:-1], wall, side="right")
        last = np.searchsorted(self.changes + self.offsets[1:], wall, side="right")
        return first, last


def zone_rules(zone: tzinfo, smallest: int, largest: int) -> ZoneRules:
    """Return the clock changes that matter to wall times from ``smallest`` to ``largest`` (ns)."""
    # No offset reaches a whole day.
    years = range(_year(smallest - NS_PER_DAY), _year(largest + NS_PER_DAY) + 1)
    found = [change for year in years for change in _changes_of_year(zone, year)]
    before = found[0].before if found else _offset_at(zone, smallest // NS_PER_SECOND)
    changes = np.array([change.at for change in found], dtype=np.int64)
    offsets = np.array([before, *(change.after for change in found)], dtype=np.int64)
    return ZoneRules(changes, offsets)


def offset_ns(aware: datetime) -> int:
    """Return the offset of an aware datetime east of UTC, in ns."""
    offset = aware.utcoffset() or timedelta()
    seconds = offset.days * 86_400 + offset.seconds
    return seconds * NS_PER_SECOND + offset.microseconds * 1_000


def wall_text(wall: int) -> str:
    """Return a wall time in ns as ISO text, no longer than it must be."""
    return str(np.datetime_as_string(np.datetime64(wall, "ns"), unit="auto"))


class _Change(NamedTuple):
    """One clock change: the instant, and the offset before and after it, all in ns."""

    at: int
    before: int
    after: int


@lru_cache(maxsize=4096)
def _changes_of_year(zone: tzinfo, year: int) -> tuple[_Change, ...]:
    # A tzinfo does not list its changes: ask it once a day, and bisect where the answer differs.
    first, end = (
        (date(y, 1, 1).toordinal() - EPOCH_ORDINAL) * 86_400 for y in (year, year + 1)
    )
    found = []
    start, before = first, _offset_at(zone, first)
    for stop in range(first + 86_400, end + 1, 86_400):
        while _offset_at(zone, stop) != before:
            low, high = start, stop
            while high - low > 1:
                middle = (low + high) // 2
                if _offset_at(zone, middle) == before:
                    low = middle
                else:
                    high = middle
            after = _offset_at(zone, high)
            found.append(_Change(high * NS_PER_SECOND, before, after))
            start, before = high, after
        start = stop
    return tuple(found)


def _offset_at(zone: tzinfo, second: int) -> int:
    return offset_ns((EPOCH + timedelta(seconds=second)).astimezone(zone))


def _year(ns: int) -> int:
    return (EPOCH + timedelta(seconds=ns // NS_PER_SECOND)).year
