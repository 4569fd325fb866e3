"""Bars on their way from a socket into a live session: how long one takes, and how long a minute of very many symbols."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from benches.python.ratios import Targets

from tapeloom import SystemManager
from tapeloom.live import AlpacaFeed, DataApi
from tapeloom.live.live_player import Stage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benches.python.ratios import Comparison

    from tapeloom import BarData

# 2025-07-02, 09:30 in New York.
OPEN = 1_751_463_000_000_000_000
MINUTE = 60_000_000_000
SECOND = 1_000_000_000
PATIENCE = 120.0
SERVER = Path(__file__).with_name("bar_server.py")


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
    """One live session fed by a process of its own; when the socket got each bar, and when the store had it."""

    def __init__(
        self,
        folder: Path,
        journal: str,
        symbols: int,
        minutes: int,
        rate: float,
        frame: int,
    ) -> None:
        self._symbols, self._wanted, self._frame = symbols, symbols * minutes, frame
        # Number and instant, ns of the monotonic clock, of each bar that the store has.
        self._seen: list[tuple[float, int]] = []
        #: Seconds on their way, of each bar.
        self.ways = np.empty(0)
        self._done = threading.Event()
        self._clock = MarketTime(60 * rate / symbols if minutes > 1 else 1.0)
        asked = [str(each) for each in (symbols, minutes, OPEN, rate, frame)]
        self._server = subprocess.Popen(
            [sys.executable, str(SERVER), *asked],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        port = self._line()
        feed = AlpacaFeed("key", "secret", url_override=f"ws://127.0.0.1:{port}")
        system = SystemManager(
            folder,
            data_api=DataApi(feed, clock=self._clock),  # type: ignore[arg-type]  # it sets its own speed
        )
        self._run = system.prepare_live(live_config(symbols, journal, folder))
        self._watch(self._run.coordinator._journal)

    def _line(self) -> str:
        assert self._server.stdout is not None
        return self._server.stdout.readline().strip()

    def _watch(self, journal: Any) -> None:
        """Note when the store has what a step brought: readers see it from then on."""
        step = journal.step

        def watched(live: Any, bars: Sequence[BarData], clock: int, **more: Any) -> Any:
            found = step(live, bars, clock, **more)
            now = time.monotonic_ns()
            self._seen += [(bar.volume, now) for bar in bars]
            if len(self._seen) == self._wanted:
                self._done.set()
            return found

        journal.step = watched

    def play(self) -> None:
        """Let all bars come, and end the session."""
        coordinator = self._run.coordinator
        try:
            coordinator.start()
            assert self._line() == "go"
            while coordinator.stage != Stage.OPEN:
                assert coordinator.error is None
                time.sleep(0.01)
            assert self._server.stdin is not None
            self._clock.run()
            # The first look of a session judges every symbol.
            while len(coordinator.quality.known) < self._symbols:
                time.sleep(0.01)
            time.sleep(0.1)
            self._server.stdin.write("\n")
            self._server.stdin.flush()
            assert self._done.wait(PATIENCE), coordinator.error
            sent = np.array(self._line().split(), dtype=np.int64)
            numbers, seen = np.array(self._seen, dtype=np.int64).T
            self.ways = (seen - sent[numbers // self._frame]) / SECOND
            store = self._run.session_data
            assert store.get_ingest_counts().accepted == self._wanted
        finally:
            coordinator.stop()
            self._server.kill()
            # Closes its pipes too.
            self._server.communicate()


@pytest.mark.parametrize(
    ("journal", "seconds"), [("relaxed", 200e-6), ("strict", 2e-3)]
)
def test_a_bar_from_the_wire(
    compare: Comparison, tmp_path: Path, small: bool, journal: str, seconds: float
) -> None:
    symbols = 10 if small else 10_000
    streamed = Streamed(tmp_path, journal, symbols, 1, rate=5_000, frame=1)
    case = f"a bar from the wire into a live session, {journal} journal, 5,000 a second, p99"
    compare.take_part(case, streamed.play)
    if compare.benchmark.enabled:
        middle, late = np.percentile(streamed.ways, [50, 99])
        compare.keep(
            case,
            ours={
                "the live session": float(late),
                "the live session, half of the bars": float(middle),
            },
            peers={"what is wanted": seconds},
            targets=Targets(1),
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
