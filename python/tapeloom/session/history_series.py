"""How far the history of each series reaches back, where it is from, and whether the store rolls it by itself."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from tapeloom._core import Interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tapeloom.config.symbol_plan import SymbolPlan

__all__ = ["HistorySeries", "series_of"]

_ONE_DAY = Interval("1d")


@dataclass(frozen=True, slots=True)
class HistorySeries:
    """The history of one interval of one symbol."""

    symbol: str
    interval: str
    days: int
    """Trading days before each session; 0 for a series without history."""
    base: str
    origin: str
    """The stored interval it is loaded from."""
    is_configured: bool
    """Whether it is loaded; the store derives the others from the history of the base."""

    @property
    def is_base(self) -> bool:
        """Whether it is the series that is streamed."""
        return self.interval == self.base

    @property
    def follows_base(self) -> bool:
        """Whether its bars of a session that has ended are those that history should have."""
        return self.origin == self.base and not self.is_of_several_days

    @property
    def is_rolled(self) -> bool:
        """Whether the store keeps it by itself when a session rolls; else it is put there before each session."""
        return self.is_base or self.follows_base or not self.is_configured

    @property
    def is_of_several_days(self) -> bool:
        """Whether one bar may reach over more than one session."""
        return Interval(self.interval) > _ONE_DAY


def series_of(plan: SymbolPlan, stored: Sequence[str]) -> list[HistorySeries]:
    """Return all series of a symbol, finest first.

    Stored bars of an interval come before those made from others, of which the coarsest that divides it is taken. What is derived from the base reaches as far back as
    the base does, and further where that is configured.
    """
    kept = tuple(plan.kept_days.items())
    shapes = _shapes(plan.base, plan.derived, kept, tuple(stored))
    return [
        HistorySeries(plan.symbol, interval, days, plan.base, origin, is_configured)
        for interval, days, origin, is_configured in shapes
    ]


# Most symbols of a run have the same plan.
@lru_cache(maxsize=64)
def _shapes(
    base: str,
    derived: tuple[str, ...],
    kept_days: tuple[tuple[str, int], ...],
    stored: tuple[str, ...],
) -> list[tuple[str, int, str, bool]]:
    """Interval, days, origin of each series of a symbol, and whether it is configured."""
    kept = dict(kept_days)
    reach = kept.get(base, 0)
    names = {Interval(i): i for i in (base, *derived, *kept)}
    found = []
    for interval in sorted(names):
        text = names[interval]
        days = max(kept.get(text, 0), reach)
        origin = _origin(text, base, stored) if text in kept else base
        found.append((text, days, origin, text in kept))
    return found


def _origin(interval: str, base: str, stored: Sequence[str]) -> str:
    # What is coarser goes back further as a rule, and there is less of it to read.
    dividing = [kept for kept in stored if Interval(kept).divides(interval)]
    return max(dividing, key=Interval, default=base)
