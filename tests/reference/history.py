"""What lies before a session, as lists: its trailing trading days, and bars in the shares of a later date."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tests.reference.bars import Bar

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    from tests.reference.schedule import TradingDay

__all__ = ["Split", "restated", "trailing"]


class Split(NamedTuple):
    """From ``ex_date`` on a share is ``shares`` of the old ones."""

    ex_date: date
    shares: float


def trailing(days: Sequence[TradingDay], today: date, count: int) -> list[TradingDay]:
    """The newest so many trading days before a date."""
    return [day for day in days if day.date < today][-count:]


def restated(
    bars: Iterable[Bar], day: date, splits: Iterable[Split], today: date
) -> list[Bar]:
    """Bars of one day in the shares of a later one; splits after that are not known."""
    shares = 1.0
    for split in splits:
        if day < split.ex_date <= today:
            shares *= split.shares
    factor = 1 / shares
    return [
        Bar(
            bar.ts,
            bar.open * factor,
            bar.high * factor,
            bar.low * factor,
            bar.close * factor,
            bar.volume * shares,
        )
        for bar in bars
    ]
