"""Bars in memory by symbol and interval, as a source of a run; and the trading days they lie on."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from tapeloom._core import Bars, Interval
from tapeloom.bars import no_bars
from tapeloom.calendars import get_session_table
from tests.compare import columns
from tests.reference.schedule import trading_day

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tapeloom.storage.bar_source import DataNote
    from tests.reference.bars import Bar
    from tests.reference.schedule import TradingDay

__all__ = ["JULY", "MARCH", "MemorySource", "us_days"]

_HOLIDAYS = {date(2025, 7, 4), date(2025, 6, 19)}
_HALF_DAYS = {date(2025, 7, 3)}


def us_days(first: date, last: date) -> list[TradingDay]:
    """The sessions of two dates and those between them; the holidays above only."""
    days = []
    day = first
    while day <= last:
        if day.weekday() < 5 and day not in _HOLIDAYS:
            is_half = day in _HALF_DAYS
            hours = "09:30-13:00" if is_half else "09:30-16:00"
            extended = "04:00", "17:00" if is_half else "20:00"
            days.append(trading_day(day, hours, "America/New_York", extended))
        day += timedelta(days=1)
    return days


# A half day before a holiday and a weekend; a clock change over a weekend.
JULY = us_days(date(2025, 6, 23), date(2025, 7, 10))
MARCH = us_days(date(2008, 3, 3), date(2008, 3, 13))


class MemorySource:
    """Bars of the reference as a ``BarSource`` with several intervals of a symbol."""

    def __init__(self, tapes: Mapping[tuple[str, str], Sequence[Bar]]) -> None:
        table = get_session_table("US_EQUITY")
        self._bars: dict[tuple[str, str], Bars] = {}
        for (symbol, interval), rows in tapes.items():
            given: dict[str, Any] = {**columns(rows)}
            self._bars[symbol, interval] = Bars.from_columns(
                symbol, interval, **given, zone=table.zone, table=table
            )
        #: What was read: symbol, interval, start and end.
        self.reads: list[tuple[str, str, int, int]] = []

    @property
    def notes(self) -> list[DataNote]:
        return []

    def get_symbols(self) -> list[str]:
        return sorted({symbol for symbol, _ in self._bars})

    def get_intervals(self, symbol: str) -> list[str]:
        return sorted((i for s, i in self._bars if s == symbol), key=Interval)

    def get_range(self, symbol: str, interval: str) -> tuple[int, int] | None:
        bars = self._bars.get((symbol, interval))
        if bars is None or not len(bars):
            return None
        return int(bars.ts[0]), int(bars.ts[-1])

    def get_ranges(self, symbol: str, interval: str) -> list[tuple[int, int]]:
        found = self.get_range(symbol, interval)
        return [] if found is None else [found]

    def read(self, symbol: str, interval: str, start: int, end: int) -> Bars:
        self.reads.append((symbol, interval, start, end))
        bars = self._bars.get((symbol, interval))
        if bars is None:
            return no_bars(symbol, interval, get_session_table("US_EQUITY").zone)
        return bars.between(start, end)
