"""Bars, ticks and quotes of one New York session, made by the number of their minute."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from tapeloom.bars import BarData
from tapeloom.quotes import Quote, TickData
from tapeloom.session_data import SessionData

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "DAY",
    "MINUTE",
    "OPEN",
    "bar",
    "fill",
    "minute",
    "moment",
    "quote",
    "session_of",
    "tick",
]

MINUTE = 60_000_000_000
DAY = date(2025, 7, 2)
#: 09:30 in New York on that day.
OPEN = 1_751_463_000_000_000_000


def minute(number: float) -> int:
    """Return the instant a number of minutes after the open, ns."""
    return OPEN + int(number * MINUTE)


def moment(number: float) -> datetime:
    """Return the same as an aware datetime."""
    return datetime.fromtimestamp(OPEN // 10**9, UTC) + timedelta(minutes=number)


def bar(
    symbol: str,
    number: float,
    close: float = 100.0,
    *,
    interval: str = "1m",
    volume: float = 10.0,
    flags: int = 0,
) -> BarData:
    """Return the bar of a minute."""
    return BarData(
        symbol,
        minute(number),
        close,
        close + 1,
        close - 1,
        close,
        volume,
        interval=interval,
        flags=flags,
    )


def tick(symbol: str, number: float, price: float = 100.0) -> TickData:
    """Return a trade some minutes after the open."""
    return TickData(symbol, minute(number), price, 5)


def quote(symbol: str, number: float, bid: float = 99.0) -> Quote:
    """Return a quote some minutes after the open."""
    return Quote(symbol, minute(number), bid, bid + 0.5, 3, 4)


def session_of(
    *symbols: str, derived: Iterable[str] = (), **rules: object
) -> SessionData:
    """Return a running session that keeps some symbols."""
    session = SessionData(**rules)  # type: ignore[arg-type]  # policies by keyword
    for symbol in symbols:
        session.register_symbol(symbol, derived=derived)
    session.start_new_session(DAY)
    return session


def fill(session: SessionData, symbol: str, numbers: Iterable[int]) -> None:
    """Add bars whose close is 100 and the number of the minute."""
    for number in numbers:
        session.add_bar(symbol, bar(symbol, number, 100.0 + number))
