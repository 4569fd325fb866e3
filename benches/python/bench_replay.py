"""Bars handed out one by one in the order in which they become known, the merge included."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from benches.python.by_hand import sorted_by_numpy
from benches.python.ratios import Targets, Way
from benches.python.workload import Market, make_market

import tapeloom

if TYPE_CHECKING:
    from collections.abc import Callable

    from benches.python.ratios import Comparison

    from tapeloom.bars import BarData


@pytest.fixture(scope="module")
def market(small: bool) -> Market:
    return make_market(*((4, 1) if small else (500, 5)), seed=2)


def each_of_ours(market: Market, call: Callable[[BarData], object]) -> None:
    tapeloom.merge(list(market.bars.values())).each(call)


class Frames:
    """The symbols' bars in polars, to be sorted."""

    def __init__(self, market: Market) -> None:
        self._parts = [
            pl.DataFrame({"source": np.full(len(stream["ts"]), n, np.int32), **stream})
            for n, stream in enumerate(market.columns.values())
        ]

    def each(self, call: Callable[[tuple[Any, ...]], object]) -> None:
        ordered = pl.concat(self._parts).sort("ts", maintain_order=True)
        for row in ordered.iter_rows():
            call(row)


def each_by_numpy(market: Market, call: Callable[[tuple[Any, ...]], object]) -> None:
    """Begin with the symbols' columns behind each other; that much is given."""
    for row in zip(*(c.tolist() for c in sorted_by_numpy(market.joined)), strict=True):
        call(row)


def test_a_call_for_each_bar(compare: Comparison, market: Market) -> None:
    frames, numbers = Frames(market), {s: n for n, s in enumerate(market.symbols)}

    def values(bar: BarData) -> tuple[Any, ...]:
        prices = (bar.open, bar.high, bar.low, bar.close, bar.volume)
        return (numbers[bar.symbol], bar.ts, *prices)

    expected = digest(lambda call: each_by_numpy(market, call), tuple)
    assert digest(lambda call: each_of_ours(market, call), values) == expected
    assert digest(frames.each, tuple) == expected

    def ignore(bar: object) -> None:
        pass

    side_by_side(
        compare,
        "a Python call per bar, 500 symbols x 5 sessions",
        market,
        frames,
        (ignore, ignore),
        Targets(3, 5, 6),
    )

    def of_bar(bar: BarData) -> float:
        return bar.close - bar.open

    def of_row(row: tuple[Any, ...]) -> float:
        return row[5] - row[2]  # type: ignore[no-any-return]  # a row holds anything

    calls = (of_bar, of_row)
    case = "a Python call per bar that reads two prices"
    side_by_side(compare, case, market, frames, calls, None)


def side_by_side(
    compare: Comparison,
    case: str,
    market: Market,
    frames: Frames,
    calls: tuple[Callable[[BarData], object], Callable[[Any], object]],
    targets: Targets | None,
) -> None:
    """Answers are compared by the caller: they would cost more than the calls."""
    for_bar, for_row = calls
    compare(
        case,
        ours=[
            Way(
                "`merge(...).each`",
                lambda call: each_of_ours(market, call),
                [for_bar],
                size=market.rows,
            )
        ],
        peers=[
            Way(
                "polars sort, `iter_rows`",
                frames.each,
                [for_row],
                size=market.rows,
            ),
            Way(
                "numpy argsort, `zip` of lists",
                lambda call: each_by_numpy(market, call),
                [for_row],
                size=market.rows,
            ),
        ],
        targets=targets,
        # Wall time: both sides merge with all cores.
        clock=time.perf_counter,
    )


def digest(
    each: Callable[[Callable[[Any], object]], object],
    values: Callable[[Any], tuple[Any, ...]],
) -> int:
    """A number that any other value or order would change."""
    found = 0

    def take(bar: Any) -> None:
        nonlocal found
        found = hash((found, values(bar)))

    each(take)
    return found
