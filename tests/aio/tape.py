"""A made-up morning of four symbols with holes, late bars, corrections and repeats, and what its followers are told."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, NamedTuple

from tapeloom import SessionData
from tests.compare import bar_data, plain
from tests.days import us_day
from tests.reference.bars import Bar
from tests.reference.news import News, Row, rows_of
from tests.reference.schedule import MINUTE
from tests.reference.session import Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from tapeloom import BarData

__all__ = [
    "DAY",
    "SERIES",
    "SYMBOLS",
    "Step",
    "Watched",
    "morning",
    "new_session",
    "play",
    "row_of",
    "told",
]

DAY = us_day("2025-07-02")
SYMBOLS = ("AAA", "BBB", "CCC", "DDD")
Series = tuple[str, str]
SERIES: tuple[Series, ...] = tuple(
    (symbol, interval) for symbol in SYMBOLS for interval in ("1m", "5m")
)


class Step(NamedTuple):
    """What arrives at once: one bar, or several as a batch."""

    symbol: str
    bars: tuple[Bar, ...]


class Watched(SessionData):
    """A session that says how often its waker was set."""

    def __init__(self) -> None:
        super().__init__()
        self.wakers: list[Callable[[], object] | None] = []

    def _set_waker(self, waker: Callable[[], object] | None) -> None:
        self.wakers.append(waker)
        super()._set_waker(waker)


def new_session() -> Watched:
    session = Watched()
    for symbol in SYMBOLS:
        session.register_symbol(symbol, derived=["5m"])
    session.start_new_session(DAY.date)
    return session


def _bar(rng: Random, minute: int) -> Bar:
    close = float(rng.randint(100, 120))
    open_ = float(rng.randint(100, 120))
    high, low = max(open_, close) + 1.0, min(open_, close) - 1.0
    return Bar(
        DAY.open + minute * MINUTE, open_, high, low, close, float(rng.randint(0, 9))
    )


def morning(seed: int, minutes: int) -> list[Step]:
    """Arrivals in an order that the seed decides."""
    rng, steps = Random(seed), []
    held: list[Step] = []
    for minute in range(minutes):
        for symbol in rng.sample(SYMBOLS, len(SYMBOLS)):
            step = Step(symbol, (_bar(rng, minute),))
            kind = rng.random()
            if kind < 0.15:
                held.append(step)
                continue
            steps.append(step)
            if kind < 0.2:
                steps.append(step)
            elif kind < 0.3:
                steps.append(Step(symbol, (_bar(rng, rng.randint(0, minute)),)))
        if rng.random() < 0.3 and held:
            steps.append(held.pop(rng.randrange(len(held))))
        elif rng.random() < 0.2:
            some = rng.sample(range(minute + 1), min(minute + 1, 3))
            symbol = rng.choice(SYMBOLS)
            steps.append(Step(symbol, tuple(_bar(rng, m) for m in some)))
    return steps


def play(session: SessionData, step: Step) -> None:
    bars = [bar_data(step.symbol, bar) for bar in step.bars]
    if len(bars) == 1:
        session.add_bar(step.symbol, bars[0])
    else:
        session.add_bars_batch(step.symbol, bars)


def told(steps: list[Step]) -> list[dict[Series, News]]:
    """What each series tells after each step; the last entry is what the end of the session tells."""
    store = Store([DAY])
    store.start_session(DAY.date)
    found = []
    before = {series: _rows(store, series) for series in SERIES}
    for step in [*steps, None]:
        if step is None:
            store.end_session()
        elif len(step.bars) == 1:
            store.offer(step.symbol, step.bars[0])
        else:
            store.offer_batch(step.symbol, step.bars)
        after = {series: _rows(store, series) for series in SERIES}
        found.append({s: _changed(before[s], after[s]) for s in SERIES})
        before = after
    return found


def _rows(store: Store, series: Series) -> dict[int, Row]:
    symbol, interval = series
    return rows_of(store, symbol, None if interval == "1m" else interval)


def _changed(before: dict[int, Row], after: dict[int, Row]) -> News:
    return [after[ts] for ts in sorted(after) if before.get(ts) != after[ts]]


def row_of(bar: BarData) -> Row:
    return Row(plain(bar), bar.constituents)
