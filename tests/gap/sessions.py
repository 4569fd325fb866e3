"""A session of some symbols with planted holes, and what is reported beside it."""

from __future__ import annotations

from datetime import datetime, time
from typing import TYPE_CHECKING

from tapeloom.quotes import TickData
from tapeloom.session_data import SessionData
from tapeloom.statuses import TradingStatus
from tests.compare import columns, instant
from tests.days import us_day
from tests.reference.gaps import expected_starts
from tests.reference.schedule import MINUTE, to_ns
from tests.strategies import bar_at

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tapeloom.gap import Gap
    from tests.reference.schedule import TradingDay

__all__ = ["FULL", "HALF", "NEXT", "Feed", "at", "session_with"]

FULL = us_day("2025-07-02")
HALF = us_day("2025-07-03")
NEXT = us_day("2025-07-07")


def at(text: str, day: TradingDay = FULL) -> datetime:
    """Return wall time of the exchange, naive as a user would write it."""
    return datetime.combine(day.date, time.fromisoformat(text))


def session_with(
    *symbols: str, day: TradingDay = FULL, group: str = "US_EQUITY", **policies: object
) -> SessionData:
    """Return a store in which a session has begun, with 5m bars derived."""
    session = SessionData(group, **policies)  # type: ignore[arg-type]
    for symbol in symbols:
        session.register_symbol(symbol, base_interval="1m", derived=("5m",))
    session.start_new_session(day.date)
    return session


class Feed:
    """Puts minutes and reports of one symbol into a session; times of day are those of the exchange."""

    def __init__(
        self, session: SessionData, symbol: str = "AAPL", day: TradingDay = FULL
    ) -> None:
        self.session = session
        self.symbol = symbol
        self.day = day
        self.zone = session.timezone

    def ns(self, text: str) -> int:
        """Return a time of day as nanoseconds."""
        return to_ns(at(text, self.day).replace(tzinfo=self.zone))

    def minutes(self, *spans: str) -> None:
        """Add the minutes of spans such as ``"09:30-10:02"``, as one arrival."""
        found: list[int] = []
        for span in spans:
            start, end = (self.ns(text) for text in span.split("-"))
            grid = expected_starts(self.day, MINUTE)
            found += [ts for ts in grid if start <= ts < end]
        bars = columns([bar_at(ts) for ts in found])
        self.session.add_bars_batch(self.symbol, bars)

    def status(self, text: str, state: str, reason: str = "") -> None:
        """Report a status of the symbol."""
        status = TradingStatus(at(text, self.day), state, reason)
        self.session.append_status(self.symbol, status)

    def ticks(self, *texts: str) -> None:
        """Add trades."""
        self.tick_instants(self.ns(text) for text in texts)

    def tick_instants(self, instants: Iterable[int]) -> None:
        """Add trades at nanoseconds."""
        for ts in instants:
            tick = TickData(self.symbol, instant(ts), 10.0, 1.0)
            self.session.append_tick(self.symbol, tick)

    def gap(self) -> Gap:
        """Return the only gap."""
        (gap,) = self.session.get_gaps(self.symbol)
        return gap
