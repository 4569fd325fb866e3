"""What somebody who follows a series is told: what differs between all its rows before and after each change."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tests.reference.bars import Bar

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.reference.session import Store

__all__ = ["News", "Row", "is_true_tale", "newer_in_steps", "records", "rows_of"]


class Row(NamedTuple):
    """A bar, with the number of base bars in it where it is derived."""

    bar: Bar
    constituents: int | None


#: Rows that are told at once, oldest first.
News = list[Row]


def rows_of(store: Store, symbol: str, derived: str | None) -> dict[int, Row]:
    """All rows of a series by start: of the base, or of a derived interval."""
    if derived is None:
        return {bar.ts: Row(bar, None) for bar in store.bars(symbol)}
    return {
        bar.ts: Row(Bar(*bar[:6]), bar.constituents)
        for bar in store.derived(symbol, derived)
    }


def newer_in_steps(steps: Iterable[News]) -> list[News]:
    """Of each step the rows that start after all that were told before."""
    newest, kept = -1, []
    for news in steps:
        kept.append([row for row in news if row.bar.ts > newest])
        newest = max([newest, *(row.bar.ts for row in news)])
    return kept


def records(steps: Iterable[News]) -> list[int]:
    """Starts that were the newest when they came, which nobody may miss."""
    return [row.bar.ts for news in newer_in_steps(steps) for row in news]


def is_true_tale(told: Sequence[Row], steps: Iterable[News]) -> bool:
    """Whether rows are what somebody may be told who looks only now and then, and at last.

    Of each start he hears values that it had, in their order, and in the end the last one.
    """
    had: dict[int, list[Row]] = {}
    for news in steps:
        for row in news:
            had.setdefault(row.bar.ts, []).append(row)
    heard: dict[int, list[Row]] = {}
    for row in told:
        heard.setdefault(row.bar.ts, []).append(row)
    return heard.keys() == had.keys() and all(
        rows[-1] == had[ts][-1] and _is_part(rows, had[ts])
        for ts, rows in heard.items()
    )


def _is_part(rows: list[Row], of: list[Row]) -> bool:
    rest = iter(of)
    return all(row in rest for row in rows)
