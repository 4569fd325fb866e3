"""The newest bars of a symbol, as bars and as columns, beside a dict of deques behind a lock and a ring in numpy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from benches.python.by_hand import Bar, DequeSession, MirroredRing
from benches.python.ratios import Comparison, Targets, Way
from benches.python.workload import Market, make_market

from tapeloom import SessionData

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# Few enough to stay in the cache, as what is asked for again and again does.
SYMBOLS = 10


@pytest.fixture(scope="module")
def market() -> Market:
    return make_market(SYMBOLS, 1, seed=4)


@pytest.fixture(scope="module")
def session(market: Market) -> SessionData:
    session = SessionData()
    session.start_new_session(market.dates[0])
    for symbol, bars in market.bars.items():
        session.add_bars_batch(symbol, bars)
    return session


def every_value(bars: Any) -> list[tuple[Any, ...]]:
    return [(b.ts, b.open, b.high, b.low, b.close, b.volume) for b in bars]


def test_last_twenty_as_bars(
    compare: Comparison, market: Market, session: SessionData
) -> None:
    def ours(symbols: Sequence[str]) -> None:
        last = session.get_last_n_bars
        for symbol in symbols:
            last(symbol, 20).to_list()

    def by_deques(name: str, last: Callable[[str, int], list[Bar]]) -> Way:
        def run(symbols: Sequence[str]) -> None:
            for symbol in symbols:
                last(symbol, 20)

        return Way(
            f"deques behind an RLock, {name}",
            lambda symbol: last(symbol, 20),
            market.symbols,
            every_value,
            loop=run,
        )

    by_hand = DequeSession.filled(market.columns)
    compare(
        "last 20 as bars",
        ours=[
            Way(
                "`get_last_n_bars(...).to_list`",
                lambda symbol: session.get_last_n_bars(symbol, 20).to_list(),
                market.symbols,
                every_value,
                loop=ours,
            )
        ],
        peers=[
            by_deques("`list(...)[-20:]`", by_hand.last),
            by_deques("`islice`", by_hand.last_by_position),
        ],
        targets=Targets(2, 3, 3.5),
    )


@pytest.mark.parametrize("count", [20, 390])
def test_last_closes_as_a_view(
    compare: Comparison, market: Market, session: SessionData, count: int
) -> None:
    symbols = market.symbols
    rings = {symbol: MirroredRing.filled(market.columns[symbol]) for symbol in symbols}

    def ours(symbols: Sequence[str]) -> None:
        last = session.get_last_n_bars
        for symbol in symbols:
            _ = last(symbol, count).close

    def by_rings(symbols: Sequence[str]) -> None:
        for symbol in symbols:
            rings[symbol].closes(count)

    compare(
        f"last {count} closes as a view",
        ours=[
            Way(
                "`get_last_n_bars(...).close`",
                lambda symbol: session.get_last_n_bars(symbol, count).close,
                symbols,
                np.ndarray.tolist,
                loop=ours,
            )
        ],
        peers=[
            Way(
                "mirrored rings in numpy",
                lambda symbol: rings[symbol].closes(count),
                symbols,
                np.ndarray.tolist,
                loop=by_rings,
            )
        ],
        targets=Targets(1, 1.3, 1.8),
    )
