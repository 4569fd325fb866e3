"""Whether stamps name the starts or the ends of bars: what is at the open and the close of each session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tapeloom.diagnosis.fit import Sessions

__all__ = ["Edges"]

_HALF_A_DAY = 43_200 * 10**9
_FEWEST_SESSIONS = 3


@dataclass(frozen=True, slots=True)
class Edges:
    """What stamps have at the edges of sessions, as numbers of sessions.

    ``sessions`` have at least one bar from the open up to the close. ``opening`` of them have one at the open itself.
    ``at_close`` end with a bar at the close and have none behind it. ``late`` are those of them whose first bar of all
    comes one interval after the open.
    """

    sessions: int
    opening: int
    at_close: int
    late: int

    @classmethod
    def of(cls, stamps: NDArray[np.int64], sessions: Sessions) -> Edges:
        """Look at stamps (rising, without repeats, ns UTC)."""
        opens, closes = sessions.opens, sessions.closes
        if not len(opens) or not len(stamps):
            return cls(0, 0, 0, 0)
        at_open, behind = stamps.searchsorted(opens), stamps.searchsorted(closes)
        has_bars = behind > at_open
        first = stamps[np.minimum(at_open, len(stamps) - 1)]
        # What lies before the open belongs to this date from the middle of the night on.
        nights = (opens[1:] + closes[:-1]) // 2
        begins = stamps.searchsorted(np.append(opens[:1] - _HALF_A_DAY, nights))
        ends = stamps.searchsorted(np.append(nights, closes[-1:] + _HALF_A_DAY))
        last = stamps[np.maximum(ends, 1) - 1]
        has_print = has_bars & (ends == behind + 1) & (last == closes)
        is_late = (begins == at_open) & (first == opens + sessions.step)
        return cls(
            sessions=int(has_bars.sum()),
            opening=int((has_bars & (first == opens)).sum()),
            at_close=int(has_print.sum()),
            late=int((has_print & is_late).sum()),
        )

    def look_like_ends(self, *, is_whole: bool) -> bool:
        """Return whether most sessions begin one interval late, end at the close, and none begins at the open.

        A bar at the close alone says nothing. One or two sessions say something only if they are whole.
        """
        is_enough = is_whole or self.sessions >= _FEWEST_SESSIONS
        return is_enough and not self.opening and self.late * 2 > self.sessions

    @property
    def are_closing_prints(self) -> bool:
        """Whether most sessions have one more bar at the close, and nothing behind it."""
        return self.at_close * 2 > self.sessions
