"""Eight threads read whatever they like while a ninth writes: what they see is always a whole instant of the truth."""

from __future__ import annotations

import random
import threading
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from tapeloom import BarData, SessionData

if TYPE_CHECKING:
    from collections.abc import Callable

MINUTE = 60_000_000_000
OPEN = 1_751_463_000_000_000_000  # 2025-07-02 09:30 New York
SYMBOLS = tuple(f"S{number:02d}" for number in range(12))
MINUTES = 390
READERS = 8


def price(symbol: str, number: int, revision: int = 0) -> float:
    """What the bar of a minute closes at: symbol, minute and revision can be told from it."""
    return 1_000.0 * (1 + SYMBOLS.index(symbol)) + number + revision / 8


def bar(symbol: str, number: int, revision: int = 0) -> BarData:
    close = price(symbol, number, revision)
    return BarData(
        symbol, OPEN + number * MINUTE, close, close, close, close, number + 1
    )


def arrivals() -> list[tuple[str, int, int]]:
    """Symbol, minute and revision in order of arrival: most in time, some late, some corrected."""
    choose = random.Random(5)
    found, late = [], []
    for number in range(MINUTES):
        for symbol in SYMBOLS:
            if choose.random() < 0.03:
                late.append((symbol, number, 0))
            else:
                found.append((symbol, number, 0))
            if number > 3 and choose.random() < 0.02:
                found.append((symbol, number - 3, 1))
        if late and choose.random() < 0.3:
            found.append(late.pop(choose.randrange(len(late))))
    return found + late


def truth(events: list[tuple[str, int, int]]) -> dict[str, dict[int, int]]:
    """The revision of each minute of each symbol in the end."""
    kept: dict[str, dict[int, int]] = {symbol: {} for symbol in SYMBOLS}
    for symbol, number, revision in events:
        known = kept[symbol].get(number)
        if known is None or known != revision:
            kept[symbol][number] = revision
    return kept


class Readers:
    """Threads that look until the writer is done, and what they found wrong."""

    def __init__(self, session_data: SessionData) -> None:
        self.session_data = session_data
        self.done = threading.Event()
        self.wrong: list[str] = []
        self.looks = [0] * READERS
        looks: list[Callable[[random.Random], str | None]] = [
            self.columns_are_whole,
            self.bars_are_in_order,
            self.group_is_of_one_epoch,
            self.derived_bars_agree,
            self.counts_balance,
            self.held_views_stay,
        ]
        self.threads = [
            threading.Thread(target=self.run, args=(at, looks[at % len(looks)]))
            for at in range(READERS)
        ]

    def run(self, at: int, look: Callable[[random.Random], str | None]) -> None:
        choose = random.Random(at)
        try:
            while not (self.done.is_set() and self.looks[at] > 20) and not self.wrong:
                fault = look(choose)
                self.looks[at] += 1
                if fault is not None:
                    self.wrong.append(fault)
        except BaseException as error:
            self.wrong.append(repr(error))
            raise

    def columns_are_whole(self, choose: random.Random) -> str | None:
        symbol = choose.choice(SYMBOLS)
        bars = self.session_data.get_last_n_bars(symbol, choose.randrange(60))
        numbers = (bars.ts - OPEN) // MINUTE
        expected = 1_000.0 * (1 + SYMBOLS.index(symbol)) + numbers
        off = bars.close - expected
        if not np.isin(off, (0.0, 1 / 8)).all():
            return f"{symbol}: a close of another bar"
        if (
            not (bars.volume == numbers + 1).all()
            or not (bars.open == bars.close).all()
        ):
            return f"{symbol}: a torn row"
        return None

    def bars_are_in_order(self, choose: random.Random) -> str | None:
        bars = self.session_data.get_bars(choose.choice(SYMBOLS))
        return None if (np.diff(bars.ts) > 0).all() else "bars out of order"

    def group_is_of_one_epoch(self, choose: random.Random) -> str | None:
        count = choose.randrange(1, 5)
        group = self.session_data.group(SYMBOLS)
        last, latest = group.last(count), group.latest()
        numbers = (last["ts"] - OPEN) // MINUTE
        off = last["close"] - numbers[:, None] - 1_000.0 * np.arange(1, 13)
        known = off[~np.isnan(off)]
        if not np.isin(known, (0.0, 1 / 8)).all():
            return "a group holds a bar in another place"
        # The instants are written symbol by symbol, in order: a later symbol is never ahead.
        newest = latest["ts"][latest["ts"] > 0]
        return (
            None
            if newest.size < 2 or np.ptp(newest) < 40 * MINUTE
            else "instants apart"
        )

    def derived_bars_agree(self, choose: random.Random) -> str | None:
        symbol = choose.choice(SYMBOLS)
        coarse = self.session_data.get_bars(symbol, "5m")
        if not (coarse.constituents <= 5).all() or not (np.diff(coarse.ts) > 0).all():
            return f"{symbol}: derived bars are wrong"
        return None

    def counts_balance(self, choose: random.Random) -> str | None:
        counts = self.session_data.get_ingest_counts(choose.choice(SYMBOLS))
        if not counts.balanced:
            return f"counts do not balance: {counts}"
        quality = self.session_data.get_quality(choose.choice(SYMBOLS))
        return None if quality is None or 0 <= quality <= 100 else f"quality {quality}"

    def held_views_stay(self, choose: random.Random) -> str | None:
        bars = self.session_data.get_last_n_bars(
            choose.choice(SYMBOLS), 30, scope="all"
        )
        close = bars.close
        before = close.tobytes()
        for _ in range(20):
            self.session_data.get_latest_bar(choose.choice(SYMBOLS))
        return None if close.tobytes() == before else "a held view changed"


def test_eight_readers_and_a_writer_agree_with_the_truth() -> None:
    session_data = SessionData()
    session_data.start_new_session(date(2025, 7, 2))
    for symbol in SYMBOLS:
        session_data.register_symbol(symbol, derived=["5m", "15m"])
    readers = Readers(session_data)
    for thread in readers.threads:
        thread.start()
    events = arrivals()
    try:
        for symbol, number, revision in events:
            session_data.add_bar(symbol, bar(symbol, number, revision))
    finally:
        readers.done.set()
        for thread in readers.threads:
            thread.join()
    assert readers.wrong == []
    assert min(readers.looks) > 0

    for symbol, revisions in truth(events).items():
        numbers = sorted(revisions)
        bars = session_data.get_bars(symbol)
        assert ((bars.ts - OPEN) // MINUTE).tolist() == numbers
        assert bars.close.tolist() == [price(symbol, n, revisions[n]) for n in numbers]
        fives = session_data.get_bars(symbol, "5m")
        for at, start in enumerate(((fives.ts - OPEN) // MINUTE).tolist()):
            inside = [n for n in numbers if start <= n < start + 5]
            assert fives.constituents[at] == len(inside)
            assert fives.close[at] == price(symbol, inside[-1], revisions[inside[-1]])
            assert fives.volume[at] == sum(n + 1 for n in inside)
    assert session_data.get_ingest_counts().offered == len(events)
