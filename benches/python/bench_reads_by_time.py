"""Reading the bars of a stretch of time as arrays, from the session and from history, beside columns held in numpy.

numpy is expected to be ahead where history lies in several pieces, which are joined for each read.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from benches.python.ratios import Comparison, Targets, Way
from benches.python.workload import FIELDS, Columns, Market, make_market

from tapeloom import SessionData

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SYMBOLS = 10
NAMES = ("ts", *FIELDS)
NS_PER_S = 1_000_000_000


@pytest.fixture(scope="module")
def market(small: bool) -> Market:
    return make_market(SYMBOLS, 3 if small else 21, seed=4)


@pytest.fixture(scope="module")
def session(market: Market) -> SessionData:
    """A whole session, and the ones before it as history."""
    session, table = SessionData(), market.table
    for index, date in zip(market.sessions, market.dates, strict=True):
        session.start_new_session(date, roll=True)
        start, end = int(table.span_starts[index]), int(table.span_ends[index])
        for symbol, bars in market.bars.items():
            session.add_bars_batch(symbol, bars.between(start, end))
    return session


@pytest.fixture(scope="module")
def today(market: Market) -> dict[str, Columns]:
    """The same columns in numpy, of the last session only."""
    start = int(market.table.opens[market.sessions[-1]])
    return {
        symbol: {name: c[columns["ts"] >= start] for name, c in columns.items()}
        for symbol, columns in market.columns.items()
    }


def of_arrays(arrays: Sequence[Any]) -> list[Any]:
    return [array.tolist() for array in arrays]


def of_dict(found: dict[str, Any]) -> list[Any]:
    return [found[name].tolist() for name in NAMES]


def test_bars_since_an_instant(
    compare: Comparison,
    market: Market,
    session: SessionData,
    today: dict[str, Columns],
) -> None:
    """The newest 20. In the case with targets the peer searches for each column, in the next one once."""
    since = int(market.grid[-20])
    aware = datetime.fromtimestamp(since // NS_PER_S, UTC)
    symbols = market.symbols

    def ours(at: object) -> Callable[[Sequence[str]], None]:
        def run(symbols: Sequence[str]) -> None:
            read = session.get_bars_since
            for symbol in symbols:
                read(symbol, at).to_numpy()

        return run

    def way(name: str, at: object) -> Way:
        def ask(symbol: str) -> dict[str, Any]:
            return session.get_bars_since(symbol, at).to_numpy()

        return Way(name, ask, symbols, of_dict, loop=ours(at))

    def each_searched(columns: Columns) -> list[Any]:
        ts = columns["ts"]
        return [column[ts.searchsorted(since) :] for column in columns.values()]

    def searched_once(columns: Columns) -> list[Any]:
        start = columns["ts"].searchsorted(since)
        return [column[start:] for column in columns.values()]

    read = way("`get_bars_since(...).to_numpy`", since)
    columns = list(today.values())
    compare(
        "bars since t, as arrays",
        ours=[read, way("the same, t an aware datetime", aware)],
        peers=[
            Way("numpy, 6 searches and views", each_searched, columns, of_arrays),
        ],
        targets=Targets(3, 6, 12),
    )
    compare(
        "bars since t, as arrays; t searched for once",
        ours=[read],
        peers=[Way("numpy, 1 search, 6 views", searched_once, columns, of_arrays)],
    )


def test_bars_of_three_weeks(
    compare: Comparison, market: Market, session: SessionData
) -> None:
    """History and session in one read: ours joins the pieces, the peer keeps one array for ever."""
    start, end = int(market.grid[10]), int(market.grid[-10])
    symbols = market.symbols

    def ours(symbols: Sequence[str]) -> None:
        read = session.get_all_bars
        for symbol in symbols:
            read(symbol, start=start, end=end).to_numpy()

    def by_numpy(columns: Columns) -> list[Any]:
        first, last = np.searchsorted(columns["ts"], (start, end)).tolist()
        return [column[first:last] for column in columns.values()]

    def ask(symbol: str) -> dict[str, Any]:
        return session.get_all_bars(symbol, start=start, end=end).to_numpy()

    compare(
        "bars of 21 sessions, history and session, as arrays",
        ours=[
            Way(
                "`get_all_bars(...).to_numpy`",
                ask,
                symbols,
                of_dict,
                loop=ours,
            )
        ],
        peers=[
            Way(
                "numpy, 1 search, 6 views",
                by_numpy,
                list(market.columns.values()),
                of_arrays,
            )
        ],
    )


def test_last_bars_over_the_open(
    compare: Comparison, market: Market, session: SessionData
) -> None:
    """A window that reaches from the session back into history, within what the store keeps in one piece."""
    symbols, count = market.symbols, 450

    def ours(symbols: Sequence[str]) -> None:
        read = session.get_last_n_bars
        for symbol in symbols:
            _ = read(symbol, count, scope="all").close

    compare(
        "last 450 closes, over the open",
        ours=[
            Way(
                '`get_last_n_bars(..., scope="all").close`',
                lambda symbol: (
                    session.get_last_n_bars(symbol, count, scope="all").close
                ),
                symbols,
                np.ndarray.tolist,
                loop=ours,
            )
        ],
        peers=[
            Way(
                "numpy, a slice",
                lambda columns: columns["close"][-count:],
                list(market.columns.values()),
                np.ndarray.tolist,
            )
        ],
    )
