"""What sessions leave behind, and runs that go on after an interruption."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest

from tapeloom.errors import AnalysisError, ArgumentError, CorruptFileError
from tapeloom.system.system_manager import SystemManager
from tests.session.memory import MemorySource
from tests.session.runs import config, market, market_tapes, prepared

if TYPE_CHECKING:
    from pathlib import Path

    from tapeloom import BarData, SessionData
    from tapeloom.session.result import RunResult


class Recording:
    """Records some bars, and fails in a session if asked to."""

    def __init__(self, fails_on: str | None = None) -> None:
        self.fails_on = fails_on

    def on_bar(self, session: SessionData, bar: BarData) -> None:
        if bar.interval == "5m":
            session.record(bar.symbol, close=bar.close, note=f"{bar.symbol}!")

    def on_session_end(self, session: SessionData) -> None:
        if str(session.current_session_date) == self.fails_on:
            text = "power cut"
            raise RuntimeError(text)


class Watching(Recording):
    """Records what weeks, history and real-time indicators are at each end of a session; symbols come and go meanwhile."""

    manager: SystemManager

    def on_session_start(self, session: SessionData) -> None:
        coordinator = self.manager.get_session_coordinator()
        if str(session.current_session_date) == "2025-07-02":
            coordinator.add_symbol("LATE", streams=["1m", "1w"])
            coordinator.remove_symbol("RIVN")

    def on_session_end(self, session: SessionData) -> None:
        for symbol in sorted(session.get_active_symbols()):
            week = session.get_forming_bar(symbol, "1w")
            session.record(
                symbol,
                state=session.state_hash(),
                week=None if week is None else week.volume,
                weeks=len(session.get_all_bars(symbol, "1w")),
                history=len(session.get_bars(symbol, scope="history")),
                quality=session.get_quality(symbol, scope="history"),
                mean=session.get_realtime_indicator(symbol, "mean"),
            )
        super().on_session_end(session)


def run(
    out: Path | None,
    *,
    resume: bool = False,
    fails_on: str | None = None,
    kind: type[Recording] = Recording,
    source: MemorySource | None = None,
    **changes: object,
) -> RunResult:
    manager = SystemManager(out=out, resume=resume)
    analysis = kind(fails_on)
    if isinstance(analysis, Watching):
        analysis.manager = manager
    manager.engine.add(analysis)
    made = manager.prepare(config(**changes), source=source or market())
    made.coordinator.run()
    return made.result()


def facts(result: RunResult) -> list[object]:
    sessions = [
        {k: v for k, v in s.items() if "seconds" not in k}
        for s in result.to_dict()["sessions"]
    ]
    return [sessions, result.symbols, result.records.to_list(), result.state_hash]


def test_each_session_leaves_one_file_with_its_rows(tmp_path: Path) -> None:
    result = run(tmp_path / "out")
    names = sorted(file.name for file in (tmp_path / "out").iterdir())
    assert [n for n in names if n.endswith(".parquet")] == [
        "2025-07-02.parquet",
        "2025-07-03.parquet",
        "2025-07-07.parquet",
    ]
    rows = sum(
        pq.read_table(tmp_path / "out" / n).num_rows
        for n in names
        if n.endswith(".parquet")
    )
    assert rows == len(result.records) > 0


@pytest.mark.parametrize("fails_on", ["2025-07-02", "2025-07-03", "2025-07-07"])
def test_a_run_that_was_cut_off_goes_on_to_the_same_end(
    tmp_path: Path, fails_on: str
) -> None:
    whole = run(None)
    with pytest.raises(AnalysisError, match="power cut"):
        run(tmp_path / "out", fails_on=fails_on)
    resumed = run(tmp_path / "out", resume=True)
    assert facts(resumed) == facts(whole)
    # Everything is done: nothing is run again.
    again = run(tmp_path / "out", resume=True, fails_on="2025-07-07")
    assert facts(again)[:3] == facts(whole)[:3]


@pytest.mark.parametrize("days", [0, 2])
@pytest.mark.parametrize("fails_on", ["2025-07-01", "2025-07-02", "2025-07-08"])
def test_weeks_history_indicators_warnings_and_symbols_that_came_and_went_go_on_too(
    tmp_path: Path, days: int, fails_on: str
) -> None:
    changes: dict[str, object] = {
        "backtest_config__start_date": "2025-07-01",
        "backtest_config__end_date": "2025-07-09",
        "session_data_config__streams": ["1m", "5m", "1d", "1w"],
        "session_data_config__historical": {
            "data": [{"trailing_days": days, "intervals": ["1m"]}] if days else []
        },
        "session_data_config__indicators": {
            "mean": {"type": "sma", "interval": "5m", "period": 90}
        },
        "kind": Watching,
        # Every bar of MSFT comes again with another value, or the same one.
        "source": told_twice(),
    }
    whole = run(None, **changes)  # type: ignore[arg-type]
    with pytest.raises(AnalysisError, match="power cut"):
        run(tmp_path / "out", fails_on=fails_on, **changes)  # type: ignore[arg-type]
    resumed = run(tmp_path / "out", resume=True, **changes)  # type: ignore[arg-type]
    assert facts(resumed) == facts(whole)
    assert resumed.warnings == whole.warnings
    assert {w.kind for w in whole.warnings} >= {"corrections", "duplicates"}
    assert resumed.session_data.get_active_symbols() == {"MSFT", "AAPL", "LATE"}


def told_twice() -> MemorySource:
    tapes = market_tapes()
    again = [
        bar._replace(volume=bar.volume + at % 2)
        for at, bar in enumerate(tapes["MSFT", "1m"])
    ]
    tapes["MSFT", "1m"] = sorted([*tapes["MSFT", "1m"], *again], key=lambda bar: bar.ts)
    return MemorySource(tapes)


def test_a_window_may_grow(tmp_path: Path) -> None:
    run(tmp_path / "out", backtest_config__end_date="2025-07-03")
    grown = run(tmp_path / "out", resume=True)
    assert facts(grown) == facts(run(None))


def test_results_are_not_written_over_or_mixed(tmp_path: Path) -> None:
    run(tmp_path / "out")
    with pytest.raises(ArgumentError, match="resume it, or give another folder"):
        run(tmp_path / "out")
    with pytest.raises(ArgumentError, match="configuration differs"):
        run(
            tmp_path / "out",
            resume=True,
            session_data_config__symbols=["MSFT"],
        )


def test_a_damaged_file_of_results_is_named(tmp_path: Path) -> None:
    run(tmp_path / "out")
    file = tmp_path / "out" / "2025-07-03.parquet"
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(
        CorruptFileError, match=r"2025-07-03\.parquet.*run its session again"
    ):
        run(tmp_path / "out", resume=True)
    file.unlink()
    assert facts(run(tmp_path / "out", resume=True)) == facts(run(None))


@pytest.mark.parametrize(("hours", "begin"), [("off", "09:30"), ("show", "04:00")])
def test_what_is_recorded_before_the_first_bar_belongs_to_the_begin_of_the_session(
    hours: str, begin: str
) -> None:
    class Early:
        def on_session_start(self, session: SessionData) -> None:
            session.record(date=str(session.current_session_date))

    manager, coordinator = prepared(
        Early(), session_data_config__bars={"extended_hours": hours}
    )
    coordinator.run()
    rows = [(row["time"], row["date"]) for row in manager.result().records]
    assert [f"{time:%Y-%m-%d %H:%M}" for time, _ in rows] == [
        f"{day} {begin}" for _, day in rows
    ]
    assert len(rows) == 3
