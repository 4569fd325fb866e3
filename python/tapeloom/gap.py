"""What is missing: gaps and the quality of a series."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from datetime import datetime

    from numpy.typing import NDArray

    from tapeloom._core import SessionTable

__all__ = ["Gap", "QualityReport", "missing_runs"]


@dataclass(frozen=True, slots=True)
class Gap:
    """A run of expected bars that did not come, ``[start, end)``.

    ``start`` is the start of the first missing bar, ``end`` the end of the last one, both aware in the exchange's
    zone. ``missing`` counts bars. A break or a night separates two gaps.
    """

    symbol: str
    interval: str
    start: datetime
    end: datetime
    missing: int


@dataclass(frozen=True, slots=True)
class QualityReport:
    """Quality of one symbol's session with the counters beside it.

    ``expected`` counts the bars due at the clock, ``present`` those of them that came. ``duplicates`` counts repeated
    keys, ``out_of_order`` arrivals that start before the newest bar, ``out_of_session`` bars outside regular hours,
    ``off_grid`` bars that start between two expected starts.
    """

    symbol: str
    interval: str
    expected: int
    present: int
    duplicates: int
    out_of_order: int
    out_of_session: int
    off_grid: int

    @property
    def missing(self) -> int:
        """Bars that were due and did not come."""
        return self.expected - self.present

    @property
    def quality(self) -> float | None:
        """Present among the due, 0-100; ``None`` when nothing is due."""
        return 100.0 * self.present / self.expected if self.expected else None


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
    runs: list[tuple[int, int, int]] = []
    for start in np.setdiff1d(table.grid(index, interval), stamps).tolist():
        end = table.bar_end(start, interval)
        if until is not None and end > until:
            continue
        if runs and runs[-1][1] == start:
            runs[-1] = (runs[-1][0], end, runs[-1][2] + 1)
        else:
            runs.append((start, end, 1))
    return runs
