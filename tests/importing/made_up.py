"""Made-up bars of a trading day, and the lines in which tools write them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Iterable

MINUTE = 60_000_000_000
# 2025-07-02 09:30 in New York, a Wednesday.
OPEN = 1_751_463_000_000_000_000
NEW_YORK = ZoneInfo("America/New_York")
HEADER = "timestamp,open,high,low,close,volume"


@dataclass(frozen=True)
class Row:
    """One bar."""

    ts: int
    open: float
    high: float
    low: float
    close: float
    volume: int

    @property
    def values(self) -> tuple[float, float, float, float, int]:
        return self.open, self.high, self.low, self.close, self.volume


def row(ts: int) -> Row:
    """A bar whose values follow from its start."""
    price = 100 + (ts // MINUTE) % 97 / 4
    return Row(ts, price, price + 0.5, price - 0.5, price + 0.25, ts // MINUTE % 1000)


def day(
    first: int = 0, count: int = 390, *, days: int = 0, step: int = MINUTE
) -> list[Row]:
    """Bars from the open of 2025-07-02 on, or of a day after it."""
    start = OPEN + days * 1440 * MINUTE
    return [row(start + step * i) for i in range(first, first + count)]


def clock(ts: int, zone: tzinfo = UTC) -> datetime:
    """An instant on the wall clock of a zone."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return (epoch + timedelta(microseconds=ts // 1000)).astimezone(zone)


def lines(
    rows: Iterable[Row],
    *,
    form: str = "%Y-%m-%d %H:%M:%S",
    zone: tzinfo = NEW_YORK,
    late: int = 0,
    header: str | None = HEADER,
) -> str:
    """Lines of a CSV file; ``late`` ns are added to each start."""
    texts = [
        ",".join([clock(r.ts + late, zone).strftime(form), *map(repr, r.values)])
        for r in rows
    ]
    return "\n".join([*([header] if header else []), *texts]) + "\n"


def aware(rows: Iterable[Row], *, late: int = 0) -> str:
    """Lines with times that say they are UTC."""
    return lines(rows, form="%Y-%m-%d %H:%M:%S+00:00", zone=UTC, late=late)
