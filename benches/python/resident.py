"""A new process that fills a store and prints how many bytes it grew by, per bar: ``resident.py KIND SYMBOLS SESSIONS``.

Bars of the last session come one by one, those before it as history. What the process holds is read from Linux. Before
the first look, free memory is given back to the system, so that its use shows as growth; before the second it is not, so
what lies unused counts.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benches.python.by_hand import Bar, DequeSession, rows_of
from benches.python.workload import Market, make_market

from tapeloom import BarData, Bars, SessionData

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["STATM"]

STATM = Path("/proc/self/statm")


def resident_bytes() -> int:
    gc.collect()
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def give_back() -> None:
    gc.collect()
    # Only glibc has it; other allocators give back by themselves.
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def fill_tapeloom(market: Market, symbols: list[str]) -> object:
    """Fill a session; each symbol has the same bars."""
    ((_, columns),) = market.columns.items()
    session, table = SessionData(), market.table
    for symbol in symbols:
        session.register_symbol(symbol, base_interval="1m")
    for index, date in zip(market.sessions, market.dates, strict=True):
        session.start_new_session(date, roll=True)
        bounds = int(table.span_starts[index]), int(table.span_ends[index])
        within = (columns["ts"] >= bounds[0]) & (columns["ts"] < bounds[1])
        today = {name: column[within] for name, column in columns.items()}
        if index != market.sessions[-1]:
            for symbol in symbols:
                bars = Bars.from_columns(
                    symbol, "1m", **today, zone=table.zone, table=table
                )
                session.add_bars_batch(symbol, bars)
        else:
            for row in rows_of(today):
                for symbol in symbols:
                    session.add_bar(symbol, BarData(symbol, *row))
    stored = sum(session.get_bar_count(symbol, scope="all") for symbol in symbols)
    assert stored == market.rows * len(symbols)
    return session


def fill_deques(market: Market, symbols: list[str]) -> object:
    ((_, columns),) = market.columns.items()
    session = DequeSession(symbols, market.rows)
    # Numbers of its own for each bar, as bars from a feed have.
    for start in range(market.rows):
        one = {name: column[start : start + 1] for name, column in columns.items()}
        for symbol in symbols:
            session.append(symbol, Bar(symbol, *rows_of(one)[0]))
    return session


def main(kind: str, symbols: int, sessions: int) -> float:
    fill: dict[str, Callable[[Market, list[str]], object]]
    fill = {"tapeloom": fill_tapeloom, "deques": fill_deques}
    market = make_market(1, sessions, seed=8)
    names = [f"S{number:04d}" for number in range(symbols)]
    # What is made once, whatever the number of symbols.
    fill[kind](market, names[:1])
    give_back()
    before = resident_bytes()
    kept = fill[kind](market, names)
    grown = resident_bytes() - before
    del kept
    return grown / (market.rows * symbols)


if __name__ == "__main__":
    print(main(sys.argv[1], *map(int, sys.argv[2:])))
