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
    from datetime import tzinfo

    from numpy.typing import NDArray

    from tapeloom.diagnosis.fit import Sessions

__all__ = ["FARTHEST", "Candidates", "Moved", "candidates", "rising"]

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
class Candidates:
    """Distinct readings as starts, as labelled first, then the likelier ones first; arrays of shape (k,), ns.

    There are a hundred and more, so each is made only when it is asked for.
    """

    zones: tuple[str | None, ...]
    sources: tuple[Moved, ...]
    """Under each zone the instants that it makes of the stamps."""
    of: NDArray[np.int64]
    """Position of each candidate in ``zones`` and ``sources``."""
    shifts: NDArray[np.int64]
    hits: NDArray[np.int64]
    due: NDArray[np.int64]
    within: NDArray[np.int64]

    @property
    def scores(self) -> NDArray[np.int64]:
        """Expected bars that are there, and bars in trading hours. On real bars as they should be none scores higher."""
        return self.hits + self.within

    def reading(self, at: int) -> Reading:
        """Return one candidate."""
        zone = self.zones[int(self.of[at])]
        columns = (self.hits, self.due, self.within)
        hits, due, within = (int(column[at]) for column in columns)
        return Reading("start", int(self.shifts[at]), zone, hits, due, within)

    def instants(self, at: int) -> Moved:
        """Return the instants that a candidate makes of the stamps."""
        moved = self.sources[int(self.of[at])]
        return Moved(moved.stamps, moved.by + int(self.shifts[at]))

    def kept(self, at: NDArray[np.intp]) -> Candidates:
        """Return some of them."""
        columns = (self.of, self.shifts, self.hits, self.due, self.within)
        return Candidates(self.zones, self.sources, *(column[at] for column in columns))


def candidates(
    stamps: NDArray[np.int64], sessions: Sessions, exchange: tzinfo, *, naive: bool
) -> Candidates:
    """Return distinct readings as starts: as labelled first, then the likelier ones first.

    ``stamps`` rise and do not repeat; they are wall time if ``naive``, of the exchange as labelled.
    """
    own = str(exchange) if naive else None
    labelled = _placed(stamps, exchange) if naive else Moved(stamps, 0)
    shifted = _shifted(labelled, sessions, own)
    if int(shifted.scores[0]) == 2 * len(stamps):
        # No zone can do better, and the shifts alone show whether another reading does as well.
        return shifted
    placed = [(name, _placed(stamps, _zone(name))) for name in _ZONES if name != own]
    others = [
        (name, moved)
        for name, moved in placed
        if len(moved.stamps) and (naive or not _is_shift(moved, stamps))
    ]
    found = _with_zones(shifted, others, sessions)
    if naive:
        # Wall times without a zone are in another one; those with a zone were moved once too often.
        first, many = len(shifted.shifts), len(found.shifts)
        found = found.kept(np.r_[0, first:many, 1:first])
    return _distinct(found)


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


def _shifted(moved: Moved, sessions: Sessions, zone: str | None) -> Candidates:
    """All shifts of the stamps as labelled."""
    fit = sessions.fit(moved.stamps, _SHIFTS + moved.by)
    of = np.zeros(len(_SHIFTS), np.int64)
    return Candidates((zone,), (moved,), of, _SHIFTS, fit.hits, fit.due, fit.within)


def _with_zones(
    shifted: Candidates, others: list[tuple[str, Moved]], sessions: Sessions
) -> Candidates:
    """The shifts, and behind them the readings in other zones, none of which is shifted."""
    together: dict[int, list[int]] = {}
    for at, (_, moved) in enumerate(others):
        together.setdefault(id(moved.stamps), []).append(at)
    counts = np.zeros((3, len(others)), np.int64)
    for these in together.values():
        by = np.array([others[at][1].by for at in these], np.int64)
        fit = sessions.fit(others[these[0]][1].stamps, by)
        counts[:, these] = fit.hits, fit.due, fit.within
    hits, due, within = counts
    return Candidates(
        zones=(*shifted.zones, *(name for name, _ in others)),
        sources=(*shifted.sources, *(moved for _, moved in others)),
        of=np.append(shifted.of, np.arange(1, len(others) + 1)),
        shifts=np.append(shifted.shifts, np.zeros(len(others), np.int64)),
        hits=np.append(shifted.hits, hits),
        due=np.append(shifted.due, due),
        within=np.append(shifted.within, within),
    )


def _distinct(found: Candidates) -> Candidates:
    """The first of those that make the same instants."""
    shapes: dict[int, tuple[int, int]] = {}
    firsts: list[tuple[int, int, int]] = []
    for moved in found.sources:
        stamps = moved.stamps
        if id(stamps) not in shapes:
            # All stamps are held by the sources, so no address is used twice.
            shapes[id(stamps)] = len(stamps), int((stamps - stamps[:1]).sum())
        start = int(stamps[0]) + moved.by if len(stamps) else 0
        firsts.append((*shapes[id(stamps)], start))
    kept: dict[tuple[int, int, int], int] = {}
    of, shifts = found.of.tolist(), found.shifts.tolist()
    for at, (source, shift) in enumerate(zip(of, shifts, strict=True)):
        many, total, start = firsts[source]
        kept.setdefault((many, total, start + shift), at)
    return found.kept(np.fromiter(kept.values(), np.intp))


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
