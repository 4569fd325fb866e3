"""A data manager checks what it reads."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from tapeloom import Bars, DataManager, TimeManager, check, gaps
from tapeloom.calendars.session_table import get_session_table
from tapeloom.checking.check import Progress
from tests.check.made_up import bars, columns, grid
from tests.reference.schedule import to_ns

if TYPE_CHECKING:
    from pathlib import Path


def test_a_data_manager_reports_what_its_bars_lack(tmp_path: Path) -> None:
    table = get_session_table("US_EQUITY")
    index = table.index_of((date(2025, 7, 2) - date(1970, 1, 1)).days)
    assert index is not None
    ts = table.grid(index, "1m")
    ts = np.delete(ts, [100, 101])
    price = np.full(len(ts), 10.0)
    one = Bars.from_columns(
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
    manager.write_bars("AAPL", "1m", one)
    report = manager.check_data_quality(["AAPL"])
    assert not report.is_clean
    assert "2 of 390 bars missing" in str(report.problems)
    assert manager.notes == []


def test_while_a_clock_holds_only_sessions_that_are_over_are_looked_at(
    tmp_path: Path,
) -> None:
    DataManager(tmp_path).write_bars(
        "AAPL", "1m", bars("AAPL", grid("2025-07-01", "2025-07-07"), without=[400])
    )
    zone = ZoneInfo("America/New_York")
    clock = TimeManager("US_EQUITY", mode="backtest")
    clock.set_backtest_time(datetime(2025, 7, 2, 11, tzinfo=zone))
    manager = DataManager(tmp_path, time_manager=clock)
    report = manager.check_data_quality(end=date(2025, 7, 7))
    assert [(row.session.day, row.missing) for row in report.sessions] == [(1, 0)]
    assert report.is_clean
    clock.set_backtest_time(datetime(2025, 7, 2, 16, tzinfo=zone))
    report = manager.check_data_quality()
    assert [(row.session.day, row.missing) for row in report.sessions] == [
        (1, 0),
        (2, 1),
    ]


def test_each_day_is_held_against_the_finest_bars_that_have_it(tmp_path: Path) -> None:
    manager = DataManager(tmp_path)
    seconds, minutes = (
        grid("2025-07-01", "2025-07-01", interval="1s"),
        grid("2025-07-01", "2025-07-03"),
    )
    manager.write_bars("SPY", "1s", bars("SPY", seconds, interval="1s"))
    manager.write_bars("SPY", "1m", bars("SPY", minutes))
    opens = grid("2025-07-01", "2025-07-07", interval="1d")
    manager.write_bars("SPY", "1d", bars("SPY", opens, interval="1d"))
    found = [f.text for f in manager.check_data_quality().findings if f.kind == "daily"]
    more = "volume in {} (auctions and extended hours count in many daily bars)"
    assert found == [
        f"daily bars differ from the aggregate of 1s bars in 1 sessions: {more.format(1)}",
        f"daily bars differ from the aggregate of 1m bars in 2 sessions: {more.format(2)}",
    ]


def test_symbols_that_are_read_side_by_side_stand_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    manager, names = DataManager(tmp_path), [f"S{number}" for number in range(8)]
    minutes = grid("2025-07-01", "2025-07-03")
    opens = grid("2025-07-01", "2025-07-03", interval="1d")
    for number, name in enumerate(names):
        few = bars(name, minutes, without=range(100, 100 + number))
        manager.write_bars(name, "1m", few)
        manager.write_bars(name, "1d", bars(name, opens, interval="1d"))
    series = [(name, interval) for name in names for interval in ("1m", "1d")]
    told: list[Progress] = []
    report = check(tmp_path, progress=told.append)
    assert [(at.done, at.total) for at in told] == [(n, 16) for n in range(17)]
    assert sorted((at.symbol, at.interval) for at in told[:-1]) == sorted(series)
    lacking = [(*one, int(one[0][1]) * (one[1] == "1m")) for one in series]
    rows = [(row.symbol, row.interval, row.missing) for row in report.symbols]
    assert rows == lacking
    found = [(gap.symbol, gap.interval, gap.missing) for gap in gaps(tmp_path)]
    assert found == [one for one in lacking if one[2]]


@pytest.mark.parametrize("hour", [9, 11, 16])
def test_nothing_after_the_clock_changes_a_check(tmp_path: Path, hour: int) -> None:
    now = datetime(2025, 7, 2, hour, 30, tzinfo=ZoneInfo("America/New_York"))
    ts, reports = grid("2025-07-01", "2025-07-07"), []
    rng = np.random.default_rng(7)
    for name, is_garbage in (("true", False), ("poisoned", True)):
        values = columns(ts, without=[5, 450])
        later = values["ts"] >= to_ns(now)
        if is_garbage:
            for field in ("open", "high", "low", "close", "volume"):
                values[field][later] = rng.uniform(1e3, 1e6, later.sum())
            values["low"][later], values["high"][later] = 1.0, 1e7
        table = get_session_table("US_EQUITY")
        one = Bars.from_columns("AAPL", "1m", **values, zone=table.zone, table=table)
        if is_garbage:
            one = one.drop_rows(np.flatnonzero(later)[::3].tolist())
        DataManager(tmp_path / name).write_bars("AAPL", "1m", one)
        clock = TimeManager("US_EQUITY", mode="backtest")
        clock.set_backtest_time(now)
        manager = DataManager(tmp_path / name, time_manager=clock)
        for dates in ((None, None), (date(2025, 7, 1), date(2025, 7, 7))):
            report = manager.check_data_quality(None, "1m", *dates)
            reports.append(report.to_dict())
    assert reports[0] == reports[2]
    assert reports[1] == reports[3]
    assert reports[0]["totals"]["bars"] == (389 if hour < 16 else 778)
