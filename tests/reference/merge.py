"""The merge as one sort: by known-at, interval, source and sequence, compared in this order."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["merge_order"]


def merge_order(sources: Sequence[tuple[int, Sequence[int]]]) -> list[tuple[int, int]]:
    """Return ``(source, row)`` of every row in the order in which the merge delivers them.

    A source is its interval in nanoseconds and the starts of its bars, which never fall.
    """
    keys = [
        (ts + interval, interval, source, row)
        for source, (interval, starts) in enumerate(sources)
        for row, ts in enumerate(starts)
    ]
    return [(source, row) for _, _, source, row in sorted(keys)]
