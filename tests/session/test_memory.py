"""Memory holds two blocks of sessions, however many the window has."""

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
FEW, SESSIONS = 25, 250
# What the bars of all sessions would take, were they kept.
ALL_BARS_MIB = SYMBOLS * SESSIONS * 390 * 49 / 2**20
FIRST = get_session_table("US_EQUITY").index_of(19_724) or 0  # 2024-01-02

RUN = """
import resource, sys, tapeloom
result = tapeloom.run({
    "session_name": "memory", "mode": "backtest",
    "backtest_config": {"start_date": "2024-01-02", "end_date": sys.argv[2]},
    "session_data_config": {"symbols": "all", "streams": ["1m", "5m", "1d"],
                            "historical": {"data": [{"trailing_days": 2, "intervals": ["1m"]}]}},
}, data=sys.argv[1], progress=False)
print(len(result.sessions), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def write_market(root: Path) -> None:
    table = get_session_table("US_EQUITY")
    ts = np.concatenate([table.grid(i, "1m") for i in range(FIRST, FIRST + SESSIONS)])
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


def peak_mib(root: Path, sessions: int) -> float:
    """Peak memory of a run over the first sessions, in a process of its own."""
    table = get_session_table("US_EQUITY")
    last = np.datetime64(int(table.dates[FIRST + sessions - 1]), "D")
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(root), str(last)],
        capture_output=True,
        text=True,
        check=True,
    )
    played, peak = done.stdout.split()
    assert int(played) == sessions
    return float(peak)


def test_a_year_takes_the_memory_of_a_month(tmp_path: Path) -> None:
    write_market(tmp_path)

    grown = peak_mib(tmp_path, SESSIONS) - peak_mib(tmp_path, FEW)

    # Reports of sessions and what was told of files are kept, some 4 MiB; bars and footers are not.
    assert grown < ALL_BARS_MIB / 10
