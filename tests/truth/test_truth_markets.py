"""Sessions and missing minutes of markets other than US equities, under the rule that each truth states.

Where no calendar has the rule, hours are registered as a user would register them.
"""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
import pytest

import tapeloom
from tapeloom import TimeManager
from tests.reference.schedule import MINUTE, to_ns
from tests.truth.facts import gap_truths
from tests.truth.test_truth_gaps import (
    assert_report_is_that_of,
    assert_sessions_are_those_of,
    replayed,
)

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tapeloom.session_data import SessionData

WEEK = ["Mon", "Tue", "Wed", "Thu", "Fri"]


def weekly(calendar: str, regular: list[str], weekdays: list[str]) -> TimeManager:
    """The zone of a calendar, with hours that hold every week, holidays or not."""
    time_manager = TimeManager(calendar)
    time_manager.register_market_hours(
        date(2013, 1, 7), date(2024, 12, 27), regular=regular, weekdays=weekdays
    )
    return time_manager


def cme() -> TimeManager:
    # 18:00 to 17:00 in New York is an hour earlier in Chicago.
    return weekly("US_FUTURES", ["17:00-1d", "16:00"], WEEK)


def foreign_exchange() -> TimeManager:
    return weekly("XNYS", ["17:00-1d", "17:00"], WEEK)


def berlin_days() -> TimeManager:
    return weekly("XEUR", ["00:00", "00:00+1d"], [*WEEK, "Sat", "Sun"])


def round_the_clock() -> TimeManager:
    return TimeManager("CRYPTO")


class MissingMinutes:
    """An analysis that keeps the missing minutes of each session."""

    def __init__(self, symbol: str) -> None:
        self._symbol = symbol
        self.found: list[NDArray[np.int64]] = []

    def on_session_end(self, session: SessionData) -> None:
        for gap in session.get_gaps(self._symbol):
            self.found.append(
                np.arange(to_ns(gap.start), to_ns(gap.end), MINUTE, dtype=np.int64)
            )


def missing_between(
    data: object,
    symbol: str,
    time_manager: TimeManager,
    stretches: list[tuple[int, int]],
) -> NDArray[np.int64]:
    """Missing minutes that a replay finds inside stretches ``[first bar, last bar]``."""
    minutes = MissingMinutes(symbol)
    tapeloom.replay(data, time_manager=time_manager, analysis=minutes)
    found = np.concatenate([np.empty(0, dtype=np.int64), *minutes.found])
    return found[within(found, stretches)]


def within(
    minutes: NDArray[np.int64], stretches: list[tuple[int, int]]
) -> NDArray[np.bool_]:
    inside = np.zeros(minutes.size, dtype=np.bool_)
    for first, last in stretches:
        inside |= (first <= minutes) & (minutes <= last)
    return inside


def expected_between(
    time_manager: TimeManager, stretches: list[tuple[int, int]]
) -> NDArray[np.int64]:
    """Minutes of the grid inside the stretches."""
    first = time_manager.to_market_timezone(stretches[0][0]).date()
    last = time_manager.to_market_timezone(stretches[-1][1]).date() + timedelta(days=3)
    dates = time_manager.get_trading_dates_in_range(first, last)
    grid = np.concatenate([time_manager.get_grid(day, "1m") for day in dates])
    return grid[within(grid, stretches)]


def runs_of(minutes: NDArray[np.int64], expected: NDArray[np.int64]) -> list[list[Any]]:
    """Missing minutes as the truth writes them: runs of neighbours among the expected ones."""
    places = np.searchsorted(expected, minutes)
    breaks = np.flatnonzero(np.diff(places) != 1) + 1
    return [
        [f"{np.datetime64(int(run[0]), 'ns').astype('datetime64[m]')}Z", len(run)]
        for run in np.split(minutes, breaks)
        if len(run)
    ]


def stamps(path: Path) -> NDArray[np.int64]:
    column = pq.read_table(path, columns=["ts"])["ts"]
    return np.unique(column.to_numpy().astype("datetime64[ns]").astype(np.int64))


def assert_truth(
    truth: dict[str, Any],
    data: object,
    ts: NDArray[np.int64],
    time_manager: TimeManager,
    stretches: list[tuple[int, int]],
    symbol: str,
) -> None:
    expected = expected_between(time_manager, stretches)
    missing = missing_between(data, symbol, time_manager, stretches)
    assert expected.size == truth["expected"]
    assert missing.size == truth["missing"]
    assert np.isin(ts, expected, invert=True).sum() == truth["outside_rule"]
    assert minutes_of(runs_of(missing, expected)) == minutes_of(truth["missing_runs"])


def minutes_of(runs: list[list[Any]]) -> list[int]:
    """Single minutes of runs, which one may cut at a night where the other goes on."""
    return [
        int(np.datetime64(start.rstrip("Z"), "m").astype(np.int64)) + minute
        for start, count in runs
        for minute in range(count)
    ]


@pytest.mark.parametrize(
    ("market", "time_manager", "files"),
    [
        ("crypto_coinbase", round_the_clock, 3),
        ("future_cme", cme, 3),
        ("future_eurex", berlin_days, 1),
    ],
)
def test_missing_minutes_under_the_stated_rule(
    real_data: Path, market: str, time_manager: Any, files: int
) -> None:
    truths = sorted((real_data / "truth").glob(f"gaps__{market}__*.json"))
    assert len(truths) == files
    manager = time_manager()
    for path in truths:
        truth = json.loads(path.read_text())
        ts = stamps(real_data / truth["file"])
        stretches = [(int(ts[0]), int(ts[-1]))]
        if market == "future_eurex":
            # "First to last bar of each Berlin calendar day".
            days = [manager.to_market_timezone(int(t)).date() for t in ts]
            each = [ts[np.array([d == day for d in days])] for day in sorted(set(days))]
            stretches = [(int(day[0]), int(day[-1])) for day in each]
        assert_truth(
            truth,
            str(real_data / truth["file"]),
            ts,
            manager,
            stretches,
            truth["symbol"],
        )


def test_missing_minutes_of_currencies(real_data: Path) -> None:
    truths = json.loads((real_data / "truth" / "quote_bars_gaps.json").read_text())
    ours = [truth for truth in truths if truth["rule"].startswith("Sunday 17:00")]
    assert len(ours) == 3
    manager = foreign_exchange()
    for truth in ours:
        path = real_data / truth["file"]
        table = pq.read_table(path)
        prices = {
            name: table[f"bid_{name}"].to_numpy()
            for name in ("open", "high", "low", "close")
        }
        ts = stamps(path)
        bars = {
            "ts": table["ts"].to_numpy().astype("datetime64[ns]"),
            "volume": np.zeros(table.num_rows),
            **prices,
        }
        stretch = [(int(ts[0]), int(ts[-1]))]
        assert_truth(truth, {"PAIR": bars}, ts, manager, stretch, "PAIR")


def test_sessions_of_the_indian_market_are_those_of_its_calendar(
    real_data: Path,
) -> None:
    truths = gap_truths(real_data, "india_index")
    assert len(truths) == 1
    for truth in truths:
        ends, result = replayed(truth, exchange_group="IN_EQUITY")
        assert_sessions_are_those_of(truth, ends)
        assert_report_is_that_of(truth, result)


def test_sessions_of_a_us_index_are_those_of_its_calendar(real_data: Path) -> None:
    truths = gap_truths(real_data, "us_index")
    assert len(truths) == 1
    for truth in truths:
        ends, result = replayed(truth)
        assert_sessions_are_those_of(truth, ends)
        assert_report_is_that_of(truth, result)
