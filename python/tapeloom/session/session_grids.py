"""The base bars that the running session should have, by interval, and what of them is missing where."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING

from tapeloom.session_data.holes import Series

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from tapeloom.session_data import SessionData

__all__ = ["Grid", "MissingRun", "SessionGrids"]

#: Start, end and number of the bars of a run of missing bars.
MissingRun = tuple[int, int, int]

_end_of = itemgetter(1)


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Starts and ends of a session's bars, int64 ns UTC of shape (n,), rising."""

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]

    def due(self, clock: int) -> int:
        """Return how many bars have ended at the clock."""
        return int(self.ends.searchsorted(clock, side="right"))

    def slot(self, ts: int) -> int:
        """Return the position of the first bar that starts at ``ts`` or later."""
        return int(self.starts.searchsorted(ts))

    def without(
        self, runs: Sequence[MissingRun], since: int, until: int
    ) -> list[tuple[int, int]]:
        """Return the stretches between some runs, oldest first, of bars that end after ``since`` and have ended at ``until``."""
        first, last = self.due(since), self.due(until)
        if first >= last:
            return []
        start, end = int(self.starts[first]), int(self.ends[last - 1])
        found = []
        for gap_start, gap_end, _ in self.within(runs, start, end):
            if start < gap_start:
                found.append((start, gap_start))
            start = gap_end
        return [*found, (start, end)] if start < end else found

    def within(
        self, runs: Sequence[MissingRun], start: int, end: int
    ) -> list[MissingRun]:
        """Return the parts of some runs, oldest first, that lie in ``[start, end)``."""
        found = []
        for at in range(bisect_right(runs, start, key=_end_of), len(runs)):
            first, last, number = runs[at]
            if first >= end:
                break
            if first < start or last > end:
                first, last = max(first, start), min(last, end)
                number = self.slot(last) - self.slot(first)
            found.append((first, last, number))
        return found


class SessionGrids:
    """Grids of the current session, made when they are first asked for."""

    def __init__(self, session_data: SessionData) -> None:
        self._session_data = session_data
        self._grids: dict[str, Grid] = {}
        # By symbol and base interval; what is not listed today has none.
        self._of: dict[tuple[str, str], Grid | None] = {}

    def start_session(self) -> None:
        """Forget the grids of the session before."""
        self._grids, self._of = {}, {}

    def of(self, name: str) -> Grid | None:
        """Return the grid of a symbol's base series; ``None`` where nothing is expected of it today."""
        kept = self._session_data._intervals(name)
        if not kept:
            return None
        key = name, kept[0]
        if key not in self._of:
            self._of[key] = self._find(Series(name, kept[0], kept[0]))
        return self._of[key]

    def _find(self, series: Series) -> Grid | None:
        known = self._grids.get(series.base)
        if known is not None and series.symbol not in self._session_data._memberships:
            # What is always listed has the grid that another has already.
            return known
        sessions = self._session_data._sessions_of(series, "session")
        if not sessions:
            return None
        if series.base not in self._grids:
            expected = self._session_data._expected(series, sessions[0])
            self._grids[series.base] = Grid(*expected)
        return self._grids[series.base]
