"""All bars that become known at one instant, as columns, instant by instant; the merge included."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from benches.python.by_hand import sorted_by_numpy
from benches.python.ratios import Targets, Way
from benches.python.workload import MINUTE, Market, make_market

import tapeloom

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benches.python.ratios import Comparison
    from numpy.typing import NDArray

Arrays = tuple["NDArray[Any]", ...]


@pytest.fixture(scope="module")
def market(small: bool) -> Market:
    return make_market(*((4, 1) if small else (500, 5)), seed=2)


def instants_of_ours(market: Market) -> Iterator[tuple[int, Arrays]]:
    for known_at, found in tapeloom.merge(list(market.bars.values())).instants():
        prices = (found.open, found.high, found.low, found.close, found.volume)
        yield known_at - MINUTE, (found.source, found.ts, *prices)


def instants_by_numpy(market: Market) -> Iterator[tuple[int, Arrays]]:
    """Begin with the symbols' columns behind each other; that much is given."""
    arrays = sorted_by_numpy(market.joined)
    ts = arrays[1]
    edges = np.flatnonzero(ts[1:] != ts[:-1]) + 1
    starts = [0, *edges.tolist()]
    for start, end in zip(starts, [*starts[1:], len(ts)], strict=True):
        yield ts[start], tuple(array[start:end] for array in arrays)


def test_all_bars_of_an_instant(compare: Comparison, market: Market) -> None:
    def known(market: Market) -> None:
        for _ in tapeloom.merge(list(market.bars.values())).instants():
            pass

    def closes(market: Market) -> None:
        for _, found in tapeloom.merge(list(market.bars.values())).instants():
            _ = found.source, found.close

    def all_of(
        found: Callable[[Market], Iterator[tuple[int, Arrays]]],
    ) -> Callable[[Market], None]:
        def iterate(market: Market) -> None:
            for _ in found(market):
                pass

        return iterate

    def answers(found: Iterator[tuple[int, Arrays]]) -> list[tuple[int, int]]:
        return [
            (int(at), hash(tuple(column.tobytes() for column in columns)))
            for at, columns in found
        ]

    assert answers(instants_of_ours(market)) == answers(instants_by_numpy(market))
    count = len(market.grid)

    def way(name: str, ask: Callable[[Market], None]) -> Way:
        return Way(name, ask, [market], size=count)

    compare(
        "all bars of an instant, 500 symbols x 5 sessions, per instant",
        ours=[
            way("`merge(...).instants`, seven columns read", all_of(instants_of_ours)),
            way("the same, two columns read", closes),
            way("the same, no column read", known),
        ],
        peers=[way("numpy argsort, 7 views", all_of(instants_by_numpy))],
        targets=Targets(1.4, 2, 4),
        clock=time.perf_counter,
    )
