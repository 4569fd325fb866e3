"""Adding bars to a session and asking for the newest, beside a dict of deques behind a lock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from benches.python.by_hand import Bar, DequeSession, rows_of
from benches.python.ratios import Comparison, Targets, Way
from benches.python.workload import FIELDS, Market, make_market

from tapeloom import BarData, SessionData

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

# Few enough to stay in the cache, as what is asked for again and again does.
ASKED = 10
APPENDED = 20


@pytest.fixture(scope="module")
def market(small: bool) -> Market:
    return make_market(APPENDED if small else 500, 1, seed=4)


@pytest.fixture(scope="module")
def session(market: Market) -> SessionData:
    """One whole session of all symbols."""
    session = opened(market, market.symbols)
    for symbol, bars in market.bars.items():
        session.add_bars_batch(symbol, bars)
    return session


@pytest.fixture(scope="module")
def by_hand(market: Market) -> DequeSession:
    return DequeSession.filled(market.columns)


def opened(market: Market, symbols: Sequence[str]) -> SessionData:
    session = SessionData()
    session.start_new_session(market.dates[0])
    for symbol in symbols:
        session.register_symbol(symbol, base_interval="1m")
    return session


def values(bar: Any) -> tuple[Any, ...]:
    return (bar.ts, bar.open, bar.high, bar.low, bar.close, bar.volume)


def every_value(bars: Any) -> list[tuple[Any, ...]]:
    return [values(bar) for bar in bars]


@pytest.mark.parametrize("many", [1, APPENDED])
def test_append(compare: Comparison, market: Market, many: int) -> None:
    """A session's bars in the order in which they come, ready-made; the session begins anew before each pass.

    The targets hold for one symbol, whose bars stay in the cache on both sides.
    """
    symbols = market.symbols[:many]
    session, deques = opened(market, symbols), DequeSession(symbols)

    def in_order(make: Callable[..., Any]) -> list[tuple[str, Any]]:
        minutes = zip(*(rows_of(market.columns[s]) for s in symbols), strict=True)
        return [
            (symbol, make(symbol, *row))
            for minute in minutes
            for symbol, row in zip(symbols, minute, strict=True)
        ]

    def ours(questions: Sequence[tuple[str, BarData]]) -> None:
        add = session.add_bar
        for symbol, bar in questions:
            add(symbol, bar)

    def by_deques(questions: Sequence[tuple[str, Bar]]) -> None:
        append = deques.append
        for symbol, bar in questions:
            append(symbol, bar)

    compare(
        "append one bar, quality and metrics included"
        + ("" if many == 1 else f", {many} symbols in turn"),
        ours=[
            Way(
                "`add_bar`",
                lambda pair: session.add_bar(*pair),
                in_order(BarData),
                # The peer has no outcome; what is stored is compared below.
                lambda outcome: None,
                before=lambda: session.start_new_session(market.dates[0]),
                loop=ours,
            )
        ],
        peers=[
            Way(
                "deques behind an RLock",
                lambda pair: deques.append(*pair),
                in_order(Bar),
                before=deques.clear,
                loop=by_deques,
            )
        ],
        targets=Targets(1.5, 2.5, 3.2) if many == 1 else None,
    )
    for symbol in symbols:
        kept = session.get_bars(symbol).to_list()
        assert every_value(kept) == every_value(deques.last(symbol, 512))
        assert session.get_quality_report(symbol).missing == 0


def test_latest(
    compare: Comparison, market: Market, session: SessionData, by_hand: DequeSession
) -> None:
    targets = Targets(2.5, 3.5, 4.5)
    few = market.symbols[:ASKED]
    many = np.random.default_rng(4).permutation(market.symbols).tolist()
    for case, symbols, wanted in (
        ("latest bar", few, targets),
        ("latest bar of one of 500 symbols, at random", many, None),
    ):
        compare(
            case,
            ours=[Way("`get_latest_bar`", session.get_latest_bar, symbols, values)],
            peers=[Way("deques behind an RLock", by_hand.latest, symbols, values)],
            targets=wanted,
        )


def test_latest_of_all_symbols(
    compare: Comparison, market: Market, session: SessionData, by_hand: DequeSession
) -> None:
    symbols = market.symbols
    group = session.group(symbols)

    def of_columns(found: dict[str, Any]) -> list[tuple[Any, ...]]:
        columns = (found[name].tolist() for name in ("ts", *FIELDS))
        return list(zip(*columns, strict=True))

    compare(
        "latest of 500 symbols",
        ours=[
            Way(
                "`Group.latest`, columns",
                lambda _: group.latest(),
                [None],
                of_columns,
                loop=lambda _: group.latest(),
            ),
            Way(
                "`get_latest_bars_multi`, dict of bars",
                session.get_latest_bars_multi,
                [symbols],
                lambda found: every_value(found.values()),
            ),
        ],
        peers=[
            Way(
                "deques behind an RLock, dict of bars",
                by_hand.latest_of,
                [symbols],
                lambda found: every_value(found.values()),
            )
        ],
        targets=Targets(3, 4, 20),
    )


def test_last_of_all_symbols(
    compare: Comparison, market: Market, session: SessionData, by_hand: DequeSession
) -> None:
    """All columns of the newest 20 minutes; the bytes alone, copied by numpy, say what it could cost."""
    symbols = market.symbols
    group = session.group(symbols)
    ready = group.last(20)

    def of_deques(_given: object) -> dict[str, NDArray[Any]]:
        found = [by_hand.last(symbol, 20) for symbol in symbols]
        columns = {
            name: np.array([[getattr(bar, name) for bar in bars] for bars in found]).T
            for name in FIELDS
        }
        return {"ts": np.array([bar.ts for bar in found[0]]), **columns}

    def facts(found: dict[str, NDArray[Any]]) -> list[Any]:
        return [found[name].tolist() for name in ("ts", *FIELDS)]

    ours = Way("`Group.last`, columns", lambda _: group.last(20), [None], facts)
    compare(
        "last 20 of 500 symbols, all columns",
        ours=[ours],
        peers=[Way("deques behind an RLock, arrays", of_deques, [None], facts)],
    )
    compare(
        "last 20 of 500 symbols, all columns, beside their bytes",
        ours=[ours],
        peers=[
            Way(
                "numpy copy of the answer",
                lambda _: {name: column.copy("K") for name, column in ready.items()},
                [None],
                facts,
            )
        ],
        targets=Targets(0.5),
    )


def test_append_with_derived_intervals(compare: Comparison, market: Market) -> None:
    symbol = market.symbols[0]
    bars = [(symbol, BarData(symbol, *row)) for row in rows_of(market.columns[symbol])]

    def way(name: str, derived: tuple[str, ...]) -> Way:
        session = SessionData()
        session.start_new_session(market.dates[0])
        session.register_symbol(symbol, derived=derived)

        def every(questions: Sequence[tuple[str, BarData]]) -> None:
            add = session.add_bar
            for symbol, bar in questions:
                add(symbol, bar)

        return Way(
            name,
            lambda pair: session.add_bar(*pair),
            bars,
            before=lambda: session.start_new_session(market.dates[0]),
            loop=every,
        )

    compare(
        "append one bar with 5m, 15m, 1h and 1d bars, beside the bare append",
        ours=[way("`add_bar`, 4 derived intervals", ("5m", "15m", "1h", "1d"))],
        peers=[way("`add_bar`", ())],
        targets=Targets(0.25),
    )
