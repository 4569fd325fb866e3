"""Values of days, their averages and extremes over history, and averages of each minute, as loops over lists."""

from __future__ import annotations

from datetime import date, timedelta
from math import nan
from typing import TYPE_CHECKING, NamedTuple

from tests.reference.derived import compensated_sum
from tests.reference.gaps import expected_starts
from tests.reference.schedule import MINUTE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.reference.bars import Bar
    from tests.reference.schedule import TradingDay

__all__ = [
    "Extreme",
    "day_bars",
    "day_value",
    "mean",
    "minute_average",
    "newest",
    "period_start",
    "rolling_average",
    "rolling_extreme",
]


class Extreme(NamedTuple):
    """The highest or lowest value and where it stands; NaN and -1 where there is none."""

    value: float
    position: int


def day_bars(day: TradingDay, rows: Iterable[Bar], interval: int | None) -> list[Bar]:
    """The bars of a session's regular hours in order; of equal starts the last row counts."""
    bars = {row.ts: row for row in rows}
    return [bars[ts] for ts in expected_starts(day, interval) if ts in bars]


def day_value(bars: Sequence[Bar], field: str) -> float:
    """The value of a day from its bars, NaN without one."""
    if not bars:
        return nan
    if field == "volume":
        return compensated_sum(bar.volume for bar in bars)
    if field == "high":
        return max(bar.high for bar in bars)
    if field == "low":
        return min(bar.low for bar in bars)
    return bars[0].open if field == "open" else bars[-1].close


def mean(values: Iterable[float]) -> tuple[float, int]:
    """The mean of those that are not NaN and how many they are; added up in order."""
    total, count = 0.0, 0
    for value in values:
        if value == value:
            total += value
            count += 1
    return (total / count if count else nan), count


def newest(days: int, before: int, skip: Sequence[bool]) -> list[int]:
    """The last so many positions before one, those to skip left out, in order."""
    kept = [at for at in range(before) if not skip[at]]
    return kept[-days:]


def rolling_average(
    values: Sequence[float], days: int, skip: Sequence[bool] | None = None
) -> tuple[list[float], list[int]]:
    """The mean before each position and, in the end, over the newest of all; and how many values are in each."""
    skipped = [False] * len(values) if skip is None else skip
    windows = [newest(days, at, skipped) for at in range(len(values) + 1)]
    found = [mean(values[at] for at in window) for window in windows]
    return [value for value, _ in found], [count for _, count in found]


def rolling_extreme(
    values: Sequence[float], starts: Sequence[int], kind: str
) -> list[Extreme]:
    """The extreme over ``[starts[j], j)`` for each j; of equal ones the first counts."""
    found = []
    for end, start in enumerate(starts):
        best = Extreme(nan, -1)
        for at in range(start, end):
            value = values[at]
            if value != value:
                continue
            better = value > best.value if kind == "max" else value < best.value
            if best.position < 0 or better:
                best = Extreme(value, at)
        found.append(best)
    return found


def minute_average(
    days: Sequence[TradingDay], rows: Iterable[Bar], field: str, slots: int
) -> tuple[list[float], list[int]]:
    """For each minute after the open the mean over the days that have it, and how many have it."""
    bars = {row.ts: row for row in rows}
    found = []
    for minute in range(slots):
        values = []
        for day in days:
            ts = day.open + minute * MINUTE
            if day.is_regular(ts) and ts in bars:
                values.append(float(getattr(bars[ts], field)))
        found.append(mean(values))
    return [value for value, _ in found], [count for _, count in found]


def period_start(day: date, period: str) -> date:
    """The date that lies weeks, months or years before a day; a day its month does not have becomes the month's last."""
    count, unit = int(period[:-1]), period[-1]
    if unit == "w":
        return day - timedelta(days=7 * count)
    months = count if unit == "m" else 12 * count
    year, month = day.year, day.month
    for _ in range(months):
        year, month = (year, month - 1) if month > 1 else (year - 1, 12)
    number = day.day
    while True:
        try:
            return date(year, month, number)
        except ValueError:
            number -= 1
