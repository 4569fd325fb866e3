"""A data manager checks what it reads."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from tapeloom import Bars, DataManager
from tapeloom.calendars.session_table import get_session_table

if TYPE_CHECKING:
    from pathlib import Path


def test_a_data_manager_reports_what_its_bars_lack(tmp_path: Path) -> None:
    table = get_session_table("US_EQUITY")
    index = table.index_of((date(2025, 7, 2) - date(1970, 1, 1)).days)
    assert index is not None
    ts = table.grid(index, "1m")
    ts = np.delete(ts, [100, 101])
    price = np.full(len(ts), 10.0)
    bars = Bars.from_columns(
        "AAPL",
        "1m",
        ts=ts,
        open=price,
        high=price,
        low=price,
        close=price,
        volume=price,
        zone=table.zone,
        table=table,
    )
    manager = DataManager(tmp_path)
    manager.write_bars("AAPL", "1m", bars)
    report = manager.check_data_quality(["AAPL"])
    assert not report.is_clean
    assert "2 of 390 bars missing" in str(report.problems)
    assert manager.notes == []
