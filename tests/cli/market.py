"""Two symbols of one half day as files, with a config, for commands to run on."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from pathlib import Path

OPEN = datetime(
    2024, 11, 29, 14, 30, tzinfo=UTC
)  # 09:30 in New York, a half day: 210 minutes


def write_market(folder: Path, **backtest: object) -> None:
    """Write bars and config of ALDERA, which lacks nothing, and BRIXUM, which lacks three minutes from 10:10 on."""
    write_bars(folder / "bars" / "ALDERA.parquet", "ALDERA")
    write_bars(folder / "bars" / "BRIXUM.parquet", "BRIXUM", without=(40, 41, 42))
    write_config(folder / "session.json", **backtest)


def write_bars(path: Path, symbol: str, *, without: tuple[int, ...] = ()) -> None:
    """Write the minutes of the half day, all but some."""
    path.parent.mkdir(exist_ok=True)
    minutes = [k for k in range(210) if k not in without]
    price = [100.0 + k % 7 for k in minutes]
    columns = {
        "symbol": [symbol] * len(minutes),
        "ts": pa.array(
            [OPEN + timedelta(minutes=k) for k in minutes], pa.timestamp("ns", "UTC")
        ),
        **dict.fromkeys(("open", "high", "low", "close"), price),
        "volume": [500.0] * len(minutes),
    }
    pq.write_table(pa.table(columns), path)


def write_config(path: Path, **backtest: object) -> None:
    """Write the config of a run over that day; keywords go under ``backtest_config``."""
    config = {
        "session_name": "small",
        "mode": "backtest",
        "backtest_config": {
            "start_date": "2024-11-29",
            "end_date": "2024-11-29",
            **backtest,
        },
        "session_data_config": {
            "symbols": ["ALDERA", "BRIXUM"],
            "streams": ["1m", "5m"],
        },
    }
    path.write_text(json.dumps(config), encoding="utf-8")
