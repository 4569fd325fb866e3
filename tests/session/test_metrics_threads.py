"""Eight threads record while others clear and read: no record is lost, none is torn."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

from tapeloom import PerformanceMetrics

if TYPE_CHECKING:
    from tapeloom.session.metrics import MetricsScope

SCOPES: tuple[MetricsScope, ...] = ("session", "backtest")
THREADS = 8
RECORDS = 5_000


def test_eight_threads_lose_no_record_and_no_reader_sees_half_of_one() -> None:
    # Each record is of exactly one second: whatever a mean is of, it is one second.
    metrics = PerformanceMetrics(lambda: 1.0)
    wrong: list[object] = []
    done = threading.Event()

    def record() -> None:
        for _ in range(RECORDS):
            metrics.record_analysis_engine(0.0)
            metrics.record_phase("PHASE_5", 0.0)
            metrics.record_backpressure("edge")
            metrics.record_bars(2)

    def clear() -> None:
        while not done.is_set():
            metrics.reset_session_metrics()

    def read() -> None:
        seen = 0
        while not done.is_set():
            for scope in SCOPES:
                timing = metrics.to_dict(scope)["analysis_engine"]
                if timing["count"] and timing["total"] != timing["count"]:
                    wrong.append(timing)
            # Of the run, which nobody clears: it only grows.
            if timing["count"] < seen:
                wrong.append((seen, timing))
            seen = timing["count"]

    recorders = [threading.Thread(target=record) for _ in range(THREADS)]
    others = [threading.Thread(target=call) for call in (clear, read)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for thread in (*others, *recorders):
            thread.start()
        for thread in recorders:
            thread.join()
    finally:
        done.set()
        for thread in others:
            thread.join()
        sys.setswitchinterval(interval)
    assert wrong == []
    figures = metrics.to_dict("backtest")
    for timing in (figures["analysis_engine"], figures["phases"]["PHASE_5"]):
        assert timing["count"] == timing["total"] == THREADS * RECORDS
        assert timing["min"] == timing["max"] == timing["p50"] == timing["p99"] == 1.0
    assert figures["backpressure"] == {"edge": THREADS * RECORDS}
    assert figures["backtest"]["bars"] == 2 * THREADS * RECORDS
