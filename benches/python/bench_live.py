"""Bars on their way from a socket into a live session: how long one takes, and how long a minute of very many symbols."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from benches.python.ratios import Targets
from benches.python.served import (
    OPEN,
    PATIENCE,
    BareSyncs,
    Seen,
    ServedBars,
    ways_to_the_client,
)

from tapeloom import SystemManager
from tapeloom.live import AlpacaFeed, DataApi
from tapeloom.live.live_player import Stage
from tapeloom.session.control import SLICE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benches.python.ratios import Comparison
    from numpy.typing import NDArray

    from tapeloom import BarData

MINUTE = 60_000_000_000
SECOND = 1_000_000_000
#: How often a session of its own takes the bars of two seconds: one stall of the machine decides a p99.
PLAYS = 5
#: What a commit of a few bars adds to the log of a journal: a page, and what stands before it.
LOG_PAGE = 4_096 + 24


class MarketTime:
    """Stands at the open until it runs; then it goes on at the end of the first minute, as fast as the server's minutes."""

    def __init__(self, speed: float) -> None:
        self.speed = speed
        self._began: int | None = None

    def run(self) -> None:
        self._began = time.monotonic_ns()

    def now_ns(self) -> int:
        if self._began is None:
            return OPEN + 1
        passed = time.monotonic_ns() - self._began
        return OPEN + MINUTE + int(passed * self.speed)


def live_config(symbols: int, journal: str, folder: Path) -> dict[str, Any]:
    return {
        "session_name": "bench",
        "mode": "live",
        "session_data_config": {
            "symbols": [f"S{n:05}" for n in range(symbols)],
            "streams": ["1m", "5m"],
        },
        "live_config": {
            "journal": journal,
            "journal_folder": str(folder),
            "store_end_of_day": False,
        },
    }


class Streamed:
    """One live session fed by a process of its own; how long each bar was on its way from the socket into the store."""

    def __init__(
        self,
        folder: Path,
        journal: str,
        symbols: int,
        minutes: int,
        rate: float,
        frame: int,
    ) -> None:
        self._symbols = symbols
        #: What the store has, and since when.
        self.seen = Seen()
        #: Seconds on their way, of each bar.
        self.ways = np.empty(0)
        self._done = threading.Event()
        self._clock = MarketTime(60 * rate / symbols if minutes > 1 else 1.0)
        self._served = ServedBars(symbols, minutes, rate, frame)
        feed = AlpacaFeed("key", "secret", url_override=self._served.url)
        system = SystemManager(
            folder,
            data_api=DataApi(feed, clock=self._clock),  # type: ignore[arg-type]  # it sets its own speed
        )
        self._run = system.prepare_live(live_config(symbols, journal, folder))
        self._watch(self._run.coordinator._journal)

    def _watch(self, journal: Any) -> None:
        """Note when the store has what a step brought: readers see it from then on."""
        begin_step = journal.begin_step

        def watched(live: Any, bars: Sequence[BarData], clock: int, **more: Any) -> Any:
            write = begin_step(live, bars, clock, **more)
            if write.is_done:
                self._note(bars)
                return write

            def finish() -> Any:
                found = write.finish()
                self._note(bars)
                return found

            return write._replace(finish=finish)

        journal.begin_step = watched

    def _note(self, bars: Sequence[BarData]) -> None:
        now = time.monotonic_ns()
        for bar in bars:
            self.seen.note(bar.volume, now)
        if len(self.seen) == self._served.bars:
            self._done.set()

    def play(self) -> None:
        """Let all bars come, and end the session."""
        coordinator = self._run.coordinator
        try:
            coordinator.start()
            self._served.wait_until_subscribed()
            while coordinator.stage != Stage.OPEN:
                assert coordinator.error is None
                time.sleep(0.01)
            self._clock.run()
            # The first look of a session judges every symbol, and so does the one that is due since the clock was set.
            while len(coordinator.quality.known) < self._symbols:
                time.sleep(0.01)
            time.sleep(5 * SLICE_SECONDS)
            self._served.begin()
            assert self._done.wait(PATIENCE), coordinator.error
            self.ways = self._served.ways(self.seen)
            store = self._run.session_data
            assert store.get_ingest_counts().accepted == self._served.bars
        finally:
            coordinator.stop()
            self._served.close()


# A vendor sends what it has at once in one array: a few bars when little trades, thousands at the turn of a minute.
@pytest.mark.parametrize("frame", [1, 20])
@pytest.mark.parametrize(
    ("journal", "seconds"), [("relaxed", 200e-6), ("strict", 2e-3)]
)
def test_a_bar_from_the_wire(
    compare: Comparison,
    tmp_path: Path,
    small: bool,
    journal: str,
    seconds: float,
    frame: int,
) -> None:
    """Bars within one minute: no look at all symbols lies in the span that is measured.

    A session looks once a minute whose bars are missing. Of 10,000 symbols that takes 3 to 35 ms, which a bar that comes
    then waits for; here the bars wait until the look has been that is due since the clock was set.
    """
    symbols = 20 if small else 10_000
    found: list[NDArray[np.float64]] = []

    def play() -> None:
        folder = tmp_path / str(len(found))
        folder.mkdir()
        streamed = Streamed(folder, journal, symbols, 1, rate=5_000, frame=frame)
        streamed.play()
        found.append(np.percentile(streamed.ways, [50, 99]))

    def play_all() -> None:
        for _ in range(1 if small else PLAYS):
            play()

    how = "one by one" if frame == 1 else f"in arrays of {frame}"
    case = f"a bar from the wire into a live session, {journal} journal, 5,000 a second {how}, p99"
    compare.take_part(case, play_all)
    if compare.benchmark.enabled:
        middle, late = np.median(found, axis=0)
        compare.keep(
            case,
            ours={
                "the live session": float(late),
                "the live session, half of the bars": float(middle),
            },
            peers={"what is wanted": seconds},
            targets=Targets(1) if frame == 1 else None,
        )


@pytest.mark.parametrize("frame", [1, 20])
def test_a_bar_from_the_wire_beside_the_client_alone(
    compare: Comparison, tmp_path: Path, small: bool, frame: int
) -> None:
    """What the vendor's client takes by itself is the least that a session on it can take: no targets."""
    symbols = 20 if small else 10_000
    streamed = Streamed(tmp_path, "relaxed", symbols, 1, rate=5_000, frame=frame)
    alone: list[Any] = []

    def both() -> None:
        streamed.play()
        alone.append(ways_to_the_client(symbols, 5_000, frame))

    how = "one by one" if frame == 1 else f"in arrays of {frame}"
    case = f"a bar from the wire to a program, 5,000 a second {how}"
    compare.take_part(case, both)
    assert len(alone[0]) == len(streamed.ways) == symbols
    for share, words in ((99, "p99"), (50, "half of the bars")):
        if compare.benchmark.enabled:
            compare.keep(
                f"{case}, {words}",
                ours={
                    "a live session, relaxed journal": float(
                        np.percentile(streamed.ways, share)
                    )
                },
                peers={
                    "the vendor's client, a handler that notes the time": float(
                        np.percentile(alone[0], share)
                    )
                },
            )


@pytest.mark.skipif(not hasattr(os, "fdatasync"), reason="it syncs otherwise here")
@pytest.mark.parametrize("frame", [1, 20])
def test_a_bar_from_the_wire_beside_the_disk(
    compare: Comparison, tmp_path: Path, small: bool, frame: int
) -> None:
    """What the disk takes while a program listens is the least that a session with a strict journal can take: no targets."""
    symbols = 20 if small else 10_000
    streamed = Streamed(tmp_path, "strict", symbols, 1, rate=5_000, frame=frame)
    bare: list[float] = []

    def both() -> None:
        streamed.play()
        steps = len(set(streamed.seen.instants))
        seconds = symbols / 5_000
        with BareSyncs(tmp_path / "bare", LOG_PAGE, seconds / steps) as syncs:
            ways_to_the_client(symbols, 5_000, frame)
        bare.extend(syncs.times)

    how = "one by one" if frame == 1 else f"in arrays of {frame}"
    case = f"a bar from the wire through a strict journal, 5,000 a second {how}"
    compare.take_part(case, both)
    assert len(streamed.ways) == symbols
    assert bare
    for share, words in ((99, "p99"), (50, "half of the bars")):
        if compare.benchmark.enabled:
            compare.keep(
                f"{case}, {words}",
                ours={
                    "a live session": float(np.percentile(streamed.ways, share)),
                },
                peers={
                    "a bare write and fdatasync of the same bytes, while the vendor's client takes such bars": float(
                        np.percentile(bare, share)
                    )
                },
            )


def test_a_minute_of_very_many_symbols(
    compare: Comparison, tmp_path: Path, small: bool
) -> None:
    symbols = 20 if small else 10_000
    minutes = 3
    # All of a minute within a tenth of a second, a minute every two.
    streamed = Streamed(
        tmp_path, "strict", symbols, minutes, rate=symbols / 2, frame=symbols
    )
    case = f"the minute of {symbols:,} symbols, from the wire into a live session with a strict journal"
    compare.take_part(case, streamed.play)
    if compare.benchmark.enabled:
        last = float(streamed.ways.max())
        compare.keep(
            case,
            ours={"the live session, slowest of 3 minutes": last},
            peers={"a second": 1.0},
            targets=Targets(1),
        )
