"""What `tapeloom.run` says of real sessions, and that a closed day is no session."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import tapeloom
from tests.compare import long_columns
from tests.reference.gaps import expected_starts
from tests.reference.schedule import MINUTE, trading_day
from tests.strategies import bar_at
from tests.truth.facts import symbols_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tapeloom.session.result import RunResult
    from tapeloom.session_data import SessionData

HALF_DAY = date(2024, 7, 3)
ADMF_PC = "bars/us_equity/interval=1m/symbol=SPY/2024-03-26_2024-08-30.parquet"


def run_on(data: Path, symbols: Sequence[str], first: date, last: date) -> RunResult:
    config = {
        "session_name": "acceptance",
        "exchange_group": "US_EQUITY",
        "asset_class": "EQUITY",
        "mode": "backtest",
        "backtest_config": {
            "start_date": first.isoformat(),
            "end_date": last.isoformat(),
            "speed_multiplier": 0.0,
        },
        "session_data_config": {"symbols": list(symbols), "streams": ["1m", "5m"]},
    }
    return tapeloom.run(config, data=str(data))


def assert_half_day_is_whole(result: RunResult) -> None:
    (report,) = result.sessions
    assert (report.session_date, report.is_early_close) == (HALF_DAY, True)
    assert (report.expected, report.present, report.missing, report.gaps) == (
        210,
        210,
        0,
        0,
    )
    assert report.out_of_session == 139
    assert report.quality == 100.0


def test_the_half_day_of_spy_is_whole_and_what_runs_on_is_out_of_session(
    real_data: Path,
) -> None:
    assert_half_day_is_whole(run_on(real_data / ADMF_PC, ["SPY"], HALF_DAY, HALF_DAY))


def test_the_half_day_is_the_same_where_two_sources_overlap_in_the_folder(
    real_data: Path,
) -> None:
    assert_half_day_is_whole(run_on(real_data, ["SPY"], HALF_DAY, HALF_DAY))


def test_the_symbols_of_november_2025_miss_2173_minutes(real_data: Path) -> None:
    symbols = symbols_of(real_data, source="nuronce/stock-analysis", market="us_equity")
    result = run_on(real_data, symbols, date(2025, 11, 12), date(2025, 11, 18))
    assert (len(symbols), len(result.sessions)) == (45, 5)
    assert sum(report.expected for report in result.sessions) == 87_750
    assert (result.missing, result.bars) == (2_173, 85_577)
    assert sum(report.missing for report in result.symbols) == 2_173


def test_the_symbols_of_february_2019_miss_1785_minutes(real_data: Path) -> None:
    symbols = symbols_of(real_data, source="masonblier/eqker", market="us_equity")
    result = run_on(real_data, symbols, date(2019, 2, 11), date(2019, 2, 15))
    assert (len(symbols), len(result.sessions)) == (14, 5)
    assert sum(report.expected for report in result.sessions) == 27_300
    assert (result.missing, result.bars) == (1_785, 25_515)


def test_a_full_closure_between_two_trading_days_is_no_session() -> None:
    days = [
        trading_day(date(2025, 1, day), "09:30-16:00", "America/New_York")
        for day in (8, 9, 10)
    ]
    tape = {"AAA": [bar_at(ts) for day in days for ts in expected_starts(day, MINUTE)]}

    def analyse(session: SessionData, bar: tapeloom.BarData) -> None:
        dates.add(session.current_session_date)

    dates: set[date | None] = set()
    result = tapeloom.replay(
        long_columns(tape),
        start=date(2025, 1, 8),
        end=date(2025, 1, 10),
        analysis=analyse,
    )
    assert [report.session_date for report in result.sessions] == [
        date(2025, 1, 8),
        date(2025, 1, 10),
    ]
    assert dates == {date(2025, 1, 8), date(2025, 1, 10)}
    assert (result.missing, result.bars) == (0, 780)


def test_symbols_without_a_file_in_the_window_are_dropped_from_all(
    real_data: Path,
) -> None:
    config = {
        "session_name": "all",
        "mode": "backtest",
        "backtest_config": {"start_date": "2025-11-12", "end_date": "2025-11-18"},
        "session_data_config": {"symbols": "all", "streams": ["1m"]},
    }
    result = tapeloom.run(config, data=str(real_data))
    assert (len(result.symbols), result.missing) == (45, 2_173)
    assert any(warning.kind == "symbol_dropped" for warning in result.warnings)
