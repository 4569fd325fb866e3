"""Which expected bars of a series are missing, as masks over the grid of one session and as runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tapeloom.gap.grid import expected_bars

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tapeloom._core import SessionTable

__all__ = ["Holes", "Run", "missing_runs"]


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """Neighbouring expected bars that are missing: starts and ends, ns UTC. Half-open from the first to the last."""

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    is_excused: bool

    @property
    def start(self) -> int:
        """Start of the first missing bar."""
        return int(self.starts[0])

    @property
    def end(self) -> int:
        """End of the last missing bar."""
        return int(self.ends[-1])

    def __len__(self) -> int:
        return len(self.starts)


@dataclass(frozen=True, slots=True, eq=False)
class Holes:
    """One series in one session: the expected bars whose end the clock has reached, and which of them are missing.

    All arrays have the shape (n,), in order of time. ``excused`` bars are missing and yet not due.
    """

    session: int
    """Position in the session table."""
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    missing: NDArray[np.bool_]
    excused: NDArray[np.bool_]

    @classmethod
    def find(
        cls,
        session: int,
        expected: tuple[NDArray[np.int64], NDArray[np.int64]],
        stamps: NDArray[np.int64],
        until: int | None,
    ) -> Holes:
        """Return which of the expected starts and ends are not among ``stamps`` (rising); ``until`` leaves out later ends."""
        starts, ends = expected
        if until is not None:
            known = ends <= until
            starts, ends = starts[known], ends[known]
        # Stamps rise, so this is several times as fast as `np.isin`.
        at = stamps.searchsorted(starts)
        missing = at == len(stamps)
        missing[~missing] = stamps[at[~missing]] != starts[~missing]
        return cls(session, starts, ends, missing, np.zeros_like(missing))

    def between_bars(self) -> NDArray[np.bool_]:
        """Return which missing bars have one before and one after them."""
        present = np.flatnonzero(~self.missing)
        inside = np.zeros_like(self.missing)
        if len(present):
            inside[present[0] : present[-1]] = True
        return inside & self.missing

    def excused_as(self, base: Holes) -> NDArray[np.bool_]:
        """Return which of these bars are missing because none of the base bars in their time was due."""
        excused = np.concatenate([[0], np.cumsum(base.excused)])
        first = base.starts.searchsorted(self.starts)
        last = base.starts.searchsorted(self.ends)
        parts = last - first
        none_due: NDArray[np.bool_] = excused[last] - excused[first] == parts
        return self.missing & none_due & (parts > 0)

    def within(self, start: int, end: int) -> list[Run]:
        """Return what is missing among the bars that start in ``[start, end)``, as runs."""
        part = slice(*self.starts.searchsorted([start, end]))
        return Holes(
            self.session,
            self.starts[part],
            self.ends[part],
            self.missing[part],
            self.excused[part],
        ).runs()

    @property
    def present(self) -> int:
        """Number of expected bars that came."""
        return len(self.missing) - int(self.missing.sum())

    @property
    def due(self) -> int:
        """Number of bars that count as due."""
        return len(self.missing) - int(self.excused.sum())

    def runs(self) -> list[Run]:
        """Return the missing bars as runs; a break, or being due where the neighbour is not, separates two."""
        at = np.flatnonzero(self.missing)
        if not len(at):
            return []
        adjoins = (np.diff(at) == 1) & (self.ends[at[:-1]] == self.starts[at[1:]])
        same = adjoins & (self.excused[at[:-1]] == self.excused[at[1:]])
        return [
            Run(self.starts[part], self.ends[part], bool(self.excused[part[0]]))
            for part in np.split(at, np.flatnonzero(~same) + 1)
        ]


def missing_runs(
    table: SessionTable,
    index: int,
    interval: str,
    stamps: NDArray[np.int64],
    until: int | None,
) -> list[tuple[int, int, int]]:
    """Return (start, end, number) of each run of a session's expected bars that are not among ``stamps``.

    Instants are ns UTC. ``until`` leaves out bars that end later; ``None`` leaves out none.
    """
    expected = expected_bars(table, index, interval, base=interval)
    holes = Holes.find(index, expected, stamps, until)
    return [(run.start, run.end, len(run)) for run in holes.runs()]
