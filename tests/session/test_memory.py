"""Memory holds one block of sessions, however many the window has."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np

from tapeloom._core import Bars
from tapeloom.calendars import get_session_table
from tapeloom.storage import DataManager

if TYPE_CHECKING:
    from pathlib import Path

SYMBOLS = 30
SESSIONS = 90
# What the bars of all sessions would take, were they kept.
ALL_BARS_MIB = SYMBOLS * SESSIONS * 390 * 49 / 2**20

RUN = """
import resource, sys, tapeloom
result = tapeloom.run({
    "session_name": "memory", "mode": "backtest",
    "backtest_config": {"start_date": "2024-01-02", "end_date": sys.argv[2], "prefetch_days": 2},
    "session_data_config": {"symbols": "all", "streams": ["1m", "5m", "1d"],
                            "historical": {"data": [{"trailing_days": 2, "intervals": ["1m"]}]}},
}, data=sys.argv[1], progress=False)
print(len(result.sessions), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def write_market(root: Path) -> None:
    table = get_session_table("US_EQUITY")
    first = int(
        np.searchsorted(table.opens, np.datetime64("2024-01-02", "ns").astype(np.int64))
    )
    ts = np.concatenate([table.grid(i, "1m") for i in range(first, first + SESSIONS)])
    ones = np.ones(len(ts))
    manager = DataManager(root)
    for number in range(SYMBOLS):
        bars = Bars.from_columns(
            f"S{number:02}",
            "1m",
            ts=ts,
            open=ones,
            high=ones,
            low=ones,
            close=ones,
            volume=ones,
            zone=table.zone,
            table=table,
        )
        manager.write_bars(bars.symbol, bars.interval, bars)


def peak_mib(root: Path, end: str) -> tuple[int, float]:
    """Sessions and peak memory of a run in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(root), end],
        capture_output=True,
        text=True,
        check=True,
    )
    sessions, peak = done.stdout.split()
    return int(sessions), float(peak)


def test_memory_does_not_grow_with_the_number_of_sessions(tmp_path: Path) -> None:
    write_market(tmp_path)
    few, peak_of_few = peak_mib(tmp_path, "2024-01-18")
    many, peak_of_many = peak_mib(tmp_path, "2024-05-09")
    assert (few, many) == (12, SESSIONS)
    assert peak_of_many - peak_of_few < ALL_BARS_MIB / 3
