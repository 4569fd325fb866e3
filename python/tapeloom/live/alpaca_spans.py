"""Which requests for bars the vendor is asked for together: each span of time is one request of HTTP, or several pages."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, timedelta
from typing import TYPE_CHECKING

from tapeloom.bars import normalise_symbol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from tapeloom.history_source import HistoryRequest

__all__ = ["PAGE", "Span", "spans_of"]

PAGE = 10_000
"""Bars of all symbols on one page of an answer."""
# What is joined is held in memory as a whole.
_MOST_PAGES = 10


@dataclass(slots=True)
class Span:
    """A stretch of time, and the requests that lie in it, by their places."""

    minutes: int
    """Length of the bars."""
    start: datetime
    end: datetime
    places: list[int] = field(default_factory=list)
    symbols: set[str] = field(default_factory=set)

    def pages(self) -> int:
        """How many requests of HTTP it takes at most."""
        bars = (self.end - self.start) // timedelta(minutes=self.minutes) + 1
        return -(-bars * len(self.symbols) // PAGE)

    def joined(self, other: Span) -> Span:
        """One span over both."""
        return Span(
            self.minutes,
            min(self.start, other.start),
            max(self.end, other.end),
            [*self.places, *other.places],
            self.symbols | other.symbols,
        )


def spans_of(requests: Sequence[HistoryRequest], lengths: Sequence[int]) -> list[Span]:
    """Return what is asked for: neighbours are one span wherever that takes fewer pages, though some bars come in vain.

    Parameters
    ----------
    requests
        What is wanted.
    lengths
        Minutes of the bars of each.
    """
    same: dict[tuple[int, datetime, datetime], Span] = {}
    for place, (request, length) in enumerate(zip(requests, lengths, strict=True)):
        # In the exchange's zone an hour may come twice.
        start, end = (at.astimezone(UTC) for at in (request.start, request.end))
        key = (length, start, end)
        span = same.setdefault(key, Span(*key))
        span.places.append(place)
        span.symbols.add(normalise_symbol(request.symbol))
    spans: list[Span] = []
    for key in sorted(same):
        span = same[key]
        if spans and spans[-1].minutes == span.minutes:
            both = spans[-1].joined(span)
            apart = spans[-1].pages() + span.pages()
            if both.pages() < min(apart, _MOST_PAGES + 1):
                spans[-1] = both
                continue
        spans.append(span)
    return spans
