"""Bars and sessions to make tables of."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from tapeloom import Bars, SessionData
from tapeloom.calendars import get_session_table
from tapeloom.calendars.days import to_day

if TYPE_CHECKING:
    from tapeloom._core import SessionTable

US = get_session_table("US_EQUITY")
TOKYO = get_session_table("JP_EQUITY")
DAY = date(2025, 7, 2)
FIELDS = ("open", "high", "low", "close", "volume")
COLUMNS = ("ts", *FIELDS, "flags")


def index_of(day: date, table: SessionTable = US) -> int:
    index = table.index_of(to_day(day))
    assert index is not None
    return index


def minutes(
    symbol: str = "AAPL",
    *,
    day: date = DAY,
    sessions: int = 1,
    table: SessionTable = US,
    interval: str = "1m",
) -> Bars:
    first = index_of(day, table)
    ts = np.concatenate([table.grid(first + i, interval) for i in range(sessions)])
    price = 100 + np.arange(len(ts)) / 8
    return Bars.from_columns(
        symbol,
        interval,
        ts=ts,
        open=price,
        high=price + 0.25,
        low=price - 0.25,
        close=price,
        volume=np.full(len(ts), 10.0),
        zone=table.zone,
        table=table,
        flags=np.arange(len(ts)).astype(np.uint8),
    )


def session_of(*symbols: str, bars: int = 100) -> SessionData:
    session = SessionData()
    for symbol in symbols:
        session.register_symbol(symbol, derived=["5m"])
    session.start_new_session(DAY)
    for symbol in symbols:
        session.add_bars_batch(symbol, minutes(symbol)[:bars])
    return session
