"""Imports of several sources, one after the other: what is stored in the end, and which are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["import_in_turn"]

Series = dict[str, dict[int, float]]


def import_in_turn(
    sources: Sequence[Series], on_duplicate: str | None
) -> tuple[Series, set[int]]:
    """Return the values by symbol and start, and the numbers of the sources that were refused.

    A source is refused as a whole where one of its values is another than the stored one, unless ``on_duplicate`` says
    which to keep.
    """
    stored: Series = {}
    refused = set()
    for number, source in enumerate(sources):
        differs = any(
            stored.get(symbol, {}).get(start, value) != value
            for symbol, values in source.items()
            for start, value in values.items()
        )
        if differs and on_duplicate in (None, "error"):
            refused.add(number)
            continue
        for symbol, values in source.items():
            known = stored.setdefault(symbol, {})
            for start, value in values.items():
                if on_duplicate == "ignore":
                    known.setdefault(start, value)
                else:
                    known[start] = value
    return stored, refused
