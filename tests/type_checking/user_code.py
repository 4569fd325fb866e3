"""An analysis as a user would write it. Type checkers read it; one test runs it."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

import tapeloom
from tapeloom import BarData, Bars, SessionData, get_session_data


class Trend:
    """Counts bars above their average."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.above = 0

    def on_session_start(self, session: SessionData) -> None:
        """Begin anew."""
        self.above = 0

    def on_bar(self, session: SessionData, bar: BarData) -> None:
        """Look back and compare."""
        last: Bars = session.get_last_n_bars(bar.symbol, self.length)
        close: NDArray[np.float64] = last.close
        if len(last) == self.length and bar.close > float(close.mean()):
            self.above += 1
            session.record(bar.symbol, above=self.above)


def read(session: SessionData) -> float:
    """Ask for most of what there is."""
    handle = session["AAPL"]
    newest: BarData | None = handle.get_latest_bar()
    bars = session.get_bars("AAPL", "5m", start=session.start_time, scope="all")
    first: BarData | None = bars[0] if len(bars) else None
    part: Bars = bars[1:3]
    columns = bars.to_numpy()
    latest = session.group(["AAPL", "MSFT"]).latest()
    panel = session.matrix("close", ["AAPL", "MSFT"])
    quality: float | None = session.get_quality("AAPL")
    missing = sum(gap.missing for gap in session.get_gaps("AAPL"))
    metrics = session.get_session_metrics("AAPL")
    found = session.explain("AAPL", "09:35")
    print(found.status, found.text, metrics.get("vwap"), panel.symbols, columns["ts"])
    print(newest, first, part, latest["close"], quality, missing)
    return float(panel.values.size)


async def follow(session: SessionData) -> int:
    """Wait for bars."""
    seen = 0
    async for bar in session.aio.stream("AAPL", "1m"):
        seen += 1
        last = await session.aio.get_last_n_bars(bar.symbol, 5)
        print(last.close.sum())
    return seen


def main() -> int:
    """A session by hand."""
    session = SessionData(completeness="any")
    session.start_new_session(date(2025, 7, 2))
    for symbol in ("AAPL", "MSFT"):
        session.register_symbol(symbol, derived=["5m", timedelta(minutes=15)])
    start = session.start_time
    assert start is not None

    async def both() -> int:
        following = asyncio.create_task(follow(session))
        await asyncio.sleep(0)
        for minute in range(12):
            at = start + timedelta(minutes=minute)
            outcome = session.add_bar("AAPL", BarData("AAPL", at, 1, 2, 1, 2, 100))
            assert outcome is tapeloom.Outcome.ACCEPTED
        session.end_session()
        return await following

    seen = asyncio.run(both())
    read(session)
    assert isinstance(get_session_data(), SessionData)
    return seen
