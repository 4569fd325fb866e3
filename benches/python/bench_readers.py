"""A session played detached while other threads read it: eight readers beside one."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from benches.python.ratios import Targets, Way
from benches.python.workload import make_market

from tapeloom import SessionData
from tapeloom._core import Replay

if TYPE_CHECKING:
    from benches.python.ratios import Comparison
    from benches.python.workload import Market


class Played:
    """One session of a market, played through a store of its own while some threads read."""

    def __init__(self, market: Market, readers: int) -> None:
        self._market = market
        self._readers = readers
        self._done = threading.Event()
        self._threads: list[threading.Thread] = []

    def prepare(self) -> None:
        """Make the store, let the readers begin."""
        self.stop()
        market = self._market
        session = SessionData()
        session.start_new_session(market.dates[0])
        for symbol in market.symbols:
            session.register_symbol(symbol, base_interval="1m", derived=["5m"])
        close = int(market.table.closes[market.sessions.start])
        self._replay = Replay(session, list(market.bars.items()), close=close)
        self._done = threading.Event()
        self._threads = [
            threading.Thread(target=self._read, args=(session, at, self._done))
            for at in range(self._readers)
        ]
        for thread in self._threads:
            thread.start()

    def _read(self, session: SessionData, at: int, done: threading.Event) -> None:
        while not done.is_set():
            for symbol in self._market.symbols[at::11]:
                session.get_last_n_bars(symbol, 20)
                session.get_latest_bar(symbol)

    def play(self, _given: object) -> int:
        """The whole session, detached."""
        batch = self._replay.run(most_bars=2**40)
        self._replay.close()
        # Waiting for them costs this thread no time of its own.
        self.stop()
        return batch.base_bars

    def stop(self) -> None:
        """Let the readers end."""
        self._done.set()
        for thread in self._threads:
            thread.join()


def test_eight_readers_beside_one(compare: Comparison, small: bool) -> None:
    market = make_market(20 if small else 500, 1, seed=8)
    eight, one = Played(market, 8), Played(market, 1)
    compare(
        "a session played while 8 threads read, per bar, time of its thread",
        ours=[way("`Replay.run`, 8 readers", eight, market.rows)],
        peers=[way("the same with 1 reader", one, market.rows)],
        targets=Targets(0.8),
        # That of the thread that plays: with more readers it waits longer for the interpreter afterwards.
        clock=time.thread_time,
    )


def way(name: str, played: Played, rows: int) -> Way:
    return Way(name, played.play, [None], size=rows, before=played.prepare)
