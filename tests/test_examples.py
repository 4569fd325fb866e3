"""The examples run as they are, by the command line, and record what plain Python finds in the same bars."""

from __future__ import annotations

import runpy
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from tapeloom import DataManager, TimeManager

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
PACKAGED = ROOT / "python" / "tapeloom" / "demo"
MINUTE = 60_000_000_000
FIELDS = ("open", "high", "low", "close", "volume")

#: Of one symbol: the date of each session with its bars as ``(minute after the open, ts, open, high, low, close, volume)``.
Days = dict[date, list[tuple[Any, ...]]]


@pytest.mark.parametrize("name", ["sma_cross.py", "session.json"])
def test_the_example_is_the_file_that_the_demo_writes(name: str) -> None:
    assert (EXAMPLES / name).read_text(encoding="utf-8") == (PACKAGED / name).read_text(
        encoding="utf-8"
    )


def test_the_frame_example_runs_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(EXAMPLES / "replay_frame.py"))
    assert capsys.readouterr().out.startswith("208 bars, 2 missing, quality 99.04")


def test_sma_cross_records_each_crossing_of_the_five_minute_closes(
    tmp_path: Path,
) -> None:
    window = date(2024, 10, 31), date(2024, 12, 5)
    market = write_market(tmp_path, ["BBB", "AAA"], date(2024, 10, 28), window[1])
    found = recorded(tmp_path, "sma_cross.py:SmaCross", "session.json")
    expected = [
        row for symbol in market for row in crossings(market[symbol], symbol, window)
    ]
    assert len(expected) > 100
    assert sorted(found) == sorted(expected)


def test_opening_range_breakout_records_the_first_close_beyond_each_edge_of_500_symbols(
    tmp_path: Path,
) -> None:
    day = date(2024, 11, 13)
    market = write_market(tmp_path, [f"S{k:03}" for k in range(500)], day, day)
    found = recorded(
        tmp_path,
        "opening_range_breakout.py:OpeningRange",
        "opening_range_breakout.json",
    )
    expected = [row for s in market for row in breakouts(market[s][day], s)]
    assert len(expected) > 500
    assert sorted(found) == sorted(expected)


def test_relative_volume_alerts_once_at_the_first_minute_beyond_the_usual_volume(
    tmp_path: Path,
) -> None:
    market = write_market(
        tmp_path,
        [f"S{k}" for k in range(8)],
        date(2024, 10, 28),
        date(2024, 11, 15),
        # The last one is busy too late to make up for the day.
        busy={
            ("S3", date(2024, 11, 13)): 200,
            ("S5", date(2024, 11, 14)): 0,
            ("S7", date(2024, 11, 15)): 380,
        },
    )
    found = recorded(
        tmp_path, "relative_volume.py:RelativeVolume", "relative_volume.json"
    )
    expected = [
        row
        for symbol, days in market.items()
        for day in days
        if day >= date(2024, 11, 11)
        for row in alerts(days, symbol, day)
    ]
    assert {row[1] for row in expected} == {"S3", "S5"}
    assert [row[:4] for row in sorted(found)] == [row[:4] for row in sorted(expected)]
    ratios = [row[4] for row in sorted(expected)]
    assert [row[4] for row in sorted(found)] == pytest.approx(ratios, rel=1e-12)


# The same in plain Python


def crossings(
    days: Days, symbol: str, window: tuple[date, date]
) -> Iterator[tuple[Any, ...]]:
    closes: list[float] = []
    side: bool | None = None
    for day, bars in days.items():
        buckets = {minute // 5: (ts, close) for minute, ts, *_, close, _ in bars}
        opened = bars[0][1] - bars[0][0] * MINUTE
        for bucket, (_, close) in buckets.items():
            closes.append(close)
            if day < window[0] or len(closes) < 20:
                continue
            above = close > np.mean(closes[-20:])
            if side is not None and above != side:
                known = opened + (bucket + 1) * 5 * MINUTE
                yield known, symbol, "buy" if above else "sell", close
            side = above


def breakouts(bars: list[tuple[Any, ...]], symbol: str) -> Iterator[tuple[Any, ...]]:
    first = [bar for bar in bars if bar[0] < 30]
    if not first:
        return
    high, low = max(bar[3] for bar in first), min(bar[4] for bar in first)
    up = [(ts, close) for minute, ts, *_, close, _ in bars if close > high]
    down = [(ts, close) for minute, ts, *_, close, _ in bars if close < low]
    for side, beyond, edge in (("up", up, high), ("down", down, low)):
        for ts, close in beyond[:1]:
            yield ts + MINUTE, symbol, side, close, edge


def alerts(days: Days, symbol: str, day: date) -> Iterator[tuple[Any, ...]]:
    before = [d for d in days if d < day][-10:]
    volumes: dict[int, list[float]] = {}
    for other in before:
        for minute, *_, volume in days[other]:
            volumes.setdefault(minute, []).append(volume)
    so_far = 0.0
    for minute, ts, *_, volume in days[day]:
        so_far += volume
        usual = sum(sum(v) / len(v) for m, v in volumes.items() if m <= minute)
        if minute + 1 >= 5 and so_far >= 1.5 * usual:
            yield ts + MINUTE, symbol, minute + 1, so_far, so_far / usual
            return


# A market on disk, and a run over it


def write_market(
    folder: Path,
    symbols: list[str],
    first: date,
    last: date,
    *,
    busy: dict[tuple[str, date], int] | None = None,
) -> dict[str, Days]:
    """Write minute bars, one in fifty missing; where it is busy, volumes are tenfold from a minute of the day on."""
    calendar, store = TimeManager("US_EQUITY"), DataManager(folder / "data")
    dates = calendar.get_trading_dates_in_range(first, last)
    grids = [calendar.get_grid(day, "1m") for day in dates]
    chance = np.random.default_rng(20241113)
    market: dict[str, Days] = {}
    for symbol in symbols:
        ts = np.concatenate(grids)
        minutes = np.concatenate([np.arange(len(grid)) for grid in grids])
        of_day = np.concatenate([np.full(len(g), k) for k, g in enumerate(grids)])
        close = 100 * np.exp(np.cumsum(chance.normal(0, 5e-4, len(ts))))
        volume = chance.integers(500, 1_500, len(ts)).astype(float)
        for k, day in enumerate(dates):
            since = (busy or {}).get((symbol, day), len(ts))
            volume[(of_day == k) & (minutes >= since)] *= 10
        opened = np.concatenate([[100.0], close[:-1]])
        high = np.maximum(opened, close) * 1.0002
        low = np.minimum(opened, close) * 0.9998
        here = chance.random(len(ts)) >= 0.02
        columns = dict(zip(FIELDS, (opened, high, low, close, volume), strict=True))
        columns = {name: values[here] for name, values in columns.items()}
        store.write_bars(symbol, "1m", {"ts": ts[here], **columns})
        rows = zip(
            minutes[here].tolist(),
            ts[here].tolist(),
            *(values.tolist() for values in columns.values()),
            strict=True,
        )
        days: Days = {day: [] for day in dates}
        for k, row in zip(of_day[here].tolist(), rows, strict=True):
            days[dates[k]].append(row)
        market[symbol] = days
    return market


def recorded(folder: Path, analysis: str, config: str) -> list[tuple[Any, ...]]:
    """Run an example by the command line and return its rows: time in ns, symbol, then the values."""
    command = ["run", str(EXAMPLES / config), "--quiet"]
    command += ["--data", str(folder / "data"), "--out", str(folder / "out")]
    command += ["--analysis", str(EXAMPLES / analysis)]
    done = subprocess.run(
        [sys.executable, "-m", "tapeloom.cli", *command],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows: list[tuple[Any, ...]] = []
    for file in sorted((folder / "out").glob("*.parquet")):
        table = pq.read_table(file)
        table = table.set_column(0, "time", table.column("time").cast("int64"))
        rows += zip(*(column.to_pylist() for column in table.columns), strict=True)
    return rows
