"""The readings of some stamps that are compared, each once, with how they fit."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np

from tapeloom.diagnosis.readings import Reading
from tapeloom.timestamps.clock_changes import zone_rules

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import tzinfo

    from numpy.typing import NDArray

    from tapeloom.diagnosis.fit import Sessions

__all__ = ["FARTHEST", "Candidate", "Moved", "candidates", "rising"]

_QUARTER = 900 * 10**9
_SHIFTS = np.array(sorted(range(-56, 57), key=abs), np.int64) * _QUARTER
FARTHEST = 56 * _QUARTER
# Where data come from, and the zones of the people who convert them. EST is UTC-5 all year, as some feeds write it.
_ZONES = (
    "UTC",
    "America/New_York",
    "America/Chicago",
    "America/Los_Angeles",
    "EST",
    "Europe/London",
    "Europe/Berlin",
    "Asia/Kolkata",
    "Asia/Hong_Kong",
    "Asia/Tokyo",
    "Australia/Sydney",
)


@dataclass(frozen=True, slots=True, eq=False)
class Moved:
    """Stamps moved by one length: ``stamps + by``, rising. Nothing is copied for a shift."""

    stamps: NDArray[np.int64]
    by: int

    def values(self) -> NDArray[np.int64]:
        """Return them as one array."""
        return self.stamps + self.by


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A reading as starts, and the instants it makes of the stamps."""

    reading: Reading
    instants: Moved

    @property
    def score(self) -> int:
        """Expected bars that are there, and bars in trading hours. On real bars as they should be none scores higher."""
        return self.reading.hits + self.reading.within


def candidates(
    stamps: NDArray[np.int64], sessions: Sessions, exchange: tzinfo, *, naive: bool
) -> list[Candidate]:
    """Return distinct readings as starts: as labelled first, then the likelier ones first.

    ``stamps`` rise and do not repeat; they are wall time if ``naive``, of the exchange as labelled.
    """
    own = str(exchange) if naive else None
    labelled = _placed(stamps, exchange) if naive else Moved(stamps, 0)
    shifted = _fitted(labelled, sessions, own, _SHIFTS)
    if shifted[0].score == 2 * len(stamps):
        # No zone can do better, and the shifts alone show whether another reading does as well.
        return _distinct(shifted)
    placed = [(name, _placed(stamps, _zone(name))) for name in _ZONES if name != own]
    in_zones = [
        one
        for name, moved in placed
        if naive or not _is_shift(moved, stamps)
        for one in _fitted(moved, sessions, name, _SHIFTS[:1])
    ]
    # Wall times without a zone are in another one; those with a zone were moved once too often.
    rest = [*in_zones, *shifted[1:]] if naive else [*shifted[1:], *in_zones]
    return _distinct([shifted[0], *rest])


def rising(ts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the stamps sorted and without repeats; the same array if they are."""
    if (ts[1:] > ts[:-1]).all():
        return ts
    # Stamps are in order for the most part, which sorting gains from and a table of hashes does not.
    ordered: NDArray[np.int64] = np.sort(ts)
    kept = np.ones(len(ordered), np.bool_)
    kept[1:] = ordered[1:] != ordered[:-1]
    return ordered[kept]


def _is_shift(moved: Moved, stamps: NDArray[np.int64]) -> bool:
    """Whether it is one of the shifts that are tried anyway."""
    return moved.stamps is stamps and moved.by in _SHIFTS


def _fitted(
    moved: Moved, sessions: Sessions, zone: str | None, shifts: NDArray[np.int64]
) -> list[Candidate]:
    fit = sessions.fit(moved.stamps, shifts + moved.by)
    columns = (shifts, fit.hits, fit.due, fit.within)
    return [
        Candidate(
            Reading("start", shift, zone, hits, due, within),
            Moved(moved.stamps, moved.by + shift),
        )
        for shift, hits, due, within in zip(*(c.tolist() for c in columns), strict=True)
    ]


def _distinct(found: Iterable[Candidate]) -> list[Candidate]:
    """The first of those that make the same instants."""
    shapes: dict[int, tuple[int, int]] = {}
    kept: dict[tuple[int, int, int], Candidate] = {}
    for one in found:
        stamps = one.instants.stamps
        if not len(stamps):
            continue
        if id(stamps) not in shapes:
            # All stamps are held by their candidates, so no address is used twice.
            shapes[id(stamps)] = len(stamps), int((stamps - stamps[0]).sum())
        kept.setdefault((*shapes[id(stamps)], int(stamps[0]) + one.instants.by), one)
    return list(kept.values())


def _placed(wall: NDArray[np.int64], zone: tzinfo) -> Moved:
    """Wall times (rising) as instants; those that a clock change leaves out are none."""
    rules = zone_rules(zone, int(wall[0]), int(wall[-1]))
    first, last = rules.periods(wall[[0, -1]])
    if first[0] == last[0] == first[1] == last[1]:
        # No clock change lies between them.
        return Moved(wall, -int(rules.offsets[first[0]]))
    first, last = rules.periods(wall)
    found = wall - rules.offsets[first]
    return Moved(rising(found[first <= last]), 0)


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
