"""What a feed can push, as a plan needs to know it. It connects to nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tapeloom._core import Interval
from tapeloom.errors import PlanError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["FeedOffer"]


class FeedOffer(NamedTuple):
    """The intervals of the bars of a feed, finest first, and what else it pushes."""

    intervals: tuple[Interval, ...]
    channels: tuple[str, ...] = ("bars",)

    @classmethod
    def of(cls, intervals: Iterable[str], channels: Iterable[str]) -> FeedOffer:
        """Return what a feed says of itself.

        Raises
        ------
        PlanError
            If it pushes no bars.
        IntervalError
            If one of its intervals is none.
        """
        found = cls(tuple(sorted(map(Interval, intervals))), tuple(channels))
        if not found.intervals or "bars" not in found.channels:
            offered = ", ".join(found.channels) or "nothing"
            text = f"the feed pushes no bars, only {offered}; a live run needs bars"
            raise PlanError(text, got=offered)
        return found

    @property
    def has_quotes(self) -> bool:
        """Whether it pushes quotes."""
        return "quotes" in self.channels
