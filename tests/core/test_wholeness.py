"""How whole the sessions of many symbols are, what was offered and how they opened: all at once as one by one."""

from __future__ import annotations

import math
from datetime import date

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tapeloom import BarData, SessionData
from tapeloom.ingest import IngestCounts

MINUTE = 60_000_000_000
EARLIER, DAY = date(2025, 7, 1), date(2025, 7, 2)
KEPT = ("AAPL", "MSFT", "RIVN")
SYMBOLS = (*KEPT[:2], "NOBODY", KEPT[2])


def add(session: SessionData, symbol: str, numbers: list[int]) -> None:
    start = session.start_time
    assert start is not None
    for number in numbers:
        ts = int(start.timestamp()) * 10**9 + number * MINUTE
        price = 100.0 + number
        session.add_bar(symbol, BarData(symbol, ts, price, price, price, price, 1.0))


@given(
    minutes=st.lists(
        st.lists(st.integers(0, 30), max_size=40),
        min_size=2 * len(KEPT),
        max_size=2 * len(KEPT),
    ),
    no_trade=st.sampled_from(["gap", "expected"]),
    is_member=st.booleans(),
)
def test_many_symbols_at_once_are_as_one_after_the_other(
    minutes: list[list[int]], no_trade: str, is_member: bool
) -> None:
    session = SessionData(no_trade=no_trade)
    session.start_new_session(EARLIER)
    for symbol in KEPT:
        session.register_symbol(symbol)
    if is_member:
        session.set_membership("MSFT", [(EARLIER, EARLIER)])
    for day, numbers in ((EARLIER, minutes[:3]), (DAY, minutes[3:])):
        if day == DAY:
            session.start_new_session(day, roll=True)
        for symbol, each in zip(KEPT, numbers, strict=True):
            add(session, symbol, each)
    group = session.group(SYMBOLS)

    whole, counts = session._wholeness_of(group), group._counts()
    closes, opens = group._openings()
    for at, symbol in enumerate(SYMBOLS):
        present, due, _ = session._session_presence(symbol)
        runs = session._due_runs(symbol)
        first, last, longest = max(runs, key=lambda run: run[2], default=(0, 0, 0))
        row = {name: int(column[at]) for name, column in whole.items()}
        assert row == {
            "present": present,
            "due": due,
            "gaps": len(runs),
            "longest": longest,
            "longest_start": first,
            "longest_end": last,
        }
        assert IngestCounts(*counts[at].tolist()) == session._counts_of(symbol)
        wanted = (math.nan, math.nan)
        if symbol in KEPT:
            before = session.get_latest_bar(symbol, scope="history")
            here = session.get_bars(symbol)
            wanted = (
                math.nan if before is None else before.close,
                here[0].open if len(here) else math.nan,
            )
        np.testing.assert_array_equal((closes[at], opens[at]), wanted)
    for scope in ("session", "history"):
        newest = [session.get_latest_bar(symbol, scope=scope) for symbol in KEPT]
        starts = [bar.ts for bar in newest if bar is not None]
        assert session._newest_start(scope) == max(starts, default=None)
